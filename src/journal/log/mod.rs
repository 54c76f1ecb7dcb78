//! The transparency log over all records, in the layout of <https://c2sp.org/tlog-tiles>. Takes the
//! bytes of records and a key. Returns segments, tiles, checkpoints and proofs. Does no I/O.
//!
//! Segment *n* contains the records of seal *n*. The tiles, the entry bundles and checkpoint *n*
//! can be computed from this segment and the log before it. Any sealer can therefore complete a
//! seal that was interrupted.

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

/// Returns the file name of the segment, checkpoint or key note of seal `n`. For example, the name
/// for the first seal, which has the number 1, is `000001`.
pub(in crate::journal) fn numbered(n: u64) -> String {
    format!("{n:06}")
}

/// Returns the number in a file name, or `None` if [`numbered`] does not write such a name.
pub(in crate::journal) fn number_of(name: &str) -> Option<u64> {
    let n = name.parse().ok()?;
    (n > 0 && numbered(n) == name).then_some(n)
}
