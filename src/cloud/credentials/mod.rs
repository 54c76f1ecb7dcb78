//! Where the keys come from. In: variables, a home directory, a way to read files. Out: credentials, or every place that was
//! looked at. Names and order are the ecosystem's. Reads no process environment, and prints no secret.

mod cache;
mod ini;
mod source;

pub use cache::CredentialCache;
pub use source::{CredentialSource, SOURCES};

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::error::own;
use crate::domain::{CloudError, ErrorClass};

/// No credentials file is larger.
pub(super) const LARGEST_FILE: u64 = 64 * 1024;

/// A key, and the token that goes with a temporary one.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The public half.
    pub secret_id: String,
    /// The secret half.
    pub secret_key: SecretString,
    /// `X-TC-Token`, for temporary credentials.
    pub token: Option<SecretString>,
    /// Where they were found.
    pub source: CredentialSource,
}

impl Credentials {
    fn same_as(&self, other: &Self) -> bool {
        let token = |credentials: &Self| credentials.token.as_ref().map(|t| t.expose_secret().to_owned());
        self.secret_id == other.secret_id
            && self.secret_key.expose_secret() == other.secret_key.expose_secret()
            && token(self) == token(other)
    }
}

/// Why there are no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// No place has any.
    #[error("no credentials; looked at {}", looked.join(", "))]
    Missing {
        /// Every place, in order.
        looked: Vec<String>,
    },
    /// A place has some that cannot be used. The places after it are not asked: somebody meant this one.
    #[error("the credentials in {place} cannot be used: {problem}")]
    Unusable {
        /// A variable or a file.
        place: String,
        /// What is wrong, without any value.
        problem: String,
    },
}

impl From<CredentialsError> for CloudError {
    fn from(error: CredentialsError) -> Self {
        let remedy = match &error {
            CredentialsError::Missing { .. } => {
                "set TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or write one of the files"
            }
            CredentialsError::Unusable { .. } => "correct it, or remove it so that the next place is asked",
        };
        CloudError {
            code: own::NO_CREDENTIALS.to_owned(),
            message: error.to_string(),
            class: ErrorClass::Operator,
            remedy: remedy.to_owned(),
            request_id: None,
        }
    }
}

/// How files are read.
pub type ReadFile = Arc<dyn Fn(&Path) -> io::Result<String> + Send + Sync>;

/// All places in order, as they are at one moment of configuration. Files are read anew each time.
#[derive(Clone)]
pub struct CredentialChain {
    variables: BTreeMap<String, SecretString>,
    home: Option<PathBuf>,
    read: ReadFile,
}

impl CredentialChain {
    /// From the process's variables (those of other programs are not kept), the user's home and a way to read files.
    pub fn new(variables: &BTreeMap<String, String>, home: Option<PathBuf>, read: ReadFile) -> Self {
        let ours = |name: &str| name.starts_with("TENCENTCLOUD_") || name.starts_with("TCCLI_");
        let kept = variables.iter().filter(|(name, value)| ours(name) && !value.is_empty());
        let variables =
            kept.map(|(name, value)| (name.clone(), SecretString::from(value.as_str()))).collect();
        Self { variables, home, read }
    }

    /// Reading files of the file system, at most 64 KiB of each.
    pub fn from_disk(variables: &BTreeMap<String, String>, home: Option<PathBuf>) -> Self {
        Self::new(variables, home, Arc::new(read_small_file))
    }

    /// The first credentials found.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn load(&self) -> Result<Credentials, CredentialsError> {
        let mut looked = Vec::new();
        for source in SOURCES {
            if let Some(credentials) = source.find(self, &mut looked)? {
                return Ok(credentials);
            }
        }
        Err(CredentialsError::Missing { looked })
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(ExposeSecret::expose_secret)
    }
}

impl fmt::Debug for CredentialChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.variables.keys().collect();
        f.debug_struct("CredentialChain")
            .field("variables", &names)
            .field("home", &self.home)
            .finish_non_exhaustive()
    }
}

fn read_small_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests;
