//! The integration tests, one binary: each module shows one capability through the public way, over HTTP to the sandbox.

// A test that panics has failed, which is what a test is for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod bad_input;
mod cloudevents;
mod hosts;
mod hosts_http;
mod hosts_scf;
mod service;
mod straight_line;
mod tidy;
