//! The examinations that an operator runs before deliveries arrive. `check` examines the
//! configuration, `doctor` the deployment, and `test` the rules. None of them executes a request.

mod check;
mod doctor;
mod examine_fetching;
mod policy_test;

pub(crate) use check::Examination;
pub use doctor::Check;
pub(crate) use doctor::{Finding, Health};
pub use policy_test::CaseInput;
pub(crate) use policy_test::{CaseError, CaseOutcome};
