//! `fetch` of a `[[source]]`. In: the raw table. Out: what fetches the instances of this source, or the
//! mistakes.

use crate::inbound::is_code;
use crate::notify::Address;

use super::raw::{RawFetch, RawSource};
use super::reader::Reader;
use super::valid::FetchConfig;

/// Overrides the addresses of the approval systems: each lies below this one, by its preset's name.
const ENDPOINT_VAR: &str = "SHAREHOOK_FETCH_ENDPOINT";

impl Reader<'_> {
    pub(super) fn fetch(&mut self, source: &RawSource) -> Option<FetchConfig> {
        let Some(raw) = source.fetch.as_ref() else {
            self.map_without_fetch(source);
            return None;
        };
        let before = self.problems.len();
        let written = raw.get_ref();
        let preset = *written.preset.get_ref();
        let scheme = source.scheme.get_ref().name();
        let name = preset.as_str();
        if scheme != name {
            self.problem(
                &written.preset,
                format!("fetch: preset {name} does not go with scheme {scheme}"),
                "name the same system in `scheme` and in `fetch`",
            );
        }
        let app_id = written.app_id.get_ref();
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        if !(1..=64).contains(&app_id.len()) || !app_id.bytes().all(good) {
            self.problem(
                &written.app_id,
                "fetch: app_id is not the id of an app",
                "copy it from the app's page, as in \"cli_a0000000000000ff\"",
            );
        }
        if written.definitions.is_empty() {
            self.problem(
                raw,
                "fetch: definitions is empty, so no approval counts",
                "list the codes of the definitions whose approvals count",
            );
        }
        if let Some(listed) = source.events.first() {
            self.problem(
                listed,
                "events and fetch do not go together: a CloudEvent would bring its own instance",
                "remove events, or give CloudEvents a source of their own without fetch",
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
        let whose = format!("source {:?}: fetch", source.name.get_ref());
        let app_secret = self.secret(&whose, &written.app_secret);
        let address = self.fetch_address(written);
        let definitions = written.definitions.iter();
        let definitions = definitions.map(|code| code.get_ref().clone()).collect();
        (self.problems.len() == before).then_some(FetchConfig {
            preset,
            app_id: app_id.clone(),
            app_secret: app_secret?,
            definitions,
            address: address?,
        })
    }

    /// The maps that read an instance need one.
    fn map_without_fetch(&mut self, source: &RawSource) {
        let Some(map) = source.map.as_ref() else {
            return;
        };
        let name = map.get_ref();
        if ["feishu", "dingtalk", "wecom"].contains(&name.as_str()) {
            let problem =
                format!("map {name} reads the instance of an event, and the source has no `fetch`");
            let remedy = format!("add fetch; docs/senders/{name}.md shows it");
            self.problem(map, problem, remedy);
        }
    }

    fn fetch_address(&mut self, written: &RawFetch) -> Option<Address> {
        let url = written.url.as_ref();
        let preset = written.preset.get_ref();
        let endpoint = self.vars.get(ENDPOINT_VAR).filter(|v| !v.is_empty());
        let text = match (endpoint, url) {
            (Some(endpoint), _) => format!("{endpoint}/{}", preset.as_str()),
            (None, Some(url)) => url.get_ref().clone(),
            (None, None) => preset.system().url.to_owned(),
        };
        match Address::read(&text) {
            Ok(address) => Some(address),
            Err(problem) => {
                let place = url.unwrap_or(&written.app_id);
                let text = format!("fetch: {}: {}", problem.field, problem.problem);
                self.problem(place, text, problem.remedy);
                None
            }
        }
    }
}

/// The receivers that events may name: those of `from`, else the app that fetches.
pub(super) fn receivers(from: Vec<String>, fetch: Option<&FetchConfig>) -> Vec<String> {
    match fetch {
        Some(fetch) if from.is_empty() => vec![fetch.app_id.clone()],
        _ => from,
    }
}
