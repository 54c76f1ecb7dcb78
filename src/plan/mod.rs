//! The plan of an approved request, and the next step after each answer. In: an approved request,
//! the state of the cloud, the result of a step. Out: the plan as data; the next step. Makes no
//! call and reads no clock.

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
