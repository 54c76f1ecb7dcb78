//! The log as a verifier walks it, seal by seal. In: segments and checkpoints in the order of their
//! numbers, and the keys. Out: which record had which hash when it was sealed, or what is wrong with
//! which seal.

use std::collections::BTreeMap;

use super::super::record::{Flaw, StreamId};
use super::{Checkpoint, Edge, Entry, Hash, Object, Segment, VerifierKey};

/// What all seals up to one add up to. Its memory grows by about a hundred bytes with every sealed
/// record.
#[derive(Debug, Clone, Default)]
pub struct VerifiedLog {
    edge: Edge,
    leaves: Vec<Hash>,
    /// Each sealed record's hash, and the seal that has it.
    sealed: BTreeMap<StreamId, BTreeMap<u64, (Hash, u64)>>,
    records: u64,
    newest: Option<(Checkpoint, String)>,
}

impl VerifiedLog {
    /// Takes the next seal, and returns the tiles and bundles that belong to it. After an error the log is as it
    /// was before, and no later seal can follow.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::journal) fn push(
        &mut self,
        segment: &Segment,
        note: &str,
        key: &VerifierKey,
    ) -> Result<Vec<Object>, Flaw> {
        let broken = |why: &str| Err(Flaw::BrokenLog(why.to_owned()));
        let opened = Checkpoint::open(note, key);
        let checkpoint = opened.map_err(|flaw| Flaw::BrokenLog(flaw.to_string()))?;
        let number = self.seals().saturating_add(1);
        if (segment.number, segment.start) != (number, self.size()) {
            return broken("its segment does not follow the one before it");
        }
        let signed = (checkpoint.number, checkpoint.at, &checkpoint.key_change);
        if signed != (number, segment.at, &segment.key_change) {
            return broken("its checkpoint and its segment say different things");
        }
        let mut edge = self.edge.clone();
        let objects = edge.append(segment.records().iter().map(|(entry, _)| entry));
        if (edge.size(), edge.root()) != (checkpoint.size, checkpoint.root) {
            return broken("its records, or those before it, are not the ones that were signed");
        }
        let other = |entry: &&Entry| {
            let known = self.sealed(entry.stream).and_then(|of| of.get(&entry.seq));
            known.is_some_and(|(hash, _)| *hash != entry.hash)
        };
        let mut entries = segment.records().iter().map(|(entry, _)| entry);
        if entries.find(other).is_some() {
            return broken("it holds a record that an earlier seal holds with other bytes");
        }
        for (entry, _) in segment.records() {
            self.leaves.push(entry.leaf());
            let of_stream = self.sealed.entry(entry.stream).or_default();
            if let std::collections::btree_map::Entry::Vacant(free) = of_stream.entry(entry.seq) {
                free.insert((entry.hash, number));
                self.records += 1;
            }
        }
        self.edge = edge;
        self.newest = Some((checkpoint, note.to_owned()));
        Ok(objects)
    }

    /// A stream's sealed records by their numbers: hash, and the seal that has it.
    pub fn sealed(&self, stream: StreamId) -> Option<&BTreeMap<u64, (Hash, u64)>> {
        self.sealed.get(&stream)
    }

    /// The streams with a sealed record.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.sealed.keys().copied()
    }

    /// How many entries the log has.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// How many records are sealed. A record that two seals hold counts once.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// How many seals there are.
    pub fn seals(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(newest, _)| newest.number)
    }

    /// The newest checkpoint and its signed note.
    pub fn newest(&self) -> Option<(&Checkpoint, &str)> {
        let newest = self.newest.as_ref();
        newest.map(|(checkpoint, note)| (checkpoint, note.as_str()))
    }

    /// Every entry's hash, in the order of the log.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// The tree's right edge.
    pub(in crate::journal) fn edge(&self) -> &Edge {
        &self.edge
    }
}
