//! Sealing: the key, and when the next seal is due. In: the configuration and the journal. Out: a
//! seal over all records that none covers yet. Knows the key's file; what a seal is stands in the
//! journal.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;
use crate::config::{Config, SealConfig, SealKey};
use crate::domain::{Problem, Timestamp};
use crate::journal::seal::NoteSigner;
use crate::journal::{Journal, JournalError, JournalLocation, Sealing};

use super::App;

/// A larger file is no key.
const MAX_KEY_BYTES: u64 = 16 * 1024;

/// Why nothing was sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// There is no key, or it cannot be used.
    #[error("{0}")]
    Key(Problem),
    /// The journal cannot be read or written, or an earlier seal is damaged.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<Problem> for SealError {
    fn from(problem: Problem) -> Self {
        Self::Key(problem)
    }
}

impl App {
    /// Seals the journal when the last seal is old enough; why not, when it should have been.
    pub(super) async fn seal_when_due(&self) -> Option<String> {
        let seal = self.config().seal.as_ref()?;
        let now = self.now();
        match seal_if_due(self.config(), seal, &self.journal, now).await {
            Ok(None) => None,
            Ok(Some(sealing)) => {
                for finding in &sealing.left_out {
                    tracing::error!(%finding, "a record was not sealed");
                }
                if let (1.., Some(checkpoint)) = (sealing.sealed, &sealing.checkpoint) {
                    // Also a copy of the checkpoint where the journal's writers cannot reach: in
                    // the host's log.
                    tracing::info!(
                        records = sealing.sealed,
                        size = sealing.size,
                        checkpoint,
                        "sealed"
                    );
                }
                None
            }
            Err(error) => Some(format!("the journal was not sealed: {error}")),
        }
    }
}

async fn seal_if_due(
    config: &Config,
    seal: &SealConfig,
    journal: &Journal,
    now: Timestamp,
) -> Result<Option<Sealing>, SealError> {
    if let Some(signer) = signer(config)?
        && let Some(last) = journal.sealed_at(signer.verifier()).await?
        // A last seal from the future is a clock that was wrong once: it must not put an end to
        // sealing.
        && (0..seal.every.seconds()).contains(&now.duration_since(last).as_secs())
    {
        return Ok(None);
    }
    seal_journal(config, journal, now).await.map(Some)
}

/// Seals every record that no seal covers yet.
///
/// # Errors
/// [`SealError`].
pub async fn seal_journal(
    config: &Config,
    journal: &Journal,
    now: Timestamp,
) -> Result<Sealing, SealError> {
    let signer = signer_or_new(config, journal).await?;
    Ok(journal.seal(&signer, now).await?)
}

/// The configured key, made now if this is its first use.
///
/// # Errors
/// [`SealError`]: no `[seal]`, a key that cannot be read or made, or seals of a key that is gone.
pub async fn signer_or_new(config: &Config, journal: &Journal) -> Result<NoteSigner, SealError> {
    if let Some(signer) = signer(config)? {
        return Ok(signer);
    }
    let Some(SealConfig {
        key: SealKey::File(path),
        name,
        ..
    }) = &config.seal
    else {
        let remedy = "write [seal] with key = \"file:seal.key\" into the configuration";
        return Err(Problem::new("seal", "is not configured", remedy).into());
    };
    let shown = path.display();
    if !matches!(config.journal, JournalLocation::Directory(_)) {
        let remedy = format!("make one with: openssl genpkey -algorithm ed25519 -out {shown}");
        return Err(Problem::new("seal.key", format!("{shown} is not there"), remedy).into());
    }
    if journal.has_seals().await? {
        let remedy = "restore the key's file; with a new key the old seals could not be checked";
        let problem = format!("{shown} is not there, and the journal has seals");
        return Err(Problem::new("seal.key", problem, remedy).into());
    }
    let none = |error| Problem::new("seal.key", format!("cannot be made: {error}"), "try again");
    let pem = NoteSigner::pem(&clock::fresh_seed().map_err(none)?);
    match write_new(path, pem.expose_secret().as_bytes()) {
        Ok(()) => Ok(NoteSigner::read(name, &pem)?),
        // Another process was quicker: its key is the key.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            signer(config)?.ok_or_else(|| {
                Problem::new(
                    "seal.key",
                    format!("{shown} comes and goes"),
                    "leave the key's file in its place",
                )
                .into()
            })
        }
        Err(error) => {
            let remedy = "let this process create the file, or name another place";
            Err(Problem::new(
                "seal.key",
                format!("{shown} cannot be made: {error}"),
                remedy,
            )
            .into())
        }
    }
}

/// The configured key; `None` when nothing is configured or its file is not there yet.
///
/// # Errors
/// A key that cannot be read, is no key, or lies inside the journal.
pub fn signer(config: &Config) -> Result<Option<NoteSigner>, Problem> {
    let Some(seal) = &config.seal else {
        return Ok(None);
    };
    let key = match &seal.key {
        SealKey::Secret(key) => Some(key.clone()),
        SealKey::File(path) => {
            outside(path, &config.journal)?;
            read(path).map_err(|error| {
                let problem = format!("{} cannot be read: {error}", path.display());
                Problem::new(
                    "seal.key",
                    problem,
                    "name a readable file with an Ed25519 key",
                )
            })?
        }
    };
    key.map(|key| NoteSigner::read(&seal.name, &key))
        .transpose()
}

/// Whoever can write to the journal must not reach the key, by whatever links its path leads there.
fn outside(path: &Path, journal: &JournalLocation) -> Result<(), Problem> {
    let JournalLocation::Directory(dir) = journal else {
        return Ok(());
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file = fs::canonicalize(path).or_else(|_| fs::canonicalize(folder));
    match (file, fs::canonicalize(dir)) {
        (Ok(file), Ok(dir)) if file.starts_with(&dir) => Err(Problem::new(
            "seal.key",
            format!("{} lies inside the journal", path.display()),
            "keep the key where those who may write to the journal cannot",
        )),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Option<SecretString>> {
    match fs::metadata(path) {
        Ok(found) if found.len() > MAX_KEY_BYTES => {
            Err(io::Error::other("it is too large to be a key"))
        }
        Ok(_) => fs::read_to_string(path).map(|text| Some(SecretString::from(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes a file that only its owner may read and that was not there before. It gets its name when
/// it is whole.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!(".{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&staged).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| fs::hard_link(&staged, path));
    drop(fs::remove_file(&staged));
    linked
}
