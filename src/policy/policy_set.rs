//! The policies of one directory, parsed and validated together. Takes the directory's texts and
//! the configured sources; returns the policy set for all decisions, or every problem.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::OnceLock;

use cedar_policy::{Effect, EntityUid, Policy, Schema};
use serde_json::Value;

use super::entities::{self, KnownEntities};
use super::entity_values;
use super::explain::Permit;
use super::files::PolicyFiles;
use super::policies::Policies;
use super::rules::{self, NamedEntity, Rules};
use super::schema::{APPROVE, SchemaNames};
use super::scope::{Scope, upward};
use super::source_facts::SourceFacts;
use super::stack::with_enough_stack;
use super::unequal;
use crate::domain::{Danger, Mark, Problem, Problems, Warning};

/// Validated policies and entities, with which requests are decided.
#[derive(Debug)]
pub struct PolicySet {
    pub(super) schema: Schema,
    pub(super) names: SchemaNames,
    pub(super) rules: Policies,
    pub(super) known: KnownEntities,
    /// The conditions of all permits, or why a policy cannot be read. Only denials need the
    /// conditions, so the first denial that needs them computes them.
    pub(super) permits: OnceLock<Result<Vec<Permit>, String>>,
    /// How many of the named approvers must be allowed to approve a share.
    pub(super) approvals: usize,
    warnings: Vec<Warning>,
    /// The place of each policy, by its `@id`. Empty for a package whose policies are parsed later.
    pub(super) marks: BTreeMap<String, Mark>,
    pub(super) digest: String,
}

impl PolicySet {
    /// Parses and validates schema, policies and entities. `approvals` is the number of named
    /// approvers that must be allowed to approve a share; 0 requires none.
    ///
    /// Texts that `bundle` has validated are not validated again. Their policies are usually parsed
    /// only when a request first needs them.
    ///
    /// # Errors
    /// Loading has four stages: sizes and nesting; the schema; policies and entities; and sample
    /// requests, if the schema is not the built-in one. `load` returns all problems of the first
    /// stage that finds any. The field of a problem is `file:line` if the problem has a place in a
    /// file. If there is any problem, no policy set is returned.
    pub fn load(
        files: &PolicyFiles,
        sources: &[SourceFacts],
        approvals: usize,
    ) -> Result<Self, Problems> {
        let digest = files.digest();
        let validated = files.were_validated(&digest);
        if !validated {
            files.guard()?;
        }
        with_enough_stack(|| {
            let loader = Loader {
                files,
                sources,
                approvals,
                digest,
            };
            let unparsed = || Policies::unparsed(&files.policies);
            match validated.then(unparsed).flatten() {
                Some((rules, strings)) => loader.packaged(rules, strings),
                None => loader.parsed(validated),
            }
        })
    }

    /// Whether both sets have the same policies and entities, and this set has recorded every
    /// account that the policies of `other` name. `bundle` uses this to compare the package that it
    /// has written with the policies that it has validated.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let accounts = |uid: &&EntityUid| *uid.type_name() == self.names.account;
        let mut named = other.rules.literals().iter().filter(accounts);
        let entities = |policies: &Self| -> BTreeMap<String, Option<Value>> {
            let all = policies.known.iter();
            all.map(|entity| (entity.uid().to_string(), entity_values::to_json(entity)))
                .collect()
        };
        named.all(|uid| self.known.accounts.is_mentioned(uid))
            && self.rules == other.rules
            && entities(self) == entities(other)
    }

    /// Returns the SHA-256 digest, in hex, of schema, policies (sorted by name) and entities.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the `@id` of each policy, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.rules.ids().collect::<BTreeSet<&str>>().into_iter()
    }

    /// Returns probable mistakes that are not errors, such as a policy that can never apply or a
    /// group that is not listed.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}

struct Loader<'a> {
    files: &'a PolicyFiles,
    sources: &'a [SourceFacts],
    approvals: usize,
    digest: String,
}

impl Loader<'_> {
    /// Loads a package. Its policies were validated when they were packaged.
    fn packaged(self, rules: Policies, strings: Vec<&str>) -> Result<PolicySet, Problems> {
        let (names, schema) = self.schema()?;
        // Keep only numbers: they may be the ids of accounts, and the ids of other entities are not
        // needed here.
        let is_number = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
        let named = strings.into_iter().filter(is_number).map(str::to_owned);
        let known = self.entities(named.collect(), &schema, &names, true)?;
        Ok(self.policy_set(names, schema, rules, known))
    }

    fn parsed(self, validated: bool) -> Result<PolicySet, Problems> {
        let (names, schema) = self.schema()?;
        let rules = rules::read(&self.files.policies, (!validated).then_some(&schema));
        let named = rules.iter().flat_map(|rules| &rules.named);
        let named = named.map(|named| named.uid.id().unescaped().to_owned());
        let known = self.entities(named.collect(), &schema, &names, false);
        let rules = rules.and_then(|rules| {
            let refused = rules.named.iter().filter_map(|named| named.refused(&names));
            Problems::refuse_any(refused.collect()).map(|()| rules)
        });
        let (rules, known) = match (rules, known) {
            (Ok(rules), Ok(known)) => (rules, known),
            (rules, known) => {
                let both = [rules.err(), known.err()].into_iter().flatten();
                return Err(Problems(both.flat_map(|problems| problems.0).collect()));
            }
        };
        let warnings = self.warnings(&rules, &known, &names);
        let has_builtin_schema = self.files.has_builtin_schema();
        let policies = PolicySet {
            warnings,
            marks: rules.marks,
            ..self.policy_set(names, schema, Policies::parsed(&rules.set), known)
        };
        if !has_builtin_schema {
            policies.rehearse()?;
        }
        Ok(policies)
    }

    fn schema(&self) -> Result<(SchemaNames, Schema), Problems> {
        let names = SchemaNames::new()?;
        let schema = names.schema(self.files.schema.as_deref())?;
        Ok((names, schema))
    }

    fn entities(
        &self,
        named: HashSet<String>,
        schema: &Schema,
        names: &SchemaNames,
        validated: bool,
    ) -> Result<KnownEntities, Problems> {
        let text = self.files.entities.as_deref();
        let validated = validated && self.files.has_builtin_schema();
        entities::read(text, self.sources, named, schema, names, validated)
    }

    fn policy_set(
        self,
        names: SchemaNames,
        schema: Schema,
        rules: Policies,
        known: KnownEntities,
    ) -> PolicySet {
        PolicySet {
            schema,
            names,
            rules,
            known,
            permits: OnceLock::new(),
            approvals: self.approvals,
            warnings: Vec::new(),
            marks: BTreeMap::new(),
            digest: self.digest,
        }
    }

    fn warnings(&self, rules: &Rules, known: &KnownEntities, names: &SchemaNames) -> Vec<Warning> {
        let mut warnings = rules.warnings.clone();
        warnings.extend(known.warnings.iter().cloned());
        let unknown = |named: &NamedEntity| known.unknown(named, names);
        warnings.extend(rules.named.iter().filter_map(unknown));
        warnings.extend(unequal::warnings(rules));
        let any = !rules.marks.is_empty();
        let approve = upward(&names.action(APPROVE), &known.store);
        let permits_approval = |policy: &Policy| {
            policy.effect() == Effect::Permit && Scope::of(policy).is_about(&approve)
        };
        if any && self.approvals > 0 && !rules.set.policies().any(permits_approval) {
            warnings.push(Danger::NoPermit.at(Problem::new(
                "policy",
                "no permit is about \"approve\": every share is refused",
                "write a permit for the action \"approve\", or set `approvals = 0`",
            )));
        }
        warnings
    }
}
