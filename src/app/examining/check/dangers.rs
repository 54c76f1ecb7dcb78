//! What is valid and endangers a deployment. In: the configuration, its policies, an instant. Out:
//! the warnings that `[check] allow` does not name. The policies' own are found in `policy`.

use secrecy::{ExposeSecret as _, SecretString};

use crate::app::rules::facts;
use crate::app::sweeps::seal_key;
use crate::config::{Config, NotifyConfig, SourceConfig};
use crate::domain::{Danger, NoticeKind, Problem, Timestamp, Warning};
use crate::inbound::Replies;
use crate::journal::JournalLocation;
use crate::notify::Auth;
use crate::policy::PolicySet;

use super::deployment;

/// Every warning, in the order of the dangers' names.
pub(in crate::app) fn all(
    config: &Config,
    policies: Option<&PolicySet>,
    now: Timestamp,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(policies) = policies {
        let place = |name: &_| {
            let source = config.sources.iter().find(|source| source.name == *name);
            source.map_or_else(|| config.mark("source"), |source| source.mark.clone())
        };
        let found = policies.warnings().iter().cloned();
        let found = found.chain(policies.dangers(&facts(config), now, place));
        warnings.extend(found.map(|warning| Warning {
            problem: in_folder(warning.problem, config),
            ..warning
        }));
    }
    warnings.extend(shared_secrets(config));
    warnings.extend(unseen_denials(config));
    warnings.extend(journal(config));
    warnings.extend(deployment::warnings(config));
    warnings.retain(|warning| !config.allowed.contains(&warning.danger));
    warnings.sort_by_key(|warning| warning.danger);
    warnings
}

/// A problem of a policy file, with its path. A source's has the configuration's already.
fn in_folder(problem: Problem, config: &Config) -> Problem {
    match &problem.mark {
        Some(mark) if mark.file == config.file => problem,
        Some(_) => problem.within(&config.policy),
        None => Problem {
            field: config.policy.display().to_string(),
            ..problem
        },
    }
}

fn journal(config: &Config) -> Vec<Warning> {
    let lost = match config.journal {
        JournalLocation::Memory => Some(Danger::LostJournal.at(config.problem(
            "journal",
            "memory: ends with the process, and with it who has which image since when",
            "write file:DIR, or s3://bucket/prefix, gs://… or az://…",
        ))),
        _ => None,
    };
    let seal = seal_key::warnings(config).into_iter();
    lost.into_iter()
        .chain(seal.map(|problem| Danger::UnsealedJournal.at(problem)))
        .collect()
}

/// Sources whose denials no sender sees.
fn unseen_denials(config: &Config) -> impl Iterator<Item = Warning> {
    let rules = config.notice_rules();
    config.sources.iter().filter_map(move |source| {
        let told = rules.want(NoticeKind::Denied, Some(&source.name));
        let unseen = source.replies.replies == Replies::Accepted && !told;
        unseen.then(|| {
            let problem = format!(
                "source {} answers denied and invalid requests with 200 (replies = \"accepted\"), \
                 so only the journal and the log show them",
                source.name
            );
            let remedy = "add a [[notify]] that tells of denials, or write replies = \"status\"";
            Danger::UnseenDenial.at(Problem::at(source.mark.clone(), problem, remedy))
        })
    })
}

/// Secrets that two sources have, or a source and a `[[notify]]`.
fn shared_secrets(config: &Config) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, source) in config.sources.iter().enumerate() {
        let earlier = config.sources.iter().take(index);
        let twin = earlier
            .clone()
            .find(|other| share(&source.secret_texts(), &other.secret_texts()));
        let target = config
            .notify
            .iter()
            .find(|one| share(&source.secret_texts(), &secrets_of(one)));
        let problem = match (twin, target) {
            (Some(other), _) => both_sources(source, other),
            (None, Some(target)) => source_and_target(source, target),
            (None, None) => continue,
        };
        warnings.push(Danger::SharedSecret.at(problem));
    }
    warnings
}

fn both_sources(source: &SourceConfig, other: &SourceConfig) -> Problem {
    let problem = format!(
        "source {} has a secret of source {}: the sender of one can speak as the other",
        source.name, other.name
    );
    Problem::at(
        source.mark.clone(),
        problem,
        "give each source its own secret",
    )
}

fn source_and_target(source: &SourceConfig, target: &NotifyConfig) -> Problem {
    let name = &target.subscription.name;
    let problem = format!(
        "source {} has the secret of notify {name}: the receiver of notifications can request shares",
        source.name
    );
    Problem::at(source.mark.clone(), problem, "give each its own secret")
}

fn secrets_of(target: &NotifyConfig) -> Vec<SecretString> {
    match &target.auth {
        Auth::Signed(secret) | Auth::Basic(secret) => vec![secret.clone()],
        Auth::Bearer(_, secret) => vec![secret.clone()],
        Auth::Header(_, secret) => vec![secret.clone()],
        Auth::Bot(bot) => bot.secrets().cloned().collect(),
        Auth::Aws(_) | Auth::App => Vec::new(),
    }
}

fn share(own: &[SecretString], others: &[SecretString]) -> bool {
    own.iter().any(|secret| {
        let same = |other: &SecretString| other.expose_secret() == secret.expose_secret();
        others.iter().any(same)
    })
}
