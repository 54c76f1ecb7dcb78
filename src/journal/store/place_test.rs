//! Tests whether a journal can use its place: creating a file a second time must fail, lists must
//! show a file at once, and the directory must still be the one that was opened. Takes random bytes
//! for the probe's name.

use std::io;
use std::path::Path as FsPath;

use futures_util::future::join;
use object_store::ObjectMeta;
use object_store::list::{PaginatedListOptions, PaginatedListResult};
use object_store::path::Path;

use super::super::location::JournalLocation;
use super::claim::MAX_PAUSE;
use super::directory::if_present;
use super::objects::{Created, Fetched, LISTING_TIMEOUT, OPERATION_TIMEOUT};
use super::place::Pages;
use super::{Journal, JournalError};
use crate::domain::{Problem, Timestamp};

/// The content of a probe.
const PROBE: &[u8] = b"first";

/// The claim of a journal to the index beside its records. A journal whose index has a place of its
/// own claims it with the content of its file `probe`.
const BESIDE_RECORDS: &[u8] = b"the journal at this place\n";

impl Journal {
    /// Proves, once per opened journal, that the place refuses to create a file twice, and that its
    /// lists show a file as soon as it was created, and go on after their first page. Creates probes
    /// below `index/` and deletes them. If the index has a place of its own, tests both places, and
    /// that no other journal uses this index.
    ///
    /// # Errors
    /// [`JournalError::Place`] if a place created the file twice, if a list lacked a file, or if the
    /// index is that of another journal. Nothing may be written there. Any other error is a failure
    /// of the store.
    pub async fn test_place(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        self.tested
            .fit
            .get_or_try_init(|| self.probe(nonce))
            .await
            .map(|_| ())
    }

    async fn probe(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        let path = self.probe_path(nonce);
        let first = self.create_at(&path, PROBE).await?;
        let again = self.create_at(&path, b"second");
        let (second, listed) = join(again, self.test_lists(&path)).await;
        self.remove_probe(path).await;
        let kept = matches!(second?, Created::Theirs(found) if *found == *PROBE);
        if !matches!(first, Created::Ours) || !kept {
            return created_twice(self.index_place());
        }
        listed?;
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
                Created::Ours => return created_twice(self.place()),
            },
        };
        self.list_no_request().await?;
        self.claim_index(&id).await
    }

    /// Returns the path of a probe. If the last probe could not be deleted, returns its path, so
    /// that a process does not leave a file with each probe.
    fn probe_path(&self, nonce: [u8; 8]) -> Path {
        let left = self.tested.left.lock();
        let left = left.as_ref().map(|(path, _)| path.clone());
        left.unwrap_or_else(|| self.path(&["index", "probe", &hex::encode(nonce)]))
    }

    async fn remove_probe(&self, path: Path) {
        let removed = self.remove_at(&path).await;
        *self.tested.left.lock() = removed.err().map(|error| (path, error.to_string()));
    }

    /// Returns why the newest probe could not be deleted, if it could not. The same holds for the
    /// other files below `index/`.
    pub fn cannot_delete(&self) -> Option<String> {
        let left = self.tested.left.lock();
        left.as_ref().map(|(_, why)| why.clone())
    }

    /// Deletes the probes that are at least a day old. Their processes were killed, or could not
    /// delete them. Returns their paths; none if they cannot be deleted now either.
    pub(super) async fn remove_old_probes(
        &self,
        now: Timestamp,
    ) -> Result<Vec<String>, JournalError> {
        let folder = self.path(&["index", "probe"]);
        let listed = self.listed(&folder, LISTING_TIMEOUT).await?;
        let old = |probe: &ObjectMeta| {
            let written = Timestamp::from_second(probe.last_modified.timestamp());
            let whose_index = probe.location.filename() == Some("journal");
            !whose_index && written.is_ok_and(|at| now.duration_since(at) >= MAX_PAUSE)
        };
        let old: Vec<Path> = (listed.objects.into_iter())
            .filter(old)
            .map(|probe| probe.location)
            .collect();
        match self.delete_entries(old.clone()).await {
            Ok(()) => Ok(old.iter().map(Path::to_string).collect()),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Tests the lists of the index's place, in which `probe` was just created.
    async fn test_lists(&self, probe: &Path) -> Result<(), JournalError> {
        let Some(pages) = &self.index_store().pages else {
            return self.require_listed(probe).await;
        };
        // A second page needs a second file.
        let other = Path::from(format!("{probe}-2"));
        self.create_at(&other, PROBE).await?;
        let listed = self.require_listed(probe);
        let paged = self.require_pages(pages, [probe, &other]);
        let (listed, paged) = join(listed, paged).await;
        drop(self.remove_at(&other).await);
        listed.and(paged)
    }

    /// Fails unless a list has `probe`, which exists. A share and a cancel find each other by lists.
    async fn require_listed(&self, probe: &Path) -> Result<(), JournalError> {
        let place = self.place_of(probe.as_ref());
        let (shown, path) = match &place.pages {
            Some(pages) => {
                let page = self.page(pages, probe, PaginatedListOptions::default());
                (page.await?.result, below(&pages.1, probe))
            }
            None => {
                let folder = self.path(&["index", "probe"]);
                let listed = self.listed(&folder, OPERATION_TIMEOUT);
                (listed.await?, probe.clone())
            }
        };
        match shown.objects.iter().any(|found| found.location == path) {
            true => Ok(()),
            false => unfit(
                &place.location,
                "does not list a file that was just created",
                "whose lists show a file as soon as it is written; those of replicas, caches and gateways may lag",
            ),
        }
    }

    /// Lists a page of the files whose names begin as `probe`'s. A bucket may have very many other
    /// probes, because earlier versions left one at each start if they could not delete it.
    async fn page(
        &self,
        (store, root): &Pages,
        probe: &Path,
        options: PaginatedListOptions,
    ) -> Result<PaginatedListResult, JournalError> {
        let mut prefix = below(root, probe).to_string();
        // `object_store` leaves out a file that has the prefix itself as its name.
        prefix.pop();
        let list = store.list_paginated(Some(&prefix), options);
        self.listing(probe, OPERATION_TIMEOUT, list).await
    }

    /// Lists the records of no request, to learn whether this process may list the records' place.
    /// Does not list the probe there: beside it may be many files that are not the journal's.
    async fn list_no_request(&self) -> Result<(), JournalError> {
        let folder = self.path(&["requests", "probe"]);
        self.listed(&folder, OPERATION_TIMEOUT).await.map(drop)
    }

    /// Fails unless a list with one file per page has a further page, or shows `both` files at once.
    /// `object_store` takes a page that names no next one for the last.
    async fn require_pages(&self, pages: &Pages, both: [&Path; 2]) -> Result<(), JournalError> {
        let page = |page_token| {
            let options = PaginatedListOptions {
                max_keys: Some(1),
                page_token,
                ..Default::default()
            };
            self.page(pages, both[0], options)
        };
        let files = |page: &PaginatedListResult| -> Vec<Path> {
            let files = page.result.objects.iter();
            files.map(|file| file.location.clone()).collect()
        };
        let first = page(None).await?;
        let shown = files(&first);
        let goes_on = match first.page_token {
            None => both
                .iter()
                .all(|path| shown.contains(&below(&pages.1, path))),
            token => {
                let next = page(token.clone()).await?;
                // A page may be empty and still name a next one.
                files(&next) != shown || (shown.is_empty() && next.page_token != token)
            }
        };
        match goes_on {
            true => Ok(()),
            false => unfit(
                self.index_place(),
                "ends a list after its first page, although more files exist",
                "whose lists name their next page, as NextContinuationToken does in S3's ListObjectsV2",
            ),
        }
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
    pub fn index_is_elsewhere(&self) -> bool {
        self.index.is_some()
    }

    /// Tests that a directory is still the one that was opened, and that the place can be written
    /// and listed. Creates and deletes a probe below `index/`. If the index has a place of its own,
    /// also tries to create a probe beside the records. That probe may exist already. A probe that
    /// cannot be deleted is no error; [`Journal::cannot_delete`] then says why.
    ///
    /// # Errors
    /// A place cannot be written or listed, or the directory has been replaced.
    pub async fn check(&self, nonce: [u8; 8]) -> Result<(), JournalError> {
        self.same_folder("create", "requests")?;
        let path = self.probe_path(nonce);
        self.create_at(&path, PROBE).await?;
        let listed = self.require_listed(&path).await;
        self.remove_probe(path).await;
        listed?;
        if self.index.is_some() {
            self.create_at(&self.path(&["probe"]), &nonce).await?;
            self.list_no_request().await?;
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

/// Returns the path of a journal's file in the bucket.
fn below(root: &Path, path: &Path) -> Path {
    root.parts().chain(path.parts()).collect()
}

fn created_twice(place: &JournalLocation) -> Result<(), JournalError> {
    let problem = "allows a file to be created twice";
    unfit(place, problem, "that supports create-only writes")
}

fn unfit(place: &JournalLocation, problem: &str, wanted: &str) -> Result<(), JournalError> {
    let problem = format!("{place} {problem}, so nothing is written there");
    let remedy = format!("choose a place {wanted} (docs/journal.md)");
    Err(Problem::new("journal", problem, remedy).into())
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
