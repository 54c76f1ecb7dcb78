//! The index held against the records. In: the files of the index, and states. Out: what the
//! records ask for and the index lacks, as findings or mended. A journal without any file of the
//! index is not checked: its first sweep makes one.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use serde::Serialize;

use super::super::chain::Finding;
use super::super::record::{Flaw, StreamId};
use super::super::state::{Hint, Hour, State};
use super::due::{DONE, GRACE};
use super::objects::{Fetched, LISTING_TIMEOUT};
use super::{Journal, JournalError};
use crate::domain::Timestamp;

/// What the records ask of the index, and what it lacked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// Hints and entries that the records ask for.
    pub wanted: u64,
    /// Files that were missing and are there now.
    pub mended: u64,
}

/// What the index holds.
#[derive(Default)]
struct Index {
    /// Each hint, and whether a sweep will come to it.
    hints: BTreeMap<Hint, bool>,
    /// Streams and records with a hint, and with one that a sweep will come to.
    told: BTreeSet<(StreamId, u64)>,
    open: BTreeSet<(StreamId, u64)>,
    entries: BTreeSet<Path>,
    /// Settled hints that are not there.
    orphans: Vec<Hint>,
    /// Hints in hours that are left, and that are not settled.
    left: Vec<Hint>,
    /// What does not belong there.
    foreign: Vec<Finding>,
}

/// What a request asks of the index, as of its record before `written`.
#[derive(Debug)]
pub(super) struct Wanted {
    stream: StreamId,
    written: u64,
    at: Timestamp,
    hints: Vec<Hint>,
    current: Option<Hint>,
    entries: Vec<Path>,
}

/// Something that is not there.
enum Lack {
    /// A hint that once was current.
    Past(Hint),
    /// The hint to what is due next.
    Current(Hint),
    Entry(Path),
}

impl Journal {
    /// What a request asks of the index.
    pub(super) fn wanted(&self, state: &State) -> Wanted {
        let stream = state.stream();
        let entries = state
            .concerns()
            .iter()
            .map(|concern| self.entry(concern, stream))
            .collect();
        let (written, at) = (state.head().next_seq, state.updated_at());
        Wanted {
            stream,
            written,
            at,
            hints: state.hints().to_vec(),
            current: state.hint(),
            entries,
        }
    }

    /// What the index lacks, and what is in it and should not be. A request that went on since it
    /// was read is left out: its hints came and went.
    pub(super) async fn check_index(&self, all: &[Wanted]) -> Result<Vec<Finding>, JournalError> {
        let newest = all
            .iter()
            .map(|wanted| wanted.at)
            .max()
            .unwrap_or(Timestamp::MIN);
        let Some(index) = self.read_index(newest).await? else {
            return Ok(Vec::new());
        };
        let mut findings = index.foreign.clone();
        for wanted in all {
            let lacks = index.lacks(wanted);
            if !lacks.is_empty() && self.folder(wanted.stream).await?.end == wanted.written {
                findings.extend(
                    lacks
                        .into_iter()
                        .map(|lack| self.lacking(wanted.stream, lack)),
                );
            }
        }
        let unlisted = |hint: &Hint, why| {
            let path = self.shown(&self.hint_path(hint));
            Finding {
                path,
                stream: hint.stream.to_string(),
                seq: Some(hint.seq),
                flaw: Flaw::Unlisted(why),
            }
        };
        findings.extend(index.left.iter().map(|hint| {
            unlisted(
                hint,
                "its hour is done with and it is not settled: no sweep would come to it",
            )
        }));
        for hint in &index.orphans {
            // A listing that ran while both were written may have missed the first.
            if matches!(
                self.fetch_one(&self.hint_path(hint)).await?,
                Fetched::Absent
            ) {
                findings.push(unlisted(hint, "it is settled and not there"));
            }
        }
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        findings.dedup_by(|a, b| a.path == b.path);
        Ok(findings)
    }

    /// Writes what the index lacks of these states, and a hint to each `damaged` stream, so that it
    /// is told of. From then on [`Journal::due`] knows everything.
    ///
    /// # Errors
    /// What the store said; the index is not relied on then.
    pub async fn reindex(
        &self,
        states: &[State],
        damaged: &[StreamId],
        now: Timestamp,
    ) -> Result<Indexed, JournalError> {
        let index = self.read_index(now).await?.unwrap_or_default();
        let first = Hour::of(now.checked_sub(GRACE).unwrap_or(Timestamp::MIN));
        let (mut wanted, mut missing) = (0, Vec::new());
        for state in states {
            let asked = self.wanted(state);
            wanted += (asked.hints.len() + asked.entries.len()) as u64;
            for lack in index.lacks(&asked) {
                match lack {
                    Lack::Entry(path) => missing.push(path),
                    Lack::Past(hint) => {
                        missing.push(self.hint_path(&hint));
                        missing.extend((hint.hour() < first).then(|| self.done_path(&hint)));
                    }
                    // Where it was it would not be found: its hour is left, or it is said to be
                    // settled.
                    Lack::Current(hint) => {
                        let there = index.hints.contains_key(&hint);
                        missing.extend((!there).then(|| self.hint_path(&hint)));
                        if there || hint.hour() < first {
                            missing.extend((hint.hour() < first).then(|| self.done_path(&hint)));
                            missing.push(self.hint_path(&Hint::new(now, hint.stream, hint.seq)));
                        }
                    }
                }
            }
        }
        missing.extend(index.orphans.iter().map(|hint| self.hint_path(hint)));
        let older = index
            .hints
            .iter()
            .filter(|(hint, open)| **open && hint.hour() < first);
        for hint in older.map(|(hint, _)| hint).chain(&index.left) {
            missing.extend([
                self.hint_path(&Hint::new(now, hint.stream, hint.seq)),
                self.done_path(hint),
            ]);
        }
        missing.extend(
            damaged
                .iter()
                .map(|stream| self.hint_path(&Hint::new(now, *stream, 0))),
        );
        missing.sort_unstable();
        missing.dedup();
        let mended = missing.len() as u64;
        self.touch_all(missing).await?;
        self.leave_hours(&[], now).await?;
        Ok(Indexed { wanted, mended })
    }

    fn lacking(&self, stream: StreamId, lack: Lack) -> Finding {
        let (path, seq, why) = match lack {
            Lack::Past(hint) => (
                self.hint_path(&hint),
                Some(hint.seq),
                "a record announced it",
            ),
            Lack::Current(hint) => {
                let why = "no sweep would come to what is due of this request";
                (self.hint_path(&hint), Some(hint.seq), why)
            }
            Lack::Entry(path) => (
                path,
                None,
                "who takes back another share would not see this request",
            ),
        };
        Finding {
            path: self.shown(&path),
            stream: stream.to_string(),
            seq,
            flaw: Flaw::Unlisted(why),
        }
    }

    /// Reads the index; `None`: there is none. Marks later than `newest` are of a clock that was
    /// ahead, and are not believed.
    async fn read_index(&self, newest: Timestamp) -> Result<Option<Index>, JournalError> {
        // The marks first: what they say of the hints is true of every later listing.
        let marks = self.list_index("swept").await?;
        let due = self.list_index("due").await?;
        let images = self.list_index("images").await?;
        if marks.is_empty() && due.is_empty() && images.is_empty() {
            return Ok(None);
        }
        let mut index = Index::default();
        let hours: Vec<Option<Hour>> = marks.keys().map(|path| self.marked(path)).collect();
        let left = hours
            .iter()
            .flatten()
            .filter(|hour| **hour <= Hour::of(newest))
            .max();
        let mut settled = BTreeSet::new();
        for path in due.keys() {
            match self.hinted(path) {
                Some((hint, true)) => drop(settled.insert(hint)),
                Some((hint, false)) => drop(index.hints.insert(hint, true)),
                None => index
                    .foreign
                    .push(self.foreign(path, "its name is not a hint's")),
            }
        }
        for (hint, open) in &mut index.hints {
            index.told.insert((hint.stream, hint.seq));
            *open = !settled.contains(hint);
            match left.is_some_and(|left| hint.hour() < *left) {
                true if *open => index.left.push(*hint),
                false if *open => drop(index.open.insert((hint.stream, hint.seq))),
                _ => {}
            }
        }
        index.orphans = settled
            .into_iter()
            .filter(|hint| !index.hints.contains_key(hint))
            .collect();
        let nameless = marks.keys().zip(&hours).filter(|(_, hour)| hour.is_none());
        index
            .foreign
            .extend(nameless.map(|(path, _)| self.foreign(path, "its name is not an hour's")));
        let strange = images.keys().filter(|path| !self.is_entry(path));
        index
            .foreign
            .extend(strange.map(|path| self.foreign(path, "its name is not an entry's")));
        let full = [&marks, &due, &images]
            .into_iter()
            .flatten()
            .filter(|(_, size)| **size > 0);
        index
            .foreign
            .extend(full.map(|(path, _)| self.foreign(path, "a file of the index is empty")));
        index.entries = images.into_keys().collect();
        Ok(Some(index))
    }

    /// The hint that a file below `due` is, and whether it says that the hint is settled.
    fn hinted(&self, path: &Path) -> Option<(Hint, bool)> {
        let shown = self.shown(path);
        let (hour, name) = shown.strip_prefix("due/")?.split_once('/')?;
        let hint = Hint::read(Hour::read(hour)?, name.strip_suffix(DONE).unwrap_or(name))?;
        Some((hint, name.ends_with(DONE)))
    }

    fn is_entry(&self, path: &Path) -> bool {
        let shown = self.shown(path);
        let parts: Vec<&str> = shown.split('/').collect();
        matches!(parts[..], ["images", _, _, _, stream] if stream.parse::<StreamId>().is_ok())
    }

    fn marked(&self, path: &Path) -> Option<Hour> {
        let shown = self.shown(path);
        let (month, rest) = shown.strip_prefix("swept/")?.split_once('/')?;
        Hour::read(&format!("{month}-{rest}"))
    }

    /// Every file in a folder of the index, with its size.
    async fn list_index(&self, folder: &str) -> Result<BTreeMap<Path, u64>, JournalError> {
        let folder = self.path(&[folder]);
        let found = self
            .store
            .list(Some(&folder))
            .map_ok(|object| (object.location, object.size));
        self.listing(&folder, LISTING_TIMEOUT, found.try_collect())
            .await
    }
}

impl Index {
    fn lacks(&self, wanted: &Wanted) -> Vec<Lack> {
        let mut lacks = Vec::new();
        for hint in &wanted.hints {
            let name = (hint.stream, hint.seq);
            if Some(*hint) == wanted.current && !self.open.contains(&name) {
                lacks.push(Lack::Current(*hint));
            } else if !self.told.contains(&name) {
                lacks.push(Lack::Past(*hint));
            }
        }
        let entries = wanted
            .entries
            .iter()
            .filter(|entry| !self.entries.contains(*entry));
        lacks.extend(entries.cloned().map(Lack::Entry));
        lacks
    }
}
