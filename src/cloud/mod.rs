//! The cloud.

/// The request signature.
pub mod tc3;
