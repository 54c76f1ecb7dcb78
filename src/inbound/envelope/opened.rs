//! Defines the input and the result of checking an encrypted event, and contains the checks that
//! all systems share.

use bytes::Bytes;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::domain::{Timestamp, read_json};
use crate::inbound::hmac::fresh;
use crate::inbound::origins::listed;
use crate::inbound::proof::{Proof, Proven};
use crate::inbound::refusal::Refusal;
use crate::inbound::replies::ReplyBody;
use crate::inbound::trace::Trace;

use super::key::EnvelopeKey;
use super::scheme::EnvelopeScheme;

/// A source of encrypted events, and the instant of the check.
pub(in crate::inbound) struct Checked<'a> {
    pub(in crate::inbound) scheme: EnvelopeScheme,
    pub(in crate::inbound) keys: Vec<&'a EnvelopeKey>,
    /// The accepted receivers. If the list is empty, Feishu's events may name any app.
    pub(in crate::inbound) from: &'a [String],
    pub(in crate::inbound) now: Timestamp,
}

pub(in crate::inbound) struct Opened {
    pub(in crate::inbound) proven: Proven,
    /// The event as JSON.
    pub(in crate::inbound) body: Bytes,
    pub(in crate::inbound) reply: ReplyBody,
    /// Whether the event only checks the address.
    pub(in crate::inbound) is_challenge: bool,
}

/// The keys that authenticate a request. They are several while half of a secret is replaced: the
/// signature depends only on the token, or at Feishu only on the Encrypt Key.
pub(super) type Matching<'a> = Vec<(Proof, &'a EnvelopeKey)>;

impl<'a> Checked<'a> {
    /// Compares `signature` with the signature that each key makes. Returns the keys whose signature
    /// matches, at least one.
    pub(super) fn matching(
        &self,
        what: &str,
        signature: &str,
        trace: &mut Trace,
        signature_by: impl Fn(&EnvelopeKey) -> String,
    ) -> Result<Matching<'a>, Refusal> {
        self.all_that(what, |key, by| {
            let expected = signature_by(key);
            let found = bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
            trace.note("computed", found, || format!("{expected} with {by}"));
            found
        })
    }

    /// Returns the keys for which `fits` returns true, at least one.
    pub(super) fn all_that(
        &self,
        what: &str,
        mut fits: impl FnMut(&EnvelopeKey, &Proof) -> bool,
    ) -> Result<Matching<'a>, Refusal> {
        let keys = self.keys.iter().enumerate();
        let keys = keys.map(|(index, key)| (Proof::Secret(index), *key));
        let fitting: Matching<'_> = keys.filter(|(by, key)| fits(key, by)).collect();
        match fitting.is_empty() {
            true => Err(Refusal::mismatch(what)),
            false => Ok(fitting),
        }
    }

    pub(super) fn listed(&self, receiver: &str, trace: &mut Trace) -> Result<(), Refusal> {
        let receiver = receiver.to_owned();
        listed(self.from, &receiver, "receiver", trace)
            .map_err(|_| Refusal::ForeignReceiver { receiver })
    }

    /// Checks that a time is within the window of the scheme. `text` is `None` if the time is
    /// absent. A refusal refers to the time as `what`.
    pub(super) fn timely(
        &self,
        what: &str,
        text: Option<&str>,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        let text = text.ok_or_else(|| Refusal::missing(what))?;
        let why = "it is not 10, 13 or 16 digits of unix time";
        let at = instant(text).ok_or_else(|| Refusal::malformed(what, why))?;
        fresh(self.scheme.window, at, self.now, trace)
    }
}

/// Returns the first key with which `open` succeeds, and what it returned. If it succeeds with none,
/// returns the last refusal.
pub(super) fn first_that_opens<'a, T>(
    matching: Matching<'a>,
    mut open: impl FnMut(&'a EnvelopeKey) -> Result<T, Refusal>,
) -> Result<(Proof, &'a EnvelopeKey, T), Refusal> {
    let mut last = Refusal::mismatch("the event");
    for (by, key) in matching {
        match open(key) {
            Ok(opened) => return Ok((by, key, opened)),
            // Of several refusals, the one of a key that did open the event says the most.
            Err(refusal) if matches!(last, Refusal::Mismatch { .. }) => last = refusal,
            Err(_) => {}
        }
    }
    Err(last)
}

/// Parses an event, or the envelope around it, as a JSON object.
pub(super) fn object(bytes: &[u8]) -> Result<Value, Refusal> {
    let value = read_json(bytes).ok().filter(Value::is_object);
    let why = "it is not a JSON object, or it repeats a key";
    value.ok_or_else(|| Refusal::malformed("the event", why))
}

/// Parses a whole number of seconds (10 digits), milliseconds (13) or microseconds (16) since 1970.
fn instant(text: &str) -> Option<Timestamp> {
    let digits = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    let number: i64 = text.parse().ok().filter(|_| digits)?;
    match text.len() {
        10 => Timestamp::from_second(number).ok(),
        13 => Timestamp::from_millisecond(number).ok(),
        16 => Timestamp::from_microsecond(number).ok(),
        _ => None,
    }
}
