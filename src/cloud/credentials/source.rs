//! The places that may have credentials, in the order in which they are asked: one table. In: a
//! chain's variables and files. Out: credentials, nothing, or what is wrong with a place that has
//! something.

use std::io;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::chain::{CredentialChain, Credentials, CredentialsError, MAX_FILE_BYTES};
use super::invocation_credentials::NONE_CAME;
use super::remote::Remote;
use super::{ini, metadata, sts, tccli};

/// A kind of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialSource {
    /// The variables of the SDKs, the command line tool and Terraform.
    Environment,
    /// The variables that the cloud's function platform sets for the execution role.
    FunctionEnvironment,
    /// The headers of the newest invocation that is believed, on the function platform.
    Invocation,
    /// The SDKs' file: `~/.tencentcloud/credentials`, then `/etc/tencentcloud/credentials`.
    SdkFile,
    /// The command line tool's file: `~/.tccli/<profile>.credential`.
    TccliFile,
    /// A Kubernetes service account of TKE: its token is exchanged for a role's credentials.
    TkeIdentity,
    /// The role of the CVM that this runs on.
    CvmRole,
    /// The key of a configured account. Not a place of the chain.
    Account,
    /// A role that was assumed with credentials of another place. Not a place of the chain.
    AssumedRole,
}

/// Every place, in order. What is set for this very process comes before what the machine offers to
/// every process on it, therefore TKE before CVM.
pub const SOURCES: [CredentialSource; 7] = [
    CredentialSource::Environment,
    CredentialSource::FunctionEnvironment,
    CredentialSource::Invocation,
    CredentialSource::SdkFile,
    CredentialSource::TccliFile,
    CredentialSource::TkeIdentity,
    CredentialSource::CvmRole,
];

/// The three variables of one place; the token has several names, of which those that are set must
/// agree.
struct Variables {
    id: &'static str,
    key: &'static str,
    tokens: &'static [&'static str],
}

const ENVIRONMENT: Variables = Variables {
    id: "TENCENTCLOUD_SECRET_ID",
    key: "TENCENTCLOUD_SECRET_KEY",
    tokens: &[
        "TENCENTCLOUD_SESSION_TOKEN",
        "TENCENTCLOUD_TOKEN",
        "TENCENTCLOUD_SECURITY_TOKEN",
    ],
};

const FUNCTION_ENVIRONMENT: Variables = Variables {
    id: "TENCENTCLOUD_SECRETID",
    key: "TENCENTCLOUD_SECRETKEY",
    tokens: &["TENCENTCLOUD_SESSIONTOKEN"],
};

/// The variable that names another file in place of the SDKs' two.
const FILE_VARIABLE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";

pub(super) type Found = Result<Option<Credentials>, CredentialsError>;

impl CredentialSource {
    /// Looks here; adds to `looked` what it looked at when there is nothing.
    pub(super) async fn find(
        self,
        chain: &CredentialChain,
        remote: &Remote,
        looked: &mut Vec<String>,
    ) -> Found {
        match self {
            Self::Environment => match self.in_variables(chain, &ENVIRONMENT, looked)? {
                Some(base) => tccli::of_variables(remote, chain, base).await,
                None => Ok(None),
            },
            Self::FunctionEnvironment if chain.invocation_credentials.replaces_environment() => {
                Ok(None)
            }
            Self::FunctionEnvironment => Ok(self
                .in_variables(chain, &FUNCTION_ENVIRONMENT, looked)?
                .map(|found| of_function(chain, found))),
            Self::Invocation => {
                let newest = chain.invocation_credentials.newest();
                if newest.is_none() && chain.keeps_nothing() {
                    looked.push(NONE_CAME.to_owned());
                }
                Ok(newest.map(|found| of_function(chain, found)))
            }
            Self::SdkFile => self.in_sdk_files(chain, looked),
            Self::TccliFile => tccli::of_profile(remote, chain, looked).await,
            Self::TkeIdentity => sts::with_web_identity(remote, chain, looked).await,
            Self::CvmRole => metadata::of_machine(remote, chain, looked).await,
            Self::Account | Self::AssumedRole => Ok(None),
        }
    }

    fn in_variables(
        self,
        chain: &CredentialChain,
        names: &Variables,
        looked: &mut Vec<String>,
    ) -> Found {
        let mut tokens = names
            .tokens
            .iter()
            .filter_map(|name| chain.variable(name).map(|value| (*name, value)));
        let first = tokens.next();
        let place = format!("{}/{}", names.id, names.key);
        let (id, key) = (chain.variable(names.id), chain.variable(names.key));
        if id.is_none() && key.is_none() {
            looked.push(place);
            return Ok(None);
        }
        for (other, value) in tokens {
            if let Some((name, token)) = first
                && token != value
            {
                return Err(unusable(
                    &place,
                    format!("{name} and {other} differ; keep one"),
                ));
            }
        }
        self.checked(place, id, key, first.map(|(_, token)| token))
            .map(Some)
    }

    fn in_sdk_files(self, chain: &CredentialChain, looked: &mut Vec<String>) -> Found {
        let paths: Vec<PathBuf> = match (chain.variable(FILE_VARIABLE), &chain.home) {
            (Some(path), _) => vec![PathBuf::from(path)],
            (None, Some(home)) => {
                vec![
                    home.join(".tencentcloud/credentials"),
                    PathBuf::from("/etc/tencentcloud/credentials"),
                ]
            }
            (None, None) => vec![PathBuf::from("/etc/tencentcloud/credentials")],
        };
        for path in paths {
            let place = path.display().to_string();
            let Some(text) = read(chain, &path)? else {
                looked.push(place);
                continue;
            };
            let values =
                ini::section(&text, "default").map_err(|problem| unusable(&place, problem))?;
            let value = |name: &str| values.get(name).map(String::as_str);
            let (id, key) = (value("secret_id"), value("secret_key"));
            if id.is_none() && key.is_none() {
                looked.push(format!("{place} [default]"));
                continue;
            }
            return self.checked(place, id, key, value("token")).map(Some);
        }
        Ok(None)
    }

    /// Both halves, of visible characters only: a line break copied along would break the request's
    /// headers.
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
                    format!("the {name} contains blanks or characters beyond ASCII"),
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
}

/// A function's role is its owner's, and the platform says who that is. Users cannot set variables
/// of this name there.
fn of_function(chain: &CredentialChain, found: Credentials) -> Credentials {
    Credentials {
        owner: chain.variable("TENCENTCLOUD_UIN").map(str::to_owned),
        ..found
    }
}

pub(super) fn unusable(place: &str, problem: impl Into<String>) -> CredentialsError {
    CredentialsError::Unusable {
        place: place.to_owned(),
        problem: problem.into(),
    }
}

/// A file's text, or nothing when there is no such file.
pub(super) fn read(
    chain: &CredentialChain,
    path: &Path,
) -> Result<Option<String>, CredentialsError> {
    match (chain.read)(path) {
        Ok(text) if text.len() as u64 > MAX_FILE_BYTES => Err(unusable(
            &path.display().to_string(),
            "it is larger than 64 KiB",
        )),
        Ok(text) => Ok(Some(text)),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(unusable(
            &path.display().to_string(),
            format!("it cannot be read: {}", error.kind()),
        )),
    }
}
