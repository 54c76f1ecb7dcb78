//! Calls the cloud: signs, paces and sends the sharing actions, and classifies their errors. Takes
//! typed arguments and a deadline; returns receipts and observations, or a classified error. Does
//! not decide what to do next.

// Public only for the fuzz target that reads answers.
#[doc(hidden)]
pub mod actions;
mod call;
pub(crate) mod client;
mod codes;
pub(crate) mod credentials;
mod deadline;
mod endpoint;
#[doc(hidden)]
pub mod envelope;
pub(crate) mod error;
mod operations;
mod pace;
mod request_headers;
mod settings;
mod throttle;

pub use actions::Filter;
pub use actions::describe_images_to_share::{ImageToShare, ImagesQuery};
pub use call::{Cloud, RegionalCloud};
pub use client::http_client;
pub use credentials::CredentialChain;
pub use deadline::Deadline;
pub use settings::CloudSettings;

pub(crate) use client::fetch;
pub(crate) use endpoint::Endpoint;
pub(crate) use operations::sharing_api;
pub(crate) use throttle::WaitObserver;

#[cfg(test)]
mod loopback;
