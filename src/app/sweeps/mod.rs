//! Scheduled work: what is due, the seals of the journal, its index, and the end of its retention.

mod index_pass;
mod retention;
pub(super) mod seal_key;
mod sealing;
mod sweep;
mod sweep_report;

pub use retention::{Age, retire};
pub(crate) use retention::{Retention, retirable};
pub use seal_key::signer;
pub(crate) use seal_key::{SealError, next_signer, signer_or_new};
pub(crate) use sealing::seal_journal;
pub use sweep_report::SweepReport;
