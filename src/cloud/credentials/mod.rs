//! Where the keys come from. In: variables, a home directory, a way to read files. Out: credentials, kept until the cloud says
//! that they have expired. Names and order are the ecosystem's. A new kind of place is a row of `source`.

mod cache;
mod chain;
mod ini;
mod source;

pub use cache::CredentialCache;
pub use chain::{CredentialChain, Credentials, CredentialsError, ReadFile};
pub use source::{CredentialSource, SOURCES};
