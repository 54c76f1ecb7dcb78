//! Tests properties with random inputs: only what a sender signed verifies, policies decide as
//! Cedar's own authorizer does, another `forbid` never allows more, and after a plan has been
//! carried out nothing is left to do.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::LazyLock;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Entities, EntityUid, Request, Schema,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use sharehook::domain::{Action, Identity, ServedRegions, ShareRequest, Timestamp};
use sharehook::inbound::{
    Delivery, Headers, SchemeKind, SchemeName, SchemeSpec, Verifier, Via, sign,
};
use sharehook::plan::{Observation, Plan, Stage};
use sharehook::policy::{
    Decision, PolicyFiles, PolicySet, Question, SourceFacts, builtin_schema, sample_files, stamp,
};

const NOW: &str = "2026-11-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn hmac_presets() -> Vec<SchemeName> {
    let signs = |name: &SchemeName| matches!(SchemeSpec::preset(*name).kind(), SchemeKind::Hmac(_));
    SchemeName::ALL.iter().copied().filter(signs).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_was_signed_verifies_and_no_other_bit_does(
        name in select(hmac_presets()),
        text in "\\PC{0,40}",
        secret in "[A-Za-z0-9+/]{43}=",
        id in "[a-z0-9_-]{1,24}",
        place in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let spec = SchemeSpec::preset(name);
        let body = json!({"webhookTimestamp": now().as_millisecond(), "text": text}).to_string();
        let secret = match name {
            SchemeName::StandardWebhooks | SchemeName::Svix | SchemeName::Gitlab => {
                // The last character of 32 bytes in base64 has two unused bits, which must be zero.
                format!("whsec_{}A=", &secret[..42])
            }
            _ => secret,
        };
        let headers = sign(&spec, &secret.as_str().into(), body.as_bytes(), &id, now()).unwrap();
        let verifier = Verifier::new(spec, vec![secret.into()], Vec::new()).unwrap();
        let verify = |headers: &[(String, String)], body: Vec<u8>| {
            let delivery = Delivery {
                source: "s".parse().unwrap(),
                via: Via::Http(Headers::new(headers.iter().map(|(n, v)| (n, v)))),
                body: body.into(),
            };
            verifier.verify(delivery, now())
        };
        prop_assert!(verify(&headers, body.clone().into_bytes()).is_ok(), "{:?}", name);
        let mut changed = body.clone().into_bytes();
        changed[place.index(body.len())] ^= 1 << bit;
        prop_assert!(verify(&headers, changed).is_err(), "{:?}: a bit of the body", name);
        let signature = headers.iter().position(|(header, _)| header.ends_with("ignature") || header.ends_with("ignature-256")).unwrap();
        let mut other = headers.clone();
        let mut value = other[signature].1.clone().into_bytes();
        let at = place.index(value.len());
        value[at] ^= 1 << bit;
        // Skip values that are no text, and a change of case in PagerDuty's hexadecimal digits.
        if let Ok(value) = String::from_utf8(value)
            && !(name == SchemeName::Pagerduty && value.eq_ignore_ascii_case(&headers[signature].1))
        {
            other[signature].1 = value;
            prop_assert!(verify(&other, body.into_bytes()).is_err(), "{:?}: a bit of the signature", name);
        }
    }
}

/// A small set of entities: the groups of people, images, accounts and the source.
#[derive(Debug, Clone)]
struct World {
    teams: Vec<Vec<&'static str>>,
    golden: Vec<&'static str>,
    staging: Vec<&'static str>,
    ticketing: bool,
}

const PEOPLE: [&str; 3] = ["alice@example.com", "bob@example.com", "carol"];
const TEAMS: [&str; 2] = ["platform", "approvers"];
const IMAGES: [&str; 3] = ["lhbp-6jc6l8yb", "lhbp-aaaaaaaa", "img-6pb6lrmy"];
/// The last account is in no group.
const ACCOUNTS: [&str; 6] = [
    "700000164995",
    "909619400",
    "1038493875",
    "100000000001",
    "100000000002",
    "100000000003",
];

fn world() -> impl Strategy<Value = World> {
    let teams = vec(subsequence(TEAMS.to_vec(), 0..=2), 3);
    let golden = subsequence(IMAGES.to_vec(), 0..=3);
    let staging = subsequence(ACCOUNTS[..5].to_vec(), 0..=5);
    (teams, golden, staging, any::<bool>()).prop_map(|(teams, golden, staging, ticketing)| World {
        teams,
        golden,
        staging,
        ticketing,
    })
}

fn uid(kind: &str, id: &str) -> Value {
    json!({"type": format!("Share::{kind}"), "id": id})
}

impl World {
    /// Returns the entities as an operator writes them. With `full`, the entities also have the
    /// attributes that the program adds.
    fn entities(&self, full: Option<(&str, &str)>) -> Value {
        let attrs = |attrs: Value| if full.is_some() { attrs } else { json!({}) };
        let groups = if self.ticketing {
            vec![uid("SourceGroup", "ticketing")]
        } else {
            vec![]
        };
        let source = attrs(json!({"scheme": "jira", "signed": true}));
        let mut list =
            vec![json!({"uid": uid("Source", "jira"), "attrs": source, "parents": groups})];
        for (person, teams) in PEOPLE.iter().zip(&self.teams) {
            let mut known = json!({"source": {"__entity": uid("Source", "jira")}});
            if person.contains('@') {
                known["email"] = json!(person);
            }
            let parents: Vec<Value> = teams.iter().map(|team| uid("Team", team)).collect();
            let id = uid("Requester", &format!("jira/{person}"));
            list.push(json!({"uid": id, "attrs": attrs(known), "parents": parents}));
        }
        let (image, region) = full.unwrap_or_default();
        for id in IMAGES {
            let golden = self.golden.contains(&id);
            if golden || id == image {
                let kind = if id.starts_with("img") {
                    "cvm"
                } else {
                    "blueprint"
                };
                let known = attrs(json!({"region": region, "kind": kind}));
                let parents = if golden {
                    vec![uid("ImageSet", "golden")]
                } else {
                    vec![]
                };
                list.push(json!({"uid": uid("Image", id), "attrs": known, "parents": parents}));
            }
        }
        for id in &ACCOUNTS[..5] {
            let parents = if self.staging.contains(id) {
                vec![uid("AccountGroup", "staging")]
            } else {
                vec![]
            };
            list.push(json!({"uid": uid("Account", id), "attrs": {}, "parents": parents}));
        }
        for (kind, id) in [
            ("SourceGroup", "ticketing"),
            ("Team", "platform"),
            ("Team", "approvers"),
            ("ImageSet", "golden"),
            ("AccountGroup", "staging"),
        ] {
            list.push(json!({"uid": uid(kind, id), "attrs": {}, "parents": []}));
        }
        Value::Array(list)
    }
}

fn policy() -> impl Strategy<Value = String> {
    let effect = select(vec!["permit", "permit", "permit", "forbid"]);
    let principal = select(vec![
        "principal",
        "principal in Share::Team::\"platform\"",
        "principal in Share::Team::\"approvers\"",
        "principal == Share::Requester::\"jira/bob@example.com\"",
        "principal is Share::Requester in Share::Team::\"platform\"",
        "principal is Share::Requester",
    ]);
    let resource = select(vec![
        "resource",
        "resource in Share::ImageSet::\"golden\"",
        "resource == Share::Image::\"lhbp-6jc6l8yb\"",
    ]);
    let of_both = [
        "principal.source in Share::SourceGroup::\"ticketing\"",
        "principal has email",
        "resource.kind == \"cvm\"",
        "resource.region == \"ap-singapore\"",
        "context.ticket.id == \"CHG-1\"",
        "9223372036854775807 + 1 > 0",
        "context.now < datetime(\"2027-01-01T00:00:00Z\")",
    ];
    let of_change = [
        "context.account in Share::AccountGroup::\"staging\"",
        "context.account == Share::Account::\"909619400\"",
        "context has expires",
        "context has expires && context.expires < datetime(\"2026-12-01T00:00:00Z\")",
        "context.approvers.contains(Share::Requester::\"jira/bob@example.com\")",
        "context.approvers.contains(principal)",
    ];
    let of_approval = [
        "context.requester == principal",
        "context.requester in Share::Team::\"platform\"",
        "context has account && context.account in Share::AccountGroup::\"staging\"",
        "context.action == \"share\"",
    ];
    let change = || [of_both.as_slice(), &of_change].concat();
    let approval = [of_both.as_slice(), &of_approval].concat();
    let action = prop_oneof![
        Just(("action == Share::Action::\"share\"", change())),
        Just(("action == Share::Action::\"cancel\"", change())),
        Just((
            "action in [Share::Action::\"share\", Share::Action::\"cancel\"]",
            change()
        )),
        Just(("action == Share::Action::\"approve\"", approval.clone())),
        Just(("action == Share::Action::\"approve\"", approval)),
    ];
    let whens = action.prop_flat_map(|(action, conditions)| {
        let clause = (select(vec!["when", "when", "unless"]), select(conditions))
            .prop_map(|(word, condition)| format!("{word} {{ {condition} }}"));
        (Just(action), vec(clause, 0..3))
    });
    (effect, principal, resource, whens).prop_map(
        |(effect, principal, resource, (action, whens))| {
            format!(
                "{effect} (\n  {principal},\n  {action},\n  {resource}\n)\n{};",
                whens.join("\n")
            )
        },
    )
}

fn text_of(policies: &[String]) -> String {
    let with_id = |(number, policy): (usize, &String)| format!("@id(\"p{number}\")\n{policy}\n");
    policies.iter().enumerate().map(with_id).collect()
}

fn request() -> impl Strategy<Value = Value> {
    let accounts = subsequence(ACCOUNTS.to_vec(), 1..=6);
    let approvers = subsequence(PEOPLE.to_vec(), 0..=3);
    let expires = select(vec![
        None,
        Some("2026-11-20T00:00:00Z"),
        Some("2027-06-01T00:00:00Z"),
    ]);
    let who = (select(PEOPLE.to_vec()), approvers);
    let what = (
        select(IMAGES.to_vec()),
        accounts,
        select(vec!["share", "share", "cancel"]),
    );
    (who, what, expires, select(vec!["CHG-1", "CHG-2"])).prop_map(
        |((requester, approvers), (image, accounts, action), expires, ticket)| {
            let mut request = json!({"action": action, "image": image, "region": "ap-singapore", "accounts": accounts,
                "requester": requester, "approvers": approvers, "ticket": ticket});
            if action == "share" && let Some(expires) = expires {
                request["expires_at"] = json!(expires);
            }
            request
        },
    )
}

fn load(world: &World, policies: &[String], approvals: usize) -> PolicySet {
    load_as(world, policies, approvals, None)
}

/// Like [`load`], with the stamp `validated` by which a package says that its policies are
/// validated.
fn load_as(
    world: &World,
    policies: &[String],
    approvals: usize,
    validated: Option<String>,
) -> PolicySet {
    let files = PolicyFiles {
        policies: vec![("a.cedar".to_owned(), text_of(policies))],
        entities: Some(world.entities(None).to_string()),
        validated,
        ..sample_files()
    };
    let sources = [SourceFacts {
        name: "jira".parse().unwrap(),
        scheme: "jira".to_owned(),
        signed: true,
    }];
    PolicySet::load(&files, &sources, approvals)
        .unwrap_or_else(|problems| panic!("{problems}\n{}", text_of(policies)))
}

fn decided(policies: &PolicySet, request: &Value) -> Decision {
    let request = ShareRequest::from_json(request, &ServedRegions::default()).unwrap();
    let source = "jira".parse().unwrap();
    let identity = Identity {
        source,
        id: "CHG-1".to_owned(),
    };
    policies.decide(Question {
        identity: &identity,
        request: &request,
        now: now(),
        approved_at: now(),
    })
}

/// Returns the policies that allow a request, or `None` if it is denied.
fn allowed(policies: &PolicySet, request: &Value) -> Option<BTreeSet<String>> {
    match decided(policies, request) {
        Decision::Allow(approved) => Some(approved.verdict().policies.iter().cloned().collect()),
        Decision::Deny(_) => None,
    }
}

/// Returns the policies that allow a request according to Cedar's authorizer, which evaluates all
/// policies for each account, with complete entities and contexts.
fn by_cedar(
    world: &World,
    policies: &[String],
    approvals: usize,
    request: &Value,
) -> Option<BTreeSet<String>> {
    let (schema, _) = Schema::from_cedarschema_str(builtin_schema()).unwrap();
    let set = cedar_policy::PolicySet::from_str(&text_of(policies)).unwrap();
    let text = |field: &str| request[field].as_str().unwrap();
    let full = world.entities(Some((text("image"), text("region"))));
    let entities = Entities::from_json_value(full, Some(&schema)).unwrap();
    let entity =
        |kind: &str, id: &str| -> EntityUid { format!("Share::{kind}::{id:?}").parse().unwrap() };
    let person = |name: &str| entity("Requester", &format!("jira/{name}"));
    let person_json = |name: &Value| json!({"__entity": uid("Requester", &format!("jira/{}", name.as_str().unwrap()))});
    let datetime = |at: &str| json!({"__extn": {"fn": "datetime", "arg": at}});
    let approvers = request["approvers"].as_array().unwrap();
    let ask = |principal: EntityUid, action: &str, context: Value| {
        let action = entity("Action", action);
        let context = Context::from_json_value(context, Some((&schema, &action))).unwrap();
        let resource = entity("Image", text("image"));
        let asked = Request::new(principal, action, resource, context, Some(&schema)).unwrap();
        let response = Authorizer::new().is_authorized(&asked, &set, &entities);
        let diagnostics = response.diagnostics();
        let fails = diagnostics.errors().count() > 0;
        let allows = !fails && response.decision() == CedarDecision::Allow;
        // Cedar names the policies itself: policy0, policy1 …
        let ids = diagnostics
            .reason()
            .map(|id| id.to_string().replace("policy", "p"));
        allows.then(|| ids.collect::<Vec<_>>())
    };
    let with_expiry = |mut context: Value| {
        if let Some(at) = request["expires_at"].as_str() {
            context["expires"] = datetime(at);
        }
        context
    };
    let accounts = request["accounts"].as_array().unwrap().iter();
    let mut all = BTreeSet::new();
    for account in accounts {
        let account = json!({"__entity": uid("Account", account.as_str().unwrap())});
        let ticket = json!({"id": text("ticket")});
        let may = ask(
            person(text("requester")),
            text("action"),
            with_expiry(json!({
                "account": account, "ticket": ticket, "now": datetime(NOW),
                "approvers": approvers.iter().map(person_json).collect::<Vec<_>>(),
            })),
        );
        all.extend(may?);
        let approve = |approver: &&Value| {
            ask(person(approver.as_str().unwrap()), "approve", json!({
                "requester": person_json(&request["requester"]), "action": "share", "account": account,
                "ticket": ticket, "now": datetime(NOW),
            })).is_some()
        };
        if text("action") == "share" && approvers.iter().filter(approve).count() < approvals {
            return None;
        }
    }
    Some(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn policies_decide_as_cedar_does_and_a_forbid_never_allows_more(
        world in world(),
        policies in vec(policy(), 1..6),
        more in policy(),
        approvals in 0_usize..3,
        requests in vec(request(), 8),
    ) {
        let set = load(&world, &policies, approvals);
        let packaged = load_as(&world, &policies, approvals, Some(stamp(set.digest())));
        prop_assert!(packaged.agrees_with(&set));
        let packaged = load_as(&world, &policies, approvals, Some(stamp(set.digest())));
        let forbidding = more.replacen("permit", "forbid", 1);
        let stricter = load(&world, &[policies.clone(), vec![forbidding]].concat(), approvals);
        for request in &requests {
            let ours = allowed(&set, request);
            let cedars = by_cedar(&world, &policies, approvals, request);
            prop_assert_eq!(&ours, &cedars, "{} under\n{}", request, text_of(&policies));
            let packaged = allowed(&packaged, request);
            prop_assert_eq!(&packaged, &cedars, "packaged: {} under\n{}", request, text_of(&policies));
            prop_assert!(ours.is_some() || allowed(&stricter, request).is_none(), "a forbid allowed {}", request);
        }
    }
}

/// Applies a plan to `seen`, as if the cloud had carried out every call.
fn carry_out(plan: &Plan, seen: &mut Observation) {
    let shares = seen.shares.get_or_insert_default();
    for stage in plan.stages() {
        match stage {
            Stage::Publish(_) => seen.blueprint = Some("lhbp-bbbbbbbb".parse().unwrap()),
            Stage::Unpublish(_) => seen.blueprint = None,
            Stage::Accounts {
                action, accounts, ..
            } => match action {
                Action::Share => shares.extend(accounts.iter().cloned()),
                Action::Cancel => shares.retain(|account| !accounts.contains(account)),
            },
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_plan_after_its_own_execution_is_empty(
        image in select(IMAGES.to_vec()),
        lighthouse in any::<bool>(),
        action in select(vec!["share", "cancel"]),
        named in subsequence(ACCOUNTS.to_vec(), 0..=3),
        had in subsequence(ACCOUNTS.to_vec(), 0..=3),
        published in any::<bool>(),
    ) {
        static ALLOWING: LazyLock<PolicySet> = LazyLock::new(|| {
            let world = World { teams: vec![vec![]; 3], golden: vec![], staging: vec![], ticketing: true };
            load(&world, &["permit (principal, action, resource);".to_owned()], 0)
        });
        let lighthouse = lighthouse && image.starts_with("img");
        prop_assume!(lighthouse || !named.is_empty());
        let request = json!({"action": action, "image": image, "region": "ap-singapore", "accounts": named,
            "lighthouse": lighthouse, "requester": "carol"});
        let Decision::Allow(approved) = decided(&ALLOWING, &request) else {
            panic!("the policy allows everything")
        };
        let blueprint = (lighthouse && published).then(|| "lhbp-aaaaaaaa".parse().unwrap());
        let without = lighthouse && blueprint.is_none();
        let had = had.iter().filter(|_| !without).map(|id| id.parse().unwrap()).collect();
        let mut seen = Observation { shares: Some(had), blueprint, readable: true, ..Observation::default() };
        let plan = Plan::of(&approved, &seen, &[], false);
        carry_out(&plan, &mut seen);
        let again = Plan::of(&approved, &seen, &[], false);
        prop_assert!(again.is_empty(), "{:?} after {:?} of {}", again, plan, request);
        prop_assert_eq!(again.settled().len(), approved.request().target.items().len());
    }
}
