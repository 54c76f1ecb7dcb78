//! Opens the events of Feishu and Lark. The signature is a plain SHA-256 of time, nonce, Encrypt
//! Key and raw body (open.feishu.cn, "Receive events"; larksuite/oapi-sdk-go, `event/dispatcher`).
//! The challenge with which Feishu checks an address has no signature (oapi-sdk-python issue 79),
//! so an unsigned request of an app with an Encrypt Key may contain nothing but a challenge.
//! Without an Encrypt Key, events are plain and unsigned, and only their token authenticates them.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::inbound::delivery::Headers;
use crate::inbound::hmac::needed;
use crate::inbound::proof::Proven;
use crate::inbound::refusal::Refusal;
use crate::inbound::replies::{ReplyBody, is_echoable};
use crate::inbound::trace::Trace;

use super::cipher;
use super::key::EnvelopeKey;
use super::opened::{Checked, Matching, Opened, first_that_opens, object};

const TOKEN: &str = "the token in the event";

pub(super) const SIGNATURE: &str = "X-Lark-Signature";
pub(super) const TIME: &str = "X-Lark-Request-Timestamp";
pub(super) const NONCE: &str = "X-Lark-Request-Nonce";

pub(super) fn open(
    checked: &Checked<'_>,
    headers: &Headers,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Opened, Refusal> {
    let matching = match checked.scheme.encrypted {
        true => signed(checked, headers, body, trace)?,
        false => with_token(checked, body, trace)?,
    };
    let (by, _, (plain, event, reply)) = first_that_opens(matching, |key| {
        let plain = plain(checked, key, body, trace)?;
        let event = object(&plain)?;
        if is_challenge(&event) {
            let reply = challenge_of(&event, key)?;
            return Ok((plain, event, reply));
        }
        inside(checked, &event, key, trace)?;
        Ok((plain, event, ReplyBody::Json(json!({}))))
    })?;
    let is_challenge = is_challenge(&event);
    let id = text(&event, "/header/event_id").or_else(|| text(&event, "/uuid"));
    let id = id.filter(|id| is_echoable(id)).map(str::to_owned);
    Ok(Opened {
        proven: Proven { by, id },
        body: plain.into(),
        reply,
        is_challenge,
    })
}

/// Answers the unsigned challenge of an app with an Encrypt Key. Returns `None` for an app without
/// an Encrypt Key, and for a signed request.
pub(super) fn challenge(
    checked: &Checked<'_>,
    headers: &Headers,
    body: &[u8],
) -> Option<Result<ReplyBody, Refusal>> {
    if !checked.scheme.encrypted || headers.has(SIGNATURE) {
        return None;
    }
    let read = |key: &&EnvelopeKey| {
        let plain = cipher::open(key.cipher(), &encrypted(body)?)?;
        challenge_of(&object(&plain)?, key)
    };
    let mut replies = checked.keys.iter().map(read);
    let first = replies.next()?;
    Some(first.or_else(|refusal| replies.find_map(Result::ok).ok_or(refusal)))
}

fn signed<'a>(
    checked: &Checked<'a>,
    headers: &Headers,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Matching<'a>, Refusal> {
    let signature = needed(headers, SIGNATURE)?;
    let (time, nonce) = (needed(headers, TIME)?, needed(headers, NONCE)?);
    let what = format!("header {SIGNATURE}");
    let matching = checked.matching(&what, signature, trace, |key| {
        signature_of(key, time, nonce, body)
    })?;
    let what = format!("header {TIME}");
    // The signature covers the time and the nonce without a separator. If the time could have any
    // length, a digit could move from one to the other.
    if time.len() != 10 {
        return Err(Refusal::malformed(what, "it does not have 10 digits"));
    }
    checked.timely(&what, Some(time), trace)?;
    Ok(matching)
}

/// Decrypts the body, unless the app has no Encrypt Key.
fn plain(
    checked: &Checked<'_>,
    key: &EnvelopeKey,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Vec<u8>, Refusal> {
    if !checked.scheme.encrypted {
        return Ok(body.to_vec());
    }
    let plain = cipher::open(key.cipher(), &encrypted(body)?)?;
    trace.note("decrypted", true, || format!("{} bytes", plain.len()));
    Ok(plain)
}

pub(super) fn signature_of(key: &EnvelopeKey, time: &str, nonce: &str, body: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [time, nonce, key.encrypt_key()] {
        hash.update(part);
    }
    hash.update(body);
    hex::encode(hash.finalize())
}

/// Checks the token in the plain event of an app without an Encrypt Key.
fn with_token<'a>(
    checked: &Checked<'a>,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Matching<'a>, Refusal> {
    let event = object(body)?;
    let token = token_of(&event);
    checked.all_that(TOKEN, |key, by| {
        let found = key.has_token(token);
        trace.note("compared", found, || format!("body field token with {by}"));
        found
    })
}

/// Checks the token, the app and the time inside an event. The token is not checked if the secret
/// has none, and the app is not checked if `from` is empty.
fn inside(
    checked: &Checked<'_>,
    event: &Value,
    key: &EnvelopeKey,
    trace: &mut Trace,
) -> Result<(), Refusal> {
    if !key.has_token(token_of(event)) {
        return Err(wrong_token());
    }
    if !checked.from.is_empty() {
        let app = text(event, "/header/app_id").or_else(|| text(event, "/event/app_id"));
        checked.listed(app.unwrap_or_default(), trace)?;
    }
    // Events of version 1 of the protocol contain seconds with a fraction.
    let first = |ts: &'_ str| ts.split('.').next().unwrap_or_default().to_owned();
    let time = text(event, "/header/create_time")
        .map(str::to_owned)
        .or_else(|| text(event, "/ts").map(first));
    checked.timely("the time in the event", time.as_deref(), trace)
}

/// Returns the reply to a challenge. Refuses a challenge with a field besides `challenge`, `token`
/// and `type`, because the field could smuggle an event past the signature.
fn challenge_of(event: &Value, key: &EnvelopeKey) -> Result<ReplyBody, Refusal> {
    if !is_challenge(event) {
        let what = format!("header {SIGNATURE}, which only a challenge may lack,");
        return Err(Refusal::missing(what));
    }
    if !key.has_token(token_of(event)) {
        return Err(wrong_token());
    }
    let fields = event.as_object().map_or(0, serde_json::Map::len);
    let challenge = text(event, "/challenge").filter(|it| fields == 3 && is_echoable(it));
    let why = "it is not a short visible challenge with token, type and no other field";
    let challenge = challenge.ok_or_else(|| Refusal::malformed("the challenge", why))?;
    Ok(ReplyBody::Json(json!({ "challenge": challenge })))
}

/// Whether the event only checks the address.
pub(super) fn is_challenge(event: &Value) -> bool {
    text(event, "/type") == Some("url_verification")
}

fn token_of(event: &Value) -> &str {
    let pointer = match event.get("header") {
        Some(_) => "/header/token",
        None => "/token",
    };
    text(event, pointer).unwrap_or_default()
}

fn wrong_token() -> Refusal {
    Refusal::mismatch(TOKEN)
}

/// Returns the encrypted text in a body. Refuses a plain body, because an app with an Encrypt Key
/// encrypts its events.
fn encrypted(body: &[u8]) -> Result<String, Refusal> {
    text(&object(body)?, "/encrypt")
        .map(str::to_owned)
        .ok_or_else(|| Refusal::missing("body field encrypt"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}
