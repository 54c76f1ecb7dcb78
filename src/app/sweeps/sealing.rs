//! Decides when the next seal is due, and makes it: over every unsealed record
//! (`journal::store::sealing`), with the key of `seal_key`. In: the configuration and the journal.
//! Out: the seal, or why there is none.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::App;
use crate::config::{Config, SealConfig};
use crate::domain::Timestamp;
use crate::journal::{Journal, Sealing};

use super::seal_key::{SealError, signer, signer_or_new};

/// How often a process seals although it has written nothing: another process may have stopped
/// before it sealed its records.
const IDLE_SECONDS: i64 = 3_600;
/// Minimum pause between two seals of a server.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// The pause after a seal is this many times as long as the seal took. So a server spends less than
/// a twentieth of its time on sealing, however many records there are.
const PAUSE_FACTOR: u32 = 20;

impl App {
    /// Seals the journal if a seal is due. Returns the reason if that fails.
    pub async fn seal_when_due(&self) -> Option<String> {
        let seal = self.config().seal.as_ref()?;
        match self.seal_if_due(seal).await {
            Ok(None) => None,
            Ok(Some(sealing)) => {
                log(&sealing);
                None
            }
            Err(error) => Some(format!("the journal was not sealed: {error}")),
        }
    }

    /// Seals what this process writes, soon after each write, until the future is dropped. Returns
    /// at once if sealing is off, or if the configuration sets an interval: then the sweeps seal.
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
            && let Some(last) = self.journal.sealed_at(signer.verifier()).await?
            // The range begins at 0: a seal from the future comes from a wrong clock, and must not
            // stop sealing.
            && (0..interval).contains(&now.duration_since(last).as_secs())
        {
            return Ok(None);
        }
        // Clear it before the journal is read, so that a record that is written during the seal
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
        // The host's log keeps a copy of the checkpoint, which the journal's writers cannot change.
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
    Ok(journal.seal(&signer, now).await?)
}
