//! The sequence of a journal's keys. Takes a trusted key and the checkpoints that introduce keys;
//! returns the key for each seal.

use super::{Checkpoint, NoteFlaw, VerifierKey};

/// Every key of a journal. A key and its predecessor both sign the checkpoint that introduces the
/// key, so trust in one key extends to all.
#[derive(Debug, Clone)]
pub struct KeyChain {
    first: VerifierKey,
    /// The later keys, each with the number of the seal that introduces it.
    changes: Vec<(u64, VerifierKey)>,
}

impl KeyChain {
    /// Builds the sequence that contains `trusted`. `notes` are the checkpoints that introduce
    /// keys, oldest first.
    ///
    /// # Errors
    /// A note lacks the signature of one of its two keys, a note does not continue the previous
    /// one, or `trusted` is not among the keys.
    pub fn of(trusted: &VerifierKey, notes: &[String]) -> Result<Self, NoteFlaw> {
        let mut chain = Self {
            first: trusted.clone(),
            changes: Vec::new(),
        };
        for note in notes {
            let read = Checkpoint::unverified(note)?;
            let change = read
                .key_change
                .ok_or(NoteFlaw::Malformed("it introduces no key"))?;
            if chain.changes.is_empty() {
                chain.first = change.old.clone();
            }
            if *chain.newest() != change.old {
                return Err(NoteFlaw::Malformed("it does not follow the key before it"));
            }
            Checkpoint::open(note, &change.old)?;
            chain.changes.push((read.number, change.new));
        }
        if chain.keys().any(|key| key == trusted) {
            Ok(chain)
        } else {
            Err(NoteFlaw::Unsigned(trusted.to_string()))
        }
    }

    /// Returns the key that signs seal `number`: the older one if the seal introduces a key.
    pub fn of_seal(&self, number: u64) -> &VerifierKey {
        let before = self.changes.iter().rev().find(|(seal, _)| *seal < number);
        before.map_or(&self.first, |(_, key)| key)
    }

    /// The key that signs new seals.
    pub fn newest(&self) -> &VerifierKey {
        self.changes.last().map_or(&self.first, |(_, key)| key)
    }

    fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        let later = self.changes.iter().map(|(_, key)| key);
        [&self.first].into_iter().chain(later)
    }
}
