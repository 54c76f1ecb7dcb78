//! `fetch` with `preset = "http"`: a signed event names a ticket, due work fetches the ticket, and
//! the ticket decides. Runs against a stand-in for the ticket system.

use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{Answer, CaseInput, Check, Delivery, Ending, Headers, Prepared, Reply, Via};
use sharehook::config::{AwsSecrets, Config, Fetch, Vars};
use sharehook::domain::{Identity, Status, Timestamp};
use sharehook::inbound::{SchemeSpec, seal};
use sharehook::journal::StreamId;

use crate::support::approvals::{SHARED, records};
use crate::support::process::Process;
use crate::support::service::Site;
use crate::support::stops::killed_anywhere;
use crate::support::tickets::{Tickets, sample};
use crate::support::{BLUEPRINT, World, deadline, http, request, variables};

const SECRET: &str = "ZENDESK_TICKET_WEBHOOK_SECRET";
/// The value of the `Authorization` header for the sample's login.
const LOGIN: &str = "Basic c2hhcmVob29rQGV4YW1wbGUuY29tL3Rva2VuOmEtbG9jYWwtYXBpLXRva2VuLTAwMDE=";
const PATH: &str = "GET /http/api/v2/tickets/35436.json";

async fn world(api: &Tickets) -> World {
    let mut world = World::new().await;
    world.set_variable("SHAREHOOK_FETCH_ENDPOINT", &api.url);
    world.add_source("zendesk-ticket");
    world.configure("");
    world.reset().await;
    world
}

fn signed(event: &Value, now: Timestamp) -> (Headers, bytes::Bytes) {
    let spec: SchemeSpec = "zendesk".parse().unwrap();
    let secret = SecretString::from(variables()[SECRET].clone());
    let body = event.to_string().into_bytes();
    // Zendesk sends this id but does not sign it.
    seal(&spec, &secret, &[], body, "an-id", now).unwrap()
}

fn delivery(event: &Value, now: Timestamp) -> Delivery {
    let (headers, body) = signed(event, now);
    Delivery {
        source: "zendesk-ticket".parse().unwrap(),
        via: Via::Http(headers),
        body,
    }
}

async fn receive(world: &World, event: &Value) -> (Ending, Answer) {
    match world
        .app
        .receive(delivery(event, world.now()), deadline())
        .await
    {
        Reply::Answers(mut answers) if answers.len() == 1 => answers.remove(0),
        other => panic!("not one answer: {other:?}"),
    }
}

fn event() -> Value {
    sample()["event"].clone()
}

fn event_with(more: &Value) -> Value {
    let mut event = event();
    let more = more.as_object().unwrap().clone();
    event.as_object_mut().unwrap().extend(more);
    event
}

async fn journal(world: &World) -> String {
    let mut all = String::new();
    for stream in world.journal.streams().await.unwrap() {
        let history = world.journal.read(stream).await.unwrap().unwrap();
        for stored in history.records {
            all += &serde_json::to_string(&stored.record).unwrap();
        }
    }
    all
}

#[tokio::test]
async fn a_ticket_shares_what_it_says_and_acts_once() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.put(|_| ());
    let (ending, answer) = receive(&world, &event()).await;
    assert_eq!((ending, answer.status), (Ending::Pending, Status::Pending));
    assert_eq!(api.asked(), [], "nothing is fetched before the answer");
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    assert_eq!(api.asked(), [(PATH.to_owned(), LOGIN.to_owned())]);
    // Repeat the event at once, and with new signatures a minute and a day later. Then send a
    // different event.
    receive(&world, &event()).await;
    for seconds in [60, 86_400] {
        world.advance(seconds);
        receive(&world, &event()).await;
        world.sweep().await;
    }
    api.put(|ticket| ticket["ticket"]["updated_at"] = "2026-11-23T08:00:00Z".into());
    let more = json!({"ticket": 35436, "by": 235_323, "note": "x"});
    receive(&world, &event_with(&more)).await;
    world.sweep().await;
    assert!(world.effects().values().all(|times| *times == 1));
    let types = records(&world).await;
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    assert_eq!((count("opened"), count("conflict")), (1, 0), "{types:?}");
    assert_eq!(count("received"), count("settled"), "{types:?}");
    world.verify().await.unwrap();
}

#[tokio::test]
async fn nothing_that_the_event_says_of_an_approval_counts() {
    let api = Tickets::start().await;
    let mut world = world(&api).await;
    let unapproved =
        |ticket: &mut Value| ticket["ticket"]["custom_fields"][6]["value"] = Value::Null;
    let own = |ticket: &mut Value| ticket["ticket"]["requester_id"] = 235_323.into();
    let unchanged = |_: &mut Value| ();
    let whole = sample();
    let ticket = &whole["instance"]["ticket"];
    let words = event_with(&json!({"approved_by": "235323", "approvers": ["235323"],
        "instance": {"ticket": ticket}, "custom_fields": ticket["custom_fields"]}));
    let other = event_with(&json!({"by": "20978392"}));
    type Change = fn(&mut Value);
    let changes: [(Change, &Value); 3] = [(unapproved, &words), (own, &words), (unchanged, &other)];
    for (change, event) in changes {
        world.reset().await;
        api.put(change);
        receive(&world, event).await;
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{event}");
    }
    // An event about something else names no ticket.
    api.asked();
    let (ending, answer) = receive(&world, &json!({"comment": 1})).await;
    assert_eq!((ending, answer.status), (Ending::Done, Status::Ignored));
    world.sweep().await;
    assert_eq!(api.asked(), []);
}

/// An event may contain only that a ticket changed, so two different changes can cause events with
/// the same bytes.
#[tokio::test]
async fn an_event_is_worth_a_look_although_the_same_one_was_worked_off() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.put(|ticket| ticket["ticket"]["custom_fields"][6]["value"] = Value::Null);
    receive(&world, &event()).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    // The ticket is changed twice within the same second. The second change approves it.
    let (_, answer) = receive(&world, &event()).await;
    assert!(!answer.duplicate);
    world.sweep().await;
    assert_eq!(api.asked().len(), 2, "one fetch for each of the two events");
    api.put(|_| ());
    let (_, answer) = receive(&world, &event()).await;
    assert!(!answer.duplicate);
    // Further repetitions within the same second cause no fetch of their own.
    for _ in 0..20 {
        let (_, answer) = receive(&world, &event()).await;
        assert!(answer.duplicate);
    }
    world.sweep().await;
    assert_eq!(api.asked(), [], "the next fetch waits for its second");
    world.advance(2);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn killed_anywhere_it_goes_on_and_shares_once() {
    let api = Tickets::start().await;
    api.put(|_| ());
    let worlds = [world(&api).await, world(&api).await];
    let met = killed_anywhere(worlds, &SHARED, async |world| {
        receive(world, &event()).await;
    });
    let met = met.await;
    assert!(met >= 12, "only {met} places");
}

#[tokio::test]
async fn a_ticket_that_cannot_be_read_for_an_hour_is_shared_later() {
    let api = Tickets::start().await;
    let mut world = world(&api).await;
    let huge = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    let other = json!({"ticket": {"id": 35_437}});
    let login = "<html>\"sharehook@example.com/token:a-local-api-token-0001\"";
    for (status, body, says) in [
        (503, "{}".to_owned(), "HTTP 503"),
        (429, "{}".to_owned(), "HTTP 429"),
        (401, login.to_owned(), "HTTP 401; check `auth` of `fetch`"),
        (403, "{}".to_owned(), "HTTP 403; check `auth` of `fetch`"),
        (404, "{}".to_owned(), "HTTP 404; check `url` of `fetch`"),
        (200, login.to_owned(), "not with JSON"),
        (200, huge, "more than 4194304 bytes"),
        (200, other.to_string(), "the answer is not ticket 35436"),
        (
            200,
            "{}".to_owned(),
            "`instance_id` of `fetch` yields nothing",
        ),
    ] {
        world.reset().await;
        api.answer(status, &body);
        receive(&world, &event()).await;
        world.sweep().await;
        let kept = journal(&world).await;
        assert!(kept.contains(says), "{says}: {kept}");
        assert!(!kept.contains("a-local-api-token"), "{says}");
        // All errors are retried in the same way, so only one of them lasts an hour.
        let sweeps = if status == 503 { 12 } else { 1 };
        for _ in 0..sweeps {
            world.sweep().await;
            world.advance(300);
        }
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{says}");
        let asked = api.asked().len();
        assert!(
            asked <= 12 && (sweeps == 1 || asked >= 5),
            "{says}: {asked} GETs"
        );
        api.put(|_| ());
        world.advance(900);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{says}");
        world.verify().await.unwrap();
        api.asked();
    }
}

/// The first GET fails, and a cancel is approved and carried out before the second one.
#[tokio::test]
async fn a_ticket_that_is_read_after_a_later_cancel_is_called_off() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.answer(503, "{}");
    receive(&world, &event()).await;
    world.sweep().await;
    world.advance(60);
    let cancel = json!({"action": "cancel", "accounts": SHARED, "expires_in": null});
    let (ending, answer) = world.deliver(&request("C-1", cancel)).await;
    assert_eq!(ending, Ending::Done, "{answer:?}");
    api.put(|_| ());
    world.advance(900);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    let types = records(&world).await;
    assert!(types.contains(&"called_off".to_owned()), "{types:?}");
    world.verify().await.unwrap();
}

/// docs/senders/http.md says what follows from this.
#[tokio::test]
async fn a_ticket_is_dated_by_the_event_whose_fetch_finds_it_approved() {
    let api = Tickets::start().await;
    let mut world = world(&api).await;
    let approved_at = async |world: &World| {
        let id = Identity::new(&"zendesk-ticket".parse().unwrap(), "35436/share");
        let history = world
            .journal
            .read(StreamId::of(&id))
            .await
            .unwrap()
            .unwrap();
        history.stream_state.state().unwrap().approved_at()
    };
    // The event comes before the approval, but its ticket is read after it.
    api.answer(503, "{}");
    receive(&world, &event()).await;
    let before = world.now();
    world.sweep().await;
    api.put(|_| ());
    world.advance(300);
    world.sweep().await;
    receive(&world, &event_with(&json!({"note": "the approval"}))).await;
    world.sweep().await;
    assert_eq!(approved_at(&world).await, before);
    // The event of the approval gets lost, and another one comes much later.
    world.reset().await;
    world.advance(400 * 86_400);
    receive(&world, &event_with(&json!({"note": "a comment"}))).await;
    let after = world.now();
    world.advance(300);
    world.sweep().await;
    assert_eq!(approved_at(&world).await, after);
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// The first GET fails. Before the second one, the ticket is edited.
#[tokio::test]
async fn what_is_edited_after_the_approval_is_not_shared() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.answer(404, "{}");
    receive(&world, &event()).await;
    world.sweep().await;
    let accounts = json!("700000000011, 700000000012, 1038493875");
    api.put(|ticket| ticket["ticket"]["custom_fields"][2]["value"] = accounts.clone());
    world.advance(10);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    let kept = journal(&world).await;
    let why = "field 360000000003 changed after the approval";
    assert!(kept.contains(why), "{kept}");
    // The approver approves what the ticket says now.
    let mut again = event();
    again["fields"]["360000000003"] = accounts;
    receive(&world, &again).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT).len(), 3);
}

#[tokio::test]
async fn a_ticket_that_is_gone_is_given_up_after_five_attempts() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.answer(410, "{}");
    receive(&world, &event()).await;
    let settled = "settled".to_owned();
    for _ in 0..4 {
        world.sweep().await;
        world.advance(600);
    }
    assert!(!records(&world).await.contains(&settled));
    world.sweep().await;
    assert!(records(&world).await.contains(&settled));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let api = Tickets::start().await;
    let target = Tickets::start().await;
    target.put(|_| ());
    let world = world(&api).await;
    let elsewhere = format!("{}/http/ticket", target.url);
    for to in ["/http/api/v2/tickets/1.json", &elsewhere] {
        api.redirect(to);
        receive(&world, &event()).await;
        world.sweep().await;
        let asked = api.asked();
        assert!(
            asked.iter().all(|(path, _)| path == PATH),
            "{to}: {asked:?}"
        );
        assert!(!asked.is_empty(), "{to}");
        assert_eq!(target.asked(), [], "{to}");
        world.advance(60);
    }
    let kept = journal(&world).await;
    assert!(kept.contains("redirects are not followed"), "{kept}");
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
}

#[tokio::test]
async fn an_id_that_could_lead_elsewhere_is_refused_on_record() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.put(|_| ());
    let hostile = [
        json!("../users/1"),
        json!(".."),
        json!("35436/../35437"),
        json!("35436%2f..%2f35437"),
        json!("35436?x=1"),
        json!("35436#x"),
        json!("35436@evil.example"),
        json!("35436\r\nhost: evil.example"),
        json!("3".repeat(5_000)),
        json!(""),
        json!(1.5),
        json!(["35436"]),
    ];
    for id in &hostile {
        let event = json!({"ticket": id, "by": "235323"});
        let delivery = delivery(&event, world.now());
        match world.app.receive(delivery, deadline()).await {
            Reply::Invalid(problems) => {
                let text = problems.to_string();
                assert!(text.starts_with("fetch.id: "), "{id}: {text}");
                assert!(text.len() < 400, "{text}");
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    world.sweep().await;
    assert_eq!(api.asked(), []);
    assert_eq!(records(&world).await, vec!["rejected"; hostile.len()]);
}

/// Slack's address for an answer and the token of a task are only kept in memory.
#[tokio::test]
async fn what_answers_an_event_is_not_on_record() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    api.put(|_| ());
    let (url, token) = (
        "https://hooks.slack.com/a-secret-address",
        "a-task-token-0001",
    );
    let text = format!("{{\"again\":\"{token}\"}}");
    let event = event_with(&json!({"response_url": url, "taskToken": token, "text": text}));
    receive(&world, &event).await;
    world.sweep().await;
    let kept = journal(&world).await;
    assert!(kept.contains("(hidden)"), "{kept}");
    assert!(!kept.contains(url) && !kept.contains(token), "{kept}");
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// A source with its own scheme and map: a static token, a header as login, and an id in the query.
#[tokio::test]
async fn an_unsigned_sender_can_fetch_with_a_map_of_its_own() {
    let api = Tickets::start().await;
    let mut world = world(&api).await;
    std::fs::write(
        world.folder.path().join("own.jq"),
        ".instance | {action: \"share\", image, region, accounts, requester, approvers, ticket: .key}",
    )
    .unwrap();
    world.configure(
        "[[source]]\nname = \"desk\"\nscheme = \"bearer\"\nsecrets = [\"env:HELPDESK_TOKEN\"]\nmap = \"own.jq\"\n\
         fetch = { preset = \"http\", url = \"https://desk.example/rest?issue={id}&x=1\", id = \".issue.key\", \
         instance_id = \".key\", auth = { header = \"X-Api-Key\", value = \"env:OPSGENIE_TOKEN\" } }\n",
    );
    world.change_entities(|text| text.replace("helpdesk", "desk"));
    api.answer(
        200,
        json!({"key": "OPS-12", "image": BLUEPRINT, "region": "ap-singapore", "accounts": ["700000000201"],
            "requester": "alice@example.com", "approvers": ["bob@example.com"]}),
    );
    let token = format!("Bearer {}", variables()["HELPDESK_TOKEN"]);
    let send = async |world: &World, body: &str| {
        let headers = [
            ("authorization", token.clone()),
            ("content-type", "application/json".to_owned()),
        ];
        let delivery = Delivery {
            source: "desk".parse().unwrap(),
            via: Via::Http(Headers::new(headers)),
            body: body.to_owned().into(),
        };
        world.app.receive(delivery, deadline()).await
    };
    // Both events lead to the same request: the map returns no id, so the ticket's own id
    // identifies the request.
    for _ in 0..2 {
        send(&world, "{\"issue\":{\"key\":\"OPS-12\"}}").await;
        world.sweep().await;
        world.advance(5);
    }
    let paths: Vec<String> = api.asked().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["GET /http/rest?issue=OPS-12&x=1"; 2]);
    assert_eq!(world.has(BLUEPRINT), ["700000000201"]);
    assert!(world.effects().values().all(|times| *times == 1));
    let types = records(&world).await;
    let opened = types.iter().filter(|kind| *kind == "opened").count();
    assert_eq!(opened, 1, "{types:?}");
    let reply = send(&world, "{\"issue\"").await;
    assert!(matches!(reply, Reply::Unreadable(_)), "{reply:?}");
}

#[tokio::test]
async fn doctor_tries_the_address_and_says_what_is_not_found() {
    let api = Tickets::start().await;
    let world = world(&api).await;
    let findings = world.app.examine().await;
    let mut texts = findings
        .iter()
        .filter(|one| one.check == Check::Fetch)
        .map(|one| format!("{} {}", one.health, one.text));
    let found = texts.find(|text| text.contains("zendesk-ticket")).unwrap();
    assert!(
        found.starts_with("ok zendesk-ticket: the ticket system answers HTTP 404"),
        "{found}"
    );
    assert!(
        found.contains("withdrawals, and approvals whose event was lost, are not found"),
        "{found}"
    );
    assert_eq!(api.asked(), [("HEAD /http".to_owned(), String::new())]);
}

#[tokio::test]
async fn a_case_needs_an_event_and_the_ticket_that_it_names() {
    let config = |name: &str| {
        let folder = env!("CARGO_MANIFEST_DIR");
        let file = format!("{folder}/{name}");
        let text = std::fs::read_to_string(&file).unwrap();
        Config::read(&file, &text, &variables(), &AwsSecrets::new()).unwrap()
    };
    let prepared = Prepared::new(config("sharehook.local.toml")).unwrap();
    let run = |case: Value| {
        prepared.try_case(CaseInput {
            source: "zendesk-ticket",
            body: case.to_string().into_bytes(),
            now: "2026-11-02T08:00:00Z".parse().unwrap(),
        })
    };
    assert_eq!(run(sample()).unwrap()[0].decision, "allow");
    let mut other = sample();
    other["instance"]["ticket"]["id"] = 1.into();
    for (case, says) in [
        (other, "is not ticket"),
        (json!({"instance": sample()["instance"]}), "write both, as"),
        (event(), "write both, as"),
        (
            json!({"event": {"ticket": "../1"}, "instance": {}}),
            "is not an id",
        ),
    ] {
        let error = run(case).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

/// A rotated login and a rotated app secret are used without a restart.
#[test]
fn a_secret_of_fetch_is_renewed_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        crate::support::secrets::write(&folder.path().join(name), text);
    };
    write("login", "svc:the-first-password-0001");
    write("app", "the-first-app-secret-0001");
    std::fs::write(folder.path().join("own.jq"), "empty").unwrap();
    let text = "journal = \"memory:\"\npolicy = \"policy\"\n[cloud]\nsite = \"intl\"\n\
        [[source]]\nname = \"a\"\nscheme = \"jira\"\nsecrets = [\"env:S\"]\nmap = \"own.jq\"\n\
        fetch = { preset = \"http\", url = \"https://a.example/{id}\", id = \".id\", instance_id = \".id\", auth = { basic = \"file:login\" } }\n\
        [[source]]\nname = \"b\"\nscheme = \"lark\"\nsecrets = [\"env:S\"]\nmap = \"own.jq\"\n\
        fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"file:app\", definitions = [\"D\"] }\n";
    let vars = Vars::from([("S".to_owned(), "a-secret-of-this-test-only-0001".to_owned())]);
    let file = folder.path().join("sharehook.toml");
    std::fs::write(&file, text).unwrap();
    let mut config = Config::load(&file, &vars, &AwsSecrets::new()).unwrap();
    write("login", "svc:the-second-password-0002");
    write("app", "the-second-app-secret-0002");
    for reference in config.clone().changing_secrets() {
        let secret = config.read_secret_again(reference, &AwsSecrets::new());
        config = config.with_secrets([secret.unwrap()], &vars).unwrap();
    }
    let [a, b] = &config.sources[..] else {
        panic!("two sources")
    };
    let (Some(Fetch::Ticket(ticket)), Some(Fetch::App(app))) = (&a.fetch, &b.fetch) else {
        panic!("not as written")
    };
    let (_, login) = ticket.auth.header().unwrap();
    // This is the login svc:the-second-password-0002.
    assert_eq!(login, "Basic c3ZjOnRoZS1zZWNvbmQtcGFzc3dvcmQtMDAwMg==");
    assert_eq!(app.app_secret.expose_secret(), "the-second-app-secret-0002");
}

/// The server answers at once, in the sender's format. It shares the image after it has received
/// the ticket.
#[tokio::test]
async fn a_server_answers_at_once_while_the_ticket_system_is_slow() {
    let api = Tickets::start().await;
    api.put(|_| ());
    api.slow(Duration::from_secs(4));
    let options = sharehook_sandbox::SandboxOptions::seeded(sharehook::clock::system_now);
    let site = Site::new(options, |folder| {
        let shipped = include_str!("../../sharehook.local.toml");
        let source = shipped
            .split("[[source]]")
            .find(|one| one.contains("zendesk-ticket"));
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n[[source]]{}", source.unwrap())).unwrap();
    })
    .await;
    let mut command = site.command();
    for (name, value) in variables() {
        if name.starts_with("ZENDESK_TICKET") {
            command.env(name, value);
        }
    }
    command.env("SHAREHOOK_FETCH_ENDPOINT", &api.url);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::serving(&mut command);
    let (headers, body) = signed(&event(), sharehook::clock::system_now());
    let headers: Vec<(String, String)> = headers
        .names()
        .map(|name| {
            (
                name.to_owned(),
                headers.one(name).unwrap().unwrap().to_owned(),
            )
        })
        .collect();
    let begun = Instant::now();
    let answer = http::send(
        &process.url,
        "POST",
        "/hooks/zendesk-ticket",
        &headers,
        body,
    )
    .await
    .unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (202, &json!("pending"))
    );
    let mut waited = 0;
    while site.blueprint_accounts(BLUEPRINT) != SHARED {
        assert!(waited < 200, "not shared");
        waited += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(api.asked(), [(PATH.to_owned(), LOGIN.to_owned())]);
}

/// Some fields of the event have names or texts that look like those of a secret.
#[tokio::test]
async fn an_event_keeps_its_form_whatever_its_secrets_are() {
    for (token, kept) in [
        ("5", "5"),
        ("ticket", "ticket"),
        ("a-task-\"sesame\"-\\0001", "(hidden)"),
    ] {
        let api = Tickets::start().await;
        let world = world(&api).await;
        api.put(|_| ());
        let message = json!({"TaskToken": token}).to_string();
        let event = event_with(&json!({"snow_task_token": token, "text": message}));
        receive(&world, &event).await;
        world.sweep().await;
        let journal = journal(&world).await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{token}: {journal}");
        let field = format!("\"snow_task_token\":\"{kept}\"");
        assert!(journal.contains(&field), "{token}: {journal}");
        assert!(!journal.contains("sesame"), "{token}: {journal}");
    }
}
