//! The key that signs seals. Takes a [`Config`] and returns a [`NoteSigner`]. If the journal is in
//! a directory, the key file is created when the key is first used. A lost key is never replaced
//! while the journal has seals that were signed with it. An existing key can introduce its
//! successor.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

use crate::clock;
use crate::config::{
    AwsSecrets, Config, SEAL_KEY_VAR, SealConfig, SealKey, SecretError, SecretRef, Vars,
    plain_text_at_most,
};
use crate::domain::Problem;
use crate::journal::log::{NoteSigner, VerifierKey};
use crate::journal::{Journal, JournalError, JournalLocation};

/// Maximum size of a key's file, in bytes.
const MAX_KEY_BYTES: u64 = 16 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
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

/// Returns the configured key. Creates the key if its file does not exist and the journal has no
/// seals yet.
///
/// # Errors
/// Fails if no key is configured, if the key cannot be read or created, or if the key file is
/// missing although the journal has seals.
pub(crate) async fn signer_or_new(
    config: &Config,
    journal: &Journal,
) -> Result<NoteSigner, SealError> {
    if let Some(signer) = signer(config)? {
        return Ok(signer);
    }
    let (path, name) = new_key(config, journal).await?;
    let (key, _) = file_or_new(path)?;
    Ok(NoteSigner::read(name, &key)?)
}

/// Adds to a problem of the key where the key comes from.
pub(in crate::app) fn with_origin(error: JournalError, seal: &SealConfig) -> JournalError {
    match error {
        JournalError::Place(problem) if problem.field == "seal.key" => {
            let origin = match &seal.key {
                SealKey::File(path) => path.display().to_string(),
                SealKey::Variable(_) => SEAL_KEY_VAR.to_owned(),
                SealKey::Secret(key) => key.reference.to_string(),
            };
            JournalError::Place(Problem {
                problem: format!("{origin} {}", problem.problem),
                ..problem
            })
        }
        error => error,
    }
}

/// Proves, once per opened journal, that its place refuses to create a file twice, and that no other
/// journal uses its index. This must be done before the first seal of a process.
pub(super) async fn prove_place(journal: &Journal) -> Result<(), JournalError> {
    let nonce = clock::fresh_bytes().map_err(JournalError::NoRandomness)?;
    journal.test_place(nonce).await
}

/// Returns the path and the name of the key that the first seal will create. Call this only if
/// [`signer`] returned `None`.
async fn new_key<'a>(
    config: &'a Config,
    journal: &Journal,
) -> Result<(&'a Path, &'a str), SealError> {
    let Some(SealConfig {
        key: SealKey::File(path),
        name,
        ..
    }) = &config.seal
    else {
        let remedy = format!("write [seal] with key = \"env:NAME\", or set {SEAL_KEY_VAR}");
        return Err(Problem::new("seal", "is not configured", remedy).into());
    };
    if !matches!(config.journal, JournalLocation::Directory(_)) {
        return Err(missing_elsewhere(path).into());
    }
    if journal.has_seals().await? {
        return Err(lost(path).into());
    }
    Ok((path, name))
}

/// Tests whether the first seal will be able to create the key, by creating an empty file in the
/// key's folder and removing it.
///
/// # Errors
/// Fails for the same reasons as [`signer_or_new`].
pub(in crate::app) async fn try_new_key(
    config: &Config,
    journal: &Journal,
) -> Result<(), SealError> {
    let (path, _) = new_key(config, journal).await?;
    let mark = fresh_mark()?;
    let mut trial = path.as_os_str().to_owned();
    trial.push(format!(".{mark}.trial"));
    let trial = Path::new(&trial);
    let made = write_new(trial, &mark, b"");
    drop(fs::remove_file(trial));
    made.map_err(|error| cannot_be_made(path, &error).into())
}

/// Reads the key in the file at `path`, and creates the file with a new key if it does not exist.
/// If two processes create the file at the same time, both use the key of the first one. The
/// returned `bool` says whether this call created the file.
fn file_or_new(path: &Path) -> Result<(SecretString, bool), Problem> {
    let shown = path.display();
    let seed = clock::fresh_bytes().map_err(no_random_bytes)?;
    let mark = fresh_mark()?;
    let pem = NoteSigner::pem(&seed);
    match write_new(path, &mark, pem.expose_secret().as_bytes()) {
        Ok(()) => Ok((pem, true)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let key = read(path).map_err(|error| unreadable(path, &error))?;
            let key = key.ok_or_else(|| {
                let problem = format!("{shown} was removed while it was read");
                Problem::new("seal.key", problem, "leave the key file in its place")
            })?;
            Ok((key, false))
        }
        Err(error) => Err(cannot_be_made(path, &error)),
    }
}

/// Returns a random suffix for the name of a temporary file.
fn fresh_mark() -> Result<String, Problem> {
    let mark = clock::fresh_bytes::<8>().map_err(no_random_bytes)?;
    Ok(hex::encode(mark))
}

fn no_random_bytes(error: getrandom::Error) -> Problem {
    Problem::new("seal.key", format!("cannot be made: {error}"), "try again")
}

fn cannot_be_made(path: &Path, error: &io::Error) -> Problem {
    let problem = format!("{} cannot be made: {error}", path.display());
    let remedy = "let this process create the file, or name another key";
    Problem::new("seal.key", problem, remedy)
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = format!("{} cannot be read: {error}", path.display());
    Problem::new(
        "seal.key",
        problem,
        "name a readable file with an Ed25519 key",
    )
}

/// Returns the configured key, or `None` if no key is configured or its file does not exist yet.
///
/// # Errors
/// Fails if the key cannot be read, is not an Ed25519 key, or is inside the journal or its index.
pub fn signer(config: &Config) -> Result<Option<NoteSigner>, Problem> {
    let Some(seal) = &config.seal else {
        return Ok(None);
    };
    let key = match &seal.key {
        SealKey::Variable(key) => return in_variable(&seal.name, key).map(Some),
        SealKey::Secret(key) => Some(key.text.clone()),
        SealKey::File(path) => {
            outside(path, config)?;
            read(path).map_err(|error| unreadable(path, &error))?
        }
    };
    key.map(|key| NoteSigner::read(&seal.name, &key))
        .transpose()
}

/// Reads the key that [`SEAL_KEY_VAR`] contains. Unlike the setting `key`, this variable must not
/// contain a reference to a file or to another variable. The error for such a reference says so.
fn in_variable(name: &str, key: &SecretString) -> Result<NoteSigner, Problem> {
    NoteSigner::read(name, key).map_err(|problem| {
        if SecretRef::parse(key.expose_secret()).is_ok() {
            let problem = format!(
                "{SEAL_KEY_VAR} has a reference to a file or variable, but it takes the key itself or a reference to AWS"
            );
            let remedy = "write the key into the variable, or unset it and write key = \"file:…\" or \"env:…\" in [seal]";
            return Problem::new("seal.key", problem, remedy);
        }
        Problem {
            problem: format!("{SEAL_KEY_VAR} {}", problem.problem),
            ..problem
        }
    })
}

/// The new key, and the checkpoint that introduces it. Both the old and the new key have signed
/// this checkpoint.
pub(crate) struct SealKeyRotation {
    pub(crate) key: VerifierKey,
    pub(crate) checkpoint: String,
}

/// Introduces the key that `reference` names. This key signs every later seal. If `reference` names
/// a file that does not exist, the file is created. It is removed again if the journal refuses the
/// change of keys.
///
/// # Errors
/// Fails if the reference or one of the keys cannot be used, and for the reasons that
/// [`Journal::rotate_key`] lists.
pub(crate) async fn rotate_seal_key(
    config: &Config,
    journal: &Journal,
    vars: &Vars,
    fetched: &AwsSecrets,
    reference: &str,
) -> Result<SealKeyRotation, SealError> {
    let old = signer_or_new(config, journal).await?;
    prove_place(journal).await?;
    let (new, made) = next_signer(config, vars, fetched, reference)?;
    let rotated = journal.rotate_key(&old, &new, clock::system_now()).await;
    // After any error except `Place`, the journal may already name the new key, so keep its file.
    if let (Err(JournalError::Place(_)), Some(path)) = (&rotated, made) {
        drop(fs::remove_file(path));
    }
    Ok(SealKeyRotation {
        key: new.verifier().clone(),
        checkpoint: rotated?,
    })
}

/// Returns the key that will replace the configured one. If this call created the key's file, also
/// returns the path of that file.
fn next_signer(
    config: &Config,
    vars: &Vars,
    fetched: &AwsSecrets,
    reference: &str,
) -> Result<(NoteSigner, Option<PathBuf>), Problem> {
    let Some(seal) = &config.seal else {
        let remedy = "write [seal] with the current key first";
        return Err(Problem::new("seal", "is not configured", remedy));
    };
    let wrong = |error: SecretError| Problem::new("--to", error.to_string(), error.remedy());
    let here = |problem: Problem| Problem {
        field: "--to".to_owned(),
        ..problem
    };
    let reference = SecretRef::parse(reference).map_err(wrong)?;
    let reference = reference.followed(vars);
    if let SecretRef::File(path) = &reference {
        let path = Path::new(path);
        outside(path, config).map_err(here)?;
        let (key, made) = file_or_new(path).map_err(here)?;
        let signer = NoteSigner::read(&seal.name, &key).map_err(here)?;
        return Ok((signer, made.then(|| path.to_owned())));
    }
    let key = reference
        .resolve(Path::new(""), vars, fetched)
        .map_err(wrong)?;
    let signer = NoteSigner::read(&seal.name, &key.text).map_err(here)?;
    Ok((signer, None))
}

/// Returns the problems with the seal key that the command `check` reports. Does not open the
/// journal.
pub(in crate::app) fn warnings(config: &Config) -> Vec<Problem> {
    let here = |problem: Problem| config.problem("seal.key", &problem.problem, &problem.remedy);
    found(config).into_iter().map(here).collect()
}

fn found(config: &Config) -> Option<Problem> {
    let path = match (&config.seal, &config.journal) {
        (None, JournalLocation::Memory) => return None,
        (None, _) => {
            let problem = "the journal is not sealed: an altered newest record, or a removed \
                           request, would not be found";
            let remedy =
                format!("set {SEAL_KEY_VAR}, or write [seal] with a key (docs/evidence.md)");
            return Some(Problem::new("seal.key", problem, remedy));
        }
        (Some(seal), _) => match &seal.key {
            SealKey::Variable(_) | SealKey::Secret(_) => None,
            SealKey::File(path) => Some(path).filter(|path| matches!(read(path), Ok(None))),
        },
    };
    let Some(path) = path else {
        return signer(config).err();
    };
    match &config.journal {
        JournalLocation::Directory(dir) => {
            let segments = dir.join("log/segments");
            match fs::read_dir(&segments) {
                Ok(mut seals) => seals.next().map(|_| lost(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => {
                    let problem = format!("{} cannot be read: {error}", segments.display());
                    let remedy = "let this process read the journal";
                    Some(Problem::new("seal.key", problem, remedy))
                }
            }
        }
        JournalLocation::Memory => None,
        _ => Some(missing_elsewhere(path)),
    }
}

fn lost(path: &Path) -> Problem {
    let problem = format!(
        "{} does not exist, and the journal has seals of that key",
        path.display()
    );
    let remedy = "restore the key file from a backup; if there is none, keep this journal and its public key, and start a new journal with a new key";
    Problem::new("seal.key", problem, remedy)
}

fn missing_elsewhere(path: &Path) -> Problem {
    let shown = path.display();
    let remedy = format!("make one with: openssl genpkey -algorithm ed25519 -out {shown}");
    Problem::new("seal.key", format!("{shown} does not exist"), remedy)
}

/// Refuses a key file that is inside the journal or its index, even if the path leads there through
/// links. A process that can write the journal must not be able to reach the key.
fn outside(path: &Path, config: &Config) -> Result<(), Problem> {
    let mut places = [&config.journal].into_iter().chain(&config.index);
    match places.any(|place| place.contains(path)) {
        false => Ok(()),
        true => Err(Problem::new(
            "seal.key",
            format!("{} lies inside the journal or its index", path.display()),
            "name a key outside these directories",
        )),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn read(path: &Path) -> io::Result<Option<SecretString>> {
    match plain_text_at_most(path, MAX_KEY_BYTES) {
        Ok(text) => Ok(Some(SecretString::from(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Durably creates a file that only its owner may read, and fails if the file exists. The content
/// is written to a temporary file first, so that no other process can read half a key.
fn write_new(path: &Path, mark: &str, bytes: &[u8]) -> io::Result<()> {
    let mut staged = path.as_os_str().to_owned();
    staged.push(format!(".{mark}"));
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
    linked?;
    // Sync the folder, too, so that a power cut cannot lose a key that has signed a seal.
    #[cfg(unix)]
    fs::File::open(folder_of(path))?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AwsSecret, AwsStore, FetchedSecret};

    #[test]
    fn a_wrong_key_in_the_variable_is_reported_as_that() {
        let text = "journal = \"file:journal\"\n[cloud]\nsite = \"intl\"\n";
        for (value, problem) in [
            ("file:next.key", "SHAREHOOK_SEAL_KEY has a reference"),
            ("env:KEY", "SHAREHOOK_SEAL_KEY has a reference"),
            ("%", "SHAREHOOK_SEAL_KEY is neither PEM nor base64"),
        ] {
            let vars = Vars::from([(SEAL_KEY_VAR.to_owned(), value.to_owned())]);
            let config = Config::read("sharehook.toml", text, &vars, &AwsSecrets::new()).unwrap();
            let found = signer(&config).err().unwrap();
            assert!(found.problem.starts_with(problem), "{found}");
            assert!(!found.to_string().contains("next.key"), "{found}");
            assert_eq!(warnings(&config).len(), 1);
        }
    }

    #[test]
    fn the_next_key_may_be_in_aws_behind_a_variable() {
        let text = "journal = \"file:journal\"\n[cloud]\nsite = \"intl\"\n";
        let vars = Vars::from([("NEXT".to_owned(), "aws-ssm:/next".to_owned())]);
        let config = Config::read("sharehook.toml", text, &vars, &AwsSecrets::new()).unwrap();
        let (store, id) = (AwsStore::ParameterStore, "/next".to_owned());
        let (text, version) = (NoteSigner::pem(&[7; 32]), None);
        let secret = AwsSecret {
            store,
            id,
            field: None,
        };
        let fetched = AwsSecrets::from([(secret, Ok(FetchedSecret { text, version }))]);
        for reference in ["env:NEXT", "aws-ssm:/next"] {
            let next = next_signer(&config, &vars, &fetched, reference);
            assert!(next.is_ok(), "{:?}", next.err());
        }
    }

    #[test]
    fn of_two_writers_one_makes_the_key_and_both_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let writers: Vec<_> = (0..8)
            .map(|n| {
                let path = path.clone();
                std::thread::spawn(move || {
                    write_new(&path, &format!("{n}"), format!("key {n}").as_bytes())
                })
            })
            .collect();
        let made = writers.into_iter().map(|writer| writer.join().unwrap());
        assert_eq!(made.filter(Result::is_ok).count(), 1);
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "no staged file is left: {names:?}");
        let key = fs::read_to_string(&path).unwrap();
        assert!(write_new(&path, "later", b"another").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), key);
    }
}
