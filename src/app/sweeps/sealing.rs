//! Decides when the next seal is due, and seals every unsealed record (`journal::store::sealing`)
//! with the key from `seal_key`. Takes the configuration and the journal. Returns the seal, or the
//! reason why there is none.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::config::{Config, SealConfig};
use crate::domain::Timestamp;
use crate::journal::{Journal, JournalError, Sealing};

use super::seal_key::{SealError, prove_place, signer, signer_or_new, with_origin};

/// How often a process seals the journal even if it has written nothing itself. This is needed
/// because another process may have stopped before it sealed its records.
const IDLE_SECONDS: i64 = 3_600;
/// Minimum pause between two seals of a server.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a seal is this many times as long as the seal took. A server therefore spends
/// less than a twentieth of its time on sealing, whatever the number of records.
const PAUSE_FACTOR: u32 = 20;

impl App {
    /// Seals the journal if a seal is due. If sealing fails, returns the reason.
    pub async fn seal_when_due(&self) -> Option<String> {
        let seal = self.config().seal.as_ref()?;
        let mut sealed = self.seal_if_due(seal).await;
        // The key may have been exchanged while this process runs.
        if let Err(SealError::Journal(JournalError::Place(_))) = &sealed
            && let Some(renewed) = self.with_reread_seal_key().await
            && let Some(seal) = &renewed.config().seal
        {
            sealed = renewed.seal_if_due(seal).await;
        }
        match sealed {
            Ok(None) => None,
            Ok(Some(sealing)) => {
                log(&sealing);
                None
            }
            Err(error) => Some(format!("the journal was not sealed: {error}")),
        }
    }

    /// Seals the records of this process soon after each write, until the future is dropped.
    /// Returns at once if sealing is off. Also returns at once if the configuration sets an
    /// interval, because the sweeps seal then.
    pub async fn seal_after_writes(&self) {
        if self
            .config()
            .seal
            .as_ref()
            .is_none_or(|seal| seal.every.is_some())
        {
            return;
        }
        loop {
            self.journal.unsealed().written().await;
            let begun = Instant::now();
            if let Some(problem) = self.seal_when_due().await {
                tracing::error!(
                    problem,
                    "sealing failed; the program tries again after the next write"
                );
            }
            let pause = begun.elapsed().saturating_mul(PAUSE_FACTOR);
            tokio::time::sleep(pause.max(MIN_PAUSE)).await;
        }
    }

    async fn seal_if_due(&self, seal: &SealConfig) -> Result<Option<Sealing>, SealError> {
        let unsealed = self.journal.unsealed();
        let interval = match &seal.every {
            Some(every) => every.seconds(),
            None if unsealed.any() => 0,
            None => IDLE_SECONDS,
        };
        let now = self.now();
        if interval > 0
            && let Some(signer) = signer(self.config())?
            && let Some(last) = (self.journal.sealed_at(signer.verifier()).await)
                .map_err(|error| with_origin(error, seal))?
            // The range begins at 0 because a seal from the future was made with a wrong clock, and
            // such a seal must not prevent further seals.
            && (0..interval).contains(&now.duration_since(last).as_secs())
        {
            return Ok(None);
        }
        // Clear the flag before the journal is read. A record that is written during the seal then
        // sets it again.
        unsealed.clear();
        let sealed = seal_journal(self.config(), &self.journal, now).await;
        if sealed.is_err() {
            unsealed.set();
        }
        sealed.map(Some)
    }
}

fn log(sealing: &Sealing) {
    for finding in &sealing.left_out {
        tracing::error!(%finding, "a record was not sealed, nor were the later records of its stream");
    }
    if let (1.., Some(checkpoint)) = (sealing.sealed, &sealing.checkpoint) {
        // This keeps a copy of the checkpoint in the host's log. Processes that can write the
        // journal cannot change that copy.
        tracing::info!(
            records = sealing.sealed,
            size = sealing.size,
            checkpoint,
            "sealed"
        );
    }
}

/// Seals every record that no seal covers yet.
pub(crate) async fn seal_journal(
    config: &Config,
    journal: &Journal,
    now: Timestamp,
) -> Result<Sealing, SealError> {
    let signer = signer_or_new(config, journal).await?;
    prove_place(journal).await?;
    let sealed = journal.seal(&signer, now).await;
    match &config.seal {
        Some(seal) => Ok(sealed.map_err(|error| with_origin(error, seal))?),
        None => Ok(sealed?),
    }
}
