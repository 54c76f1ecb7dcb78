//! From what was written to what is valid: paths, references, ranges. Collects every mistake before
//! it gives up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use toml::Spanned;

use crate::domain::{Problem, Problems, SourceName};
use crate::inbound::Map;
use crate::journal::JournalLocation;

use super::raw::{RawCloud, RawConfig, RawHttp, RawLimits, RawPolicy, RawSeal, RawSource, line_of};
use super::{
    CloudConfig, Config, HttpConfig, MapRef, SealConfig, SecretRef, Site, SourceConfig, Vars,
};

/// The variables that override the file, for a deployment that learns them late. There are no
/// others.
const JOURNAL_VAR: &str = "SHAREHOOK_JOURNAL";
const ENDPOINT_VAR: &str = "SHAREHOOK_CLOUD_ENDPOINT";
const SITE_VAR: &str = "SHAREHOOK_CLOUD_SITE";

pub(super) struct Reader<'a> {
    file: &'a str,
    pub(super) text: &'a str,
    root: &'a Path,
    vars: &'a Vars,
    problems: Vec<Problem>,
}

pub(super) fn resolve(
    file: &str,
    text: &str,
    raw: RawConfig,
    vars: &Vars,
) -> Result<Config, Problems> {
    let root = Path::new(file).parent().unwrap_or(Path::new(""));
    let mut reader = Reader {
        file,
        text,
        root,
        vars,
        problems: Vec::new(),
    };
    let journal = reader.journal(raw.journal);
    let (policy, approvals) = reader.policy(raw.policy);
    let cloud = reader.cloud(&raw.cloud);
    let http = reader.http(raw.http);
    let (body_limit, budget_seconds) = reader.limits(&raw.limits);
    let sources = reader.sources(&raw.source);
    let seal = reader.seal(&raw.seal, &journal);
    if !reader.problems.is_empty() {
        return Err(Problems(reader.problems));
    }
    Ok(Config {
        file: file.to_owned(),
        digest: hex::encode(Sha256::digest(text)),
        journal,
        policy,
        approvals,
        cloud,
        http,
        sources,
        seal,
        body_limit,
        budget_seconds,
    })
}

impl Reader<'_> {
    fn place(&self, offset: usize) -> String {
        format!("{}:{}", self.file, line_of(self.text, offset))
    }

    pub(super) fn problem<T>(
        &mut self,
        at: &Spanned<T>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let place = self.place(at.span().start);
        self.problems.push(Problem::new(place, problem, remedy));
    }

    fn journal(&mut self, written: Option<Spanned<String>>) -> JournalLocation {
        // A variable is the process's, so its path is relative to the process and not to the file.
        if let Some(text) = self.vars.get(JOURNAL_VAR).filter(|v| !v.is_empty()) {
            return text.parse().unwrap_or_else(|problem: Problem| {
                self.problems.push(Problem {
                    field: JOURNAL_VAR.to_owned(),
                    ..problem
                });
                JournalLocation::Memory
            });
        }
        let Some(written) = written else {
            let place = format!("{}:1", self.file);
            self.problems.push(Problem::new(
                place,
                "journal is missing",
                "write file:DIR, s3://bucket/prefix, gs://…, az://… or memory:",
            ));
            return JournalLocation::Memory;
        };
        match written.get_ref().parse::<JournalLocation>() {
            Ok(location) => location.relative_to(self.root),
            Err(problem) => {
                self.problem(
                    &written,
                    format!("journal: {}", problem.problem),
                    problem.remedy,
                );
                JournalLocation::Memory
            }
        }
    }

    fn policy(&mut self, written: Option<Spanned<RawPolicy>>) -> (PathBuf, usize) {
        /// No request names more approvers.
        const MAX_APPROVALS: usize = 50;
        let approvals = written.as_ref().and_then(|w| w.get_ref().0.approvals);
        if let Some(at) = written
            .as_ref()
            .filter(|_| approvals.is_some_and(|n| n > MAX_APPROVALS))
        {
            self.problem(
                at,
                format!("policy.approvals is not within 0 to {MAX_APPROVALS}"),
                "leave it out for 1; 0 asks no approver",
            );
        }
        let dir = written.and_then(|written| written.into_inner().0.dir);
        let dir = self.root.join(dir.as_deref().unwrap_or("policy"));
        (dir, approvals.unwrap_or(1))
    }

    fn cloud(&mut self, raw: &RawCloud) -> CloudConfig {
        let endpoint = match self.vars.get(ENDPOINT_VAR).filter(|v| !v.is_empty()) {
            Some(url) => Some(url.clone()),
            None => raw.endpoint.as_ref().map(|e| e.get_ref().clone()),
        };
        let site = match self.vars.get(SITE_VAR).filter(|v| !v.is_empty()) {
            None => raw.site.unwrap_or_default(),
            Some(text) => text.parse().unwrap_or_else(|problem| {
                self.problems.push(Problem {
                    field: SITE_VAR.to_owned(),
                    ..problem
                });
                Site::default()
            }),
        };
        if raw.site.is_none() && !self.vars.contains_key(SITE_VAR) && endpoint.is_none() {
            let file = self.file;
            let remedy = "write site = \"intl\" or \"cn\" under [cloud]: the accounts of one site do not exist on the other";
            self.problems.push(Problem::new(
                format!("{file}:1"),
                "cloud.site is missing",
                remedy,
            ));
        }
        let lighthouse_per_second = self.rate(raw.lighthouse_per_second.as_ref(), 20.0);
        let cvm_per_second = self.rate(raw.cvm_per_second.as_ref(), 10.0);
        let per_call = raw.cvm_accounts_per_call.as_ref();
        let cvm_accounts_per_call = self.count("cvm_accounts_per_call", per_call, 500, 10);
        let per_image = raw.cvm_accounts_per_image.as_ref();
        let cvm_accounts_per_image = self.count("cvm_accounts_per_image", per_image, 100_000, 500);
        let regions = raw.regions.iter().map(|r| r.get_ref().clone()).collect();
        for region in &raw.regions {
            if let Err(problem) = region.get_ref().parse::<crate::domain::Region>() {
                self.problem(region, problem.problem, problem.remedy);
            }
        }
        CloudConfig {
            site,
            endpoint,
            lighthouse_per_second,
            cvm_per_second,
            cvm_accounts_per_call,
            cvm_accounts_per_image,
            regions,
            accounts: self.accounts(&raw.accounts),
        }
    }

    fn count(
        &mut self,
        name: &str,
        written: Option<&Spanned<usize>>,
        most: usize,
        usual: usize,
    ) -> usize {
        match written {
            Some(n) if !(1..=most).contains(n.get_ref()) => {
                self.problem(
                    n,
                    format!("{name} is not within 1 to {most}"),
                    format!("leave it out for {usual}"),
                );
                usual
            }
            Some(n) => *n.get_ref(),
            None => usual,
        }
    }

    fn rate(&mut self, written: Option<&Spanned<f64>>, published: f64) -> f64 {
        match written {
            Some(rate) if !(0.1..=published).contains(rate.get_ref()) => {
                self.problem(
                    rate,
                    format!("is not within 0.1 to {published} calls per second"),
                    format!("leave it out for the published limit of {published}, or write less"),
                );
                published
            }
            Some(rate) => *rate.get_ref(),
            None => published,
        }
    }

    fn http(&mut self, raw: RawHttp) -> HttpConfig {
        let strip_prefix =
            raw.strip_prefix.map(|written| {
                let segments = written.get_ref().strip_prefix('/');
                let plain = |segment: &str| {
                    let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
                    !segment.is_empty() && segment.bytes().all(good)
                };
                if !segments.is_some_and(|segments| segments.split('/').all(plain)) {
                    self.problem(
                    &written,
                    format!("http.strip_prefix: {:?} is not a base path", written.get_ref()),
                    "write it as it stands in the address: a slash before each segment and none \
                     at the end, as in \"/share\"",
                );
                }
                written.into_inner()
            });
        HttpConfig { strip_prefix }
    }

    fn limits(&mut self, raw: &RawLimits) -> (usize, u64) {
        const BODY: usize = 256 * 1024;
        const SECONDS: u64 = 25;
        let body = match &raw.body_bytes {
            Some(n) if !(1_024..=6 * 1024 * 1024).contains(n.get_ref()) => {
                self.problem(
                    n,
                    "body_bytes is not within 1024 to 6291456",
                    "leave it out for 262144",
                );
                BODY
            }
            Some(n) => *n.get_ref(),
            None => BODY,
        };
        let seconds = match &raw.seconds {
            Some(n) if !(1..=900).contains(n.get_ref()) => {
                self.problem(n, "seconds is not within 1 to 900", "leave it out for 25");
                SECONDS
            }
            Some(n) => *n.get_ref(),
            None => SECONDS,
        };
        (body, seconds)
    }

    fn seal(&mut self, raw: &RawSeal, journal: &JournalLocation) -> Option<SealConfig> {
        match SealConfig::read(raw, self.root, self.vars, journal) {
            Ok(seal) => seal,
            Err((offset, problem)) => {
                let place = self.place(offset);
                let told = format!("seal.{}: {}", problem.field, problem.problem);
                self.problems
                    .push(Problem::new(place, told, problem.remedy));
                None
            }
        }
    }

    fn sources(&mut self, raw: &[Spanned<RawSource>]) -> Vec<SourceConfig> {
        let mut names = BTreeSet::new();
        let mut sources = Vec::with_capacity(raw.len());
        for entry in raw {
            let source = entry.get_ref();
            let name = match source.name.get_ref().parse::<SourceName>() {
                Ok(name) if names.insert(name.clone()) => Some(name),
                Ok(name) => {
                    self.problem(
                        &source.name,
                        format!("source {name} is there twice"),
                        "give each source its own name",
                    );
                    None
                }
                Err(problem) => {
                    self.problem(&source.name, problem.problem, problem.remedy);
                    None
                }
            };
            let secrets = self.secrets(source);
            let from = self.from(source);
            let events = self.events(source);
            let map = self.map(source);
            let issuers = self.issuers(source);
            if let Some(written) = &source.handshake
                && let Some(problem) = written.get_ref().problem(source.scheme.get_ref())
            {
                self.problem(
                    written,
                    format!("{}: {}", problem.field, problem.problem),
                    problem.remedy,
                );
            }
            let line = line_of(self.text, entry.span().start);
            if let (Some(name), Some(map)) = (name, map) {
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
                    events,
                    map,
                    line,
                });
            }
        }
        sources
    }

    fn secrets(&mut self, source: &RawSource) -> Vec<secrecy::SecretString> {
        let whose = format!("source {:?}", source.name.get_ref());
        source
            .secrets
            .iter()
            .filter_map(|written| self.secret(&whose, written))
            .collect()
    }

    /// The secret that a reference names.
    pub(super) fn secret(
        &mut self,
        whose: &str,
        written: &Spanned<String>,
    ) -> Option<secrecy::SecretString> {
        let found =
            SecretRef::parse(written.get_ref()).and_then(|r| r.resolve(self.root, self.vars));
        match found {
            Ok(secret) => Some(secret),
            Err((problem, remedy)) => {
                self.problem(written, format!("{whose}: {problem}"), remedy);
                None
            }
        }
    }

    /// `from` entries may be references `env:NAME`, because a template knows a queue's ARN only
    /// when it is deployed.
    fn from(&mut self, source: &RawSource) -> Vec<String> {
        let mut from = Vec::new();
        for written in &source.from {
            match written.get_ref().strip_prefix("env:") {
                None => from.push(written.get_ref().clone()),
                Some(name) => match self.vars.get(name).filter(|v| !v.is_empty()) {
                    Some(value) => from.push(value.clone()),
                    None => self.problem(
                        written,
                        format!("the variable {name} is not set"),
                        format!("set {name} to the ARN that may speak for this source"),
                    ),
                },
            }
        }
        from
    }

    /// CloudEvents sources are compared to the letter, so there are no wildcards.
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
        source
            .events
            .iter()
            .map(|written| written.get_ref().clone())
            .collect()
    }

    fn issuers(&mut self, source: &RawSource) -> Vec<u8> {
        let Some(written) = &source.issuers else {
            return Vec::new();
        };
        if source.scheme.get_ref().name() != "sns" {
            self.problem(
                written,
                "issuers do nothing for this scheme",
                "remove them, or use scheme = \"sns\"",
            );
        }
        let path = self.root.join(written.get_ref());
        std::fs::read(&path).unwrap_or_else(|error| {
            let problem = format!("issuers {} cannot be read: {error}", path.display());
            self.problem(written, problem, "name a PEM file of certificates");
            Vec::new()
        })
    }

    fn map(&mut self, source: &RawSource) -> Option<MapRef> {
        let Some(written) = &source.map else {
            return Some(MapRef::Builtin("native".to_owned()));
        };
        let name = written.get_ref();
        if Map::builtin_names().any(|known| known == name) {
            return Some(MapRef::Builtin(name.clone()));
        }
        let path = self.root.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Some(MapRef::File(path.display().to_string(), text)),
            Err(error) => {
                let shipped = Map::builtin_names().collect::<Vec<_>>().join(", ");
                self.problem(
                    written,
                    format!("map {} cannot be read: {error}", path.display()),
                    format!("name a jq file, or one of the maps that ship: {shipped}"),
                );
                None
            }
        }
    }
}
