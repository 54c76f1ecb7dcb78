//! The keys of a journal, one after the other. In: one key that is trusted, and the checkpoints that
//! introduce keys. Out: which key signs which seal.

use super::{Checkpoint, NoteFlaw, VerifierKey};

/// Every key of a journal. Each checkpoint that introduces one is signed by it and by the one before
/// it, so an auditor who trusts one key can trust all.
#[derive(Debug, Clone)]
pub struct KeyChain {
    first: VerifierKey,
    /// After which seal, and to which key.
    changes: Vec<(u64, VerifierKey)>,
}

impl KeyChain {
    /// The chain that `trusted` belongs to; `notes` are the checkpoints that introduce keys, oldest
    /// first.
    ///
    /// # Errors
    /// A note that one of its two keys has not signed, that does not continue the one before it, or
    /// none of which `trusted` is a key of.
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

    /// The key that signs seal `number`. The seal that introduces a key is signed by both.
    pub fn of_seal(&self, number: u64) -> &VerifierKey {
        let before = self.changes.iter().rev().find(|(seal, _)| *seal < number);
        before.map_or(&self.first, |(_, key)| key)
    }

    /// The key that signs now.
    pub fn newest(&self) -> &VerifierKey {
        self.changes.last().map_or(&self.first, |(_, key)| key)
    }

    fn keys(&self) -> impl Iterator<Item = &VerifierKey> {
        let later = self.changes.iter().map(|(_, key)| key);
        [&self.first].into_iter().chain(later)
    }
}
