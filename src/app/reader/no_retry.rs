//! Decides whether `retry` can reopen a request. `retry`, `explain` and the report all use this
//! rule.

use std::time::Duration;

use crate::domain::Timestamp;
use crate::journal::{Journal, JournalError, State};

/// Returns why `retry` refuses to reopen the request. Returns `None` if `retry` would reopen it, so
/// that the policies decide it again. `max_age` comes from the configuration. Without it, the
/// request may have any age.
pub(in crate::app) async fn why_no_retry(
    journal: &Journal,
    state: &State,
    max_age: Option<Duration>,
    now: Timestamp,
) -> Result<Option<String>, JournalError> {
    if let Some(why) = state.stays_closed(now) {
        return Ok(Some(why.to_owned()));
    }
    if state.remaining().is_none() {
        let why = "a later cancel or withdrawal called off all that is left of it";
        return Ok(Some(why.to_owned()));
    }
    let approved = state.approved_at();
    let last = max_age.and_then(|age| approved.checked_add(age).ok());
    if last.is_some_and(|last| last < now) {
        let why = format!(
            "it was approved at {approved:.0}, which is longer ago than [limits] retry_age allows; send a new ticket"
        );
        return Ok(Some(why));
    }
    let retired = journal.is_retired(state.stream()).await?;
    Ok(retired.then(|| "its records are retired; send a new ticket".to_owned()))
}
