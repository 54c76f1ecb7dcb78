//! The integration tests, one binary: each module shows one capability through the public way, over HTTP to the sandbox.

// A test that panics has failed, which is what a test is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod crash;
mod drift;
mod grants;
mod killed;
mod schedules;
mod support;
mod tidy;
