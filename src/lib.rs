//! sharehook turns an approved ticket into a cloud image share, and into nothing else.
//!
//! ARCHITECTURE.md lists the modules, and which of them may import which. A test checks this.

// `println!` and `eprintln!` panic if the output is closed or the disk is full. `outln!` and
// `errln!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

// The use cases. `app.rs` shows the path of a delivery, from verification to answer.
pub mod app;
// The only module that reads the system's clock and its randomness.
pub mod clock;
// The cloud's API: signing, actions, errors, pacing, credentials. Builds the HTTP client.
pub mod cloud;
// Reads text and variables into a configuration, or reports every mistake at once.
pub mod config;
// The domain types: accounts, images, regions, requests, results.
pub mod domain;
// The entry points: HTTP, the clouds' functions, the command line.
pub mod entrypoints;
// Verifies a delivery and maps it to share requests. Pure.
pub mod inbound;
// Records each request in an append-only stream: its claim, its state and its evidence.
pub mod journal;
// Runs a jq program on an event, with a bound on its work. Pure.
pub mod mapping;
// Renders recorded outcomes as messages for ticket systems and chats. Pure.
mod notify;
// Computes the calls that a request needs, and the next step after each answer. Pure.
pub mod plan;
// Decides with Cedar whether a request is allowed. Only this module can create an `Approved`. Pure.
pub mod policy;
// Logs, metrics and traces.
pub mod telemetry;
