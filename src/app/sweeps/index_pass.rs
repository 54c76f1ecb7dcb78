//! The daily pass of the sweeps: compares the journal's index with every request, except retired
//! ones without later records, and writes missing entries. In: the index, the records, the log's
//! entries. Out: counts. May be interrupted at any point.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::app::{App, Deadline, context};
use crate::journal::{JournalError, Pass};

/// Number of requests after which the pass records its progress. It reads `READERS` of them at
/// once.
const STREAMS: usize = 256;
const READERS: usize = 16;
/// The pass gets a third of the time that a sweep has left, and at most this.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The result of comparing the index with the records.
#[derive(Debug, Default)]
pub struct Compared {
    /// The number of entries that were missing.
    pub mended: u64,
    /// The number of streams that lack records that the log has, and the error of the first one.
    /// Their present state is not known, so the index gets no entry of them.
    incomplete: Option<(usize, JournalError)>,
}

impl Compared {
    /// What to report of the streams that lack records that the log has.
    pub fn failure(&self) -> Option<String> {
        let (streams, first) = self.incomplete.as_ref()?;
        Some(match streams {
            1 => first.to_string(),
            _ => format!(
                "{first}; further streams that lack sealed records: {}; `sharehook audit verify` lists them",
                streams - 1
            ),
        })
    }

    fn add_incomplete(&mut self, error: JournalError) {
        let (streams, _) = self.incomplete.get_or_insert((0, error));
        *streams += 1;
    }
}

impl App {
    /// Rebuilds the index: makes a whole pass from the start.
    pub async fn reindex(&self) -> Result<Compared, JournalError> {
        let mut pass = self.journal.pass(self.now()).await?.from_the_start();
        self.compare(&mut pass, Duration::MAX).await
    }

    /// Continues today's pass, for a part of the remaining time.
    pub(super) async fn continue_pass(
        &self,
        pass: &mut Pass,
        deadline: Deadline,
    ) -> Result<Compared, JournalError> {
        let time = (context::left(deadline) / 3).min(MAX_TIME);
        let compared = self.compare(pass, time).await?;
        let mended = compared.mended;
        if mended > 0 {
            tracing::warn!(mended, "added missing entries to the journal's index");
        }
        Ok(compared)
    }

    async fn compare(&self, pass: &mut Pass, time: Duration) -> Result<Compared, JournalError> {
        let began = Instant::now();
        let sealing = self.config().seal.is_some();
        let index = self.journal.index_to_mend(pass, sealing).await?;
        let mut compared = Compared::default();
        loop {
            let streams = self.journal.next_streams(pass).await?;
            for some in streams.chunks(STREAMS) {
                if began.elapsed() >= time {
                    return Ok(compared);
                }
                let (mut histories, mut unreadable) = (Vec::new(), Vec::new());
                for few in some.chunks(READERS) {
                    let reads = few.iter().map(|stream| self.journal.read_to_index(*stream));
                    for (stream, read) in few.iter().zip(join_all(reads).await) {
                        match read {
                            Ok(Some(history)) => {
                                match self.journal.require_sealed(&index, &history) {
                                    Ok(()) => histories.push(history),
                                    Err(error) => compared.add_incomplete(error),
                                }
                            }
                            Ok(None) => {}
                            Err(_) => unreadable.push(*stream),
                        }
                    }
                }
                let rules = &self.prepared.notice_rules;
                let journal = &self.journal;
                let in_some =
                    journal.mend_index(&index, &histories, &unreadable, self.now(), rules);
                compared.mended += in_some.await?;
                self.journal.note_pass(pass, some.last().copied()).await?;
            }
            if streams.is_empty() {
                let removed = self.journal.remove_leftovers(self.now()).await?;
                if let Some(first) = removed.first() {
                    let files = removed.len();
                    tracing::warn!(
                        files,
                        first,
                        "deleted temporary files and locks of processes that had been killed"
                    );
                }
                self.journal.note_pass(pass, None).await?;
                return Ok(compared);
            }
        }
    }
}
