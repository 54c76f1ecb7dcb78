//! Walks through the log, seal by seal, up to the first bad one. Takes the keys, and checkpoints
//! that the log should contain; returns the verified content, and the flaws.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt as _};
use object_store::ObjectMeta;

use super::super::chain::Finding;
use super::super::log::{Checkpoint, KeyChain, Object, Segment, VerifiedLog, numbered};
use super::super::record::Flaw;
use super::objects::{Fetched, MAX_CONCURRENT};
use super::{Journal, JournalError};

/// A note from elsewhere than `log/checkpoints/`, and its checkpoint, unverified. The log must contain
/// this checkpoint if a key of the log has signed the note.
pub(super) type Witness<'n> = (&'n str, Checkpoint);

/// The intact part of the log, and the flaws.
pub(super) struct Walk {
    pub(super) log: VerifiedLog,
    /// The flaws that end the intact part.
    pub(super) findings: Vec<Finding>,
    /// The files after the last seal that do not belong there. They do not make the seals doubtful.
    pub(super) strays: Vec<Finding>,
    /// Whether a bad seal ended the walk.
    pub(super) ended: bool,
    /// For each witness, whether the log contains its checkpoint.
    pub(super) contains: Vec<bool>,
    /// The paths, from the journal's root, of the objects that may exist: those of the verified
    /// seals and of a seal in progress. Also the paths of the strays, which are reported already.
    paths: BTreeSet<String>,
    /// The keys, including those that the verified seals introduce.
    pub(super) keys: KeyChain,
}

/// The numbers of the objects in the folders `segments` and `checkpoints`, ascending.
type Listed = [(&'static str, Vec<u64>); 2];

impl Journal {
    /// Verifies all seals up to the first bad one, and the copies in `log/keys/` of the checkpoints
    /// that introduce keys. `whole` says whether to verify the other objects too, such as tiles.
    pub(super) async fn walk_log(
        &self,
        keys: KeyChain,
        witnesses: &[Witness<'_>],
        whole: bool,
    ) -> Result<Walk, JournalError> {
        let mut walk = Walk {
            log: VerifiedLog::default(),
            findings: Vec::new(),
            strays: Vec::new(),
            ended: false,
            contains: vec![false; witnesses.len()],
            paths: BTreeSet::new(),
            keys,
        };
        let listed: Listed = [
            ("segments", self.numbers("segments").await?),
            ("checkpoints", self.numbers("checkpoints").await?),
        ];
        let last = listed.iter().filter_map(|(_, numbers)| numbers.last());
        let last = last.max().copied().unwrap_or(0);
        let mut reads = stream::iter(1..=last)
            .map(|number| async move {
                let segment = self.segment(number).await;
                (number, segment, self.checkpoint(number).await)
            })
            .buffered(MAX_CONCURRENT);
        while let Some((number, segment, note)) = reads.next().await {
            let next = match (flaw_of(segment)?, flaw_of(note)?) {
                (Err(finding), _) | (_, Err(finding)) => Err(finding),
                (Ok(Some(segment)), Ok(Some(note))) => walk.take(&segment, &note, witnesses),
                (Ok(None), Ok(Some(note))) => Err(without_segment(number, &note)),
                (Ok(segment), Ok(None)) => match self.strays(number, &listed).await? {
                    Some(strays) => {
                        strays.into_iter().for_each(|stray| walk.stray(stray));
                        if let Some(segment) = segment {
                            self.begun(&mut walk, &segment, whole).await?;
                        }
                        break;
                    }
                    None => {
                        let folder = segment.map_or("segments", |_| "checkpoints");
                        Err(Finding::about(log_path(folder, number), Flaw::Dropped))
                    }
                },
            };
            match next {
                Ok(mut objects) => {
                    objects.retain(|object| whole || object.path.starts_with("keys/"));
                    let findings = self.check_objects(objects, &mut walk.paths).await?;
                    walk.findings.extend(findings);
                }
                Err(finding) => {
                    walk.findings.push(finding);
                    walk.ended = true;
                    break;
                }
            }
        }
        Ok(walk)
    }

    /// Adds the complete seals after those in `log`, which `keys` sign. Stops at the first bad one,
    /// and returns its flaw.
    pub(super) async fn add_later_seals(
        &self,
        log: &mut VerifiedLog,
        mut keys: KeyChain,
    ) -> Result<Option<Finding>, JournalError> {
        loop {
            let number = log.seals().saturating_add(1);
            let segment = flaw_of(self.segment(number).await)?;
            let pushed = match (segment, flaw_of(self.checkpoint(number).await)?) {
                (Ok(Some(segment)), Ok(Some(note))) => push(log, &mut keys, &segment, &note),
                (Err(finding), _) | (_, Err(finding)) => Err(finding),
                (Ok(None), _) | (_, Ok(None)) => return Ok(None),
            };
            if let Err(finding) = pushed {
                return Ok(Some(finding));
            }
        }
    }

    /// Returns a finding for each segment and checkpoint after seal `number` that is the copy of
    /// another one, or unreadable. `None` if there is a later seal. So a file with a high number
    /// does not make the seals below it look removed.
    async fn strays(
        &self,
        number: u64,
        listed: &Listed,
    ) -> Result<Option<Vec<Finding>>, JournalError> {
        let mut strays = Vec::new();
        for (folder, numbers) in listed {
            for later in numbers.iter().filter(|later| **later > number) {
                let proper = match *folder {
                    "segments" => flaw_of(self.segment(*later).await)?.is_ok(),
                    _ => flaw_of(self.checkpoint(*later).await)?
                        .is_ok_and(|note| note.is_none_or(|note| seal_of(&note) == Some(*later))),
                };
                if proper {
                    return Ok(None);
                }
                let why = format!("seal {later} does not exist, and this is no object of it");
                strays.push(Finding::about(log_path(folder, *later), Flaw::Foreign(why)));
            }
        }
        Ok(Some(strays))
    }

    /// Examines a segment that no checkpoint signs yet. With `whole`, also compares its records
    /// with those below `requests/`.
    async fn begun(
        &self,
        walk: &mut Walk,
        segment: &Segment,
        whole: bool,
    ) -> Result<(), JournalError> {
        let key = walk.keys.of_seal(segment.number);
        let size = walk.log.size();
        let flaw = match whole {
            true => self.unsigned(segment, size, key, Some(&walk.log)).await?,
            false => None,
        };
        match flaw {
            Some(finding) => walk.stray(finding),
            None => walk.begun(segment),
        }
        Ok(())
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

    /// Returns a finding for each object below `log/` that does not belong there.
    pub(super) fn foreign_to_log(&self, listed: &[ObjectMeta], walk: &Walk) -> Vec<Finding> {
        let paths = listed.iter().map(|object| &object.location);
        let strange = paths.filter(|path| {
            path.as_ref() != "log/checkpoint" && !walk.paths.contains(path.as_ref())
        });
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
        witnesses: &[Witness<'_>],
    ) -> Result<Vec<Object>, Finding> {
        let number = segment.number;
        let mut objects = push(&mut self.log, &mut self.keys, segment, note)?;
        if let Some((newest, _)) = self.log.newest() {
            for ((_, says), contains) in witnesses.iter().zip(&mut self.contains) {
                *contains |= newest == says;
            }
        }
        if segment.key_change.is_some() {
            objects.push(Object {
                path: format!("keys/{}", numbered(number)),
                bytes: note.as_bytes().to_vec(),
            });
        }
        for folder in ["segments", "checkpoints"] {
            self.paths.insert(log_path(folder, number));
        }
        Ok(objects)
    }

    /// Adds the paths of the objects that the newest segment's sealer may have created already.
    fn begun(&mut self, segment: &Segment) {
        self.paths.insert(log_path("segments", segment.number));
        let mut edge = self.log.edge().clone();
        for object in edge.append(segment.entries(), &mut Vec::new()) {
            self.paths.insert(format!("log/{}", object.path));
        }
        if segment.key_change.is_some() {
            self.paths.insert(log_path("keys", segment.number));
        }
    }

    fn stray(&mut self, finding: Finding) {
        self.paths.insert(finding.path.clone());
        self.strays.push(finding);
    }
}

/// Verifies the next seal and adds it to the log, and its new key to the keys. Returns the tiles and
/// entry bundles that the seal determines.
fn push(
    log: &mut VerifiedLog,
    keys: &mut KeyChain,
    segment: &Segment,
    note: &str,
) -> Result<Vec<Object>, Finding> {
    let number = segment.number;
    let key = keys.of_seal(number);
    let objects = log.push(segment, note, key).map_err(|flaw| {
        let opened = Checkpoint::open(note, key);
        let folder = match opened.is_ok_and(|opened| opened.number == number) {
            true => "segments",
            false => "checkpoints",
        };
        Finding::about(log_path(folder, number), flaw)
    })?;
    if let Some((newest, _)) = log.newest() {
        keys.follow(newest);
    }
    Ok(objects)
}

/// Separates the flaw of an object, which the walk reports, from a failure of the store, which ends
/// the walk.
pub(super) fn flaw_of<T>(
    read: Result<T, JournalError>,
) -> Result<Result<T, Finding>, JournalError> {
    match read {
        Ok(read) => Ok(Ok(read)),
        Err(JournalError::Damaged { finding, .. }) => Ok(Err(*finding)),
        Err(error) => Err(error),
    }
}

/// The seal whose checkpoint `note` claims to be.
fn seal_of(note: &str) -> Option<u64> {
    Checkpoint::unverified(note).ok().map(|read| read.number)
}

fn without_segment(number: u64, note: &str) -> Finding {
    match seal_of(note).filter(|seal| *seal != number) {
        Some(seal) => {
            let why = format!("it is the checkpoint of seal {seal}");
            Finding::about(log_path("checkpoints", number), Flaw::Foreign(why))
        }
        None => Finding::about(log_path("segments", number), Flaw::Dropped),
    }
}

fn log_path(folder: &str, number: u64) -> String {
    format!("log/{folder}/{}", numbered(number))
}
