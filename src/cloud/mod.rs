//! Calls to the cloud: signs, paces and sends the sharing actions, and classifies their errors. In:
//! typed arguments and a deadline. Out: receipts and observations, or a classified error. Does not
//! decide what to do next.

/// The API's actions, a file each, with their published limits.
pub mod actions;
mod call;
/// The one HTTP client.
pub mod client;
mod codes;
/// Finds and renews the keys.
pub mod credentials;
mod deadline;
mod endpoint;
/// The API's envelope.
pub mod envelope;
/// Classifies failed calls.
pub mod error;
mod operations;
mod pace;
mod request_headers;
mod settings;
/// Pacing of calls.
pub mod throttle;

pub use actions::Filter;
pub use actions::describe_images_to_share::{ImageToShare, ImagesQuery};
pub use call::Cloud;
pub use client::{fetch, http_client};
pub use credentials::{CredentialChain, CredentialSource, Credentials, CredentialsError};
pub use deadline::Deadline;
pub use endpoint::Endpoint;
pub use operations::{LighthouseReceipt, sharing_api};
pub use settings::{Clock, CloudSettings};
pub use throttle::WaitObserver;

#[cfg(test)]
mod loopback;
