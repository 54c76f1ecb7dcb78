//! One HTTP request, in the types of no framework and no host.

use bytes::Bytes;

/// A request as its sender sent it.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}
