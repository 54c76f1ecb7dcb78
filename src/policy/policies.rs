//! The policies with which requests are decided. [`Policies::fitting`] returns the policies that
//! can apply to a request. A policy of a validated package is usually parsed only when a request
//! first needs it. If the policy cannot be read then, the request is refused.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use cedar_policy::{Entities, EntityUid, Policy, PolicyId, Request};

use super::heads::{self, Head};
use super::rules::{annotation, in_order};
use super::schema::clipped;
use super::scope::{PolicyScopes, Scope, upward};

/// All policies, in the order of their texts.
#[derive(Debug)]
pub(super) struct Policies {
    list: Vec<LazyPolicy>,
    scopes: PolicyScopes,
    literals: OnceLock<BTreeSet<EntityUid>>,
}

#[derive(Debug)]
struct LazyPolicy {
    id: String,
    scope: Scope,
    /// The policy's text. Empty if the policy was already parsed when this value was created.
    text: String,
    parsed: OnceLock<Policy>,
}

impl Policies {
    pub(super) fn parsed(set: &cedar_policy::PolicySet) -> Self {
        let known = |policy: &Policy| LazyPolicy {
            id: policy.id().to_string(),
            scope: Scope::of(policy),
            text: String::new(),
            parsed: OnceLock::from(policy.clone()),
        };
        Self::new(set.policies().map(known).collect())
    }

    /// Reads the policies of validated files, but parses only their ids and scopes. Returns the
    /// policies and every string in the files, or `None` if only Cedar's parser can read one of the
    /// files.
    pub(super) fn unparsed(files: &[(String, String)]) -> Option<(Self, Vec<&str>)> {
        let mut list = Vec::new();
        let mut strings = Vec::new();
        for (_, text) in files {
            let (heads, found) = heads::read(text)?;
            strings.extend(found);
            let lazy = |Head { id, text, scope }| LazyPolicy {
                id: id.to_owned(),
                scope,
                text: text.to_owned(),
                parsed: OnceLock::new(),
            };
            list.extend(heads.into_iter().map(lazy));
        }
        Some((Self::new(list), strings))
    }

    fn new(list: Vec<LazyPolicy>) -> Self {
        Self {
            scopes: PolicyScopes::new(list.iter().map(|known| &known.scope)),
            list,
            literals: OnceLock::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|known| known.id.as_str())
    }

    /// Returns the policy with this id if it is parsed. Every policy that a decision has evaluated
    /// is parsed.
    pub(super) fn evaluated(&self, id: &str) -> Option<&Policy> {
        self.list.iter().find(|known| known.id == id)?.parsed.get()
    }

    /// Returns every policy.
    ///
    /// # Errors
    /// Returns the reason if a policy cannot be read.
    pub(super) fn all(&self) -> Result<Vec<&Policy>, String> {
        self.read(self.list.iter().collect())
    }

    /// Returns the policies that can apply to the request.
    ///
    /// # Errors
    /// Returns the reason if one of these policies cannot be read.
    pub(super) fn fitting(
        &self,
        request: &Request,
        entities: &Entities,
    ) -> Result<cedar_policy::PolicySet, String> {
        let numbers = self.scopes.fitting(request, entities);
        let fitting = match (numbers, request.action()) {
            (Some(numbers), Some(action)) => {
                let actions = upward(action, entities);
                let numbers = numbers.into_iter();
                let fitting = numbers.filter_map(|number| self.list.get(number));
                self.read(
                    fitting
                        .filter(|known| known.scope.is_about(&actions))
                        .collect(),
                )?
            }
            (None, _) | (_, None) => self.all()?,
        };
        cedar_policy::PolicySet::from_policies(fitting.into_iter().cloned()).map_err(clipped)
    }

    /// Returns the entities that the policies name. Returns an empty set if a policy cannot be
    /// read.
    pub(super) fn literals(&self) -> &BTreeSet<EntityUid> {
        self.literals.get_or_init(|| {
            let all = self.all().unwrap_or_default();
            all.into_iter().flat_map(Policy::entity_literals).collect()
        })
    }

    /// Returns the wanted policies, and parses those that are not parsed yet. Parses them together,
    /// because most of the work of parsing a single policy is to start Cedar's lexer.
    fn read<'a>(&self, wanted: Vec<&'a LazyPolicy>) -> Result<Vec<&'a Policy>, String> {
        let unparsed = wanted.iter().filter(|known| known.parsed.get().is_none());
        let unparsed: Vec<&LazyPolicy> = unparsed.copied().collect();
        if !unparsed.is_empty() {
            let texts: Vec<&str> = unparsed.iter().map(|known| known.text.as_str()).collect();
            let set: cedar_policy::PolicySet = texts
                .join("\n")
                .parse()
                .map_err(|error| {
                    let error = clipped(error);
                    format!(
                        "the policies of the bundle cannot be parsed: {error}; make the bundle again with `sharehook bundle`"
                    )
                })?;
            for (known, policy) in unparsed.into_iter().zip(in_order(&set)) {
                if annotation(&policy, "id") == Some(&known.id) && Scope::of(&policy) == known.scope
                {
                    drop(known.parsed.set(policy.new_id(PolicyId::new(&known.id))));
                }
            }
        }
        let parsed = |known: &'a LazyPolicy| {
            let why = || {
                let id = &known.id;
                format!(
                    "policy {id} was read at the start with another @id or scope than Cedar reads, so the request is refused; delete `validated` from the policy directory, restart, and report this"
                )
            };
            known.parsed.get().ok_or_else(why)
        };
        wanted.into_iter().map(parsed).collect()
    }
}

/// Compares ids, scopes and texts. `bundle` uses this to compare the packaged policies with the
/// validated ones.
impl PartialEq for Policies {
    fn eq(&self, other: &Self) -> bool {
        let scopes = |policies: &Self| -> Vec<(String, Scope)> {
            let both = policies
                .list
                .iter()
                .map(|known| (known.id.clone(), known.scope.clone()));
            both.collect()
        };
        let texts = |policies: &Self| -> Option<Vec<String>> {
            let all = policies.all().ok()?;
            Some(all.into_iter().filter_map(Policy::to_cedar).collect())
        };
        scopes(self) == scopes(other) && texts(self).is_some() && texts(self) == texts(other)
    }
}

#[cfg(test)]
mod tests {
    use super::super::files::sample_files;
    use super::super::rules;
    use super::*;

    #[test]
    fn unparsed_policies_are_those_that_cedar_parses() {
        let files = sample_files().policies;
        let parsed = Policies::parsed(&rules::read(&files, None).unwrap().set);
        let (unparsed, strings) = Policies::unparsed(&files).unwrap();
        assert!(unparsed == parsed);
        assert!(unparsed.ids().eq(parsed.ids()));
        assert_eq!(parsed.all().unwrap().len(), 13);
        let named = |uid: &EntityUid| strings.contains(&uid.id().unescaped());
        assert!(parsed.literals().iter().all(named));

        let (mut fewer, _) = Policies::unparsed(&files).unwrap();
        fewer.list.pop();
        assert!(fewer != parsed);
    }

    #[test]
    fn a_text_that_is_not_the_policy_of_its_head_refuses() {
        let text = "@id(\"a\") forbid(principal, action, resource);";
        let files = [(
            "a.cedar".to_owned(),
            format!("{text}\n@id(\"b\") permit(principal, action, resource);"),
        )];
        for (instead, says) in [
            (text, None),
            ("forbid", Some("cannot be parsed")),
            ("", Some("policy a was read at the start with another")),
            (
                "@id(\"c\") forbid(principal, action, resource);",
                Some("policy a was read at the start with another"),
            ),
            (
                "@id(\"a\") forbid(principal == A::\"a\", action, resource);",
                Some("policy a was read at the start with another"),
            ),
            (
                "@id(\"a\") forbid(principal == ?principal, action, resource);",
                Some("policy a was read at the start with another"),
            ),
        ] {
            let (mut policies, _) = Policies::unparsed(&files).unwrap();
            policies.list[0].text = instead.to_owned();
            let error = policies.all().err();
            let says_so = match (&error, says) {
                (Some(error), Some(says)) => error.contains(says),
                (error, says) => error.is_none() && says.is_none(),
            };
            assert!(says_so, "{instead}: {error:?}");
        }
    }
}
