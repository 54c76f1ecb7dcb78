//! Proofs that can be verified with a public key alone: that a sealed journal contains a request's
//! records, and that one checkpoint continues another. Takes a log and the bytes of records, or a
//! proof's JSON; returns the proof, or why it is invalid.

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

/// The values of `format` in a [`Proof`] and, below, in a [`ConsistencyProof`].
const REQUEST: &str = "sharehook-request-2";
const CONSISTENCY: &str = "sharehook-consistency-1";

/// One request's records, with the proof that they were sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    stream: StreamId,
    /// The request's records, from record 0 on.
    records: Vec<ProvenRecord>,
    /// The signed checkpoint with the root to which each path leads.
    checkpoint: String,
    /// The checkpoints that introduced keys, oldest first.
    keys: Vec<String>,
}

/// A record and its place in the tree.
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

/// An older and a newer checkpoint, and the proof that the log only grew in between.
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
    /// The proof contains a checkpoint that is not trusted.
    #[error("one of its checkpoints cannot be trusted: {0}")]
    Checkpoint(#[from] NoteFlaw),
    /// The path of the record with this number does not lead to the signed root.
    #[error("the path of record {0} does not lead from the record to the signed root")]
    Path(u64),
    /// The newer tree does not continue the older one.
    #[error("its path does not lead from the older checkpoint to the newer one")]
    Inconsistent,
}

impl Proof {
    /// Builds the proof for the records in `files`, from record 0 on. `None`: a record is not
    /// sealed, or differs from what was sealed.
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

    /// Verifies offline that the signed tree contains each record of the proof, and returns the
    /// tree's checkpoint. `key` is a trusted key of the journal. Does not verify that the records
    /// follow each other; `Chain` verifies that.
    pub fn check(&self, key: &VerifierKey) -> Result<Checkpoint, ProofFlaw> {
        let checkpoint = opened(&self.checkpoint, key, &self.keys)?;
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

    /// The records' files, from record 0 on.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.records.iter().map(|record| record.record.as_str())
    }
}

impl ConsistencyProof {
    /// Builds the proof that the newest checkpoint continues `old`, whose note is `note`. `None` if
    /// `old` has no entries, or more than the log.
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

    /// Verifies the proof offline. Returns the older and the newer checkpoint.
    pub fn check(&self, key: &VerifierKey) -> Result<(Checkpoint, Checkpoint), ProofFlaw> {
        let old = opened(&self.old, key, &self.keys)?;
        let new = opened(&self.new, key, &self.keys)?;
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

/// Opens a checkpoint that one of the journal's keys has signed. `keys` are the checkpoints that
/// link that key to `trusted`.
fn opened(note: &str, trusted: &VerifierKey, keys: &[String]) -> Result<Checkpoint, ProofFlaw> {
    let chain = KeyChain::of(trusted, keys)?;
    let number = Checkpoint::unverified(note)?.number;
    Ok(Checkpoint::open(note, chain.of_seal(number))?)
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
