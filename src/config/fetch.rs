//! Reads `fetch` of a `[[source]]`. Takes the raw table, returns how the program fetches the
//! instances of the source, and reports mistakes. `ticket_fetch.rs` reads `preset = "http"`.

use toml::Spanned;

use crate::inbound::{FetchPreset, Map, is_code};
use crate::notify::Address;

use super::fetch_config::{ENDPOINT_VAR, Fetch, FetchConfig};
use super::raw::{RawFetch, RawSource};
use super::reader::{Reader, set, texts};
use super::ticket_fetch::ZENDESK_TICKET;

impl Reader<'_> {
    pub(super) fn fetch(&mut self, source: &RawSource) -> Option<Fetch> {
        let Some(raw) = source.fetch.as_ref() else {
            if self.lacks("source.fetch", &source.fetch) {
                self.map_without_fetch(source);
            }
            return None;
        };
        let before = self.problems.len();
        if let Some(listed) = source.events.first() {
            self.problem(
                listed,
                "events cannot be used together with fetch: a CloudEvent already contains its instance",
                "remove events, or give CloudEvents a source of their own without fetch",
            );
        }
        let fetch = match raw.get_ref().preset.get_ref().system() {
            Some(preset) => self.app_fetch(source, raw, preset).map(Fetch::App),
            None => self.ticket_fetch(source, raw.get_ref()).map(Fetch::Ticket),
        };
        fetch.filter(|_| self.problems.len() == before)
    }

    fn app_fetch(
        &mut self,
        source: &RawSource,
        raw: &Spanned<RawFetch>,
        preset: FetchPreset,
    ) -> Option<FetchConfig> {
        let written = raw.get_ref();
        let name = preset.as_str();
        self.goes_with(source, written, name);
        let map = match preset {
            FetchPreset::Feishu | FetchPreset::Lark => "feishu",
            FetchPreset::Dingtalk | FetchPreset::Wecom => name,
        };
        self.map_of_fetched(source, written, "instance", (map, map));
        self.unused(&written.id, "id", name);
        self.unused(&written.instance_id, "instance_id", name);
        self.unused(&written.auth, "auth", name);
        self.unused(&written.ca_file, "ca_file", name);
        self.unused(&written.proxy, "proxy", name);
        let example = match preset {
            FetchPreset::Feishu | FetchPreset::Lark => {
                "copy it from the app's page, as in \"cli_a0000000000000ff\""
            }
            FetchPreset::Dingtalk => {
                "copy the AppKey (client id) from the app's page, as in \"dinga0000000000000ff\""
            }
            FetchPreset::Wecom => "write the corp id, as in \"ww0123456789abcdef\"",
        };
        let app_id = self.needed(written, "app_id", &written.app_id, example);
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_id = |text: &str| (1..=64).contains(&text.len()) && text.bytes().all(good);
        if let Some(wrong) = app_id.filter(|id| !is_id(id.get_ref())) {
            self.problem(wrong, "fetch: app_id is not the id of an app", example);
        }
        if written.definitions.is_empty() && !self.unread.has("source.fetch.definitions") {
            self.problem(
                raw,
                "fetch: definitions is empty, so no approval is accepted",
                "list the codes of the definitions whose approvals are accepted",
            );
        }
        for code in written.definitions.iter().filter(|c| !is_code(c.get_ref())) {
            self.problem(
                code,
                format!(
                    "fetch: {:?} is not the code of a definition",
                    code.get_ref()
                ),
                "copy it from the address of the definition's page",
            );
        }
        let remedy = "write app_secret = \"env:NAME\"";
        let app_secret = self.needed(written, "app_secret", &written.app_secret, remedy);
        let whose = format!("source {:?}: fetch", source.name.get_ref());
        let app_secret = app_secret.and_then(|secret| self.secret(&whose, secret));
        let address = self.fetch_address(written, preset);
        Some(FetchConfig {
            preset,
            app_id: app_id?.get_ref().clone(),
            app_secret: app_secret?,
            definitions: texts(&written.definitions),
            address: address?,
        })
    }

    /// Reports a `preset` that names another system than `scheme`. Only the API of the system that
    /// sent an event has the instance that the event names.
    pub(super) fn goes_with(&mut self, source: &RawSource, written: &RawFetch, preset: &str) {
        let scheme = source.scheme.get_ref().name();
        if scheme != preset {
            self.problem(
                &written.preset,
                format!("fetch: preset {preset} does not fit scheme {scheme}"),
                "name the same system in `scheme` and in `fetch`",
            );
        }
    }

    /// Reports a field that has no effect with this preset.
    pub(super) fn unused<T>(&mut self, written: &Option<Spanned<T>>, name: &str, preset: &str) {
        if let Some(written) = written {
            let problem = format!("fetch: {name} has no effect with preset = \"{preset}\"");
            self.problem(written, problem, "remove it");
        }
    }

    /// Returns a field that the preset requires, and reports it if it is missing.
    pub(super) fn needed<'r, T>(
        &mut self,
        fetch: &RawFetch,
        name: &str,
        written: &'r Option<Spanned<T>>,
        remedy: &str,
    ) -> Option<&'r Spanned<T>> {
        if self.lacks(&format!("source.fetch.{name}"), written) {
            self.problem(&fetch.preset, format!("fetch: {name} is missing"), remedy);
        }
        written.as_ref()
    }

    /// Reports a map that does not read what `fetch` returns, an instance or a ticket (`what`). A map
    /// gets `{event, instance}` here, and `shipped` is the only shipped map that reads that.
    pub(super) fn map_of_fetched(
        &mut self,
        source: &RawSource,
        written: &RawFetch,
        what: &str,
        (shipped, page): (&str, &str),
    ) {
        let remedy = format!(
            "name {shipped}, or a jq file that reads .instance; docs/senders/{page}.md shows one"
        );
        let Some(map) = &source.map else {
            if self.lacks("source.map", &source.map) {
                let problem = format!(
                    "fetch: map is missing, and the default map native does not read a fetched {what}"
                );
                self.problem(&written.preset, problem, remedy);
            }
            return;
        };
        let name = map.get_ref();
        if name != shipped && Map::builtin_names().any(|known| known == name) {
            let problem = format!("fetch: map {name} does not read a fetched {what}");
            self.problem(map, problem, remedy);
        }
    }

    /// Reports a map that needs a fetched instance if the source has no `fetch`.
    fn map_without_fetch(&mut self, source: &RawSource) {
        let Some(map) = source.map.as_ref() else {
            return;
        };
        let name = map.get_ref();
        let page = match name.as_str() {
            "feishu" | "dingtalk" | "wecom" => name,
            ZENDESK_TICKET => "http",
            _ => return,
        };
        let problem = format!("map {name} reads a fetched instance, but the source has no `fetch`");
        let remedy = format!("add fetch; docs/senders/{page}.md shows it");
        self.problem(map, problem, remedy);
    }

    fn fetch_address(&mut self, written: &RawFetch, preset: FetchPreset) -> Option<Address> {
        let name = preset.as_str();
        match &written.url {
            Some(url) => self.system_address(name, url.get_ref(), url),
            None => self.system_address(name, preset.system().url, &written.preset),
        }
    }

    /// Reads the address of a system from the variable for all systems if it is set, and otherwise
    /// from `own`. Reports mistakes in `own` at `at`.
    pub(super) fn system_address<T>(
        &mut self,
        preset: &str,
        own: &str,
        at: &Spanned<T>,
    ) -> Option<Address> {
        let Some(endpoint) = set(self.vars, ENDPOINT_VAR) else {
            return self.read("fetch: url: ", at, Address::read(own));
        };
        let read = Address::read(&format!("{endpoint}/{preset}"));
        read.map_err(|problem| self.wrong_variable(ENDPOINT_VAR, problem))
            .ok()
    }
}

/// Returns the receivers that events may name. These are the entries of `from`, or the app of
/// `fetch` if `from` is empty.
pub(super) fn receivers(from: Vec<String>, fetch: Option<&Fetch>) -> Vec<String> {
    match fetch.and_then(Fetch::app) {
        Some(fetch) if from.is_empty() => vec![fetch.app_id.clone()],
        _ => from,
    }
}
