//! The steps before and after a delivery's requests are handled, such as authentication, handshakes
//! and the reply in time.

mod answer_in_time;
mod authenticate;
mod delivery_end;
mod events;
mod handshake;
mod identity;
mod incoming;
mod invocation_credentials;
mod own_comments;
mod refusals;
mod rejections;
mod replies;
mod sns_certificates;

pub(crate) use answer_in_time::Answered;

pub(super) use answer_in_time::EarlyAnswer;
pub(super) use delivery_end::NO_SOURCE;
pub(super) use identity::identity_of;
pub(super) use incoming::{IncomingDelivery, IncomingRequest};
pub(super) use invocation_credentials::CredentialHeaders;
pub(super) use own_comments::own_comment;
pub(super) use refusals::Refusals;
pub(super) use rejections::too_late;
pub(super) use replies::{conflict, overloaded, unavailable};
pub(super) use sns_certificates::Certificates;
