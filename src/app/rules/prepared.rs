//! Compiles the verifiers, maps and policies of a [`Config`] before anything is opened. Returns
//! [`Prepared`], or all problems with their locations.

mod approver_origin;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::notifying::Target;
use crate::config::Config;
use crate::domain::{NoticeRules, NotifyName, Problems, SourceName};
use crate::inbound::COMMANDS;
use crate::plan::Patience;
use crate::policy::PolicySet;

use approver_origin::SourceSummary;
pub(in crate::app) use parts::{Intake, Parts, PolicyOrigin, facts};

/// A valid configuration with its compiled sources, maps and policies.
#[derive(Debug)]
pub struct Prepared {
    config: Config,
    intakes: BTreeMap<SourceName, Intake>,
    pub(in crate::app) policies: Arc<PolicySet>,
    pub(in crate::app) targets: BTreeMap<NotifyName, Target>,
    /// Decides which target gets which notifications.
    pub(in crate::app) notice_rules: NoticeRules,
    /// Whether this is a dry run: the answer shows the plan, and nothing is written or changed.
    pub(in crate::app) plan_only: bool,
    pub(in crate::app) patience: Patience,
}

impl Prepared {
    /// Compiles a configuration.
    pub fn new(config: Config) -> Result<Self, Problems> {
        let parts = Parts::compile(&config, PolicyOrigin::Directory);
        Self::assemble(config, parts)
    }

    /// Returns these rules with the secrets of `config`. The policies are not read again.
    pub(super) fn renewed(&self, config: Config) -> Result<Self, Problems> {
        let parts = Parts::compile(&config, PolicyOrigin::Loaded(Arc::clone(&self.policies)));
        Ok(Self::assemble(config, parts)?.with_mode_of(self))
    }

    /// Returns these rules with the settings `plan_only` and `patience` of `other`.
    pub(super) fn with_mode_of(self, other: &Self) -> Self {
        let rules = self.with_patience(other.patience);
        match other.plan_only {
            true => rules.planning(),
            false => rules,
        }
    }

    /// Combines `config` with its compiled parts. Fails if the parts have problems.
    pub(in crate::app) fn assemble(config: Config, parts: Parts) -> Result<Self, Problems> {
        match parts.policies {
            Some(policies) if parts.problems.is_empty() => Ok(Self {
                targets: parts.targets,
                notice_rules: config.notice_rules(),
                config,
                intakes: parts.intakes,
                policies,
                plan_only: false,
                patience: Patience::default(),
            }),
            _ => Err(Problems(parts.problems)),
        }
    }

    /// Returns these rules for dry runs: the answer shows the plan, and nothing is written, sent or
    /// changed. The seal, the notification targets and the published report are removed. The
    /// journal stays configured, but [`Prepared::open`] opens it only for reading.
    #[must_use]
    pub fn planning(mut self) -> Self {
        self.config.seal = None;
        self.config.notify.clear();
        self.config.report.published = None;
        Self {
            targets: BTreeMap::new(),
            notice_rules: self.config.notice_rules(),
            plan_only: true,
            ..self
        }
    }

    /// Replaces the patience of these rules. Used by tests and benchmarks to wait less.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The digest of the loaded policies. The record of a decision contains the digest of the
    /// policies that decided.
    pub fn policy_digest(&self) -> &str {
        self.policies.digest()
    }

    /// The `@id` of each policy, sorted.
    pub fn policy_ids(&self) -> impl Iterator<Item = &str> {
        self.policies.ids()
    }

    /// Whether `other` has the same policies and entities.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.policies.agrees_with(&other.policies)
    }

    /// A summary of each source, sorted by name.
    pub fn sources(&self) -> Vec<SourceSummary> {
        self.intakes.values().map(Intake::summary).collect()
    }

    pub(in crate::app) fn intake(&self, source: &SourceName) -> Option<&Intake> {
        self.intakes.get(source)
    }

    /// Returns the source that trusts the origin which a trigger names.
    pub(in crate::app) fn source_of(&self, origin: &str) -> Option<SourceName> {
        // A caller who may invoke a function chooses the text of the origin.
        if origin == COMMANDS {
            return None;
        }
        let speaks = |intake: &&Intake| intake.from.iter().any(|from| from == origin);
        self.intakes
            .values()
            .find(speaks)
            .map(|intake| intake.facts.name.clone())
    }

    /// The names of the sources with the scheme `trusted`.
    pub(in crate::app) fn trusted_sources(&self) -> Vec<String> {
        let trusted = self.intakes.iter().filter(|(_, one)| !one.from.is_empty());
        trusted.map(|(name, _)| name.to_string()).collect()
    }

    /// Returns the source that authenticates CloudEvents whose `source` attribute is
    /// `event_source`.
    pub(in crate::app) fn source_of_event(&self, event_source: &str) -> Option<SourceName> {
        let lists = |intake: &&Intake| intake.events.iter().any(|listed| listed == event_source);
        self.intakes
            .values()
            .find(lists)
            .map(|intake| intake.facts.name.clone())
    }

    /// Returns the sources that accept CloudEvents.
    pub(in crate::app) fn event_sources(&self) -> Vec<SourceName> {
        let takes = self
            .intakes
            .values()
            .filter(|intake| !intake.events.is_empty());
        takes.map(|intake| intake.facts.name.clone()).collect()
    }
}
