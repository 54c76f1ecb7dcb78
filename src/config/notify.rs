//! Reads `[[notify]]`: names, addresses, templates. Takes the raw tables, returns each target with
//! a usable name, address and authentication, and reports all mistakes.

use std::collections::BTreeSet;

use toml::Spanned;

use crate::domain::{NoticeKind, SourceName, Subscription};
use crate::notify::{Address, AuthNeed, Preset, UserNeed};

use super::bounded::{MAX_BYTES, plain_text_at_most};
use super::fetch_config::Fetch;
use super::raw_notify::RawNotify;
use super::reader::Reader;
use super::valid::{NotifyConfig, SourceConfig};

impl Reader<'_> {
    /// Reads all targets. The file has `number` sources; `sources` are those that could be read.
    /// Also returns whether every table is free of mistakes.
    pub(super) fn notify(
        &mut self,
        raw: &[Spanned<RawNotify>],
        sources: &[SourceConfig],
        number: usize,
    ) -> (Vec<NotifyConfig>, bool) {
        let before = self.problems.len();
        let all_named = sources.len() == number && !self.unread.has("source");
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(raw.len());
        for entry in raw {
            let written = entry.get_ref();
            let remedy = "give each target its own name";
            let name = self.own_name("[[notify]]", &written.name, &mut names, remedy);
            let on = self.on(written);
            let named = self.sources_of(written, sources, all_named);
            let address = self.address(written);
            let inbox = self.inbox_for(address.as_ref());
            let (auth, lacks_secret) = match &inbox {
                Some(_) => (self.invented(|reader| reader.auth(entry)), false),
                None => self.auth_if_readable(entry),
            };
            let map = self.template(written);
            let ca = self.ca_file(&written.ca_file);
            let proxy = self.proxy(written.proxy.as_ref());
            let contact = self.contact(written);
            let transitions = self.transitions(written, &on);
            let user = self.user(written);
            if let (Some(name), Some(auth)) = (name, auth)
                && (address.is_some() || auth.is_app())
            {
                all.push(NotifyConfig {
                    lacks_secret,
                    subscription: Subscription {
                        name,
                        on,
                        sources: named,
                    },
                    preset: *written.preset.get_ref(),
                    to_inbox: inbox.is_some(),
                    proxy: proxy.filter(|_| inbox.is_none()),
                    address: inbox.or(address),
                    auth,
                    map,
                    language: written.language,
                    contact,
                    transitions,
                    user,
                    ca,
                    mark: self.mark(entry.span()),
                });
            }
        }
        let unread = |entry: &Spanned<RawNotify>| self.unread.within(&entry.span());
        let is_unread = self.unread.has("notify") || raw.iter().any(unread);
        (all, self.problems.len() == before && !is_unread)
    }

    fn on(&mut self, raw: &RawNotify) -> Vec<NoticeKind> {
        let of_tickets = raw.preset.get_ref().is_of_tickets() && raw.map.is_none();
        let Some(written) = &raw.on else {
            let all = NoticeKind::ALL.iter().copied();
            return all
                .filter(|on| !(of_tickets && on.has_no_ticket()))
                .collect();
        };
        if written.is_empty() {
            self.problem(
                &raw.name,
                "on is empty, so this [[notify]] gets no notification",
                "name its outcomes, or remove `on` for all",
            );
        }
        let mut on = Vec::new();
        for kind in written {
            match self.parsed::<NoticeKind>("on: ", kind) {
                Some(known) if of_tickets && known.has_no_ticket() => {
                    let problem =
                        format!("on: {known} belongs to no ticket, and this preset needs one");
                    let remedy =
                        "remove it from `on`, or use preset = \"webhook\" or your own `map`";
                    self.problem(kind, problem, remedy);
                }
                known => on.extend(known),
            }
        }
        on
    }

    /// Returns the sources that the table names. An app can send only for a source that has this
    /// app in its `fetch`. If the preset is that of an app, the default is therefore every such
    /// source. With any other preset, an empty list means all sources.
    fn sources_of(
        &mut self,
        raw: &RawNotify,
        sources: &[SourceConfig],
        all_named: bool,
    ) -> Vec<SourceName> {
        let preset = *raw.preset.get_ref();
        let by_app = preset.row().auth == AuthNeed::App;
        let fits = |source: &SourceConfig| {
            let fetch = source.fetch.as_ref().and_then(Fetch::app);
            let sends = fetch.is_some_and(|fetch| preset.is_sent_by(fetch.preset.as_str()));
            // A mistake in a source may concern its `fetch`, so assume that the source fits.
            !by_app || sends || !source.read_fully
        };
        let written = raw.sources.as_deref().unwrap_or_default();
        if raw.sources.is_some() && written.is_empty() {
            self.problem(
                &raw.name,
                "sources is empty, so this [[notify]] reports no request",
                "name its sources, or remove `sources` for all",
            );
        }
        let mut named = Vec::new();
        if by_app && written.is_empty() {
            let fitting = sources.iter().filter(|source| fits(source));
            named.extend(fitting.map(|source| source.name.clone()));
            if named.is_empty() && all_named {
                let problem =
                    format!("no [[source]] has a `fetch` with an app that sends for {preset}");
                let remedy = format!("add fetch to the source; docs/senders/{preset}.md shows it");
                self.problem(&raw.preset, problem, remedy);
            }
        }
        for written in written {
            let known = |source: &&SourceConfig| source.name.as_str() == written.get_ref();
            match sources.iter().find(known) {
                Some(source) if fits(source) => named.push(source.name.clone()),
                Some(source) => self.problem(
                    written,
                    format!(
                        "sources: {} has no `fetch` with an app that sends for {preset}",
                        source.name
                    ),
                    "name a source of that system, or remove `sources`",
                ),
                // The name may be that of a source that could not be read.
                None if !all_named => {}
                None => self.problem(
                    written,
                    format!(
                        "sources: no [[source]] has the name {:?}",
                        written.get_ref()
                    ),
                    "name a configured source, or remove `sources` for all",
                ),
            }
        }
        named
    }

    fn address(&mut self, raw: &RawNotify) -> Option<Address> {
        let written = raw.url.as_ref();
        let preset = *raw.preset.get_ref();
        if preset.row().auth == AuthNeed::App {
            let useless = [
                ("url", &raw.url),
                ("ca_file", &raw.ca_file),
                ("proxy", &raw.proxy),
                ("secret", &raw.secret),
            ];
            for (field, written) in useless {
                let Some(written) = written else { continue };
                let problem = format!("{field} has no effect with preset = \"{preset}\"");
                let remedy = "remove it: the app of the source's `fetch` sends the messages";
                self.problem(written, problem, remedy);
            }
            return None;
        }
        let text = written.map(|url| url.get_ref().as_str());
        let Some(text) = text.or(raw.preset.get_ref().row().url) else {
            if self.lacks("notify.url", &raw.url) {
                let problem = format!("notify {:?}: url is missing", raw.name.get_ref());
                let remedy =
                    "write the system's address, as in url = \"https://acme.atlassian.net\"";
                self.problem(&raw.preset, problem, remedy);
            }
            return None;
        };
        let place = written.unwrap_or(&raw.name);
        let address = self.read("url: ", place, Address::read(text))?;
        if matches!(preset.row().auth, AuthNeed::Bot(_)) && address.has_path() {
            let problem = "url has a path, but sharehook knows the path of a bot";
            let remedy =
                "write only https:// and the host, and the key in the bot's address as secret";
            self.problem(place, problem, remedy);
        }
        Some(address)
    }

    fn template(&mut self, raw: &RawNotify) -> Option<(String, String)> {
        let written = raw.map.as_ref()?;
        let remedy = "name a jq file, or remove `map` for the one that ships";
        self.named_file(
            "map",
            written,
            |path| plain_text_at_most(path, MAX_BYTES),
            remedy,
        )
    }

    fn transitions(&mut self, raw: &RawNotify, on: &[NoticeKind]) -> Vec<(NoticeKind, String)> {
        let mut all = Vec::new();
        for (kind, id) in &raw.transitions {
            let digits = id.get_ref().bytes().all(|b| b.is_ascii_digit());
            match self.read("transitions: ", id, kind.parse()) {
                None => {}
                Some(_) if *raw.preset.get_ref() != Preset::Jira => {
                    let problem = "transitions has no effect with this preset";
                    self.problem(id, problem, "remove it, or use preset = \"jira\"");
                }
                Some(_) if !digits || id.get_ref().is_empty() => {
                    let remedy = "write the number that .../issue/KEY/transitions shows for it";
                    self.problem(id, "transitions: not the id of a transition", remedy);
                }
                Some(known) if !on.contains(&known) => {
                    let problem = format!("transitions: {known} has no effect: `on` lacks it");
                    self.problem(id, problem, "add it to `on`, or remove the transition");
                }
                Some(known) => all.push((known, id.get_ref().clone())),
            }
        }
        all
    }

    /// Returns the user in whose name the program writes. The preset says what `user` must be.
    fn user(&mut self, raw: &RawNotify) -> Option<String> {
        let preset = *raw.preset.get_ref();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@');
        let user = raw.user.as_ref();
        let text = user.map_or("", |user| user.get_ref());
        let (is_good, remedy) = match preset.row().user {
            UserNeed::Nothing => {
                if let Some(user) = user {
                    let remedy = "remove it, or use the preset of a system that needs one";
                    self.problem(user, "user has no effect with this preset", remedy);
                }
                return None;
            }
            UserNeed::Address => (
                text.contains('@'),
                "write user = \"bot@example.com\", a user of the PagerDuty account",
            ),
            UserNeed::Person => (
                (1..=64).contains(&text.len()) && text.bytes().all(plain),
                "write the id of the person in whose name the program comments",
            ),
            UserNeed::App => (
                text.parse::<u32>().is_ok(),
                "write user = \"1000002\", the AgentId of the source's app",
            ),
        };
        match user {
            Some(user) if !is_good => {
                let problem = "user is not of the form that this preset needs";
                self.problem(user, problem, remedy);
            }
            None if self.lacks("notify.user", &user) => {
                let problem = format!("user is missing; preset {preset} needs one");
                self.problem(&raw.preset, problem, remedy);
            }
            None | Some(_) => {}
        }
        user.map(|user| user.get_ref().clone())
    }

    pub(super) fn proxy(&mut self, written: Option<&Spanned<String>>) -> Option<String> {
        let written = written?;
        if !written.get_ref().starts_with("http://") {
            let remedy = "write it as in \"http://10.0.0.1:3128\"";
            self.problem(written, "proxy is not the address of an HTTP proxy", remedy);
        }
        Some(written.get_ref().clone())
    }

    fn contact(&mut self, raw: &RawNotify) -> Option<String> {
        let written = raw.contact.as_ref()?;
        let text = written.get_ref().trim();
        if text.is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
            let remedy = "write whom to ask on one line, such as \"the platform team\"";
            self.problem(
                written,
                "contact is not one line of 1 to 200 characters",
                remedy,
            );
        }
        Some(text.to_owned())
    }
}
