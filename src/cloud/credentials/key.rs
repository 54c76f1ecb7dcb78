//! Credentials and their source. Takes the texts of their parts; returns credentials that can be
//! sent in a header, or the problem with a part. `Debug` shows no secret.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::error::{CredentialsError, unusable};
use crate::domain::{Timestamp, hide_secrets};

/// Shorter secrets are not hidden in answers. Real keys have 32 characters or more. Only tests have
/// shorter keys, and an answer may contain such a key as an ordinary word.
const MIN_HIDDEN: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// The variables of the SDKs, the command line tool and Terraform.
    Environment,
    /// The variables that the cloud's function platform sets for the execution role.
    FunctionEnvironment,
    /// The headers of the newest trusted invocation, on the function platform.
    Invocation,
    /// The SDKs' file: the one that a variable names, or else `~/.tencentcloud/credentials`, then
    /// `/etc/tencentcloud/credentials`.
    SdkFile,
    /// The command line tool's file: `~/.tccli/<profile>.credential`.
    TccliFile,
    /// A Kubernetes service account of TKE. Its token is exchanged for the credentials of a role.
    TkeIdentity,
    /// The role of the CVM on which this program runs.
    CvmRole,
    /// The key of a configured account. `SOURCES` does not contain this source.
    Account,
    /// A role assumed with the credentials of another source. `SOURCES` does not contain it.
    AssumedRole,
}

/// A secret id and a secret key, and a token if they are temporary.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub secret_id: String,
    pub secret_key: SecretString,
    /// The token of temporary credentials, the value of the header `X-TC-Token`.
    pub token: Option<SecretString>,
    /// When temporary credentials expire, if that is known.
    pub expires: Option<Timestamp>,
    /// The root account of the credentials, if the source names it.
    pub owner: Option<String>,
    pub source: CredentialSource,
}

impl Credentials {
    pub(super) fn same_as(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }

    fn parts(&self) -> (&str, &str, Option<&str>) {
        let token = self.token.as_ref().map(ExposeSecret::expose_secret);
        (&self.secret_id, self.secret_key.expose_secret(), token)
    }

    /// Returns the secret key, and the token if there is one.
    pub(super) fn secrets(&self) -> Vec<&str> {
        let (_, key, token) = self.parts();
        std::iter::once(key).chain(token).collect()
    }

    /// Returns an answer with `***` in place of the secret key and the token.
    pub(in crate::cloud) fn hide_in(&self, answer: &[u8]) -> Vec<u8> {
        hide_keys(answer, &self.secrets())
    }
}

/// Returns an answer with `***` in place of the keys and tokens.
pub(super) fn hide_keys(answer: &[u8], keys: &[&str]) -> Vec<u8> {
    let long = keys.iter().filter(|key| key.len() >= MIN_HIDDEN);
    let long: Vec<&str> = long.copied().collect();
    hide_secrets(answer, &long, "***")
}

/// The credentials of a source, if it has any.
pub(super) type Found = Result<Option<Credentials>, CredentialsError>;

impl CredentialSource {
    /// Creates credentials without an expiry. Requires an id and a key. All parts must consist of
    /// visible ASCII characters: a copied line break would break the request's headers.
    pub(super) fn checked(
        self,
        place: String,
        id: Option<&str>,
        key: Option<&str>,
        token: Option<&str>,
    ) -> Result<Credentials, CredentialsError> {
        let present = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(str::to_owned);
        let (Some(id), Some(key)) = (present(id), present(key)) else {
            return Err(unusable(&place, "the id or the key is missing"));
        };
        let token = present(token);
        for (name, value) in [
            ("id", Some(&id)),
            ("key", Some(&key)),
            ("token", token.as_ref()),
        ] {
            if value.is_some_and(|v| !v.bytes().all(|b| b.is_ascii_graphic())) {
                return Err(unusable(
                    &place,
                    format!(
                        "the {name} contains blanks, control characters or characters beyond ASCII"
                    ),
                ));
            }
        }
        let token = token.map(SecretString::from);
        Ok(Credentials {
            secret_id: id,
            secret_key: SecretString::from(key),
            token,
            expires: None,
            owner: None,
            source: self,
        })
    }

    /// Creates temporary credentials from the id, key and token in `keys`. `expires` is a Unix time
    /// in seconds.
    pub(super) fn temporary(
        self,
        place: &str,
        keys: &Value,
        expires: Option<&Value>,
    ) -> Result<Credentials, CredentialsError> {
        let expires = expires
            .and_then(Value::as_i64)
            .and_then(|seconds| Timestamp::from_second(seconds).ok())
            .ok_or_else(|| unusable(place, "the answer has no ExpiredTime"))?;
        let text = |field: &str| keys.get(field).and_then(Value::as_str);
        let (id, key, token) = (text("TmpSecretId"), text("TmpSecretKey"), text("Token"));
        Ok(Credentials {
            expires: Some(expires),
            ..self.checked(place.to_owned(), id, key, token)?
        })
    }
}
