//! Tests whether a journal can use its place: creating a file a second time must fail, and the
//! directory must still be the one that was opened. Takes random bytes for the probe's name.

use std::io;
use std::path::Path as FsPath;

use super::super::location::JournalLocation;
use super::directory::if_present;
use super::objects::{Created, Fetched};
use super::{Journal, JournalError};
use crate::domain::Problem;

/// The claim of a journal to the index beside its records. A journal whose index has a place of its
/// own claims it with the content of its file `probe`.
const BESIDE_RECORDS: &[u8] = b"the journal at this place\n";

impl Journal {
    /// Proves, once per opened journal, that the place refuses to create a file twice. Creates a
    /// probe below `index/`, creates it again with other bytes, and deletes it. If the index has a
    /// place of its own, tests both places. Also tests that no other journal uses this index.
    ///
    /// # Errors
    /// [`JournalError::Place`] if a place created the file twice, or if the index is that of another
    /// journal. Nothing may be written there. Any other error is a failure of the store.
    pub async fn test_place(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        self.proven
            .get_or_try_init(|| self.probe(nonce))
            .await
            .map(|_| ())
    }

    async fn probe(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        let path = self.path(&["index", "probe", &hex::encode(nonce)]);
        let first = self.create_at(&path, b"first").await?;
        let second = self.create_at(&path, b"second").await?;
        let kept = matches!(second, Created::Theirs(found) if *found == *b"first");
        // Ignore a failure: if the place locks its objects, the probe cannot be deleted and stays.
        drop(self.remove_at(&path).await);
        let untrusted = |place: &JournalLocation| {
            let problem =
                format!("{place} allows a file to be created twice, so nothing is written there");
            let remedy = "choose a place that supports create-only writes (docs/journal.md)";
            Err(Problem::new("journal", problem, remedy).into())
        };
        if !matches!(first, Created::Ours) || !kept {
            return untrusted(self.index_place());
        }
        if !self.index_is_elsewhere() {
            return self.claim_index(BESIDE_RECORDS).await;
        }
        // A deployed function may not be allowed to delete files beside the records, so this probe
        // is never deleted. If an earlier process created it, this attempt is refused, which is
        // proof enough.
        let path = self.path(&["probe"]);
        let id = match self.create_at(&path, &nonce).await? {
            Created::Theirs(found) => found,
            Created::Ours => match self.create_at(&path, b"second").await? {
                Created::Theirs(found) => found,
                Created::Ours => return untrusted(self.place()),
            },
        };
        self.claim_index(&id).await
    }

    /// Fails if another journal has claimed the index. A sweep deletes what it takes for remains of
    /// interrupted deliveries, so it would delete entries of that journal. `id` is the claim of this
    /// journal.
    async fn claim_index(&self, id: &[u8]) -> Result<(), JournalError> {
        let mark = self.path(&["index", "probe", "journal"]);
        let Created::Theirs(found) = self.create_at(&mark, id).await? else {
            return Ok(());
        };
        // The configuration may name the journal's own place as that of the index, or no longer.
        if self.index_place() == self.place() {
            let probe = self.fetch_one(&self.path(&["probe"])).await?;
            if found == BESIDE_RECORDS || matches!(probe, Fetched::Bytes(id) if id == found) {
                return Ok(());
            }
        }
        let (setting, has) = match self.index_is_elsewhere() {
            true => ("journal.index", "is"),
            false => ("journal", "has"),
        };
        let problem = format!("{} {has} the index of another journal", self.index_place());
        let remedy = format!(
            "give each journal an index of its own; if no other journal uses this one, as after the file `probe` was lost, remove {mark} in it"
        );
        Err(Problem::new(setting, problem, remedy).into())
    }

    /// Whether the index has a place of its own.
    fn index_is_elsewhere(&self) -> bool {
        self.index.is_some()
    }

    /// Tests that a directory is still the one that was opened, and that the place is writable.
    /// Creates and deletes a probe below `index/`, with `nonce` in its name. If the index has a
    /// place of its own, also tries to create a probe beside the records. That probe may exist
    /// already.
    ///
    /// # Errors
    /// A place is not writable, or the directory has been replaced.
    pub async fn check(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        self.same_folder("create", "requests")?;
        let path = self.path(&["index", "probe", &hex::encode(nonce)]);
        self.create_at(&path, b"ready").await?;
        self.remove_at(&path).await?;
        if self.index.is_some() {
            self.create_at(&self.path(&["probe"]), &nonce).await?;
        }
        Ok(())
    }

    /// Fails if the directory is not the one that was opened. In another directory, recorded
    /// requests would look new, and no work would be due. `doing` and `path` are for the error.
    pub(super) fn same_folder(&self, doing: &'static str, path: &str) -> Result<(), JournalError> {
        let (JournalLocation::Directory(dir), Some(opened)) = (self.place(), self.folder) else {
            return Ok(());
        };
        match folder_id(dir) {
            Ok(Some(found)) if found == opened => Ok(()),
            Ok(_) => {
                let gone = io::Error::other(
                    "the folder is gone or was replaced since this process opened it: bring it back, or restart the process if the new folder is right",
                );
                Err(self.failed(doing, path, &gone))
            }
            Err(error) => Err(self.failed(doing, path, &error)),
        }
    }
}

/// The device and inode of the directory at `dir`; `None` if it does not exist.
#[cfg(unix)]
pub(super) fn folder_id(dir: &FsPath) -> io::Result<Option<(u64, u64)>> {
    use std::os::unix::fs::MetadataExt as _;
    let found = if_present(std::fs::metadata(dir))?;
    Ok(found.map(|found| (found.dev(), found.ino())))
}

/// Other systems show only whether the directory exists.
#[cfg(not(unix))]
pub(super) fn folder_id(dir: &FsPath) -> io::Result<Option<(u64, u64)>> {
    Ok(if_present(std::fs::metadata(dir))?.map(|_| (0, 0)))
}
