//! The decision: one authorization per account, and one for Lighthouse; all must be allowed. In: a
//! [`Question`]. Out: a [`Decision`], with the policies that determined it and why anything was
//! refused.

use std::collections::BTreeSet;

use cedar_policy::Authorizer;

use super::authorization_request::{Asked, AuthorizationRequest, refused};
use super::room::with_room;
use super::schema::clipped;
use super::{Approved, PolicySet, explain};
use crate::domain::{Identity, Refused, ShareRequest, SourceName, Timestamp, Verdict};

/// So many refusals of one request are explained in full; the others are only named. It bounds the
/// work of a denial.
const MAX_EXPLAINED: usize = 20;

/// What is asked: may this request, which this source authenticated, be carried out now?
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The configured source that authenticated the delivery.
    pub source: &'a SourceName,
    /// The request's identity; of the same source.
    pub identity: &'a Identity,
    /// The request.
    pub request: &'a ShareRequest,
    /// The time of the decision.
    pub now: Timestamp,
    /// When the approved request was first verified here: an `expires_in` counts from it.
    pub approved_at: Timestamp,
}

/// The answer.
#[derive(Debug, Clone)]
pub enum Decision {
    /// It may; the value is the permission.
    Allow(Approved),
    /// It may not; the verdict says what was refused and why.
    Deny(Verdict),
}

impl PolicySet {
    /// Decides. Anything that goes wrong on the way is a refusal: Cedar skips a policy that it
    /// cannot evaluate, which for a `forbid` would be a permission.
    pub fn decide(&self, question: Question<'_>) -> Decision {
        let findings = with_room(|| self.judge(&question)).unwrap_or_else(Findings::failed);
        let verdict = Verdict {
            allowed: findings.refused.is_empty() && findings.asked > 0,
            policies: findings.policies.into_iter().collect(),
            refused: findings.refused,
            policy_digest: self.digest.clone(),
        };
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
        let mut findings = Findings::default();
        if question.identity.source != *question.source {
            let why = format!(
                "{} is not an identity of source {}",
                question.identity, question.source
            );
            findings.refused.push(refused(clipped(&why)));
        } else if !self.known.sources.contains(question.source) {
            findings.refused.push(refused(format!(
                "source {} is not configured",
                question.source
            )));
        }
        if !findings.refused.is_empty() {
            return findings;
        }
        match AuthorizationRequest::new(self, question) {
            Ok(asked_request) => asked_request
                .asked()
                .for_each(|asked| self.ask(&asked_request, asked, &mut findings)),
            Err(why) => findings.refused.push(refused(why)),
        }
        findings
    }

    fn ask(
        &self,
        asked_request: &AuthorizationRequest<'_>,
        asked: Asked<'_>,
        findings: &mut Findings,
    ) {
        findings.asked += 1;
        let request = match asked_request.request(asked) {
            Ok(request) => request,
            Err(why) => return findings.refuse(asked, why, BTreeSet::new()),
        };
        let response =
            Authorizer::new().is_authorized(&request, &self.rules, &asked_request.entities);
        let reasons: BTreeSet<String> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        let errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .collect();
        if !errors.is_empty() {
            let why = format!("a policy could not be evaluated: {}", errors.join("; "));
            return findings.refuse(asked, why, BTreeSet::new());
        }
        if response.decision() == cedar_policy::Decision::Allow {
            if findings.refused.is_empty() {
                findings.policies.extend(reasons);
            }
            return;
        }
        let why = if !reasons.is_empty() {
            explain::forbidden(&self.rules, &reasons)
        } else if findings.refused.len() >= MAX_EXPLAINED {
            "no policy allows it".to_owned()
        } else {
            let permits = self.permits.get_or_init(|| explain::permits(&self.rules));
            explain::nearest(permits, &request, &asked_request.entities)
        };
        findings.refuse(asked, why, reasons);
    }
}

/// The answers so far. The policies are those that allow, until something is refused; then those
/// that refuse.
#[derive(Default)]
struct Findings {
    asked: usize,
    policies: BTreeSet<String>,
    refused: Vec<Refused>,
}

impl Findings {
    fn failed() -> Self {
        let why = "the decision could not be made: its thread failed".to_owned();
        Self {
            refused: vec![refused(why)],
            ..Self::default()
        }
    }

    fn refuse(&mut self, asked: Asked<'_>, why: String, policies: BTreeSet<String>) {
        if self.refused.is_empty() {
            self.policies.clear();
        }
        self.policies.extend(policies);
        self.refused.push(Refused {
            what: asked.what(),
            why: clipped(&why),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{PolicyFiles, SourceFacts, sample_files};
    use super::*;
    use crate::domain::{Problems, ServedRegions};

    const NOW: &str = "2026-11-01T12:00:00Z";

    fn sources() -> Vec<SourceFacts> {
        let of = |name: &str, scheme: &str, signed| SourceFacts {
            name: name.parse().unwrap(),
            scheme: scheme.to_owned(),
            signed,
        };
        vec![
            of("jira", "jira", true),
            of("github", "github", true),
            of("queue", "trusted", false),
            of("desk", "token", false),
            of("stranger", "jira", true),
        ]
    }

    fn sample() -> PolicySet {
        let mut files = sample_files();
        // A source that cannot sign, with a person of the team, as an operator would add them.
        let extra = r#", {"uid": {"type": "Share::Source", "id": "desk"}, "parents": [{"type": "Share::SourceGroup", "id": "ticketing"}]},
            {"uid": {"type": "Share::Requester", "id": "desk/alice"}, "parents": [{"type": "Share::Team", "id": "platform"}]}]"#;
        let entities = files.entities.take().unwrap();
        files.entities = Some(entities.trim_end().strip_suffix(']').unwrap().to_owned() + extra);
        PolicySet::load(&files, &sources()).unwrap()
    }

    /// The samples' rules replaced by one text.
    fn with_rules(text: &str) -> Result<PolicySet, Problems> {
        let policies = vec![("a.cedar".to_owned(), text.to_owned())];
        PolicySet::load(
            &PolicyFiles {
                policies,
                ..sample_files()
            },
            &sources(),
        )
    }

    fn native(extra: Value) -> Value {
        let mut value = json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
            "accounts": ["700000164995"], "requester": "alice@example.com", "approvers": ["bob@example.com"]});
        for (name, field) in extra.as_object().unwrap() {
            value[name] = field.clone();
        }
        value
    }

    fn decide_for(policies: &PolicySet, source: &str, value: &Value) -> Decision {
        let request = ShareRequest::from_json(value, &ServedRegions::default()).unwrap();
        let source: SourceName = source.parse().unwrap();
        let identity = Identity {
            source: source.clone(),
            id: "CHG0030192".to_owned(),
        };
        let now = NOW.parse().unwrap();
        let question = Question {
            source: &source,
            identity: &identity,
            request: &request,
            now,
            approved_at: now,
        };
        policies.decide(question)
    }

    fn verdict(decision: Decision) -> Verdict {
        match decision {
            Decision::Allow(approved) => approved.verdict().clone(),
            Decision::Deny(verdict) => verdict,
        }
    }

    fn cvm(extra: Value) -> Value {
        let mut value = native(extra);
        value["image"] = json!("img-6pb6lrmy");
        value
    }

    #[test]
    fn the_sample_policy_decides_as_its_readers_expect() {
        let policies = sample();
        let partner =
            |expiry: Value| native(json!({"accounts": ["700000000101"], "expires_in": expiry}));
        let lighthouse = |action: &str| {
            let mut value = cvm(json!({"lighthouse": true, "action": action}));
            value.as_object_mut().unwrap().remove("accounts");
            value
        };
        let other_image = native(json!({"image": "lhbp-00000000"}));
        let sandbox = |requester: &str| {
            native(
                json!({"accounts": ["700000000201"], "requester": requester, "approvers": ["bob"]}),
            )
        };
        let desk = |accounts: &str| {
            native(json!({"accounts": [accounts], "requester": "alice", "approvers": ["bob"]}))
        };
        let table: Vec<(&str, &str, Value, bool, Vec<&str>)> = vec![
            (
                "listed",
                "jira",
                native(json!({})),
                true,
                vec!["golden-images-to-staging"],
            ),
            (
                "listed, by queue",
                "queue",
                native(json!({})),
                true,
                vec!["golden-images-to-staging"],
            ),
            (
                "a CVM image",
                "jira",
                cvm(json!({})),
                true,
                vec!["golden-images-to-staging"],
            ),
            (
                "unknown account",
                "jira",
                native(json!({"accounts": ["999999999"]})),
                false,
                vec![],
            ),
            ("other image", "jira", other_image, false, vec![]),
            (
                "unknown person",
                "jira",
                native(json!({"requester": "mallory@example.com"})),
                false,
                vec![],
            ),
            (
                "own approver",
                "jira",
                native(json!({"approvers": ["alice@example.com"]})),
                false,
                vec!["four-eyes"],
            ),
            (
                "own approver in capitals",
                "jira",
                native(json!({"approvers": ["Alice@Example.COM "]})),
                false,
                vec!["four-eyes"],
            ),
            (
                "own approver among others",
                "jira",
                native(json!({"approvers": ["bob@example.com", "alice@example.com"]})),
                false,
                vec!["four-eyes"],
            ),
            (
                "no approver",
                "jira",
                native(json!({"approvers": []})),
                false,
                vec!["four-eyes"],
            ),
            (
                "partner, 30 days",
                "jira",
                partner(json!("30d")),
                true,
                vec!["golden-images-to-partners"],
            ),
            (
                "partner, 31 days",
                "jira",
                partner(json!("31d")),
                false,
                vec!["expiry-cap"],
            ),
            (
                "partner, for ever",
                "jira",
                partner(Value::Null),
                false,
                vec!["expiry-cap"],
            ),
            (
                "other source's alice@example.com",
                "github",
                native(json!({})),
                false,
                vec![],
            ),
            (
                "source in no group",
                "stranger",
                native(json!({})),
                false,
                vec![],
            ),
            (
                "unsigned to staging",
                "desk",
                desk("700000164995"),
                false,
                vec!["unsigned-sources"],
            ),
            (
                "unsigned to a sandbox",
                "desk",
                sandbox("alice"),
                true,
                vec!["golden-images-to-sandboxes"],
            ),
            (
                "publish",
                "jira",
                lighthouse("share"),
                true,
                vec!["golden-images-into-lighthouse"],
            ),
            (
                "unpublish",
                "jira",
                lighthouse("cancel"),
                true,
                vec!["take-back-golden-images"],
            ),
            (
                "chain",
                "jira",
                cvm(json!({"lighthouse": true})),
                true,
                vec!["golden-images-into-lighthouse", "golden-images-to-staging"],
            ),
            (
                "cancel needs no second person",
                "jira",
                native(json!({"action": "cancel", "approvers": [], "accounts": ["999999999"]})),
                true,
                vec!["take-back-golden-images"],
            ),
            (
                "cancel of another image",
                "jira",
                native(json!({"action": "cancel", "image": "lhbp-00000000"})),
                false,
                vec![],
            ),
        ];
        for (name, source, value, allowed, determining) in table {
            let verdict = verdict(decide_for(&policies, source, &value));
            assert_eq!(verdict.allowed, allowed, "{name}: {verdict:?}");
            assert_eq!(verdict.policies, determining, "{name}: {verdict:?}");
            assert_eq!(verdict.refused.is_empty(), allowed, "{name}: {verdict:?}");
            assert_eq!(verdict.policy_digest, policies.digest());
        }
        assert!(policies.warnings().is_empty(), "{:?}", policies.warnings());
    }

    #[test]
    fn an_allowed_request_comes_back_whole() {
        let policies = sample();
        let value = native(json!({"expires_in": "7d"}));
        let Decision::Allow(approved) = decide_for(&policies, "jira", &value) else {
            panic!("denied")
        };
        assert_eq!(
            approved.request(),
            &ShareRequest::from_json(&value, &ServedRegions::default()).unwrap()
        );
        assert_eq!(approved.identity().to_string(), "jira/CHG0030192");
        assert_eq!(
            approved.expires_at().unwrap().to_string(),
            "2026-11-08T12:00:00Z"
        );
    }

    #[test]
    fn a_chain_needs_both_permissions() {
        let policies = sample();
        let value = cvm(json!({"lighthouse": true, "accounts": ["999999999"]}));
        let refused = verdict(decide_for(&policies, "jira", &value)).refused;
        assert_eq!(
            refused.iter().map(|r| r.what.as_str()).collect::<Vec<_>>(),
            ["account 999999999"]
        );

        let share_only = with_rules(
            "@id(\"s\") permit (principal, action == Share::Action::\"share\", resource);",
        );
        let value = cvm(json!({"lighthouse": true}));
        let refused = verdict(decide_for(&share_only.unwrap(), "jira", &value)).refused;
        assert_eq!(refused[0].what, "Lighthouse");
        assert_eq!(refused[0].why, "no policy allows it; none is about publish");
    }

    #[test]
    fn one_bad_account_of_ten_denies_all_and_is_named() {
        let mut accounts: Vec<String> = (1..10).map(|n| format!("70000000000{n}")).collect();
        accounts.insert(4, "999999999".to_owned());
        let verdict = verdict(decide_for(
            &sample(),
            "jira",
            &native(json!({"accounts": accounts})),
        ));
        assert!(!verdict.allowed);
        assert!(
            verdict.policies.is_empty(),
            "what allowed the others did not decide: {verdict:?}"
        );
        assert_eq!(verdict.refused.len(), 1);
        assert_eq!(verdict.refused[0].what, "account 999999999");
    }

    #[test]
    fn a_refusal_says_why() {
        let policies = sample();
        let why = |value: Value| {
            verdict(decide_for(&policies, "jira", &value)).refused[0]
                .why
                .clone()
        };
        assert_eq!(
            why(native(json!({"accounts": ["999999999"]}))),
            "no policy allows it; nearest: \
             golden-images-to-partners: context.account in Share::AccountGroup::\"partners\" is false; \
             golden-images-to-sandboxes: context.account in Share::AccountGroup::\"sandbox-accounts\" is false"
        );
        let why_image = why(native(json!({"image": "lhbp-00000000"})));
        assert!(
            why_image.contains(
                r#"golden-images-to-staging: resource in Share::ImageSet::"golden" is false"#
            ),
            "{why_image}"
        );
        assert_eq!(
            why(native(json!({"approvers": []}))),
            "forbidden by four-eyes (A share needs an approver, and the requester may not be one of them.)"
        );
    }

    #[test]
    fn unless_and_not_are_explained_as_what_they_forbid() {
        let policies = with_rules(
            "@id(\"x\") permit (principal is Share::Requester, action, resource == Share::Image::\"lhbp-6jc6l8yb\")
             when { context.ticket has status && context.ticket.status == \"done\" && !(resource.kind == \"blueprint\") }
             unless { resource.region like \"ap-*\" || resource.region == \"eu-frankfurt\" };",
        )
        .unwrap();
        let verdict = verdict(decide_for(&policies, "jira", &native(json!({}))));
        assert_eq!(
            verdict.refused[0].why,
            "no policy allows it; nearest: x: context.ticket has status is false and \
             resource.kind == \"blueprint\" is true and resource.region like \"ap-*\" is true"
        );
    }

    #[test]
    fn a_policy_that_cannot_be_evaluated_refuses() {
        const OVERFLOW: &str = "9223372036854775807 + context.now.toTime().toMilliseconds() > 0";
        for effect in ["forbid", "permit"] {
            let text = format!(
                "@id(\"all\") permit (principal, action, resource);
                 @id(\"broken\") {effect} (principal, action, resource) when {{ {OVERFLOW} }};"
            );
            let verdict = verdict(decide_for(
                &with_rules(&text).unwrap(),
                "jira",
                &native(json!({})),
            ));
            assert!(!verdict.allowed, "{effect}");
            assert!(verdict.policies.is_empty());
            assert!(verdict.refused[0].why.contains("broken"), "{verdict:?}");
            assert!(verdict.refused[0].why.contains("overflow"), "{verdict:?}");
        }
    }

    #[test]
    fn nothing_is_allowed_without_a_policy() {
        let verdict = verdict(decide_for(
            &with_rules("").unwrap(),
            "jira",
            &native(json!({})),
        ));
        assert_eq!((verdict.allowed, verdict.policies.len()), (false, 0));
        assert_eq!(
            verdict.refused[0].why,
            "no policy allows it; none is about share"
        );
    }

    #[test]
    fn a_foreign_identity_and_an_unknown_source_are_refused() {
        let policies = with_rules("@id(\"all\") permit (principal, action, resource);").unwrap();
        assert!(matches!(
            decide_for(&policies, "jira", &native(json!({}))),
            Decision::Allow(_)
        ));
        assert!(matches!(
            decide_for(&policies, "nowhere", &native(json!({}))),
            Decision::Deny(_)
        ));
        let request =
            ShareRequest::from_json(&native(json!({})), &ServedRegions::default()).unwrap();
        let identity = Identity {
            source: "github".parse().unwrap(),
            id: "1".into(),
        };
        let now = NOW.parse().unwrap();
        let source: SourceName = "jira".parse().unwrap();
        let question = Question {
            source: &source,
            identity: &identity,
            request: &request,
            now,
            approved_at: now,
        };
        assert!(matches!(policies.decide(question), Decision::Deny(_)));
    }

    #[test]
    fn a_share_that_would_be_over_is_refused_and_so_is_one_beyond_the_calendar() {
        let policies = with_rules("@id(\"all\") permit (principal, action, resource);").unwrap();
        let source: SourceName = "jira".parse().unwrap();
        let identity = Identity {
            source: source.clone(),
            id: "1".into(),
        };
        let request = ShareRequest::from_json(
            &native(json!({"expires_in": "1h"})),
            &ServedRegions::default(),
        )
        .unwrap();
        let at = |now: &str, approved_at: Timestamp| {
            let now = now.parse().unwrap();
            verdict(policies.decide(Question {
                source: &source,
                identity: &identity,
                request: &request,
                now,
                approved_at,
            }))
        };
        let approved: Timestamp = NOW.parse().unwrap();
        assert!(at("2026-11-01T12:59:59Z", approved).allowed);
        assert!(
            at("2026-11-01T13:00:00Z", approved).refused[0]
                .why
                .contains("ended")
        );
        assert!(
            at("2026-11-01T13:00:00Z", Timestamp::MAX).refused[0]
                .why
                .contains("calendar")
        );
        // Nanoseconds and far years are said in Cedar's own form, or refused; they never count as
        // "no expiry".
        assert!(at("2026-11-01T12:00:00.123456789Z", approved).allowed);
        assert!(!at("-000044-03-15T12:00:00Z", approved).allowed);
    }

    #[test]
    fn the_ticket_names_neither_region_nor_kind_of_its_own() {
        let policies = with_rules(
            "@id(\"tokyo\") permit (principal, action, resource)
             when { resource.region == \"ap-tokyo\" && resource has name && resource.name == \"base-july\" && resource.hasTag(\"os\")
                    && principal has email && principal.email == \"alice@example.com\" && context.ticket.id == \"CHG0030192\" };",
        )
        .unwrap();
        let listed = native(json!({"region": "ap-tokyo"}));
        assert!(
            verdict(decide_for(&policies, "jira", &listed)).allowed,
            "name and tag of the file, region of the request"
        );
        assert!(!verdict(decide_for(&policies, "jira", &native(json!({})))).allowed);
        let other = native(json!({"region": "ap-tokyo", "image": "lhbp-00000000"}));
        assert!(!verdict(decide_for(&policies, "jira", &other)).allowed);
    }

    #[test]
    fn five_hundred_strangers_are_all_named() {
        let accounts: Vec<String> = (0..500)
            .map(|n| format!("{}", 800_000_000_000_u64 + n))
            .collect();
        let verdict = verdict(decide_for(
            &sample(),
            "jira",
            &native(json!({"accounts": accounts})),
        ));
        assert_eq!(verdict.refused.len(), 500);
        assert!(
            verdict
                .refused
                .iter()
                .all(|refused| refused.why.chars().count() <= 500)
        );
        assert!(verdict.refused[499].why.starts_with("no policy allows it"));
    }
}
