//! Scheduled work: carries out due requests, seals the journal, checks its index, and retires old
//! requests.

mod index_pass;
mod retention;
pub(super) mod seal_key;
mod sealing;
mod sweep;
mod sweep_report;
mod time_left;

pub use index_pass::Compared;
pub use retention::{Age, retire};
pub(crate) use retention::{Retention, retirable};
pub use seal_key::signer;
pub(crate) use seal_key::{SealError, SealKeyRotation, rotate_seal_key, signer_or_new};
pub(super) use seal_key::{try_new_key, with_origin};
pub(crate) use sealing::seal_journal;
pub use sweep_report::SweepReport;
pub(super) use sweep_report::clock_differs;
pub(super) use time_left::MIN_SECONDS;
