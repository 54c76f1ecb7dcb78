//! The name of a stream: 128 bits of a SHA-256. In: an identity. Out: 32 hex digits.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use sha2::{Digest, Sha256};

use crate::domain::{Identity, Problem, SourceName, Timestamp};

/// A stream's name: 32 lower-case hex digits. It reveals nothing about the ticket, is valid in
/// every store, and spreads load over an object store's partitions.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, DeserializeFromStr, SerializeDisplay,
)]
pub struct StreamId([u8; 16]);

impl StreamId {
    /// The stream of a request: SHA-256 of source, a zero byte, id.
    pub fn of(identity: &Identity) -> Self {
        Self::digest(&[identity.source.as_str(), &identity.id])
    }

    /// The stream of a conflict: the same identity with other content. Each such content has its
    /// own stream, so that it never races the request's worker and repeated deliveries write one
    /// record.
    pub fn of_conflict(identity: &Identity, digest: &str) -> Self {
        Self::digest(&[identity.source.as_str(), &identity.id, "conflict", digest])
    }

    /// The stream of a delivery that was not understood: one of a bounded number for each source and
    /// day. No id is empty, so it is no request's.
    pub fn of_rejection(source: &SourceName, at: Timestamp, slot: u32) -> Self {
        let slot = slot.to_string();
        Self::digest(&[source.as_str(), "", "rejected", &day(at), &slot])
    }

    /// The stream of an event that names an instance: source, instance and what became of it.
    pub fn of_announcement(source: &SourceName, id: &str) -> Self {
        Self::digest(&[source.as_str(), "", "received", id])
    }

    /// The stream of a comparison that found differences: one of a bounded number for each day. No
    /// source has an empty name.
    pub fn of_drift(at: Timestamp, slot: u32) -> Self {
        Self::digest(&["", "drift", &day(at), &slot.to_string()])
    }

    fn digest(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                hash.update([0]);
            }
            hash.update(part.as_bytes());
        }
        // A SHA-256 has twice as many bytes.
        Self(hash.finalize().first_chunk().copied().unwrap_or_default())
    }
}

/// The day in UTC, as names of streams and files have it.
pub(in crate::journal) fn day(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%Y%m%d").to_string()
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StreamId {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let mut id = [0; 16];
        if text.bytes().any(|b| b.is_ascii_uppercase())
            || hex::decode_to_slice(text, &mut id).is_err()
        {
            return Err(Problem::new(
                "stream",
                "is not the name of a stream",
                "write its 32 lower-case hex digits as the journal shows them",
            ));
        }
        Ok(Self(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(source: &str, id: &str) -> Identity {
        Identity {
            source: source.parse().unwrap(),
            id: id.to_owned(),
        }
    }

    #[test]
    fn a_stream_is_named_by_the_first_half_of_the_sha_256() {
        let whole = hex::encode(Sha256::digest(b"jira\0CHG0030192"));
        assert_eq!(
            StreamId::of(&identity("jira", "CHG0030192")).to_string(),
            whole[..32]
        );
        let whole = hex::encode(Sha256::digest(b"jira\0CHG0030192\0conflict\0abc"));
        assert_eq!(
            StreamId::of_conflict(&identity("jira", "CHG0030192"), "abc").to_string(),
            whole[..32]
        );
    }

    #[test]
    fn source_and_id_do_not_run_together() {
        assert_ne!(
            StreamId::of(&identity("jira", "x")),
            StreamId::of(&identity("jirax", ""))
        );
    }

    #[test]
    fn only_32_lower_case_hex_digits_are_a_name() {
        let good = StreamId::of(&identity("a", "b")).to_string();
        assert_eq!(good.parse::<StreamId>().unwrap().to_string(), good);
        for bad in [
            "",
            "00",
            &good[1..],
            &good.to_uppercase(),
            &format!("{good}0"),
            "zz",
        ] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
    }
}
