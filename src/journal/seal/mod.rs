//! Seals: signed checkpoints of a Merkle tree over all records, so that what no chain can see is
//! found too. Pure. In: records' hashes and a key. Out: seal files, what they add up to, proofs.
//! Knows no store and no clock.

mod checkpoint;
mod file;
mod log;
mod merkle;
mod note;
mod proof;

pub use checkpoint::Checkpoint;
pub use file::{Leaf, Seal};
pub use log::Log;
pub use merkle::{Hash, Tree, inclusion, inclusion_holds, leaf_hash};
pub use note::{NoteFlaw, NoteSigner, VerifierKey};
pub use proof::{Proof, ProofFlaw};

/// A seal holds so many records at most; more of them go into the next one.
pub(in crate::journal) const MAX_LEAVES: usize = 20_000;

/// The name of seal `n`'s file, counted from 1: `000001.seal`.
pub(in crate::journal) fn seal_name(n: u64) -> String {
    format!("{n:06}.seal")
}

/// The seal's number that a file's name says, when it is exactly what [`seal_name`] writes.
pub(in crate::journal) fn seal_number(name: &str) -> Option<u64> {
    let n = name.strip_suffix(".seal")?.parse().ok()?;
    (n > 0 && seal_name(n) == name).then_some(n)
}
