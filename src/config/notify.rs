//! `[[notify]]`: names, addresses, secrets, templates. In: the raw tables. Out: valid targets, and
//! the mistakes in the others.

use std::collections::BTreeSet;

use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;

use crate::domain::{NoticeKind, NotifyName, Problem, SourceName, Subscription};
use crate::notify::{Address, Auth, AuthNeed, AwsKey, Bot, BotKind, Preset};

use super::raw_notify::{RawAuth, RawNotify};
use super::reader::Reader;
use super::valid::{NotifyConfig, SourceConfig};

impl Reader<'_> {
    pub(super) fn notify(
        &mut self,
        raw: &[Spanned<RawNotify>],
        sources: &[SourceConfig],
    ) -> Vec<NotifyConfig> {
        let mut names = BTreeSet::new();
        let mut all = Vec::with_capacity(raw.len());
        for entry in raw {
            let written = entry.get_ref();
            let name = self.notify_name(written, &mut names);
            let on = self.on(written);
            let named = self.sources_of(written, sources);
            let address = self.address(written);
            let auth = self.auth(entry);
            let map = self.template(written);
            let ca = self.certificates(written);
            let proxy = self.proxy(written);
            let contact = self.contact(written);
            let transitions = self.transitions(written);
            let user = self.user(written);
            if let (Some(name), Some(address), Some(auth)) = (name, address, auth) {
                all.push(NotifyConfig {
                    subscription: Subscription {
                        name,
                        on,
                        sources: named,
                    },
                    preset: *written.preset.get_ref(),
                    address,
                    auth,
                    map,
                    language: written.language,
                    contact,
                    transitions,
                    user,
                    ca,
                    proxy,
                    mark: self.mark(entry.span()),
                });
            }
        }
        all
    }

    fn notify_name(
        &mut self,
        raw: &RawNotify,
        names: &mut BTreeSet<NotifyName>,
    ) -> Option<NotifyName> {
        match raw.name.get_ref().parse::<NotifyName>() {
            Ok(name) if names.insert(name.clone()) => return Some(name),
            Ok(name) => self.problem(
                &raw.name,
                format!("two [[notify]] have the name {name}"),
                "give each its own name",
            ),
            Err(problem) => self.problem(&raw.name, problem.problem, problem.remedy),
        }
        None
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
            match kind.get_ref().parse() {
                Ok(known) if of_tickets && NoticeKind::has_no_ticket(known) => {
                    let problem =
                        format!("on: {known} belongs to no ticket that this preset knows");
                    let remedy = "use preset = \"webhook\", or a `map` of yours";
                    self.problem(kind, problem, remedy);
                }
                Ok(known) => on.push(known),
                Err(Problem {
                    problem, remedy, ..
                }) => self.problem(kind, format!("on: {problem}"), remedy),
            }
        }
        on
    }

    fn sources_of(&mut self, raw: &RawNotify, sources: &[SourceConfig]) -> Vec<SourceName> {
        let mut named = Vec::new();
        for written in &raw.sources {
            let known = |source: &&SourceConfig| source.name.as_str() == written.get_ref();
            match sources.iter().find(known) {
                Some(source) => named.push(source.name.clone()),
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
        let text = written.map(|url| url.get_ref().as_str());
        let Some(text) = text.or(raw.preset.get_ref().url()) else {
            let problem = format!("notify {:?}: url is missing", raw.name.get_ref());
            let remedy = "write the system's address, as in url = \"https://acme.atlassian.net\"";
            self.problem(&raw.preset, problem, remedy);
            return None;
        };
        match Address::read(text) {
            Ok(address) => Some(address),
            Err(problem) => {
                let place = written.unwrap_or(&raw.name);
                let text = format!("url: {}", problem.problem);
                self.problem(place, text, problem.remedy);
                None
            }
        }
    }

    /// How the program proves itself, as far as the preset needs it.
    fn auth(&mut self, entry: &Spanned<RawNotify>) -> Option<Auth> {
        let raw = entry.get_ref();
        let preset = *raw.preset.get_ref();
        let whose = format!("notify {:?}", raw.name.get_ref());
        let needs = preset.auth_need();
        let takes_secret = matches!(needs, AuthNeed::Secret | AuthNeed::Bot(_));
        if let (Some(secret), false) = (&raw.secret, takes_secret) {
            let problem = format!("secret has no effect with preset = \"{preset}\"");
            self.problem(secret, problem, "remove it, or write auth");
        }
        match (needs, &raw.secret, &raw.auth) {
            (AuthNeed::Secret, Some(secret), None) => {
                let secret = self.secret_text(&whose, secret)?;
                Some(Auth::Signed(secret))
            }
            (AuthNeed::Bot(kind), Some(secret), None) => self.bot(&whose, kind, secret),
            (AuthNeed::Secret | AuthNeed::Bot(_), _, Some(auth)) => {
                let problem = format!("auth has no effect with preset = \"{preset}\"");
                self.problem(auth, problem, "write secret instead");
                None
            }
            (AuthNeed::Bot(_), None, None) => {
                let remedy =
                    "write secret = \"env:NAME\"; docs/notifications.md shows what it holds";
                self.problem(&raw.preset, format!("{whose}: secret is missing"), remedy);
                None
            }
            (AuthNeed::Secret, None, None) => {
                let remedy = "write secret = \"env:NAME\", a whsec_ key that the receiver has too";
                self.problem(&raw.preset, format!("{whose}: secret is missing"), remedy);
                None
            }
            (AuthNeed::Aws, _, Some(auth)) => {
                let problem = format!("auth has no effect with preset = \"{preset}\"");
                self.problem(auth, problem, "remove it: the function's role signs");
                None
            }
            (AuthNeed::Aws, _, None) => self.aws(&whose, raw),
            (AuthNeed::Header, _, Some(auth)) => self.written_auth(&whose, preset, auth),
            (AuthNeed::Header, _, None) => {
                let remedy = "write auth = { bearer = \"env:NAME\" }, { basic = … } or { header = …, value = … }";
                self.problem(&raw.preset, format!("{whose}: auth is missing"), remedy);
                None
            }
        }
    }

    fn bot(&mut self, whose: &str, kind: BotKind, written: &Spanned<String>) -> Option<Auth> {
        let text = self.secret_text(whose, written)?;
        let mut text = text.expose_secret();
        let stand_in = self.secrets.stand_in();
        if stand_in.is_some_and(|stand_in| stand_in.expose_secret() == text) {
            text = "the-key-of-no-bot";
        }
        match Bot::read(kind, text) {
            Ok(bot) => Some(Auth::Bot(bot)),
            Err((problem, remedy)) => {
                self.problem(written, format!("{whose}: secret {problem}"), remedy);
                None
            }
        }
    }

    /// The credentials that AWS gives the process; the region is the address's.
    fn aws(&mut self, whose: &str, raw: &RawNotify) -> Option<Auth> {
        let var = |name: &str| self.vars.get(name).filter(|v| !v.is_empty()).cloned();
        let host = raw.url.as_ref();
        let host = host.and_then(|url| url.get_ref().strip_prefix("https://states."));
        let of_host = host
            .and_then(|rest| rest.split('.').next())
            .map(str::to_owned);
        let key = (var("AWS_ACCESS_KEY_ID"), var("AWS_SECRET_ACCESS_KEY"));
        if let ((Some(id), Some(secret)), Some(region)) = (key, of_host.or(var("AWS_REGION"))) {
            let secret = SecretString::from(secret);
            let token = var("AWS_SESSION_TOKEN").map(SecretString::from);
            return Some(Auth::Aws(AwsKey {
                id,
                secret,
                token,
                region,
            }));
        }
        let problem = format!("{whose}: no AWS credentials or no region");
        let remedy = "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, as Lambda does";
        self.problem(&raw.preset, problem, remedy);
        None
    }

    fn written_auth(
        &mut self,
        whose: &str,
        preset: Preset,
        written: &Spanned<RawAuth>,
    ) -> Option<Auth> {
        let RawAuth {
            basic,
            bearer,
            header,
            value,
        } = written.get_ref();
        match (basic, bearer, header, value) {
            (Some(login), None, None, None) => {
                let login: SecretString = self.secret_text(whose, login)?;
                Some(Auth::Basic(login))
            }
            (None, Some(token), None, None) => {
                let prefix = preset.bearer_prefix();
                let token = self.secret_text(whose, token)?;
                Some(Auth::Bearer(prefix, token))
            }
            (None, None, Some(header), Some(value)) => {
                let name = header.get_ref().to_ascii_lowercase();
                let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
                if name.is_empty() || name.len() > 64 || !name.bytes().all(good) {
                    let remedy = "write the name of a header, such as X-Token";
                    self.problem(header, "auth.header is not a header's name", remedy);
                }
                let value = self.secret_text(whose, value)?;
                Some(Auth::Header(name, value))
            }
            _ => {
                let remedy = "write basic, or bearer, or header with value";
                self.problem(
                    written,
                    format!("{whose}: auth is not one of its forms"),
                    remedy,
                );
                None
            }
        }
    }

    /// A template of the operator's: its path and text.
    fn template(&mut self, raw: &RawNotify) -> Option<(String, String)> {
        let written = raw.map.as_ref()?;
        self.files.insert(written.get_ref().clone());
        let path = self.root.join(written.get_ref());
        match std::fs::read_to_string(&path) {
            Ok(text) => Some((path.display().to_string(), text)),
            Err(error) => {
                let problem = format!("map {} cannot be read: {error}", path.display());
                let remedy = "name a jq file, or remove `map` for the one that ships";
                self.problem(written, problem, remedy);
                None
            }
        }
    }

    /// The transition after each outcome, for Jira.
    fn transitions(&mut self, raw: &RawNotify) -> Vec<(NoticeKind, String)> {
        let mut all = Vec::new();
        for (kind, id) in &raw.transitions {
            let digits = id.get_ref().bytes().all(|b| b.is_ascii_digit());
            match kind.parse() {
                Err(Problem {
                    problem, remedy, ..
                }) => self.problem(id, format!("transitions: {problem}"), remedy),
                Ok(_) if *raw.preset.get_ref() != Preset::Jira => {
                    let problem = "transitions has no effect with this preset";
                    self.problem(id, problem, "remove it, or use preset = \"jira\"");
                }
                Ok(_) if !digits || id.get_ref().is_empty() => {
                    let remedy = "write the number that .../issue/KEY/transitions shows for it";
                    self.problem(id, "transitions: is not a transition's id", remedy);
                }
                Ok(known) => all.push((known, id.get_ref().clone())),
            }
        }
        all
    }

    /// The user in whose name PagerDuty takes notes.
    fn user(&mut self, raw: &RawNotify) -> Option<String> {
        let needed = *raw.preset.get_ref() == Preset::Pagerduty;
        match &raw.user {
            Some(user) if !needed => {
                let remedy = "remove it, or use preset = \"pagerduty\"";
                self.problem(user, "user has no effect with this preset", remedy);
            }
            Some(user) if !user.get_ref().contains('@') => {
                self.problem(
                    user,
                    "user is not an address",
                    "write it as in \"bot@example.com\"",
                );
            }
            None if needed => {
                let remedy = "write user = \"bot@example.com\", a user of the PagerDuty account";
                self.problem(&raw.preset, "pagerduty takes notes of a user only", remedy);
            }
            _ => {}
        }
        raw.user.as_ref().map(|user| user.get_ref().clone())
    }

    fn certificates(&mut self, raw: &RawNotify) -> Vec<u8> {
        let Some(written) = &raw.ca_file else {
            return Vec::new();
        };
        self.files.insert(written.get_ref().clone());
        let path = self.root.join(written.get_ref());
        std::fs::read(&path).unwrap_or_else(|error| {
            let problem = format!("ca_file {} cannot be read: {error}", path.display());
            self.problem(written, problem, "name a PEM file of certificates");
            Vec::new()
        })
    }

    fn proxy(&mut self, raw: &RawNotify) -> Option<String> {
        let written = raw.proxy.as_ref()?;
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
            self.problem(written, "contact is not a short line of text", remedy);
        }
        Some(text.to_owned())
    }
}
