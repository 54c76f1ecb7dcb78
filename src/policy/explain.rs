//! Explains a refusal. Takes the policies and one refused Cedar request; returns a sentence for the
//! ticket. Evaluates the conditions of each permit one by one. Decides nothing.

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::pst::{BinaryOp, Clause, Expr, UnaryOp};
use cedar_policy::{
    ActionConstraint, Effect, Entities, EvalResult, Expression, Policy, PrincipalConstraint,
    Request, ResourceConstraint, eval_expression,
};

use super::policies::Policies;
use super::rules::annotation;
use super::schema::clipped;

/// Maximum number of permits that a sentence names.
const MAX_NEAREST: usize = 2;

/// A permit, split into its conditions.
#[derive(Debug)]
pub(super) struct Permit {
    id: String,
    /// The permit's condition on the action. `None` if the permit applies to every action.
    action: Option<Expression>,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    text: String,
    expression: Expression,
    /// The value that the condition must have. It is true at first, and each `unless` and each `!`
    /// inverts it.
    wanted: bool,
}

/// Splits every permit into its conditions.
pub(super) fn permits(policies: &[&Policy]) -> Vec<Permit> {
    let mut permits: Vec<Permit> = policies
        .iter()
        .filter(|policy| policy.effect() == Effect::Permit)
        .map(|policy| permit(policy))
        .collect();
    permits.sort_by(|a, b| a.id.cmp(&b.id));
    permits
}

fn permit(policy: &Policy) -> Permit {
    let mut parts = Vec::new();
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => None,
        PrincipalConstraint::In(uid) => Some(format!("principal in {uid}")),
        PrincipalConstraint::Eq(uid) => Some(format!("principal == {uid}")),
        PrincipalConstraint::Is(name) => Some(format!("principal is {name}")),
        PrincipalConstraint::IsIn(name, uid) => Some(format!("principal is {name} in {uid}")),
    };
    let resource = match policy.resource_constraint() {
        ResourceConstraint::Any => None,
        ResourceConstraint::In(uid) => Some(format!("resource in {uid}")),
        ResourceConstraint::Eq(uid) => Some(format!("resource == {uid}")),
        ResourceConstraint::Is(name) => Some(format!("resource is {name}")),
        ResourceConstraint::IsIn(name, uid) => Some(format!("resource is {name} in {uid}")),
    };
    let action = match policy.action_constraint() {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(uid) => Some(format!("action == {uid}")),
        ActionConstraint::In(uids) => {
            let uids: Vec<String> = uids.iter().map(ToString::to_string).collect();
            Some(format!("action in [{}]", uids.join(", ")))
        }
    };
    let scope = principal.into_iter().chain(resource);
    parts.extend(scope.filter_map(|text| part(text, true)));
    if let Ok(tree) = policy.to_pst() {
        for clause in tree.body().clauses() {
            match clause {
                Clause::When(expression) => flatten(expression, true, &mut parts),
                Clause::Unless(expression) => flatten(expression, false, &mut parts),
            }
        }
    }
    let action = action.and_then(|text| Expression::from_str(&text).ok());
    Permit {
        id: policy.id().to_string(),
        action,
        parts,
    }
}

/// Splits an expression into conditions that can be reported one by one. `wanted` is the value that
/// the expression must have.
fn flatten(expression: &Expr, wanted: bool, parts: &mut Vec<Part>) {
    let joint = if wanted { BinaryOp::And } else { BinaryOp::Or };
    match expression {
        Expr::BinaryOp { op, left, right } if *op == joint => {
            flatten(left, wanted, parts);
            flatten(right, wanted, parts);
        }
        Expr::UnaryOp {
            op: UnaryOp::Not,
            expr,
        } => flatten(expr, !wanted, parts),
        other => parts.extend(part(other.to_string(), wanted)),
    }
}

fn part(text: String, wanted: bool) -> Option<Part> {
    let expression = Expression::from_str(&text).ok()?;
    Some(Part {
        text,
        expression,
        wanted,
    })
}

impl Part {
    /// Returns the condition and its value, as in `x is false`, if the condition is not met.
    /// Returns `None` if it is met. Also returns `None` if it cannot be evaluated, because an
    /// earlier condition, such as `context has expires`, is not met.
    fn unmet(&self, request: &Request, entities: &Entities) -> Option<String> {
        match eval_expression(request, entities, &self.expression) {
            Ok(EvalResult::Bool(value)) if value != self.wanted => {
                Some(format!("{} is {value}", self.text))
            }
            _ => None,
        }
    }
}

/// Returns a sentence that names up to [`MAX_NEAREST`] permits and their unmet conditions. Of the permits for
/// the request's action, chooses those with the fewest unmet conditions.
pub(super) fn nearest(permits: &[Permit], request: &Request, entities: &Entities) -> String {
    let unmet = |permit: &Permit| -> Vec<String> {
        let parts = permit.parts.iter();
        let unmet = parts.filter_map(|part| part.unmet(request, entities));
        unmet.collect()
    };
    let permits = permits.iter();
    let mut nearest: Vec<(&Permit, Vec<String>)> = permits
        .filter(|permit| applies(permit, request, entities))
        .map(|permit| (permit, unmet(permit)))
        .collect();
    let fewest = nearest.iter().map(|(_, unmet)| unmet.len()).min();
    nearest.retain(|(_, unmet)| Some(unmet.len()) == fewest);
    if nearest.is_empty() {
        let action = request.action().map_or("", |uid| uid.id().unescaped());
        return format!("no policy allows it; no permit is about {action}");
    }
    let mut shown: Vec<String> = nearest
        .iter()
        .take(MAX_NEAREST)
        .map(|(permit, unmet)| match unmet.is_empty() {
            true => format!("{}: its condition is not met", permit.id),
            false => format!("{}: {}", permit.id, unmet.join(" and ")),
        })
        .collect();
    if let more @ 1.. = nearest.len().saturating_sub(MAX_NEAREST) {
        shown.push(format!("and {more} more"));
    }
    clipped(format!(
        "no policy allows it; nearest: {}",
        shown.join("; ")
    ))
}

fn applies(permit: &Permit, request: &Request, entities: &Entities) -> bool {
    permit.action.as_ref().is_none_or(|action| {
        matches!(
            eval_expression(request, entities, action),
            Ok(EvalResult::Bool(true))
        )
    })
}

/// Returns a sentence with the policies that forbade the request, each with its `@reason`, if any.
pub(super) fn forbidden(policies: &Policies, ids: &BTreeSet<String>) -> String {
    let shown = |id: &String| {
        let policy = policies.evaluated(id);
        let reason = policy.and_then(|policy| annotation(policy, "reason"));
        match reason.filter(|reason| !reason.is_empty()) {
            Some(reason) => format!("{id} ({reason})"),
            None => id.clone(),
        }
    };
    let shown: Vec<String> = ids.iter().map(shown).collect();
    clipped(format!("forbidden by {}", shown.join(", ")))
}
