//! Verifies the record files of one stream in order, and returns the record or the flaw of each
//! file. Does no I/O.
//!
//! The hash chain does not show that the *newest* files of a stream were removed, or that the
//! newest file was rewritten with a new checksum line. The log detects both for the records that it
//! covers.

use std::fmt;

use super::record::{Event, Flaw, MAX_RECORD_BYTES, Stored, StreamId, file_name};
use super::state::StreamState;

/// A flaw, and the file of the journal that has it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Finding {
    /// The file's path from the journal's root, such as `requests/<stream>/000003.json`.
    pub path: String,
    /// The name of the file's stream. Empty if the finding names only the path.
    pub stream: String,
    /// The number of the record. `None` if the finding is not about a record.
    pub seq: Option<u64>,
    /// What is wrong with the file.
    pub flaw: Flaw,
}

impl Finding {
    /// A finding about record `seq` of `stream`.
    pub fn of(stream: StreamId, seq: u64, flaw: Flaw) -> Self {
        Self {
            path: format!("requests/{stream}/{}", file_name(seq)),
            stream: stream.to_string(),
            seq: Some(seq),
            flaw,
        }
    }

    pub(super) fn about(path: impl ToString, flaw: Flaw) -> Self {
        Self {
            path: path.to_string(),
            stream: String::new(),
            seq: None,
            flaw,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(seq) = self.seq {
            write!(f, " (stream {}, record {seq})", self.stream)?;
        }
        write!(f, ": {}; {}", self.flaw, self.flaw.remedy())
    }
}

/// Verifies one stream, file by file, and computes its state.
#[derive(Debug)]
pub struct Chain {
    stream: StreamId,
    next: u64,
    prev: Option<String>,
    /// Set after a bad file. The next file's link to that file is then not checked, so that one bad
    /// file is not reported twice.
    doubtful: bool,
    stream_state: Option<StreamState>,
    /// Set once the stream's state is unknown, for example after a bad file. Later records are then
    /// not applied.
    lost: bool,
}

impl Chain {
    /// Returns a verifier that starts at record 0 of `stream`.
    pub fn new(stream: StreamId) -> Self {
        Self {
            stream,
            next: 0,
            prev: None,
            doubtful: false,
            stream_state: None,
            lost: false,
        }
    }

    /// Returns a verifier that starts at record `seq`, where `prev` is the hash of the file before
    /// that record. It does not compute the stream's state.
    pub(super) fn after(stream: StreamId, seq: u64, prev: Option<String>) -> Self {
        Self {
            next: seq,
            prev,
            lost: true,
            ..Self::new(stream)
        }
    }

    /// Skips a record whose file no longer exists, because only a segment of the log still has the
    /// record. `hash` is the hash of the file according to the log. From this record on, the
    /// stream's state is unknown.
    pub fn pass(&mut self, hash: String) {
        self.next += 1;
        self.prev = Some(hash);
        self.doubtful = false;
        self.lost = true;
    }

    /// Verifies the next file. `file` is the file's bytes, or the reason why they could not be
    /// read.
    ///
    /// # Errors
    /// Returns the file's flaw. Verification can continue with the next file.
    pub fn push(&mut self, file: Result<&[u8], Flaw>) -> Result<Stored, Finding> {
        let seq = self.next;
        self.next += 1;
        let bytes = file.as_ref().ok().copied();
        let followed = file.and_then(|bytes| self.follow(seq, bytes));
        self.prev = match &followed {
            Ok(stored) => Some(stored.hash.clone()),
            Err(_) => bytes.map(Stored::hash_of),
        };
        self.doubtful = followed.is_err();
        let applied = followed.and_then(|stored| self.apply(stored));
        applied.map_err(|flaw| {
            self.lost = true;
            Finding::of(self.stream, seq, flaw)
        })
    }

    /// Marks the last file as bad after the caller's own check failed. The next file's link to that
    /// file is then not reported as broken.
    pub fn doubt(&mut self) {
        self.doubtful = true;
        self.lost = true;
    }

    /// Returns the state after all files. Returns `None` if there were no files, if a file was bad,
    /// if records were skipped, or if verification did not start at record 0.
    pub fn into_stream_state(self) -> Option<StreamState> {
        self.stream_state.filter(|_| !self.lost)
    }

    /// The state after the files so far; `None` before record 0.
    pub(super) fn stream_state(&self) -> Option<&StreamState> {
        self.stream_state.as_ref()
    }

    fn follow(&self, seq: u64, bytes: &[u8]) -> Result<Stored, Flaw> {
        let size = bytes.len() as u64;
        if size > MAX_RECORD_BYTES {
            return Err(Flaw::TooLarge { bytes: size });
        }
        let stored = Stored::read(bytes)?;
        let record = &stored.record;
        if record.stream != self.stream {
            return Err(Flaw::Foreign(format!(
                "it belongs to stream {}",
                record.stream
            )));
        }
        if record.seq != seq {
            return Err(Flaw::Reordered { says: record.seq });
        }
        let named_after = match &record.event {
            Event::Opened(intent) => Some(StreamId::of(&intent.identity)),
            Event::Conflict(conflict) => {
                Some(StreamId::of_conflict(&conflict.identity, &conflict.digest))
            }
            Event::Rejected(rejection) => Some(StreamId::of_rejection(
                &rejection.source,
                record.at,
                rejection.slot,
            )),
            Event::Drifted(drift) => Some(StreamId::of_drift(record.at, drift.slot)),
            Event::Received(announcement) => Some(StreamId::of_announcement(
                &announcement.source,
                &announcement.delivery_id,
            )),
            _ => None,
        };
        if named_after.is_some_and(|stream| stream != self.stream) {
            return Err(Flaw::Foreign(
                "the name of the stream does not fit its first record".to_owned(),
            ));
        }
        if record.prev != self.prev && !self.doubtful {
            return Err(Flaw::Unlinked);
        }
        Ok(stored)
    }

    fn apply(&mut self, stored: Stored) -> Result<Stored, Flaw> {
        if self.lost {
            return Ok(stored);
        }
        let after = match self.stream_state.take() {
            None => StreamState::begin(&stored),
            Some(stream_state) => stream_state.apply(&stored),
        };
        self.stream_state = Some(after.map_err(|broken| Flaw::Impossible(broken.to_string()))?);
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::{StreamBuilder, identity};

    fn walk(stream: StreamId, files: &[Vec<u8>]) -> Vec<(u64, &'static str)> {
        let mut chain = Chain::new(stream);
        files
            .iter()
            .filter_map(|bytes| chain.push(Ok(bytes)).err())
            .map(|finding| (finding.seq.unwrap(), finding.flaw.name()))
            .collect()
    }

    fn files() -> (StreamId, Vec<Vec<u8>>) {
        let builder = StreamBuilder::full();
        (builder.stream, builder.files())
    }

    #[test]
    fn an_untouched_stream_has_no_flaw() {
        let (stream, files) = files();
        assert_eq!(walk(stream, &files), []);
        let mut chain = Chain::new(stream);
        for bytes in &files {
            chain.push(Ok(bytes)).unwrap();
        }
        assert!(chain.into_stream_state().is_some());
        assert!(Chain::new(stream).into_stream_state().is_none());
    }

    #[test]
    fn swapped_files_are_reordered() {
        let (stream, mut files) = files();
        files.swap(1, 2);
        assert_eq!(walk(stream, &files), [(1, "reordered"), (2, "reordered")]);
    }

    #[test]
    fn a_file_of_another_stream_is_foreign() {
        let (stream, mut files) = files();
        files[1] = StreamBuilder::of(identity("other")).files()[1].clone();
        assert_eq!(walk(stream, &files), [(1, "foreign")]);
        let other = StreamId::of(&identity("third"));
        assert!(
            walk(other, &files)
                .iter()
                .all(|(_, flaw)| *flaw == "foreign")
        );
    }

    #[test]
    fn a_gap_is_reported_once() {
        let (stream, files) = files();
        for gone in 0..files.len() - 1 {
            let mut chain = Chain::new(stream);
            let mut found = Vec::new();
            for (index, bytes) in files.iter().enumerate() {
                let file = if index == gone {
                    Err(Flaw::Missing)
                } else {
                    Ok(bytes.as_slice())
                };
                found.extend(chain.push(file).err());
            }
            assert_eq!(found, [Finding::of(stream, gone as u64, Flaw::Missing)]);
            assert!(chain.into_stream_state().is_none());
        }
    }

    #[test]
    fn a_forged_record_with_a_right_checksum_breaks_the_link_after_it() {
        let (stream, mut files) = files();
        let mut record = Stored::read(&files[1]).unwrap().record;
        record.at += jiff::SignedDuration::from_secs(1);
        files[1] = Stored::write(record).unwrap().1;
        assert_eq!(walk(stream, &files), [(2, "unlinked")]);
    }

    #[test]
    fn a_record_0_that_was_renamed_with_its_stream_does_not_match_its_identity() {
        let (_, files) = files();
        let wrong = StreamId::of(&identity("elsewhere"));
        let mut record = Stored::read(&files[0]).unwrap().record;
        record.stream = wrong;
        assert_eq!(
            walk(wrong, &[Stored::write(record).unwrap().1]),
            [(0, "foreign")]
        );
    }

    #[test]
    fn a_file_too_large_is_not_read() {
        let (stream, files) = files();
        let mut chain = Chain::new(stream);
        let finding = chain
            .push(Err(Flaw::TooLarge {
                bytes: MAX_RECORD_BYTES + 1,
            }))
            .unwrap_err();
        assert_eq!(finding.flaw.name(), "too_large");
        assert!(chain.push(Ok(&files[1])).is_ok(), "the walk goes on");
        assert_eq!(
            walk(stream, &[vec![b'x'; MAX_RECORD_BYTES as usize + 1]]),
            [(0, "too_large")]
        );
    }

    #[test]
    fn a_finding_names_file_record_and_remedy() {
        let (stream, _) = files();
        let text = Finding::of(stream, 2, Flaw::Missing).to_string();
        assert_eq!(
            text,
            format!(
                "requests/{stream}/000002.json (stream {stream}, record 2): missing, although a later record exists; \
                 restore the file from a backup; until then no work is done for this request"
            )
        );
    }
}
