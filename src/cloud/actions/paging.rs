//! Collects a paged list. Takes each page as it arrives; returns the next offset, or the complete
//! list. Stops after a fixed number of pages. Does not trust the server: the total may change
//! between pages, and a server may ignore the offset.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Action, Api, Limit};

/// Number of entries per page. This is the most that the paged actions allow.
const PAGE_LIMIT: u32 = 100;
/// Maximum number of pages. Together they hold 20 000 entries, far more than any quota of images or
/// shares.
const MAX_PAGES: usize = 200;

/// A query that selects the entries of a paged list.
pub trait Query: Serialize + Send + Sync {
    /// The action that returns the list.
    const API: Api;
    type Item: DeserializeOwned + Send;

    /// Returns the key that identifies an entry.
    fn key(item: &Self::Item) -> String;

    /// Checks the query against the published limits.
    fn check(&self) -> Result<(), Limit> {
        Ok(())
    }
}

/// The request for one page of a list.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Paging<Q> {
    #[serde(flatten)]
    query: Q,
    offset: u64,
    limit: u32,
}

impl<Q> Paging<Q> {
    /// Creates the request for the first page.
    pub fn new(query: Q) -> Self {
        Self {
            query,
            offset: 0,
            limit: PAGE_LIMIT,
        }
    }

    /// Returns the request for the page that starts at `offset`.
    #[must_use]
    pub fn at(self, offset: u64) -> Self {
        Self { offset, ..self }
    }
}

impl<Q: Query> Action for Paging<Q> {
    type Answer = Page<Q::Item>;

    fn api(&self) -> Api {
        Q::API
    }

    fn check(&self) -> Result<(), Limit> {
        self.query.check()
    }
}

/// One page of a list, as an action returns it. The field that contains the entries has a different
/// name in each action.
#[derive(Debug, Clone, Deserialize)]
pub struct Page<T> {
    /// The entries, in the server's order.
    #[serde(rename = "BlueprintSet", alias = "ImageSet")]
    #[serde(alias = "BlueprintShareAcrossAccountInfoSet")]
    pub(super) items: Option<Vec<T>>,
    /// The number of entries in the whole list, if the answer has it.
    #[serde(rename = "TotalCount")]
    pub(super) total: Option<u64>,
}

/// Why a list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    /// The list has too many pages.
    #[error("the list has more than {MAX_PAGES} pages")]
    Endless,
    /// A page has entries, but earlier pages already had all of them.
    #[error("a page contains only entries of earlier pages")]
    Repeating,
    /// A page is empty, although the list has more entries.
    #[error("a page is empty although the list has more entries")]
    Incomplete,
}

#[derive(Debug)]
pub struct Pager<T> {
    items: Vec<T>,
    seen: BTreeSet<String>,
    offset: u64,
    pages: usize,
    /// The total that the previous page reported.
    total: Option<u64>,
}

impl<T> Default for Pager<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            seen: BTreeSet::new(),
            offset: 0,
            pages: 0,
            total: None,
        }
    }
}

impl<T> Pager<T> {
    /// Adds a page. Returns the offset of the next page, or `None` if the list is complete.
    ///
    /// The offset grows by the number of entries received rather than by the requested page size,
    /// because a server may send smaller pages. If the total has become smaller, this method
    /// forgets all entries and returns 0, so that the caller reads the list again. This is needed
    /// because an unread entry moves to an earlier page when an entry of that page is removed.
    pub fn take(
        &mut self,
        page: Page<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Option<u64>, PagingError> {
        let items = page.items.unwrap_or_default();
        let held = items.len() as u64;
        self.pages += 1;
        if matches!((page.total, self.total), (Some(now), Some(before)) if now < before) {
            *self = Self {
                pages: self.pages,
                ..Self::default()
            };
        } else {
            self.total = page.total;
            self.offset += held;
            let before = self.items.len();
            for item in items {
                if self.seen.insert(key(&item)) {
                    self.items.push(item);
                }
            }
            if held > 0 && self.items.len() == before {
                return Err(PagingError::Repeating);
            }
            if page.total.map_or(held == 0, |total| self.offset >= total) {
                return Ok(None);
            }
            if held == 0 {
                return Err(PagingError::Incomplete);
            }
        }
        if self.pages >= MAX_PAGES {
            return Err(PagingError::Endless);
        }
        Ok(Some(self.offset))
    }

    /// Returns the collected entries, each once.
    pub fn into_items(self) -> Vec<T> {
        self.items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(total: u64, served: u64, tell: bool) -> (Result<Vec<u64>, PagingError>, usize) {
        let mut pager = Pager::default();
        let (mut offset, mut calls) = (0, 0);
        loop {
            calls += 1;
            let items: Vec<u64> = (offset..total.min(offset + served)).collect();
            let page = Page {
                items: Some(items),
                total: tell.then_some(total),
            };
            match pager.take(page, u64::to_string) {
                Ok(Some(next)) => offset = next,
                Ok(None) => return (Ok(pager.into_items()), calls),
                Err(error) => return (Err(error), calls),
            }
        }
    }

    #[test]
    fn every_entry_is_read_once() {
        for (total, served, tell, calls) in [
            (0, 100, true, 1),
            (0, 100, false, 1),
            (1, 100, true, 1),
            (100, 100, true, 1),
            (101, 100, true, 2),
            (250, 100, true, 3),
            (1000, 100, true, 10),
            (250, 30, true, 9),
            (250, 100, false, 4),
        ] {
            let (list, made) = read(total, served, tell);
            assert_eq!(
                list.unwrap(),
                (0..total).collect::<Vec<_>>(),
                "{total} by {served}"
            );
            assert_eq!(made, calls, "{total} by {served}");
        }
    }

    #[test]
    fn a_list_without_end_is_an_error() {
        let (list, calls) = read(u64::MAX, 10, true);
        assert_eq!((list, calls), (Err(PagingError::Endless), MAX_PAGES));
    }

    #[test]
    fn a_server_that_ignores_the_offset_is_an_error() {
        let mut pager = Pager::default();
        let page = || Page {
            items: Some(vec![1_u64, 2, 3]),
            total: Some(250),
        };
        assert_eq!(pager.take(page(), u64::to_string), Ok(Some(3)));
        assert_eq!(
            pager.take(page(), u64::to_string),
            Err(PagingError::Repeating)
        );
    }

    /// Entry 1 is removed after the first page was read, so the unread entry 3 moves to the first
    /// page.
    #[test]
    fn a_list_that_became_shorter_is_read_again() {
        let mut pager = Pager::default();
        let page = |items: &[u64], total| Page {
            items: Some(items.to_vec()),
            total: Some(total),
        };
        for (items, total, next) in [
            (&[1, 2][..], 4, Some(2)),
            (&[4], 3, Some(0)),
            (&[2, 3], 3, Some(2)),
            (&[4], 3, None),
        ] {
            assert_eq!(pager.take(page(items, total), u64::to_string), Ok(next));
        }
        assert_eq!(pager.into_items(), [2, 3, 4]);
    }

    #[test]
    fn an_entry_that_moves_to_the_next_page_is_kept_once() {
        let mut pager = Pager::default();
        let page = |items: &[u64]| Page {
            items: Some(items.to_vec()),
            total: Some(4),
        };
        assert_eq!(pager.take(page(&[1, 2]), u64::to_string), Ok(Some(2)));
        assert_eq!(pager.take(page(&[2, 3]), u64::to_string), Ok(None));
        assert_eq!(pager.into_items(), [1, 2, 3]);
    }

    #[test]
    fn a_list_that_ends_before_its_total_is_an_error() {
        for first in [0_u64, 100] {
            let mut pager = Pager::default();
            let page = |items: std::ops::Range<u64>| Page {
                items: Some(items.collect()),
                total: Some(250),
            };
            if first > 0 {
                assert_eq!(pager.take(page(0..first), u64::to_string), Ok(Some(first)));
            }
            let end = pager.take(page(first..first), u64::to_string);
            assert_eq!(end, Err(PagingError::Incomplete));
        }
    }
}
