//! A checkpoint, as <https://c2sp.org/tlog-checkpoint> describes it: origin, size and root of the
//! tree as lines of text, and one line of ours with the instant of sealing. In: text. Out: values,
//! and back, byte for byte.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Hash, NoteFlaw, VerifierKey};
use crate::domain::Timestamp;

/// How large the journal was and what its root was at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Whose tree it is: the name of the key.
    pub origin: String,
    /// How many records were sealed by then.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// When, by the sealer's clock.
    pub at: Timestamp,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            origin,
            size,
            root,
            at,
        } = self;
        write!(
            f,
            "{origin}\n{size}\n{}\nsealed at {at}\n",
            STANDARD.encode(root)
        )
    }
}

impl Checkpoint {
    /// Opens a signed checkpoint.
    ///
    /// # Errors
    /// [`NoteFlaw`]: not signed by `key`, or no checkpoint of ours.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, NoteFlaw> {
        let text = key.open(note)?;
        let read = Self::read(text).filter(|read| read.to_string() == text);
        let read = read.ok_or(NoteFlaw::Malformed(
            "its text is not a checkpoint of a journal",
        ))?;
        if read.origin == key.name() {
            Ok(read)
        } else {
            Err(NoteFlaw::Malformed(
                "it is the checkpoint of another journal",
            ))
        }
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let origin = lines.next()?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let root = Hash::try_from(STANDARD.decode(lines.next()?).ok()?).ok()?;
        let at = lines.next()?.strip_prefix("sealed at ")?.parse().ok()?;
        Some(Self {
            origin,
            size,
            root,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::seal::NoteSigner;
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
            at,
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
            format!("acme\n03\n{root}\nsealed at 2026-11-21T08:00:00Z\n"),
            format!("acme\n3\n{root}\n"),
            format!("acme\n3\n{root}\nsealed at 2026-11-21T08:00:00Z\nmore\n"),
            format!("acme\n-3\n{root}\nsealed at 2026-11-21T08:00:00Z\n"),
            "acme\n3\nAAAA\nsealed at 2026-11-21T08:00:00Z\n".to_owned(),
        ] {
            assert!(
                Checkpoint::open(&signer("acme").sign(&text), signer("acme").verifier()).is_err(),
                "{text}"
            );
        }
    }
}
