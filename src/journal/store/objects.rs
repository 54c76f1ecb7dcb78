//! Creates, reads, lists and removes the journal's objects, by stream and number or by path. Every
//! operation has a time limit, and every read a size limit. Does not parse contents.

use std::future::{Future, ready};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{StreamExt as _, TryStreamExt as _, iter};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMode,
    PutPayload,
};

use super::super::chain::Finding;
use super::super::location::JournalLocation;
use super::super::log::MAX_SEGMENT_BYTES;
use super::super::record::{Flaw, MAX_RECORD_BYTES, MAX_RECORDS, StreamId, file_name, file_seq};
use super::error::CONTENDED;
use super::observed::StoreResult;
use super::place::Place;
use super::{Journal, JournalError};

/// Time limit of every operation except a long listing. It is short because the caller's lease is
/// running, or a sender is waiting for an answer.
pub(super) const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit of a listing that takes many pages in a large journal.
pub(super) const LISTING_TIMEOUT: Duration = Duration::from_secs(120);
/// Number of files to read or write at once.
pub(super) const MAX_CONCURRENT: usize = 16;
/// How often to try to create a file. While another process writes an object, S3 answers that the
/// object exists, although it cannot be read yet.
const CREATE_ATTEMPTS: u32 = 3;

/// The name of the object beside record 0 that lists the segments with a retired request's records.
pub(super) const RETIRED: &str = "retired";

/// The result of an attempt to create a file.
pub(super) enum Created {
    /// The file has the caller's bytes. It was written by this call, or by an earlier call whose
    /// answer was lost.
    Ours,
    /// The file exists already, with these other bytes.
    Theirs(Bytes),
}

pub(super) enum Fetched {
    Bytes(Bytes),
    Absent,
    TooLarge(u64),
}

impl Fetched {
    /// Returns the bytes of a record that must exist. If there are none, returns the flaw.
    pub(super) fn record(&self) -> Result<&[u8], Flaw> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Absent => Err(Flaw::Missing),
            Self::TooLarge(bytes) => Err(Flaw::TooLarge { bytes: *bytes }),
        }
    }
}

/// The contents of a stream's folder.
pub(super) struct Folder {
    /// The highest record number, plus one.
    pub(super) end: u64,
    /// Whether the request is retired. If so, records may exist only in their segments.
    pub(super) retired: bool,
    /// Other files and folders, as paths from the journal's root.
    pub(super) foreign: Vec<String>,
}

impl Journal {
    /// Makes the journal report the result of each operation on the store to `observer`.
    #[must_use]
    pub fn observed(
        self,
        observer: impl Fn(&'static str, StoreResult) + Send + Sync + 'static,
    ) -> Self {
        Self {
            observer: Some(Arc::new(observer)),
            ..self
        }
    }

    /// Creates record `seq` of `stream`. Never overwrites a record.
    pub(super) async fn create(
        &self,
        stream: StreamId,
        seq: u64,
        bytes: &[u8],
    ) -> Result<Created, JournalError> {
        let size = bytes.len() as u64;
        if size > MAX_RECORD_BYTES {
            return Err(JournalError::RecordTooLarge { bytes: size });
        }
        if seq >= MAX_RECORDS {
            return Err(JournalError::StreamFull { stream });
        }
        self.same_folder("create", "requests")?;
        let path = self.record_path(stream, seq);
        let created = self.create_at(&path, bytes).await?;
        match &created {
            Created::Ours => {
                self.unsealed.note_write();
                if let Some(echo) = &self.echo {
                    echo(bytes);
                }
            }
            Created::Theirs(found) if found.len() as u64 > MAX_RECORD_BYTES => {
                let flaw = Flaw::TooLarge {
                    bytes: found.len() as u64,
                };
                return Err(self.damaged(Finding::of(stream, seq, flaw)));
            }
            Created::Theirs(_) => {}
        }
        Ok(created)
    }

    /// Creates a file. An existing file is never overwritten.
    pub(super) async fn create_at(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Created, JournalError> {
        let payload = Bytes::copy_from_slice(bytes);
        for attempt in 1..=CREATE_ATTEMPTS {
            let put = self.to_write(path)?.put_opts(
                path,
                PutPayload::from_bytes(payload.clone()),
                PutMode::Create.into(),
            );
            match self.bounded("create", path, OPERATION_TIMEOUT, put).await? {
                Ok(_) => return Ok(Created::Ours),
                Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {}
                Err(error) => return Err(self.failed("create", path.as_ref(), &error)),
            }
            // The existing file may be our own: `object_store` or the caller may have repeated a
            // write that had succeeded, but whose answer was lost.
            match self.fetch_at_most(path, MAX_SEGMENT_BYTES).await? {
                Fetched::Bytes(found) if found == payload => return Ok(Created::Ours),
                Fetched::Bytes(found) => return Ok(Created::Theirs(found)),
                Fetched::TooLarge(bytes) => {
                    return Err(self.damaged(Finding::about(path, Flaw::TooLarge { bytes })));
                }
                Fetched::Absent if attempt < CREATE_ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(100 * u64::from(attempt))).await;
                }
                Fetched::Absent => {}
            }
        }
        let contended = std::io::Error::other(CONTENDED);
        Err(self.failed("create", path.as_ref(), &contended))
    }

    /// Writes an object, and overwrites an existing one. Used only for an object that can be
    /// computed from others.
    pub(super) async fn overwrite(&self, path: &Path, bytes: &[u8]) -> Result<(), JournalError> {
        let payload = PutPayload::from(bytes.to_vec());
        let store = self.to_write(path)?;
        let put = store.put_opts(path, payload, PutMode::Overwrite.into());
        let written = self.bounded("write", path, OPERATION_TIMEOUT, put).await?;
        let failed = |error| self.failed("write", path.as_ref(), &error);
        written.map(drop).map_err(failed)
    }

    /// Removes a file, if it exists.
    pub(super) async fn remove_at(&self, path: &Path) -> Result<(), JournalError> {
        let delete = self.to_write(path)?.delete(path);
        match self
            .bounded("delete", path, OPERATION_TIMEOUT, delete)
            .await?
        {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("delete", path.as_ref(), &error)),
        }
    }

    /// Lists a stream's folder. The listing may miss a record that is created meanwhile, so callers
    /// use only the highest number, and read all records below it.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if a file or a link is in the place of the folder. Any other error
    /// is a failure of the store.
    pub(super) async fn folder(&self, stream: StreamId) -> Result<Folder, JournalError> {
        let path = self.path(&["requests", &stream.to_string()]);
        let list = self.at(&path).list_with_delimiter(Some(&path));
        let listed = self.bounded("list", &path, OPERATION_TIMEOUT, list).await?;
        // For a directory, `NotFound` means that a file or a link is in the place of the folder. A
        // bucket has no folders.
        let in_directory = matches!(self.place(), JournalLocation::Directory(_));
        if in_directory && matches!(listed, Err(Error::NotFound { .. })) {
            let flaw = Flaw::Foreign("it is in the place of a folder".to_owned());
            return Err(self.damaged(Finding {
                stream: stream.to_string(),
                ..Finding::about(path.as_ref(), flaw)
            }));
        }
        let listed = self
            .listing(&path, OPERATION_TIMEOUT, ready(listed))
            .await?;
        let mut folder = Folder {
            end: 0,
            retired: false,
            foreign: Vec::new(),
        };
        for object in &listed.objects {
            match object.location.filename().and_then(file_seq) {
                Some(seq) => {
                    folder.end = folder.end.max(seq.saturating_add(1));
                }
                None if object.location.filename() == Some(RETIRED) => folder.retired = true,
                None => folder.foreign.push(object.location.to_string()),
            }
        }
        folder
            .foreign
            .extend(listed.common_prefixes.iter().map(Path::to_string));
        Ok(folder)
    }

    /// Reads the records `start..end` of a stream, in order.
    pub(super) async fn fetch(
        &self,
        stream: StreamId,
        start: u64,
        end: u64,
    ) -> Result<Vec<Fetched>, JournalError> {
        let paths = (start..end).map(|seq| self.record_path(stream, seq));
        iter(paths)
            .map(|path| async move { self.fetch_one(&path).await })
            .buffered(MAX_CONCURRENT)
            .try_collect()
            .await
    }

    pub(super) async fn fetch_one(&self, path: &Path) -> Result<Fetched, JournalError> {
        self.fetch_at_most(path, MAX_RECORD_BYTES).await
    }

    /// Like [`Journal::fetch_one`], for an object of up to `most` bytes.
    pub(super) async fn fetch_at_most(
        &self,
        path: &Path,
        most: u64,
    ) -> Result<Fetched, JournalError> {
        let read = async {
            let found = self.at(path).get_opts(path, GetOptions::default()).await?;
            if found.meta.size > most {
                return Ok(Fetched::TooLarge(found.meta.size));
            }
            found.bytes().await.map(Fetched::Bytes)
        };
        match self.bounded("read", path, OPERATION_TIMEOUT, read).await? {
            Ok(fetched) => Ok(fetched),
            Err(Error::NotFound { .. }) => Ok(Fetched::Absent),
            Err(error) => Err(self.failed("read", path.as_ref(), &error)),
        }
    }

    pub(super) async fn list_requests(&self) -> Result<ListResult, JournalError> {
        self.listed(&self.path(&["requests"]), LISTING_TIMEOUT)
            .await
    }

    pub(super) async fn listed(
        &self,
        path: &Path,
        patience: Duration,
    ) -> Result<ListResult, JournalError> {
        let list = self.at(path).list_with_delimiter(Some(path));
        self.listing(path, patience, list).await
    }

    /// Lists every file below a folder, at any depth.
    pub(super) async fn files_below(&self, folder: &Path) -> Result<Vec<ObjectMeta>, JournalError> {
        let found = self.at(folder).list(Some(folder)).try_collect();
        self.listing(folder, LISTING_TIMEOUT, found).await
    }

    /// Awaits `found`, which lists `path`, for at most `patience`.
    pub(super) async fn listing<T>(
        &self,
        path: &Path,
        patience: Duration,
        found: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, JournalError> {
        let listed = self.bounded("list", path, patience, found).await?;
        let listed = listed.map_err(|error| self.failed("list", path.as_ref(), &error))?;
        // If the journal's directory was deleted, its folders look empty. Fail in that case.
        self.same_folder("list", path.as_ref())?;
        Ok(listed)
    }

    pub(super) async fn bounded<T>(
        &self,
        doing: &'static str,
        path: &Path,
        after: Duration,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<Result<T, Error>, JournalError> {
        let end = tokio::time::timeout(after, work).await.ok();
        if let Some(observe) = &self.observer {
            observe(doing, StoreResult::of(end.as_ref()));
        }
        end.ok_or_else(|| JournalError::TimedOut {
            place: self.place_of(path.as_ref()).location.to_string(),
            doing,
            path: path.to_string(),
            after,
        })
    }

    pub(super) fn failed(
        &self,
        doing: &'static str,
        path: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> JournalError {
        let place = self.place_of(path);
        JournalError::Store {
            place: place.location.to_string(),
            doing,
            path: path.to_owned(),
            fault: place.scrub.fault(error),
        }
    }

    /// The error for an object of the log with wrong content.
    pub(super) fn broken_log(&self, path: impl ToString, why: impl ToString) -> JournalError {
        self.damaged(Finding::about(path, Flaw::BrokenLog(why.to_string())))
    }

    /// The error for a file that is missing, or that differs from what was written.
    pub(super) fn damaged(&self, finding: Finding) -> JournalError {
        JournalError::Damaged {
            place: self.place_of(&finding.path).location.to_string(),
            finding: Box::new(finding),
        }
    }

    pub(super) fn record_path(&self, stream: StreamId, seq: u64) -> Path {
        self.path(&["requests", &stream.to_string(), &file_name(seq)])
    }

    pub(super) fn path(&self, parts: &[&str]) -> Path {
        Path::from_iter(parts.iter().copied())
    }

    /// Checks that the journal was not opened only to read.
    ///
    /// # Errors
    /// [`JournalError::ReadOnly`] if it was.
    pub fn writable(&self) -> Result<(), JournalError> {
        match self.read_only {
            false => Ok(()),
            true => Err(JournalError::ReadOnly {
                place: self.place().to_string(),
            }),
        }
    }

    /// Returns the store that contains `path`, for a write or a deletion. Fails if the journal was
    /// opened only to read.
    pub(super) fn to_write(&self, path: &Path) -> Result<&dyn ObjectStore, JournalError> {
        self.writable()?;
        Ok(self.at(path))
    }

    /// The store that contains `path`, to read it.
    pub(super) fn at(&self, path: &Path) -> &dyn ObjectStore {
        &*self.place_of(path.as_ref()).store
    }

    pub(super) fn place_of(&self, path: &str) -> &Place {
        match &self.index {
            Some(index) if path.split('/').next() == Some("index") => index,
            _ => &self.records,
        }
    }
}
