//! Reads the `Authorization` header for the schemes `basic` and `bearer`, and compares a static
//! secret from a request with the secrets of the source.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::delivery::Headers;
use super::hmac::needed;
use super::proof::{Proven, matching};
use super::refusal::Refusal;
use super::secret::Key;
use super::trace::Trace;

/// Returns the credentials in the `Authorization` header. `word` names the scheme that must precede
/// them, and is compared case-insensitively (RFC 9110, section 11.1).
pub(super) fn credentials<'a>(headers: &'a Headers, word: &str) -> Result<&'a str, Refusal> {
    let text = needed(headers, "authorization")?;
    let why = "it is not Basic or Bearer (as the scheme requires), a space and the credentials";
    let wrong = || Refusal::malformed("header authorization", why);
    let (scheme, rest) = text.split_once(' ').ok_or_else(wrong)?;
    let rest = rest.trim_start_matches(' ');
    if scheme.eq_ignore_ascii_case(word) && !rest.is_empty() {
        Ok(rest)
    } else {
        Err(wrong())
    }
}

/// Returns the decoded `user:password`. User and password are compared as one text, so a password
/// may contain colons (RFC 7617).
pub(super) fn basic(headers: &Headers) -> Result<Vec<u8>, Refusal> {
    let decoded = STANDARD.decode(credentials(headers, "basic")?);
    let why = "the credentials are not base64";
    decoded.map_err(|_| Refusal::malformed("header authorization", why))
}

/// Checks that a static secret from the request equals one of `keys`.
pub(super) fn presented(
    keys: &[Key],
    header: &str,
    presented: &[u8],
    trace: &mut Trace,
) -> Result<Proven, Refusal> {
    let matched = matching(keys, |key, by| {
        let found = key.is(presented);
        trace.note("compared", found, || format!("header {header} with {by}"));
        found
    });
    let mismatch = || Refusal::mismatch(format!("header {header}"));
    let (by, _) = matched.ok_or_else(mismatch)?;
    Ok(Proven { by, id: None })
}
