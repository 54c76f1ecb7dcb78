//! A case of the user's own: an event goes the real way up to the plan, signed with the source's
//! own secret. In: an event and an instant. Out: what each of its requests would come to. Nothing
//! is written and nothing is called.

use serde_json::Value;

use crate::domain::{Identity, SourceName, Timestamp};
use crate::inbound::{Delivery, Headers, MapRefusal, VerifiedDelivery, Via, sign};
use crate::plan::{Observation, Plan};
use crate::policy::{Decision, Question};

use super::identity::identity_of;
use super::prepared::{Intake, Prepared};

/// What is tried.
#[derive(Debug)]
pub struct CaseInput<'a> {
    /// The configured source.
    pub source: &'a str,
    /// The delivery's body.
    pub body: Vec<u8>,
    /// The instant of receipt.
    pub now: Timestamp,
}

/// What came of one request of the event.
#[derive(Debug)]
pub struct CaseOutcome {
    /// `allow`, `deny` or `invalid`.
    pub decision: String,
    /// Determining policies, sorted.
    pub policies: Vec<String>,
    /// The request as the journal would hold it, its target's fields beside the others.
    pub request: Value,
    /// The calls for an image that nobody has yet.
    pub plan: Vec<String>,
    /// For a denial or an invalid request: why.
    pub why: Vec<String>,
}

impl Prepared {
    /// Tries a case; an event that asks for nothing has no outcome.
    ///
    /// # Errors
    /// When the case itself cannot be tried: an unknown source, an event that its own source would
    /// refuse.
    pub fn try_case(&self, case: CaseInput<'_>) -> Result<Vec<CaseOutcome>, String> {
        let name: SourceName = case
            .source
            .parse()
            .map_err(|problem| format!("source: {problem}"))?;
        let intake = self
            .intake(&name)
            .ok_or_else(|| format!("source {name} is not configured"))?;
        let verified = self.deliver(intake, name, case.body, case.now)?;
        let requests = match intake
            .map
            .apply(&verified, case.now, &self.config().rules())
        {
            Ok(requests) => requests,
            Err(refusal) => return Ok(vec![invalid(&refusal)]),
        };
        let outcome = |(index, request)| {
            let identity = identity_of(request, &verified, index);
            self.outcome(&identity, request, case.now)
        };
        Ok(requests.iter().enumerate().map(outcome).collect())
    }

    fn deliver(
        &self,
        intake: &Intake,
        source: SourceName,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<VerifiedDelivery, String> {
        let config = self
            .config()
            .sources
            .iter()
            .find(|known| known.name == source);
        let via = match (config, intake.from.first()) {
            (_, Some(origin)) => Via::Host {
                origin: origin.clone(),
                id: Some("case".to_owned()),
            },
            (Some(config), None) => {
                let secret = config
                    .secrets
                    .first()
                    .ok_or_else(|| format!("source {source} has no secret"))?;
                let headers = sign(&config.scheme, secret, &body, "case", now)
                    .map_err(|problems| problems.to_string())?;
                Via::Http(Headers::new(headers))
            }
            (None, None) => return Err(format!("source {source} is not configured")),
        };
        let delivery = Delivery {
            source,
            via,
            body: body.into(),
        };
        intake
            .verifier
            .verify(delivery, now)
            .map_err(|refusal| format!("its own source refuses it: {refusal}"))
    }

    fn outcome(
        &self,
        identity: &Identity,
        request: &crate::domain::ShareRequest,
        now: Timestamp,
    ) -> CaseOutcome {
        let question = Question {
            source: &identity.source,
            identity,
            request,
            now,
            approved_at: now,
        };
        let decision = self.policies().decide(question);
        let (name, verdict, plan) = match &decision {
            Decision::Allow(approved) => {
                let nobody = Observation::default();
                let plan = Plan::of(approved, &nobody, &[], false);
                let lines = plan.stages().iter().map(ToString::to_string).collect();
                ("allow", approved.verdict(), lines)
            }
            Decision::Deny(verdict) => ("deny", verdict, Vec::new()),
        };
        let why = verdict.refused.iter().map(ToString::to_string).collect();
        CaseOutcome {
            decision: name.to_owned(),
            policies: verdict.policies.clone(),
            request: flat(request),
            plan,
            why,
        }
    }
}

fn invalid(refusal: &MapRefusal) -> CaseOutcome {
    let why = match refusal {
        MapRefusal::Unreadable(problem) => vec![problem.to_string()],
        MapRefusal::Invalid(problems) => problems.0.iter().map(ToString::to_string).collect(),
    };
    CaseOutcome {
        decision: "invalid".to_owned(),
        policies: Vec::new(),
        request: Value::Null,
        plan: Vec::new(),
        why,
    }
}

/// The request with its target's fields lifted beside the others, as a native request has them.
fn flat(request: &crate::domain::ShareRequest) -> Value {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(request) else {
        return Value::Null;
    };
    if let Some(Value::Object(target)) = fields.remove("target") {
        fields.extend(target);
    }
    Value::Object(fields)
}
