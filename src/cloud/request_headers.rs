//! The headers of a request to the cloud's API 3.0. Takes an action, its body, the time and the
//! credentials; returns the headers, with the signature that `tc3` computes. Used for calls of the
//! sharing actions and of the token service.

use secrecy::ExposeSecret;
use tc3::{SignedParts, SigningInput, sign};

use super::credentials::Credentials;
use crate::domain::Timestamp;

const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// The value of `X-TC-RequestClient`. The documentation does not allow a slash in this header, so
/// an underscore separates name and version.
const REQUEST_CLIENT: &str = concat!("sharehook_", env!("CARGO_PKG_VERSION"));

pub(super) struct ApiRequest<'a> {
    pub(super) service: &'a str,
    pub(super) version: &'a str,
    pub(super) action: &'a str,
    pub(super) region: &'a str,
    pub(super) host: &'a str,
    /// The body, exactly as it is sent, because the signature covers it.
    pub(super) body: &'a [u8],
    pub(super) timestamp: Timestamp,
    /// The credentials that sign the request. `None` for the one action that takes no signature.
    pub(super) signer: Option<&'a Credentials>,
}

impl ApiRequest<'_> {
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let signed = [
            ("content-type", CONTENT_TYPE),
            ("host", self.host),
            ("x-tc-action", self.action),
        ];
        let signature = self.signer.map(|signer| {
            sign(&SigningInput {
                secret_id: &signer.secret_id,
                secret_key: signer.secret_key.expose_secret(),
                service: self.service,
                timestamp: self.timestamp,
                request: SignedParts {
                    method: "POST",
                    query: "",
                    headers: &signed,
                    payload: self.body,
                },
            })
        });
        let authorization = signature.map_or_else(|| "SKIP".to_owned(), |made| made.authorization);
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("authorization", authorization),
            ("x-tc-action", self.action.to_owned()),
            ("x-tc-version", self.version.to_owned()),
            ("x-tc-region", self.region.to_owned()),
            ("x-tc-timestamp", self.timestamp.as_second().to_string()),
            ("x-tc-language", "en-US".to_owned()),
            ("x-tc-requestclient", REQUEST_CLIENT.to_owned()),
        ];
        if let Some(token) = self.signer.and_then(|signer| signer.token.as_ref()) {
            headers.push(("x-tc-token", token.expose_secret().to_owned()));
        }
        headers
    }
}
