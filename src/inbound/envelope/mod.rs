//! Verifies and decrypts the events of approval systems that encrypt them: Feishu and Lark,
//! DingTalk, and WeCom. Returns the decrypted event as JSON and the reply that its sender expects,
//! or the refusal.
//!
//! The signature is checked before the event is decrypted, so that neither the duration nor the
//! reply reveals anything about the plain text to a stranger. Feishu's challenges and plain events
//! have no signature.

mod addressed;
mod cipher;
mod feishu;
mod key;
mod opened;
mod scheme;
mod seal;
mod seed;
mod xml;

#[cfg(test)]
mod tests;

use super::delivery::Headers;
use super::refusal::Refusal;
use super::replies::ReplyBody;
use super::trace::Trace;

pub(super) use key::EnvelopeKey;
pub(super) use opened::{Checked, Opened};
pub use scheme::{EnvelopeScheme, EnvelopeSystem};
pub(super) use seal::{renewed, seal};

pub(super) fn open(
    checked: &Checked<'_>,
    headers: &Headers,
    body: &[u8],
    trace: &mut Trace,
) -> Result<Opened, Refusal> {
    match checked.scheme.system {
        EnvelopeSystem::Feishu => feishu::open(checked, headers, body, trace),
        EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => {
            addressed::open(checked, headers, body, trace)
        }
    }
}

/// Answers the request with which a system checks an address before it sends events. Returns `None`
/// for any other request. DingTalk, and Feishu without an Encrypt Key, have no such request: they
/// check the address with an event.
pub(super) fn challenge(
    checked: &Checked<'_>,
    method: &str,
    headers: &Headers,
    body: &[u8],
) -> Option<Result<ReplyBody, Refusal>> {
    match (checked.scheme.system, method) {
        (EnvelopeSystem::Feishu, "POST") => feishu::challenge(checked, headers, body),
        (EnvelopeSystem::Wecom, "GET") => addressed::challenge(checked, headers),
        _ => None,
    }
}
