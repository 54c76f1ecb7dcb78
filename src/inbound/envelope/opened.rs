//! What a check of an encrypted event needs, and what it finds.

use bytes::Bytes;
use subtle::ConstantTimeEq;

use crate::domain::{Timestamp, shown};
use crate::inbound::hmac::fresh;
use crate::inbound::proof::{Proof, Proven};
use crate::inbound::refusal::Refusal;
use crate::inbound::replies::ReplyBody;
use crate::inbound::trace::Trace;

use super::key::EnvelopeKey;
use super::scheme::EnvelopeScheme;

/// A source of encrypted events, and the time of the check.
pub(in crate::inbound) struct Checked<'a> {
    pub(in crate::inbound) scheme: EnvelopeScheme,
    pub(in crate::inbound) keys: Vec<&'a EnvelopeKey>,
    /// The receivers whose events the source accepts.
    pub(in crate::inbound) from: &'a [String],
    pub(in crate::inbound) now: Timestamp,
}

/// A verified and decrypted event.
pub(in crate::inbound) struct Opened {
    pub(in crate::inbound) proven: Proven,
    /// The event as JSON.
    pub(in crate::inbound) body: Bytes,
    /// The reply with which the sender knows that the event arrived.
    pub(in crate::inbound) reply: ReplyBody,
    /// Whether the event only checks the address.
    pub(in crate::inbound) is_challenge: bool,
}

impl<'a> Checked<'a> {
    /// Compares the signature with that of every key; the loop does not end early.
    pub(super) fn matching(
        &self,
        what: &str,
        signature: &str,
        trace: &mut Trace,
        signature_by: impl Fn(&EnvelopeKey) -> String,
    ) -> Result<(Proof, &'a EnvelopeKey), Refusal> {
        let mut matched = None;
        for (index, key) in self.keys.iter().enumerate() {
            let expected = signature_by(key);
            let found = bool::from(expected.as_bytes().ct_eq(signature.as_bytes()));
            let by = Proof::Secret(index);
            trace.note("computed", found, || format!("{expected} with {by}"));
            if found && matched.is_none() {
                matched = Some((by, *key));
            }
        }
        matched.ok_or_else(|| Refusal::Mismatch { what: what.into() })
    }

    /// Checks that the source lists a receiver.
    pub(super) fn listed(&self, receiver: &str, trace: &mut Trace) -> Result<(), Refusal> {
        let listed = self.from.iter().any(|from| from == receiver);
        trace.note("receiver", listed, || shown(receiver));
        if listed {
            Ok(())
        } else {
            Err(Refusal::ForeignOrigin {
                origin: receiver.to_owned(),
            })
        }
    }

    /// Checks the age of a signed time, whose text the sender wrote at `what`.
    pub(super) fn timely(
        &self,
        what: &str,
        text: Option<&str>,
        trace: &mut Trace,
    ) -> Result<(), Refusal> {
        let text = text.ok_or_else(|| Refusal::Missing { what: what.into() })?;
        let at = instant(text).ok_or_else(|| Refusal::Malformed {
            what: what.into(),
            why: "it is not 10, 13 or 16 digits of unix time",
        })?;
        fresh(self.scheme.window, at, self.now, trace)
    }
}

/// A whole number of seconds (10 digits), milliseconds (13) or microseconds (16) since 1970. The number
/// of digits is fixed, because Feishu signs time and nonce without a separator: a digit could move from
/// one to the other.
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
