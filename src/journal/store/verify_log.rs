//! Verifies the journal against its log, up to the first bad seal. Takes the public key and,
//! optionally, a checkpoint that was kept elsewhere. Returns the flaws.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::chain::Finding;
use super::super::log::{
    Checkpoint, KeyChain, NoteFlaw, VerifiedLog, VerifierKey, claimed_signer, numbered,
};
use super::super::record::{Flaw, StreamId};
use super::pending::wrong_newest;
use super::verify::LogPart;
use super::walk_log::{Walk, Witness, flaw_of};
use super::{Journal, JournalError, Report};
use crate::domain::Problem;

/// The keys of the log according to `log/keys/`.
struct LogKeys {
    /// The trusted key and, up to the first bad note, the keys that the notes link to it.
    chain: KeyChain,
    /// The notes, oldest first.
    notes: Vec<String>,
    /// The first bad note.
    flaw: Option<Finding>,
}

/// The log, up to its first bad seal.
struct LogRead {
    walk: Walk,
    /// The note in `log/checkpoint`.
    newest: Option<String>,
    /// The notes that introduce keys, oldest first.
    notes: Vec<String>,
    /// The flaws that signed checkpoints from elsewhere show.
    lacking: Vec<Finding>,
    /// Whether one of these checkpoints shows that the newest seals were removed.
    removed: bool,
}

impl Journal {
    /// Verifies every record against its stream's hash chain and the log, and every object of the
    /// log. The log does not cover records that are newer than its last seal. `kept` is an older
    /// checkpoint from another place. `log/checkpoint` and `log/keys/` also show the removal of the
    /// newest seals, unless the first was replaced by an older one and the second has no later note.
    ///
    /// # Errors
    /// `key` is not a key of this journal, no key of the journal has signed `kept`, or the store
    /// failed. Flaws of objects are in the report.
    pub async fn verify_sealed(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
    ) -> Result<Report, JournalError> {
        self.verified(key, kept, true).await
    }

    /// Verifies only segments and checkpoints: that every sealed record is the one that was signed.
    /// Reads no file below `requests/`.
    pub async fn verify_segments(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
    ) -> Result<Report, JournalError> {
        self.verified(key, kept, false).await
    }

    async fn verified(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
        whole: bool,
    ) -> Result<Report, JournalError> {
        // List the objects before the walk. A later listing could contain objects of a newer seal
        // that the walk does not know.
        let listed = if whole {
            self.files_below(&self.path(&["log"])).await?
        } else {
            Vec::new()
        };
        let LogRead {
            mut walk,
            newest,
            lacking,
            removed,
            ..
        } = self.read_log(key, kept, whole).await?;
        let mut findings = std::mem::take(&mut walk.findings);
        let intact = findings.is_empty();
        findings.extend(lacking);
        if intact {
            findings.extend(self.flaw_of_newest(newest.as_deref(), &walk).await?);
        }
        // Without all of the log, it is unknown which other objects belong to it.
        if intact && !removed {
            findings.extend(self.foreign_to_log(&listed, &walk));
        }
        let part = match (findings.is_empty(), walk.ended || removed) {
            (true, _) => LogPart::Whole,
            (false, false) => LogPart::AllSeals,
            (false, true) => LogPart::FirstSeals,
        };
        let log = Arc::new(walk.log);
        let mut report = if whole {
            self.verify_against(Some(log), part, Some(walk.keys))
                .await?
        } else {
            if part == LogPart::Whole {
                findings.extend(self.lost_log(&log).await?);
            }
            Report {
                log_part: part,
                seals: log.seals(),
                sealed: log.records(),
                records: log.records(),
                streams: log.streams().count() as u64,
                ..Report::default()
            }
        };
        findings
            .into_iter()
            .chain(walk.strays)
            .for_each(|finding| report.find(finding));
        report.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    /// Walks through the log. `kept` is a checkpoint from another place.
    ///
    /// # Errors
    /// Those of [`Journal::verify_sealed`].
    async fn read_log(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
        whole: bool,
    ) -> Result<LogRead, JournalError> {
        // Read these notes first: the log read after them contains their seals.
        let newest = self.newest_note().await?;
        let LogKeys { chain, notes, flaw } = self.log_keys(key, newest.as_deref()).await?;
        let witnesses = kept.into_iter().chain(newest.as_deref());
        let witnesses = witnesses.chain(notes.iter().map(String::as_str));
        let read = |note| Some((note, Checkpoint::unverified(note).ok()?));
        let witnesses: Vec<Witness> = witnesses.filter_map(read).collect();
        let mut walk = Box::pin(self.walk_log(chain, &witnesses, whole)).await?;
        if let (Some(note), None) = (kept, &flaw) {
            require_signed(note, &walk)?;
        }
        // Only now are the keys known that the seals introduce.
        let signed = |note: &str| walk.keys.open(note).ok();
        let of_newest = newest.as_deref().and_then(signed);
        let mut findings = std::mem::take(&mut walk.findings);
        findings.retain(|finding| !unfinished_exchange(finding, &walk, of_newest.as_ref()));
        if let Some(flaw) = flaw {
            // Without its keys, the log has checkpoints that no known key has signed.
            let other = |path: &str| path != flaw.path && !path.starts_with("log/checkpoints/");
            findings.retain(|finding| other(&finding.path));
            findings.push(flaw);
        }
        walk.findings = findings;
        let (lacking, removed) = disagreements(&witnesses, &walk);
        Ok(LogRead {
            walk,
            newest,
            notes,
            lacking,
            removed,
        })
    }

    /// Returns the verified content of all seals, and the notes that introduce keys.
    ///
    /// # Errors
    /// `key` is not a key of this journal, or the log is damaged or lacks seals. Otherwise the store
    /// failed.
    pub async fn verified_log(
        &self,
        key: &VerifierKey,
    ) -> Result<(VerifiedLog, Vec<String>), JournalError> {
        let read = self.read_log(key, None, false).await?;
        match read.walk.findings.into_iter().chain(read.lacking).next() {
            Some(finding) => Err(self.damaged(finding)),
            None => Ok((read.walk.log, read.notes)),
        }
    }

    /// Returns the note in `log/checkpoint`; empty if the file is too large for one.
    pub(super) async fn newest_note(&self) -> Result<Option<String>, JournalError> {
        match self.text_at(&self.log_path("checkpoint")).await {
            Err(JournalError::Damaged { .. }) => Ok(Some(String::new())),
            note => note,
        }
    }

    /// Returns the keys of the log that lead to `key`. `newest` is the note in `log/checkpoint`.
    ///
    /// # Errors
    /// The log has other keys, and `key` has signed neither its first nor its newest seal.
    async fn log_keys(
        &self,
        key: &VerifierKey,
        newest: Option<&str>,
    ) -> Result<LogKeys, JournalError> {
        let mut keys = LogKeys {
            chain: KeyChain::from(key.clone()),
            notes: Vec::new(),
            flaw: None,
        };
        let mut chain = None;
        for number in self.numbers("keys").await? {
            let path = self.key_path(number);
            match self.text_at(&path).await {
                Ok(note) => keys.notes.extend(note),
                Err(JournalError::Damaged { finding, .. }) => keys.flaw = Some(*finding),
                Err(error) => return Err(error),
            }
            match KeyChain::read(&keys.notes) {
                Ok(read) => chain = read,
                Err(flaw) => {
                    let flaw = Flaw::BrokenLog(flaw.to_string());
                    keys.flaw = Some(Finding::about(path, flaw));
                }
            }
            if keys.flaw.is_some() {
                break;
            }
        }
        let has_key = |chain: &KeyChain| chain.has(key);
        if keys.flaw.is_none() && !chain.as_ref().is_some_and(has_key) {
            // `rotate-key` may have been killed between the checkpoint that introduces `key` and
            // its copy in `log/keys/`.
            let newest = flaw_of(self.newest_checkpoint().await)?.ok().flatten();
            let longer: Vec<_> = keys.notes.iter().cloned().chain(newest).collect();
            if let Some(read) = KeyChain::read(&longer).ok().flatten().filter(has_key) {
                (chain, keys.notes) = (Some(read), longer);
            }
        }
        match chain {
            Some(chain) if chain.has(key) => keys.chain = chain,
            _ if keys.flaw.is_some() => {}
            chain => {
                self.refuse_other_key(key, newest).await?;
                // The log is of this key, so the notes are not.
                keys.flaw = chain.map(|_| {
                    let why = NoteFlaw::Unsigned(key.to_string()).to_string();
                    Finding::about("log/keys", Flaw::BrokenLog(why))
                });
            }
        }
        Ok(keys)
    }

    /// Fails if another key has signed both the first and the newest seal. One such checkpoint
    /// alone may have been altered.
    async fn refuse_other_key(
        &self,
        key: &VerifierKey,
        newest: Option<&str>,
    ) -> Result<(), JournalError> {
        let other = |note: &str| match Checkpoint::open(note, key) {
            Err(NoteFlaw::Unsigned(_)) => claimed_signer(note),
            _ => None,
        };
        let first = match self.checkpoint(1).await {
            Err(JournalError::Damaged { .. }) => None,
            first => first?,
        };
        if let (Some(signer), Some(_)) = (first.as_deref().and_then(other), newest.and_then(other))
        {
            let problem = format!("is not a key of this journal: {signer} signs its first seal");
            let remedy = "give the key that `sharehook audit key` prints for this journal";
            return Err(JournalError::OtherKey(Problem::new("key", problem, remedy)));
        }
        Ok(())
    }

    /// Returns the flaw of `log/checkpoint`, whose content is `newest`, if that file is missing or no
    /// key of the log has signed it.
    async fn flaw_of_newest(
        &self,
        newest: Option<&str>,
        walk: &Walk,
    ) -> Result<Option<Finding>, JournalError> {
        Ok(match newest {
            Some(note) => walk.keys.open(note).is_err().then(wrong_newest),
            // The sealer of the first seal creates the file last, and may not have done so.
            None if walk.log.seals() <= 1 => None,
            None => self.newest_note().await?.is_none().then(wrong_newest),
        })
    }

    /// Returns a finding if the log has no seal, although the index does not list all records as
    /// unsealed.
    async fn lost_log(&self, log: &VerifiedLog) -> Result<Option<Finding>, JournalError> {
        if log.seals() > 0 {
            return Ok(None);
        }
        let named = self.unsealed_entries().await?;
        let named: BTreeSet<StreamId> = named.iter().map(|entry| entry.stream).collect();
        let streams = self.streams().await?;
        let streams = streams.iter().filter(|stream| !named.contains(stream));
        let streams = streams.count();
        // The first seal, which deletes these entries, may have been made meanwhile.
        if streams == 0 || self.checkpoint(1).await?.is_some() {
            return Ok(None);
        }
        Ok(Some(Finding::about("log", Flaw::NoSeal { streams })))
    }
}

/// Whether `rotate-key` may not have created this file yet, or was killed before it did: the copy in
/// `log/keys/` of the newest checkpoint, which that command creates before it writes
/// `log/checkpoint`, whose content is `newest`. The next seal creates the file first of all.
fn unfinished_exchange(finding: &Finding, walk: &Walk, newest: Option<&Checkpoint>) -> bool {
    let seals = walk.log.seals();
    finding.flaw == Flaw::Dropped
        && finding.path == format!("log/keys/{}", numbered(seals))
        && newest.is_none_or(|newest| newest.number < seals)
}

pub(super) fn opened(note: &str, chain: &KeyChain) -> Result<Checkpoint, Problem> {
    let opened = chain.open(note);
    opened.map_err(|flaw| unbelieved(&flaw.to_string()))
}

pub(super) fn unbelieved(why: &str) -> Problem {
    let remedy = "pass a checkpoint that `sharehook audit seal` printed";
    Problem::new("checkpoint", why, remedy)
}

/// Fails if no key of the log has signed `kept`. Such a key may be unknown after a bad seal.
fn require_signed(kept: &str, walk: &Walk) -> Result<(), Problem> {
    let later = |one: &Checkpoint| one.number > walk.log.seals();
    match opened(kept, &walk.keys) {
        Err(_) if walk.ended && Checkpoint::unverified(kept).is_ok_and(|one| later(&one)) => Ok(()),
        opened => opened.map(drop),
    }
}

/// Returns a finding for each seal of which a witness that is signed by a key of the log has another
/// checkpoint than the log. Also returns whether one of these seals is later than the log's.
fn disagreements(witnesses: &[Witness<'_>], walk: &Walk) -> (Vec<Finding>, bool) {
    let all = witnesses.iter().zip(&walk.contains);
    let signed = all.filter(|((note, _), _)| walk.keys.open(note).is_ok());
    let lacking: Vec<&Checkpoint> = signed
        .filter(|(_, contained)| !**contained)
        .map(|((_, says), _)| says)
        .collect();
    let removed = lacking.iter().any(|one| one.number > walk.log.seals());
    // The log may contain the seals after a bad one.
    let read = |one: &&&Checkpoint| !walk.ended || one.number <= walk.log.seals();
    let findings = lacking.iter().filter(read);
    let mut findings: Vec<_> = findings.map(|one| disagreement(one, &walk.log)).collect();
    findings.sort_by(|a, b| a.path.cmp(&b.path));
    findings.dedup_by(|a, b| a.path == b.path);
    (findings, removed)
}

fn disagreement(kept: &Checkpoint, log: &VerifiedLog) -> Finding {
    let (at, number, seals) = (kept.at, kept.number, log.seals());
    let why = if number > seals {
        format!(
            "the checkpoint of {at} is for seal {number}, but the log has only {seals} seals: the newest seals were removed"
        )
    } else {
        format!("the log does not continue the checkpoint of {at}: the log was rewritten")
    };
    let path = format!("log/checkpoints/{}", numbered(number));
    Finding::about(path, Flaw::BrokenLog(why))
}
