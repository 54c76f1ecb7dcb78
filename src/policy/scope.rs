//! Selects the policies whose scope can fit a request, so that a decision costs what these cost, not
//! what all policies do. In: the rules; then a request and its entities. Out: the policies for Cedar's
//! authorizer. Decides nothing: a policy whose scope does not fit neither applies nor fails, so Cedar
//! answers the same without it.

use std::borrow::Cow;
use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, Policy, PrincipalConstraint, Request, ResourceConstraint,
};

/// What the scope of a policy requires: the principal to be an entity or below it, and the same of the
/// resource. `None` fits all.
type Scope = (Option<EntityUid>, Option<EntityUid>);

/// The policies by their scopes.
#[derive(Debug)]
pub(super) struct PolicyScopes(HashMap<Scope, Vec<(ActionConstraint, Policy)>>);

impl PolicyScopes {
    pub(super) fn new(rules: &cedar_policy::PolicySet) -> Self {
        let mut scopes: HashMap<Scope, Vec<_>> = HashMap::new();
        for policy in rules.policies() {
            scopes
                .entry((principal(policy), resource(policy)))
                .or_default()
                .push((policy.action_constraint(), policy.clone()));
        }
        Self(scopes)
    }

    /// The policies that can apply to the request, or all `rules` for a request that leaves something
    /// open.
    pub(super) fn fitting<'a>(
        &self,
        rules: &'a cedar_policy::PolicySet,
        request: &Request,
        entities: &Entities,
    ) -> Cow<'a, cedar_policy::PolicySet> {
        let (Some(principal), Some(action), Some(resource)) =
            (request.principal(), request.action(), request.resource())
        else {
            return Cow::Borrowed(rules);
        };
        let actions = upward(action, entities);
        let resources: Vec<_> = or_any(upward(resource, entities)).collect();
        let mut fitting = Vec::new();
        for principal in or_any(upward(principal, entities)) {
            for resource in &resources {
                let scope = (principal.clone(), resource.clone());
                let policies = self.0.get(&scope).into_iter().flatten();
                let about = policies.filter(|(constraint, _)| fits(constraint, &actions));
                fitting.extend(about.map(|(_, policy)| policy.clone()));
            }
        }
        cedar_policy::PolicySet::from_policies(fitting).map_or(Cow::Borrowed(rules), Cow::Owned)
    }
}

fn principal(policy: &Policy) -> Option<EntityUid> {
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
        PrincipalConstraint::In(uid)
        | PrincipalConstraint::Eq(uid)
        | PrincipalConstraint::IsIn(_, uid) => Some(uid),
    }
}

fn resource(policy: &Policy) -> Option<EntityUid> {
    match policy.resource_constraint() {
        ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
        ResourceConstraint::In(uid)
        | ResourceConstraint::Eq(uid)
        | ResourceConstraint::IsIn(_, uid) => Some(uid),
    }
}

/// The entity and all groups that it is in.
fn upward(uid: &EntityUid, entities: &Entities) -> Vec<EntityUid> {
    let groups = entities.ancestors(uid).into_iter().flatten();
    groups.chain([uid]).cloned().collect()
}

fn or_any(uids: Vec<EntityUid>) -> impl Iterator<Item = Option<EntityUid>> {
    uids.into_iter().map(Some).chain([None])
}

fn fits(constraint: &ActionConstraint, actions: &[EntityUid]) -> bool {
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => actions.contains(uid),
        ActionConstraint::In(uids) => uids.iter().any(|uid| actions.contains(uid)),
    }
}
