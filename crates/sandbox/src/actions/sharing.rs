//! Adds accounts to the shares of an image. An option decides whether the accounts before a refused
//! account stay added, because the API pages do not say.

use jiff::Timestamp;

use crate::behaviour::Batch;
use crate::error::ApiError;
use crate::world::Shares;

/// Returns the accounts of a call in the given order, without duplicates.
pub(super) fn distinct(accounts: &[String]) -> Vec<&str> {
    let mut seen = std::collections::BTreeSet::new();
    accounts
        .iter()
        .map(String::as_str)
        .filter(|account| seen.insert(*account))
        .collect()
}

/// Adds the accounts in order until `check` refuses one. `check` receives the shares so far and an
/// account. `batch` decides whether the accounts before the refused one stay added.
pub(super) fn add(
    shares: &mut Shares,
    accounts: &[&str],
    batch: Batch,
    now: Timestamp,
    check: impl Fn(&Shares, &str) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut wanted = shares.clone();
    let refusal = accounts
        .iter()
        .find_map(|account| match check(&wanted, account) {
            Ok(()) => {
                wanted.entry((*account).to_owned()).or_insert(now);
                None
            }
            Err(refusal) => Some(refusal),
        });
    if refusal.is_none() || batch == Batch::UntilFirstBad {
        *shares = wanted;
    }
    refusal.map_or(Ok(()), Err)
}
