//! Static secrets: the header `Authorization` of the schemes `basic` and `bearer`, and the comparison
//! with the source's secrets.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::delivery::Headers;
use super::hmac::needed;
use super::proof::{Proof, Proven};
use super::refusal::Refusal;
use super::secret::Key;
use super::trace::Trace;

/// What follows the scheme word in `Authorization`; the word has no case (RFC 9110, 11.1).
pub(super) fn credentials<'a>(headers: &'a Headers, word: &str) -> Result<&'a str, Refusal> {
    let text = needed(headers, "authorization")?;
    let wrong = || Refusal::Malformed {
        what: "header authorization".into(),
        why: "it does not begin with this scheme's word and a space",
    };
    let (scheme, rest) = text.split_once(' ').ok_or_else(wrong)?;
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case(word) && !rest.is_empty() {
        Ok(rest)
    } else {
        Err(wrong())
    }
}

/// `user:password`, decoded. Compared as one text, so a password may contain colons (RFC 7617).
pub(super) fn basic(headers: &Headers) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(credentials(headers, "basic")?)
        .map_err(|_| Refusal::Malformed {
            what: "header authorization".into(),
            why: "the credentials are not base64",
        })
}

/// Compares a presented static secret with every key; no comparison ends early.
pub(super) fn presented(
    keys: &[Key],
    header: &str,
    presented: &[u8],
    trace: &mut Trace,
) -> Result<Proven, Refusal> {
    let mut matched = None;
    for (index, key) in keys.iter().enumerate() {
        let found = key.is(presented);
        let by = Proof::Secret(index);
        trace.note("compared", found, || format!("header {header} with {by}"));
        if found && matched.is_none() {
            matched = Some(by);
        }
    }
    let what = || format!("header {header}");
    let by = matched.ok_or_else(|| Refusal::Mismatch { what: what() })?;
    Ok(Proven {
        by,
        id: None,
        claimed_id: None,
    })
}
