//! Where the keys come from. In: variables, a home directory, a way to read files, a way to ask the
//! neighbours. Out: credentials, kept until shortly before they end or the cloud says so. Names are
//! the ecosystem's. A new kind of place is a row of `source`.

mod cache;
mod chain;
mod environment;
mod error;
mod ini;
mod invocation_credentials;
mod key;
mod metadata;
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
