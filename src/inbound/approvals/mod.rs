//! Approval systems: their events name an instance, which the program then fetches. One file per system
//! says, as pure functions over JSON, what an event names, how the system's API is called and how its
//! answers are read, and what a fetched instance says. `app::approvals` alone sends. `http` is for the tickets
//! of any other system, as far as the configuration describes them.
//!
//! To add a system: a file here with its [`ApprovalSystem`], and its variant of [`FetchPreset`].

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
    /// The systems whose instances can be fetched, by their names in the configuration, which are the
    /// schemes' too.
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
    /// What is known of the system.
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
    /// The delivery that a map sees: the event, which this verifier verified before it was recorded, and
    /// the instance.
    pub fn fetched(
        &self,
        source: SourceName,
        delivery_id: String,
        event: &Value,
        instance: &Value,
    ) -> VerifiedDelivery {
        let document = json!({ "event": event, "instance": instance });
        self.recorded(source, delivery_id, document.to_string().into())
    }

    /// What stands in for the event of an instance that the system's list names: no event arrived, and no
    /// secret of this verifier proves it.
    pub fn listed(&self, source: SourceName, id: String, event: &Value) -> VerifiedDelivery {
        self.recorded(source, id, event.to_string().into())
    }
}
