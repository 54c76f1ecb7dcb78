//! The name of a stream: the first 128 bits of a SHA-256, as 32 hex digits. The hashed text is a
//! request's identity, or what identifies an incident or an announcement.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use sha2::{Digest, Sha256};

use crate::domain::{Identity, Problem, SourceName, Timestamp};

/// The name of a stream: 32 lower-case hex digits. The name reveals nothing about the ticket, is
/// valid in every store, and spreads load over the partitions of an object store.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, DeserializeFromStr, SerializeDisplay,
)]
pub struct StreamId([u8; 16]);

impl StreamId {
    /// Returns the stream of a request. Its name is a digest of the source, a zero byte and the id.
    pub fn of(identity: &Identity) -> Self {
        Self::digest(&[identity.source.as_str(), &identity.id])
    }

    /// Returns the stream of a conflict, in which a delivery repeats a known identity with
    /// different content. Each content has its own stream. A conflict therefore never competes with
    /// the request's worker, and repeated deliveries of the same content write only one record.
    pub fn of_conflict(identity: &Identity, digest: &str) -> Self {
        Self::digest(&[identity.source.as_str(), &identity.id, "conflict", digest])
    }

    /// Returns the stream of a rejected delivery. `slot` is below the maximum number of rejections
    /// per source and day. The name cannot be that of a request's stream, because no id of a
    /// request contains a zero byte.
    pub fn of_rejection(source: &SourceName, at: Timestamp, slot: u32) -> Self {
        let slot = slot.to_string();
        Self::digest(&[source.as_str(), "", "rejected", &day(at), &slot])
    }

    /// Returns the stream of an announcement. `id` names the instance and what became of it.
    pub fn of_announcement(source: &SourceName, id: &str) -> Self {
        Self::digest(&[source.as_str(), "", "received", id])
    }

    /// Returns the stream of a comparison that found differences. `slot` is below the maximum
    /// number of comparisons per day. The name cannot be that of a request's stream, because the
    /// hashed text begins with an empty source.
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
        // A SHA-256 has 32 bytes, so its first 16 exist.
        Self(hash.finalize().first_chunk().copied().unwrap_or_default())
    }
}

/// Returns the day in UTC in the form that names of streams and files use, such as `20261121`.
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
                "a stream's name is 32 lower-case hex digits",
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
