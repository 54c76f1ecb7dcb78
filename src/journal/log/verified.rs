//! Verifies the log by rebuilding it seal by seal. Takes the segments and checkpoints in order, and
//! the keys. Returns the sealed hash of each record, or the flaw of the first bad seal.

use std::collections::BTreeMap;

use super::super::record::{Flaw, StreamId};
use super::{Checkpoint, Edge, Entry, Hash, Object, Segment, VerifierKey};

/// The verified content of all seals so far. It uses about a hundred bytes of memory per sealed
/// record.
#[derive(Debug, Clone, Default)]
pub struct VerifiedLog {
    edge: Edge,
    leaves: Vec<Hash>,
    /// The hash of each sealed record, and the number of the seal that contains the record.
    sealed: BTreeMap<StreamId, BTreeMap<u64, (Hash, u64)>>,
    records: u64,
    newest: Option<(Checkpoint, String)>,
}

impl VerifiedLog {
    /// Verifies the next seal and adds it. Returns the tiles and entry bundles that belong to the
    /// seal. If this fails, the `VerifiedLog` is unchanged, and no later seal can be added.
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
            return broken("segment and checkpoint differ in number, instant or key");
        }
        let mut edge = self.edge.clone();
        let mut leaves = Vec::new();
        let objects = edge.append(segment.entries(), &mut leaves);
        if (edge.size(), edge.root()) != (checkpoint.size, checkpoint.root) {
            return broken(
                "the checkpoint's root is not that of the records in this segment and the earlier ones",
            );
        }
        if self.contradicted(segment).is_some() {
            return broken(
                "it has a record that differs from the same record in an earlier segment",
            );
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

    /// Returns an entry of `segment` whose record an earlier seal has with other bytes.
    pub(in crate::journal) fn contradicted<'s>(&self, segment: &'s Segment) -> Option<&'s Entry> {
        let other = |entry: &Entry| self.hash_of(entry).is_some_and(|hash| hash != entry.hash);
        segment.entries().find(|entry| other(entry))
    }

    /// The sealed hash of the record in the entry's place.
    pub(in crate::journal) fn hash_of(&self, entry: &Entry) -> Option<Hash> {
        let of_stream = self.sealed(entry.stream)?;
        of_stream.get(&entry.seq).map(|(hash, _)| *hash)
    }

    /// Returns the sealed records of a stream by their numbers. For each record, the value is the
    /// record's hash and the number of the seal that contains it.
    pub fn sealed(&self, stream: StreamId) -> Option<&BTreeMap<u64, (Hash, u64)>> {
        self.sealed.get(&stream)
    }

    /// Returns the streams that have sealed records.
    pub fn streams(&self) -> impl Iterator<Item = StreamId> {
        self.sealed.keys().copied()
    }

    /// The number of entries in the log.
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The number of sealed records. A record that is in two seals is counted once.
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
