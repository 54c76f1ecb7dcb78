//! Compiles the verifiers, maps and policies of a configuration before anything is opened. In: a
//! [`Config`]. Out: [`Prepared`], or every problem with its place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, MapRef, SourceConfig};
use crate::domain::{NoticeKind, NoticeRules, NotifyName, Problem, Problems, SourceName};
use crate::inbound::{Handshake, Issuers, Map, Replies, ReplyRules, SchemeKind, Verifier};
use crate::plan::Patience;
use crate::policy::{PolicyFiles, PolicySet, SourceFacts};

use super::approver_origin::{ApproverOrigin, SourceSummary};
use super::cloud_accounts;
use super::target::Target;

/// The largest policy file that is read.
const MAX_POLICY_BYTES: u64 = 1024 * 1024;

/// One source, ready to verify and to map.
#[derive(Debug)]
pub(super) struct Intake {
    pub(super) verifier: Verifier,
    pub(super) map: Map,
    pub(super) from: Vec<String>,
    pub(super) handshake: Option<Handshake>,
    pub(super) replies: ReplyRules,
    events: Vec<String>,
    pub(super) issuers: Issuers,
    facts: SourceFacts,
    approvers: ApproverOrigin,
}

impl Intake {
    fn summary(&self) -> SourceSummary {
        SourceSummary {
            name: self.facts.name.clone(),
            scheme: self.facts.scheme.clone(),
            signed: self.facts.signed,
            approvers: self.approvers,
            replies: self.replies.replies,
            answer_within: self.replies.answer_within.map(|within| within.as_secs()),
        }
    }
}

/// A valid configuration with its compiled sources, maps and policies.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    intakes: BTreeMap<SourceName, Intake>,
    policies: Arc<PolicySet>,
    targets: BTreeMap<NotifyName, Target>,
    notice_rules: NoticeRules,
    plan_only: bool,
    patience: Patience,
}

impl Prepared {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// Every problem of every source, map and policy.
    pub fn new(config: Config) -> Result<Self, Problems> {
        Self::compile(config, None)
    }

    /// The same rules with the secrets of `config`.
    ///
    /// # Errors
    /// A secret cannot be used.
    pub(super) fn renewed(&self, config: Config) -> Result<Self, Problems> {
        let renewed = Self::compile(config, Some(Arc::clone(&self.policies)))?;
        Ok(renewed.working_as(self))
    }

    /// As `other` plans and waits.
    pub(super) fn working_as(self, other: &Self) -> Self {
        Self {
            plan_only: other.plan_only,
            patience: other.patience,
            ..self
        }
    }

    /// With `policies`, or those of the configuration.
    fn compile(config: Config, policies: Option<Arc<PolicySet>>) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        let mut intakes = BTreeMap::new();
        for source in &config.sources {
            match intake(&config.file, source) {
                Ok(intake) => drop(intakes.insert(source.name.clone(), intake)),
                Err(Problems(found)) => problems.extend(found),
            }
        }
        let mut targets = BTreeMap::new();
        for notify in &config.notify {
            match Target::new(&config.file, notify) {
                Ok(target) => drop(targets.insert(notify.subscription.name.clone(), target)),
                Err(Problems(found)) => problems.extend(found),
            }
        }
        problems.extend(two_for_one_origin(&config));
        problems.extend(cloud_accounts::problems(&config));
        let facts: Vec<SourceFacts> = intakes
            .values()
            .map(|intake| intake.facts.clone())
            .collect();
        let policies = match policies {
            Some(policies) => Ok(policies),
            None => read_policies(&config.policy)
                .and_then(|files| PolicySet::load(&files, &facts, config.approvals))
                .map(Arc::new),
        };
        match policies {
            Ok(policies) if problems.is_empty() => Ok(Self {
                targets,
                notice_rules: config.notice_rules(),
                config,
                intakes,
                policies,
                plan_only: false,
                patience: Patience::default(),
            }),
            Ok(_) => Err(Problems(problems)),
            Err(Problems(found)) => {
                problems.extend(found);
                Err(Problems(problems))
            }
        }
    }

    /// The same for dry runs: the answer shows the plan, and nothing is written or changed.
    #[must_use]
    pub fn planning(self) -> Self {
        Self {
            plan_only: true,
            ..self
        }
    }

    /// The same with other waits, for tests and benchmarks.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Settings that are valid but probably a mistake.
    pub fn warnings(&self) -> Vec<String> {
        let policies = self.policies.warnings().iter().map(ToString::to_string);
        policies
            .chain(source_warnings(&self.config))
            .chain(super::seal_key::warnings(&self.config))
            .collect()
    }

    /// The digest of the loaded policies, which every decision in the journal names.
    pub fn policy_digest(&self) -> &str {
        self.policies.digest()
    }

    /// Each source, in the order of their names.
    pub fn sources(&self) -> Vec<SourceSummary> {
        self.intakes.values().map(Intake::summary).collect()
    }

    pub(super) fn policies(&self) -> &PolicySet {
        &self.policies
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    pub(super) fn plan_only(&self) -> bool {
        self.plan_only
    }

    /// Which target is notified of what.
    pub(super) fn notice_rules(&self) -> &NoticeRules {
        &self.notice_rules
    }

    pub(super) fn targets(&self) -> impl Iterator<Item = &Target> {
        self.targets.values()
    }

    pub(super) fn target(&self, name: &NotifyName) -> Option<&Target> {
        self.targets.get(name)
    }

    pub(super) fn intake(&self, source: &SourceName) -> Option<&Intake> {
        self.intakes.get(source)
    }

    pub(super) fn source_of(&self, origin: &str) -> Option<SourceName> {
        let speaks = |intake: &&Intake| intake.from.iter().any(|from| from == origin);
        self.intakes
            .values()
            .find(speaks)
            .map(|intake| intake.facts.name.clone())
    }

    /// The source that authenticates CloudEvents of this `source`.
    pub(super) fn source_of_event(&self, event_source: &str) -> Option<SourceName> {
        let lists = |intake: &&Intake| intake.events.iter().any(|listed| listed == event_source);
        self.intakes
            .values()
            .find(lists)
            .map(|intake| intake.facts.name.clone())
    }

    /// The sources that accept CloudEvents.
    pub(super) fn event_sources(&self) -> Vec<SourceName> {
        let takes = self
            .intakes
            .values()
            .filter(|intake| !intake.events.is_empty());
        takes.map(|intake| intake.facts.name.clone()).collect()
    }
}

fn intake(file: &str, source: &SourceConfig) -> Result<Intake, Problems> {
    let here = |Problems(found): Problems| {
        let place = format!("{file}:{}", source.line);
        let placed = |p: Problem| {
            Problem::new(
                place.clone(),
                format!("source {}: {}: {}", source.name, p.field, p.problem),
                p.remedy,
            )
        };
        Problems(found.into_iter().map(placed).collect())
    };
    let verifier = Verifier::new(
        source.scheme.clone(),
        source.secret_texts(),
        source.from.clone(),
    )
    .map_err(here)?;
    let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
    let issuers = Issuers::new(roots, &source.issuers).map_err(|problem| here(problem.into()))?;
    let map = match &source.map {
        MapRef::Builtin(name) => Map::builtin(name).unwrap_or_else(|| {
            Err(Problem::new("map", format!("{name:?} does not ship"), "name a jq file").into())
        }),
        MapRef::File(path, text) => Map::load(text, path),
    }?;
    let facts = SourceFacts {
        name: source.name.clone(),
        scheme: source.scheme.name().to_owned(),
        signed: source.scheme.signed(),
    };
    let (from, handshake) = (source.from.clone(), source.handshake.clone());
    Ok(Intake {
        verifier,
        map,
        from,
        handshake,
        replies: source.replies,
        issuers,
        events: source.events.clone(),
        facts,
        approvers: ApproverOrigin::of(source),
    })
}

/// Sources whose denials no sender sees, and sources that share a secret.
fn source_warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    let place =
        |source: &SourceConfig| format!("{}:{}: source {}", config.file, source.line, source.name);
    for (index, source) in config.sources.iter().enumerate() {
        let notified = config.notice_rules().want(NoticeKind::Denied, &source.name);
        if source.replies.replies == Replies::Accepted && !notified {
            warnings.push(format!(
                "{} answers denied and invalid requests with 200 (replies = \"accepted\"), so only the journal \
                 and the log show them; add a [[notify]] for denials, or write replies = \"status\"",
                place(source)
            ));
        }
        let shares = |other: &&SourceConfig| {
            let mut secrets = source.secrets.iter().map(|secret| secret.expose_secret());
            secrets.any(|secret| {
                other
                    .secrets
                    .iter()
                    .any(|own| own.expose_secret() == secret)
            })
        };
        if let Some(other) = config.sources.iter().take(index).find(shares) {
            warnings.push(format!(
                "{} has a secret of source {}: the sender of one can speak as the other; \
                 give each its own",
                place(source),
                other.name
            ));
        }
    }
    warnings
}

/// Refuses an origin that two sources trust: which of them answers would be chance.
fn two_for_one_origin(config: &Config) -> Vec<Problem> {
    let mut owners: BTreeMap<&str, &SourceName> = BTreeMap::new();
    let mut problems = Vec::new();
    for source in &config.sources {
        if matches!(source.scheme.kind(), SchemeKind::Trusted) && !source.events.is_empty() {
            problems.push(Problem::new(
                format!("{}:{}", config.file, source.line),
                format!(
                    "source {} is trusted, and CloudEvents over HTTP never reach such a source",
                    source.name
                ),
                "list the event sources under a source that verifies a secret, such as scheme = \"bearer\"",
            ));
        }
        for origin in source.from.iter().chain(&source.events) {
            if let Some(other) = owners.insert(origin, &source.name) {
                problems.push(Problem::new(
                    format!("{}:{}", config.file, source.line),
                    format!("sources {other} and {} both list {origin}", source.name),
                    "let each origin speak for one source",
                ));
            }
        }
    }
    problems
}

/// Reads the policy directory: `schema.cedarschema`, every `*.cedar`, `entities.json`.
fn read_policies(folder: &Path) -> Result<PolicyFiles, Problems> {
    let cannot = |path: &Path, error: &dyn std::fmt::Display| {
        let remedy = "name a readable directory with *.cedar and entities.json in `policy`";
        Problems::from(Problem::new(
            path.display().to_string(),
            format!("cannot be read: {error}"),
            remedy,
        ))
    };
    let read = |path: &Path| -> Result<String, Problems> {
        let size = fs::metadata(path)
            .map_err(|error| cannot(path, &error))?
            .len();
        if size > MAX_POLICY_BYTES {
            return Err(cannot(
                path,
                &format!("it has {size} bytes, {MAX_POLICY_BYTES} at most"),
            ));
        }
        fs::read_to_string(path).map_err(|error| cannot(path, &error))
    };
    let mut files = PolicyFiles::default();
    let entries = fs::read_dir(folder).map_err(|error| cannot(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| cannot(folder, &error))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match name.as_str() {
            "schema.cedarschema" => files.schema = Some(read(&path)?),
            "entities.json" => files.entities = Some(read(&path)?),
            other if other.ends_with(".cedar") => files.policies.push((name, read(&path)?)),
            _ => {}
        }
    }
    files.policies.sort();
    Ok(files)
}
