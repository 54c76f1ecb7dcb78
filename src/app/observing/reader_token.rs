//! Checks the token that a reader of `/metrics` or `/report` sends in the `Authorization` header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Returns whether the header contains the token, either as a `Bearer` token or as the password of
/// `Basic` authentication, for which browsers prompt. The user name is ignored.
pub(in crate::app) fn presents(token: &SecretString, authorization: Option<&str>) -> bool {
    let (scheme, rest) = authorization
        .and_then(|text| text.split_once(' '))
        .unwrap_or_default();
    let given = if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(rest.trim()).unwrap_or_default();
        let colon = decoded.iter().position(|byte| *byte == b':');
        let password = colon.and_then(|colon| decoded.get(colon + 1..));
        password.unwrap_or_default().to_vec()
    } else if scheme.eq_ignore_ascii_case("bearer") {
        rest.trim().as_bytes().to_vec()
    } else {
        Vec::new()
    };
    let expected = Sha256::digest(token.expose_secret());
    bool::from(expected.ct_eq(&Sha256::digest(given)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_bearer_or_a_password() {
        let token = SecretString::from("a-token-with:a-colon");
        let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
        for (header, wanted) in [
            (Some("Bearer a-token-with:a-colon".to_owned()), true),
            (Some("bearer a-token-with:a-colon".to_owned()), true),
            (Some(basic("anyone:a-token-with:a-colon")), true),
            (Some(basic(":a-token-with:a-colon")), true),
            (Some("Bearer another".to_owned()), false),
            (Some(basic("a-token-with:a-colon:")), false),
            (Some(basic("a-token")), false),
            (Some("Basic ???".to_owned()), false),
            (Some("a-token-with:a-colon".to_owned()), false),
            (None, false),
        ] {
            assert_eq!(presents(&token, header.as_deref()), wanted, "{header:?}");
        }
    }
}
