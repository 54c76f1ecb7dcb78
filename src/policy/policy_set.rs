//! The policies of one directory, parsed and validated together. In: the directory's texts and the
//! configured sources. Out: the policy set for all decisions, or every problem.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use cedar_policy::{EntityUid, Schema};

use super::entities::{self, KnownEntities};
use super::explain::Permit;
use super::files::PolicyFiles;
use super::rules;
use super::schema::{APPROVE, SchemaNames};
use super::scope::PolicyScopes;
use super::source_facts::SourceFacts;
use super::stack::with_enough_stack;
use crate::domain::{Danger, Mark, Problem, Problems, Warning};

/// Validated policies, for all decisions.
#[derive(Debug)]
pub struct PolicySet {
    pub(super) schema: Schema,
    pub(super) names: SchemaNames,
    pub(super) rules: cedar_policy::PolicySet,
    pub(super) scopes: PolicyScopes,
    pub(super) known: KnownEntities,
    /// The permits' conditions. Only denials need them, so the first denial computes them.
    pub(super) permits: OnceLock<Vec<Permit>>,
    /// How many of the named approvers must be allowed to approve a share.
    pub(super) approvals: usize,
    /// The entities that the policies name.
    pub(super) literals: BTreeSet<EntityUid>,
    warnings: Vec<Warning>,
    /// Where each policy is, by its `@id`.
    pub(super) marks: BTreeMap<String, Mark>,
    pub(super) digest: String,
}

impl PolicySet {
    /// Parses and validates schema, policies and entities. `approvals` of a share's named approvers
    /// must be allowed to approve it; 0 requires none. Texts that `bundle` has validated are not validated
    /// again.
    ///
    /// # Errors
    /// Every problem of the first stage that has any (sizes and nesting; schema; policies and
    /// entities), each with `file:line` as its field. There is no partial success: a policy set
    /// that does not validate decides nothing.
    pub fn load(
        files: &PolicyFiles,
        sources: &[SourceFacts],
        approvals: usize,
    ) -> Result<Self, Problems> {
        files.guard()?;
        with_enough_stack(|| Self::load_guarded(files, sources, approvals))
    }

    fn load_guarded(
        files: &PolicyFiles,
        sources: &[SourceFacts],
        approvals: usize,
    ) -> Result<Self, Problems> {
        let digest = files.digest();
        let names = SchemaNames::new()?;
        let schema = names.schema(files.schema.as_deref())?;
        let unvalidated = Some(&schema).filter(|_| !files.were_validated(&digest));
        let rules = rules::read(&files.policies, unvalidated);
        let named = rules.iter().flat_map(|rules| &rules.named);
        let literals: BTreeSet<EntityUid> = named.map(|named| named.uid.clone()).collect();
        let text = files.entities.as_deref();
        let known = entities::read(text, sources, &literals, &schema, &names);
        let (rules, known) = match (rules, known) {
            (Ok(rules), Ok(known)) => (rules, known),
            (rules, known) => {
                let both = [rules.err(), known.err()];
                return Err(Problems(
                    both.into_iter()
                        .flatten()
                        .flat_map(|problems| problems.0)
                        .collect(),
                ));
            }
        };
        let mut warnings = rules.warnings.clone();
        warnings.extend(known.warnings.iter().cloned());
        warnings.extend(
            rules
                .named
                .iter()
                .filter_map(|named| known.unknown(&named.uid, &named.mark, &names)),
        );
        let any = !rules.marks.is_empty();
        if any && approvals > 0 && !rules.permits(&names.action(APPROVE)) {
            warnings.push(Danger::NoPermit.at(Problem::new(
                "policy",
                "no permit is about \"approve\": every share is refused",
                "write a permit for the action \"approve\", or set `approvals = 0`",
            )));
        }
        let policies = Self {
            schema,
            names,
            scopes: PolicyScopes::new(&rules.set),
            rules: rules.set,
            marks: rules.marks,
            literals,
            known,
            permits: OnceLock::new(),
            approvals,
            warnings,
            digest,
        };
        if !files.has_builtin_schema() {
            policies.rehearse()?;
        }
        Ok(policies)
    }

    /// SHA-256, hex, over schema, policies (in the order of their names) and entities.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The `@id` of each policy, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.marks.keys().map(String::as_str)
    }

    /// Probable mistakes that are not errors: a rule that can never apply, a group that is not listed.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
}
