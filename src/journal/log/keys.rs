//! The sequence of a journal's keys. Takes a trusted key and the checkpoints that introduce keys.
//! Returns the key for each seal.

use super::{Checkpoint, KeyChange, NoteFlaw, VerifierKey};

/// The known keys of a journal, oldest first. The checkpoint that introduces a key is signed by
/// this key and by the key before it. A verifier that trusts one key can therefore trust all of
/// them.
#[derive(Debug, Clone)]
pub struct KeyChain {
    first: VerifierKey,
    /// The keys after `first`, each with the number of the seal that introduces it.
    changes: Vec<(u64, VerifierKey)>,
}

impl KeyChain {
    /// Builds the sequence that contains `trusted`. `notes` are the checkpoints that introduce
    /// keys, oldest first.
    ///
    /// # Errors
    /// Fails if a note introduces no key, is not signed by both of its keys, or does not continue
    /// the note before it, or if `trusted` is not among the keys.
    pub fn of(trusted: &VerifierKey, notes: &[String]) -> Result<Self, NoteFlaw> {
        let chain = Self::read(notes)?.unwrap_or_else(|| Self::from(trusted.clone()));
        if chain.has(trusted) {
            Ok(chain)
        } else {
            Err(NoteFlaw::Unsigned(trusted.to_string()))
        }
    }

    /// Builds the sequence of the keys in `notes`, without a trusted key. Returns `None` if there
    /// are no notes.
    ///
    /// # Errors
    /// Fails if a note introduces no key, is not signed by both of its keys, or does not continue
    /// the note before it.
    pub fn read(notes: &[String]) -> Result<Option<Self>, NoteFlaw> {
        let mut chain = None;
        for note in notes {
            let read = Checkpoint::unverified(note)?;
            let change = read
                .key_change
                .ok_or(NoteFlaw::Malformed("it introduces no key"))?;
            let chain = chain.get_or_insert_with(|| Self::from(change.old.clone()));
            if *chain.newest() != change.old {
                return Err(NoteFlaw::Malformed("its old key is not the previous key"));
            }
            Checkpoint::open(note, &change.old)?;
            chain.changes.push((read.number, change.new));
        }
        Ok(chain)
    }

    /// Adds the key that a verified checkpoint introduces, unless the sequence already contains it.
    pub fn follow(&mut self, checkpoint: &Checkpoint) {
        let known = self.changes.last().map_or(0, |(seal, _)| *seal);
        if let Some(change) = &checkpoint.key_change
            && known < checkpoint.number
        {
            self.changes.push((checkpoint.number, change.new.clone()));
        }
    }

    /// Verifies a signed checkpoint with the key that signed its seal, and returns the checkpoint.
    pub fn open(&self, note: &str) -> Result<Checkpoint, NoteFlaw> {
        let number = Checkpoint::unverified(note)?.number;
        Checkpoint::open(note, self.of_seal(number))
    }

    /// Returns the key that signs seal `number`. If the seal introduces a key, returns the key
    /// before that.
    pub fn of_seal(&self, number: u64) -> &VerifierKey {
        let before = self.changes.iter().rev().find(|(seal, _)| *seal < number);
        before.map_or(&self.first, |(_, key)| key)
    }

    /// The key that signs new seals.
    pub fn newest(&self) -> &VerifierKey {
        self.changes.last().map_or(&self.first, |(_, key)| key)
    }

    /// Whether `key` is one of the keys.
    pub fn has(&self, key: &VerifierKey) -> bool {
        let mut later = self.changes.iter().map(|(_, key)| key);
        self.first == *key || later.any(|known| known == key)
    }

    /// Whether seal `number` introduces the new key of `change`.
    pub fn has_change(&self, number: u64, change: &KeyChange) -> bool {
        let new = (number, change.new.clone());
        *self.of_seal(number) == change.old && self.changes.contains(&new)
    }
}

impl From<VerifierKey> for KeyChain {
    /// Creates the sequence of a journal that has always had the same key.
    fn from(first: VerifierKey) -> Self {
        Self {
            first,
            changes: Vec::new(),
        }
    }
}
