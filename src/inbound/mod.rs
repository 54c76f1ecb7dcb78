//! Verifies a delivery and turns it into share requests. A delivery comes from an unknown sender
//! over HTTP, or from a trigger whose host has authenticated the sender. Verification returns a
//! [`VerifiedDelivery`], and a map turns that into [`crate::domain::ShareRequest`]s. This module
//! knows no host and no policy, does no I/O, and takes the time as an argument.

mod approvals;
mod authorization;
mod body;
mod callback;
pub mod cloudevents;
mod delivery;
mod envelope;
mod handshake;
mod hmac;
mod map;
mod media_type;
mod origins;
mod presets;
mod proof;
mod refusal;
mod replies;
mod scheme;
mod scheme_kind;
mod secret;
mod sign;
mod sns;
mod spec;
mod template;
mod trace;
mod verify;

pub use approvals::{
    ApiCall, ApprovalSystem, FetchPreset, IdFilter, InstanceState, Listed, Listing, Named,
    NewToken, Page, Query, Rejected, Rejection, Said, TicketPath, TicketRules, is_code,
    read_ticket, withdrawal_of,
};
pub use callback::{Callback, hide};
pub use delivery::{Delivery, DuplicateHeader, Headers, Via};
pub use envelope::{EnvelopeScheme, EnvelopeSystem};
pub use handshake::{Handshake, HandshakeReply, HandshakeRequest};
pub use map::{Map, MapRefusal};
pub use origins::COMMANDS;
pub use proof::Proof;
pub use refusal::Refusal;
pub use replies::{Replies, ReplyBody, ReplyRules};
pub use scheme::{Encoding, HmacScheme, IdSource, KeyDecoding, Part, Separator, TimeSource};
pub use scheme_kind::{SchemeKind, SchemeName};
pub use secret::SecretRules;
pub use sign::{renewed, seal, sign};
pub use sns::{Certificate, Issuers, Subscription};
pub use spec::SchemeSpec;
pub use trace::Step;

pub use verify::{Explanation, VerifiedDelivery, Verifier};
