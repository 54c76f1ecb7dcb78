//! Warns about settings that are valid but dangerous. Takes the configuration, its policies and the
//! current time. Returns the warnings, except those that `[check] allow` names. `policy` finds the
//! dangers of the policies themselves.

use secrecy::{ExposeSecret as _, SecretString};

use crate::app::rules::facts;
use crate::app::sweeps::{MIN_SECONDS, seal_key};
use crate::config::{Config, HttpConfig, MetricsAccess, SourceConfig};
use crate::domain::{Danger, NoticeKind, Problem, Timestamp, Warning};
use crate::inbound::{Replies, SchemeKind};
use crate::journal::JournalLocation;
use crate::policy::PolicySet;

use super::deployment;

/// Returns the warnings, in the order of `Danger`'s variants.
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
        // Plain http is on loopback only, where a stand-in cloud has invented accounts.
        let endpoint = config.cloud.endpoint.as_deref().unwrap_or_default();
        let real = !endpoint.starts_with("http://");
        let found = found.chain(policies.sample_entities().filter(|_| real));
        warnings.extend(found.map(|warning| Warning {
            problem: in_folder(warning.problem, config),
            ..warning
        }));
    }
    warnings.extend(shared_secrets(config));
    warnings.extend(unseen_denials(config));
    warnings.extend(unread_instances(config));
    warnings.extend(journal(config));
    warnings.extend(short_sweep(config));
    warnings.extend(deployment::warnings(config));
    warnings.retain(|warning| !config.allowed.contains(&warning.danger));
    warnings.sort_by_key(|warning| warning.danger);
    warnings
}

/// Adds the policy folder's path to a problem in a policy file. A problem in the configuration file
/// already has a path.
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
    let lost = lost_journal(config).into_iter();
    let seal = seal_key::warnings(config).into_iter();
    lost.map(|problem| Danger::LostJournal.at(problem))
        .chain(seal.map(|problem| Danger::UnsealedJournal.at(problem)))
        .collect()
}

/// Returns a problem if the journal or its index is in memory, or on a disk that the host discards.
/// A directory may be on a mounted network disk, which this cannot see.
pub(in crate::app) fn lost_journal(config: &Config) -> Option<Problem> {
    let host = config.lost_disk;
    let remedy = match host {
        None => "write file:DIR, or s3://bucket/prefix, gs://… or az://…",
        Some(_) => {
            "write s3://bucket/prefix, gs://… or az://…; if a directory is on a mounted network \
             disk, write \"lost-journal\" into `allow` of [check]"
        }
    };
    let in_directory = |place: &JournalLocation| matches!(place, JournalLocation::Directory(_));
    let indexed_there = config.index.as_ref().is_some_and(in_directory);
    let (which, cause, what) = match (&config.journal, host) {
        (JournalLocation::Memory, _) => (
            "is in memory",
            "which is lost when the process ends".to_owned(),
            "the record of who has which image",
        ),
        (JournalLocation::Directory(_), Some(host)) => (
            "is in a directory",
            format!("and {host} discards the disk of each instance"),
            "the record of who has which image",
        ),
        (JournalLocation::Bucket(_), Some(host)) if indexed_there => (
            "has its index in a directory",
            format!("and {host} discards the disk of each instance"),
            "the list of what is due",
        ),
        (JournalLocation::Directory(_) | JournalLocation::Bucket(_), _) => return None,
    };
    let problem = format!("{which}, {cause}, and with it {what}");
    Some(config.problem("journal", &problem, remedy))
}

/// Warns if `budget_seconds` leaves a sweep too little time.
fn short_sweep(config: &Config) -> Option<Warning> {
    let seconds = config.budget_seconds;
    (seconds < MIN_SECONDS).then(|| {
        let problem = format!(
            "is {seconds}: on Azure Functions and Function Compute that leaves a sweep too little time to \
             revoke expired shares"
        );
        let remedy = format!("write {MIN_SECONDS} or more");
        Danger::ShortSweep.at(config.problem("limits.seconds", &problem, &remedy))
    })
}

/// Warns about sources whose denials are invisible: the sender's answer does not show them, and no
/// `[[notify]]` reports them.
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
            let remedy = "add a [[notify]] that reports denials, or write replies = \"status\"";
            Danger::UnseenDenial.at(Problem::at(source.mark.clone(), problem, remedy))
        })
    })
}

/// Warns about sources of approval systems whose map never sees the instance of an event.
fn unread_instances(config: &Config) -> impl Iterator<Item = Warning> {
    let sources = config.sources.iter().filter(|source| {
        // A source that was not read fully may have a wrong `fetch`, which is already reported.
        let lacks = source.fetch.is_none() && source.read_fully;
        lacks && matches!(source.scheme.kind(), SchemeKind::Envelope(_))
    });
    sources.map(|source| {
        let problem = format!(
            "source {} has no `fetch`: the events of {} only name an instance, so its map sees neither form nor approvers",
            source.name,
            source.scheme.name()
        );
        let remedy = "add fetch; docs/senders.md names the page of each system";
        Danger::NoFetch.at(Problem::at(source.mark.clone(), problem, remedy))
    })
}

/// Whether the token for `/report` or `/metrics` is one of these secrets.
fn readers_have(http: &HttpConfig, secrets: &[&str]) -> bool {
    let metrics = match &http.metrics {
        Some(MetricsAccess::Token(token)) => Some(token),
        Some(MetricsAccess::Open | MetricsAccess::Off) | None => None,
    };
    let mut tokens = http.report.iter().chain(metrics);
    tokens.any(|token| secrets.contains(&token.expose_secret()))
}

/// Warns if two sources have the same secret, or a source and a `[[notify]]` or a reader.
fn shared_secrets(config: &Config) -> Vec<Warning> {
    // A command of the operator has invented texts in place of secrets; they are not in `secrets`.
    let texts = |source: &SourceConfig| -> Vec<SecretString> {
        let secrets = source.secrets.iter();
        let read = secrets.filter(|one| config.secrets.contains_key(&one.reference));
        read.map(|one| one.text.clone()).collect()
    };
    let mut warnings = Vec::new();
    for (index, source) in config.sources.iter().enumerate() {
        let (own, name) = (texts(source), &source.name);
        let own: Vec<&str> = own.iter().map(|secret| secret.expose_secret()).collect();
        let twin = config.sources.iter().take(index).find(|other| {
            let secrets = texts(other);
            secrets.iter().any(|one| own.contains(&one.expose_secret()))
        });
        let target = config.notify.iter().find(|target| {
            let secrets = target.auth.secrets();
            secrets.iter().any(|one| own.contains(&one.as_str()))
        });
        let (problem, remedy) = match (twin, target) {
            (Some(SourceConfig { name: other, .. }), _) => (
                format!(
                    "source {name} has a secret that source {other} has too: the sender of one source can send requests as the other"
                ),
                "give each source its own secret",
            ),
            (None, Some(target)) => (
                format!(
                    "source {name} has the secret of notify {}: the receiver of notifications can request shares",
                    target.subscription.name
                ),
                "give each its own secret",
            ),
            (None, None) if readers_have(&config.http, &own) => (
                format!(
                    "source {name} has the secret of [http] report or metrics: their readers can request shares"
                ),
                "give each its own secret",
            ),
            (None, None) => continue,
        };
        let problem = Problem::at(source.mark.clone(), problem, remedy);
        warnings.push(Danger::SharedSecret.at(problem));
    }
    warnings
}
