//! Reads the log's objects: `log/segments/`, `log/checkpoints/`, `log/keys/`, `log/tile/` and
//! `log/checkpoint`. Takes numbers; returns the stored objects. Only [`Journal::sealed_at`],
//! `log_head` and `require_key` check signatures: they refuse a key that does not sign the next
//! seal. Writes only `log/checkpoint`, if a slower sealer put an older checkpoint there.

use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _};

use super::super::chain::Finding;
use super::super::log::{
    Checkpoint, Edge, Hash, KeyChain, MAX_SEGMENT_BYTES, NoteFlaw, Object, Segment, VerifierKey,
    claimed_signer, number_of, numbered, partial_bundle, partial_tiles,
};
use super::super::record::Flaw;
use super::objects::{Fetched, LISTING_TIMEOUT, OPERATION_TIMEOUT};
use super::{Journal, JournalError};
use crate::domain::{Problem, Timestamp};

/// How often to write `log/checkpoint` again after a seal. Each time, another process has sealed.
const MAX_COPIES: usize = 8;

/// The end of the log: the newest seal and the right edge of the tree.
pub(super) struct LogHead {
    /// The newest seal's number; 0 without a seal.
    pub(super) number: u64,
    pub(super) edge: Edge,
    /// The newest checkpoint and its signed note.
    pub(super) newest: Option<(Checkpoint, String)>,
    /// The keys that sign this seal and later ones, as far as they are known.
    pub(super) keys: KeyChain,
}

impl LogHead {
    /// Returns what the next seal must consist of, if it has this segment: the edge after it, the
    /// tiles and bundles, and the checkpoint.
    pub(super) fn next(&self, segment: &Segment) -> (Edge, Vec<Object>, Checkpoint) {
        let mut edge = self.edge.clone();
        let objects = edge.append(segment.entries(), &mut Vec::new());
        let checkpoint = Checkpoint {
            origin: self.keys.of_seal(segment.number).name().to_owned(),
            size: edge.size(),
            root: edge.root(),
            number: segment.number,
            at: segment.at,
            key_change: segment.key_change.clone(),
        };
        (edge, objects, checkpoint)
    }
}

fn require(keys: &KeyChain, key: &VerifierKey) -> Result<(), Problem> {
    match keys.newest() == key {
        true => Ok(()),
        false => Err(other_key(&keys.newest().to_string())),
    }
}

/// Returns the problem for a sealer whose key does not sign the log now. `present` is the key that
/// does.
pub(super) fn other_key(present: &str) -> Problem {
    Problem::new(
        "seal.key",
        format!("is not the key that signs the log now; that is {present}"),
        "configure that key; only `sharehook audit rotate-key` introduces another one",
    )
}

impl Journal {
    /// Reads the end of the log at the seal that `log/checkpoint` names; later seals may exist. If
    /// that file is missing or wrong, returns the beginning of the log.
    ///
    /// # Errors
    /// `key` does not sign the next seal, an object of the log is missing or wrong, or the store
    /// failed.
    pub(super) async fn log_head(&self, key: &VerifierKey) -> Result<LogHead, JournalError> {
        let (keys, newest) = self.newest_signed(key).await?;
        let Some((checkpoint, note)) = newest else {
            return Ok(LogHead {
                number: 0,
                edge: Edge::default(),
                newest: None,
                keys,
            });
        };
        let mut levels = Vec::new();
        for path in partial_tiles(checkpoint.size) {
            let bytes = self.edge_object(path).await?;
            let hashes = bytes.chunks(size_of::<Hash>());
            levels.push(hashes.filter_map(|hash| hash.try_into().ok()).collect());
        }
        let bundle = self.edge_object(partial_bundle(checkpoint.size)).await?;
        let edge = Edge::of(checkpoint.size, levels, bundle);
        if edge.root() != checkpoint.root {
            let why = "the root of its partial tiles differs from the signed root";
            return Err(self.broken_log(self.checkpoint_path(checkpoint.number), why));
        }
        Ok(LogHead {
            number: checkpoint.number,
            edge,
            newest: Some((checkpoint, note)),
            keys,
        })
    }

    pub(super) async fn edge_object(&self, path: Option<String>) -> Result<Vec<u8>, JournalError> {
        let Some(path) = path else {
            return Ok(Vec::new());
        };
        let path = self.log_path(&path);
        let flaw = match self.fetch_one(&path).await? {
            Fetched::Bytes(bytes) => return Ok(bytes.to_vec()),
            Fetched::Absent => Flaw::Dropped,
            Fetched::TooLarge(bytes) => Flaw::TooLarge { bytes },
        };
        Err(self.damaged(Finding::about(path, flaw)))
    }

    pub(super) async fn segment(&self, number: u64) -> Result<Option<Segment>, JournalError> {
        let path = self.segment_path(number);
        let flaw = match self.fetch_at_most(&path, MAX_SEGMENT_BYTES).await? {
            Fetched::Absent => return Ok(None),
            Fetched::TooLarge(bytes) => Flaw::TooLarge { bytes },
            Fetched::Bytes(bytes) => match Segment::read(&bytes) {
                Ok(segment) if segment.number == number => return Ok(Some(segment)),
                Ok(_) => Flaw::BrokenLog("it is the segment of another seal".to_owned()),
                Err(why) => Flaw::BrokenLog(why.to_owned()),
            },
        };
        Err(self.damaged(Finding::about(path, flaw)))
    }

    /// Returns the signed note of checkpoint `number`. `None` if it does not exist.
    pub(super) async fn checkpoint(&self, number: u64) -> Result<Option<String>, JournalError> {
        self.text_at(&self.checkpoint_path(number)).await
    }

    /// Returns the checkpoint with the highest number in `log/checkpoints/`, unverified.
    pub(super) async fn newest_checkpoint(&self) -> Result<Option<String>, JournalError> {
        match self.numbers("checkpoints").await?.last() {
            Some(newest) => self.checkpoint(*newest).await,
            None => Ok(None),
        }
    }

    /// The notes that introduce keys, oldest first.
    pub(super) async fn key_notes(&self) -> Result<Vec<String>, JournalError> {
        let mut notes = Vec::new();
        for number in self.numbers("keys").await? {
            notes.extend(self.text_at(&self.key_path(number)).await?);
        }
        Ok(notes)
    }

    /// The numbers of the objects in one of the log's folders, ascending.
    pub(super) async fn numbers(&self, folder: &str) -> Result<Vec<u64>, JournalError> {
        let listed = self.listed(&self.log_path(folder), LISTING_TIMEOUT).await?;
        let names = listed.objects.iter().filter_map(|o| o.location.filename());
        let mut numbers: Vec<u64> = names.filter_map(number_of).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(super) async fn text_at(&self, path: &Path) -> Result<Option<String>, JournalError> {
        match self.fetch_one(path).await? {
            Fetched::Bytes(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Fetched::Absent => Ok(None),
            Fetched::TooLarge(bytes) => {
                Err(self.damaged(Finding::about(path, Flaw::TooLarge { bytes })))
            }
        }
    }

    /// Returns when the newest seal began, according to `log/checkpoint`. `None` if that file is
    /// missing or wrong.
    ///
    /// # Errors
    /// `key` does not sign the next seal, a note in `log/keys/` is wrong, or the store failed.
    pub async fn sealed_at(&self, key: &VerifierKey) -> Result<Option<Timestamp>, JournalError> {
        let (_, newest) = self.newest_signed(key).await?;
        Ok(newest.map(|(checkpoint, _)| checkpoint.at))
    }

    /// Fails unless `key` signs the seal after `head`. If `key` is not the newest key in `head`,
    /// reads the notes that introduce keys, because a later exchange may have introduced `key`
    /// again.
    pub(super) async fn require_key(
        &self,
        head: &mut LogHead,
        key: &VerifierKey,
    ) -> Result<(), JournalError> {
        if head.keys.newest() != key {
            head.keys = self.keys_for(key).await?;
            let newest = head.newest.iter();
            newest.for_each(|(newest, _)| head.keys.follow(newest));
        }
        Ok(require(&head.keys, key)?)
    }

    /// Reads `log/checkpoint`. Also returns the log's keys, and fails unless `key` is the newest of
    /// them. No further reads are needed if `key` signed `log/checkpoint` and that checkpoint
    /// introduces no other key. Otherwise reads the notes that introduce keys.
    async fn newest_signed(
        &self,
        key: &VerifierKey,
    ) -> Result<(KeyChain, Option<(Checkpoint, String)>), JournalError> {
        let note = self.newest_note().await?;
        let opened = |mut keys: KeyChain| {
            let newest = note.as_deref().and_then(|note| keys.open(note).ok());
            newest.iter().for_each(|newest| keys.follow(newest));
            (keys, newest)
        };
        let (mut keys, mut newest) = opened(KeyChain::from(key.clone()));
        // A later exchange may have introduced `key` again.
        if newest.is_none() || keys.newest() != key {
            (keys, newest) = opened(self.keys_for(key).await?);
        }
        require(&keys, key)?;
        Ok((keys, newest.zip(note)))
    }

    /// Returns the keys of the log according to the notes in `log/keys/`. If there are none, a
    /// single key signs every seal. It must be `key`: fails if checkpoint 1 shows that another key
    /// signed it.
    async fn keys_for(&self, key: &VerifierKey) -> Result<KeyChain, JournalError> {
        let mut notes = self.key_notes().await?;
        let read = KeyChain::read(&notes);
        let read = read.map_err(|flaw| self.broken_log("log/keys", flaw))?;
        let first = self.checkpoint(1).await?.unwrap_or_default();
        // A rotation of the key may have been interrupted between its checkpoint and its note.
        notes.extend(self.newest_checkpoint().await?);
        let continues =
            |keys: &KeyChain| read.is_some() || Checkpoint::open(&first, keys.of_seal(1)).is_ok();
        let longer = KeyChain::read(&notes).ok().flatten();
        if let Some(keys) = longer.filter(continues).or(read.clone()) {
            return Ok(keys);
        }
        match (claimed_signer(&first), Checkpoint::open(&first, key)) {
            (Some(signer), Err(NoteFlaw::Unsigned(_))) => Err(other_key(&signer).into()),
            // Checkpoint 1 is missing, damaged or signed by `key`. If it is damaged, the sealer
            // that completes seal 1 reports the damage.
            _ => Ok(KeyChain::from(key.clone())),
        }
    }

    /// Writes `log/checkpoint` again if later checkpoints than that of `head` exist. The caller has
    /// just written it; that write may have ended after the write of a later sealer, and so have put
    /// an older checkpoint back. Each sealer creates its numbered checkpoint before it writes
    /// `log/checkpoint`. If there is no later one after a write, a later sealer will yet write.
    pub(super) async fn mend_newest_note(&self, head: &LogHead) -> Result<(), JournalError> {
        let (mut keys, mut number) = (head.keys.clone(), head.number);
        for _ in 0..MAX_COPIES {
            let mut newest = None;
            while let Some(note) = self.checkpoint(number + 1).await?
                && let Ok(checkpoint) = keys.open(&note)
            {
                keys.follow(&checkpoint);
                number += 1;
                newest = Some(note);
            }
            let Some(note) = newest else { break };
            let path = self.log_path("checkpoint");
            self.overwrite(&path, note.as_bytes()).await?;
        }
        Ok(())
    }

    /// Whether the journal has a seal, or lost its first one.
    pub async fn has_seals(&self) -> Result<bool, JournalError> {
        Ok(self.has_segment(1).await? || self.has_later_seals().await?)
    }

    /// Whether a segment, a checkpoint or `log/checkpoint` shows that there were seals, although the
    /// first segment does not exist.
    pub(super) async fn has_later_seals(&self) -> Result<bool, JournalError> {
        let end = self.log_end().await?;
        Ok(end.last > 0 || end.incomplete.is_some())
    }

    /// Whether segment `number` exists, without reading it.
    pub(super) async fn has_segment(&self, number: u64) -> Result<bool, JournalError> {
        let path = self.segment_path(number);
        let look = self.at(&path).head(&path);
        match self.bounded("read", &path, OPERATION_TIMEOUT, look).await? {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.failed("read", path.as_ref(), &error)),
        }
    }

    /// Returns a path in the log. `inner` may contain `/`.
    pub(super) fn log_path(&self, inner: &str) -> Path {
        let log = self.path(&["log"]);
        inner.split('/').fold(log, |path, part| path.join(part))
    }

    pub(super) fn segment_path(&self, number: u64) -> Path {
        self.log_path(&format!("segments/{}", numbered(number)))
    }

    pub(super) fn checkpoint_path(&self, number: u64) -> Path {
        self.log_path(&format!("checkpoints/{}", numbered(number)))
    }

    pub(super) fn key_path(&self, number: u64) -> Path {
        self.log_path(&format!("keys/{}", numbered(number)))
    }
}
