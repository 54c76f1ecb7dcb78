//! The daily pass of the sweeps. It compares the journal's index with the records of every request
//! and with the entries of the log, and adds missing index entries. It skips retired requests that
//! have no later records, except cancels that lack their entry. It returns counts, and may be
//! interrupted at any point.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::app::{App, Deadline, context};
use crate::journal::{JournalError, Pass, StreamId};

/// Number of requests after which the pass records its progress.
const STREAMS: usize = 256;
/// Number of requests that are read concurrently.
const READERS: usize = 16;
/// The longest time that one sweep spends on the pass. A sweep with less than three times this left
/// spends a third of its remaining time.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The result of comparing the index with the records.
#[derive(Debug, Default)]
pub struct Compared {
    /// The number of missing entries that were added.
    pub mended: u64,
    /// The number of streams in which records are missing although the log has them, and the error
    /// for the first of these streams. Their current state is unknown, so no index entries are
    /// added for them.
    incomplete: Option<(usize, JournalError)>,
}

impl Compared {
    /// Returns the text that reports the streams in which sealed records are missing, if there are
    /// any.
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
    /// Rebuilds the index with a complete pass that begins at the start.
    pub async fn reindex(&self) -> Result<Compared, JournalError> {
        self.prove_create_only().await?;
        let mut pass = self.journal.pass(self.now()).await?.from_the_start();
        self.compare(&mut pass, Duration::MAX).await
    }

    /// Continues today's pass. Uses at most a third of the time until `deadline`.
    pub(super) async fn continue_pass(
        &self,
        pass: &mut Pass,
        deadline: Deadline,
    ) -> Result<Compared, JournalError> {
        self.prove_create_only().await?;
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
        let (mut compared, of_retired) = (Compared::default(), AtomicU64::new(0));
        loop {
            let streams = self.journal.next_streams(pass).await?;
            for some in streams.chunks(STREAMS) {
                if began.elapsed() >= time {
                    return Ok(compared);
                }
                let (mut histories, mut unreadable) = (Vec::new(), Vec::new());
                for few in some.chunks(READERS) {
                    let read = |stream: &StreamId| {
                        self.journal.read_to_index(*stream, &index, &of_retired)
                    };
                    let reads = few.iter().map(read);
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
                compared.mended += in_some.await? + of_retired.swap(0, Ordering::Relaxed);
                self.journal.note_pass(pass, some.last().copied()).await?;
            }
            if streams.is_empty() {
                let removed = self.journal.remove_leftovers(self.now()).await?;
                if let Some(first) = removed.first() {
                    let files = removed.len();
                    tracing::warn!(
                        files,
                        first,
                        "deleted temporary files, locks and probes of processes that had been killed"
                    );
                }
                self.journal.note_pass(pass, None).await?;
                return Ok(compared);
            }
        }
    }
}
