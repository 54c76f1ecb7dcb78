//! The file of a record: one line with the record as JSON, and one line with a JSON string that
//! holds the SHA-256 of the first line's bytes. Reads and writes bytes; does no I/O.
//!
//! The second line detects accidents and careless edits even in the newest record, to which no next
//! record refers yet. Someone who edits a record on purpose can recompute the line. The `prev`
//! field of the next record detects such an edit. If there is no next record, a seal detects it.

use std::cmp::Ordering;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Flaw, Record, VERSION};
use crate::domain::shown;

/// A record and the digest of its file. The next record stores this digest in `prev`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The record.
    pub record: Record,
    /// SHA-256 of the file's bytes, in hex.
    pub hash: String,
}

/// Reads only the version of the format, which is checked before any other field is read.
#[derive(Deserialize)]
struct Envelope {
    v: u64,
}

impl Stored {
    /// Returns the SHA-256 of a file's bytes, in hex.
    pub fn hash_of(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    /// Reads a file's bytes. Does not check whether the record belongs at its place in the stream:
    /// `src/journal/chain.rs` does that.
    ///
    /// # Errors
    /// Returns [`Flaw::Altered`], [`Flaw::Newer`], [`Flaw::Older`] or [`Flaw::Unreadable`].
    pub fn read(bytes: &[u8]) -> Result<Self, Flaw> {
        let altered = |why: &str| Flaw::Altered(why.to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| altered("the file is not text"))?;
        let (line, rest) = text
            .split_once('\n')
            .ok_or_else(|| altered("the file has no checksum line"))?;
        if rest != checksum_line(line.as_bytes()) {
            return Err(altered("its checksum line does not match its record"));
        }
        let unreadable = |error: serde_json::Error| Flaw::Unreadable(error.to_string());
        let envelope: Envelope = serde_json::from_str(line).map_err(unreadable)?;
        let other = || {
            format!(
                "its version is {}, but this program reads version {VERSION}",
                envelope.v
            )
        };
        match envelope.v.cmp(&u64::from(VERSION)) {
            Ordering::Greater => return Err(Flaw::Newer(other())),
            Ordering::Less => return Err(Flaw::Older(other())),
            Ordering::Equal => {}
        }
        match serde_json::from_str(line) {
            Ok(record) => Ok(Self {
                record,
                hash: Self::hash_of(bytes),
            }),
            // An event type that this program does not know comes from a newer program. Any other
            // error means a damaged record.
            Err(error) => match serde_json::from_str::<Value>(line)
                .map_err(unreadable)?
                .pointer("/event/type")
            {
                Some(Value::String(name)) if !TYPES.contains(&name.as_str()) => {
                    Err(Flaw::Newer(format!("its event is a {}", shown(name))))
                }
                _ => Err(unreadable(error)),
            },
        }
    }

    /// Encodes the record as a file's bytes. Returns the record with the digest of these bytes, and
    /// the bytes.
    ///
    /// # Errors
    /// Returns a serialization error. No record of this program causes one.
    pub fn write(record: Record) -> Result<(Self, Vec<u8>), serde_json::Error> {
        let mut bytes = serde_json::to_vec(&record)?;
        let second = checksum_line(&bytes);
        bytes.push(b'\n');
        bytes.extend_from_slice(second.as_bytes());
        let hash = Self::hash_of(&bytes);
        Ok((Self { record, hash }, bytes))
    }
}

/// Returns the file's second line, with its line feed, for the first line `line`. Exactly one
/// second line is valid, so a change of any byte is detected.
fn checksum_line(line: &[u8]) -> String {
    format!("\"sha256:{}\"\n", Stored::hash_of(line))
}

/// The values of `type` in the JSON of `Event`.
const TYPES: [&str; 21] = [
    "opened",
    "taken",
    "progress",
    "deferred",
    "closed",
    "called_off",
    "cancelled",
    "refused",
    "revoking",
    "not_revoked",
    "revoked",
    "reopened",
    "notified",
    "notification_failed",
    "conflict",
    "rejected",
    "drifted",
    "received",
    "fetch_failed",
    "confirmed",
    "settled",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::{event_of_every_type, record};

    fn sealed(line: &str) -> Vec<u8> {
        format!("{line}\n{}", checksum_line(line.as_bytes())).into_bytes()
    }

    #[test]
    fn every_event_comes_back_as_it_was_written() {
        let mut seen = Vec::new();
        for event in event_of_every_type() {
            let (stored, bytes) = Stored::write(record(3, event)).unwrap();
            assert_eq!(Stored::read(&bytes).unwrap(), stored);
            let line: serde_json::Value =
                serde_json::from_slice(bytes.split(|b| *b == b'\n').next().unwrap()).unwrap();
            seen.push(line["event"]["type"].as_str().unwrap().to_owned());
        }
        assert_eq!(seen, TYPES);
    }

    #[test]
    fn a_file_is_two_json_lines() {
        let (_, bytes) = Stored::write(record(0, event_of_every_type().remove(1))).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with(r#"{"v":4,"stream":""#), "{}", lines[0]);
        assert_eq!(
            serde_json::from_str::<String>(lines[1]).unwrap(),
            format!("sha256:{}", Stored::hash_of(lines[0].as_bytes()))
        );
    }

    #[test]
    fn garbage_is_an_error_of_its_kind() {
        let (_, good) = Stored::write(record(1, event_of_every_type().remove(1))).unwrap();
        let line = String::from_utf8(good.clone())
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .to_owned();
        let mut doubled = good.clone();
        doubled.extend_from_slice(&good);
        let cases: [(Vec<u8>, &str); 12] = [
            (Vec::new(), "altered"),
            (vec![0xff; 100], "altered"),
            (b"{}".to_vec(), "altered"),
            (good[..good.len() - 1].to_vec(), "altered"),
            (doubled, "altered"),
            (sealed("{}"), "unreadable"),
            (sealed("[]"), "unreadable"),
            (sealed(&"[".repeat(100_000)), "unreadable"),
            (sealed(&line.replace(r#""v":4"#, r#""v":5"#)), "newer"),
            (sealed(&line.replace(r#""v":4"#, r#""v":3"#)), "older"),
            (
                sealed(&line.replace(r#""type":"taken""#, r#""type":"delegated""#)),
                "newer",
            ),
            (
                sealed(&line.replace(r#""until":""#, r#""until":"x"#)),
                "unreadable",
            ),
        ];
        for (bytes, name) in cases {
            let flaw = Stored::read(&bytes).unwrap_err();
            assert_eq!(
                flaw.name(),
                name,
                "{:?}: {flaw}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(80)])
            );
        }
    }

    #[test]
    fn every_flipped_bit_of_a_file_is_found() {
        let (_, good) = Stored::write(record(1, event_of_every_type().remove(2))).unwrap();
        for index in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[index] ^= 1 << bit;
                assert_eq!(
                    Stored::read(&bytes).unwrap_err().name(),
                    "altered",
                    "byte {index}, bit {bit}"
                );
            }
        }
    }

    #[test]
    fn a_newer_version_is_reported_before_anything_else_is_read() {
        let flaw = Stored::read(&sealed(r#"{"v":7,"all":"different"}"#)).unwrap_err();
        assert!(flaw.to_string().contains("its version is 7"), "{flaw}");
        assert!(flaw.remedy().contains("upgrade"));
    }
}
