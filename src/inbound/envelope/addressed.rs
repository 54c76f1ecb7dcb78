//! Opens the events of DingTalk and WeCom, whose plain text ends with the id of its receiver. The
//! signature is a SHA-1 of the token, the time, the nonce and the encrypted text, after these four
//! have been sorted by bytes (open-dingtalk/DingTalk-Callback-Crypto; developer.work.weixin.qq.com,
//! document 90968). Because of the sorting, the signature stays valid if the time and the nonce are
//! exchanged, so the time inside the event is checked too. DingTalk's events that only check the
//! address need no time inside.

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::domain::Timestamp;
use crate::inbound::delivery::Headers;
use crate::inbound::proof::{Proof, Proven};
use crate::inbound::refusal::Refusal;
use crate::inbound::replies::{ReplyBody, is_echoable};
use crate::inbound::trace::Trace;

use super::key::EnvelopeKey;
use super::opened::{Checked, Opened, first_that_opens, object};
use super::scheme::EnvelopeSystem;
use super::seed::Seed;
use super::{cipher, xml};

/// DingTalk's events that only check the address. The last two expect their `Random` as the reply.
const CHECKS: [&str; 3] = [
    "check_url",
    "check_create_suite_url",
    "check_update_suite_url",
];

/// The decrypted text of a request with a valid signature.
struct Plain<'a> {
    by: Proof,
    key: &'a EnvelopeKey,
    text: Vec<u8>,
    receiver: String,
}

pub(super) fn open(
    checked: &Checked<'_>,
    headers: &Headers,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Opened, Refusal> {
    let encrypted = match checked.scheme.system {
        EnvelopeSystem::Wecom => encrypted(&document(body)?, "Encrypt")?,
        _ => encrypted(&object(body)?, "encrypt")?,
    };
    let plain = decrypted(checked, headers, &encrypted, trace)?;
    trace.note("decrypted", true, || format!("{} bytes", plain.text.len()));
    match checked.scheme.system {
        EnvelopeSystem::Wecom => from_wecom(checked, plain, trace),
        _ => from_dingtalk(checked, plain, &encrypted, trace),
    }
}

/// Answers the GET with which WeCom checks the address. The reply is the decrypted `echostr` as
/// plain text.
pub(super) fn challenge(
    checked: &Checked<'_>,
    headers: &Headers,
) -> Option<Result<ReplyBody, Refusal>> {
    headers.query("echostr").next()?;
    let answered = || {
        let echostr = only(headers, &["echostr"])?;
        let plain = decrypted(checked, headers, echostr, &mut Trace::off())?;
        let text = String::from_utf8(plain.text).ok();
        text.filter(|text| is_echoable(text))
            .map(ReplyBody::Text)
            .ok_or_else(|| Refusal::malformed("echostr", "it is not a short visible text"))
    };
    Some(answered())
}

/// Checks the signature, the time and the receiver of an encrypted text, and decrypts it.
fn decrypted<'a>(
    checked: &Checked<'a>,
    headers: &Headers,
    encrypted: &str,
    trace: &mut Trace,
) -> Result<Plain<'a>, Refusal> {
    // DingTalk sends the signature under one name or both, and documents two spellings of the time.
    let (signatures, times, digits): (&[&str], &[&str], _) = match checked.scheme.system {
        EnvelopeSystem::Wecom => (&["msg_signature"], &["timestamp"], 10),
        _ => (
            &["msg_signature", "signature"],
            &["timestamp", "timeStamp"],
            13,
        ),
    };
    let signature = only(headers, signatures)?;
    let (time, nonce) = (only(headers, times)?, only(headers, &["nonce"])?);
    let what = "query field msg_signature";
    let matching = checked.matching(what, signature, trace, |key| {
        signature_of(key.token(), time, nonce, encrypted)
    })?;
    let what = "query field timestamp";
    if time.len() != digits {
        let why = "it is not in seconds (WeCom, 10 digits) or milliseconds (DingTalk, 13 digits)";
        return Err(Refusal::malformed(what, why));
    }
    checked.timely(what, Some(time), trace)?;
    let (by, key, (text, receiver)) = first_that_opens(matching, |key| {
        let (text, receiver) = cipher::open_addressed(key.cipher(), encrypted)?;
        let receiver = String::from_utf8(receiver)
            .map_err(|_| Refusal::malformed("the receiver", "it is not text"))?;
        checked.listed(&receiver, trace)?;
        Ok((text, receiver))
    })?;
    Ok(Plain {
        by,
        key,
        text,
        receiver,
    })
}

fn from_wecom(
    checked: &Checked<'_>,
    plain: Plain<'_>,
    trace: &mut Trace,
) -> Result<Opened, Refusal> {
    let event = document(&plain.text)?;
    checked.listed(&text(&event, "/ToUserName").unwrap_or_default(), trace)?;
    let time = text(&event, "/CreateTime");
    checked.timely("the time in the event", time.as_deref(), trace)?;
    Ok(Opened {
        proven: Proven {
            by: plain.by,
            id: wecom_id(&event),
        },
        body: event.to_string().into(),
        reply: ReplyBody::Text("success".to_owned()),
        is_challenge: false,
    })
}

/// Makes an id for an event of WeCom, because these events have none. The id consists of the number
/// of the approval, its step or status, and the time. Returns `None` if one of the three is missing
/// or unusable.
fn wecom_id(event: &Value) -> Option<String> {
    let at = |name: &str| text(event, &format!("/ApprovalInfo/{name}"));
    let own = at("SpNoStr")
        .or_else(|| at("SpNo"))
        .zip(at("StatuChangeEvent"));
    let (number, status) = own.or_else(|| at("ThirdNo").zip(at("OpenSpStatus")))?;
    let id = format!("{number}/{status}/{}", text(event, "/CreateTime")?);
    Some(id).filter(|id| is_echoable(id))
}

fn from_dingtalk(
    checked: &Checked<'_>,
    plain: Plain<'_>,
    encrypted: &str,
    trace: &mut Trace,
) -> Result<Opened, Refusal> {
    let event = object(&plain.text)?;
    let kind = text(&event, "/EventType").unwrap_or_default();
    let is_challenge = CHECKS.contains(&kind.as_str());
    let reply = match text(&event, "/Random").filter(|random| is_echoable(random)) {
        Some(random) if is_challenge => random,
        _ => "success".to_owned(),
    };
    if !is_challenge {
        let time = text(&event, "/EventTime");
        checked.timely("the time in the event", time.as_deref(), trace)?;
    }
    let reply = sealed(&plain, encrypted, &reply, checked.now)
        .ok_or_else(|| Refusal::malformed("the key", "it has the wrong size"))?;
    Ok(Opened {
        proven: Proven {
            by: plain.by,
            id: text(&event, "/eventId").filter(|id| is_echoable(id)),
        },
        body: plain.text.into(),
        reply: ReplyBody::Json(reply),
        is_challenge,
    })
}

/// Encrypts and signs the reply to DingTalk.
fn sealed(plain: &Plain<'_>, encrypted: &str, reply: &str, now: Timestamp) -> Option<Value> {
    let seed = Seed::of(plain.key, encrypted.as_bytes(), now)?;
    let time = now.as_millisecond().to_string();
    let sealed = seal(
        plain.key,
        &seed,
        (&time, &seed.nonce),
        reply.as_bytes(),
        &plain.receiver,
    )?;
    Some(json!({
        "msg_signature": sealed.signature,
        "timeStamp": time,
        "nonce": seed.nonce,
        "encrypt": sealed.encrypted,
    }))
}

pub(super) struct Sealed {
    pub(super) signature: String,
    pub(super) encrypted: String,
}

pub(super) fn seal(
    key: &EnvelopeKey,
    seed: &Seed,
    (time, nonce): (&str, &str),
    text: &[u8],
    receiver: &str,
) -> Option<Sealed> {
    let encrypted = cipher::seal_addressed(key.cipher(), &seed.random, text, receiver)?;
    let signature = signature_of(key.token(), time, nonce, &encrypted);
    Some(Sealed {
        signature,
        encrypted,
    })
}

fn signature_of(token: &str, time: &str, nonce: &str, encrypted: &str) -> String {
    let mut parts = [token, time, nonce, encrypted];
    parts.sort_unstable();
    hex::encode(Sha1::digest(parts.concat()))
}

/// Returns the value of a query field that may have any of `names`. Refuses a repeated field. Also
/// refuses several of these fields if their values differ.
fn only<'a>(headers: &'a Headers, names: &[&str]) -> Result<&'a str, Refusal> {
    let what = || format!("query field {}", names.join(" or "));
    let mut found = None;
    for name in names {
        let mut values = headers.query(name);
        let (value, repeated) = (values.next(), values.next().is_some());
        if repeated || found.is_some_and(|other| value.is_some_and(|value| value != other)) {
            return Err(Refusal::Duplicate { what: what() });
        }
        found = found.or(value);
    }
    let found = found.filter(|value| !value.is_empty());
    found.ok_or_else(|| Refusal::missing(what()))
}

/// Returns the encrypted text in an envelope. Refuses an envelope that has none, such as a plain
/// event.
fn encrypted(envelope: &Value, name: &str) -> Result<String, Refusal> {
    let spelled = [name, "encrypt"]
        .into_iter()
        .find_map(|name| envelope.get(name));
    let text = spelled.and_then(Value::as_str).map(str::to_owned);
    text.ok_or_else(|| Refusal::missing(format!("body field {name}")))
}

/// Reads a document from WeCom: XML, or JSON if one of its robots sent the document.
fn document(bytes: &[u8]) -> Result<Value, Refusal> {
    match bytes.trim_ascii_start().first() {
        Some(b'<') => xml::read(bytes),
        _ => object(bytes),
    }
}

/// Returns the text, or the whole number as text, at a JSON pointer.
fn text(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}
