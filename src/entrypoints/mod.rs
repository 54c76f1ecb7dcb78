//! How a host calls us. Host types never leave this folder.

mod azure;
pub mod cli;
mod function_compute;
mod host;
mod http;
mod invocation;
mod lambda;
mod message;
mod outcome;
mod reply;
mod scf;
