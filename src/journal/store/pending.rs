//! A segment that no checkpoint signs: a sealer has begun that seal, or somebody else has put the
//! segment there. Decides whether a seal may sign it. Takes the segment and the end of the log
//! before it; returns the flaw, or the segment. Writes nothing.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

use super::super::chain::Finding;
use super::super::log::{
    Checkpoint, Entry, NoteFlaw, Segment, VerifiedLog, VerifierKey, claimed_signer,
};
use super::super::record::Flaw;
use super::log::{LogHead, other_key};
use super::objects::{Fetched, MAX_CONCURRENT};
use super::sealing::unfinished_rotation;
use super::{Journal, JournalError};
use crate::domain::Timestamp;

impl Journal {
    /// Returns the segment after `head`, if there is one. A caller may create the tiles of its seal:
    /// wrong tiles would be in the way of the right ones.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] if the segment's checkpoint does not sign it, if there is no
    /// checkpoint and a seal must not sign it either, if one of them cannot be read, or if the
    /// segment was removed: its checkpoint or a later segment exists without it.
    /// [`JournalError::Place`] if another key has made the first seal. Any other error is a failure
    /// of the store.
    pub(super) async fn segment_after(
        &self,
        head: &LogHead,
    ) -> Result<Option<Segment>, JournalError> {
        let number = head.number + 1;
        let segment = match self.segment(number).await? {
            Some(segment) => segment,
            None if !self.shows_seal(number).await? => return Ok(None),
            // Another sealer may just have made this seal. Otherwise its segment was removed, and no
            // other one may be created in its place.
            None => (self.segment(number).await?).ok_or_else(|| self.dropped_segment(number))?,
        };
        let key = head.keys.of_seal(segment.number);
        match self.checkpoint(segment.number).await? {
            Some(note) => self.require_checkpoint(&head.next(&segment).2, key, &note)?,
            None => {
                let flaw = self.unsigned(&segment, head.edge.size(), key, None).await?;
                if let Some(finding) = flaw {
                    return Err(self.damaged(finding));
                }
            }
        }
        Ok(Some(segment))
    }

    /// Whether another object shows that seal `number` was made, although its segment does not exist.
    /// `log/checkpoint` need not name it: a slow sealer may have put an older one back.
    async fn shows_seal(&self, number: u64) -> Result<bool, JournalError> {
        if number == 1 {
            return self.has_later_seals().await;
        }
        // Read the next segment: if it is no segment of that seal, it is at fault itself.
        Ok(self.segment(number + 1).await?.is_some() || self.checkpoint(number).await?.is_some())
    }

    /// Fails unless `note`, which is at the path of `checkpoint`, is this checkpoint, signed by
    /// `key`.
    pub(super) fn require_checkpoint(
        &self,
        checkpoint: &Checkpoint,
        key: &VerifierKey,
        note: &str,
    ) -> Result<(), JournalError> {
        let number = checkpoint.number;
        match Checkpoint::open(note, key) {
            Ok(read) if read == *checkpoint => Ok(()),
            Ok(read) if read.number == number => {
                let why = "its checkpoint differs from what this segment determines";
                Err(self.broken_log(self.segment_path(number), why))
            }
            Ok(read) => {
                let why = format!("it is the checkpoint of seal {}", read.number);
                Err(self.broken_log(self.checkpoint_path(number), why))
            }
            // Another sealer, with a different key, has made the first seal.
            Err(NoteFlaw::Unsigned(_)) if number == 1 => {
                let signer = claimed_signer(note).unwrap_or_default();
                Err(other_key(&signer).into())
            }
            Err(flaw) => Err(self.broken_log(self.checkpoint_path(number), flaw)),
        }
    }

    /// Makes the checks with which the next seal begins, and changes nothing. Returns when the
    /// newest seal began; `None` without a seal.
    ///
    /// # Errors
    /// `key` does not sign the next seal, a rotation of the key was interrupted, an object that the
    /// next seal needs is missing or wrong, or the store failed.
    pub async fn check_sealing(
        &self,
        key: &VerifierKey,
    ) -> Result<Option<Timestamp>, JournalError> {
        let head = self.log_head(key).await?;
        let next = self.segment_after(&head).await?;
        if let Some(change) = next.as_ref().and_then(|next| next.key_change.as_ref())
            && self.checkpoint(head.number + 1).await?.is_none()
        {
            return Err(unfinished_rotation(change).into());
        }
        if head.number == 0 && self.has_segment(2).await? {
            return Err(self.damaged(wrong_newest()));
        }
        Ok(head.newest.map(|(checkpoint, _)| checkpoint.at))
    }

    /// Returns the flaw of a segment that no checkpoint signs: it does not follow the `size`
    /// entries before it, or replaces a key other than `key`, or has a record that differs from the
    /// one below `requests/`, from which its sealer took it. `log` contains the seals before it, if
    /// they were verified; the segment must not contradict them.
    pub(super) async fn unsigned(
        &self,
        segment: &Segment,
        size: u64,
        key: &VerifierKey,
        log: Option<&VerifiedLog>,
    ) -> Result<Option<Finding>, JournalError> {
        let change = segment.key_change.as_ref();
        let why = if segment.start != size {
            let start = segment.start;
            format!("it begins after {start} entries, but the log has {size}")
        } else if change.is_some_and(|change| change.old != *key) {
            "it replaces a key that does not sign the log".to_owned()
        } else if let Some(entry) = log.and_then(|log| log.contradicted(segment)) {
            let Entry { stream, seq, .. } = entry;
            format!(
                "record {seq} of stream {stream} differs from the same record in an earlier segment"
            )
        } else if let Some(entry) = self.unrecorded(segment, log).await? {
            let path = self.record_path(entry.stream, entry.seq);
            format!("{path} is missing or differs from the record in it")
        } else {
            return Ok(None);
        };
        // The seal may have been completed meanwhile, and its requests retired.
        if self.checkpoint(segment.number).await?.is_some() {
            return Ok(None);
        }
        let path = self.segment_path(segment.number);
        Ok(Some(Finding::about(path, Flaw::Unsigned(why))))
    }

    /// Returns an entry of the segment whose record is not below `requests/` as it is in the
    /// segment. Skips records that `log` has.
    async fn unrecorded(
        &self,
        segment: &Segment,
        log: Option<&VerifiedLog>,
    ) -> Result<Option<Entry>, JournalError> {
        let sealed = |entry: &Entry| log.is_some_and(|log| log.hash_of(entry).is_some());
        let records = segment.records.iter().filter(|(entry, _)| !sealed(entry));
        let records: Vec<(Entry, Bytes)> = records.cloned().collect();
        let mut checks = stream::iter(records)
            .map(|(entry, file)| async move {
                let path = self.record_path(entry.stream, entry.seq);
                let same = match self.fetch_one(&path).await? {
                    Fetched::Bytes(bytes) => bytes == file,
                    Fetched::Absent => self.has_retired(&entry, segment.number).await?,
                    Fetched::TooLarge(_) => false,
                };
                Ok::<_, JournalError>((!same).then_some(entry))
            })
            .buffered(MAX_CONCURRENT);
        while let Some(check) = checks.next().await {
            if let Some(entry) = check? {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// Whether the record was removed from `requests/` because segment `number` has it.
    async fn has_retired(&self, entry: &Entry, number: u64) -> Result<bool, JournalError> {
        let retired = self.retired(entry.stream).await?;
        Ok(retired.is_some_and(|retired| retired.has(entry.seq, number)))
    }
}

/// The finding for a `log/checkpoint` that is missing, or that no key of the log has signed.
pub(super) fn wrong_newest() -> Finding {
    Finding::about("log/checkpoint", Flaw::WrongNewest)
}
