//! A checkpoint as described by <https://c2sp.org/tlog-checkpoint>: lines of text with the origin,
//! size and root of the tree. The extension lines contain the number and time of the seal, and the
//! next key if the seal introduces one. Converts checkpoints to text and back.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, KeyChange, NoteFlaw, VerifierKey};
use crate::domain::Timestamp;

/// The size and root of the log at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the key that signs the log.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of these entries.
    pub root: Hash,
    /// The seal's number, from 1.
    pub number: u64,
    /// When the sealer began the seal, according to the sealer's clock.
    pub at: Timestamp,
    /// The old and the new key, if this checkpoint introduces a key. Both keys sign it.
    pub key_change: Option<KeyChange>,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            size,
            root,
            number,
            at,
            key_change,
        } = self;
        let root = STANDARD.encode(root);
        write!(f, "{origin}\n{size}\n{root}\nseal {number} at {at}\n")?;
        match key_change {
            Some(change) => writeln!(f, "{change}"),
            None => Ok(()),
        }
    }
}

impl Checkpoint {
    /// Verifies a signed checkpoint, and returns it.
    ///
    /// # Errors
    /// Fails if `key` has not signed the note, or if the note introduces a key and is not signed by
    /// both the old and the new key. Also fails if the note is not a checkpoint whose origin is the
    /// name of `key`.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteFlaw> {
        let text = key.open(note)?;
        let read = Self::read(text)?;
        if read.origin != key.name() {
            return Err(NoteFlaw::Malformed(
                "it is the checkpoint of another journal",
            ));
        }
        if let Some(KeyChange { old, new }) = &read.key_change {
            old.open(note)?;
            new.open(note)?;
        }
        Ok(read)
    }

    /// Reads a note without verifying its signatures.
    pub fn unverified(note: &str) -> Result<Self, NoteFlaw> {
        let text = note
            .rsplit_once("\n\n")
            .and_then(|(text, _)| note.get(..=text.len()));
        Self::read(text.unwrap_or_default())
    }

    fn read(text: &str) -> Result<Self, NoteFlaw> {
        let read = Self::parse(text).filter(|read| read.to_string() == text);
        read.ok_or(NoteFlaw::Malformed(
            "it does not have the lines of a checkpoint",
        ))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = Hash::try_from(STANDARD.decode(lines.next()?).ok()?).ok()?;
        let (number, at) = lines.next()?.strip_prefix("seal ")?.split_once(" at ")?;
        let key_change = match lines.next() {
            Some(line) => Some(line.parse().ok()?),
            None => None,
        };
        Some(Self {
            origin,
            size,
            root,
            number: number.parse().ok()?,
            at: at.parse().ok()?,
            key_change,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::log::NoteSigner;
    use secrecy::SecretString;

    fn signer(name: &str) -> NoteSigner {
        NoteSigner::read(name, &SecretString::from(STANDARD.encode([7; 32]))).unwrap()
    }

    #[test]
    fn a_checkpoint_comes_back_and_only_under_its_own_name() {
        let at = "2026-11-21T08:00:00Z".parse().unwrap();
        let made = Checkpoint {
            origin: "acme".into(),
            size: 3,
            root: [9; 32],
            number: 4,
            at,
            key_change: None,
        };
        let note = signer("acme").sign(&made.to_string());
        assert_eq!(
            Checkpoint::open(&note, signer("acme").verifier()).unwrap(),
            made
        );
        assert!(Checkpoint::open(&note, signer("other").verifier()).is_err());
        let foreign = signer("other").sign(&made.to_string());
        assert!(
            Checkpoint::open(&foreign, signer("other").verifier()).is_err(),
            "the origin is another's"
        );
    }

    #[test]
    fn signed_text_that_is_no_checkpoint_of_ours_is_refused() {
        let root = STANDARD.encode([9; 32]);
        for text in [
            "acme\n".to_owned(),
            format!("acme\n03\n{root}\nseal 4 at 2026-11-21T08:00:00Z\n"),
            format!("acme\n3\n{root}\n"),
            format!("acme\n3\n{root}\nseal 4 at 2026-11-21T08:00:00Z\nmore\n"),
            format!("acme\n-3\n{root}\nseal 4 at 2026-11-21T08:00:00Z\n"),
            "acme\n3\nAAAA\nseal 4 at 2026-11-21T08:00:00Z\n".to_owned(),
        ] {
            assert!(
                Checkpoint::open(&signer("acme").sign(&text), signer("acme").verifier()).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_checkpoint_that_introduces_a_key_is_signed_by_both() {
        let (old, new) = (
            signer("acme"),
            NoteSigner::read("acme", &SecretString::from(STANDARD.encode([8; 32]))).unwrap(),
        );
        let text = Checkpoint {
            origin: "acme".into(),
            size: 3,
            root: [9; 32],
            number: 4,
            at: "2026-11-21T08:00:00Z".parse().unwrap(),
            key_change: Some(KeyChange {
                old: old.verifier().clone(),
                new: new.verifier().clone(),
            }),
        }
        .to_string();
        let both = old.sign(&text) + new.sign(&text).rsplit_once("\n\n").unwrap().1;
        assert!(Checkpoint::open(&both, old.verifier()).is_ok());
        assert!(Checkpoint::open(&both, new.verifier()).is_ok());
        assert!(Checkpoint::open(&old.sign(&text), old.verifier()).is_err());
        assert!(Checkpoint::open(&new.sign(&text), new.verifier()).is_err());
    }
}
