//! Verifies that the journal was not altered. Takes a journal, and the public key of its seals if
//! there is one. Returns the result as sentences for the page.

use crate::journal::log::VerifierKey;
use crate::journal::{self, Journal, JournalError};

use super::table::{Note, Tone};
use super::texts::Texts;

/// Maximum number of findings that the page lists. The page also states the total number.
const MAX_FINDINGS: usize = 100;

/// How much of the journal a report verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every file.
    Whole,
    /// Only the log's segments, which hold every sealed record.
    Seals,
}

/// The state of the seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seals {
    Verified,
    /// There are seals, but there is no key to verify them.
    NoKey,
    /// There are seals, but the key is not one of the journal's.
    OtherKey,
    Absent,
}

#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) depth: Depth,
    pub(super) seals: Seals,
    pub(super) found: journal::Report,
}

impl Evidence {
    /// Verifies the journal. Without a key of the journal, the seals are not verified, so with
    /// [`Depth::Seals`] nothing is.
    ///
    /// # Errors
    /// Returns an error if the store failed. Damaged records are not an error: the result lists
    /// them.
    pub(super) async fn of(
        journal: &Journal,
        key: Option<&VerifierKey>,
        depth: Depth,
    ) -> Result<Self, JournalError> {
        let verified = match (key, depth) {
            (Some(key), Depth::Whole) => Some(journal.verify_sealed(key, None).await),
            (Some(key), Depth::Seals) => Some(journal.verify_segments(key, None).await),
            (None, _) => None,
        };
        let (seals, found) = match verified {
            Some(Err(JournalError::OtherKey(_))) => (Seals::OtherKey, None),
            Some(found) => (Seals::Verified, Some(found?)),
            None if journal.has_seals().await? => (Seals::NoKey, None),
            None => (Seals::Absent, None),
        };
        let found = match (found, depth) {
            (Some(found), _) => found,
            (None, Depth::Whole) => journal.verify().await?,
            (None, Depth::Seals) => journal::Report::default(),
        };
        Ok(Self {
            depth,
            seals,
            found,
        })
    }

    pub(super) fn findings(&self) -> u64 {
        (self.found.findings.len() as u64).saturating_add(self.found.left_off)
    }

    pub(super) fn notes(&self, texts: Texts) -> Vec<Note> {
        let findings = self.found.findings.iter().take(MAX_FINDINGS);
        let findings = findings.map(|finding| Note::new(Tone::Bad, finding.to_string()));
        let verdicts = [self.records_note(texts), self.seals_note(texts)];
        verdicts.into_iter().chain(findings).collect()
    }

    fn records_note(&self, texts: Texts) -> Note {
        let (records, streams) = (self.found.records, self.found.streams);
        match (self.findings(), self.depth, self.seals) {
            (0, Depth::Whole, Seals::NoKey | Seals::OtherKey) => {
                Note::new(Tone::Open, texts.records_linked(records, streams))
            }
            (0, Depth::Whole, _) => Note::new(Tone::Good, texts.records_whole(records, streams)),
            (0, Depth::Seals, Seals::Verified) => {
                let note = Note::new(Tone::Good, texts.records_signed(records, streams));
                note.with_remedy(texts.seals_command())
            }
            (0, Depth::Seals, _) => Note::new(Tone::Open, texts.records_unverified())
                .with_remedy(texts.records_command()),
            (count, _, _) => Note::new(Tone::Bad, texts.found(count, records)),
        }
    }

    fn seals_note(&self, texts: Texts) -> Note {
        let found = &self.found;
        match (self.seals, self.depth) {
            (Seals::Verified, Depth::Whole) => {
                let covered = found.sealed.saturating_sub(found.retired);
                let newer = found.records.saturating_sub(covered);
                Note::new(Tone::Good, texts.seals_cover(found.seals, covered, newer))
            }
            (Seals::Verified, Depth::Seals) => {
                Note::new(Tone::Good, texts.seals_intact(found.seals))
            }
            (Seals::NoKey, _) => {
                Note::new(Tone::Open, texts.no_key()).with_remedy(texts.how_to_verify())
            }
            (Seals::OtherKey, _) => {
                Note::new(Tone::Bad, texts.other_key()).with_remedy(texts.how_to_verify())
            }
            (Seals::Absent, _) => {
                Note::new(Tone::Open, texts.not_sealed()).with_remedy(texts.how_to_seal())
            }
        }
    }
}
