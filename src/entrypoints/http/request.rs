//! An HTTP request, independent of framework and host.

use bytes::Bytes;

/// A request as its sender sent it.
#[derive(Debug)]
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}
