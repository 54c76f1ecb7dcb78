//! Compiles the rules, which are the configuration, maps, policies and secrets, and replaces them
//! when they are read again.

mod in_force;
mod prepared;
mod reload;
mod secret_version;
mod secrets;

pub use prepared::Prepared;
pub use secrets::{fetch_secret, fetch_secrets};

pub(super) use in_force::InForce;
pub(super) use prepared::{Intake, Parts, PolicyOrigin, facts};
