//! The cloud.

pub mod actions;
mod codes;
pub mod envelope;
pub mod error;
/// The request signature.
pub mod tc3;
