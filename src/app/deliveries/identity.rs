//! Determines the identity of a request: its own id, otherwise the sender's delivery id, otherwise
//! a digest of the request's content.

use crate::domain::{Identity, ShareRequest};
use crate::inbound::VerifiedDelivery;

/// Returns the identity of the request at `index` in a delivery.
///
/// A request without an id of its own gets the delivery's id, if there is one. Several requests of
/// a delivery may get this id, so `index` is appended to it unless `index` is 0. A repeated
/// delivery gives the same identities if the map returns the same requests in the same order.
pub(in crate::app) fn identity_of(
    request: &ShareRequest,
    delivery: &VerifiedDelivery,
    index: usize,
) -> Identity {
    let id = match (&request.id, delivery.delivery_id()) {
        (Some(id), _) => id.clone(),
        (None, Some(id)) if index == 0 => format!("delivery:{id}"),
        (None, Some(id)) => format!("delivery:{id}:{index}"),
        (None, None) => format!("digest:{}", request.digest()),
    };
    Identity::new(delivery.source(), id)
}
