//! The log as a verifier rebuilds it, seal by seal. Takes segments and checkpoints in order, and
//! the keys. Returns the sealed hash of each record, or the flaw of the first bad seal.

use std::collections::BTreeMap;

use super::super::record::{Flaw, StreamId};
use super::{Checkpoint, Edge, Entry, Hash, Object, Segment, VerifierKey};

/// The verified content of all seals so far. Memory grows by about a hundred bytes per sealed
/// record.
#[derive(Debug, Clone, Default)]
pub struct VerifiedLog {
    edge: Edge,
    leaves: Vec<Hash>,
    /// Each sealed record's hash, and the number of its seal.
    sealed: BTreeMap<StreamId, BTreeMap<u64, (Hash, u64)>>,
    records: u64,
    newest: Option<(Checkpoint, String)>,
}

impl VerifiedLog {
    /// Applies the next seal. Returns the tiles and bundles that the seal determines. After an
    /// error the log is unchanged, and no later seal can follow.
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
            return broken("its checkpoint differs from its segment in number, instant or key");
        }
        let mut edge = self.edge.clone();
        let mut leaves = Vec::new();
        let objects = edge.append(segment.entries(), &mut leaves);
        if (edge.size(), edge.root()) != (checkpoint.size, checkpoint.root) {
            return broken(
                "the checkpoint signs other records than this segment and the earlier ones have",
            );
        }
        let other = |entry: &&Entry| {
            let known = self.sealed(entry.stream).and_then(|of| of.get(&entry.seq));
            known.is_some_and(|(hash, _)| *hash != entry.hash)
        };
        if segment.entries().find(other).is_some() {
            return broken("it contains a record that an earlier seal has with other bytes");
        }
        self.leaves.extend(leaves);
        for entry in segment.entries() {
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

    /// A stream's sealed records, by number: each one's hash, and the number of its seal.
    pub fn sealed(&self, stream: StreamId) -> Option<&BTreeMap<u64, (Hash, u64)>> {
        self.sealed.get(&stream)
    }

    /// The streams with a sealed record.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.sealed.keys().copied()
    }

    /// The log's number of entries.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The number of sealed records. A record in two seals is counted once.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The number of seals.
    pub fn seals(&self) -> u64 {
        self.newest.as_ref().map_or(0, |(newest, _)| newest.number)
    }

    /// The newest checkpoint and its signed note.
    pub fn newest(&self) -> Option<(&Checkpoint, &str)> {
        let newest = self.newest.as_ref();
        newest.map(|(checkpoint, note)| (checkpoint, note.as_str()))
    }

    /// The leaf hash of every entry, in order.
    pub fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    pub(in crate::journal) fn edge(&self) -> &Edge {
        &self.edge
    }
}
