//! Adding accounts to an image's shares, all or nothing or as far as it goes: the question that the
//! pages leave open.

use jiff::Timestamp;

use crate::behaviour::Batch;
use crate::error::ApiError;
use crate::world::Shares;

/// The accounts of a call, each once, in the order given.
pub(super) fn distinct(accounts: &[String]) -> Vec<&str> {
    let mut seen = std::collections::BTreeSet::new();
    accounts
        .iter()
        .map(String::as_str)
        .filter(|account| seen.insert(*account))
        .collect()
}

/// Shares with every account that `check` passes, given the shares so far. At the first refusal
/// nothing was changed, or the accounts before it were added, as `batch` says.
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
