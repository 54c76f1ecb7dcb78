//! A seal's file: the signed checkpoint, an empty line, and one line for each record that it adds
//! to the tree. In: bytes. Out: values, and back; there is exactly one way to write a seal, so
//! every other byte is found.

use std::fmt;

use super::super::record::StreamId;
use super::{Hash, leaf_hash};

/// One record as the tree holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leaf {
    /// Its stream.
    pub stream: StreamId,
    /// Its number there.
    pub seq: u64,
    /// SHA-256 of its file's bytes.
    pub hash: Hash,
}

impl Leaf {
    /// Its hash in the tree: that of its line without the line feed, so that its place is covered
    /// too.
    pub fn in_tree(&self) -> Hash {
        leaf_hash(self.to_string().as_bytes())
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.stream, self.seq, hex::encode(self.hash))
    }
}

/// A seal as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The checkpoint as a signed note, with one signature.
    pub note: String,
    /// What it adds, by stream and number.
    pub leaves: Vec<Leaf>,
}

impl Seal {
    /// The file's bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut text = format!("{}\n", self.note);
        for leaf in &self.leaves {
            text.push_str(&leaf.to_string());
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads a file's bytes; the signature is not looked at here.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
        let (before, lines) = text
            .rsplit_once("\n\n")
            .ok_or("it is not a note and a list of records")?;
        let note = format!("{before}\n");
        let leaves: Option<Vec<Leaf>> = lines.lines().map(leaf).collect();
        let seal = Self {
            note,
            leaves: leaves.ok_or("a line of it names no record")?,
        };
        let one_signature = seal.note.matches("\n— ").count() == 1;
        if seal.write() != bytes || !one_signature {
            return Err("it is not written as this program writes it");
        }
        if !seal
            .leaves
            .is_sorted_by(|a, b| (a.stream, a.seq) < (b.stream, b.seq))
        {
            return Err("its records are not in order");
        }
        Ok(seal)
    }
}

fn leaf(line: &str) -> Option<Leaf> {
    let mut parts = line.split(' ');
    let stream = parts.next()?.parse().ok()?;
    let seq = parts.next()?.parse().ok()?;
    let hash = Hash::try_from(hex::decode(parts.next()?).ok()?).ok()?;
    Some(Leaf { stream, seq, hash })
}
