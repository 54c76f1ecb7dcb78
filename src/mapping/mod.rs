//! Runs jq programs on JSON values. Takes a program's text once, and then events; returns the
//! program's outputs, bounded in time and memory, or an error. Knows nothing of deliveries, and of
//! share requests only the names of fields (`ticket_fields.rs`).

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
