//! Verifies every record and the index, and returns a [`Report`]. Keeps only a few records in
//! memory at a time, but the required index entries of all streams.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use futures_util::stream::{Stream, StreamExt as _, iter};
use object_store::path::Path;
use sha2::{Digest, Sha256};

use super::super::chain::{Chain, Finding};
use super::super::log::{Hash, KeyChain, VerifiedLog};
use super::super::record::{Flaw, StreamId};
use super::super::state::{State, StreamState};
use super::index::RequiredEntries;
use super::objects::{Fetched, Folder};
use super::{Journal, JournalError};

/// Number of streams to verify at once, and of records of each stream to read at once.
const STREAMS: usize = 8;
const RECORDS: u64 = 8;
/// Maximum number of consecutive missing records. Otherwise one stray file with a high number would
/// cause a million reads.
const MAX_MISSING: u64 = 100;
/// Maximum number of findings to keep. Further ones are counted.
const MAX_FINDINGS: usize = 1_000;

/// How much of the log a verification has read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogPart {
    /// All of it, without a flaw.
    Whole,
    /// All seals, but another object of the log has a flaw. Or the log was not verified.
    #[default]
    AllSeals,
    /// The seals before the first bad or missing one.
    FirstSeals,
}

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of streams with at least one record, including damaged ones.
    pub streams: u64,
    /// The number of intact records.
    pub records: u64,
    /// The flaws, sorted by path; the first thousand at most.
    pub findings: Vec<Finding>,
    /// The number of intact seals; 0 if the log was not verified.
    pub seals: u64,
    /// The number of records in these seals. Only their hash chains protect the other records.
    pub sealed: u64,
    /// The number of records of retired requests that exist only in their segments.
    pub retired: u64,
    /// How much of the log was verified.
    pub log_part: LogPart,
    /// The number of findings that were not kept, and of records that were not read because too
    /// many before them were missing.
    pub left_off: u64,
}

impl Report {
    /// Whether nothing was found.
    pub fn clean(&self) -> bool {
        self.findings.is_empty() && self.left_off == 0
    }

    pub(super) fn find(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.left_off = self.left_off.saturating_add(1);
        }
    }

    fn add(&mut self, other: Self) {
        self.streams = self.streams.saturating_add(other.streams);
        self.records = self.records.saturating_add(other.records);
        self.left_off = self.left_off.saturating_add(other.left_off);
        self.retired = self.retired.saturating_add(other.retired);
        for finding in other.findings {
            self.find(finding);
        }
    }
}

/// The result of verifying one stream.
struct Checked {
    stream: StreamId,
    report: Report,
    required: RequiredEntries,
    /// Whether the object `retired` names other segments than the log. The request may have been
    /// retired after the log was read, into a later segment.
    retired_otherwise: bool,
}

impl Checked {
    fn new(stream: StreamId, report: Report, required: RequiredEntries) -> Self {
        Self {
            stream,
            report,
            required,
            retired_otherwise: false,
        }
    }

    fn retired_otherwise(self) -> Self {
        Self {
            retired_otherwise: true,
            ..self
        }
    }
}

impl Journal {
    /// Verifies every file below `requests/` against its stream's hash chain, and the index. The
    /// hash chain alone cannot show that the newest records of a stream, or all of them, were
    /// removed. Nor can it show that the newest record was rewritten with a new checksum line. If
    /// the journal has seals, this verifies only record 0 of a retired request: use
    /// [`Journal::verify_sealed`] for such a journal.
    ///
    /// # Errors
    /// The store failed. Flaws of files are in the report.
    pub async fn verify(&self) -> Result<Report, JournalError> {
        let log = (!self.has_seals().await?).then(Arc::default);
        self.verify_against(log, LogPart::AllSeals, None).await
    }

    /// Verifies every file below `requests/` against its stream's hash chain and the seals, and the
    /// index against the records. `log` contains the verified seals. It is `None` if there are
    /// seals that were not verified. `keys` sign the seals after those in `log`.
    pub(super) async fn verify_against(
        &self,
        log: Option<Arc<VerifiedLog>>,
        part: LogPart,
        keys: Option<KeyChain>,
    ) -> Result<Report, JournalError> {
        let mut report = Report {
            log_part: part,
            seals: log.as_ref().map_or(0, |log| log.seals()),
            sealed: log.as_ref().map_or(0, |log| log.records()),
            ..Report::default()
        };
        let listed = self.list_requests().await?;
        for object in &listed.objects {
            report.find(self.foreign(&object.location, "it is in no stream's folder"));
        }
        let mut names: BTreeSet<StreamId> = log.iter().flat_map(|log| log.streams()).collect();
        for folder in &listed.common_prefixes {
            match folder.filename().map(str::parse::<StreamId>) {
                Some(Ok(stream)) => drop(names.insert(stream)),
                _ => report
                    .find(self.foreign(folder, "the folder's name is not the name of a stream")),
            }
        }
        self.work_done.begin(names.len());
        let (mut wanted, mut again) = (Vec::new(), Vec::new());
        let mut checks = self.checks(names, log.clone(), part);
        while let Some(checked) = checks.next().await {
            let checked = checked?;
            self.work_done.add(1);
            match checked.retired_otherwise {
                true => again.push(checked.stream),
                false => {
                    report.add(checked.report);
                    wanted.push(checked.required);
                }
            }
        }
        drop(checks);
        if !again.is_empty() {
            let (log, part) = self.later_log(log, part, keys, &mut report).await?;
            let mut checks = self.checks(again, log, part);
            while let Some(checked) = checks.next().await {
                let checked = checked?;
                report.add(checked.report);
                wanted.push(checked.required);
            }
        }
        let seals = (part == LogPart::Whole).then_some(report.seals);
        for finding in self.check_index(&wanted, seals).await? {
            report.find(finding);
        }
        self.find_odd_entries(&mut report).await?;
        report.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    /// Verifies streams, several at once.
    fn checks(
        &self,
        streams: impl IntoIterator<Item = StreamId>,
        log: Option<Arc<VerifiedLog>>,
        part: LogPart,
    ) -> impl Stream<Item = Result<Checked, JournalError>> {
        let check = move |stream| {
            let (journal, log) = (self.clone(), log.clone());
            let verify = async move { journal.verify_stream(stream, log.as_deref(), part).await };
            tokio::spawn(verify)
        };
        let ended = |end: Result<_, _>| match end {
            Ok(checked) => checked,
            Err(end) => Err(self.failed("read", "requests", &end)),
        };
        iter(streams)
            .map(check)
            .buffer_unordered(STREAMS)
            .map(ended)
    }

    /// Returns `log` with the seals that were made since it was read: a request may be retired as
    /// soon as it is sealed. A request's object `retired` is never changed, so a log that is read
    /// after that object must agree with it. Reports a bad seal.
    async fn later_log(
        &self,
        log: Option<Arc<VerifiedLog>>,
        part: LogPart,
        keys: Option<KeyChain>,
        report: &mut Report,
    ) -> Result<(Option<Arc<VerifiedLog>>, LogPart), JournalError> {
        if part == LogPart::FirstSeals {
            return Ok((log, part));
        }
        let Some(keys) = keys else {
            // The journal had no seal. If it has one now, that is not verified.
            let sealed = self.has_seals().await?;
            return Ok((log.filter(|_| !sealed), part));
        };
        let mut log = log.map_or_else(VerifiedLog::default, Arc::unwrap_or_clone);
        let part = match self.add_later_seals(&mut log, keys).await? {
            None => part,
            Some(finding) => {
                report.find(finding);
                report.log_part = LogPart::FirstSeals;
                LogPart::FirstSeals
            }
        };
        Ok((Some(Arc::new(log)), part))
    }

    /// Reports the entries of a directory that the store skips, such as links. If the record at the
    /// same path was reported as missing, this finding replaces that one.
    async fn find_odd_entries(&self, report: &mut Report) -> Result<(), JournalError> {
        for (path, why) in self.skipped().await?.odd {
            report.findings.retain(|finding| finding.path != path);
            let flaw = Flaw::Foreign(why.to_owned());
            report.find(Finding::about(path, flaw));
        }
        Ok(())
    }

    /// Returns one stream's report, and the index entries that it requires.
    async fn verify_stream(
        &self,
        stream: StreamId,
        log: Option<&VerifiedLog>,
        part: LogPart,
    ) -> Result<Checked, JournalError> {
        let checked = self.verify_once(stream, log, part).await?;
        if checked.report.clean() {
            return Ok(checked);
        }
        match self.is_retired(stream).await {
            // Another process may have removed its records while they were read.
            Ok(true) => self.verify_once(stream, log, part).await,
            Err(error) if !error.concerns_one_request() => Err(error),
            _ => Ok(checked),
        }
    }

    async fn verify_once(
        &self,
        stream: StreamId,
        log: Option<&VerifiedLog>,
        part: LogPart,
    ) -> Result<Checked, JournalError> {
        let none = BTreeMap::new();
        let sealed = log.and_then(|log| log.sealed(stream)).unwrap_or(&none);
        let mut folder = match self.folder(stream).await {
            Err(JournalError::Damaged { finding, .. }) => {
                let mut report = Report::default();
                report.find(*finding);
                // It is unknown which entries the stream requires.
                let asked = RequiredEntries::of(stream, u64::MAX, u64::MAX, None);
                return Ok(Checked::new(stream, report, asked));
            }
            folder => folder?,
        };
        let mut report = Report {
            streams: u64::from(folder.end > 0),
            ..Report::default()
        };
        for path in &folder.foreign {
            let flaw = Flaw::Foreign("its name is not the name of a record".to_owned());
            report.find(Finding {
                stream: stream.to_string(),
                ..Finding::about(path, flaw)
            });
        }
        let sealed_len = sealed.len() as u64;
        let end = if folder.retired {
            folder.end.max(sealed_len)
        } else {
            folder.end
        };
        let asked = |state: Option<&State>| RequiredEntries::of(stream, end, sealed_len, state);
        let mut retired = 0..0;
        if folder.retired {
            match (self.retired(stream).await?, log) {
                (Some(named), Some(log)) if named.agrees(log, stream) => retired = 1..named.end,
                // The record after the retired ones must contain the hash of the last of them.
                // Without the seals this hash is unknown, so verify only record 0.
                (Some(_), None) => folder.end = 1,
                // The segments that it names may be after the bad seal.
                (Some(_), Some(_)) if part == LogPart::FirstSeals => {
                    (folder.end, retired) = (1, 1..u64::MAX);
                }
                _ => {
                    report.find(self.wrong_retired_object(stream));
                    return Ok(Checked::new(stream, report, asked(None)).retired_otherwise());
                }
            }
        }
        let chain = self
            .verify_records(stream, &folder, sealed, &retired, &mut report)
            .await?;
        for seq in sealed.range(folder.end..).map(|(seq, _)| *seq) {
            match retired.contains(&seq) {
                true => report.retired = report.retired.saturating_add(1),
                false => report.find(Finding::of(stream, seq, Flaw::Dropped)),
            }
        }
        // Without its newest records, the request's state and entries are unknown.
        if folder.retired || sealed_len > end {
            return Ok(Checked::new(stream, report, asked(None)));
        }
        let stream_state = chain.into_stream_state();
        let state = stream_state.as_ref().and_then(StreamState::state);
        Ok(Checked::new(stream, report, asked(state)))
    }

    /// Verifies the records in a stream's folder against their hash chain and the seals. The
    /// records whose numbers are in `retired` may exist only in their segments.
    async fn verify_records(
        &self,
        stream: StreamId,
        folder: &Folder,
        sealed: &BTreeMap<u64, (Hash, u64)>,
        retired: &Range<u64>,
        report: &mut Report,
    ) -> Result<Chain, JournalError> {
        let mut chain = Chain::new(stream);
        let mut missing = 0;
        for start in (0..folder.end).step_by(RECORDS as usize) {
            if missing >= MAX_MISSING {
                report.left_off = report.left_off.saturating_add(folder.end - start);
                break;
            }
            let end = folder.end.min(start + RECORDS);
            for (seq, fetched) in (start..).zip(self.fetch(stream, start, end).await?) {
                let known = sealed.get(&seq).map(|(hash, _)| hash);
                let gone = matches!(fetched, Fetched::Absent);
                if let (true, true, Some(hash)) = (gone, retired.contains(&seq), known) {
                    chain.pass(hex::encode(hash));
                    report.retired = report.retired.saturating_add(1);
                    continue;
                }
                missing = if gone { missing + 1 } else { 0 };
                let pushed = chain.push(fetched.record());
                let other = known.is_some_and(|hash| !is_sealed(&fetched, hash));
                match pushed {
                    // Report the chain's flaw, which says more than a hash that differs from the
                    // sealed one.
                    Err(finding) => report.find(finding),
                    Ok(_) if other => {
                        chain.doubt();
                        report.find(Finding::of(stream, seq, Flaw::Resealed));
                    }
                    Ok(_) => report.records = report.records.saturating_add(1),
                }
            }
        }
        Ok(chain)
    }

    pub(super) fn foreign(&self, path: &Path, why: &str) -> Finding {
        Finding::about(path, Flaw::Foreign(why.to_owned()))
    }
}

fn is_sealed(fetched: &Fetched, hash: &Hash) -> bool {
    matches!(fetched, Fetched::Bytes(bytes) if *hash == <Hash>::from(Sha256::digest(bytes)))
}
