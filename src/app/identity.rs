//! What a request is: its own id, else the sender's delivery id, else a digest of its content.

use crate::domain::{Identity, ShareRequest};
use crate::inbound::VerifiedDelivery;

/// The identity of the `index`-th request of a delivery.
///
/// Two requests of one delivery without ids of their own must not share the delivery's id, so from
/// the second on its place is appended. A place is stable: the map is a function of the body.
pub(super) fn identity_of(
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
    Identity {
        source: delivery.source().clone(),
        id,
    }
}
