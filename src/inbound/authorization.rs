//! The header `Authorization` of the schemes `basic` and `bearer`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::delivery::Headers;
use super::hmac::needed;
use super::refusal::Refusal;

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
