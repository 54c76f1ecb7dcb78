//! Verifies the log, up to the first bad seal. Takes the public key and, optionally, a checkpoint
//! that was kept elsewhere. Returns the sealed hash of each record, and the flaws. Also builds
//! proofs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use object_store::ObjectMeta;

use super::super::chain::Finding;
use super::super::log::{
    Checkpoint, ConsistencyProof, KeyChain, Object, Proof, Segment, VerifiedLog, VerifierKey,
    numbered,
};
use super::super::record::{Flaw, StreamId};
use super::objects::{Fetched, MAX_CONCURRENT};
use super::{Journal, JournalError, Report};
use crate::domain::Problem;

/// The intact part of the log, and the flaws.
struct Walk {
    log: VerifiedLog,
    findings: Vec<Finding>,
    /// Whether the kept checkpoint belongs to this log.
    continues: bool,
    /// The paths, from the journal's root, of the objects that may exist: those of the verified
    /// seals and of a seal in progress.
    paths: BTreeSet<String>,
}

impl Journal {
    /// Verifies every record against its stream's hash chain and the log, and every object of the
    /// log. The log does not cover records that are newer than its last seal. `kept` is an older
    /// checkpoint from another place. Without it, the removal of the newest seals cannot be
    /// detected.
    ///
    /// # Errors
    /// No key of the journal has signed `kept`, or the store failed. Flaws of objects are in the
    /// report.
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
        let notes = self.key_notes().await?;
        let chain = match KeyChain::of(key, &notes) {
            Ok(chain) => chain,
            Err(flaw) => {
                let mut report = Report::default();
                report.find(Finding::about(
                    "log/keys",
                    Flaw::BrokenLog(flaw.to_string()),
                ));
                return Ok(report);
            }
        };
        let kept = kept.map(|note| opened(note, &chain)).transpose()?;
        // List the objects before the walk. A later listing could contain objects of a newer seal
        // that the walk does not know.
        let listed = if whole {
            self.files_below(&self.path(&["log"])).await?
        } else {
            Vec::new()
        };
        let walk = self.walk_log(&chain, kept.as_ref(), whole).await?;
        let mut findings = walk.findings;
        // Do not compare a kept checkpoint with a damaged log: the damage would be reported twice.
        if let (Some(kept), false, true) = (&kept, walk.continues, findings.is_empty()) {
            findings.push(disagreement(kept, &walk.log));
        }
        let log = Arc::new(walk.log);
        let mut report = if whole {
            // If there is a flaw, it is unknown which other objects belong to the log.
            if findings.is_empty() {
                findings.extend(self.foreign_to_log(&listed, &walk.paths));
            }
            self.verify_against(Some(log), findings.is_empty()).await?
        } else {
            Report {
                seals: log.seals(),
                sealed: log.records(),
                records: log.records(),
                streams: log.streams().count() as u64,
                ..Report::default()
            }
        };
        findings
            .into_iter()
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
        let notes = self.key_notes().await?;
        let chain = KeyChain::of(key, &notes).map_err(|flaw| self.broken_log("log/keys", flaw))?;
        let walk = self.walk_log(&chain, None, false).await?;
        match walk.findings.into_iter().next() {
            Some(finding) => Err(self.damaged(finding)),
            None => Ok((walk.log, notes)),
        }
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

    /// Verifies all seals up to the first bad one. `whole` says whether to verify the other objects
    /// too, such as tiles.
    async fn walk_log(
        &self,
        keys: &KeyChain,
        kept: Option<&Checkpoint>,
        whole: bool,
    ) -> Result<Walk, JournalError> {
        let mut walk = Walk {
            log: VerifiedLog::default(),
            findings: Vec::new(),
            continues: false,
            paths: BTreeSet::new(),
        };
        let [segments, checkpoints] = [
            self.numbers("segments").await?,
            self.numbers("checkpoints").await?,
        ];
        let end = segments
            .last()
            .max(checkpoints.last())
            .copied()
            .unwrap_or(0);
        let begun = checkpoints.last().copied().unwrap_or(0) + 1;
        let numbers = stream::iter(1..=end);
        let mut reads = numbers
            .map(|number| async move {
                (
                    number,
                    self.segment(number).await,
                    self.checkpoint(number).await,
                )
            })
            .buffered(MAX_CONCURRENT);
        while let Some((number, segment, note)) = reads.next().await {
            let segment = match segment {
                Ok(segment) => segment.ok_or_else(|| dropped("segments", number)),
                Err(JournalError::Damaged { finding, .. }) => Err(*finding),
                Err(error) => return Err(error),
            };
            let next = match (segment, note?) {
                (Err(finding), _) => Err(finding),
                // A segment is created before its checkpoint, so the newest segment may lack one.
                // The next sealer completes the seal.
                (Ok(segment), None) if number == begun && number == end => {
                    walk.begun(&segment);
                    break;
                }
                (Ok(_), None) => Err(dropped("checkpoints", number)),
                (Ok(segment), Some(note)) => walk.take(&segment, &note, keys, kept),
            };
            match next {
                Ok(objects) if whole => {
                    let findings = self.check_objects(objects, &mut walk.paths).await?;
                    walk.findings.extend(findings);
                }
                Ok(_) => {}
                Err(finding) => {
                    walk.findings.push(finding);
                    break;
                }
            }
        }
        Ok(walk)
    }

    /// Returns the flaws of the objects that a segment determines. Adds the objects to `paths`, and
    /// skips those that are there already.
    async fn check_objects(
        &self,
        objects: Vec<Object>,
        paths: &mut BTreeSet<String>,
    ) -> Result<Vec<Finding>, JournalError> {
        let fresh = objects
            .into_iter()
            .filter(|object| paths.insert(format!("log/{}", object.path)));
        let fresh: Vec<Object> = fresh.collect();
        let checks = fresh.iter().map(|object| async {
            let fetched = self.fetch_one(&self.log_path(&object.path)).await?;
            let path = format!("log/{}", object.path);
            Ok::<_, JournalError>(match fetched {
                Fetched::Bytes(bytes) if bytes == object.bytes => None,
                Fetched::Absent => Some(Finding::about(path, Flaw::Dropped)),
                Fetched::Bytes(_) | Fetched::TooLarge(_) => {
                    let why = "its content differs from what its segment determines".to_owned();
                    Some(Finding::about(path, Flaw::BrokenLog(why)))
                }
            })
        });
        let checked: Vec<_> = futures_util::future::try_join_all(checks).await?;
        Ok(checked.into_iter().flatten().collect())
    }

    /// Returns a finding for each object below `log/` that does not belong there. `known` contains
    /// the paths of the objects that may exist, including those of a seal in progress.
    fn foreign_to_log(&self, listed: &[ObjectMeta], known: &BTreeSet<String>) -> Vec<Finding> {
        let paths = listed.iter().map(|object| &object.location);
        let strange = paths
            .filter(|path| path.as_ref() != "log/checkpoint" && !known.contains(path.as_ref()));
        strange
            .map(|path| self.foreign(path, "no segment determines this file"))
            .collect()
    }
}

impl Walk {
    /// Applies the next seal. Returns the objects that it determines, except its checkpoint.
    fn take(
        &mut self,
        segment: &Segment,
        note: &str,
        keys: &KeyChain,
        kept: Option<&Checkpoint>,
    ) -> Result<Vec<Object>, Finding> {
        let number = segment.number;
        let pushed = self.log.push(segment, note, keys.of_seal(number));
        let mut objects = pushed.map_err(|flaw| {
            let signed = Checkpoint::open(note, keys.of_seal(number)).is_ok();
            let folder = if signed { "segments" } else { "checkpoints" };
            Finding::about(format!("log/{folder}/{}", numbered(number)), flaw)
        })?;
        if let (Some(kept), Some((newest, _))) = (kept, self.log.newest()) {
            self.continues |= (newest.size, newest.root) == (kept.size, kept.root);
        }
        if segment.key_change.is_some() {
            objects.push(Object {
                path: format!("keys/{}", numbered(number)),
                bytes: note.as_bytes().to_vec(),
            });
        }
        for folder in ["segments", "checkpoints"] {
            self.paths
                .insert(format!("log/{folder}/{}", numbered(number)));
        }
        Ok(objects)
    }

    /// Adds the paths of the objects that the newest segment's sealer may have created already.
    fn begun(&mut self, segment: &Segment) {
        let path = format!("log/segments/{}", numbered(segment.number));
        self.paths.insert(path);
        let mut edge = self.log.edge().clone();
        for object in edge.append(segment.entries(), &mut Vec::new()) {
            self.paths.insert(format!("log/{}", object.path));
        }
        if segment.key_change.is_some() {
            self.paths
                .insert(format!("log/keys/{}", numbered(segment.number)));
        }
    }
}

fn dropped(folder: &str, number: u64) -> Finding {
    Finding::about(format!("log/{folder}/{}", numbered(number)), Flaw::Dropped)
}

fn opened(note: &str, chain: &KeyChain) -> Result<Checkpoint, Problem> {
    let opened = chain.open(note);
    opened.map_err(|flaw| unbelieved(&flaw.to_string()))
}

fn unbelieved(why: &str) -> Problem {
    let remedy = "pass a checkpoint that `sharehook audit seal` printed";
    Problem::new("checkpoint", why, remedy)
}

fn disagreement(kept: &Checkpoint, log: &VerifiedLog) -> Finding {
    let (at, size) = (kept.at, log.size());
    let why = if kept.size > size {
        format!(
            "the checkpoint of {at} covers {} entries, but the log has only {size}: the newest seals were removed",
            kept.size
        )
    } else {
        format!("the log does not continue the checkpoint of {at}: the log was rewritten")
    };
    let path = format!("log/checkpoints/{}", numbered(kept.number));
    Finding::about(path, Flaw::BrokenLog(why))
}
