//! All seals together. In: seal files in the order of their numbers, and the key. Out: which record
//! had which hash when it was sealed, or what is wrong with which seal.

use std::collections::BTreeMap;

use super::super::record::{Flaw, StreamId};
use super::{Checkpoint, Hash, Leaf, NoteFlaw, Seal, Tree, VerifierKey};

/// What all seals up to one add up to. Its memory grows by about a hundred bytes with every sealed
/// record.
#[derive(Debug, Clone, Default)]
pub struct Log {
    tree: Tree,
    leaves: Vec<Leaf>,
    sealed: BTreeMap<StreamId, Vec<Hash>>,
    /// The seal with each stream's newest sealed record.
    newest_seals: BTreeMap<StreamId, u64>,
    newest: Option<(Checkpoint, String)>,
    seals: u64,
}

impl Log {
    /// Takes the next seal. After an error the log is as it was before, and no later seal can
    /// follow.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn push(&mut self, bytes: &[u8], key: &VerifierKey) -> Result<(), Flaw> {
        let broken = |why: &str| Flaw::BrokenSeal(why.to_owned());
        let seal = Seal::read(bytes).map_err(broken)?;
        let told = |flaw: NoteFlaw| Flaw::BrokenSeal(flaw.to_string());
        let checkpoint = Checkpoint::open(&seal.note, key).map_err(told)?;
        let mut tree = self.tree.clone();
        seal.leaves
            .iter()
            .for_each(|leaf| tree.push(leaf.in_tree()));
        if seal.leaves.is_empty() || tree.size() != checkpoint.size {
            return Err(broken(
                "its records do not add up to the size that was signed",
            ));
        }
        if tree.root() != checkpoint.root {
            return Err(broken(
                "its records, or those of the seals before it, are not the ones that were signed",
            ));
        }
        let mut next: BTreeMap<StreamId, u64> = BTreeMap::new();
        for leaf in &seal.leaves {
            let expected = next
                .entry(leaf.stream)
                .or_insert_with(|| self.sealed(leaf.stream).len() as u64);
            if leaf.seq != *expected {
                return Err(broken(
                    "it seals a record before the one that it follows, or twice",
                ));
            }
            *expected += 1;
        }
        self.tree = tree;
        self.seals += 1;
        for leaf in &seal.leaves {
            self.sealed.entry(leaf.stream).or_default().push(leaf.hash);
            self.newest_seals.insert(leaf.stream, self.seals);
        }
        self.leaves.extend(seal.leaves);
        self.newest = Some((checkpoint, seal.note));
        Ok(())
    }

    /// Whether an older checkpoint, kept elsewhere, is one of this log's own past.
    ///
    /// # Errors
    /// What cannot be true of a journal from which nothing was taken.
    pub fn agrees(&self, kept: &Checkpoint) -> Result<(), Flaw> {
        if kept.size > self.size() {
            return Err(Flaw::BrokenSeal(format!(
                "the checkpoint of {} knows {} sealed records and the journal only {}: the newest seals were removed",
                kept.at,
                kept.size,
                self.size()
            )));
        }
        let mut tree = Tree::default();
        self.leaves
            .iter()
            .zip(0..kept.size)
            .for_each(|(leaf, _)| tree.push(leaf.in_tree()));
        if tree.root() == kept.root {
            return Ok(());
        }
        let at = kept.at;
        Err(Flaw::BrokenSeal(format!(
            "the checkpoint of {at} is not of this journal's past: it was rewritten"
        )))
    }

    /// The hashes of a stream's sealed records, from record 0 on.
    pub fn sealed(&self, stream: StreamId) -> &[Hash] {
        self.sealed.get(&stream).map_or(&[], Vec::as_slice)
    }

    /// The number of the seal that covers a stream's newest sealed record; 0 when none is sealed.
    pub fn sealed_in(&self, stream: StreamId) -> u64 {
        self.newest_seals.get(&stream).copied().unwrap_or(0)
    }

    /// The streams with a sealed record.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.sealed.keys().copied()
    }

    /// Every sealed record, in the order of the tree.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// How many records are sealed.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// How many seals there are.
    pub fn seals(&self) -> u64 {
        self.seals
    }

    /// The newest checkpoint and its signed note.
    pub fn newest(&self) -> Option<(&Checkpoint, &str)> {
        self.newest
            .as_ref()
            .map(|(checkpoint, note)| (checkpoint, note.as_str()))
    }

    /// The tree as it is now, to be grown by the next seal.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }
}
