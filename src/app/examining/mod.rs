//! What an operator examines before deliveries arrive: `check` the configuration, `doctor` the deployment,
//! `policy test` the rules. Carries out nothing.

mod check;
mod doctor;
mod examine_fetching;
mod policy_test;

pub(crate) use check::Examination;
pub use doctor::Check;
pub(crate) use doctor::{Finding, Health};
pub use policy_test::CaseInput;
pub(crate) use policy_test::{CaseError, CaseOutcome};
