//! sharehook turns an approved ticket into a cloud image share, and into nothing else.
//!
//! The modules in layer order; arrows between them point only upward in this list, and a test holds
//! that:

// The straight line, one verb per line.
pub mod app;
// The only reader of the system's clock.
pub mod clock;
// The cloud's API: signing, actions, errors, pacing, credentials, the one HTTP client.
pub mod cloud;
// Reads text and variables into a configuration, or reports every mistake at once.
pub mod config;
// The domain types: accounts, images, regions, requests, results.
pub mod domain;
// The entry points: HTTP, Lambda, the command line.
pub mod entrypoints;
// A delivery is verified and becomes a share request. Pure.
pub mod inbound;
// The append-only record of every request: claim, resumable state, grants and evidence in one.
pub mod journal;
// An event and a jq program become values, bounded in time and memory. Pure.
pub mod mapping;
// A recorded outcome becomes messages to the ticket. Pure.
mod notify;
// Computes the needed calls, and the next step after each answer. Pure.
pub mod plan;
// Decides with Cedar whether a request is allowed; only this module can make an `Approved`. Pure.
pub mod policy;
// Log subscriber, counters, field names.
pub mod telemetry;
