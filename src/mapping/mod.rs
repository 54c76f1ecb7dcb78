//! Compiles a jq program once, and then runs it on any number of JSON events. Each run returns the
//! program's outputs, or an error. The time and memory of a run are limited. This module does not
//! know about deliveries. About share requests, it only knows the names of some fields
//! (`ticket_fields.rs` and `defs.jq`).

mod access;
mod bound;
#[cfg(test)]
mod bound_tests;
mod engine;
mod expressions;
mod formulas;
mod hiding_html;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod jq_tests;
mod lint;
mod literals;
mod natives;
mod number;
mod operators;
mod place;
mod terms;
mod ticket_fields;
mod value;
mod visible_text;

pub use engine::Program;
