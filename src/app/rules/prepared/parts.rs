//! Compiles the valid sources, maps, templates and policies of a [`Config`]. Returns [`Parts`],
//! which also contains the problems of those that are not valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use crate::app::approvals::Fetcher;
use crate::app::cloud_accounts;
use crate::app::notifying::Target;
use crate::config::{Config, MapRef, SourceConfig, plain_text_at_most};
use crate::domain::{Mark, NotifyName, Problem, Problems, SourceName};
use crate::inbound::{Handshake, Issuers, Map, ReplyRules, SchemeKind, Verifier};
use crate::policy::{
    MAX_FILE_BYTES, PolicyFiles, PolicySet, SMALLER_FILES, SourceFacts, VALIDATED,
};

use super::approver_origin::{ApproverOrigin, SourceSummary};

/// A source with everything that verifies and maps its deliveries.
#[derive(Debug)]
pub(in crate::app) struct Intake {
    pub(in crate::app) verifier: Verifier,
    pub(in crate::app) map: Map,
    /// The origins that the source lists in `from` if its scheme is `trusted`, otherwise empty.
    pub(in crate::app) from: Vec<String>,
    pub(in crate::app) handshake: Option<Handshake>,
    pub(in crate::app) replies: ReplyRules,
    pub(in crate::app) fetcher: Option<Fetcher>,
    pub(super) events: Vec<String>,
    pub(in crate::app) issuers: Issuers,
    pub(super) facts: SourceFacts,
    approvers: ApproverOrigin,
}

impl Intake {
    pub(super) fn summary(&self) -> SourceSummary {
        SourceSummary {
            name: self.facts.name.clone(),
            scheme: self.facts.scheme.clone(),
            signed: self.facts.signed,
            approvers: self.approvers,
            fetch: self.fetcher.as_ref().map(Fetcher::preset),
            replies: self.replies.replies,
            answer_within: self.replies.answer_within.map(|within| within.as_secs()),
        }
    }
}

#[derive(Debug, Default)]
pub(in crate::app) struct Parts {
    pub(super) intakes: BTreeMap<SourceName, Intake>,
    pub(super) targets: BTreeMap<NotifyName, Target>,
    pub(in crate::app) policies: Option<Arc<PolicySet>>,
    pub(in crate::app) problems: Vec<Problem>,
}

pub(in crate::app) enum PolicyOrigin {
    /// These policies, which are already loaded.
    Loaded(Arc<PolicySet>),
    /// The policy directory. Files that `bundle` has validated are not validated again.
    Directory,
    /// The policy directory. Every file is validated.
    Validated,
}

impl Parts {
    pub(in crate::app) fn compile(config: &Config, policies: PolicyOrigin) -> Self {
        let mut parts = Self::default();
        for source in &config.sources {
            let found = if source.read_fully {
                let intake = intake(source);
                intake.map(|intake| drop(parts.intakes.insert(source.name.clone(), intake)))
            } else {
                map_of(source).map(drop)
            };
            parts.note(found);
        }
        for notify in &config.notify {
            let target = Target::new(notify);
            let name = notify.subscription.name.clone();
            let found = target.map(|target| drop(parts.targets.insert(name, target)));
            parts.note(found);
        }
        parts.problems.extend(conflicting_origins(config));
        parts.problems.extend(cloud_accounts::problems(config));
        let load = |files: PolicyFiles| {
            let loaded = PolicySet::load(&files, &facts(config), config.approvals);
            let here = |problem: Problem| problem.within(&config.policy);
            let loaded = loaded.map(Arc::new);
            loaded.map_err(|Problems(found)| Problems(found.into_iter().map(here).collect()))
        };
        let policies = match policies {
            PolicyOrigin::Loaded(policies) => Ok(policies),
            PolicyOrigin::Directory => read_policies(config).and_then(load),
            PolicyOrigin::Validated => read_policies(config).and_then(|files| {
                load(PolicyFiles {
                    validated: None,
                    ..files
                })
            }),
        };
        match policies {
            Ok(policies) => parts.policies = Some(policies),
            Err(Problems(found)) => parts.problems.extend(found),
        }
        parts
    }

    fn note(&mut self, outcome: Result<(), Problems>) {
        if let Err(Problems(found)) = outcome {
            self.problems.extend(found);
        }
    }
}

/// Returns the facts about each source that policies can use.
pub(in crate::app) fn facts(config: &Config) -> Vec<SourceFacts> {
    config.sources.iter().map(facts_of).collect()
}

fn facts_of(source: &SourceConfig) -> SourceFacts {
    SourceFacts {
        name: source.name.clone(),
        scheme: source.scheme.name().to_owned(),
        signed: source.scheme.signed(),
    }
}

fn map_of(source: &SourceConfig) -> Result<Map, Problems> {
    match &source.map {
        MapRef::Builtin(name) => Map::builtin(name).ok_or_else(|| {
            Problem::new(
                "map",
                format!("no map named {name:?} ships with sharehook"),
                "name a shipped map or a jq file",
            )
            .into()
        }),
        MapRef::File(path, text) => Map::load(text, path),
    }
}

fn intake(source: &SourceConfig) -> Result<Intake, Problems> {
    let here = |Problems(found): Problems| {
        let named = |p: Problem| {
            let text = format!("source {}: {}: {}", source.name, p.field, p.problem);
            let mark = source.fields.get(&p.field).unwrap_or(&source.mark);
            Problem::at(mark.clone(), text, p.remedy)
        };
        found.into_iter().map(named).collect::<Vec<_>>()
    };
    let verifier = Verifier::new(
        source.scheme.clone(),
        source.secret_texts(),
        source.from.clone(),
    );
    let roots = webpki_roots::TLS_SERVER_ROOTS.to_vec();
    let issuers = Issuers::new(roots, source.issuers.clone()).map_err(Problems::from);
    let fetcher = source.fetch.as_ref().map(Fetcher::new).transpose();
    let (verifier, issuers, fetcher, map) = match (verifier, issuers, fetcher, map_of(source)) {
        (Ok(verifier), Ok(issuers), Ok(fetcher), Ok(map)) => (verifier, issuers, fetcher, map),
        (verifier, issuers, fetcher, map) => {
            let own = [verifier.err(), issuers.err(), fetcher.err()];
            let own = own.into_iter().flatten();
            let mut problems: Vec<Problem> = own.flat_map(here).collect();
            problems.extend(map.err().into_iter().flat_map(|Problems(found)| found));
            return Err(Problems(problems));
        }
    };
    let trusted = matches!(source.scheme.kind(), SchemeKind::Trusted);
    let from = source.from.iter().filter(|_| trusted).cloned().collect();
    Ok(Intake {
        verifier,
        map,
        from,
        handshake: source.handshake.clone(),
        replies: source.replies,
        fetcher,
        issuers,
        events: source.events.clone(),
        facts: facts_of(source),
        approvers: ApproverOrigin::of(source),
    })
}

/// Returns a problem for each origin or event source that is listed twice: if two sources listed
/// it, it would be unclear which of them handles a delivery. Also returns a problem for each
/// trusted source with `events`.
fn conflicting_origins(config: &Config) -> Vec<Problem> {
    let mut owners: BTreeMap<&str, &SourceName> = BTreeMap::new();
    let mut problems = Vec::new();
    for source in &config.sources {
        if matches!(source.scheme.kind(), SchemeKind::Trusted) && !source.events.is_empty() {
            problems.push(Problem::at(
                source.mark.clone(),
                format!(
                    "source {} has `events`, but its scheme is trusted: CloudEvents over HTTP never reach a trusted source",
                    source.name
                ),
                "move `events` to a source that verifies a secret, such as scheme = \"bearer\"",
            ));
        }
        let speaks = source.scheme.lists_origins();
        let from = source.from.iter().filter(|_| speaks);
        for origin in from.chain(&source.events) {
            if let Some(other) = owners.insert(origin, &source.name) {
                let name = &source.name;
                let (problem, remedy) = if other == name {
                    (
                        format!("source {name} lists {origin} twice"),
                        "list it once",
                    )
                } else {
                    (
                        format!("sources {other} and {name} both list {origin}"),
                        "list each origin in one source only",
                    )
                };
                problems.push(Problem::at(source.mark.clone(), problem, remedy));
            }
        }
    }
    problems
}

/// Reads the files of the policy directory: `schema.cedarschema`, every `*.cedar`, `entities.json`,
/// and the stamp that `bundle` writes after it has validated them.
fn read_policies(config: &Config) -> Result<PolicyFiles, Problems> {
    let folder = config.policy.as_path();
    let no_folder = |error: std::io::Error| {
        let problem = format!("policy: {} cannot be read: {error}", folder.display());
        let remedy = "name a readable directory with *.cedar and entities.json in `policy`";
        Problems::from(Problem::at(config.mark("policy"), problem, remedy))
    };
    let wrong = |path: &Path, problem: String, remedy: &str| {
        let mark = Mark::whole(&path.display().to_string());
        Problems::from(Problem::at(mark, problem, remedy))
    };
    let cannot = |path: &Path, error: std::io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::FileTooLarge => SMALLER_FILES,
            _ => "make it a UTF-8 text that this process may read",
        };
        wrong(path, format!("cannot be read: {error}"), remedy)
    };
    let read = |path: &Path| -> Result<String, Problems> {
        plain_text_at_most(path, MAX_FILE_BYTES as u64).map_err(|error| cannot(path, error))
    };
    let mut files = PolicyFiles::default();
    for entry in fs::read_dir(folder).map_err(no_folder)? {
        let entry = entry.map_err(no_folder)?;
        let path = entry.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match name.as_str() {
            "schema.cedarschema" => files.schema = Some(read(&path)?),
            "entities.json" => files.entities = Some(read(&path)?),
            VALIDATED => files.validated = Some(read(&path)?),
            other if other.ends_with(POLICY_END) => files.policies.push((name, read(&path)?)),
            // Fail instead of skipping a policy file, because it may contain a `forbid`.
            _ => {
                if let Some((path, problem, remedy)) = unread_policy(&entry) {
                    return Err(wrong(&path, problem, remedy));
                }
            }
        }
    }
    files.policies.sort();
    Ok(files)
}

/// The extension of policy files.
const POLICY_END: &str = ".cedar";

/// Maximum number of entries in the folders below the policy directory.
const MAX_BELOW: usize = 10_000;

/// Returns a policy that [`read_policies`] skips, or a folder that may contain one, with what is
/// wrong and the remedy: a policy in a folder of the policy directory at any depth, or with an end in
/// upper case. Follows symbolic links; a circle ends with an error of the system or at `MAX_BELOW`.
/// Ignores the folders `..data` and `..2026_…`, in which Kubernetes keeps the files of a ConfigMap,
/// and those that tools make: `.git`, and a volume's `lost+found` and `.snapshot`.
fn unread_policy(entry: &fs::DirEntry) -> Option<(PathBuf, String, &'static str)> {
    const MOVE: &str =
        "move it into the policy directory itself, with a name that ends in .cedar; or rename it";
    const SMALLER: &str = "move the folder out of the policy directory";
    let ignored = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        name.starts_with("..") || [".git", "lost+found", ".snapshot"].contains(&&*name)
    };
    let (mut left, mut seen) = (vec![entry.path()], 0);
    while let Some(path) = left.pop() {
        if ignored(&path) {
            continue;
        }
        let cannot = |error: io::Error| {
            let problem = format!("cannot be read, and may contain a policy: {error}");
            Some((path.clone(), problem, SMALLER))
        };
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return cannot(error),
            Ok(found) if !found.is_dir() => {
                let name = path.to_string_lossy().to_ascii_lowercase();
                if name.ends_with(POLICY_END) {
                    return Some((path, "is a policy that is not read".to_owned(), MOVE));
                }
                continue;
            }
            Ok(_) => {}
        }
        let inner: io::Result<Vec<_>> = fs::read_dir(&path).and_then(Iterator::collect);
        match inner {
            Err(error) => return cannot(error),
            Ok(inner) => {
                seen += inner.len();
                left.extend(inner.iter().map(fs::DirEntry::path));
            }
        }
        if seen > MAX_BELOW {
            let problem =
                format!("has more than {MAX_BELOW} entries, which are not searched for policies");
            return Some((entry.path(), problem, SMALLER));
        }
    }
    None
}
