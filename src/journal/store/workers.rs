//! Detects dead workers, so that their requests need not wait for the end of a lease. On Linux, in
//! a journal in a directory, a worker locks the file `workers/<its mark>` before it writes the
//! record of its claim, and keeps the lock until its turn ends. The file contains the id of the
//! machine's boot and the name of the request's stream.
//!
//! If a file names the current boot and its lock is free, its worker is dead. A file of another
//! boot may belong to another machine, and on some network mounts locks do not work. In both cases
//! other workers wait for the end of the lease. The files are not evidence, and a missing file does
//! no harm.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path as FsPath, PathBuf};

use super::super::location::JournalLocation;
use super::super::record::{StreamId, Worker};
use super::super::state::{State, StreamState};
use super::{History, Journal, JournalError};

pub(super) const FOLDER: &str = "workers";

/// A worker's lock. Dropping it frees the lock but leaves the file, which shows that the worker is
/// dead.
#[derive(Debug)]
pub(super) struct Hold {
    path: PathBuf,
    _locked: File,
}

impl Hold {
    fn new(folder: &FsPath, of: &str, worker: &Worker) -> io::Result<Self> {
        // Do not create the parent folder: that would recreate a removed journal.
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Lock the file before it gets the worker's name, so that no other process can find it
        // unlocked.
        let unnamed = folder.join(format!("{worker}.new"));
        let path = folder.join(worker.as_str());
        let locked = lock(&unnamed, of).and_then(|_locked| {
            std::fs::rename(&unnamed, &path)?;
            Ok(Self { path, _locked })
        });
        if locked.is_err() {
            drop(std::fs::remove_file(&unnamed));
        }
        locked
    }

    /// Deletes the file, so that the worker is not taken for dead.
    pub(super) fn remove(self) {
        // If this fails, a later sweep deletes the file.
        drop(std::fs::remove_file(&self.path));
    }
}

fn lock(path: &FsPath, of: &str) -> io::Result<File> {
    let boot = boot()?;
    let mut file = File::create_new(path)?;
    file.write_all(format!("{boot}\n{of}\n").as_bytes())?;
    file.try_lock()?;
    match is_free(path)? {
        None => Ok(file),
        Some(_) => Err(io::Error::other(
            "the file system grants a second lock on the same file",
        )),
    }
}

/// Where Linux shows the id of the current boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Returns the id of the machine's current boot. Fails on systems other than Linux.
fn boot() -> io::Result<String> {
    let boot = std::fs::read_to_string(BOOT_ID);
    let boot = boot.map_err(|error| {
        let remedy = match cfg!(target_os = "linux") {
            true => "in a systemd unit remove ProcSubset=pid",
            false => "only Linux has it",
        };
        io::Error::new(error.kind(), format!("{BOOT_ID}: {error}; {remedy}"))
    })?;
    Ok(boot.trim().to_owned())
}

/// Returns the content of a worker's file. `None` if a live process has locked the file.
pub(super) fn is_free(path: &FsPath) -> io::Result<Option<String>> {
    let mut file = File::open(path)?;
    match file.try_lock_shared() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Returns the request that a worker's file names, if that worker is certainly dead.
fn gone(path: &FsPath) -> Option<StreamId> {
    let text = is_free(path).ok()??;
    let (of_boot, stream) = text.trim_end().split_once('\n')?;
    let gone = boot().is_ok_and(|boot| boot == of_boot);
    stream.parse().ok().filter(|_| gone)
}

/// Returns the dead workers in a folder, each with its request and file.
fn all_gone(folder: &FsPath) -> Vec<(Worker, StreamId, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let gone = |path: PathBuf| {
        let worker = path.file_name()?.to_str()?.parse().ok()?;
        Some((worker, gone(&path)?, path))
    };
    entries.filter_map(|entry| gone(entry.path())).collect()
}

impl Journal {
    /// Locks a worker's file. Must be called before the record of the worker's claim is written.
    /// Returns `None` if the file cannot be locked; other workers then wait for the end of the
    /// lease.
    pub(super) async fn hold(&self, stream: StreamId, worker: &Worker) -> Option<Hold> {
        self.locked(stream.to_string(), worker.clone()).await?.ok()
    }

    async fn locked(&self, of: String, worker: Worker) -> Option<io::Result<Hold>> {
        let folder = self.workers_folder()?;
        let locked = move || Hold::new(&folder, &of, &worker);
        tokio::task::spawn_blocking(locked).await.ok()
    }

    /// Returns the folder of the lock files. `None` if the journal is not in a directory or was
    /// opened only to read.
    pub(super) fn workers_folder(&self) -> Option<PathBuf> {
        match self.place() {
            JournalLocation::Directory(dir) if !self.read_only => Some(dir.join(FOLDER)),
            _ => None,
        }
    }

    /// Tests whether locks work in a journal's directory, and returns the reason if they do not. In
    /// that case, a worker's death is not detected before its lease ends. Also returns `None` if
    /// the journal is not in a directory or was opened only to read. `probe` is made of fresh
    /// random bytes.
    pub async fn lacks_locks(&self, probe: Worker) -> Option<io::Error> {
        let locked = self.locked("a probe".to_owned(), probe).await?;
        locked.map(Hold::remove).err()
    }

    /// If the worker that has the request's turn is dead, notes that in the state. This is detected
    /// only in a journal in a directory.
    pub(super) async fn notice(&self, state: &mut StreamState) {
        let StreamState::Request(state) = state else {
            return;
        };
        if let (JournalLocation::Directory(dir), Some(worker)) = (self.place(), state.holder()) {
            let path = dir.join(FOLDER).join(worker.as_str());
            let gone = tokio::task::spawn_blocking(move || gone(&path)).await;
            if gone.ok().flatten() == Some(state.stream()) {
                state.note_holder_gone();
            }
        }
    }

    /// Returns the requests whose worker is dead. Deletes the lock files of dead workers that have
    /// no request any more.
    pub async fn abandoned(&self) -> Result<Vec<StreamId>, JournalError> {
        let Some(folder) = self.workers_folder() else {
            return Ok(Vec::new());
        };
        let listed = tokio::task::spawn_blocking(move || all_gone(&folder)).await;
        let mut abandoned = Vec::new();
        for (worker, stream, path) in listed.unwrap_or_default() {
            let state = match self.read(stream).await {
                Ok(history) => history.and_then(History::into_state),
                Err(error) if error.concerns_one_request() => continue,
                Err(error) => return Err(error),
            };
            match state.as_ref().and_then(State::holder) == Some(&worker) {
                true => abandoned.push(stream),
                false => drop(std::fs::remove_file(path)),
            }
        }
        Ok(abandoned)
    }
}
