//! Reads `[[source]]`: names, secrets, origins, maps. Takes the raw tables, returns each source
//! that has a valid name of its own, and reports all mistakes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use secrecy::ExposeSecret as _;
use toml::Spanned;

use crate::domain::Mark;
use crate::inbound::{Map, ReplyRules, SchemeKind};

use super::bounded::{MAX_BYTES, plain_text_at_most};
use super::fetch::receivers;
use super::raw::RawSource;
use super::reader::{Reader, set, texts};
use super::secrets::{AwsSecret, Secret};
use super::valid::{MapRef, SourceConfig};

impl Reader<'_> {
    /// Reads all sources. `seconds` is the time limit of a delivery.
    pub(super) fn sources(
        &mut self,
        raw: &[Spanned<RawSource>],
        seconds: u64,
    ) -> Vec<SourceConfig> {
        let mut names = BTreeSet::new();
        let mut sources = Vec::with_capacity(raw.len());
        for entry in raw {
            let before = self.problems.len();
            let source = entry.get_ref();
            let remedy = "give each source its own name";
            let name = self.own_name("sources", &source.name, &mut names, remedy);
            let secrets = self.for_receivers(|reader| reader.secrets(source));
            let fetch = self.fetch(source);
            let from = self.for_receivers(|reader| reader.from(source));
            let from = receivers(from, fetch.as_ref());
            let events = self.events(source);
            let map = self.map(source);
            let issuers = self.issuers(source);
            let replies = self.replies(source, seconds);
            if let Some(written) = &source.handshake
                && let Some(problem) = written.get_ref().problem(source.scheme.get_ref())
            {
                let prefix = format!("{}: ", problem.field);
                self.found(&prefix, written, problem);
            }
            let mark = self.mark(entry.span());
            let fields = self.fields(source);
            let read_fully = self.problems.len() == before && !self.unread.within(&entry.span());
            if let Some(name) = name {
                let scheme = source.scheme.get_ref().clone();
                let handshake = source
                    .handshake
                    .as_ref()
                    .map(|written| written.get_ref().clone());
                sources.push(SourceConfig {
                    name,
                    scheme,
                    secrets,
                    from,
                    issuers,
                    handshake,
                    replies,
                    events,
                    fetch,
                    map: map.unwrap_or_else(MapRef::native),
                    mark,
                    fields,
                    read_fully,
                });
            }
        }
        sources
    }

    fn fields(&self, source: &RawSource) -> BTreeMap<String, Mark> {
        let secrets = source.secrets.iter().enumerate();
        let secrets = secrets.map(|(n, secret)| (format!("secrets[{n}]"), secret.span()));
        let first = source
            .secrets
            .first()
            .map(|secret| ("secrets".to_owned(), secret.span()));
        let from = source
            .from
            .first()
            .map(|from| ("from".to_owned(), from.span()));
        let spans = secrets.chain(first).chain(from);
        spans.map(|(name, span)| (name, self.mark(span))).collect()
    }

    fn secrets(&mut self, source: &RawSource) -> Vec<Secret> {
        let whose = format!("source {:?}", source.name.get_ref());
        let read = |written| self.secret(&whose, written);
        let mut secrets: Vec<Secret> = source.secrets.iter().filter_map(read).collect();
        if let Some(stand_in) = self.secrets.stand_in() {
            let stand_in = stand_in.expose_secret();
            for secret in &mut secrets {
                if secret.expose_secret() == stand_in {
                    secret.text = source.scheme.get_ref().stand_in(stand_in).into();
                }
            }
        }
        secrets
    }

    /// Reads `from`. An entry may be `env:NAME`, because a queue's ARN is known only at deployment.
    fn from(&mut self, source: &RawSource) -> Vec<String> {
        let mut from = Vec::new();
        for written in &source.from {
            let variable = written.get_ref().strip_prefix("env:");
            self.variables.extend(variable.map(str::to_owned));
            let value = match variable {
                None => Some(written.get_ref()),
                Some(name) => set(self.vars, name),
            };
            match (value, variable) {
                (Some(value), _) if AwsSecret::parse(value).is_some() => self.problem(
                    written,
                    "from: an origin is not a secret, and is not read from AWS",
                    "write the origin itself, or env:NAME with a variable that contains the origin",
                ),
                (Some(value), _) => from.push(value.clone()),
                (None, Some(name)) if self.secrets.stand_in().is_none() => self.problem(
                    written,
                    format!("the variable {name} is not set"),
                    format!(
                        "set {name} to what this source accepts: the ARN of an origin, or for an approval system the id of its app or company"
                    ),
                ),
                (None, _) => from.push(written.get_ref().clone()),
            }
        }
        from
    }

    /// Reads `events`. CloudEvents sources must match exactly; there are no wildcards.
    fn events(&mut self, source: &RawSource) -> Vec<String> {
        for written in &source.events {
            if written.get_ref().trim().is_empty() || written.get_ref().contains('*') {
                let problem = format!(
                    "events: {:?} is not a CloudEvents source",
                    written.get_ref()
                );
                self.problem(
                    written,
                    problem,
                    "write each `source` attribute in full; there are no wildcards",
                );
            }
        }
        texts(&source.events)
    }

    /// Returns how deliveries are answered. Settings that the file omits get the defaults of the
    /// scheme, which depend on what its senders need.
    fn replies(&mut self, source: &RawSource, seconds: u64) -> ReplyRules {
        let scheme = source.scheme.get_ref();
        let limit = Duration::from_secs(seconds);
        let mut rules = scheme.reply_rules();
        rules.answer_within = rules.answer_within.map(|within| within.min(limit));
        let no_effect = |name: &str| format!("{name} has no effect with scheme = \"trusted\"");
        let trusted = matches!(scheme.kind(), SchemeKind::Trusted);
        if let Some(written) = &source.replies {
            rules.replies = *written.get_ref();
            if trusted {
                self.problem(written, no_effect("replies"), "remove it");
            }
        }
        if let Some(written) = &source.answer_within {
            rules.answer_within = self.span("answer_within", written);
            if trusted {
                self.problem(written, no_effect("answer_within"), "remove it");
            } else if rules.answer_within.is_some_and(|within| within > limit) {
                self.problem(
                    written,
                    format!("answer_within is more than the {seconds} seconds of a delivery"),
                    "write less, or raise [limits] seconds",
                );
            }
        }
        rules
    }

    fn issuers(&mut self, source: &RawSource) -> Vec<CertificateDer<'static>> {
        if let Some(written) = &source.issuers
            && source.scheme.get_ref().name() != "sns"
        {
            let remedy = "remove it, or use scheme = \"sns\"";
            self.problem(written, "issuers has no effect with this scheme", remedy);
        }
        self.issuers_file(&source.issuers)
    }

    fn map(&mut self, source: &RawSource) -> Option<MapRef> {
        let Some(written) = &source.map else {
            return Some(MapRef::native());
        };
        let name = written.get_ref();
        if Map::builtin_names().any(|known| known == name) {
            return Some(MapRef::Builtin(name.clone()));
        }
        let shipped = Map::builtin_names().collect::<Vec<_>>().join(", ");
        let remedy = format!("name a jq file, or one of the maps that ship: {shipped}");
        let read = self.named_file(
            "map",
            written,
            |path| plain_text_at_most(path, MAX_BYTES),
            &remedy,
        );
        read.map(|(path, text)| MapRef::File(path, text))
    }
}
