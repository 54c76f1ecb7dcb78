//! Computes the plan of an approved request from the state of the cloud, and the next step from the
//! result of each step. Makes no call and reads no clock.

mod account_steps;
mod accounts;
mod backoff;
mod batch;
mod call_names;
mod chain;
mod delta;
mod failure;
mod lighthouse;
mod observation;
mod precheck;
mod read_back;
mod readiness;

pub use account_steps::{AccountSeen, AccountStep};
pub use accounts::AccountWork;
pub use backoff::{Backoff, Patience, wait_before};
pub use call_names::{account_call, publication_call};
pub use chain::{Publication, RefusedChain, name_blueprint};
pub use delta::{Plan, PlannedImage, Stage};
pub use lighthouse::{LighthouseSeen, LighthouseStep, LighthouseWork};
pub use observation::{Given, Observation};
pub use readiness::Readiness;
