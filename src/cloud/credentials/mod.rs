//! Finds, caches and renews credentials. Takes variables, a home directory, files and access to
//! remote services; returns credentials. They are kept until shortly before they expire, or until
//! the cloud refuses them. Credentials without an expiry are kept for five minutes, and on SCF for
//! one call. Uses the variable names of the official SDKs, `tccli` and Terraform. To add a source,
//! add it to `SOURCES` in `source`.

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

pub(crate) use cache::CredentialCache;
pub use chain::CredentialChain;
pub(crate) use chain::KeyPair;
pub(crate) use error::CredentialsError;
pub(crate) use invocation_credentials::InvocationCredentials;
pub(crate) use key::Credentials;
pub(crate) use remote::Remote;
pub(crate) use sts::RoleArn;
