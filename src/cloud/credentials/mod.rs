//! Where the keys come from. In: variables, a home directory, a way to read files, a way to ask the
//! neighbours. Out: credentials, kept until shortly before they end or the cloud says so. Names are
//! the ecosystem's. A new kind of place is a row of `source`.

mod cache;
mod chain;
mod ini;
mod invocation_credentials;
mod metadata;
mod remote;
mod source;
mod sts;
mod tccli;

pub use cache::CredentialCache;
pub use chain::{CredentialChain, Credentials, CredentialsError, ReadFile};
pub use invocation_credentials::InvocationCredentials;
pub use remote::Remote;
pub use source::{CredentialSource, SOURCES};
pub use sts::RoleArn;
