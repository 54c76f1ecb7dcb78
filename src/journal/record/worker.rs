//! Identifies one worker in one turn. In: 8 random bytes from the caller. Out: 16 hex digits, which
//! each of its records holds.

use crate::domain::identifier;

identifier! {
    /// A nonce in the records of one turn, by which a worker recognises its own record after a lost
    /// answer. Use fresh random bytes for each turn: two turns with the same mark could mistake each
    /// other's claim for their own.
    Worker,
    |text: &str| text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
    "worker",
    "is not 16 lower-case hex digits",
    "leave journal files as they are",
}

impl Worker {
    /// The mark made of 8 random bytes.
    pub fn from_random(bytes: [u8; 8]) -> Self {
        Self(hex::encode(bytes))
    }
}
