//! Whether the journal is what was written. In: a journal, and the public key of its seals if there is
//! one. Out: the result of the verification, in sentences for the page.

use crate::journal::log::VerifierKey;
use crate::journal::{self, Journal, JournalError};

use super::table::{Note, Tone};

/// Maximum number of findings on the page. It gives the number of the others.
const MAX_FINDINGS: usize = 100;
const HOW_TO_VERIFY: &str = "`sharehook audit key` prints the public key where the journal is sealed; \
     `sharehook report --key KEY` and `sharehook audit verify --key KEY` check the seals with it.";
const HOW_TO_SEAL: &str = "docs/evidence.md says how to seal it.";

/// How much of the journal a report verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Every file.
    Whole,
    /// The log's segments alone: every sealed record.
    Seals,
}

/// What is known of the seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seals {
    Verified,
    /// There are seals, and no key that checks them.
    NoKey,
    /// There are none.
    Absent,
}

/// The result of the verification.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) depth: Depth,
    pub(super) seals: Seals,
    pub(super) found: journal::Report,
}

impl Evidence {
    /// Verifies the journal, without its seals if there is no key.
    ///
    /// # Errors
    /// The store failed. What is wrong with records is in the result.
    pub(super) async fn of(
        journal: &Journal,
        key: Option<&VerifierKey>,
        depth: Depth,
    ) -> Result<Self, JournalError> {
        let (seals, found) = match (key, depth) {
            (Some(key), Depth::Whole) => (Seals::Verified, journal.verify_sealed(key, None).await?),
            (Some(key), Depth::Seals) => {
                (Seals::Verified, journal.verify_segments(key, None).await?)
            }
            (None, depth) => {
                let seals = match journal.has_seals().await? {
                    true => Seals::NoKey,
                    false => Seals::Absent,
                };
                let found = match depth {
                    Depth::Whole => journal.verify().await?,
                    Depth::Seals => journal::Report::default(),
                };
                (seals, found)
            }
        };
        Ok(Self {
            depth,
            seals,
            found,
        })
    }

    /// How many findings there are.
    pub(super) fn findings(&self) -> u64 {
        (self.found.findings.len() as u64).saturating_add(self.found.left_off)
    }

    /// The sentences of the page.
    pub(super) fn notes(&self) -> Vec<Note> {
        let found = &self.found;
        let (records, streams) = (found.records, found.streams);
        let mut notes = Vec::new();
        match (self.findings(), self.depth, self.seals) {
            (0, Depth::Whole, _) => notes.push(Note::new(
                Tone::Good,
                format!("{records} records of {streams} requests: every record is whole and in its place."),
            )),
            (0, Depth::Seals, Seals::Verified) => notes.push(
                Note::new(
                    Tone::Good,
                    format!("{records} sealed records of {streams} requests: each is what was signed."),
                )
                .with_remedy("The files of requests were not compared with them for this page: `sharehook audit verify` does that."),
            ),
            (0, Depth::Seals, _) => notes.push(
                Note::new(Tone::Open, "The records were not verified for this page.")
                    .with_remedy("`sharehook audit verify` verifies them."),
            ),
            (count, _, _) => notes.push(Note::new(
                Tone::Bad,
                format!("{count} findings; {records} records are intact."),
            )),
        }
        notes.push(match (self.seals, self.depth) {
            (Seals::Verified, Depth::Whole) => {
                let covered = found.sealed.saturating_sub(found.retired);
                let newer = records.saturating_sub(covered);
                Note::new(
                    Tone::Good,
                    format!("{} seals cover {covered} of them; {newer} are newer than the last seal.", found.seals),
                )
            }
            (Seals::Verified, Depth::Seals) => {
                Note::new(Tone::Good, format!("{} seals are intact.", found.seals))
            }
            (Seals::NoKey, _) => Note::new(
                Tone::Open,
                "The journal is sealed, but no public key was given, so its seals were not verified.",
            )
            .with_remedy(HOW_TO_VERIFY),
            (Seals::Absent, _) => Note::new(
                Tone::Open,
                "Not sealed: the removal of a request's newest records cannot be detected.",
            )
            .with_remedy(HOW_TO_SEAL),
        });
        let findings = found.findings.iter().take(MAX_FINDINGS);
        notes.extend(findings.map(|finding| Note::new(Tone::Bad, finding.to_string())));
        notes
    }
}
