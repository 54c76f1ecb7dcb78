//! Describes what authenticated a delivery, and finds the key that matches.

use std::fmt;

/// What authenticates a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The secret at this index of the source's `secrets`.
    Secret(usize),
    /// A certificate of the sender, identified by the first 8 hex digits of its SHA-256.
    Certificate(String),
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(index) => write!(f, "secrets[{index}]"),
            Self::Certificate(fingerprint) => write!(f, "certificate {fingerprint}"),
        }
    }
}

pub(super) struct Proven {
    pub(super) by: Proof,
    /// The delivery's id. `None` unless the signature covers the id, or the id is inside a plain
    /// Feishu event.
    pub(super) id: Option<String>,
}

/// Returns the first key for which `fits` returns true. Tries all keys even after a match, so that
/// the duration does not reveal which key matched.
pub(super) fn matching<'k, K>(
    keys: impl IntoIterator<Item = &'k K>,
    mut fits: impl FnMut(&'k K, &Proof) -> bool,
) -> Option<(Proof, &'k K)> {
    let mut matched = None;
    for (index, key) in keys.into_iter().enumerate() {
        let by = Proof::Secret(index);
        if fits(key, &by) && matched.is_none() {
            matched = Some((by, key));
        }
    }
    matched
}
