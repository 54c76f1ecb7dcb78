//! The mark that identifies one worker in one turn: 16 hex digits, made of 8 random bytes from the
//! caller. Each record of the turn contains the mark.

use crate::domain::identifier;

identifier! {
    /// A random mark in the records of one turn. If the answer to a write was lost, the worker
    /// recognises its own record by this mark. Each turn needs fresh random bytes: two workers with
    /// equal marks could mistake each other's claim for their own.
    Worker,
    |text: &str| text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
    "worker",
    "is not 16 lower-case hex digits",
    "leave journal files as they are",
}

impl Worker {
    /// Returns the mark made of 8 random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(hex::encode(bytes))
    }
}
