//! Verification of what was archived. In: streams with a sealed archived record, and the archives
//! to look into. Out: which of the records before it are elsewhere, and what is wrong with the
//! copies.

use std::sync::Arc;

use super::super::chain::{Chain, File, Finding};
use super::super::record::{Event, Flaw, Stored, StreamId, file_name};
use super::super::seal::{Hash, Log, seal_name};
use super::archive::is;
use super::objects::Fetched;
use super::{Journal, JournalError, Report};

/// What the verification of one stream knows of its past.
pub(super) struct ArchivedRecords {
    journal: Journal,
    stream: StreamId,
    log: Arc<Log>,
    archives: Arc<[Journal]>,
    /// Whether the newest sealed record is an archived record, once that was looked at.
    archived: Option<bool>,
}

impl ArchivedRecords {
    pub(super) fn new(
        journal: &Journal,
        stream: StreamId,
        log: Arc<Log>,
        archives: Arc<[Journal]>,
    ) -> Self {
        Self {
            journal: journal.clone(),
            stream,
            log,
            archives,
            archived: None,
        }
    }

    /// Looks at a record that may have been archived: where archives are given, at its copy too.
    /// Whether it was removed because of that, so that nothing is left to check of it.
    pub(super) async fn look(
        &mut self,
        seq: u64,
        fetched: &Fetched,
        chain: &mut Chain,
        report: &mut Report,
    ) -> Result<bool, JournalError> {
        let gone = matches!(fetched, Fetched::Absent);
        if (!gone && self.archives.is_empty()) || !self.archived().await? {
            return Ok(false);
        }
        let log = Arc::clone(&self.log);
        let Some((_, earlier)) = log.sealed(self.stream).split_last() else {
            return Ok(false);
        };
        let Some(hash) = usize::try_from(seq).ok().and_then(|seq| earlier.get(seq)) else {
            return Ok(false);
        };
        let copy = self.copy(seq, hash).await?;
        if gone {
            report.archived = report.archived.saturating_add(1);
            report.needs_seals = report.needs_seals.max(self.log.sealed_in(self.stream));
            match &copy {
                Ok(Some(bytes)) => drop(
                    chain
                        .push(File::Bytes(bytes))
                        .map_err(|finding| report.find(finding)),
                ),
                _ => chain.pass(hex::encode(hash)),
            }
        }
        if let Err(finding) = copy {
            report.find(finding);
        }
        Ok(gone)
    }

    /// Whether a sealed record says that the stream is archived: only then may records before it be
    /// elsewhere.
    async fn archived(&mut self) -> Result<bool, JournalError> {
        if let Some(known) = self.archived {
            return Ok(known);
        }
        let archived = match self.log.sealed(self.stream).split_last() {
            Some((last, earlier)) => {
                let path = self.journal.record_path(self.stream, earlier.len() as u64);
                match self.journal.fetch_one(&path).await? {
                    Fetched::Bytes(bytes) if is(&bytes, last) => Stored::read(&bytes)
                        .is_ok_and(|stored| matches!(stored.record.event, Event::Archived(_))),
                    _ => false,
                }
            }
            None => false,
        };
        self.archived = Some(archived);
        Ok(archived)
    }

    /// The record's copy as it was sealed, from the first archive that has one; `None` when there
    /// is no archive to look into. One that was altered is told even where another archive has it
    /// whole.
    async fn copy(
        &self,
        seq: u64,
        hash: &Hash,
    ) -> Result<Result<Option<bytes::Bytes>, Finding>, JournalError> {
        let (mut whole, mut flaw) = (None, None);
        for archive in &*self.archives {
            let about = |flaw| {
                let inner = format!("requests/{}/{}", self.stream, file_name(seq));
                Finding {
                    path: beneath(archive, &inner),
                    ..Finding::of(self.stream, seq, flaw)
                }
            };
            match archive
                .fetch_one(&archive.record_path(self.stream, seq))
                .await?
            {
                Fetched::Bytes(bytes) if is(&bytes, hash) => whole = Some(bytes),
                Fetched::Absent => {
                    flaw.get_or_insert_with(|| about(Flaw::CopyMissing));
                }
                _ => return Ok(Err(about(Flaw::CopyAltered))),
            }
        }
        Ok(match (whole, flaw) {
            (None, Some(finding)) => Err(finding),
            (whole, _) => Ok(whole),
        })
    }
}

impl Journal {
    /// Checks the seals' copies: every one up to the newest that removed records need must be in an
    /// archive, and none may differ from the journal's own.
    pub(super) async fn verify_copied_seals(
        &self,
        archives: &[Self],
        report: &mut Report,
    ) -> Result<(), JournalError> {
        let mut newest = report.needs_seals;
        for archive in archives {
            newest = newest.max(archive.seal_numbers().await?.last().copied().unwrap_or(0));
        }
        for number in 1..=newest {
            let inner = format!("seals/{}", seal_name(number));
            let here = self
                .fetch_one(&self.path(&["seals", &seal_name(number)]))
                .await?;
            let mut found = false;
            for archive in archives {
                match (
                    archive
                        .fetch_one(&archive.path(&["seals", &seal_name(number)]))
                        .await?,
                    &here,
                ) {
                    (Fetched::Absent, _) => continue,
                    (Fetched::Bytes(there), Fetched::Bytes(here)) if there == *here => {}
                    // Which of the two is wrong is told by the journal's own seals.
                    _ => report.find(seal_copy(archive, &inner, Flaw::CopyAltered)),
                }
                found = true;
            }
            if let (false, Some(archive)) = (found, archives.first()) {
                report.find(seal_copy(archive, &inner, Flaw::CopyMissing));
            }
        }
        Ok(())
    }
}

fn seal_copy(archive: &Journal, inner: &str, flaw: Flaw) -> Finding {
    Finding {
        path: beneath(archive, inner),
        stream: String::new(),
        seq: None,
        flaw,
    }
}

/// A file of an archive, as findings name it.
fn beneath(archive: &Journal, inner: &str) -> String {
    format!(
        "{}/{inner}",
        archive.place.to_string().trim_end_matches('/')
    )
}
