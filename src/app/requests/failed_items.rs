//! Selects, from the results of a turn or of an attempt to revoke, the failure that is reported as
//! the reason for the open items. Also computes the pause before the next attempt.

use std::fmt;
use std::time::Duration;

use crate::cloud::error::fault_of;
use crate::domain::{Fault, ItemResult, ResultCode, ResultKind};

pub(in crate::app) struct Failure<'a> {
    code: &'a str,
    message: &'a str,
    pub(super) fault: Fault,
}

impl<'a> Failure<'a> {
    /// Returns the first failure that an operator must correct, or else the first failure. Returns
    /// `None` if no item failed, which means that the time ran out.
    pub(in crate::app) fn of(open: &'a [ItemResult]) -> Option<Self> {
        let failures = || {
            open.iter().filter_map(|result| match &result.kind {
                ResultKind::Failed { code, message, .. } => Some(Self {
                    code,
                    message,
                    fault: fault_of(code),
                }),
                _ => None,
            })
        };
        let operators = failures().find(|failure| failure.fault == Fault::Operator);
        operators.or_else(|| failures().next())
    }

    /// Whether the cause may pass without an operator. A cloud that cannot be reached may have a
    /// wrong address, or an outage.
    pub(in crate::app) fn may_pass(&self) -> bool {
        self.fault == Fault::Cloud || self.code == ResultCode::ConnectFailed.as_str()
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

pub(in crate::app) fn doubled(min: Duration, max: Duration, failures: u32) -> Duration {
    min.saturating_mul(1 << failures.min(20)).min(max)
}
