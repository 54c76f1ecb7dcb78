//! Sealing: appends unsealed records to the log. Takes the signing key and the instant; creates
//! segments, tiles and checkpoints. Creating segment *n* is the claim to seal *n*. The segment
//! determines all other objects of the seal, so the next sealer can complete an interrupted seal. A
//! sealer does not read the whole log. It needs only the unsealed records, the record before them
//! in each stream, and the right edge of the tree.

use std::collections::VecDeque;

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};

use super::super::chain::{Chain, Finding};
use super::super::log::{Checkpoint, KeyChange, NoteSigner, Segment, VerifierKey};
use super::super::record::{Flaw, Stored, StreamId};
use super::index::unsealed::UnsealedEntry;
use super::log::LogHead;
use super::objects::{Created, Fetched, MAX_CONCURRENT};
use super::{Journal, JournalError};
use crate::domain::{Problem, Timestamp};

/// Number of unsealed records of a stream to read at once.
const RECORDS: u64 = 8;

/// The result of sealing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sealing {
    /// The number of records that this call sealed. If it completed an interrupted seal, the
    /// records of that seal do not count.
    pub sealed: u64,
    /// The number of entries in the log.
    pub size: u64,
    /// The newest checkpoint, a signed note. Keep it where the journal's writers cannot change it.
    pub checkpoint: Option<String>,
    /// For each damaged stream, its first missing or wrong record. That record and all later ones
    /// of the stream were left out.
    pub left_out: Vec<Finding>,
}

/// The next records of one stream for a segment.
struct NextRecords {
    files: Vec<(u64, Bytes)>,
    /// Whether the stream may have more unsealed records.
    more: bool,
    flaw: Option<Finding>,
}

impl Journal {
    /// Completes unfinished seals, then seals the records that `index/unsealed/` names. Records
    /// that are written during the call may be left for the next seal.
    ///
    /// # Errors
    /// No further seal is made if `signer` is not the key that signs the log now, if a rotation of
    /// the key was interrupted, or if an object of the log is missing or differs from what its
    /// segment determines. Any other error is a failure of the store.
    pub async fn seal(&self, signer: &NoteSigner, now: Timestamp) -> Result<Sealing, JournalError> {
        let mut sealing = Sealing::default();
        let head = self.log_head(signer.verifier()).await?;
        let mut head = self.completed(head, signer).await?;
        if head.number == 0 {
            self.name_all_unsealed().await?;
        }
        'again: loop {
            let entries = self.entries_to_seal(head.number).await?;
            let of_stream = entries.chunk_by(|a, b| a.stream == b.stream);
            let mut waiting: VecDeque<(StreamId, u64)> = of_stream
                .filter_map(|some| some.first().map(|entry| (entry.stream, entry.seq)))
                .collect();
            sealing.left_out.clear();
            loop {
                let mut segment = Segment::new(head.number + 1, head.edge.size(), now);
                self.fill(&mut segment, &mut waiting, &mut sealing.left_out)
                    .await?;
                if segment.records.is_empty() {
                    break 'again;
                }
                let path = self.segment_path(segment.number);
                match self.create_at(&path, &segment.write()).await? {
                    Created::Ours => {
                        sealing.sealed += segment.records.len() as u64;
                        head = self
                            .complete(head, &segment, signer, None, &entries)
                            .await?;
                    }
                    // Another sealer was first. Complete its seal, then list the unsealed records
                    // again.
                    Created::Theirs(_) => {
                        head = self.completed(head, signer).await?;
                        continue 'again;
                    }
                }
            }
        }
        if sealing.sealed > 0 {
            self.mend_newest_note(&head).await?;
        }
        sealing.left_out.sort_by(|a, b| a.path.cmp(&b.path));
        sealing.size = head.edge.size();
        sealing.checkpoint = head.newest.map(|(_, note)| note);
        Ok(sealing)
    }

    /// Makes `new` the key that signs from the next seal on. To do so, makes a seal without
    /// records, whose checkpoint both keys sign, and returns that checkpoint. May be called again,
    /// for example after an interruption.
    ///
    /// # Errors
    /// [`JournalError::Place`] if `old` and `new` are the same key, if another change is in
    /// progress, or if `old` does not sign the log now. In the last case there is no error if the
    /// newest change is the one from `old` to `new`, because the work is done. With these errors,
    /// this call has not written the change. Otherwise the errors of [`Journal::seal`].
    pub async fn rotate_key(
        &self,
        old: &NoteSigner,
        new: &NoteSigner,
        now: Timestamp,
    ) -> Result<String, JournalError> {
        let change = KeyChange {
            old: old.verifier().clone(),
            new: new.verifier().clone(),
        };
        if change.old == change.new {
            let remedy =
                "name the key that is to follow, and configure the one that signs the log now";
            return Err(Problem::new("--to", "is the configured key", remedy).into());
        }
        loop {
            if let Some(note) = self.key_notes().await?.pop()
                && Checkpoint::open(&note, old.verifier())
                    .is_ok_and(|made| made.key_change.as_ref() == Some(&change))
            {
                return Ok(note);
            }
            let mut head = self.log_head(old.verifier()).await?;
            let entries = self.unsealed_entries().await?;
            while let Some(segment) = self.segment_after(&head).await? {
                self.require_key(&mut head, old.verifier()).await?;
                head = self
                    .complete(head, &segment, old, Some(new), &entries)
                    .await?;
            }
            if let Some((checkpoint, note)) = &head.newest
                && checkpoint.key_change.as_ref() == Some(&change)
            {
                return Ok(note.clone());
            }
            self.require_key(&mut head, old.verifier()).await?;
            // An earlier sealer may have been killed before it deleted its entries.
            self.entries_to_seal(head.number).await?;
            let mut segment = Segment::new(head.number + 1, head.edge.size(), now);
            segment.key_change = Some(change.clone());
            let path = self.segment_path(segment.number);
            if let Created::Ours = self.create_at(&path, &segment.write()).await? {
                let head = self.complete(head, &segment, old, Some(new), &[]).await?;
                self.mend_newest_note(&head).await?;
                return Ok(head.newest.map(|(_, note)| note).unwrap_or_default());
            }
        }
    }

    /// Completes every seal that was begun after `head`, and returns the new end of the log. Fails
    /// if `signer` is not the key of the next seal.
    async fn completed(
        &self,
        mut head: LogHead,
        signer: &NoteSigner,
    ) -> Result<LogHead, JournalError> {
        let mut entries = None;
        loop {
            self.require_key(&mut head, signer.verifier()).await?;
            let Some(segment) = self.segment_after(&head).await? else {
                return Ok(head);
            };
            let entries = match &mut entries {
                Some(entries) => entries,
                none => none.insert(self.unsealed_entries().await?),
            };
            head = self.complete(head, &segment, signer, None, entries).await?;
        }
    }

    /// Completes a seal: creates the objects that the segment determines, and deletes the index
    /// entries for its records. The checkpoint is created after the tiles, as tlog-tiles requires.
    /// The index is updated last.
    async fn complete(
        &self,
        mut head: LogHead,
        segment: &Segment,
        signer: &NoteSigner,
        next: Option<&NoteSigner>,
        unsealed: &[UnsealedEntry],
    ) -> Result<LogHead, JournalError> {
        if (segment.number, segment.start) != (head.number + 1, head.edge.size()) {
            let why = "it does not follow the segment before it";
            return Err(self.broken_log(self.segment_path(segment.number), why));
        }
        let (edge, objects, checkpoint) = head.next(segment);
        try_join_all(objects.iter().map(|object| async {
            let path = self.log_path(&object.path);
            self.create_exactly(&path, &object.bytes).await
        }))
        .await?;
        let key = head.keys.of_seal(segment.number);
        let note = self.signed(&checkpoint, key, signer, next).await?;
        if checkpoint.key_change.is_some() {
            let path = self.key_path(segment.number);
            self.create_exactly(&path, note.as_bytes()).await?;
        }
        self.overwrite(&self.log_path("checkpoint"), note.as_bytes())
            .await?;
        self.drop_sealed(unsealed, segment).await?;
        head.number = segment.number;
        head.edge = edge;
        head.keys.follow(&checkpoint);
        head.newest = Some((checkpoint, note));
        Ok(head)
    }

    /// Returns the signed note of a checkpoint, and creates it if it does not exist. `key` is the
    /// key that signs this checkpoint's seal. The note can be created only with this key as
    /// `signer` and, if the checkpoint introduces a key, with that key as `next`. With other keys,
    /// the note must exist already.
    async fn signed(
        &self,
        checkpoint: &Checkpoint,
        key: &VerifierKey,
        signer: &NoteSigner,
        next: Option<&NoteSigner>,
    ) -> Result<String, JournalError> {
        let path = self.checkpoint_path(checkpoint.number);
        let text = checkpoint.to_string();
        let of_next = match &checkpoint.key_change {
            None => Some(String::new()),
            Some(change) => next
                .filter(|next| change.new == *next.verifier())
                .map(|next| next.signature(&text)),
        };
        let in_turn = signer.verifier() == key;
        let found = if let (Some(of_next), true) = (of_next, in_turn) {
            let note = signer.sign(&text) + &of_next;
            match self.create_at(&path, note.as_bytes()).await? {
                Created::Ours => return Ok(note),
                Created::Theirs(found) => String::from_utf8_lossy(&found).into_owned(),
            }
        } else if let Some(found) = self.checkpoint(checkpoint.number).await? {
            found
        } else if let (Some(change), true) = (&checkpoint.key_change, in_turn) {
            return Err(unfinished_rotation(change).into());
        } else {
            return Err(self.damaged(Finding::about(path, Flaw::Dropped)));
        };
        self.require_checkpoint(checkpoint, key, &found)?;
        Ok(found)
    }

    /// Creates an object with `bytes`, or checks that the existing object has them.
    async fn create_exactly(
        &self,
        path: &object_store::path::Path,
        bytes: &[u8],
    ) -> Result<(), JournalError> {
        match self.create_at(path, bytes).await? {
            Created::Ours => Ok(()),
            Created::Theirs(_) => {
                Err(self.broken_log(path, "its content differs from what its segment determines"))
            }
        }
    }

    /// Adds unsealed records to a segment until the segment is full or no record is left.
    /// Afterwards, `waiting` contains the streams that may have further records.
    async fn fill(
        &self,
        segment: &mut Segment,
        waiting: &mut VecDeque<(StreamId, u64)>,
        left_out: &mut Vec<Finding>,
    ) -> Result<(), JournalError> {
        while !segment.is_full() && !waiting.is_empty() {
            let some: Vec<_> = waiting.drain(..waiting.len().min(MAX_CONCURRENT)).collect();
            let reads = some
                .iter()
                .map(|(stream, seq)| self.unsealed_of(*stream, *seq));
            let mut rest = Vec::new();
            for ((stream, start), read) in some.iter().zip(join_all(reads).await) {
                let NextRecords { files, more, flaw } = read?;
                let mut next = *start;
                for (seq, file) in files {
                    if segment.is_full() {
                        break;
                    }
                    segment.push(*stream, seq, file);
                    next = seq + 1;
                }
                if segment.is_full() || more {
                    rest.push((*stream, next));
                } else {
                    left_out.extend(flaw);
                }
            }
            rest.into_iter()
                .rev()
                .for_each(|one| waiting.push_front(one));
        }
        Ok(())
    }

    /// Returns the entries of unsealed records. First deletes those of the records in seal `number`:
    /// its sealer may have died before it deleted them.
    async fn entries_to_seal(&self, number: u64) -> Result<Vec<UnsealedEntry>, JournalError> {
        let entries = self.unsealed_entries().await?;
        if entries.is_empty() || number == 0 {
            return Ok(entries);
        }
        let newest = match self.segment(number).await {
            // The next seal does not depend on this segment.
            Err(JournalError::Damaged { .. }) => None,
            newest => newest?,
        };
        match newest {
            Some(newest) if self.drop_sealed(&entries, &newest).await? => {
                self.unsealed_entries().await
            }
            _ => Ok(entries),
        }
    }

    /// Reads the next records of a stream, from `start` on. Stops before the first record that does
    /// not follow its predecessor. Skips retired records, which are sealed. If there are no others,
    /// deletes the entry with the number `start`.
    async fn unsealed_of(&self, stream: StreamId, start: u64) -> Result<NextRecords, JournalError> {
        let folder = self.folder(stream).await?;
        let retired = match folder.retired {
            true => self.retired_files(stream).await,
            false => Ok(Vec::new()),
        };
        let retired = retired.or_else(|error| match error.concerns_one_request() {
            true => Ok(Vec::new()),
            false => Err(error),
        })?;
        let (named, start) = (start, start.max(retired.len() as u64));
        let end = folder.end.max(start);
        if named < start && end == start {
            let entry = self.unsealed_path(stream, named);
            self.delete_entries(vec![entry]).await?;
        }
        let first = start.saturating_sub(1);
        let to = end.min(start + RECORDS);
        let mut fetched = self.fetch(stream, first, to).await?.into_iter().peekable();
        let before = match fetched.next_if(|_| first < start) {
            Some(Fetched::Bytes(bytes)) => Some(Stored::hash_of(&bytes)),
            Some(Fetched::Absent) => {
                let last = retired.last().filter(|_| retired.len() as u64 == start);
                last.map(|bytes| Stored::hash_of(bytes))
            }
            _ => None,
        };
        let mut chain = Chain::after(stream, start, before);
        let mut read = NextRecords {
            files: Vec::new(),
            more: to < end,
            flaw: None,
        };
        for (seq, fetched) in (start..).zip(fetched) {
            match (chain.push(fetched.record()), fetched) {
                (Ok(_), Fetched::Bytes(bytes)) => read.files.push((seq, bytes)),
                (Ok(_), _) => {}
                (Err(finding), _) => {
                    read.more = false;
                    read.flaw = Some(finding);
                    break;
                }
            }
        }
        Ok(read)
    }
}

/// The problem for a sealer that finds the segment of `change`, which only `rotate-key` can seal.
pub(super) fn unfinished_rotation(change: &KeyChange) -> Problem {
    let problem = format!(
        "`sharehook audit rotate-key` is replacing it by {}",
        change.new
    );
    let remedy = "wait for that command; if it was interrupted, run it again with that key";
    Problem::new("seal.key", problem, remedy)
}
