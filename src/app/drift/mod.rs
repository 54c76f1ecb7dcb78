//! Drift: shares in the cloud that no grant in the journal explains. Reports the differences, and
//! cancels or adopts such shares at an operator's request.

mod adopt;
mod comparison;
mod drift_report;
mod named_meanwhile;
mod places;

pub use adopt::Adoption;
pub use drift_report::DriftReport;
pub(crate) use drift_report::{LeftOut, UnderWay, Unread};
