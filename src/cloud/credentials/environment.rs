//! The local inputs of the credential sources: the process's variables, files, and the credentials
//! of invocations. Does no network I/O.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

use super::error::{CredentialsError, unusable};
use super::invocation_credentials::InvocationCredentials;

const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The variable that replaces the address of the metadata service. Its value is an address on
/// loopback, or `off`.
pub(super) const METADATA_ENDPOINT: &str = "SHAREHOOK_METADATA_ENDPOINT";

pub(crate) type ReadFile = Arc<dyn Fn(&Path) -> io::Result<String> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Environment {
    variables: BTreeMap<String, SecretString>,
    pub(super) home: Option<PathBuf>,
    read: ReadFile,
    pub(super) invocation_credentials: InvocationCredentials,
}

impl Environment {
    /// Keeps the variables that are not empty and have a prefix that the sources use.
    pub(super) fn new(
        variables: &BTreeMap<String, String>,
        home: Option<PathBuf>,
        read: ReadFile,
    ) -> Self {
        const OURS: [&str; 4] = ["TENCENTCLOUD_", "TCCLI_", "TKE_", METADATA_ENDPOINT];
        let ours = |name: &str| OURS.iter().any(|prefix| name.starts_with(prefix));
        let kept = variables
            .iter()
            .filter(|(name, value)| ours(name) && !value.is_empty());
        Self {
            variables: kept
                .map(|(name, value)| (name.clone(), SecretString::from(value.as_str())))
                .collect(),
            home,
            read,
            invocation_credentials: InvocationCredentials::default(),
        }
    }

    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(ExposeSecret::expose_secret)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.variables.keys()
    }

    /// Whether the cache must not keep credentials without an expiry. True on SCF, because the
    /// platform replaces a role's keys between invocations and does not say when they expire.
    pub(super) fn must_not_cache(&self) -> bool {
        self.variable("TENCENTCLOUD_RUNENV") == Some("SCF")
    }

    /// Returns the text of a file. `None` if the file does not exist.
    pub(super) fn read_file(&self, path: &Path) -> Result<Option<String>, CredentialsError> {
        match (self.read)(path) {
            Ok(text) if text.len() as u64 > MAX_FILE_BYTES => Err(unusable(
                &path.display().to_string(),
                "the file is larger than 64 KiB",
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
                format!("the file cannot be read: {error}"),
            )),
        }
    }
}

/// Reads the first 64 KiB of a file and one more byte, so that the caller can detect a larger file.
/// Refuses pipes and devices, because opening or reading them may never end.
pub(super) fn read_small_file(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is a directory, a pipe or a device"));
    }
    let mut text = String::new();
    std::fs::File::open(path)?
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("credentials");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let error = read_small_file(&pipe).unwrap_err().to_string();
        assert!(error.contains("a pipe or a device"), "{error}");
    }
}
