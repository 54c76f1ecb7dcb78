//! Reads `fetch` with `preset = "http"`. Takes the raw table, returns how to read a ticket with one
//! GET request, and reports mistakes.

use toml::Spanned;

use crate::domain::{Problem, Problems};
use crate::inbound::{IdFilter, SchemeKind, TicketPath, TicketRules};
use crate::notify::Address;

use super::fetch_config::TicketFetch;
use super::notify_auth::AUTH_FORMS;
use super::raw::{RawFetch, RawSource};
use super::reader::Reader;

pub(super) const ZENDESK_TICKET: &str = "zendesk-ticket";

const URL_EXAMPLE: &str = "write it as in \"https://acme.zendesk.com/api/v2/tickets/{id}.json\"";

impl Reader<'_> {
    pub(super) fn ticket_fetch(
        &mut self,
        source: &RawSource,
        written: &RawFetch,
    ) -> Option<TicketFetch> {
        const NAME: &str = "http";
        // Events of approval systems contain secrets that only the preset of their system removes.
        if let SchemeKind::Envelope(_) = source.scheme.get_ref().kind() {
            self.goes_with(source, written, NAME);
        }
        self.unused(&written.app_id, "app_id", NAME);
        self.unused(&written.app_secret, "app_secret", NAME);
        self.unused(&written.definitions.first().cloned(), "definitions", NAME);
        self.map_of_fetched(source, written, "ticket", (ZENDESK_TICKET, "http"));
        let remedy = "write it as in id = \".ticket.id\"";
        let id = self.needed(written, "id", &written.id, remedy);
        let id = id.and_then(|id| self.id_filter("id", id));
        let remedy = "write where a ticket has its id, as in instance_id = \".ticket.id\"";
        let instance_id = self.needed(written, "instance_id", &written.instance_id, remedy);
        let instance_id = instance_id.and_then(|id| self.id_filter("instance_id", id));
        let url = self.needed(written, "url", &written.url, URL_EXAMPLE);
        let address = url.and_then(|url| self.ticket_address(url));
        let whose = format!("source {:?}: fetch", source.name.get_ref());
        let auth = self.needed(written, "auth", &written.auth, AUTH_FORMS);
        let auth = auth.and_then(|auth| self.written_auth(&whose, "Bearer ", auth));
        let ca = self.ca_file(&written.ca_file);
        let proxy = self.proxy(written.proxy.as_ref());
        let (address, path) = address?;
        Some(TicketFetch {
            rules: TicketRules {
                id: id?,
                instance_id: instance_id?,
                path,
            },
            address,
            auth: auth?,
            ca,
            proxy,
        })
    }

    fn id_filter(&mut self, name: &str, written: &Spanned<String>) -> Option<IdFilter> {
        let read = IdFilter::read(written.get_ref(), name);
        let report = |Problems(problems)| {
            for problem in problems {
                self.found(&format!("fetch: {name}: "), written, problem);
            }
        };
        read.map_err(report).ok()
    }

    /// Splits a ticket's URL into the address (scheme, host, port) and the path with its query.
    fn ticket_address(&mut self, written: &Spanned<String>) -> Option<(Address, TicketPath)> {
        const URL: &str = "fetch: url: ";
        let (host, path) = self.read(URL, written, TicketPath::split(written.get_ref()))?;
        let address = self.system_address("http", &host, written)?;
        let joined = address.join(&path.of("1")).map_err(|_| {
            let remedy = "percent-encode the path, and leave out // and segments of dots";
            Problem::new("url", "has a path that changes when it is sent", remedy)
        });
        self.read(URL, written, joined)?;
        Some((address, path))
    }
}
