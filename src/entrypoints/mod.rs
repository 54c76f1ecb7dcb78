//! How a host calls us. Host types never leave this folder.

pub mod cli;
mod envelope;
mod host;
mod http;
mod lambda;
mod message;
mod reply;
