//! Finds, caches and renews credentials. In: variables, a home directory, files, remote services.
//! Out: credentials, kept until shortly before they expire or until the cloud refuses them. Uses
//! the variable names of the official SDKs. A new kind of source is a row of `source`.

mod cache;
mod chain;
mod environment;
mod error;
mod ini;
mod invocation_credentials;
mod key;
mod metadata;
mod owner;
mod owner_slot;
mod remote;
mod sdk_file;
mod source;
mod sts;
mod tccli;

pub use cache::CredentialCache;
pub use chain::CredentialChain;
pub use environment::ReadFile;
pub use error::CredentialsError;
pub use invocation_credentials::InvocationCredentials;
pub use key::{CredentialSource, Credentials};
pub use remote::Remote;
pub use source::SOURCES;
pub use sts::RoleArn;
