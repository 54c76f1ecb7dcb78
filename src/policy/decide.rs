//! Decides a request: Cedar must allow every item, and for a share enough approvers must be allowed
//! to approve every item. Takes a [`Question`]; returns a [`Decision`] with its determining
//! policies, the approvers, and the reason for each refusal.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cedar_policy::{AuthorizationError, Authorizer, Entities, Request};

use super::approved::Approved;
use super::authorization_request::AuthorizationRequest;
use super::explain;
use super::policy_set::PolicySet;
use super::question::Question;
use super::schema::clipped;
use super::stack::with_enough_stack;
use crate::domain::{Action, Approval, Item, RefusalKind, Refused, Verdict};

/// Maximum number of refused items in one request for which the nearest permits are searched.
/// Further refused items get a shorter reason, which bounds the work of a denial.
const MAX_EXPLAINED: usize = 20;

/// The decision about one request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// The request is allowed. The value is the permission to carry it out.
    Allow(Approved),
    /// The request is denied. The verdict contains the refused items and the reasons.
    Deny(Verdict),
}

impl PolicySet {
    /// Decides a question. Every error refuses the request, because Cedar skips a policy that it
    /// cannot evaluate, and that policy may be a `forbid`.
    pub fn decide(&self, question: Question<'_>) -> Decision {
        // A panic in Cedar also refuses the request, and must not stop the other requests of a
        // batch.
        let judge = AssertUnwindSafe(|| with_enough_stack(|| self.judge(&question)));
        let findings = catch_unwind(judge).unwrap_or_else(|_| {
            Findings::refused(
                RefusalKind::Error,
                "the policy engine crashed on this request, so it is refused; report this to the operator of sharehook"
                    .to_owned(),
            )
        });
        let verdict = findings.into_verdict(&self.digest);
        if !verdict.allowed {
            return Decision::Deny(verdict);
        }
        Decision::Allow(Approved::granted(
            question.request,
            question.identity,
            verdict,
            question.approved_at,
        ))
    }

    fn judge(&self, question: &Question<'_>) -> Findings {
        let source = &question.identity.source;
        if !self.known.sources.contains(source) {
            let why = format!("source {source} is not configured");
            return Findings::refused(RefusalKind::Error, why);
        }
        let asked = match AuthorizationRequest::new(self, question) {
            Ok(asked) => asked,
            Err(why) => {
                let end = question.request.expires_at(question.approved_at);
                let kind = match end.is_some_and(|end| end <= question.now) {
                    true => RefusalKind::Expired,
                    false => RefusalKind::Error,
                };
                return Findings::refused(kind, why);
            }
        };
        let mut findings = Findings::default();
        let mut alike: HashMap<usize, AllowedItem> = HashMap::new();
        for item in question.request.target.items() {
            let class = asked.class(&item);
            if let Some(allowed) = class.and_then(|class| alike.get(&class)) {
                findings.add(item, Ok(allowed.clone()));
                continue;
            }
            let explain = findings.refused.len() < MAX_EXPLAINED;
            let allowed = self
                .authorize(asked.request(&item), &asked.entities, explain)
                .and_then(|policies| {
                    let approvals = match question.request.action {
                        Action::Share => self.approvals(&asked, &item, explain)?,
                        Action::Cancel => Vec::new(),
                    };
                    Ok(AllowedItem {
                        policies,
                        approvals,
                    })
                });
            if let (Some(class), Ok(allowed)) = (class, &allowed) {
                alike.insert(class, allowed.clone());
            }
            findings.add(item, allowed);
        }
        findings
    }

    /// Returns as many approvers as an item needs, each with the policies that allow the approval.
    /// Returns an error if too few of the named approvers may approve the item. Only shares need
    /// approvers, because a cancel must stay easy.
    pub(super) fn approvals(
        &self,
        asked: &AuthorizationRequest<'_>,
        item: &Item,
        explain: bool,
    ) -> Result<Vec<CountedApproval>, Denial> {
        let mut counted = Vec::new();
        let mut refused = Vec::new();
        let mut forbidding = BTreeSet::new();
        let mut failed = Vec::new();
        for approver in &asked.approvers {
            if counted.len() == self.approvals {
                break;
            }
            // Explain only the first refused approver. This is enough to correct the request.
            let explain = explain && refused.is_empty();
            match self.authorize(asked.approval(item, approver), &asked.entities, explain) {
                Ok(policies) => counted.push(CountedApproval {
                    approver: approver.id().unescaped().to_owned(),
                    policies,
                }),
                Err(denial) => {
                    refused.push(format!("{} ({})", approver.id().unescaped(), denial.why));
                    forbidding.extend(denial.policies);
                    failed.extend(denial.failed);
                }
            }
        }
        if counted.len() == self.approvals {
            return Ok(counted);
        }
        let needed = match self.approvals {
            1 => "needs 1 approver who may approve it".to_owned(),
            n => format!("needs {n} approvers who may approve it"),
        };
        let why = refused.join(", ");
        let named = match (asked.approvers.len(), counted.len()) {
            (0, _) => "the request names none".to_owned(),
            (named, counts) if why.is_empty() => format!("{counts} of {named} named approvers may"),
            (named, counts) => {
                format!("{counts} of {named} named approvers may; not counted: {why}")
            }
        };
        let kind = match failed.is_empty() {
            true => RefusalKind::Approval,
            false => RefusalKind::Error,
        };
        Err(Denial {
            policies: forbidding,
            failed,
            ..Denial::new(kind, format!("{needed}, and {named}"))
        })
    }

    /// Asks Cedar for one authorization. Returns the policies that allow the request, or the reason
    /// for its denial.
    pub(super) fn authorize(
        &self,
        request: Result<Request, String>,
        entities: &Entities,
        explain: bool,
    ) -> Result<BTreeSet<String>, Denial> {
        let error = |why| Denial::new(RefusalKind::Error, why);
        let request = request.map_err(error)?;
        let fitting = self.rules.fitting(&request, entities).map_err(error)?;
        let response = Authorizer::new().is_authorized(&request, &fitting, entities);
        let diagnostics = response.diagnostics();
        let policies: BTreeSet<String> = diagnostics.reason().map(ToString::to_string).collect();
        let failed: Vec<(String, String)> = diagnostics
            .errors()
            .map(|AuthorizationError::PolicyEvaluationError(error)| {
                (error.policy_id().to_string(), error.to_string())
            })
            .collect();
        if !failed.is_empty() {
            let errors: Vec<&str> = failed.iter().map(|(_, error)| error.as_str()).collect();
            let why = format!("a policy could not be evaluated: {}", errors.join("; "));
            return Err(Denial {
                failed,
                ..error(why)
            });
        }
        if response.decision() == cedar_policy::Decision::Allow {
            return Ok(policies);
        }
        let kind = match policies.is_empty() {
            true => RefusalKind::NoPermit,
            false => RefusalKind::Forbidden,
        };
        let why = if !policies.is_empty() {
            explain::forbidden(&self.rules, &policies)
        } else if explain {
            let permits = || self.rules.all().map(|all| explain::permits(&all));
            match self.permits.get_or_init(permits) {
                Ok(permits) => explain::nearest(permits, &request, entities),
                Err(why) => format!("no policy allows it; {why}"),
            }
        } else {
            "no policy allows it".to_owned()
        };
        Err(Denial {
            policies,
            ..Denial::new(kind, why)
        })
    }
}

#[derive(Clone)]
struct AllowedItem {
    policies: BTreeSet<String>,
    approvals: Vec<CountedApproval>,
}

#[derive(Clone)]
pub(super) struct CountedApproval {
    approver: String,
    policies: BTreeSet<String>,
}

pub(super) struct Denial {
    kind: RefusalKind,
    why: String,
    /// The policies that forbade the request or an approval. Empty if no policy did.
    policies: BTreeSet<String>,
    /// The policies that could not be evaluated, each with the error.
    pub(super) failed: Vec<(String, String)>,
}

impl Denial {
    fn new(kind: RefusalKind, why: String) -> Self {
        Self {
            kind,
            why,
            policies: BTreeSet::new(),
            failed: Vec::new(),
        }
    }
}

/// The results of the items so far. As long as no item is refused, `policies` contains the policies
/// that allowed items. After the first refusal, it contains only policies that refused items.
#[derive(Default)]
struct Findings {
    allowed: usize,
    policies: BTreeSet<String>,
    /// For each approver, the items that it may approve and the policies that allow the approval.
    approvals: BTreeMap<String, (Vec<Item>, BTreeSet<String>)>,
    refused: Vec<Refused>,
}

impl Findings {
    /// A refusal of the whole request.
    fn refused(kind: RefusalKind, why: String) -> Self {
        let refused = Refused {
            item: None,
            why: clipped(why),
            kind: Some(kind),
        };
        Self {
            refused: vec![refused],
            ..Self::default()
        }
    }

    fn add(&mut self, item: Item, outcome: Result<AllowedItem, Denial>) {
        match outcome {
            Ok(AllowedItem {
                policies,
                approvals,
            }) => {
                self.allowed += 1;
                for counted in approvals {
                    let (items, by) = self.approvals.entry(counted.approver).or_default();
                    items.push(item.clone());
                    by.extend(counted.policies);
                }
                if self.refused.is_empty() {
                    self.policies.extend(policies);
                }
            }
            Err(denial) => {
                if self.refused.is_empty() {
                    self.policies.clear();
                }
                self.policies.extend(denial.policies);
                self.refused.push(Refused {
                    item: Some(item),
                    why: clipped(denial.why),
                    kind: Some(denial.kind),
                });
            }
        }
    }

    fn into_verdict(self, policy_digest: &str) -> Verdict {
        let allowed = self.refused.is_empty() && self.allowed > 0;
        let approvals = self.approvals.into_iter().map(|(approver, (items, by))| {
            let whole = items.len() == self.allowed;
            Approval {
                approver,
                policies: by.into_iter().collect(),
                items: if whole { Vec::new() } else { items },
            }
        });
        Verdict {
            allowed,
            policies: self.policies.into_iter().collect(),
            approvals: approvals.filter(|_| allowed).collect(),
            refused: self.refused,
            policy_digest: policy_digest.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
