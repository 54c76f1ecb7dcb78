//! Describes approval systems. Their events only name an instance, which the program then fetches.
//! Each system has a file of pure functions over JSON that read events, build the calls of the
//! system's API, and read its answers and instances. `http.rs` reads tickets from any other system,
//! as the configuration describes. Only `app::approvals` sends requests.
//!
//! To add a system, add a file with its [`ApprovalSystem`], and a variant of [`FetchPreset`].

mod api;
mod dingtalk;
mod feishu;
mod http;
mod instance;
mod listing;
mod system;
mod wecom;

use serde_json::{Value, json};

use super::verify::{VerifiedDelivery, Verifier};
use crate::domain::{SourceName, spelled};

pub use api::{ApiCall, NewToken, Rejected, Rejection};
pub use http::{IdFilter, TicketPath, TicketRules, read_ticket};
pub use instance::{InstanceState, Named, Said, is_code, withdrawal_of};
pub use listing::{Listed, Listing, Page, Query};
pub use system::ApprovalSystem;

spelled! {
    /// The systems whose instances can be fetched, with their names in the configuration. The
    /// schemes of these systems have the same names.
    FetchPreset {
        /// Feishu, in China.
        Feishu = "feishu",
        /// Lark, which is Feishu outside China.
        Lark = "lark",
        /// DingTalk.
        Dingtalk = "dingtalk",
        /// WeCom.
        Wecom = "wecom",
    }
}

impl FetchPreset {
    /// Returns the description of the system.
    pub fn system(self) -> &'static ApprovalSystem {
        match self {
            Self::Feishu => &feishu::FEISHU,
            Self::Lark => &feishu::LARK,
            Self::Dingtalk => &dingtalk::DINGTALK,
            Self::Wecom => &wecom::WECOM,
        }
    }
}

impl Verifier {
    /// Combines an event and its fetched instance into the delivery that a map reads. The event was
    /// either verified before it was recorded, or made by [`Listing::event`] from the system's
    /// list. The command `test` takes the event and the instance from a test case.
    pub fn fetched(
        &self,
        source: SourceName,
        delivery_id: String,
        event: &Value,
        instance: &Value,
    ) -> VerifiedDelivery {
        let document = json!({ "event": event, "instance": instance });
        self.without_proof(source, delivery_id, document.to_string().into())
    }

    /// Creates a delivery for an instance that the program knows without an event, for example from
    /// the system's list. [`Listing::event`] made `event`, so the delivery has no proof.
    pub fn listed(&self, source: SourceName, id: String, event: &Value) -> VerifiedDelivery {
        self.without_proof(source, id, event.to_string().into())
    }
}
