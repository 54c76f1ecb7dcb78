//! Whether the journal is writable and still the one that was opened. In: the journal. Out: yes or
//! no, for probes; only the log has the reason, because a probe may come from a stranger.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::journal::JournalError;

/// How often a probe writes the journal. Other probes get the same answer.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// When the journal was last tested, and whether it was writable.
#[derive(Debug, Default)]
pub(in crate::app) struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    /// The last answer while it is fresh at `now`; otherwise calls `look`.
    pub(in crate::app) async fn or_look(
        &self,
        now: Instant,
        look: impl Future<Output = Result<(), JournalError>>,
    ) -> bool {
        let mut last = self.0.lock().await;
        if let Some((at, ready)) = *last
            && now.saturating_duration_since(at) < PROBE_INTERVAL
        {
            return ready;
        }
        let looked = look.await;
        if let Err(error) = &looked {
            tracing::error!(%error, "not ready: the journal cannot be written");
        }
        *last = Some((now, looked.is_ok()));
        looked.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn many_probes_look_once_in_a_while() {
        let readiness = Readiness::default();
        let stream = "00000000000000000000000000000000".parse().unwrap();
        let fails = || async move { Err(JournalError::Gone { stream }) };
        let now = Instant::now();
        assert!(readiness.or_look(now, async { Ok(()) }).await);
        assert!(readiness.or_look(now, fails()).await, "too soon");
        let later = now + PROBE_INTERVAL;
        assert!(!readiness.or_look(later, fails()).await);
        assert!(!readiness.or_look(later, async { Ok(()) }).await);
        let later = later + PROBE_INTERVAL;
        assert!(readiness.or_look(later, async { Ok(()) }).await);
    }
}
