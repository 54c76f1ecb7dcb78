//! The line with which a checkpoint introduces a new key. Converts this line to a [`KeyChange`] and
//! back.

use std::fmt;
use std::str::FromStr;

use super::VerifierKey;
use crate::domain::Problem;

/// A key and its successor. A [`Checkpoint`](super::Checkpoint) that contains them is signed by
/// both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyChange {
    /// The previous key.
    pub old: VerifierKey,
    /// The key that signs from the next seal on.
    pub new: VerifierKey,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "next key {} after {}", self.new, self.old)
    }
}

impl FromStr for KeyChange {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let read = || {
            let (new, old) = text.strip_prefix("next key ")?.split_once(" after ")?;
            Some((new.parse().ok()?, old.parse().ok()?))
        };
        let (new, old) = read().ok_or_else(|| {
            Problem::new(
                "key",
                "the line does not introduce a key",
                "write `next key NEW after OLD`",
            )
        })?;
        Ok(Self { old, new })
    }
}
