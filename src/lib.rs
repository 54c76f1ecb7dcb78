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
// Text and variables become a configuration, or every mistake at once.
pub mod config;
// The words of the trade: accounts, images, regions, requests, results.
pub mod domain;
// How a host calls us: HTTP, Lambda, the command line.
pub mod entrypoints;
// A delivery is verified and becomes a share request. Pure.
pub mod inbound;
// The append-only record of every request: claim, resumable state, grants and evidence in one.
pub mod journal;
// An event and a jq program become values, bounded in time and memory. Pure.
pub mod mapping;
// What exactly is to be done, and what next after each answer? Pure.
pub mod plan;
// May it? Cedar decides; only this module can make an `Approved`. Pure.
pub mod policy;
// Log subscriber, counters, field names.
pub mod telemetry;
