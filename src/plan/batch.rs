//! The accounts of one call, and what earlier calls for them may have done.

use crate::domain::{AccountId, CloudError};

#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) accounts: Vec<AccountId>,
    pub(super) tries: u32,
    /// An earlier call for these accounts may have been carried out.
    pub(super) maybe_done: bool,
    /// A refused call for these and other accounts may have been carried out for some of them, and
    /// no later read has shown that it was not.
    pub(super) refused_in_part: bool,
    pub(super) last: Option<CloudError>,
}

impl Batch {
    pub(super) fn new(accounts: Vec<AccountId>, maybe_done: bool) -> Self {
        Self {
            accounts,
            tries: 0,
            maybe_done,
            refused_in_part: false,
            last: None,
        }
    }

    /// Records that a refused call may have been carried out for some accounts.
    pub(super) fn refuse_in_part(&mut self) {
        self.maybe_done = true;
        self.refused_in_part = true;
    }

    /// Splits the batch into two halves, whose tries start at 0.
    pub(super) fn halves(self) -> (Self, Self) {
        let untried = Self {
            tries: 0,
            last: None,
            ..self
        };
        untried.split()
    }

    /// Splits the batch into two halves, which keep the number of tries. If the batch has one
    /// account, the second half is empty.
    pub(super) fn split(mut self) -> (Self, Self) {
        let accounts = self.accounts.split_off(self.accounts.len().div_ceil(2));
        let second = Self {
            accounts,
            ..self.clone()
        };
        (self, second)
    }
}
