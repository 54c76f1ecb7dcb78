//! The identity of a request: its own id, else the sender's delivery id, else a digest of its
//! content.

use crate::domain::{Identity, ShareRequest};
use crate::inbound::VerifiedDelivery;

/// The identity of the `index`-th request of a delivery.
///
/// Requests without their own ids share the delivery's id, if it has one, so from the second one on
/// the index is appended. The identity of a repeated delivery is the same if the map returns the
/// same requests in the same order.
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
