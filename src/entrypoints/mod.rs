//! The entry points: the commands and the hosts. The files of a host pass its events to `app`, and
//! convert the answers to its form. Host types are used only in this folder.

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
