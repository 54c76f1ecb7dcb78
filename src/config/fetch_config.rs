//! `fetch` of a `[[source]]`, valid: how the program reads what an event names.

use crate::inbound::{FetchPreset, TicketRules};
use crate::notify::{Address, Auth};

use super::secrets::Secret;

/// Overrides the addresses of the systems: each lies below this one, by its preset's name.
pub(super) const ENDPOINT_VAR: &str = "SHAREHOOK_FETCH_ENDPOINT";

/// How a source's instances are fetched.
#[derive(Debug, Clone)]
pub enum Fetch {
    /// From an approval system, by an app.
    App(FetchConfig),
    /// From any system with an HTTP API, by one GET.
    Ticket(TicketFetch),
}

/// How an app reads the instances of an approval system.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// The system.
    pub preset: FetchPreset,
    /// The app that fetches.
    pub app_id: String,
    /// Its secret.
    pub app_secret: Secret,
    /// The definitions whose approvals count.
    pub definitions: Vec<String>,
    /// The address of the API.
    pub address: Address,
}

/// How a ticket is read by one GET.
#[derive(Debug, Clone)]
pub struct TicketFetch {
    /// Which ticket, and which path.
    pub rules: TicketRules,
    /// Scheme, host and port.
    pub address: Address,
    /// The login.
    pub auth: Auth,
    /// PEM of certificates beside the public roots.
    pub ca: Vec<u8>,
    /// The HTTP proxy on the way there.
    pub proxy: Option<String>,
}

impl Fetch {
    /// The app, if one fetches.
    pub fn app(&self) -> Option<&FetchConfig> {
        match self {
            Self::App(fetch) => Some(fetch),
            Self::Ticket(_) => None,
        }
    }

    /// The same with the secrets of `read`, which was read from the same text.
    pub(super) fn take_secrets(&mut self, read: Self) {
        match (self, read) {
            (Self::App(own), Self::App(read)) => own.app_secret = read.app_secret,
            (Self::Ticket(own), Self::Ticket(read)) => own.auth = read.auth,
            (Self::App(_) | Self::Ticket(_), _) => {}
        }
    }
}
