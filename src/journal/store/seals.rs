//! Seals in the store: `seals/000001.seal` and on, created and never overwritten. In: who signs,
//! and the instant. Out: a seal over every record that none covers yet, or what the seals say of
//! the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::super::chain::{Chain, Finding};
use super::super::record::{Event, Flaw, Stored, StreamId};
use super::super::seal::{
    Checkpoint, Hash, Leaf, Log, MAX_LEAVES, NoteSigner, Proof, Seal, Tree, VerifierKey, seal_name,
    seal_number,
};
use super::objects::{Fetched, Put};
use super::{Journal, JournalError, Report};
use crate::domain::{Problem, Timestamp};

/// Streams of which new records are read at once, and records of each.
const STREAMS: usize = 8;
const RECORDS: u64 = 16;

/// What sealing did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealing {
    /// Records that were sealed by this call.
    pub sealed: u64,
    /// Records that are sealed now.
    pub size: u64,
    /// The newest checkpoint, a signed note: worth keeping where no writer of the journal can write.
    pub checkpoint: Option<String>,
    /// Records that are not what was written, and so were left out with all after them.
    pub left_out: Vec<Finding>,
    /// Whether another sealer was quicker; the next seal takes the rest.
    pub overtaken: bool,
}

impl Journal {
    /// Seals every record that no seal covers, by stream and number; what is written meanwhile is
    /// left to the next seal. Its cost grows with all records: it reads every earlier seal.
    ///
    /// # Errors
    /// A damaged seal, or one of another key: nothing is sealed on top of it. Else what the store said.
    pub async fn seal(&self, signer: &NoteSigner, now: Timestamp) -> Result<Sealing, JournalError> {
        let entries = self.unsealed_entries().await?;
        let log = self.whole_log(signer.verifier()).await?;
        let (leaves, left_out) = self.new_leaves(&log).await?;
        let mut sealing = Sealing {
            size: log.size(),
            checkpoint: log.newest().map(|(_, note)| note.to_owned()),
            left_out,
            ..Sealing::default()
        };
        let mut tree = log.tree().clone();
        for (number, part) in (log.seals() + 1..).zip(leaves.chunks(MAX_LEAVES)) {
            let seal = signed(&mut tree, signer, part, now);
            let path = self.path(&["seals", &seal_name(number)]);
            match self.create_at(&path, &seal.write()).await? {
                Put::Ours => {
                    sealing.sealed = sealing.sealed.saturating_add(part.len() as u64);
                    sealing.size = tree.size();
                    sealing.checkpoint = Some(seal.note);
                }
                Put::Theirs(_) | Put::TooLarge(_) => {
                    sealing.overtaken = true;
                    break;
                }
            }
        }
        if !sealing.overtaken {
            let new = |stream| leaves.iter().filter(|leaf| leaf.stream == stream).count();
            let sealed = |stream| (log.sealed(stream).len() + new(stream)) as u64;
            self.drop_sealed(&entries, sealed).await?;
        }
        Ok(sealing)
    }

    /// When the newest seal was made. Reads that one only.
    ///
    /// # Errors
    /// A newest seal that `key` has not signed; else what the store said.
    pub async fn sealed_at(&self, key: &VerifierKey) -> Result<Option<Timestamp>, JournalError> {
        let listed = self.list_seals().await?;
        let newest = listed
            .objects
            .iter()
            .filter_map(|o| o.location.filename().and_then(seal_number))
            .max();
        let Some(number) = newest else {
            return Ok(None);
        };
        let fetched = self
            .fetch_one(&self.path(&["seals", &seal_name(number)]))
            .await?;
        let broken = |why: String| self.damaged(self.about_seal(number, Flaw::BrokenSeal(why)));
        let Fetched::Bytes(bytes) = fetched else {
            return Err(broken("it cannot be read".to_owned()));
        };
        let seal = Seal::read(&bytes).map_err(|why| broken(why.to_owned()))?;
        let checkpoint =
            Checkpoint::open(&seal.note, key).map_err(|flaw| broken(flaw.to_string()))?;
        Ok(Some(checkpoint.at))
    }

    /// Checks every record against its chain and every seal: signature, growth from one checkpoint
    /// to the next, and that each sealed record is there unaltered. `kept` is an older checkpoint
    /// from elsewhere: only that shows that the newest seals themselves were removed. No seal
    /// covers the records that are newer than it.
    ///
    /// # Errors
    /// `kept` that `key` has not signed; else what the store said. What is wrong with the files is
    /// in the report.
    pub async fn verify_sealed(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
    ) -> Result<Report, JournalError> {
        self.verify_archived(key, kept, &[]).await
    }

    /// [`Journal::verify_sealed`], and each archived record's copy against what was sealed. Without
    /// archives, records that a sealed archived record stands for may be missing; they are counted.
    ///
    /// # Errors
    /// As there; also what an archive's store said.
    pub async fn verify_archived(
        &self,
        key: &VerifierKey,
        kept: Option<&str>,
        archives: &[Self],
    ) -> Result<Report, JournalError> {
        let kept = match kept {
            Some(note) => Some(Checkpoint::open(note, key).map_err(|flaw| {
                Problem::new(
                    "checkpoint",
                    flaw.to_string(),
                    "give one that `sharehook audit seal` printed",
                )
            })?),
            None => None,
        };
        let (log, findings) = self.read_log(key).await?;
        // Where a seal is damaged already, it is no news that the rest does not add up to the kept
        // checkpoint.
        let disagreement = kept
            .filter(|_| findings.is_empty())
            .and_then(|kept| log.agrees(&kept).err());
        let (last, whole) = (log.seals(), findings.is_empty());
        let mut report = self.verify_against(Arc::new(log), archives, whole).await?;
        self.verify_copied_seals(archives, &mut report).await?;
        for finding in findings {
            report.find(finding);
        }
        if let Some(flaw) = disagreement {
            report.find(self.about_seal(last.max(1), flaw));
        }
        report.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(report)
    }

    /// The proof that a record is sealed, as of the newest seal; without a number that of the
    /// newest sealed record, which bears the hashes of those before it. `None`: it is not sealed,
    /// or not what was sealed.
    ///
    /// # Errors
    /// A damaged seal; else what the store said.
    pub async fn prove(
        &self,
        key: &VerifierKey,
        stream: StreamId,
        seq: Option<u64>,
    ) -> Result<Option<Proof>, JournalError> {
        self.prove_archived(key, stream, seq, &[]).await
    }

    /// [`Journal::prove`], with the record taken from one of `archives` when it is not in the
    /// journal any more.
    ///
    /// # Errors
    /// As there; also what an archive's store said.
    pub async fn prove_archived(
        &self,
        key: &VerifierKey,
        stream: StreamId,
        seq: Option<u64>,
        archives: &[Self],
    ) -> Result<Option<Proof>, JournalError> {
        let log = self.whole_log(key).await?;
        let newest = (log.sealed(stream).len() as u64).checked_sub(1);
        let Some(seq) = seq.or(newest).filter(|seq| Some(*seq) <= newest) else {
            return Ok(None);
        };
        for place in [self].into_iter().chain(archives) {
            match place.fetch_one(&place.record_path(stream, seq)).await? {
                Fetched::Bytes(bytes) => return Ok(Proof::of(&log, stream, seq, &bytes)),
                Fetched::Absent => {}
                Fetched::TooLarge(_) => break,
            }
        }
        Ok(None)
    }

    /// Whether there is any seal.
    ///
    /// # Errors
    /// What the store said.
    pub async fn has_seals(&self) -> Result<bool, JournalError> {
        Ok(!self.list_seals().await?.objects.is_empty())
    }

    /// What all seals add up to.
    ///
    /// # Errors
    /// A damaged seal; else what the store said.
    pub async fn whole_log(&self, key: &VerifierKey) -> Result<Log, JournalError> {
        let (log, findings) = self.read_log(key).await?;
        match findings.into_iter().next() {
            Some(finding) => Err(self.damaged(finding)),
            None => Ok(log),
        }
    }

    /// All seals up to the first that is wrong, and what is wrong.
    async fn read_log(&self, key: &VerifierKey) -> Result<(Log, Vec<Finding>), JournalError> {
        let listed = self.list_seals().await?;
        let mut findings: Vec<Finding> = listed
            .common_prefixes
            .iter()
            .map(|path| self.foreign(path, "it is not a seal"))
            .collect();
        let mut end = 0;
        for object in &listed.objects {
            match object.location.filename().and_then(seal_number) {
                Some(number) => end = end.max(number),
                None => findings.push(self.foreign(&object.location, "its name is not a seal's")),
            }
        }
        let mut log = Log::default();
        for number in 1..=end {
            let pushed = match self
                .fetch_one(&self.path(&["seals", &seal_name(number)]))
                .await?
            {
                Fetched::Bytes(bytes) => log.push(&bytes, key),
                Fetched::Absent => Err(Flaw::Missing),
                Fetched::TooLarge(bytes) => Err(Flaw::TooLarge { bytes }),
            };
            if let Err(flaw) = pushed {
                findings.push(self.about_seal(number, flaw));
                break;
            }
        }
        Ok((log, findings))
    }

    /// Every record that no seal covers, in the order of a seal; and which were left out.
    async fn new_leaves(&self, log: &Log) -> Result<(Vec<Leaf>, Vec<Finding>), JournalError> {
        let mut waiting: Vec<(StreamId, u64, u64, Option<Hash>)> = Vec::new();
        for (stream, end) in self.ends().await? {
            let sealed = log.sealed(stream);
            if (sealed.len() as u64) < end {
                waiting.push((stream, sealed.len() as u64, end, sealed.last().copied()));
            }
        }
        let mut reads = JoinSet::new();
        let mut found: BTreeMap<StreamId, Vec<Leaf>> = BTreeMap::new();
        let mut left_out = Vec::new();
        loop {
            while reads.len() < STREAMS
                && let Some((stream, start, end, before)) = waiting.pop()
            {
                let journal = self.clone();
                reads.spawn(async move {
                    (
                        stream,
                        journal.new_leaves_of(stream, start, end, before).await,
                    )
                });
            }
            let Some(joined) = reads.join_next().await else {
                break;
            };
            let broken = |source| JournalError::BrokeOff {
                doing: "the sealing",
                source,
            };
            let (stream, read) = joined.map_err(broken)?;
            let (leaves, finding) = read?;
            found.insert(stream, leaves);
            left_out.extend(finding);
        }
        left_out.sort_by(|a, b| a.path.cmp(&b.path));
        Ok((found.into_values().flatten().collect(), left_out))
    }

    /// The records `start..end` of a stream as leaves, up to the first that does not follow the one
    /// before it.
    async fn new_leaves_of(
        &self,
        stream: StreamId,
        start: u64,
        end: u64,
        before: Option<Hash>,
    ) -> Result<(Vec<Leaf>, Option<Finding>), JournalError> {
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut before = before;
        for from in (start..end).step_by(RECORDS as usize) {
            let fetched = self.fetch(stream, from, end.min(from + RECORDS)).await?;
            for (seq, fetched) in (from..).zip(fetched) {
                match follows(&fetched, stream, seq, before) {
                    Ok((hash, archived)) => {
                        if archived && let Some(finding) = self.untrue(stream, seq).await? {
                            return Ok((leaves, Some(finding)));
                        }
                        leaves.push(Leaf { stream, seq, hash });
                        before = Some(hash);
                    }
                    Err(flaw) => return Ok((leaves, Some(Finding::of(stream, seq, flaw)))),
                }
            }
        }
        Ok((leaves, None))
    }

    /// Why an archived record does not say what the records before it add up to. Once it is sealed
    /// it may stand for them, so none is sealed that does not.
    async fn untrue(&self, stream: StreamId, seq: u64) -> Result<Option<Finding>, JournalError> {
        let mut chain = Chain::new(stream);
        for from in (0..=seq).step_by(RECORDS as usize) {
            for fetched in self
                .fetch(stream, from, seq.saturating_add(1).min(from + RECORDS))
                .await?
            {
                if let Err(finding) = chain.push(fetched.as_file()) {
                    return Ok(Some(finding));
                }
            }
        }
        Ok(None)
    }

    fn about_seal(&self, number: u64, flaw: Flaw) -> Finding {
        Finding {
            path: format!("seals/{}", seal_name(number)),
            stream: String::new(),
            seq: None,
            flaw,
        }
    }
}

/// The hash of a record that follows the one before it, and whether it archives the request.
fn follows(
    fetched: &Fetched,
    stream: StreamId,
    seq: u64,
    before: Option<Hash>,
) -> Result<(Hash, bool), Flaw> {
    let bytes = match fetched {
        Fetched::Bytes(bytes) => bytes,
        Fetched::Absent => return Err(Flaw::Missing),
        Fetched::TooLarge(bytes) => return Err(Flaw::TooLarge { bytes: *bytes }),
    };
    let stored = Stored::read(bytes)?;
    if stored.record.stream != stream {
        return Err(Flaw::Foreign(format!(
            "it belongs to stream {}",
            stored.record.stream
        )));
    }
    if stored.record.seq != seq {
        return Err(Flaw::Reordered {
            says: stored.record.seq,
        });
    }
    if stored.record.prev != before.map(hex::encode) {
        return Err(Flaw::Unlinked);
    }
    let mut hash: Hash = [0; 32];
    hex::decode_to_slice(&stored.hash, &mut hash)
        .map_err(|error| Flaw::Unreadable(error.to_string()))?;
    Ok((hash, matches!(stored.record.event, Event::Archived(_))))
}

/// The seal that adds `leaves` to the tree.
fn signed(tree: &mut Tree, signer: &NoteSigner, leaves: &[Leaf], now: Timestamp) -> Seal {
    leaves.iter().for_each(|leaf| tree.push(leaf.in_tree()));
    let origin = signer.verifier().name().to_owned();
    let checkpoint = Checkpoint {
        origin,
        size: tree.size(),
        root: tree.root(),
        at: now,
    };
    Seal {
        note: signer.sign(&checkpoint.to_string()),
        leaves: leaves.to_vec(),
    }
}
