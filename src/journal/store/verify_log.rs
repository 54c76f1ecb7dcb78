//! Verifies the journal against its log, up to the first bad seal, and builds proofs. Takes the
//! public key and, optionally, a checkpoint that was kept elsewhere. Returns the flaws.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::chain::Finding;
use super::super::log::{
    Checkpoint, ConsistencyProof, KeyChain, NoteFlaw, Proof, VerifiedLog, VerifierKey,
    claimed_signer, numbered,
};
use super::super::record::{Flaw, StreamId};
use super::pending::wrong_newest;
use super::verify::LogPart;
use super::walk_log::{Walk, flaw_of};
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

impl Journal {
    /// Verifies every record against its stream's hash chain and the log, and every object of the
    /// log. The log does not cover records that are newer than its last seal. `kept` is an older
    /// checkpoint from another place. `log/checkpoint` also shows the removal of the newest seals,
    /// unless it was replaced by an older one.
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
        // Read `log/checkpoint` first: the log read after it contains its seal.
        let newest = self.newest_note().await?;
        let keys = self.log_keys(key, newest.as_deref()).await?;
        let kept = match kept.map(|note| opened(note, &keys.chain)).transpose() {
            Err(_) if keys.flaw.is_some() => None,
            kept => kept?,
        };
        let signed = newest
            .as_deref()
            .and_then(|note| keys.chain.open(note).ok());
        // List the objects before the walk. A later listing could contain objects of a newer seal
        // that the walk does not know.
        let listed = if whole {
            self.files_below(&self.path(&["log"])).await?
        } else {
            Vec::new()
        };
        let witnesses: Vec<&Checkpoint> = kept.iter().chain(&signed).collect();
        let mut walk = Box::pin(self.walk_log(keys.chain, &witnesses, whole)).await?;
        let mut findings = std::mem::take(&mut walk.findings);
        findings.retain(|finding| !unfinished_exchange(finding, &walk, signed.as_ref()));
        if let Some(flaw) = keys.flaw {
            // Without its keys, the log has checkpoints that no known key has signed.
            findings.retain(|finding| !finding.path.starts_with("log/checkpoints/"));
            findings.push(flaw);
        }
        let intact = findings.is_empty();
        findings.extend(disagreements(&witnesses, &walk));
        // Without all of the log, it is unknown which other objects belong to it.
        if intact {
            findings.extend(self.flaw_of_newest(newest.as_deref(), &walk).await?);
            findings.extend(self.foreign_to_log(&listed, &walk));
        }
        let removed = witnesses.iter().any(|one| one.number > walk.log.seals());
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

    /// Returns the verified content of all seals, and the notes that introduce keys.
    ///
    /// # Errors
    /// `key` is not a key of this journal, or the log is damaged. Otherwise the store failed.
    pub async fn verified_log(
        &self,
        key: &VerifierKey,
    ) -> Result<(VerifiedLog, Vec<String>), JournalError> {
        let newest = self.newest_note().await?;
        let LogKeys { chain, notes, flaw } = self.log_keys(key, newest.as_deref()).await?;
        if let Some(finding) = flaw {
            return Err(self.damaged(finding));
        }
        let walk = Box::pin(self.walk_log(chain, &[], false)).await?;
        match walk.findings.into_iter().next() {
            Some(finding) => Err(self.damaged(finding)),
            None => Ok((walk.log, notes)),
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

    /// Proves that a request's records are sealed, as of the newest seal. Leaves out unsealed
    /// records. Returns `None` if no record is sealed, or if a record differs from what was sealed.
    ///
    /// # Errors
    /// `key` is not a key of this journal, or the log or the stream is damaged. Otherwise the store
    /// failed.
    pub async fn prove(
        &self,
        key: &VerifierKey,
        stream: StreamId,
    ) -> Result<Option<Proof>, JournalError> {
        let (log, keys) = self.verified_log(key).await?;
        let mut files = self.files(stream).await?;
        files.truncate(log.sealed(stream).map_or(0, BTreeMap::len));
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Proof::of(&log, keys, stream, &files))
    }

    /// Proves that the newest checkpoint continues an older one. `None` if it does not.
    ///
    /// # Errors
    /// No key of the journal has signed `old`. Otherwise the errors of [`Journal::verified_log`].
    pub async fn prove_consistency(
        &self,
        key: &VerifierKey,
        old: &str,
    ) -> Result<Option<ConsistencyProof>, JournalError> {
        let (log, keys) = self.verified_log(key).await?;
        let chain = KeyChain::of(key, &keys);
        let chain = chain.map_err(|flaw| unbelieved(&flaw.to_string()))?;
        let checkpoint = opened(old, &chain)?;
        let proof = ConsistencyProof::of(&log, keys, &checkpoint, old);
        Ok(proof.filter(|proof| proof.check(key).is_ok()))
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

fn opened(note: &str, chain: &KeyChain) -> Result<Checkpoint, Problem> {
    let opened = chain.open(note);
    opened.map_err(|flaw| unbelieved(&flaw.to_string()))
}

fn unbelieved(why: &str) -> Problem {
    let remedy = "pass a checkpoint that `sharehook audit seal` printed";
    Problem::new("checkpoint", why, remedy)
}

/// Returns a finding for each seal of which there is a checkpoint in `witnesses` that the log does
/// not contain.
fn disagreements(witnesses: &[&Checkpoint], walk: &Walk) -> Vec<Finding> {
    let all = witnesses.iter().zip(&walk.contains);
    // The log may contain the seals after a bad one.
    let read = |one: &Checkpoint| !walk.ended || one.number <= walk.log.seals();
    let missing = all.filter(|(one, contained)| !**contained && read(one));
    let mut findings: Vec<_> = missing
        .map(|(one, _)| disagreement(one, &walk.log))
        .collect();
    findings.dedup_by(|a, b| a.path == b.path);
    findings
}

fn disagreement(kept: &Checkpoint, log: &VerifiedLog) -> Finding {
    let (at, number, seals) = (kept.at, kept.number, log.seals());
    let why = if number > seals {
        format!(
            "a checkpoint of {at} is that of seal {number}, but the log has only {seals}: the newest seals were removed"
        )
    } else {
        format!("the log does not continue the checkpoint of {at}: the log was rewritten")
    };
    let path = format!("log/checkpoints/{}", numbered(number));
    Finding::about(path, Flaw::BrokenLog(why))
}
