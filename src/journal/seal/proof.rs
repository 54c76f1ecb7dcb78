//! The proof that one record is in a sealed journal: complete in itself, checked with nothing but
//! the public key. In: a log and a record's bytes, or a proof's JSON. Out: the proof, or why it
//! proves nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::super::record::StreamId;
use super::{Checkpoint, Hash, Leaf, Log, NoteFlaw, VerifierKey, inclusion, inclusion_holds};

/// The kind of proof that this program writes.
const FORMAT: &str = "sharehook-inclusion-1";

/// One record with everything that shows where it was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    format: String,
    stream: StreamId,
    seq: u64,
    /// SHA-256, hex, of the record's file.
    sha256: String,
    /// The file itself, as text.
    record: String,
    /// Which leaf of the tree it is, from 0.
    index: u64,
    /// The hashes beside its way to the root, from below, in base64.
    path: Vec<String>,
    /// The signed checkpoint whose root it leads to.
    checkpoint: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFlaw {
    /// It is no proof of this program's.
    #[error("it is not a proof of this program's: {0}")]
    Malformed(String),
    /// The checkpoint is not believed.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] NoteFlaw),
    /// The record in it is not the one that was sealed.
    #[error("the record in it is not the one whose hash it names")]
    Record,
    /// The hashes do not lead to the signed root.
    #[error("its path does not lead from the record to the signed root")]
    Path,
}

impl Proof {
    /// The proof of record `seq` of `stream`, of which `bytes` are the file. `None`: it is not
    /// sealed, or the bytes are not the ones that were.
    pub fn of(log: &Log, stream: StreamId, seq: u64, bytes: &[u8]) -> Option<Self> {
        let index = log
            .leaves()
            .iter()
            .position(|leaf| leaf.stream == stream && leaf.seq == seq)?;
        let leaf = log.leaves().get(index)?;
        let (_, note) = log.newest()?;
        if <Hash>::from(Sha256::digest(bytes)) != leaf.hash {
            return None;
        }
        let leaves: Vec<Hash> = log.leaves().iter().map(Leaf::in_tree).collect();
        Some(Self {
            format: FORMAT.to_owned(),
            stream,
            seq,
            sha256: hex::encode(leaf.hash),
            record: String::from_utf8(bytes.to_vec()).ok()?,
            index: index as u64,
            path: inclusion(&leaves, index)?
                .iter()
                .map(|hash| STANDARD.encode(hash))
                .collect(),
            checkpoint: note.to_owned(),
        })
    }

    /// Reads a proof's JSON.
    ///
    /// # Errors
    /// [`ProofFlaw::Malformed`].
    pub fn read(text: &str) -> Result<Self, ProofFlaw> {
        let proof: Self =
            serde_json::from_str(text).map_err(|error| ProofFlaw::Malformed(error.to_string()))?;
        if proof.format == FORMAT {
            Ok(proof)
        } else {
            Err(ProofFlaw::Malformed(format!("its format is not {FORMAT}")))
        }
    }

    /// Checks it offline.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn check(&self, key: &VerifierKey) -> Result<Checkpoint, ProofFlaw> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        let hash: Hash = Sha256::digest(self.record.as_bytes()).into();
        if hex::encode(hash) != self.sha256 {
            return Err(ProofFlaw::Record);
        }
        let leaf = Leaf {
            stream: self.stream,
            seq: self.seq,
            hash,
        }
        .in_tree();
        let path: Option<Vec<Hash>> = self
            .path
            .iter()
            .map(|text| Hash::try_from(STANDARD.decode(text).ok()?).ok())
            .collect();
        let path =
            path.ok_or_else(|| ProofFlaw::Malformed("a hash of its path is none".to_owned()))?;
        if inclusion_holds(&leaf, self.index, checkpoint.size, &path, &checkpoint.root) {
            Ok(checkpoint)
        } else {
            Err(ProofFlaw::Path)
        }
    }

    /// The record that is proven: its stream and number.
    pub fn about(&self) -> (StreamId, u64) {
        (self.stream, self.seq)
    }

    /// The record's line of JSON, as it was stored.
    pub fn record(&self) -> &str {
        self.record.lines().next().unwrap_or_default()
    }
}
