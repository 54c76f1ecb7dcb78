//! Finds the files in a journal's directories that the store skips: odd names, links, and temporary
//! files of killed processes. Removes temporary files, unlocked lock files and probes once they
//! are old.

use std::io;
use std::path::PathBuf;

use super::super::location::JournalLocation;
use super::claim::MAX_PAUSE;
use super::directory::Skipped;
use super::workers::{FOLDER, is_free};
use super::{Journal, JournalError};
use crate::domain::Timestamp;

impl Journal {
    /// Returns the skipped files below `requests/`, `log/` and `index/`. Only a directory has such
    /// files.
    pub(super) async fn skipped(&self) -> Result<Skipped, JournalError> {
        let places = [
            (self.place(), &["requests", "log"][..]),
            (self.index_place(), &["index"]),
        ];
        let directory = |(place, folders): (&JournalLocation, _)| match place {
            JournalLocation::Directory(dir) => Some((dir.clone(), folders)),
            _ => None,
        };
        let places: Vec<_> = places.into_iter().filter_map(directory).collect();
        let walk = move || {
            let mut skipped = Skipped::default();
            for (dir, folders) in places {
                skipped.walk(&dir, folders)?;
            }
            Ok(skipped)
        };
        self.on_disk(walk).await
    }

    /// Removes temporary files, lock files of ended processes, and probes, if they are at least a day
    /// old. By then, every worker that could need them has lost its claim. Returns their paths.
    pub async fn remove_leftovers(&self, now: Timestamp) -> Result<Vec<String>, JournalError> {
        self.writable()?;
        // Old probes do no harm, so the pass does not fail for them: the next one tries again.
        let mut removed = self.remove_old_probes(now).await.unwrap_or_default();
        let mut files = self.skipped().await?.temporary;
        if let Some(folder) = self.workers_folder() {
            files.extend(self.on_disk(move || Ok(unlocked(folder))).await?);
        }
        let remove = move || {
            for (shown, path) in files {
                let Ok(found) = std::fs::symlink_metadata(&path) else {
                    continue;
                };
                let written = Timestamp::try_from(found.modified()?).unwrap_or(now);
                if now.duration_since(written) >= MAX_PAUSE && std::fs::remove_file(path).is_ok() {
                    removed.push(shown);
                }
            }
            Ok(removed)
        };
        self.on_disk(remove).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, JournalError> {
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.unwrap_or_else(|error| Err(error.into()));
        done.map_err(|error| self.failed("list", "its folders", &error))
    }
}

/// Returns the files in the workers' folder that no live process locks.
fn unlocked(folder: PathBuf) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let free = entries.filter(|entry| matches!(is_free(&entry.path()), Ok(Some(_))));
    let shown = |name: std::ffi::OsString| format!("{FOLDER}/{}", name.to_string_lossy());
    free.map(|entry| (shown(entry.file_name()), entry.path()))
        .collect()
}
