//! How a host calls us. Host types never leave this folder.

mod azure;
pub mod cli;
mod dialect;
mod envelope;
mod host;
mod http;
mod lambda;
mod message;
mod reply;
mod scf;
