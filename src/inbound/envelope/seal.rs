//! Encrypts and signs an event as its approval system does. Used by tests and by the commands
//! `sign` and `test`.

use serde_json::{Value, json};

use crate::domain::Timestamp;

use super::addressed;
use super::cipher;
use super::feishu;
use super::key::EnvelopeKey;
use super::scheme::{EnvelopeScheme, EnvelopeSystem};
use super::seed::Seed;

pub(in crate::inbound) struct Request {
    pub(in crate::inbound) query: Vec<(String, String)>,
    pub(in crate::inbound) headers: Vec<(String, String)>,
    pub(in crate::inbound) body: Vec<u8>,
}

/// Returns the request that delivers `event`, or `None` if `key` belongs to another scheme.
pub(in crate::inbound) fn seal(
    scheme: EnvelopeScheme,
    key: &EnvelopeKey,
    receiver: &str,
    event: &[u8],
    now: Timestamp,
) -> Option<Request> {
    let mut request = Request {
        query: Vec::new(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: event.to_vec(),
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    };
    let seconds = now.as_second().to_string();
    match scheme.system {
        EnvelopeSystem::Feishu if !scheme.encrypted => {}
        EnvelopeSystem::Feishu => {
            let seed = Seed::of(key, event, now)?;
            let encrypted = cipher::seal(key.cipher(), &seed.random, event)?;
            request.body = json!({ "encrypt": encrypted }).to_string().into_bytes();
            let signature = feishu::signature_of(key, &seconds, &seed.nonce, &request.body);
            request.headers.extend(pairs(&[
                (feishu::TIME, &seconds),
                (feishu::NONCE, &seed.nonce),
                (feishu::SIGNATURE, &signature),
            ]));
        }
        EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => {
            let time = match scheme.system {
                EnvelopeSystem::Wecom => seconds,
                _ => now.as_millisecond().to_string(),
            };
            let seed = Seed::of(key, event, now)?;
            let sealed = addressed::seal(key, &seed, (&time, &seed.nonce), event, receiver)?;
            request.body = json!({ "encrypt": sealed.encrypted })
                .to_string()
                .into_bytes();
            request.query = pairs(&[
                ("msg_signature", &sealed.signature),
                ("timestamp", &time),
                ("nonce", &seed.nonce),
            ]);
        }
    }
    Some(request)
}

/// Returns the event as its system would send it at `now`. Sets the time and, if events of the
/// system contain the app's token, the token.
pub(in crate::inbound) fn renewed(
    scheme: EnvelopeScheme,
    key: &EnvelopeKey,
    mut event: Value,
    now: Timestamp,
) -> Value {
    let is_challenge = feishu::is_challenge(&event);
    let mut set = |place: &str, name: &str, value: Value| {
        if let Some(Value::Object(fields)) = event.pointer_mut(place) {
            fields.insert(name.to_owned(), value);
        }
    };
    let (seconds, milliseconds) = (now.as_second(), now.as_millisecond());
    match scheme.system {
        EnvelopeSystem::Feishu => {
            set("/header", "token", key.token().into());
            set("/header", "create_time", milliseconds.to_string().into());
            set("", "token", key.token().into());
            // A challenge with a further field, such as the time, would be refused.
            if !is_challenge {
                set("", "ts", format!("{seconds}.000000").into());
            }
        }
        EnvelopeSystem::Dingtalk => set("", "EventTime", milliseconds.into()),
        EnvelopeSystem::Wecom => set("", "CreateTime", seconds.to_string().into()),
    }
    event
}
