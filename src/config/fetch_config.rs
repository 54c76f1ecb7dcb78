//! The checked form of `fetch` of a `[[source]]`: how the program reads the instance that an event
//! names. Data only; `fetch.rs` and `ticket_fetch.rs` read and check it.

use rustls::pki_types::TrustAnchor;

use crate::inbound::{FetchPreset, TicketRules};
use crate::notify::{Address, Auth};

use super::secrets::Secret;

/// The variable that contains one base URL for all systems. If it is set, the address of each
/// system is this URL, a slash and the preset's name.
pub(super) const ENDPOINT_VAR: &str = "SHAREHOOK_FETCH_ENDPOINT";

/// How the program fetches the instances of a source.
#[derive(Debug, Clone)]
pub enum Fetch {
    /// An app reads the instances from an approval system.
    App(FetchConfig),
    /// One GET request reads a ticket from any system with an HTTP API.
    Ticket(TicketFetch),
}

/// How an app reads the instances of an approval system.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// The approval system.
    pub preset: FetchPreset,
    /// The id of the app that fetches the instances. For WeCom, this is the corp id.
    pub app_id: String,
    /// The app's secret.
    pub app_secret: Secret,
    /// The codes of the approval definitions whose approvals the program accepts.
    pub definitions: Vec<String>,
    /// The address of the API.
    pub address: Address,
}

/// How the program reads a ticket with one GET request.
#[derive(Debug, Clone)]
pub struct TicketFetch {
    /// Which ticket to fetch: two filters, which find the id in the event and in the ticket, and the
    /// path of the GET request.
    pub rules: TicketRules,
    /// Scheme, host and port of the API.
    pub address: Address,
    /// How the program authenticates at the API.
    pub auth: Auth,
    /// Certificates that the program trusts in addition to the public roots.
    pub ca: Vec<TrustAnchor<'static>>,
    /// The HTTP proxy for requests to the API.
    pub proxy: Option<String>,
}

impl Fetch {
    /// Returns how the app reads instances, or `None` for a [`Ticket`](Self::Ticket).
    pub fn app(&self) -> Option<&FetchConfig> {
        match self {
            Self::App(fetch) => Some(fetch),
            Self::Ticket(_) => None,
        }
    }

    /// Replaces the secrets with those of `read`, which must come from the same configuration text.
    pub(super) fn take_secrets(&mut self, read: Self) {
        match (self, read) {
            (Self::App(own), Self::App(read)) => own.app_secret = read.app_secret,
            (Self::Ticket(own), Self::Ticket(read)) => own.auth = read.auth,
            (Self::App(_) | Self::Ticket(_), _) => {}
        }
    }
}
