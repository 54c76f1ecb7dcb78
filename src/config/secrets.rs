//! Resolves references to secrets: `env:NAME`, `file:PATH`, `aws-secretsmanager:ID` and
//! `aws-ssm:NAME`. Takes a reference and returns a [`Secret`]; no error shows a secret. Opens no
//! socket: the caller first fetches the secrets in AWS and passes them as [`AwsSecrets`].

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, io};

use secrecy::{ExposeSecret, SecretString};

use super::bounded::text_at_most;
use super::vars::Vars;
use crate::domain::spelled;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretRef {
    /// An environment variable of the process.
    Env(String),
    /// A file, relative to the configuration's folder. A line end at the end of the file is not
    /// part of the secret.
    File(String),
    /// A secret in AWS, which the caller fetches.
    Aws(AwsSecret),
}

/// A secret in use. Its `Debug` output does not show the value.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The reference that names the secret.
    pub reference: SecretRef,
    /// The version of the value, as the store in AWS names it. `None` if the value is not in AWS.
    pub version: Option<String>,
    /// The value.
    pub text: SecretString,
}

impl Secret {
    /// Returns the value.
    pub fn expose_secret(&self) -> &str {
        self.text.expose_secret()
    }

    /// Returns the secret if no white space surrounds it.
    ///
    /// # Errors
    /// `WhiteSpace` if it begins or ends with white space.
    pub(super) fn trimmed(self) -> Result<Self, SecretError> {
        let text = self.expose_secret();
        match text.trim() == text {
            true => Ok(self),
            false => Err(SecretError::WhiteSpace(self.reference)),
        }
    }

    /// Whether both are the same version of the same value.
    pub fn is(&self, other: &Self) -> bool {
        self.version == other.version && self.expose_secret() == other.expose_secret()
    }
}

spelled! {
    /// An AWS service that keeps secrets, as references spell it.
    #[derive(PartialOrd, Ord)]
    AwsStore {
        /// Secrets Manager.
        SecretsManager = "aws-secretsmanager",
        /// Systems Manager's Parameter Store.
        ParameterStore = "aws-ssm",
    }
}

/// A secret in AWS, as in `aws-secretsmanager:prod/sharehook#JIRA_WEBHOOK_SECRET`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsSecret {
    /// The service that stores the secret.
    pub store: AwsStore,
    /// The name or ARN of a secret, or the name of a parameter.
    pub id: String,
    /// The field to use if the secret is a JSON object. `None` means that the whole text is the
    /// secret.
    pub field: Option<String>,
}

impl AwsSecret {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let store = scheme.parse().ok()?;
        let (id, field) = match rest.split_once('#') {
            Some((id, field)) => (id, Some(field.to_owned())),
            None => (rest, None),
        };
        let named = |text: &str| {
            !text.is_empty() && text.len() <= 2_048 && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let whole = named(id) && field.as_deref().is_none_or(named);
        whole.then(|| Self {
            store,
            id: id.to_owned(),
            field,
        })
    }
}

/// The result of fetching each secret in AWS: the secret, or why it was not fetched.
pub type AwsSecrets = BTreeMap<AwsSecret, Result<FetchedSecret, FetchError>>;

/// A secret as its store in AWS returned it.
#[derive(Debug, Clone)]
pub struct FetchedSecret {
    /// The value.
    pub text: SecretString,
    /// The version of the value, as the store names it.
    pub version: Option<String>,
}

pub(super) type Secrets = BTreeMap<SecretRef, Secret>;

/// Where the values of secrets come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum SecretValues<'a> {
    /// Variables and files contain the values, and these secrets were fetched from AWS.
    Configured(&'a AwsSecrets),
    /// Like `Configured`, for a command that receives nothing (`for_receivers`, `auth_if_readable`).
    Operator(&'a AwsSecrets),
    /// The values were read before and are in these secrets.
    Known(&'a Secrets),
    /// This text replaces every secret except the key of seals. The key of seals is left out if it
    /// is in AWS or in a variable that `[seal] key` names. For commands that need no real secret.
    StandIn(&'a SecretString),
    /// Like `Configured`, but `stand_in` replaces a secret that cannot be read. For commands that
    /// change nothing. The key of seals has no stand-in: it is left out if it cannot be read from
    /// AWS or from a variable.
    OrStandIn {
        fetched: &'a AwsSecrets,
        stand_in: &'a SecretString,
        /// Whether an unreadable key for the cloud is an error.
        calls_cloud: bool,
    },
}

impl SecretValues<'_> {
    pub(super) fn stand_in(&self) -> Option<&SecretString> {
        match self {
            Self::Configured(_) | Self::Operator(_) | Self::Known(_) => None,
            Self::StandIn(text) | Self::OrStandIn { stand_in: text, .. } => Some(text),
        }
    }
}

/// Why a secret in AWS was not fetched. Shows nothing of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The program does not run on Lambda.
    #[error("{0} is not set; only Lambda has an extension that fetches secrets")]
    NotOnLambda(&'static str),
    /// The variable that names the extension's port does not contain a port number.
    #[error("the variable {0} is not a port number (1 to 65535)")]
    BadPort(&'static str),
    /// The program cannot make HTTP requests.
    #[error("cannot build the HTTP client: {0}")]
    NoClient(String),
    /// The extension did not become ready in time.
    #[error("AWS's secrets extension is not ready")]
    NotReady,
    /// The extension did not answer within the time that a delivery waits.
    #[error("AWS's secrets extension did not answer in time")]
    Late,
    /// The extension sent no complete answer.
    #[error(
        "AWS's secrets extension on port {port} sent no answer ({problem}); check that the function has its layer"
    )]
    Unreachable {
        /// The port on which the extension listens.
        port: u16,
        /// How the request failed.
        problem: String,
    },
    /// The extension or the store failed, or another program answered.
    #[error("AWS's secrets extension answered HTTP {0}; try again, or check its port and token")]
    Unexpected(u16),
    /// The store refused the request. The extension also answers 400 if the store throttles.
    #[error(
        "AWS's secrets extension answered HTTP {status}; check the name, and that the function's role has the permission {} \
         (and kms:Decrypt, if you chose the encryption key); if both are right, the store may throttle", .store.permission()
    )]
    Refused {
        /// The store that has the secret.
        store: AwsStore,
        /// The HTTP status.
        status: u16,
    },
    /// The extension's answer is not JSON.
    #[error("the answer of AWS's secrets extension is not JSON")]
    BadAnswer,
    /// The secret is binary.
    #[error("it is binary, not text")]
    NoText,
    /// The reference names a field, but the secret is not a JSON object.
    #[error("it is not JSON, so it has no field {0}; leave out #{0}")]
    NotJson(String),
    /// The JSON object lacks the field.
    #[error("it has no field {0}")]
    NoField(String),
    /// The value of the field is not a string.
    #[error("its field {0} is not text")]
    FieldNotText(String),
}

impl AwsStore {
    /// The permission that a role needs to read a secret.
    fn permission(self) -> &'static str {
        match self {
            Self::SecretsManager => "secretsmanager:GetSecretValue",
            Self::ParameterStore => "ssm:GetParameter",
        }
    }
}

/// Why a reference could not be resolved. Shows nothing of the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The text is not a reference. The error does not show the text, which may be a pasted secret.
    #[error("the value is not a reference to a secret")]
    NotAReference,
    /// No valid name follows the scheme.
    #[error("no valid name follows {0}:")]
    NoName(String),
    /// The variable is empty.
    #[error("the variable {0} is empty")]
    EmptyVariable(String),
    /// The variable is not set.
    #[error("the variable {0} is not set")]
    UnsetVariable(String),
    /// The file exceeds the size limit.
    #[error("{0} is larger than {MAX_SECRET_BYTES} bytes")]
    LargeFile(String),
    /// The file cannot be read.
    #[error("{0} cannot be read: {1}")]
    UnreadableFile(String, io::Error),
    /// The file could not be read within the time that a delivery waits.
    #[error("{0} could not be read in time")]
    Late(String),
    /// The variable, the file or the secret in AWS contains a reference that is not followed there.
    #[error("{0} contains a reference to a secret, not the secret")]
    Reference(String),
    /// White space surrounds the secret. No sender or target has such a secret.
    #[error("{0} begins or ends with white space")]
    WhiteSpace(SecretRef),
    /// The file or the secret in AWS is empty.
    #[error("{0} is empty")]
    Empty(String),
    /// The secret in AWS could not be fetched.
    #[error("{0}: {1}")]
    NotFetched(AwsSecret, FetchError),
    /// The secret is in AWS, and this command does not fetch secrets.
    #[error("{0}: this command does not fetch secrets")]
    NeverFetched(AwsSecret),
}

impl SecretError {
    /// Returns what the operator can do.
    pub fn remedy(&self) -> String {
        match self {
            Self::NotAReference => {
                "write env:NAME, file:PATH, aws-secretsmanager:ID or aws-ssm:NAME instead of the secret itself".to_owned()
            }
            Self::NoName(scheme) => {
                format!("write {scheme}:NAME, or {scheme}:NAME#FIELD for one field of a JSON object")
            }
            Self::EmptyVariable(name) => format!("give {name} a value"),
            Self::UnsetVariable(name) => format!("set {name} to the secret"),
            Self::LargeFile(_) => "name a file that contains only the secret".to_owned(),
            Self::UnreadableFile(..) | Self::Late(_) => {
                "name an existing, readable file".to_owned()
            }
            Self::Reference(_) => {
                "put the secret itself there; only a variable may contain a reference: aws-secretsmanager:ID, aws-secretsmanager:ID#FIELD or aws-ssm:NAME".to_owned()
            }
            Self::WhiteSpace(_) => {
                "remove the white space, such as a line end after the secret".to_owned()
            }
            Self::Empty(_) => "put the secret into it".to_owned(),
            Self::NotFetched(..) | Self::NeverFetched(_) => {
                "see docs/secrets.md, or write env:NAME".to_owned()
            }
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Aws(secret) => secret.fmt(f),
        }
    }
}

impl fmt::Display for AwsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.store, self.id)?;
        self.field
            .as_ref()
            .map_or(Ok(()), |field| write!(f, "#{field}"))
    }
}

const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl SecretRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// `NotAReference` or `NoName`.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            Some((scheme, _)) if scheme.parse::<AwsStore>().is_ok() => AwsSecret::parse(text)
                .map(Self::Aws)
                .ok_or_else(|| SecretError::NoName(scheme.to_owned())),
            _ => Err(SecretError::NotAReference),
        }
    }

    /// Reads the secret. `root` is the folder of the configuration.
    ///
    /// # Errors
    /// The secret is missing, empty, unreadable or too large, is a reference itself, or was not
    /// fetched from AWS.
    pub fn resolve(
        &self,
        root: &Path,
        vars: &Vars,
        fetched: &AwsSecrets,
    ) -> Result<Secret, SecretError> {
        let mut version = None;
        let text = match self {
            Self::Env(name) => match vars.get(name) {
                Some(value) if !value.is_empty() => SecretString::from(value.clone()),
                Some(_) => return Err(SecretError::EmptyVariable(name.clone())),
                None => return Err(SecretError::UnsetVariable(name.clone())),
            },
            Self::File(path) => read(&root.join(path)).map(SecretString::from)?,
            Self::Aws(secret) => match fetched.get(secret) {
                Some(Ok(found)) if found.text.expose_secret().is_empty() => {
                    return Err(SecretError::Empty(secret.to_string()));
                }
                Some(Ok(found)) => {
                    version.clone_from(&found.version);
                    found.text.clone()
                }
                Some(Err(why)) => return Err(SecretError::NotFetched(secret.clone(), why.clone())),
                None => return Err(SecretError::NeverFetched(secret.clone())),
            },
        };
        if is_reference(text.expose_secret()) {
            return Err(SecretError::Reference(self.to_string()));
        }
        Ok(Secret {
            reference: self.clone(),
            version,
            text,
        })
    }

    /// Whether the value can change while the process runs. The variables of a process cannot.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self, Self::Env(_))
    }
}

/// Returns true if a text is a reference instead of a secret. It may be a reference of this
/// program, even one that is misspelt or has no valid name, an ARN, or a reference that
/// CloudFormation or Azure should have replaced. Such a text cannot be a secret, because templates
/// and consoles show it.
pub(super) fn is_reference(text: &str) -> bool {
    const BEGINNINGS: [&str; 4] = ["arn:aws", "{{resolve:", "@microsoft.keyvault(", "aws-ssm:"];
    let text = text.trim_start().to_ascii_lowercase();
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    let ours = |scheme: &str| matches!(scheme, "env" | "file") || scheme.starts_with("aws-secret");
    scheme.is_some_and(ours) || BEGINNINGS.iter().any(|one| text.starts_with(one))
}

fn read(path: &Path) -> Result<String, SecretError> {
    let shown = path.display().to_string();
    let mut text = text_at_most(path, MAX_SECRET_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => SecretError::LargeFile(shown.clone()),
        _ => SecretError::UnreadableFile(shown.clone(), error),
    })?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() {
        return Err(SecretError::Empty(shown));
    }
    Ok(text)
}
