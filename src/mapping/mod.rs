//! A jq program and an event become JSON values. In: a program's text, once; then events. Out: the
//! program's outputs, bounded in time and memory, or what went wrong. Knows nothing of deliveries
//! and share requests.

mod bound;
mod engine;
mod error_path;
mod lint;
mod shortened;

pub use engine::Program;
