//! Compares the index with the records. A verification reports missing entries, and entries for
//! records that do not exist. The daily pass writes the missing entries. All entries that are
//! compared here can be rebuilt from the records and the log.

mod cancels;
mod compared;
mod complete;
mod due;
mod entries;
mod grants;
mod looks;
mod pass;
pub(super) mod unsealed;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::SignedDuration;
use object_store::path::Path;

use super::super::chain::Finding;
use super::super::record::{Flaw, StreamId};
use super::super::state::{State, StreamState, WakeUp};
use super::objects::Fetched;
use super::{History, Journal, JournalError};
use crate::domain::{NoticeRules, Timestamp};
use grants::GrantEntry;
use unsealed::UnsealedEntry;

pub use compared::Comparison;
pub use looks::Looks;
pub use pass::Pass;

/// How long to wait for the record of an entry. An entry is written before its record, so the
/// record may be about to be written.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
/// A missing entry below `unsealed` is written only if the stream's newest record is at least this
/// old. A sealer may be about to delete the entry of a younger record.
const MIN_AGE: SignedDuration = SignedDuration::from_hours(1);

/// The names of all index entries, read by [`Journal::read_index`].
#[derive(Debug, Default)]
pub struct Index {
    due: BTreeMap<StreamId, Vec<WakeUp>>,
    grants: BTreeMap<StreamId, Vec<GrantEntry>>,
    unsealed: BTreeMap<StreamId, Vec<u64>>,
    cancels: BTreeSet<Path>,
    /// Each entry, with its stream and the number of records that this stream must at least have.
    named: Vec<(Path, StreamId, u64)>,
    /// Files below `index/` that are not valid entries.
    foreign: Vec<Finding>,
    /// The number of sealed records per stream. `None` if it was not read, or if the journal has no
    /// seal and this process does not seal.
    sealed: Option<BTreeMap<StreamId, u64>>,
    /// Whether to ignore `MIN_AGE`.
    includes_newest: bool,
}

#[derive(Debug)]
pub(super) struct RequiredEntries {
    stream: StreamId,
    /// The number of the stream's records. The first `sealed` of them are sealed.
    end: u64,
    sealed: u64,
    /// The wake-up that the request requires, if its state is known.
    due: Option<WakeUp>,
    entries: Vec<GrantEntry>,
    /// The content of an entry below `grants`. `None` without a grant or a known state.
    grant: Option<Vec<u8>>,
}

impl RequiredEntries {
    /// Returns the entries that a stream requires. Without a state, only the one below `unsealed`.
    pub(super) fn of(stream: StreamId, end: u64, sealed: u64, state: Option<&State>) -> Self {
        let mut asked = Self {
            stream,
            end,
            sealed,
            due: None,
            entries: Vec::new(),
            grant: None,
        };
        // The current time is not known here. At `Timestamp::MIN` no share has expired, so this
        // skips only requests that are never live.
        let Some(state) = state.filter(|state| state.live(Timestamp::MIN)) else {
            return asked;
        };
        // A share that expires and is never due needs entries only until its expiry, which may have
        // passed.
        if state.due_at().is_some() || state.expires_at().is_none() {
            asked.entries = GrantEntry::of(state, state.newest());
        }
        let due = state.due_at().and(state.look_at());
        let wake_up =
            |at: Timestamp| WakeUp::new(at.max(state.updated_at()), state.stream(), state.newest());
        asked.due = due.map(wake_up);
        let grant = state.grant();
        asked.grant = grant.and_then(|grant| serde_json::to_vec(&grant).ok());
        asked
    }
}

impl Journal {
    /// Returns the missing entries of the streams in `all`, the entries with a wrong grant, and the
    /// entries for records that do not exist. Skips a stream that has got new records since.
    /// `seals` is the number of seals that the caller has read. With `None`, missing entries below
    /// `unsealed` are not reported.
    pub(super) async fn check_index(
        &self,
        all: &[RequiredEntries],
        seals: Option<u64>,
    ) -> Result<Vec<Finding>, JournalError> {
        let index = self.read_index().await?;
        // If there is a newer seal than those that the caller has read, its sealer has deleted
        // entries below `unsealed`. In that case, report none of these entries as missing.
        let sealing = match seals {
            Some(seals) => self.checkpoint(seals + 1).await?.is_none(),
            None => false,
        };
        let mut findings = index.foreign.clone();
        let mut ends = BTreeMap::new();
        for asked in all {
            ends.insert(asked.stream, asked.end);
            let mut found = self.missing_entries(&index, asked, sealing);
            let newest = (asked.stream, asked.end);
            let untrue = self.wrong_grants(&index, newest, asked.grant.as_deref());
            let untrue = untrue.await?.into_iter();
            found.extend(
                untrue.map(|entry| Finding::about(self.grant_path(&entry), Flaw::WrongGrant)),
            );
            if !found.is_empty() && self.folder(asked.stream).await?.end == asked.end {
                findings.append(&mut found);
            }
        }
        let gone = |(_, stream, exist): &&(Path, StreamId, u64)| {
            let end = ends.get(stream).copied().unwrap_or(0);
            end == 0 || end < *exist
        };
        let gone: Vec<_> = index.named.iter().filter(gone).collect();
        if !gone.is_empty() {
            tokio::time::sleep(ON_ITS_WAY).await;
        }
        for (path, stream, exist) in gone {
            let end = self.folder(*stream).await?.end;
            let still = || async { self.fetch_one(path).await };
            if (end == 0 || end < *exist) && !matches!(still().await?, Fetched::Absent) {
                findings.push(Finding {
                    path: path.to_string(),
                    ..Finding::of(*stream, exist.saturating_sub(1), Flaw::Unrecorded)
                });
            }
        }
        if seals == Some(0) {
            findings = unsealed::sum_up(findings);
        }
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        findings.dedup_by(|a, b| a.path == b.path);
        Ok(findings)
    }

    fn missing_entries(
        &self,
        index: &Index,
        asked: &RequiredEntries,
        sealing: bool,
    ) -> Vec<Finding> {
        let stream = asked.stream;
        let mut lacks: Vec<(Path, Flaw)> = Vec::new();
        if let Some(due) = asked.due.filter(|due| !index.wakes(due)) {
            let why = "without it, no sweep finds the request when it is due";
            lacks.push((self.wake_up_path(&due), Flaw::Unlisted(why)));
        }
        let listed = index.grants_of(stream);
        for wanted in &asked.entries {
            if !listed.iter().any(|entry| entry.same_subject(wanted)) {
                let why =
                    "without it, `grants` and other requests for the image do not see this request";
                lacks.push((self.grant_path(wanted), Flaw::Unlisted(why)));
            }
        }
        let named = index.unsealed.get(&stream).and_then(|seqs| seqs.first());
        let open = sealing && asked.sealed < asked.end;
        if open && named.is_none_or(|first| *first > asked.sealed) {
            let path = self.unsealed_path(stream, asked.sealed);
            lacks.push((path, Flaw::NotListedAsUnsealed));
        }
        let finding = |(path, flaw): (Path, _)| Finding {
            stream: stream.to_string(),
            ..Finding::about(path, flaw)
        };
        lacks.into_iter().map(finding).collect()
    }

    /// Returns the stream's full entries that are named after its newest record but do not contain
    /// `grant`, which is the grant according to the records.
    async fn wrong_grants(
        &self,
        index: &Index,
        (stream, end): (StreamId, u64),
        grant: Option<&[u8]>,
    ) -> Result<Vec<GrantEntry>, JournalError> {
        let mut untrue = Vec::new();
        let newest = |entry: &&GrantEntry| entry.full && entry.seq.saturating_add(1) == end;
        for entry in index.grants_of(stream).iter().filter(newest) {
            let holds = match self.fetch_one(&self.grant_path(entry)).await? {
                Fetched::Bytes(bytes) => grant == Some(&bytes),
                Fetched::Absent => true,
                Fetched::TooLarge(_) => false,
            };
            if !holds {
                untrue.push(entry.clone());
            }
        }
        Ok(untrue)
    }

    /// Reads what [`Journal::mend_index`] needs: the index, and the number of sealed records of
    /// each stream. `sealing` says whether this process seals.
    pub async fn index_to_mend(&self, pass: &Pass, sealing: bool) -> Result<Index, JournalError> {
        let index = self.read_index().await?;
        let sealed = if sealing || self.has_seals().await? {
            Some(self.sealed_counts().await?)
        } else {
            None
        };
        Ok(Index {
            sealed,
            includes_newest: pass.includes_newest(),
            ..index
        })
    }

    /// Writes the missing entries of the streams in `histories`, and deletes their entries that are
    /// no longer needed. Also writes a wake-up for each stream in `damaged` that has none, so that
    /// sweeps report the stream. Returns the number of entries that were missing.
    pub async fn mend_index(
        &self,
        index: &Index,
        histories: &[History],
        damaged: &[StreamId],
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<u64, JournalError> {
        let mut mended = 0;
        for history in histories {
            mended += u64::from(self.mend_unsealed(index, history, now).await?);
            mended += match &history.stream_state {
                StreamState::Request(state) => self.mend(index, state, now, rules).await?,
                StreamState::Incident(incident) => {
                    let next = incident.next_look(rules, now);
                    let newest = incident.head().newest();
                    let due = next.map(|at| WakeUp::new(at, incident.stream(), newest));
                    u64::from(self.mend_due(index, due).await?)
                }
            };
        }
        for stream in damaged.iter().filter(|s| !index.due.contains_key(s)) {
            self.add_wake_up(WakeUp::new(now, *stream, 0)).await?;
            mended += 1;
        }
        Ok(mended)
    }

    /// Writes the entry for the stream's first unsealed record if it is missing, and returns
    /// whether it did. Does nothing if the newest record is younger than `MIN_AGE`, unless the pass
    /// includes it. If the journal has no seal and this process does not seal, nothing uses such
    /// entries: then deletes them.
    async fn mend_unsealed(
        &self,
        index: &Index,
        history: &History,
        now: Timestamp,
    ) -> Result<bool, JournalError> {
        let (stream, end) = (history.stream, history.records.len() as u64);
        let named = index.unsealed.get(&stream).map_or(&[][..], Vec::as_slice);
        let Some(sealed) = &index.sealed else {
            let done = named.iter().filter(|seq| **seq < end);
            let done = done.map(|seq| self.unsealed_path(stream, *seq)).collect();
            return self.delete_entries(done).await.map(|()| false);
        };
        let sealed = sealed.get(&stream).copied().unwrap_or(0);
        let newest = history.records.last().map(|stored| stored.record.at);
        let old = newest.is_none_or(|at| now.duration_since(at) >= MIN_AGE);
        let named = named.first().is_some_and(|first| *first <= sealed);
        if named || sealed >= end || !(index.includes_newest || old) {
            return Ok(false);
        }
        self.touch(&self.unsealed_path(stream, sealed)).await?;
        Ok(true)
    }

    async fn mend(
        &self,
        index: &Index,
        state: &State,
        now: Timestamp,
        rules: &NoticeRules,
    ) -> Result<u64, JournalError> {
        let mut mended = 0;
        let due = state.next_look(rules, now).map(|at| {
            // A record from the future must not delay the wake-up.
            let written = state.updated_at().min(now);
            let at = state.look_by(at, now).max(written);
            WakeUp::new(at, state.stream(), state.newest())
        });
        mended += u64::from(self.mend_due(index, due).await?);
        let grant = state.grant();
        let grant = grant.map(|grant| serde_json::to_vec(&grant)).transpose()?;
        let newest = (state.stream(), state.head().next_seq);
        let untrue = self.wrong_grants(index, newest, grant.as_deref()).await?;
        let paths = untrue.iter().map(|entry| self.grant_path(entry)).collect();
        self.delete_entries(paths).await?;
        let mut done = Vec::new();
        for wanted in GrantEntry::of(state, state.newest()) {
            let listed = index.grants_of(state.stream()).iter();
            let known =
                listed.filter(|entry| entry.replaced_by(&wanted) && !untrue.contains(entry));
            let known: Vec<_> = known.cloned().collect();
            let there = known.iter().any(|entry| entry.same_subject(&wanted));
            mended += u64::from(self.mend_cancel(index, state, &wanted).await?);
            mended += u64::from(state.live(now) && !there);
            done.extend(self.replace(state, wanted, &known, now).await?);
        }
        self.delete_entries(done).await?;
        Ok(mended)
    }

    /// Writes the wake-up `due`, unless the index has a wake-up of the same stream at that instant
    /// or earlier. Returns whether it was missing.
    async fn mend_due(&self, index: &Index, due: Option<WakeUp>) -> Result<bool, JournalError> {
        let Some(due) = due.filter(|due| !index.wakes(due)) else {
            return Ok(false);
        };
        self.add_wake_up(due).await?;
        Ok(true)
    }

    /// Reads the index with one listing.
    pub async fn read_index(&self) -> Result<Index, JournalError> {
        let mut index = Index::default();
        for object in self.list_index(&[]).await? {
            let path = object.location;
            let shown = path.to_string();
            let name = path.filename().unwrap_or_default();
            let mut empty = true;
            let named = match shown.split('/').nth(1) {
                Some("due") => WakeUp::read(name).map(|wake_up| {
                    index.due.entry(wake_up.stream).or_default().push(wake_up);
                    (wake_up.stream, wake_up.seq)
                }),
                Some("unsealed") => UnsealedEntry::read(name).map(|entry| {
                    let seqs = index.unsealed.entry(entry.stream).or_default();
                    seqs.push(entry.seq);
                    (entry.stream, entry.seq)
                }),
                Some("grants") => self.read_grant_entry(&path).map(|entry| {
                    empty = !entry.full;
                    let named = (entry.stream, entry.seq + u64::from(entry.full));
                    index.grants.entry(entry.stream).or_default().push(entry);
                    named
                }),
                Some("cancels") => {
                    index.cancels.insert(path);
                    continue;
                }
                Some("compared" | "looks" | "pass" | "probe") => continue,
                _ => None,
            };
            match named {
                Some((stream, exist)) => index.named.push((path.clone(), stream, exist)),
                None => index
                    .foreign
                    .push(self.foreign(&path, "its name is not the name of an index entry")),
            }
            if empty && object.size > 0 && named.is_some() {
                let why = "an entry of this kind must be empty";
                index.foreign.push(self.foreign(&path, why));
            }
        }
        for seqs in index.unsealed.values_mut() {
            seqs.sort_unstable();
        }
        for entries in index.grants.values_mut() {
            entries.sort_by_key(|entry| entry.seq);
        }
        Ok(index)
    }
}

impl Index {
    fn wakes(&self, due: &WakeUp) -> bool {
        let known = self.due.get(&due.stream).into_iter().flatten();
        known.into_iter().any(|known| known.at <= due.at)
    }

    fn grants_of(&self, stream: StreamId) -> &[GrantEntry] {
        self.grants.get(&stream).map_or(&[], Vec::as_slice)
    }
}
