//! Checks a request against the limits that the documentation publishes, before the request is
//! sent. Takes parts of the request, and fails with the limit that they exceed.

use serde::Serialize;

use crate::domain::AccountId;

/// A published limit that a request exceeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Limit(String);

/// Requires 1 to `most` accounts. Rejects an empty list, which an API could read as "all".
pub(super) fn accounts(accounts: &[AccountId], most: usize) -> Result<(), Limit> {
    match accounts.len() {
        n if (1..=most).contains(&n) => Ok(()),
        n => Err(Limit(format!(
            "{n} accounts in one request; the API takes 1 to {most}"
        ))),
    }
}

/// Requires 1 to 100 ids. Rejects an empty list, which an API could read as "all".
pub(super) fn ids(count: usize) -> Result<(), Limit> {
    const MAX_IDS: usize = 100;
    match count {
        1..=MAX_IDS => Ok(()),
        n => Err(Limit(format!(
            "{n} ids in one request; the API takes 1 to {MAX_IDS}"
        ))),
    }
}

/// A filter of a list. It matches the entries that have one of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Filter {
    /// The filter's name, such as `image-id`. Each list has its own filters.
    pub name: String,
    /// The values.
    pub values: Vec<String>,
}

pub(super) fn filters(filters: &[Filter], max_values: usize) -> Result<(), Limit> {
    const MAX_FILTERS: usize = 10;
    if filters.len() > MAX_FILTERS {
        let n = filters.len();
        return Err(Limit(format!(
            "{n} filters in one request; the API takes at most {MAX_FILTERS}"
        )));
    }
    for filter in filters {
        let n = filter.values.len();
        if n > max_values || n == 0 {
            let name = &filter.name;
            return Err(Limit(format!(
                "filter {name} has {n} values; the API takes 1 to {max_values}"
            )));
        }
    }
    Ok(())
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
            "11 accounts in one request; the API takes 1 to 10"
        );
    }

    #[test]
    fn ids_and_filters_are_bounded() {
        let filter = |n: usize| Filter {
            name: "image-id".into(),
            values: vec!["img-abcdef".into(); n],
        };
        for (count, fits) in [(0, false), (1, true), (100, true), (101, false)] {
            assert_eq!(ids(count).is_ok(), fits, "{count} ids");
        }
        for (count, fits) in [(0, true), (10, true), (11, false)] {
            let many = vec![filter(1); count];
            assert_eq!(filters(&many, 5).is_ok(), fits, "{count} filters");
        }
        for (count, fits) in [(0, false), (5, true), (6, false)] {
            assert_eq!(filters(&[filter(count)], 5).is_ok(), fits, "{count} values");
        }
    }
}
