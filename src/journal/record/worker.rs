//! Identifies one worker in one turn. In: 8 random bytes from the caller. Out: 16 hex digits, which
//! each of its records holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Problem;

/// A nonce in the records of one turn, by which a worker recognises its own record after a lost
/// answer. Use fresh random bytes for each turn: two turns with the same mark could mistake each
/// other's claim for their own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Worker(String);

impl Worker {
    /// The mark made of 8 random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(hex::encode(bytes))
    }

    /// 16 lower-case hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Worker {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 16 && text.bytes().all(digit) {
            return Ok(Self(text));
        }
        Err(Problem::new(
            "worker",
            "is not 16 lower-case hex digits",
            "leave journal files as they are",
        ))
    }
}

impl From<Worker> for String {
    fn from(worker: Worker) -> String {
        worker.0
    }
}
