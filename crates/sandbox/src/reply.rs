//! The reply of the state machine to the server, and the request ids in it.

use std::time::Duration;

use sha2::{Digest, Sha256};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// The JSON envelope.
    pub(super) body: String,
    pub(super) manner: Manner,
}

/// How the server delivers an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// HTTP 200 with the body.
    Plain,
    /// HTTP 200 with the body, after a delay.
    Slow(Duration),
    /// HTTP 200 with the first half of the body; then the connection closes.
    Cut,
    /// No answer: the connection is reset.
    Reset,
    /// A gateway's HTML page with this status instead of the body.
    Html(u16),
}

/// Generates request ids: UUIDs that do not repeat within a state and that differ between states
/// with different seeds.
#[derive(Debug)]
pub(super) struct RequestIds {
    seed: [u8; 16],
    count: u64,
}

impl RequestIds {
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self { seed, count: 0 }
    }

    pub(super) fn next(&mut self) -> String {
        self.count += 1;
        let digest = Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.count.to_be_bytes())
            .finalize();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = <[u8; 32]>::from(digest);
        // Set version 4 and the RFC's variant, so that clients which validate UUIDs accept the id.
        let (version, variant) = ((g & 0x0f) | 0x40, (i & 0x3f) | 0x80);
        let part = |bytes: &[u8]| hex::encode(bytes);
        format!(
            "{}-{}-{}-{}-{}",
            part(&[a, b, c, d]),
            part(&[e, f]),
            part(&[version, h]),
            part(&[variant, j]),
            part(&[k, l, m, n, o, p])
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn request_ids_are_uuids_and_unique() {
        let (mut one, mut other) = (RequestIds::new([1; 16]), RequestIds::new([2; 16]));
        let ids: BTreeSet<String> = (0..1_000)
            .flat_map(|_| [one.next(), other.next()])
            .collect();
        assert_eq!(ids.len(), 2_000);
        for id in ids {
            let lengths: Vec<usize> = id.split('-').map(str::len).collect();
            assert_eq!(
                (lengths.as_slice(), &id[14..15]),
                ([8, 4, 4, 4, 12].as_slice(), "4"),
                "{id}"
            );
        }
    }
}
