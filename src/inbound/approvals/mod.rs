//! Describes approval systems, whose events name an instance that the program then fetches. Each
//! system has a file of pure functions over JSON: they read events, build the calls of the system's
//! API, and read its answers and instances. `http.rs` describes any other ticket system by its
//! configuration. Only `app::approvals` sends.
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
    /// The systems whose instances can be fetched, by their names in the configuration. These are
    /// also the names of their schemes.
    FetchPreset {
        /// Feishu, in China.
        Feishu = "feishu",
        /// Lark, elsewhere.
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
    /// Makes the delivery that a map reads, from an event and its fetched instance. The event was
    /// verified before it was recorded, or made from the system's list by [`Listing::event`]. The
    /// command `test` takes both from a test case.
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

    /// Makes a delivery for an instance that is known without an event, such as from the system's
    /// list. `event` is made by [`Listing::event`], so no secret of this verifier proves it.
    pub fn listed(&self, source: SourceName, id: String, event: &Value) -> VerifiedDelivery {
        self.without_proof(source, id, event.to_string().into())
    }
}
