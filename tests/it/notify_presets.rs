//! Tests each preset of `[[notify]]` against a stand-in that follows the system's documentation:
//! with a completed request, a denied one, an overdue share, and a lost answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use sharehook::app::{App, Delivery, NotificationStatus, Via};
use sharehook::inbound::{Headers, SchemeName, SchemeSpec, sign};

use crate::support::notification_receiver::{Handling, NotificationReceiver, Seen};
use crate::support::secrets;
use crate::support::store::Break;
use crate::support::{ACCOUNTS, STRANGER, World, deadline, request};

/// An id that contains the markup, mentions and commands of several systems.
const HOSTILE: &str =
    "h @octocat <!channel> [~admin] *b* #1 !1 GH-26 <b>x</b> https://evil.example {{x}} [code]";
/// A part of [`HOSTILE`] that a system would make a link.
const LINK: &str = "https://evil";
const TOKEN: &str = "test-only-token-0123456789";
const TASK_TOKEN: &str = "AAAAKgAAAAIAAAAAAAAAAtest-only-task-token";

/// A ticket system: the settings of its `[[notify]]`, a ticket and an id for share requests, and a
/// function that plays the system's HTTP API.
struct System {
    preset: &'static str,
    settings: &'static str,
    ticket: &'static str,
    id: &'static str,
    interpret: fn(&Seen) -> Handling,
    /// Whether the program reads the existing notes before it writes a note again.
    reads_notes_first: bool,
    /// Texts that no note may contain.
    forbidden: &'static [&'static str],
}

/// The key in a bot's address. `SIGNING` is the secret that signs.
const BOT: &str = "0123456789abcdef-bot";
const SIGNING: &str = "SECfedcba9876543210";
const SIGNED_BOT: &str = "secret = \"file:bot\"";
const BEARER: &str = "auth = { bearer = \"file:token\" }";
const BASIC: &str = "auth = { basic = \"file:login\" }";

const SYSTEMS: [System; 13] = [
    System {
        preset: "jira",
        settings: "auth = { basic = \"file:login\" }\ntransitions = { completed = \"31\" }",
        ticket: "SHARE-101",
        id: HOSTILE,
        interpret: jira,
        reads_notes_first: true,
        forbidden: &[" [~admin", " {{x", " *b*", LINK],
    },
    System {
        preset: "servicenow",
        settings: BASIC,
        ticket: "RITM0010023",
        id: HOSTILE,
        interpret: servicenow,
        reads_notes_first: true,
        forbidden: &["[code]", LINK],
    },
    System {
        preset: "zendesk",
        settings: BASIC,
        ticket: "35436",
        id: HOSTILE,
        interpret: zendesk,
        reads_notes_first: true,
        forbidden: &["<b>", "<!", LINK],
    },
    System {
        preset: "freshservice",
        settings: BASIC,
        ticket: "SR-482",
        id: HOSTILE,
        interpret: freshservice,
        reads_notes_first: true,
        forbidden: &["<b>", "<!", LINK],
    },
    System {
        preset: "github",
        settings: BEARER,
        ticket: "acme/infra#12",
        id: HOSTILE,
        interpret: github,
        reads_notes_first: true,
        forbidden: &["@octocat", " *b*", "#1", "GH-26", LINK, " <b>"],
    },
    System {
        preset: "gitlab",
        settings: "auth = { header = \"PRIVATE-TOKEN\", value = \"file:token\" }",
        ticket: "platform/image-requests#23",
        id: HOSTILE,
        interpret: gitlab,
        reads_notes_first: true,
        forbidden: &["@octocat", " *b*", "#1", "!1", LINK, " <b>"],
    },
    System {
        preset: "slack",
        settings: BEARER,
        ticket: "<!channel>",
        id: "T061EG9RZ/C061EG9SL/1793602438.000500/<@U061F1EUR>",
        interpret: slack,
        reads_notes_first: false,
        forbidden: &["<!", "<@"],
    },
    System {
        preset: "pagerduty",
        settings: "auth = { bearer = \"file:token\" }\nuser = \"bot@example.com\"",
        ticket: "PGR0VU2",
        id: HOSTILE,
        interpret: pagerduty,
        reads_notes_first: true,
        forbidden: &[LINK],
    },
    System {
        preset: "linear",
        settings: BEARER,
        ticket: "IMG-31",
        id: HOSTILE,
        interpret: linear,
        reads_notes_first: true,
        forbidden: &["@octocat", " *b*", " <b>", LINK],
    },
    System {
        preset: "opsgenie",
        settings: BEARER,
        ticket: "1791",
        id: "052652ac-5d1c-464a-812a-7dd18bbfba8c/bob@example.com",
        interpret: opsgenie,
        reads_notes_first: true,
        forbidden: &[],
    },
    System {
        preset: "feishu-bot",
        settings: SIGNED_BOT,
        ticket: "<at user_id=\"all\"></at>",
        id: HOSTILE,
        interpret: feishu_bot,
        reads_notes_first: false,
        forbidden: &["<", LINK],
    },
    System {
        preset: "dingtalk-bot",
        settings: SIGNED_BOT,
        ticket: "@all",
        id: HOSTILE,
        interpret: dingtalk_bot,
        reads_notes_first: false,
        forbidden: &[LINK],
    },
    System {
        preset: "wecom-bot",
        settings: "secret = \"file:token\"",
        ticket: "<@all>",
        id: HOSTILE,
        interpret: wecom_bot,
        reads_notes_first: false,
        forbidden: &["<", LINK],
    },
];

fn basic(seen: &Seen) -> bool {
    use base64::Engine as _;
    let token = base64::engine::general_purpose::STANDARD.encode(format!("svc:{TOKEN}"));
    seen.header("authorization") == format!("Basic {token}")
}

/// The operations of Jira's REST API v2: add a comment, list comments, make a transition.
fn jira(seen: &Seen) -> Handling {
    match (&*seen.method, &*seen.path) {
        _ if !basic(seen) => Handling::Refused(401),
        ("POST", "/rest/api/2/issue/SHARE-101/comment") => Handling::Note(seen.text("/body"), 201),
        ("POST", "/rest/api/2/issue/SHARE-101/transitions") => {
            Handling::Change(seen.text("/transition/id"), 204)
        }
        ("GET", "/rest/api/2/issue/SHARE-101/comment?orderBy=-created&maxResults=50") => {
            Handling::Notes
        }
        _ => Handling::Refused(404),
    }
}

/// ServiceNow's Table API: finds the task's sys_id by its number, then updates that record.
fn servicenow(seen: &Seen) -> Handling {
    const TASK: &str = "/api/now/table/task/8d3c1b2f47a2021042f0ad2c3a1e9b77";
    let find = "/api/now/table/task?sysparm_query=number%3DRITM0010023&sysparm_fields=sys_id&sysparm_limit=1";
    match (&*seen.method, &*seen.path) {
        _ if !basic(seen) => Handling::Refused(401),
        ("GET", path) if path == find => {
            Handling::Answer(json!({"result": [{"sys_id": "8d3c1b2f47a2021042f0ad2c3a1e9b77"}]}))
        }
        ("PATCH", TASK) => Handling::Note(seen.text("/work_notes"), 200),
        ("GET", path) if path.starts_with(TASK) => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// Zendesk's Ticketing API: a comment is part of an update of the ticket.
fn zendesk(seen: &Seen) -> Handling {
    let private = seen.body.pointer("/ticket/comment/public") == Some(&json!(false));
    match (&*seen.method, &*seen.path) {
        _ if !basic(seen) => Handling::Refused(401),
        ("PUT", "/api/v2/tickets/35436.json") if private => {
            Handling::Note(seen.text("/ticket/comment/html_body"), 200)
        }
        ("GET", "/api/v2/tickets/35436/comments.json?sort_order=desc") => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// Freshservice's API v2: notes of a ticket, and its conversations.
fn freshservice(seen: &Seen) -> Handling {
    match (&*seen.method, &*seen.path) {
        _ if !basic(seen) => Handling::Refused(401),
        ("POST", "/api/v2/tickets/482/notes") if seen.body["private"] == true => {
            Handling::Note(seen.text("/body"), 201)
        }
        ("GET", "/api/v2/tickets/482/conversations?per_page=100") => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// GitHub's REST API 2022-11-28: comments of an issue. Every request needs a User-Agent.
fn github(seen: &Seen) -> Handling {
    const COMMENTS: &str = "/repos/acme/infra/issues/12/comments";
    match (&*seen.method, &*seen.path) {
        _ if seen.header("authorization") != format!("Bearer {TOKEN}") => Handling::Refused(401),
        _ if seen.header("user-agent").is_empty() => Handling::Refused(403),
        ("POST", COMMENTS) => Handling::Note(seen.text("/body"), 201),
        ("GET", path) if path.starts_with(COMMENTS) && path.contains("since=20") => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// GitLab's REST API v4: notes of an issue. The path of the project is percent-encoded.
fn gitlab(seen: &Seen) -> Handling {
    const NOTES: &str = "/api/v4/projects/platform%2Fimage-requests/issues/23/notes";
    match (&*seen.method, &*seen.path) {
        _ if seen.header("private-token") != TOKEN => Handling::Refused(401),
        ("POST", NOTES) if seen.body["internal"] == true => Handling::Note(seen.text("/body"), 201),
        ("GET", path) if path.starts_with(NOTES) => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// Slack's Web API: every answer has status 200, and its field `ok` reports success.
fn slack(seen: &Seen) -> Handling {
    match (&*seen.method, &*seen.path) {
        ("POST", "/response") => Handling::Note(format!("response: {}", seen.text("/text")), 200),
        _ if seen.header("authorization") != format!("Bearer {TOKEN}") => {
            Handling::Answer(json!({"ok": false, "error": "invalid_auth"}))
        }
        ("POST", "/api/chat.postMessage") => {
            let place = (seen.text("/channel"), seen.text("/thread_ts"));
            assert_eq!(place, ("C061EG9SL".into(), "1793602438.000500".into()));
            Handling::Note(seen.text("/text"), 200)
        }
        _ => Handling::Refused(404),
    }
}

/// PagerDuty's REST API v2: a note of an incident, in the name of the user in the header `From`.
fn pagerduty(seen: &Seen) -> Handling {
    let version = seen.header("accept") == "application/vnd.pagerduty+json;version=2";
    match (&*seen.method, &*seen.path) {
        _ if seen.header("authorization") != format!("Token token={TOKEN}") => {
            Handling::Refused(401)
        }
        _ if !version => Handling::Refused(406),
        ("POST", "/incidents/PGR0VU2/notes") if seen.header("from") == "bot@example.com" => {
            Handling::Note(seen.text("/note/content"), 201)
        }
        ("GET", "/incidents/PGR0VU2/notes") => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

/// Linear's GraphQL API has one address. A personal key is the whole `Authorization` header.
fn linear(seen: &Seen) -> Handling {
    let query = seen.text("/query");
    match (&*seen.method, &*seen.path) {
        _ if seen.header("authorization") != TOKEN => Handling::Refused(401),
        ("POST", "/graphql") if query.starts_with("mutation") => {
            assert_eq!(seen.text("/variables/input/issueId"), "IMG-31");
            Handling::Note(seen.text("/variables/input/body"), 200)
        }
        ("POST", "/graphql") if seen.text("/variables/id") == "IMG-31" => Handling::Notes,
        _ => Handling::Refused(400),
    }
}

/// Opsgenie's Alert API answers 202, and does the work later.
fn opsgenie(seen: &Seen) -> Handling {
    const NOTES: &str = "/v2/alerts/052652ac-5d1c-464a-812a-7dd18bbfba8c/notes?identifierType=id";
    match (&*seen.method, &*seen.path) {
        _ if seen.header("authorization") != format!("GenieKey {TOKEN}") => Handling::Refused(401),
        ("POST", NOTES) => Handling::Note(seen.text("/note"), 202),
        ("GET", path) if path.starts_with(NOTES) => Handling::Notes,
        _ => Handling::Refused(404),
    }
}

fn mac(key: &str, message: &str) -> String {
    use base64::Engine as _;
    use hmac::{KeyInit as _, Mac as _};
    let mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key.as_bytes()).unwrap();
    let tag = mac.chain_update(message).finalize().into_bytes();
    base64::engine::general_purpose::STANDARD.encode(tag)
}

/// Feishu's custom bots: the secret is part of the MAC's key. Every answer has status 200.
fn feishu_bot(seen: &Seen) -> Handling {
    let time = seen.text("/timestamp");
    let signed = seen.text("/sign") == mac(&format!("{time}\n{SIGNING}"), "");
    match (&*seen.method, &*seen.path) {
        _ if !signed || !is_now(&time) => {
            Handling::Answer(json!({"code": 19_021, "msg": "sign match fail"}))
        }
        ("POST", path) if path == format!("/open-apis/bot/v2/hook/{BOT}") => {
            assert_eq!(seen.text("/msg_type"), "text");
            Handling::Note(seen.text("/content/text"), 200)
        }
        _ => Handling::Refused(404),
    }
}

/// DingTalk's custom robots: time and signature are in the query.
fn dingtalk_bot(seen: &Seen) -> Handling {
    let address = reqwest::Url::parse(&format!("http://127.0.0.1{}", seen.path)).unwrap();
    let value = |name: &str| {
        let found = address.query_pairs().find(|(key, _)| key == name);
        found.map_or(String::new(), |(_, value)| value.into_owned())
    };
    let time = value("timestamp");
    let signed = value("sign") == mac(SIGNING, &format!("{time}\n{SIGNING}"));
    match (&*seen.method, address.path(), time.strip_suffix("000")) {
        ("POST", "/robot/send", Some(seconds)) if signed && is_now(seconds) => {
            assert_eq!(value("access_token"), BOT);
            assert_eq!(seen.body["msgtype"], "text");
            assert!(seen.body.get("at").is_none(), "{}", seen.body);
            Handling::Note(seen.text("/text/content"), 200)
        }
        _ => Handling::Answer(json!({"errcode": 310_000, "errmsg": "sign not match"})),
    }
}

/// WeCom's group robots: the key in the address is the only authentication.
fn wecom_bot(seen: &Seen) -> Handling {
    match (&*seen.method, &*seen.path) {
        ("POST", path) if path == format!("/cgi-bin/webhook/send?key={TOKEN}") => {
            assert_eq!(seen.body["msgtype"], "text");
            Handling::Note(seen.text("/text/content"), 200)
        }
        _ => Handling::Answer(json!({"errcode": 93_000, "errmsg": "invalid webhook url"})),
    }
}

/// Whether `seconds` is an instant on the test's first day.
fn is_now(seconds: &str) -> bool {
    let start: jiff::Timestamp = crate::support::START.parse().unwrap();
    let since = seconds.parse::<i64>().unwrap_or_default() - start.as_second();
    (0..86_400).contains(&since)
}

pub(crate) async fn world(preset: &str, settings: &str, receiver: &NotificationReceiver) -> World {
    let mut world = World::new().await;
    let folder = world.folder.path();
    secrets::write(&folder.join("token"), TOKEN);
    secrets::write(&folder.join("login"), &format!("svc:{TOKEN}"));
    secrets::write(
        &world.folder.path().join("bot"),
        &format!("{BOT}:{SIGNING}"),
    );
    let url = &receiver.url;
    world.configure(&format!(
        "[[notify]]\nname = \"receiver\"\npreset = \"{preset}\"\nurl = \"{url}\"\n\
         contact = \"the platform team\"\n{settings}\n"
    ));
    world.reset().await;
    world
}

fn of(system: &System, change: Value) -> Value {
    let mut change = change;
    change["ticket"] = json!(system.ticket);
    request(system.id, change)
}

async fn refuse_cancels(world: &World) {
    let fault = "*:error-before:UnauthorizedOperation@50";
    assert!(world.cloud.inject(fault.parse().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_system_is_told_what_was_shared_what_was_refused_and_what_is_overdue() {
    for system in &SYSTEMS {
        let preset = system.preset;
        let receiver = NotificationReceiver::start(system.interpret).await;
        let shared = world(preset, system.settings, &receiver).await;
        shared
            .deliver(&of(system, json!({"expires_in": "2h"})))
            .await;
        shared.notify().await;
        refuse_cancels(&shared).await;
        shared.advance(7_300);
        shared.sweep().await;
        let denied = world(preset, system.settings, &receiver).await;
        denied
            .deliver(&of(system, json!({"accounts": [STRANGER]})))
            .await;
        denied.notify().await;
        let notes = receiver.notes();
        let refused = receiver.refused();
        assert_eq!(
            (notes.len(), refused.len()),
            (3, 0),
            "{preset}: {notes:?} {refused:?}"
        );
        let plain: Vec<String> = notes.iter().map(|note| note.replace('\\', "")).collect();
        for (note, wanted) in plain.iter().zip([
            ["Shared lhbp-6jc6l8yb", "2026-11-21 10:00 UTC"],
            ["still in effect", "UnauthorizedOperation"],
            [
                "the policy refused it for 123456789012",
                "Ask the platform team.",
            ],
        ]) {
            assert!(
                wanted.iter().all(|part| note.contains(part)),
                "{preset}: {note}"
            );
        }
        for note in &notes {
            let found = system.forbidden.iter().find(|text| note.contains(**text));
            assert_eq!(found, None, "{preset}: {note}");
            // Accounts of the allow-list may only appear in notes about a share, and its groups in
            // no note.
            assert!(
                !note.contains(ACCOUNTS[1])
                    || note.starts_with("Shared")
                    || note.contains("still in effect")
            );
            assert!(!note.contains("staging"), "{preset}: {note}");
        }
        let transitions = if preset == "jira" {
            vec!["31".to_owned()]
        } else {
            vec![]
        };
        assert_eq!(receiver.changes(), transitions, "{preset}");
        shared.verify().await.unwrap();
    }
}

/// The note was stored, but its answer was lost. If the program can read the notes of a system, it
/// finds the note and does not repeat it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_note_whose_answer_was_lost_is_looked_for_before_it_is_repeated() {
    for system in &SYSTEMS {
        let receiver = NotificationReceiver::start(system.interpret).await;
        let world = world(system.preset, system.settings, &receiver).await;
        receiver.lose_answers(1);
        world
            .deliver(&of(system, json!({"accounts": [STRANGER]})))
            .await;
        world.notify().await;
        for _ in 0..3 {
            world.advance(600);
            world.sweep().await;
        }
        let notes = if system.reads_notes_first { 1 } else { 2 };
        assert_eq!(
            receiver.notes().len(),
            notes,
            "{}: {:?}",
            system.preset,
            receiver.refused()
        );
        world.verify().await.unwrap();
    }
}

/// A process is killed between the note and its record, and the sender repeats the delivery to
/// another process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_delivery_does_not_repeat_the_note_of_a_killed_process() {
    let system = &SYSTEMS[0];
    let receiver = NotificationReceiver::start(system.interpret).await;
    let mut world = world(system.preset, system.settings, &receiver).await;
    let denied = of(system, json!({"accounts": [STRANGER]}));
    world.deliver(&denied).await;
    world.fuse.arm_at("000001.json", Break::CrashBefore);
    tokio::select! {
        () = world.notify() => panic!("the notification was recorded"),
        () = world.fuse.crashed() => world.restart(),
    }
    assert_eq!(receiver.notes().len(), 1);
    // By this time, a process that is still running would have notified.
    world.advance(10);
    world.deliver(&denied).await;
    world.notify().await;
    assert_eq!(receiver.notes().len(), 1, "{:?}", receiver.refused());
    let records = records(&world).await;
    assert!(records.contains("notified"), "{records}");
}

/// The token may write notes, but not read them. The note may be written twice, which is better
/// than not at all.
#[tokio::test]
async fn a_ticket_whose_notes_cannot_be_read_is_notified() {
    let system = &SYSTEMS[0];
    let receiver = NotificationReceiver::start(system.interpret).await;
    let world = world(system.preset, system.settings, &receiver).await;
    receiver.hide_notes();
    receiver.down(true);
    world
        .deliver(&of(system, json!({"accounts": [STRANGER]})))
        .await;
    world.notify().await;
    receiver.down(false);
    world.advance(600);
    world.sweep().await;
    assert_eq!(receiver.notes().len(), 1);
}

/// The system is down for an hour. It needs a separate call to find the ticket.
#[tokio::test]
async fn a_system_that_was_down_is_told_once_it_is_back() {
    let system = &SYSTEMS[1];
    let receiver = NotificationReceiver::start(system.interpret).await;
    let world = world(system.preset, system.settings, &receiver).await;
    receiver.down(true);
    for number in 0..5 {
        let mut denied = of(system, json!({"accounts": [STRANGER]}));
        denied["id"] = json!(format!("R{number}"));
        world.deliver(&denied).await;
        world.notify().await;
        world.advance(720);
        world.sweep().await;
    }
    receiver.down(false);
    for _ in 0..30 {
        world.advance(300);
        world.sweep().await;
    }
    assert_eq!(receiver.notes().len(), 5);
}

/// Jira, but the first transition is answered with 503.
fn busy_jira(seen: &Seen) -> Handling {
    static BUSY: AtomicBool = AtomicBool::new(true);
    match seen.path.ends_with("/transitions") && BUSY.swap(false, Ordering::SeqCst) {
        true => Handling::Refused(503),
        false => jira(seen),
    }
}

#[tokio::test]
async fn a_transition_that_failed_is_repeated_without_its_comment() {
    let system = &SYSTEMS[0];
    let receiver = NotificationReceiver::start(busy_jira).await;
    let world = world(system.preset, system.settings, &receiver).await;
    world.deliver(&of(system, json!({}))).await;
    world.notify().await;
    assert_eq!((receiver.notes().len(), receiver.changes().len()), (1, 0));
    world.advance(600);
    world.sweep().await;
    assert_eq!(
        (receiver.notes().len(), receiver.changes()),
        (1, vec!["31".to_owned()])
    );
}

/// A failure of one ticket is not a failure of the target, so it must not delay the target's other
/// notifications.
#[tokio::test]
async fn tickets_of_another_form_do_not_hold_back_others() {
    let system = &SYSTEMS[0];
    let receiver = NotificationReceiver::start(system.interpret).await;
    let world = world(system.preset, system.settings, &receiver).await;
    for number in 0..4 {
        let mut denied = request(&format!("R{number}"), json!({"accounts": [STRANGER]}));
        denied["ticket"] = json!(if number == 3 { system.ticket } else { "no key" });
        world.deliver(&denied).await;
    }
    world.advance(600);
    world.sweep().await;
    assert_eq!(receiver.notes().len(), 1);
}

/// A ticket of the wrong form must not reach the system: it could change the path of the call.
#[tokio::test]
async fn a_ticket_that_could_lead_elsewhere_is_refused() {
    for system in &SYSTEMS {
        if matches!(system.preset, "slack" | "opsgenie") || system.preset.ends_with("-bot") {
            continue;
        }
        let receiver = NotificationReceiver::start(system.interpret).await;
        let world = world(system.preset, system.settings, &receiver).await;
        let tickets = [
            "../admin",
            "X-1/../../x",
            "A-1?x=1",
            "1^ORnumber=2",
            "a/b/c#1/x",
        ];
        for (number, ticket) in tickets.iter().enumerate() {
            let mut denied = request(&format!("R{number}"), json!({"accounts": [STRANGER]}));
            denied["ticket"] = json!(ticket);
            world
                .app
                .receive(crate::support::invocation(&denied), deadline())
                .await;
            world.notify().await;
        }
        assert_eq!(
            (receiver.notes().len(), receiver.refused().len()),
            (0, 0),
            "{}",
            system.preset
        );
        // Each notification was given up at once because of its ticket, which cannot change.
        let records = records(&world).await;
        let failed = records.split("notification_failed").skip(1);
        let again = failed.filter(|record| record.contains("\"not_before\":\""));
        assert_eq!(again.count(), 0, "{}: {records}", system.preset);
        let given_up = records.matches("the ticket is no ").count();
        assert_eq!(given_up, tickets.len(), "{}: {records}", system.preset);
    }
}

fn slack_click(url: &str) -> Delivery {
    let value = json!({
        "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": [ACCOUNTS[0]], "action": "share",
        "requester": "U061F7AUR", "ticket": "button",
    });
    let payload = json!({
        "type": "block_actions", "user": {"id": "U061F1EUR", "team_id": "T061EG9RZ"}, "team": {"id": "T061EG9RZ"},
        "container": {"message_ts": "1793602438.000500", "channel_id": "C061EG9SL"},
        "response_url": format!("{url}/response"),
        "actions": [{"action_id": "approve_share", "value": value.to_string()}],
    });
    let encoded: String = payload
        .to_string()
        .bytes()
        .map(|b| format!("%{b:02X}"))
        .collect();
    let body = format!("payload={encoded}");
    let secret = "10ca15ec0de10ca15ec0de10ca15ec0d".into();
    let now = crate::support::START.parse().unwrap();
    let scheme = SchemeSpec::preset(SchemeName::Slack);
    let headers = sign(&scheme, &secret, body.as_bytes(), "click", now).unwrap();
    Delivery {
        source: "slack".parse().unwrap(),
        via: Via::Http(Headers::new(headers)),
        body: body.into(),
    }
}

async fn records(world: &World) -> String {
    let mut text = String::new();
    let listed = world.app.requests(None).await.unwrap();
    for entry in listed.entries {
        let stream = entry.answer.record.unwrap();
        let id = stream.split('/').nth(1).unwrap().parse().unwrap();
        let history = world.journal.read(id).await.unwrap().unwrap();
        for stored in history.records {
            text.push_str(&serde_json::to_string(&stored.record).unwrap());
        }
    }
    text
}

fn closed_zendesk(seen: &Seen) -> Handling {
    match &*seen.method {
        "PUT" => Handling::Refused(422),
        _ => zendesk(seen),
    }
}

#[tokio::test]
async fn a_closed_zendesk_ticket_is_not_tried_again() {
    let receiver = NotificationReceiver::start(closed_zendesk).await;
    let world = world("zendesk", BASIC, &receiver).await;
    let denied = json!({"accounts": [STRANGER], "ticket": "35436"});
    world.deliver(&request("CHG1", denied)).await;
    world.notify().await;
    let listed = world.app.reader().notifications(None).await.unwrap();
    let [entry] = &listed.entries[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(entry.state, NotificationStatus::GivenUp);
    let why = entry.why.as_deref().unwrap();
    assert!(why.starts_with("HTTP 422 (a closed ticket"), "{why}");
}

fn slack_after_half_an_hour(seen: &Seen) -> Handling {
    match &*seen.path {
        "/response" => Handling::Refused(404),
        _ => slack(seen),
    }
}

#[tokio::test]
async fn a_response_url_that_slack_refuses_is_replaced_by_the_thread() {
    let receiver = NotificationReceiver::start(slack_after_half_an_hour).await;
    let clicked = world("slack", BEARER, &receiver).await;
    let click = slack_click(&receiver.url);
    clicked.app.receive(click, deadline()).await;
    clicked.notify().await;
    assert_eq!((receiver.refused().len(), receiver.notes().len()), (1, 1));
}

#[tokio::test]
async fn slack_is_answered_at_its_response_url_which_no_record_holds() {
    let receiver = NotificationReceiver::start(slack).await;
    let clicked = world("slack", BEARER, &receiver).await;
    clicked
        .app
        .receive(slack_click(&receiver.url), deadline())
        .await;
    clicked.notify().await;
    let notes = receiver.notes();
    assert!(
        notes.len() == 1 && notes[0].starts_with("response: "),
        "{notes:?}"
    );
    assert!(!records(&clicked).await.contains("/response"));
    // Another process does not know the response_url, so it writes into the thread.
    let mut later = world("slack", BEARER, &receiver).await;
    later
        .app
        .receive(slack_click(&receiver.url), deadline())
        .await;
    later.restart();
    later.advance(300);
    later.sweep().await;
    assert!(
        !receiver.notes()[1].starts_with("response: "),
        "{:?}",
        receiver.notes()
    );
    // A response_url at another address is not used.
    let other = NotificationReceiver::start(slack).await;
    let guarded = world("slack", BEARER, &receiver).await;
    guarded
        .app
        .receive(slack_click(&other.url), deadline())
        .await;
    guarded.notify().await;
    assert_eq!((other.notes().len(), receiver.notes().len()), (0, 3));
}

/// Step Functions as in AWS's API reference: `X-Amz-Target` names the action, and the signature
/// covers the request.
fn step_functions(seen: &Seen) -> Handling {
    let authorization = seen.header("authorization");
    let signed = authorization.starts_with(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-west-1/states/aws4_request",
    ) && authorization
        .contains("SignedHeaders=content-type;host;x-amz-date;x-amz-target,");
    let kind = seen.header("content-type") == "application/x-amz-json-1.0";
    match (&*seen.method, &*seen.path, seen.header("x-amz-target")) {
        _ if !signed || !kind || seen.text("/taskToken") != TASK_TOKEN => Handling::Refused(400),
        ("POST", "/", "AWSStepFunctions.SendTaskSuccess") => {
            let output: Value = serde_json::from_str(&seen.text("/output")).unwrap();
            Handling::Note(format!("success {}", output["status"]), 200)
        }
        ("POST", "/", "AWSStepFunctions.SendTaskFailure") => Handling::Note(
            format!("{}: {}", seen.text("/error"), seen.text("/cause")),
            200,
        ),
        _ => Handling::Refused(400),
    }
}

fn task(execution: &str, account: &str, token: &str) -> Delivery {
    let mut ask = request("-", json!({"id": null, "accounts": [account]}));
    ask["ticket"] = json!("CHG1");
    let body = json!({
        "execution": format!("arn:aws:states:eu-west-1:1:execution:m:{execution}"), "state": "Share",
        "request": ask, "TaskToken": token,
    });
    let origin = "arn:aws:sqs:us-east-1:000000000000:stepfunctions".to_owned();
    Delivery {
        source: "stepfunctions".parse().unwrap(),
        via: Via::Host { origin, id: None },
        body: body.to_string().into(),
    }
}

/// Returns a world whose notifications end tasks at `receiver`.
async fn world_of_tasks(receiver: &NotificationReceiver) -> World {
    let mut world = World::new().await;
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI"),
        ("AWS_REGION", "eu-west-1"),
    ] {
        world.set_variable(name, value);
    }
    let url = &receiver.url;
    world.configure(&format!(
        "[[notify]]\nname = \"task\"\npreset = \"stepfunctions\"\nurl = \"{url}\"\n"
    ));
    world.reset().await;
    world
}

#[tokio::test]
async fn a_waiting_task_is_ended_with_its_token_which_no_record_holds() {
    let receiver = NotificationReceiver::start(step_functions).await;
    let mut world = world_of_tasks(&receiver).await;
    for (execution, account) in [("good", ACCOUNTS[0]), ("bad", STRANGER)] {
        world
            .app
            .receive(task(execution, account, TASK_TOKEN), deadline())
            .await;
        world.notify().await;
    }
    let notes = receiver.notes();
    assert_eq!(
        notes[0],
        "success \"completed\"",
        "{notes:?} {:?}",
        receiver.refused()
    );
    assert!(notes[1].starts_with("Denied: "), "{notes:?}");
    // The token is kept until the task is ended.
    receiver.down(true);
    world
        .app
        .receive(task("again", STRANGER, TASK_TOKEN), deadline())
        .await;
    world.notify().await;
    receiver.down(false);
    world.advance(300);
    world.sweep().await;
    let notes = receiver.notes();
    assert_eq!(notes.len(), 3, "{notes:?}");
    // A restarted process does not have the token. Once no other process can have the token either,
    // it gives the notification up and records that.
    world
        .app
        .receive(task("lost", STRANGER, TASK_TOKEN), deadline())
        .await;
    world.restart();
    world.advance(1_800);
    world.sweep().await;
    // If an answer repeats the token, the record does not contain it.
    world
        .app
        .receive(
            task("wrong", STRANGER, &format!("{TASK_TOKEN}-wrong")),
            deadline(),
        )
        .await;
    world.notify().await;
    let records = records(&world).await;
    assert!(records.contains("the task's token is gone"), "{records}");
    assert!(!records.contains("AAAAKg"), "{records}");
    assert_eq!(receiver.notes().len(), 3);
}

fn first_letters(seen: &Seen) -> Handling {
    let token = seen.text("/taskToken");
    Handling::Note(token.chars().take(2).collect(), 200)
}

/// Step Functions repeats a state with a new token. The process that has the new token ends its
/// task once, with the recorded outcome.
#[tokio::test]
async fn a_repeated_state_is_ended_with_its_own_token() {
    let receiver = NotificationReceiver::start(first_letters).await;
    let world = world_of_tasks(&receiver).await;
    let give = async |app: &App, letter: &str| {
        let repeated = task("run", ACCOUNTS[0], &letter.repeat(20));
        app.receive(repeated, deadline()).await;
        app.notify_before_answer(deadline()).await;
    };
    give(&world.app, "A").await;
    give(&world.app, "B").await;
    let other = world.another();
    give(&other, "C").await;
    assert_eq!(receiver.notes(), ["AA", "BB", "CC"]);
    for app in [&world.app, &other] {
        world.advance(60);
        app.sweep(deadline()).await.unwrap();
    }
    assert_eq!(receiver.notes().len(), 3);
    let records = records(&world).await;
    assert_eq!(
        records.matches("\"type\":\"notified\"").count(),
        1,
        "{records}"
    );
    world.verify().await.unwrap();
}

/// Step Functions repeats a state with a new token while the task of the first token is still being
/// ended.
#[tokio::test]
async fn a_token_that_arrives_during_an_attempt_is_used_next() {
    let receiver = NotificationReceiver::start(first_letters).await;
    let world = world_of_tasks(&receiver).await;
    let delivery = |letter: &str| task("run", ACCOUNTS[0], &letter.repeat(20));
    let notifier = tokio::spawn(Arc::new(world.app.clone()).deliver_notifications());
    let held = receiver.hold_answers();
    world.app.receive(delivery("A"), deadline()).await;
    receiver.called().await;
    world.app.receive(delivery("B"), deadline()).await;
    // Give the notifier time to see that another task is delivering.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    let ended = async {
        while receiver.notes().len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended)
        .await
        .expect("both tasks end");
    notifier.abort();
    assert_eq!(receiver.notes(), ["AA", "BB"]);
    receiver.called().await;
    // A token whose attempt failed is used again by the next sweep. The first attempt has to wait
    // until the task that delivered B has also recorded it.
    receiver.down(true);
    world.app.receive(delivery("C"), deadline()).await;
    let attempted = async {
        while receiver.called().now_or_never().is_none() {
            world.app.notify_before_answer(deadline()).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), attempted)
        .await
        .expect("the end of C is attempted");
    receiver.down(false);
    for _ in 0..2 {
        world.sweep().await;
        world.app.notify_before_answer(deadline()).await;
    }
    assert_eq!(receiver.notes(), ["AA", "BB", "CC"]);
}

/// A delivery with the same id and other content is refused, and its token is not used.
#[tokio::test]
async fn a_conflict_does_not_replace_the_token_of_a_task() {
    let receiver = NotificationReceiver::start(first_letters).await;
    let world = world_of_tasks(&receiver).await;
    receiver.down(true);
    for (letter, account) in [("A", ACCOUNTS[0]), ("B", ACCOUNTS[1])] {
        let delivery = task("run", account, &letter.repeat(20));
        world.app.receive(delivery, deadline()).await;
        world.app.notify_before_answer(deadline()).await;
    }
    receiver.down(false);
    world.advance(300);
    world.sweep().await;
    assert_eq!(receiver.notes(), ["AA"]);
}

/// A process that did not receive the delivery does not have the task's token. It must leave the
/// task to the process that received the delivery.
#[tokio::test]
async fn a_task_is_ended_by_the_process_that_has_its_token() {
    let receiver = NotificationReceiver::start(step_functions).await;
    let world = world_of_tasks(&receiver).await;
    let denied = task("later", STRANGER, TASK_TOKEN);
    world.app.receive(denied, deadline()).await;
    let other = world.another();
    world.advance(300);
    other.sweep(deadline()).await.unwrap();
    let text = records(&world).await;
    assert!(!text.contains("notification_failed"), "{text}");
    // An operator's retry in another process fails, and does not give the notification up.
    let target = "task".parse().unwrap();
    let tried = other.retry_notifications(&target, "later/Share", deadline());
    let [tried] = &tried.await.unwrap().entries[..] else {
        panic!("not tried")
    };
    assert_eq!(tried.state, NotificationStatus::Owed);
    let why = tried.why.clone().unwrap();
    assert!(why.contains("only the process that received"), "{why}");
    world.advance(10);
    world.sweep().await;
    let notes = receiver.notes();
    assert!(
        notes.len() == 1 && notes[0].starts_with("Denied: "),
        "{notes:?}"
    );
}

/// Without `sources`, a target also gets requests for which no task waits.
#[tokio::test]
async fn a_request_without_a_token_ends_no_task() {
    let receiver = NotificationReceiver::start(step_functions).await;
    let world = world_of_tasks(&receiver).await;
    let share = request("CHG1", json!({"accounts": [ACCOUNTS[0]]}));
    world.deliver(&share).await;
    world.notify().await;
    let text = records(&world).await;
    assert!(text.contains("\"silent\":true"), "{text}");
    assert!(!text.contains("notification_failed"), "{text}");
    assert!(receiver.notes().is_empty() && receiver.refused().is_empty());
}
