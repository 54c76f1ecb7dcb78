//! Selects the policies whose scope can fit a request, so that Cedar's authorizer evaluates only
//! these policies. This does not change the decision: a policy whose scope does not fit a request
//! neither applies to the request nor fails.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, Entities, EntityUid, Policy, PrincipalConstraint, Request, ResourceConstraint,
};

/// An entity's type and id.
pub(super) type Entity = (String, String);

/// The entities that the scope of a policy names. A request fits the scope if its principal, action
/// and resource are these entities or members of them. `None` fits every entity. An `==` is treated
/// like an `in`, which can only select too many policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    pub(super) principal: Option<Entity>,
    pub(super) actions: Option<Vec<Entity>>,
    pub(super) resource: Option<Entity>,
}

impl Scope {
    pub(super) fn of(policy: &Policy) -> Self {
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any | PrincipalConstraint::Is(_) => None,
            PrincipalConstraint::In(uid)
            | PrincipalConstraint::Eq(uid)
            | PrincipalConstraint::IsIn(_, uid) => Some(entity(&uid)),
        };
        let actions = match policy.action_constraint() {
            ActionConstraint::Any => None,
            ActionConstraint::Eq(uid) => Some(vec![entity(&uid)]),
            ActionConstraint::In(uids) => Some(uids.iter().map(entity).collect()),
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any | ResourceConstraint::Is(_) => None,
            ResourceConstraint::In(uid)
            | ResourceConstraint::Eq(uid)
            | ResourceConstraint::IsIn(_, uid) => Some(entity(&uid)),
        };
        Self {
            principal,
            actions,
            resource,
        }
    }

    /// Whether the scope includes one of these actions.
    pub(super) fn is_about(&self, actions: &[Entity]) -> bool {
        let some = self.actions.as_ref();
        some.is_none_or(|some| some.iter().any(|action| actions.contains(action)))
    }
}

/// The numbers of the policies, by the principal and the resource of their scopes.
#[derive(Debug)]
pub(super) struct PolicyScopes(HashMap<(Option<Entity>, Option<Entity>), Vec<usize>>);

impl PolicyScopes {
    /// Numbers the policies from 0, in the order in which `scopes` returns their scopes.
    pub(super) fn new<'a>(scopes: impl Iterator<Item = &'a Scope>) -> Self {
        let mut numbers: HashMap<_, Vec<_>> = HashMap::new();
        for (number, scope) in scopes.enumerate() {
            let key = (scope.principal.clone(), scope.resource.clone());
            numbers.entry(key).or_default().push(number);
        }
        Self(numbers)
    }

    /// Returns the numbers of the policies whose principal and resource fit the request. Does not
    /// check the policies' actions. Returns `None` if the request lacks a principal or a resource.
    pub(super) fn fitting(&self, request: &Request, entities: &Entities) -> Option<Vec<usize>> {
        let principals = upward(request.principal()?, entities);
        let resources: Vec<_> = or_any(upward(request.resource()?, entities)).collect();
        let mut fitting = Vec::new();
        for principal in or_any(principals) {
            for resource in &resources {
                let key = (principal.clone(), resource.clone());
                fitting.extend(self.0.get(&key).into_iter().flatten());
            }
        }
        Some(fitting)
    }
}

fn entity(uid: &EntityUid) -> Entity {
    (uid.type_name().to_string(), uid.id().unescaped().to_owned())
}

/// Returns the entity and all groups that contain it, directly or through other groups.
pub(super) fn upward(uid: &EntityUid, entities: &Entities) -> Vec<Entity> {
    let groups = entities.ancestors(uid).into_iter().flatten();
    groups.chain([uid]).map(entity).collect()
}

fn or_any(entities: Vec<Entity>) -> impl Iterator<Item = Option<Entity>> {
    entities.into_iter().map(Some).chain([None])
}
