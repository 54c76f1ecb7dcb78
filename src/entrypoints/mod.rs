//! The entry points: the commands and the hosts. Each host's file passes events to `app` and converts
//! the answers to the host's form. Host types are used only in this folder.

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
