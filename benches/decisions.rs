//! Measures decisions per second for requests of one and of ten accounts, by the number of policies
//! and by the number of accounts in a group. For comparison, measures Cedar's own authorizer too,
//! which evaluates each policy for each account. Writes `benches/results/decisions.json`.

#![allow(clippy::expect_used, clippy::indexing_slicing)] // A benchmark panics if it cannot start.

#[path = "setup/policies.rs"]
mod policies;

use std::path::Path;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Context, Entities, EntityUid, Request, Schema};
use policies::{FIRST_ACCOUNT, policy_files};
use serde_json::{Value, json};
use sharehook::domain::{Identity, ServedRegions, ShareRequest, Timestamp};
use sharehook::policy::{Decision, PolicyFiles, PolicySet, Question, SourceFacts, builtin_schema};

const NOW: &str = "2026-11-21T08:00:00Z";
/// The duration of one measurement.
const ENOUGH: Duration = Duration::from_secs(1);

fn main() {
    println!("policies  accounts  load      decisions/s of         the same by Cedar");
    println!("          in group  seconds   1 acc.     10 acc.     1 acc.     10 acc.");
    let mut rows = Vec::new();
    for (policies, group) in [
        (13, 10),
        (100, 10),
        (1_000, 10),
        (5_000, 10),
        (13, 1_000),
        (13, 100_000),
    ] {
        rows.push(measure(policies, group));
    }
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    std::fs::create_dir_all(&results).expect("a folder");
    let text = format!("{:#}\n", json!(rows));
    std::fs::write(results.join("decisions.json"), text).expect("a file");
}

fn measure(policies: usize, group: usize) -> Value {
    let files = policy_files(policies, group);
    let facts = SourceFacts {
        name: "jira".parse().expect("a name"),
        scheme: "jira".to_owned(),
        signed: true,
    };
    let begun = Instant::now();
    let set = PolicySet::load(&files, &[facts], 1).expect("policies");
    let load = begun.elapsed().as_secs_f64();
    let [one, ten] = [1, 10].map(|accounts| ours(&set, accounts));
    let cedar = Cedar::new(&files);
    let [cedar_one, cedar_ten] = [1, 10].map(|accounts| cedar.rate(accounts));
    println!(
        "{policies:>8}  {group:>8}  {load:>7.3}  {one:>7.0}     {ten:>7.0}    {cedar_one:>7.0}     {cedar_ten:>7.0}"
    );
    json!({"policies": policies, "accounts_in_group": group, "load_seconds": load, "decisions_per_second":
        {"one_account": one, "ten_accounts": ten}, "cedar_per_second": {"one_account": cedar_one, "ten_accounts": cedar_ten}})
}

fn rate(mut once: impl FnMut()) -> f64 {
    once();
    let (begun, mut done) = (Instant::now(), 0_u32);
    while begun.elapsed() < ENOUGH {
        once();
        done += 1;
    }
    f64::from(done) / begun.elapsed().as_secs_f64()
}

fn ours(set: &PolicySet, accounts: u64) -> f64 {
    let ids: Vec<String> = (0..accounts)
        .map(|n| (FIRST_ACCOUNT + n).to_string())
        .collect();
    let native = json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": ids,
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": "10d"});
    let request = ShareRequest::from_json(&native, &ServedRegions::default()).expect("a request");
    let identity = Identity {
        source: "jira".parse().expect("a name"),
        id: "CHG-1".to_owned(),
    };
    let now: Timestamp = NOW.parse().expect("an instant");
    let question = Question {
        identity: &identity,
        request: &request,
        now,
        approved_at: now,
    };
    rate(|| {
        let decision = set.decide(question);
        assert!(matches!(decision, Decision::Allow(_)), "{decision:?}");
    })
}

/// Cedar's own authorizer. It reads the entities once. For each account, it decides whether the
/// requester may share and whether the approver may approve.
struct Cedar {
    schema: Schema,
    policies: cedar_policy::PolicySet,
    entities: Entities,
}

impl Cedar {
    fn new(files: &PolicyFiles) -> Self {
        let (schema, _) = Schema::from_cedarschema_str(builtin_schema()).expect("a schema");
        let texts = files.policies.iter().map(|(_, text)| text.as_str());
        let text = texts.collect::<Vec<_>>().join("\n");
        let policies = text.parse().expect("policies");
        let json = files.entities.as_deref().expect("entities");
        let mut list: Vec<Value> = serde_json::from_str(json).expect("JSON");
        for entity in &mut list {
            complete(entity);
        }
        let entities = Entities::from_json_value(json!(list), Some(&schema)).expect("entities");
        Self {
            schema,
            policies,
            entities,
        }
    }

    fn rate(&self, accounts: u64) -> f64 {
        let bob = json!({"__entity": {"type": "Share::Requester", "id": "jira/bob@example.com"}});
        let alice =
            json!({"__entity": {"type": "Share::Requester", "id": "jira/alice@example.com"}});
        let at = |instant: &str| json!({"__extn": {"fn": "datetime", "arg": instant}});
        rate(|| {
            for n in 0..accounts {
                let id = (FIRST_ACCOUNT + n).to_string();
                let account = json!({"__entity": {"type": "Share::Account", "id": id}});
                let share = json!({"account": account, "ticket": {"id": "CHG-1"}, "now": at(NOW),
                    "approvers": [bob], "expires": at("2026-12-01T08:00:00Z")});
                let approve = json!({"account": account, "ticket": {"id": "CHG-1"}, "now": at(NOW),
                    "requester": alice, "action": "share"});
                assert!(self.allows("alice@example.com", "share", share));
                assert!(self.allows("bob@example.com", "approve", approve));
            }
        })
    }

    fn allows(&self, person: &str, action: &str, context: Value) -> bool {
        let uid = |text: String| -> EntityUid { text.parse().expect("a uid") };
        let action = uid(format!("Share::Action::{action:?}"));
        let context = Context::from_json_value(context, Some((&self.schema, &action)));
        let request = Request::new(
            uid(format!("Share::Requester::\"jira/{person}\"")),
            action,
            uid("Share::Image::\"lhbp-6jc6l8yb\"".to_owned()),
            context.expect("a context"),
            Some(&self.schema),
        );
        let request = request.expect("a request");
        let answer = Authorizer::new().is_authorized(&request, &self.policies, &self.entities);
        answer.decision() == cedar_policy::Decision::Allow
    }
}

/// Adds the attributes that the policy directory may leave out.
fn complete(entity: &mut Value) {
    let kind = entity["uid"]["type"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let id = entity["uid"]["id"].as_str().unwrap_or_default().to_owned();
    let attrs = &mut entity["attrs"];
    match kind.as_str() {
        "Share::Source" => *attrs = json!({"scheme": "jira", "signed": true}),
        "Share::Requester" => {
            let (source, person) = id.split_once('/').unwrap_or_default();
            attrs["source"] = json!({"__entity": {"type": "Share::Source", "id": source}});
            if person.contains('@') {
                attrs["email"] = json!(person);
            }
        }
        "Share::Image" if attrs.get("region").is_none() => attrs["region"] = json!("ap-singapore"),
        _ => {}
    }
}
