//! Caches a value for a limited time, so that strangers who request it often do not cause work
//! each time.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::journal::JournalError;

/// The last value and the instant at which it was computed.
#[derive(Debug, Default)]
pub(in crate::app) struct Fresh<T>(Mutex<Option<(Instant, T)>>);

impl<T: Clone> Fresh<T> {
    /// Returns the last value if it is younger than `age`. Otherwise calls `make` with the
    /// last value, and stores and returns the new one. Concurrent callers wait until `make` is
    /// done. If `make` fails, no value is stored, and the last value is lost.
    pub(in crate::app) async fn or_make(
        &self,
        age: Duration,
        make: impl AsyncFnOnce(Option<T>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut last = self.0.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < age
        {
            return Ok(value.clone());
        }
        let value = make(last.take().map(|(_, value)| value)).await?;
        *last = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_value_is_made_once_in_a_while_and_an_error_is_not_kept() {
        let (fresh, age) = (Fresh::default(), Duration::from_secs(60));
        let stream = "00000000000000000000000000000000".parse().unwrap();
        let fails = async |_| Err(JournalError::Gone { stream });
        let one_more = async |last: Option<u32>| Ok(last.unwrap_or(0) + 1);
        assert_eq!(fresh.or_make(age, one_more).await.unwrap(), 1);
        assert_eq!(fresh.or_make(age, one_more).await.unwrap(), 1);
        let old = Duration::ZERO;
        assert_eq!(fresh.or_make(old, one_more).await.unwrap(), 2);
        assert!(fresh.or_make(old, fails).await.is_err());
        assert_eq!(fresh.or_make(age, one_more).await.unwrap(), 1);
    }

    /// The age begins when the value has been made, so callers that waited do not make it again.
    #[tokio::test]
    async fn callers_that_wait_longer_than_the_age_do_not_make_the_value_again() {
        let (fresh, age) = (Fresh::default(), Duration::from_millis(200));
        let slow = async |last: Option<u32>| {
            tokio::time::sleep(2 * age).await;
            Ok(last.unwrap_or(0) + 1)
        };
        let both = tokio::join!(fresh.or_make(age, slow), fresh.or_make(age, slow));
        assert_eq!((both.0.unwrap(), both.1.unwrap()), (1, 1));
    }
}
