//! The transparency log over all records, in the layout of <https://c2sp.org/tlog-tiles>. Takes the
//! bytes of records and a key; returns segments, tiles, checkpoints and proofs. Does no I/O.
//!
//! Segment *n* contains the records of seal *n*. The segment and the log before it determine tiles,
//! entry bundles and checkpoint *n*, so that any sealer can complete an interrupted seal.

mod checkpoint;
mod entry;
mod key_change;
mod keys;
mod merkle;
mod note;
mod proof;
mod segment;
mod tile;
mod verified;

pub use checkpoint::Checkpoint;
pub use entry::Entry;
pub use key_change::KeyChange;
pub use keys::KeyChain;
pub use merkle::{
    Hash, consistency, consistency_holds, inclusion, inclusion_holds, leaf_hash, root,
};
pub use note::{NoteFlaw, NoteSigner, VerifierKey, claimed_signer};
pub use proof::{ConsistencyProof, Proof, ProofFlaw};
#[doc(hidden)]
pub use segment::records_in_segment;
pub(in crate::journal) use segment::{MAX_SEGMENT_BYTES, Segment};
pub(in crate::journal) use tile::{Edge, Object, bundles, partial_bundle, partial_tiles};
pub use verified::VerifiedLog;

/// The name of the segment, checkpoint or key note of seal `n`, counted from 1: `000001`.
pub(in crate::journal) fn numbered(n: u64) -> String {
    format!("{n:06}")
}

/// The number in a file name, if the name is exactly what [`numbered`] writes.
pub(in crate::journal) fn number_of(name: &str) -> Option<u64> {
    let n = name.parse().ok()?;
    (n > 0 && numbered(n) == name).then_some(n)
}
