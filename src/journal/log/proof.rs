//! Proofs that can be verified offline with a public key. A [`Proof`] shows that a sealed journal
//! contains the records of a request. A [`ConsistencyProof`] shows that the log of a newer
//! checkpoint continues the log of an older one. Proofs are stored as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::record::StreamId;
use super::{
    Checkpoint, Entry, Hash, KeyChain, NoteFlaw, VerifiedLog, VerifierKey, consistency,
    consistency_holds, inclusion, inclusion_holds,
};

/// The value of `format` in a [`Proof`].
const REQUEST: &str = "sharehook-request-2";
/// The value of `format` in a [`ConsistencyProof`].
const CONSISTENCY: &str = "sharehook-consistency-1";

/// The records of one request, with the proof that they were sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    stream: StreamId,
    /// The records of the request, starting with record 0.
    records: Vec<ProvenRecord>,
    /// The signed checkpoint that contains the root of the tree.
    checkpoint: String,
    /// The checkpoints that introduced keys, oldest first.
    keys: Vec<String>,
}

/// A record, with the index of its leaf and the proof that the tree contains it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvenRecord {
    /// The record's file, as text.
    record: String,
    /// The index of the record's leaf in the tree, from 0.
    index: u64,
    /// The sibling hashes on the path from the leaf to the root, in base64.
    path: Vec<String>,
}

/// An older and a newer checkpoint, with the proof that the log was only appended to in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    format: String,
    old: String,
    new: String,
    /// The proof's hashes (RFC 6962, 2.1.2), in base64.
    path: Vec<String>,
    keys: Vec<String>,
}

/// Why a proof is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFlaw {
    /// The text is not a proof of this program.
    #[error("it is not a proof of this program: {0}")]
    Malformed(String),
    /// A checkpoint in the proof cannot be trusted.
    #[error("one of its checkpoints cannot be trusted: {0}")]
    Checkpoint(#[from] NoteFlaw),
    /// The path of the record with this number does not lead to the signed root.
    #[error("the path of record {0} does not lead from the record to the signed root")]
    Path(u64),
    /// The newer tree does not continue the older one.
    #[error("its path does not lead from the older checkpoint to the newer one")]
    Inconsistent,
    /// The newer checkpoint is of an earlier seal, or the log lacks the key that the older one
    /// introduces.
    #[error("the newer checkpoint does not follow the older one: a seal was removed")]
    Removed,
}

impl Proof {
    /// Builds the proof for the records of a stream. `files` are the bytes of these records,
    /// starting with record 0. Returns `None` if a record is not sealed, or differs from the record
    /// that was sealed.
    pub fn of(
        log: &VerifiedLog,
        keys: Vec<String>,
        stream: StreamId,
        files: &[impl AsRef<[u8]>],
    ) -> Option<Self> {
        let (_, note) = log.newest()?;
        let records = (0..).zip(files).map(|(seq, file)| {
            let hash = Sha256::digest(file).into();
            let leaf = Entry { stream, seq, hash }.leaf();
            let index = log.leaves().iter().position(|known| *known == leaf)?;
            Some(ProvenRecord {
                record: String::from_utf8(file.as_ref().to_vec()).ok()?,
                index: index as u64,
                path: written(&inclusion(log.leaves(), index)?),
            })
        });
        Some(Self {
            format: REQUEST.to_owned(),
            stream,
            records: records.collect::<Option<_>>()?,
            checkpoint: note.to_owned(),
            keys,
        })
    }

    /// Reads a proof's JSON.
    pub fn read(text: &str) -> Result<Self, ProofFlaw> {
        parsed(text, REQUEST, |proof: &Self| &proof.format)
    }

    /// Verifies that the signed tree contains each record of the proof, and returns the checkpoint
    /// of this tree. `key` is a trusted key of the journal. This does not verify that each record
    /// continues the record before it, which `Chain` does.
    pub fn check(&self, key: &VerifierKey) -> Result<Checkpoint, ProofFlaw> {
        let checkpoint = KeyChain::of(key, &self.keys)?.open(&self.checkpoint)?;
        for (seq, record) in (0..).zip(&self.records) {
            let hash = Sha256::digest(record.record.as_bytes()).into();
            let leaf = Entry {
                stream: self.stream,
                seq,
                hash,
            }
            .leaf();
            let path = hashes(&record.path)?;
            if !inclusion_holds(
                &leaf,
                record.index,
                checkpoint.size,
                &path,
                &checkpoint.root,
            ) {
                return Err(ProofFlaw::Path(seq));
            }
        }
        Ok(checkpoint)
    }

    /// The stream of the proven records.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Returns the contents of the record files, starting with record 0.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.record.as_str())
    }
}

impl ConsistencyProof {
    /// Builds the proof that the newest checkpoint of `log` continues the checkpoint `old`. `note`
    /// is the signed text of `old`. Returns `None` if `old` has no entries, or has more entries
    /// than `log`.
    pub fn of(log: &VerifiedLog, keys: Vec<String>, old: &Checkpoint, note: &str) -> Option<Self> {
        let (_, new) = log.newest()?;
        let path = consistency(log.leaves(), usize::try_from(old.size).ok()?)?;
        Some(Self {
            format: CONSISTENCY.to_owned(),
            old: note.to_owned(),
            new: new.to_owned(),
            path: written(&path),
            keys,
        })
    }

    /// Reads a proof's JSON.
    pub fn read(text: &str) -> Result<Self, ProofFlaw> {
        parsed(text, CONSISTENCY, |proof: &Self| &proof.format)
    }

    /// Verifies the proof, and returns the older and the newer checkpoint.
    pub fn check(&self, key: &VerifierKey) -> Result<(Checkpoint, Checkpoint), ProofFlaw> {
        let chain = KeyChain::of(key, &self.keys)?;
        let [old, new] = [chain.open(&self.old)?, chain.open(&self.new)?];
        // A seal that introduces a key has the size and the root of the seal before it, so these
        // do not show whether it was removed.
        let lost = |change| new.number > old.number && !chain.has_change(old.number, change);
        let rewritten = new.number == old.number && new != old;
        if new.number < old.number || rewritten || old.key_change.as_ref().is_some_and(lost) {
            return Err(ProofFlaw::Removed);
        }
        let path = hashes(&self.path)?;
        if consistency_holds((old.size, &old.root), (new.size, &new.root), &path) {
            Ok((old, new))
        } else {
            Err(ProofFlaw::Inconsistent)
        }
    }
}

fn parsed<T: DeserializeOwned>(
    text: &str,
    format: &str,
    says: impl Fn(&T) -> &String,
) -> Result<T, ProofFlaw> {
    let proof: T =
        serde_json::from_str(text).map_err(|error| ProofFlaw::Malformed(error.to_string()))?;
    if says(&proof) == format {
        Ok(proof)
    } else {
        Err(ProofFlaw::Malformed(format!("its format is not {format}")))
    }
}

fn written(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| STANDARD.encode(hash)).collect()
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, ProofFlaw> {
    let read = |text: &String| Hash::try_from(STANDARD.decode(text).ok()?).ok();
    let path: Option<Vec<Hash>> = path.iter().map(read).collect();
    path.ok_or_else(|| {
        ProofFlaw::Malformed("its path contains something that is not a hash".to_owned())
    })
}
