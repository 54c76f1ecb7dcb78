//! A delivery is verified and becomes share requests. In: bytes that a stranger sent, or that a
//! host's trigger vouches for. Out: [`VerifiedDelivery`], then [`crate::domain::ShareRequest`]s.
//! Knows no host, no clock, no I/O and no policy.

mod body;
pub mod cloudevents;
mod delivery;
mod explain;
mod handshake;
mod hmac;
mod map;
mod presets;
mod refusal;
mod scheme;
mod secret;
mod sign;
mod sns;
mod spec;
mod template;
mod verify;

pub use delivery::{Delivery, DuplicateHeader, Headers, Via};
pub use explain::{Explanation, Step};
pub use handshake::{Handshake, HandshakeReply, HandshakeRequest};
pub use map::{Map, MapRefusal};
pub use refusal::Refusal;
pub use scheme::{Encoding, HmacScheme, IdSource, KeyDecoding, Part, Separator, TimeSource};
pub use secret::SecretRules;
pub use sign::sign;
pub use sns::{Certificate, Issuers, Subscription};
pub use spec::{SchemeKind, SchemeName, SchemeSpec};

pub use verify::{VerifiedDelivery, Verifier};

/// A value as it may stand in an error or a log line: quoted, escaped, at most 60 characters.
fn clipped(text: &str) -> String {
    const MOST: usize = 60;
    let mut cut: String = text.chars().take(MOST).collect();
    if text.chars().nth(MOST).is_some() {
        cut.push('…');
    }
    format!("{cut:?}")
}
