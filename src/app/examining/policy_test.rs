//! Runs a user's test case. Delivers an event as its sender would, signed with the source's own
//! secret if its scheme uses one. The event is then verified, mapped, decided by the policies and
//! planned. Returns the outcome of each request of the event. Writes nothing and makes no call to
//! the cloud.

use serde_json::{Value, json};

use crate::app::approvals::Fetcher;
use crate::app::deliveries::{identity_of, too_late};
use crate::app::rules::{Intake, Prepared};
use crate::config::SourceConfig;
use crate::domain::{
    Expiry, Identity, Problem, Problems, ShareRequest, SourceName, Timestamp, read_json,
};
use crate::inbound::{
    Delivery, InstanceState, MapRefusal, Refusal, Said, SchemeName, SchemeSpec, VerifiedDelivery,
    Verifier, Via, seal,
};
use crate::plan::{Observation, Plan};
use crate::policy::{Decision, Question};

/// The input of a case.
#[derive(Debug)]
pub struct CaseInput<'a> {
    /// The configured source.
    pub source: &'a str,
    /// The delivery's body.
    pub body: Vec<u8>,
    /// When the delivery is received.
    pub now: Timestamp,
}

/// The outcome of one request of the event.
#[derive(Debug, Default, serde::Serialize)]
pub struct CaseOutcome {
    /// The request, with the fields of a native request. Null if the event is not valid.
    pub request: Value,
    /// `allow`, `deny` or `invalid`.
    pub decision: String,
    pub policies: Vec<String>,
    /// The policies in `policies`, and those that allowed the request's approvers to approve.
    #[serde(skip)]
    pub touched: Vec<String>,
    /// The steps of the plan, if every item needs a call.
    pub plan: Vec<String>,
    pub why: Vec<String>,
}

/// Why a case cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("source: {}; {}", .0.problem, .0.remedy)]
    BadName(Problem),
    #[error("source {0} is not configured")]
    UnknownSource(SourceName),
    #[error("source {0} has no secret to sign the event with; name a source with a secret")]
    NoSecret(SourceName),
    #[error("{0}")]
    CannotSign(Problems),
    #[error(
        "the source has `fetch`, so its map reads the event and the instance: write both, as \
         {{\"event\": …, \"instance\": …}}"
    )]
    NoInstance,
    #[error("the instance in this case does not confirm the event: {0}")]
    Unconfirmed(String),
    #[error("the source refuses the event that this test signed for it: {0}")]
    Refused(Refusal),
}

impl Prepared {
    /// Runs a case. Returns an empty list if the map returns no request for the event.
    pub fn try_case(&self, case: CaseInput<'_>) -> Result<Vec<CaseOutcome>, CaseError> {
        let name: SourceName = case.source.parse().map_err(CaseError::BadName)?;
        let intake = self
            .intake(&name)
            .ok_or_else(|| CaseError::UnknownSource(name.clone()))?;
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
    ) -> Result<VerifiedDelivery, CaseError> {
        if let Some(fetcher) = &intake.fetcher {
            return with_instance((intake, fetcher), source, &body, now);
        }
        let known = |config: &&SourceConfig| config.name == source;
        let config = self.config().sources.iter().find(known);
        let config = config.ok_or_else(|| CaseError::UnknownSource(source.clone()))?;
        if let (true, Some(origin)) = (config.scheme.lists_origins(), config.from.first()) {
            let id = Some("case".to_owned());
            let origin = origin.clone();
            let via = Via::Host { origin, id };
            return vouched(
                config,
                Delivery {
                    source,
                    via,
                    body: body.into(),
                },
                now,
            );
        }
        let secret = config.secrets.first();
        let secret = secret.ok_or_else(|| CaseError::NoSecret(source.clone()))?;
        let (scheme, from) = (&config.scheme, &config.from);
        let sealed = seal(scheme, &secret.text, from, body, "case", now);
        let (headers, body) = sealed.map_err(CaseError::CannotSign)?;
        let via = Via::Http(headers);
        let verified = intake.verifier.verify(Delivery { source, via, body }, now);
        verified.map_err(CaseError::Refused)
    }

    fn outcome(&self, identity: &Identity, request: &ShareRequest, now: Timestamp) -> CaseOutcome {
        let within = self.config().not_before_within;
        if let Some(problem) = too_late(request, now, now, within) {
            return CaseOutcome {
                request: native(request),
                ..refused(vec![problem.to_string()])
            };
        }
        let question = Question {
            identity,
            request,
            now,
            approved_at: now,
        };
        let decision = self.policies.decide(question);
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
        let approvals = verdict.approvals.iter().flat_map(|one| &one.policies);
        CaseOutcome {
            decision: name.to_owned(),
            touched: verdict.policies.iter().chain(approvals).cloned().collect(),
            policies: verdict.policies.clone(),
            request: native(request),
            plan,
            why,
        }
    }
}

/// Delivers an event as if the host had authenticated the sender. Used for trusted sources. Also
/// used for SNS sources, because only Amazon SNS itself can sign its messages.
fn vouched(
    config: &SourceConfig,
    delivery: Delivery,
    now: Timestamp,
) -> Result<VerifiedDelivery, CaseError> {
    let trusted = SchemeSpec::preset(SchemeName::Trusted);
    let verifier = Verifier::new(trusted, Vec::new(), config.from.clone());
    let verifier = verifier.map_err(CaseError::CannotSign)?;
    verifier.verify(delivery, now).map_err(CaseError::Refused)
}

/// Builds the delivery for a source that fetches instances. The body of the case contains both the
/// event and the instance, as `{event, instance}`.
fn with_instance(
    (intake, fetcher): (&Intake, &Fetcher),
    source: SourceName,
    body: &[u8],
    now: Timestamp,
) -> Result<VerifiedDelivery, CaseError> {
    let unconfirmed = |why: String| CaseError::Unconfirmed(why);
    let case = read_json(body).map_err(|flaw| unconfirmed(format!("the case {flaw}")))?;
    let part = |name: &str| case.get(name).cloned().unwrap_or_default();
    let (event, instance) = (part("event"), part("instance"));
    if event.is_null() || instance.is_null() {
        return Err(CaseError::NoInstance);
    }
    let named = fetcher.named(&event, now);
    let named = named.map_err(|problem| unconfirmed(problem.to_string()))?;
    let named = named
        .filter(|named| named.said == Said::Approved)
        .ok_or_else(|| {
            let why = match fetcher {
                Fetcher::App(_) => "the event names no approved instance of a listed definition",
                Fetcher::Ticket(_) => "`id` of `fetch` finds no ticket in the event",
            };
            unconfirmed(why.to_owned())
        })?;
    match fetcher.state(&named, &event, instance, now) {
        InstanceState::Approved(instance) => {
            let id = "case".to_owned();
            Ok(intake.verifier.fetched(source, id, &event, &instance))
        }
        InstanceState::Withdrawn => Err(unconfirmed("the instance was withdrawn".to_owned())),
        InstanceState::Withdraws(other) => {
            Err(unconfirmed(format!("the instance withdraws {other}")))
        }
        InstanceState::Pending(why) | InstanceState::Other(why) => Err(unconfirmed(why)),
    }
}

fn invalid(refusal: &MapRefusal) -> CaseOutcome {
    let why = match refusal {
        MapRefusal::Unreadable(problem) => vec![problem.to_string()],
        MapRefusal::Invalid(problems) => problems.0.iter().map(ToString::to_string).collect(),
    };
    refused(why)
}

fn refused(why: Vec<String>) -> CaseOutcome {
    CaseOutcome {
        decision: "invalid".to_owned(),
        policies: Vec::new(),
        touched: Vec::new(),
        request: Value::Null,
        plan: Vec::new(),
        why,
    }
}

/// Returns the request as a native request in JSON.
fn native(request: &ShareRequest) -> Value {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(request) else {
        return Value::Null;
    };
    if let Some(Value::Object(target)) = fields.remove("target") {
        fields.extend(target);
    }
    // The image's id already shows its kind.
    fields.remove("kind");
    fields.insert("lighthouse".to_owned(), request.target.lighthouse().into());
    fields.remove("expires");
    let end = request.expires.as_ref().map(|end| match end {
        Expiry::At(instant) => ("expires_at".to_owned(), json!(instant)),
        Expiry::In(span) => ("expires_in".to_owned(), json!(span)),
    });
    fields.extend(end);
    Value::Object(fields)
}
