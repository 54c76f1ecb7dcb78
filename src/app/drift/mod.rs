//! Shares in the cloud that no grant explains. In: the journal and the cloud. Out: the differences,
//! reported or adopted.

mod adopt;
mod comparison;
mod drift_report;
mod named_meanwhile;
mod places;

pub use adopt::Adoption;
pub use drift_report::DriftReport;
pub(crate) use drift_report::{LeftOut, UnderWay, Unread};
