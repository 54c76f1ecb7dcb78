//! The index held against the records. In: the files of the index, and states. Out: what the
//! records ask for and the index lacks, as findings or mended. A journal without any file of the
//! index is not checked: its first sweep makes one.

mod entries;
pub(super) mod unsealed;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use serde::Serialize;

use super::super::chain::Finding;
use super::super::record::{Flaw, StreamId};
use super::super::state::{Hour, State, WakeUp};
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
    wake_ups: BTreeMap<WakeUp, bool>,
    /// Streams and records with a hint, and with one that a sweep will come to.
    told: BTreeSet<(StreamId, u64)>,
    open: BTreeSet<(StreamId, u64)>,
    entries: BTreeSet<Path>,
    /// Settled hints that are not there.
    orphans: Vec<WakeUp>,
    /// Hints in hours that are left, and that are not settled.
    left: Vec<WakeUp>,
    /// What does not belong there.
    foreign: Vec<Finding>,
}

/// What a request asks of the index, as of its record before `written`.
#[derive(Debug)]
pub(super) struct Wanted {
    stream: StreamId,
    written: u64,
    at: Timestamp,
    wake_ups: Vec<WakeUp>,
    current: Option<WakeUp>,
    entries: Vec<Path>,
}

/// Something that is not there.
enum Lack {
    /// A hint that once was current.
    Past(WakeUp),
    /// The hint to what is due next.
    Current(WakeUp),
    Entry(Path),
}

impl Journal {
    /// What a request asks of the index.
    pub(super) fn wanted(&self, state: &State) -> Wanted {
        let stream = state.stream();
        let entries = state
            .affected()
            .iter()
            .map(|affected| self.entry(affected, stream))
            .collect();
        let (written, at) = (state.head().next_seq, state.updated_at());
        Wanted {
            stream,
            written,
            at,
            wake_ups: state.wake_ups().to_vec(),
            current: state.wake_up(),
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
        let unlisted = |wake_up: &WakeUp, why| {
            let path = self.shown(&self.wake_up_path(wake_up));
            Finding {
                path,
                stream: wake_up.stream.to_string(),
                seq: Some(wake_up.seq),
                flaw: Flaw::Unlisted(why),
            }
        };
        findings.extend(index.left.iter().map(|wake_up| {
            unlisted(
                wake_up,
                "its hour is done with and it is not settled: no sweep would come to it",
            )
        }));
        for wake_up in &index.orphans {
            // A listing that ran while both were written may have missed the first.
            if matches!(
                self.fetch_one(&self.wake_up_path(wake_up)).await?,
                Fetched::Absent
            ) {
                findings.push(unlisted(wake_up, "it is settled and not there"));
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
            wanted += (asked.wake_ups.len() + asked.entries.len()) as u64;
            for lack in index.lacks(&asked) {
                match lack {
                    Lack::Entry(path) => missing.push(path),
                    Lack::Past(wake_up) => {
                        missing.push(self.wake_up_path(&wake_up));
                        missing.extend((wake_up.hour() < first).then(|| self.done_path(&wake_up)));
                    }
                    // Where it was it would not be found: its hour is left, or it is said to be
                    // settled.
                    Lack::Current(wake_up) => {
                        let there = index.wake_ups.contains_key(&wake_up);
                        missing.extend((!there).then(|| self.wake_up_path(&wake_up)));
                        if there || wake_up.hour() < first {
                            missing
                                .extend((wake_up.hour() < first).then(|| self.done_path(&wake_up)));
                            missing.push(self.wake_up_path(&WakeUp::new(
                                now,
                                wake_up.stream,
                                wake_up.seq,
                            )));
                        }
                    }
                }
            }
        }
        missing.extend(
            index
                .orphans
                .iter()
                .map(|wake_up| self.wake_up_path(wake_up)),
        );
        let older = index
            .wake_ups
            .iter()
            .filter(|(wake_up, open)| **open && wake_up.hour() < first);
        for wake_up in older.map(|(wake_up, _)| wake_up).chain(&index.left) {
            missing.extend([
                self.wake_up_path(&WakeUp::new(now, wake_up.stream, wake_up.seq)),
                self.done_path(wake_up),
            ]);
        }
        missing.extend(
            damaged
                .iter()
                .map(|stream| self.wake_up_path(&WakeUp::new(now, *stream, 0))),
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
            Lack::Past(wake_up) => (
                self.wake_up_path(&wake_up),
                Some(wake_up.seq),
                "a record announced it",
            ),
            Lack::Current(wake_up) => {
                let why = "no sweep would come to what is due of this request";
                (self.wake_up_path(&wake_up), Some(wake_up.seq), why)
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
        let marks = self.list_old("swept").await?;
        let due = self.list_old("due").await?;
        let images = self.list_old("images").await?;
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
            match self.read_wake_up(path) {
                Some((wake_up, true)) => drop(settled.insert(wake_up)),
                Some((wake_up, false)) => drop(index.wake_ups.insert(wake_up, true)),
                None => index
                    .foreign
                    .push(self.foreign(path, "its name is not a wake_up's")),
            }
        }
        for (wake_up, open) in &mut index.wake_ups {
            index.told.insert((wake_up.stream, wake_up.seq));
            *open = !settled.contains(wake_up);
            match left.is_some_and(|left| wake_up.hour() < *left) {
                true if *open => index.left.push(*wake_up),
                false if *open => drop(index.open.insert((wake_up.stream, wake_up.seq))),
                _ => {}
            }
        }
        index.orphans = settled
            .into_iter()
            .filter(|wake_up| !index.wake_ups.contains_key(wake_up))
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
    fn read_wake_up(&self, path: &Path) -> Option<(WakeUp, bool)> {
        let shown = self.shown(path);
        let (hour, name) = shown.strip_prefix("due/")?.split_once('/')?;
        let wake_up = WakeUp::read(Hour::read(hour)?, name.strip_suffix(DONE).unwrap_or(name))?;
        Some((wake_up, name.ends_with(DONE)))
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
    async fn list_old(&self, folder: &str) -> Result<BTreeMap<Path, u64>, JournalError> {
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
        for wake_up in &wanted.wake_ups {
            let name = (wake_up.stream, wake_up.seq);
            if Some(*wake_up) == wanted.current && !self.open.contains(&name) {
                lacks.push(Lack::Current(*wake_up));
            } else if !self.told.contains(&name) {
                lacks.push(Lack::Past(*wake_up));
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
