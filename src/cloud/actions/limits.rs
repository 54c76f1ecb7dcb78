//! The limits that the documentation publishes, as checks. In: a request's parts. Out: nothing, or
//! the limit that is broken, so that a request which the cloud must refuse is never sent.

use super::describe_images_to_share::Filter;
use crate::domain::AccountId;

/// The largest page that the paged reads allow.
pub const PAGE_LIMIT: u32 = 100;

/// A published limit, and how a request breaks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {limit}")]
pub struct Limit {
    /// What the request has.
    pub what: String,
    /// What the documentation allows.
    pub limit: String,
}

impl Limit {
    fn broken(what: impl Into<String>, limit: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            limit: limit.into(),
        }
    }
}

/// From 1 to `most` accounts: no API has an "all", and an empty list must not become one.
pub(super) fn accounts(accounts: &[AccountId], most: usize) -> Result<(), Limit> {
    match accounts.len() {
        0 => Err(Limit::broken("0 accounts", "AccountIds is required")),
        n if n > most => Err(Limit::broken(
            format!("{n} accounts"),
            format!("AccountIds takes {most} at most"),
        )),
        _ => Ok(()),
    }
}

/// Identifiers and filters exclude each other; ids from 1 (an empty list must not become "all") to
/// `max_ids`, filters up to 10 with up to `max_values` each.
pub(super) fn selection(
    ids: Option<usize>,
    filters: Option<&[Filter]>,
    max_ids: usize,
    max_values: usize,
) -> Result<(), Limit> {
    const MAX_FILTERS: usize = 10;
    if ids.is_some() && filters.is_some() {
        return Err(Limit::broken(
            "ids and filters",
            "ids and Filters cannot be specified simultaneously",
        ));
    }
    if let Some(n) = ids
        && !(1..=max_ids).contains(&n)
    {
        return Err(Limit::broken(
            format!("{n} ids"),
            format!("1 to {max_ids} per request"),
        ));
    }
    let filters = filters.unwrap_or_default();
    if filters.len() > MAX_FILTERS {
        let what = format!("{} filters", filters.len());
        return Err(Limit::broken(
            what,
            format!("{MAX_FILTERS} Filters per request at most"),
        ));
    }
    for filter in filters {
        let n = filter.values.len();
        if n > max_values || n == 0 {
            let what = format!("filter {} has {n} values", filter.name);
            return Err(Limit::broken(
                what,
                format!("1 to {max_values} Filter.Values"),
            ));
        }
    }
    Ok(())
}

/// A page has 1 to [`PAGE_LIMIT`] entries.
pub(super) fn page(limit: u32) -> Result<(), Limit> {
    if (1..=PAGE_LIMIT).contains(&limit) {
        return Ok(());
    }
    Err(Limit::broken(
        format!("Limit {limit}"),
        format!("1 to {PAGE_LIMIT}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_two_ends() {
        let ids: Vec<AccountId> = (0..11)
            .map(|n| format!("7000001649{n:02}").parse().unwrap())
            .collect();
        assert!(accounts(&ids[..0], 10).is_err());
        assert!(accounts(&ids[..1], 10).is_ok());
        assert!(accounts(&ids[..10], 10).is_ok());
        let broken = accounts(&ids, 10).unwrap_err();
        assert_eq!(
            broken.to_string(),
            "11 accounts: AccountIds takes 10 at most"
        );
    }

    #[test]
    fn ids_exclude_filters_and_both_have_a_most() {
        let filter = |n: usize| Filter {
            name: "image-id".into(),
            values: vec!["img-abcdef".into(); n],
        };
        let list = |n: usize| vec![filter(1); n];
        assert!(selection(None, None, 100, 5).is_ok());
        assert!(selection(Some(100), None, 100, 5).is_ok());
        assert!(selection(Some(101), None, 100, 5).is_err());
        assert!(selection(Some(0), None, 100, 5).is_err());
        assert!(selection(Some(1), Some(&[]), 100, 5).is_err());
        assert!(selection(None, Some(&list(10)), 100, 5).is_ok());
        assert!(selection(None, Some(&list(11)), 100, 5).is_err());
        assert!(selection(None, Some(&[filter(5)]), 100, 5).is_ok());
        assert!(selection(None, Some(&[filter(6)]), 100, 5).is_err());
        assert!(selection(None, Some(&[filter(0)]), 100, 5).is_err());
    }

    #[test]
    fn a_page_is_never_empty_and_never_too_long() {
        assert!(page(0).is_err());
        assert!(page(1).is_ok());
        assert!(page(PAGE_LIMIT).is_ok());
        assert!(page(PAGE_LIMIT + 1).is_err());
    }
}
