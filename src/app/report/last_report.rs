//! The page that a process made last. A new one is made when it is older than a minute, because each
//! costs a reading of the whole journal.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::journal::JournalError;

const FRESH_FOR: Duration = Duration::from_secs(60);

/// The last page, and when it was made.
#[derive(Debug, Default)]
pub(in super::super) struct LastReport(Mutex<Option<(Instant, String)>>);

impl LastReport {
    /// The last page while it is fresh at `now`; otherwise a new one. Only one is made at a time.
    pub(super) async fn or_make(
        &self,
        now: Instant,
        make: impl Future<Output = Result<String, JournalError>>,
    ) -> Result<String, JournalError> {
        let mut last = self.0.lock().await;
        if let Some((at, page)) = &*last
            && now.saturating_duration_since(*at) < FRESH_FOR
        {
            return Ok(page.clone());
        }
        let page = make.await?;
        *last = Some((now, page.clone()));
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_page_is_made_once_a_minute() {
        let last = LastReport::default();
        let page = |text: &'static str| async move { Ok(text.to_owned()) };
        let now = Instant::now();
        assert_eq!(last.or_make(now, page("one")).await.unwrap(), "one");
        let soon = now + FRESH_FOR - Duration::from_secs(1);
        assert_eq!(last.or_make(soon, page("two")).await.unwrap(), "one");
        let later = now + FRESH_FOR;
        assert_eq!(last.or_make(later, page("two")).await.unwrap(), "two");
    }
}
