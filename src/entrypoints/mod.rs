//! The entry points: commands and hosts. Host types are used only in this folder.

mod azure;
pub mod cli;
mod function_compute;
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod http;
mod invocation;
mod lambda;
mod message;
mod outcome;
mod reply;
mod scf;
