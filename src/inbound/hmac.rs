//! Verifies an HTTP request whose scheme uses an HMAC. The request must contain a MAC that was made
//! with one of the configured keys. If the scheme has a signed time, this time must be within the
//! window.
//!
//! The media type is checked afterwards, in `verify.rs`, so that an unauthenticated sender gets 401
//! and not 415.

use serde_json::Value;
use subtle::ConstantTimeEq;

use super::delivery::Headers;
use super::proof::{self, Proof, Proven};
use super::refusal::Refusal;
use super::scheme::{HmacScheme, IdSource, TimeSource};
use super::secret::Key;
use super::template::{
    candidates, encode, id_header, is_id, items, rfc3339, signed_prefix, unix_seconds,
};
use super::trace::{Trace, readable};
use crate::domain::{Timestamp, shown};

pub(super) fn check(
    scheme: &HmacScheme,
    keys: &[Key],
    headers: &Headers,
    body: &[u8],
    now: Timestamp,
    trace: &mut Trace,
) -> Result<Proven, Refusal> {
    let scheme = family(scheme, headers);
    let field = needed(headers, &scheme.header)?;
    trace.note("signature header", true, || {
        format!("{}: {}", scheme.header, shown(field))
    });
    let time = signed_time(scheme, headers, field)?;
    let prefix = signed_prefix(scheme, &time.text, |name| id_text(headers, name))?;
    trace.note("signed bytes", true, || readable(&prefix, body));
    let by = matching(scheme, keys, field, &prefix, body, trace)?;
    let json = scheme
        .needs_json()
        .then(|| serde_json::from_slice::<Value>(body).ok())
        .flatten();
    if let Some(at) = instant(scheme, time.at, json.as_ref())? {
        fresh(scheme.window, at, now, trace)?;
    }
    let (id, claimed) = ids(scheme, headers, json.as_ref());
    trace.note("delivery id", true, || match (&id, &claimed) {
        (Some(id), _) => shown(id),
        (None, Some(claimed)) => {
            format!("{} (not signed, so not used as the id)", shown(claimed))
        }
        (None, None) => "none".to_owned(),
    });
    Ok(Proven { by, id })
}

/// Returns the fallback if the request lacks a header of `scheme` but has all headers of the
/// fallback; otherwise returns `scheme`.
fn family<'a>(scheme: &'a HmacScheme, headers: &Headers) -> &'a HmacScheme {
    match &scheme.fallback {
        Some(fallback)
            if !scheme.needed_headers().all(|name| headers.has(name))
                && fallback.needed_headers().all(|name| headers.has(name)) =>
        {
            fallback
        }
        _ => scheme,
    }
}

/// Returns a header's value. Refuses an absent or empty header.
pub(super) fn needed<'a>(headers: &'a Headers, name: &str) -> Result<&'a str, Refusal> {
    match headers.one(name)? {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(Refusal::missing(format!("header {name}"))),
    }
}

fn id_text(headers: &Headers, name: &str) -> Result<String, Refusal> {
    let text = needed(headers, name)?;
    if is_id(text) {
        return Ok(text.to_owned());
    }
    let why = "only 1 to 128 letters, digits, - or _ are allowed";
    Err(Refusal::malformed(format!("header {name}"), why))
}

/// The signed time, as text and as an instant. If the scheme has no header or item with the time,
/// `text` is empty and `at` is `None`.
struct SignedTime {
    text: String,
    at: Option<Timestamp>,
}

fn signed_time(scheme: &HmacScheme, headers: &Headers, field: &str) -> Result<SignedTime, Refusal> {
    const UNIX: &str = "unix seconds are digits only, without a leading zero";
    const INSTANT: &str = "it is not an RFC 3339 instant";
    let (what, text, at, why) = match &scheme.time {
        None | Some(TimeSource::MillisPointer(_)) => {
            return Ok(SignedTime {
                text: String::new(),
                at: None,
            });
        }
        Some(TimeSource::UnixHeader(name)) => {
            let text = needed(headers, name)?;
            (format!("header {name}"), text, unix_seconds(text), UNIX)
        }
        Some(TimeSource::Rfc3339Header(name)) => {
            let text = needed(headers, name)?;
            (format!("header {name}"), text, rfc3339(text), INSTANT)
        }
        Some(TimeSource::UnixItem(key)) => {
            let what = format!("item {key} of header {}", scheme.header);
            let mut values =
                items(scheme, field).filter_map(|item| item.strip_prefix(key)?.strip_prefix('='));
            let Some(text) = values.next() else {
                return Err(Refusal::missing(what));
            };
            if values.any(|other| other != text) {
                return Err(Refusal::Duplicate { what });
            }
            (what, text, unix_seconds(text), UNIX)
        }
    };
    if at.is_none() {
        return Err(Refusal::malformed(what, why));
    }
    Ok(SignedTime {
        text: text.to_owned(),
        at,
    })
}

/// Computes the MAC with each key and compares it with the signatures that [`candidates`] finds in
/// the header. Returns the first key whose MAC matches.
fn matching(
    scheme: &HmacScheme,
    keys: &[Key],
    field: &str,
    prefix: &[u8],
    body: &[u8],
    trace: &mut Trace,
) -> Result<Proof, Refusal> {
    let what = || format!("header {}", scheme.header);
    let received = candidates(scheme, field);
    if received.is_empty() {
        let why = "it contains no signature in this scheme's form (prefix, encoding, 32 bytes)";
        return Err(Refusal::malformed(what(), why));
    }
    let matched = proof::matching(keys, |key, by| {
        let Some(mac) = key.mac(prefix, body) else {
            return false;
        };
        // `any` would stop at the first match, and the duration would show its position.
        let same = received.iter().map(|one| bool::from(mac.ct_eq(one)));
        let found = same.fold(false, |found, same| found | same);
        trace.note("computed", found, || {
            format!("{} with {by}", encode(scheme, &mac))
        });
        found
    });
    let (by, _) = matched.ok_or_else(|| Refusal::mismatch(what()))?;
    Ok(by)
}

/// Returns the signed time. Reads it from the body if the scheme uses
/// [`TimeSource::MillisPointer`]; otherwise returns `at`, which was read from a header.
fn instant(
    scheme: &HmacScheme,
    at: Option<Timestamp>,
    json: Option<&Value>,
) -> Result<Option<Timestamp>, Refusal> {
    let Some(TimeSource::MillisPointer(pointer)) = &scheme.time else {
        return Ok(at);
    };
    let what = || format!("body field {pointer}");
    let Some(value) = json.and_then(|json| json.pointer(pointer)) else {
        return Err(Refusal::missing(what()));
    };
    let at = value.as_i64();
    let at = at.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    let why = "it is not a whole number of unix milliseconds";
    at.map(Some).ok_or_else(|| Refusal::malformed(what(), why))
}

/// Checks that `at` is at most `window` seconds before or after `now`. Times in the future are
/// limited too: a captured request with a later time could be replayed until that time.
pub(super) fn fresh(
    window: u32,
    at: Timestamp,
    now: Timestamp,
    trace: &mut Trace,
) -> Result<(), Refusal> {
    let milliseconds = now.as_millisecond().saturating_sub(at.as_millisecond());
    let ok = milliseconds.unsigned_abs() <= u64::from(window) * 1_000;
    trace.note("clock difference", ok, || {
        format!(
            "{}.{:03} s between {at} and {now}; {window} s are allowed",
            milliseconds / 1_000,
            milliseconds.unsigned_abs() % 1_000
        )
    });
    if ok {
        Ok(())
    } else {
        Err(Refusal::Stale {
            milliseconds,
            window,
        })
    }
}

/// Returns `(id, None)` if the delivery's id is signed, `(None, id)` if it is not, and `(None,
/// None)` if there is no usable id.
fn ids(
    scheme: &HmacScheme,
    headers: &Headers,
    json: Option<&Value>,
) -> (Option<String>, Option<String>) {
    if let Some(IdSource::Pointer(pointer)) = &scheme.id {
        let text = json
            .and_then(|json| json.pointer(pointer))
            .and_then(Value::as_str);
        let good =
            |text: &&str| (1..=128).contains(&text.len()) && !text.chars().any(char::is_control);
        return (text.filter(good).map(str::to_owned), None);
    }
    let Some(name) = id_header(scheme) else {
        return (None, None);
    };
    let text = headers
        .one(name)
        .ok()
        .flatten()
        .filter(|text| is_id(text))
        .map(str::to_owned);
    if scheme.signs_header(name) {
        (text, None)
    } else {
        (None, text)
    }
}

impl HmacScheme {
    fn needs_json(&self) -> bool {
        matches!(self.time, Some(TimeSource::MillisPointer(_)))
            || matches!(self.id, Some(IdSource::Pointer(_)))
    }
}
