//! Collects a paged list. In: each page as it arrives. Out: the next offset, or the complete list.
//! Ends after a fixed number of pages, and does not trust the server: the total may change between
//! pages, and a server may ignore the offset.

use std::collections::BTreeSet;

use super::Action;

/// Page size, the largest that the paged actions allow.
pub const PAGE_LIMIT: u32 = 100;
/// Maximum number of pages: 20 000 entries, far above any quota of images or shares.
const MAX_PAGES: usize = 200;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The entries, in the server's order.
    pub items: Vec<T>,
    /// `TotalCount`, when the answer has it.
    pub total: Option<u64>,
}

/// An action whose answer is a page.
pub trait Paged: Action {
    /// An entry.
    type Item: Send;

    /// The same request for the page that starts at `offset`.
    #[must_use]
    fn at(self, offset: u64) -> Self;

    /// The page in an answer.
    fn page(answer: Self::Answer) -> Page<Self::Item>;

    /// The key that identifies an entry.
    fn key(item: &Self::Item) -> String;
}

/// Why a list cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PagingError {
    /// The list has too many pages.
    #[error("the list has more than {MAX_PAGES} pages")]
    Endless,
    /// A page contains no new entry.
    #[error("a page contains only entries of earlier pages")]
    Repeating,
}

/// Collects pages.
#[derive(Debug)]
pub struct Pager<T> {
    items: Vec<T>,
    seen: BTreeSet<String>,
    offset: u64,
    pages: usize,
}

impl<T> Default for Pager<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            seen: BTreeSet::new(),
            offset: 0,
            pages: 0,
        }
    }
}

impl<T> Pager<T> {
    /// Takes a page; returns the offset of the next one, or `None` when the list is complete. The
    /// offset grows by the entries received, not by the page size requested, so that a server with
    /// smaller pages skips nothing.
    ///
    /// # Errors
    /// [`PagingError`] when the list does not end.
    pub fn take(
        &mut self,
        page: Page<T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Option<u64>, PagingError> {
        let held = page.items.len() as u64;
        self.pages += 1;
        self.offset += held;
        let before = self.items.len();
        for item in page.items {
            if self.seen.insert(key(&item)) {
                self.items.push(item);
            }
        }
        if held > 0 && self.items.len() == before {
            return Err(PagingError::Repeating);
        }
        if held == 0 || page.total.is_some_and(|total| self.offset >= total) {
            return Ok(None);
        }
        if self.pages >= MAX_PAGES {
            return Err(PagingError::Endless);
        }
        Ok(Some(self.offset))
    }

    /// The collected entries, each once.
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
            let items = (offset..total.min(offset + served)).collect();
            let page = Page {
                items,
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
            items: vec![1_u64, 2, 3],
            total: Some(250),
        };
        assert_eq!(pager.take(page(), u64::to_string), Ok(Some(3)));
        assert_eq!(
            pager.take(page(), u64::to_string),
            Err(PagingError::Repeating)
        );
    }

    #[test]
    fn an_entry_that_moves_to_the_next_page_is_kept_once() {
        let mut pager = Pager::default();
        let page = |items: &[u64]| Page {
            items: items.to_vec(),
            total: Some(4),
        };
        assert_eq!(pager.take(page(&[1, 2]), u64::to_string), Ok(Some(2)));
        assert_eq!(pager.take(page(&[2, 3]), u64::to_string), Ok(None));
        assert_eq!(pager.into_items(), [1, 2, 3]);
    }
}
