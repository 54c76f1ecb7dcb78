//! Approvals in Feishu, against a stand-in of its API: the event is on record and answered at once, the
//! instance is fetched as due work, and the instance decides. `withdrawals` shows what follows a withdrawal.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sharehook::app::{Answer, Check, Deadline, Ending, JournalReader, Reply};
use sharehook::domain::{NoticeRules, Status};

use crate::support::feishu::{self, APP_SECRET, CODE, DEFINITION, Feishu, SECRET};
use crate::support::process::Process;
use crate::support::service::Site;
use crate::support::store::Break;
use crate::support::{BLUEPRINT, World, deadline, http};

pub(crate) const SHARED: [&str; 2] = ["700000000011", "700000000012"];

pub(crate) async fn world(api: &Feishu) -> World {
    let mut world = World::new().await;
    world.set_variable("FEISHU_ENCRYPT_KEY", SECRET);
    world.set_variable("FEISHU_APP_SECRET", APP_SECRET);
    world.set_variable("SHAREHOOK_FETCH_ENDPOINT", &api.url);
    world.configure("");
    world.reset().await;
    world
}

/// Delivers an event of this id; `change` is over the fields of its inner part.
pub(crate) async fn receive(world: &World, id: &str, change: Value) -> (Ending, Answer) {
    let event = feishu::event(id, change, world.now());
    let delivery = feishu::delivery(&event, world.now());
    match world.app.receive(delivery, deadline()).await {
        Reply::Answers(mut answers) if answers.len() == 1 => answers.remove(0),
        other => panic!("not one answer: {other:?}"),
    }
}

/// The types of all records of the journal.
pub(crate) async fn records(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for stream in world.journal.streams().await.unwrap() {
        let history = world.journal.read(stream).await.unwrap().unwrap();
        for stored in history.records {
            let record = serde_json::to_value(&stored.record).unwrap();
            let text = record.to_string();
            assert!(!text.contains(feishu::VERIFICATION_TOKEN), "{text}");
            all.push(record["event"]["type"].as_str().unwrap().to_owned());
        }
    }
    all
}

#[tokio::test]
async fn an_approved_instance_shares_what_its_form_says_and_acts_once() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(json!({}));
    let (ending, answer) = receive(&world, "e1", json!({})).await;
    assert_eq!((ending, answer.status), (Ending::Pending, Status::Pending));
    assert_eq!(api.calls().1, 0, "nothing is fetched before the answer");
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let calls = api.calls();
    assert_eq!(calls.1, 1);
    // The same event, and another event about the same approval, encrypted anew.
    let (_, again) = receive(&world, "e1", json!({})).await;
    assert!(again.duplicate);
    let (_, other) = receive(&world, "e2", json!({})).await;
    assert!(other.duplicate);
    world.sweep().await;
    world.sweep().await;
    assert!(world.effects().values().all(|times| *times == 1));
    assert_eq!(api.calls(), calls, "the token is kept");
    let types = records(&world).await;
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    let counts = ["received", "settled", "opened", "conflict"].map(count);
    assert_eq!(counts, [1, 1, 1, 0], "{types:?}");
    world.verify().await.unwrap();
}

#[tokio::test]
async fn every_other_event_is_answered_and_ignored() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(json!({}));
    for change in [
        json!({"status": "PENDING"}),
        json!({"status": "REJECTED"}),
        json!({"approval_code": "ANOTHER-DEFINITION"}),
        json!({"instance_code": "../../users"}),
        json!({"type": "approval_task"}),
    ] {
        let (ending, answer) = receive(&world, "e1", change.clone()).await;
        assert_eq!(
            (ending, answer.status),
            (Ending::Done, Status::Ignored),
            "{change}"
        );
    }
    world.sweep().await;
    assert_eq!((api.calls().1, records(&world).await.len()), (0, 0));
}

#[tokio::test]
async fn an_instance_that_does_not_confirm_its_event_shares_nothing() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    let pass = |who: &str, at: &str| json!({"type": "PASS", "create_time": at, "user_id": who, "open_id": ""});
    let start = json!({"type": "START", "create_time": "1", "user_id": "wujunjie", "open_id": ""});
    for (change, ends) in [
        (json!({"instance_code": "ANOTHER"}), "settled"),
        (json!({"approval_code": "ANOTHER"}), "settled"),
        (json!({"status": "REJECTED"}), "settled"),
        (json!({"status": "PENDING"}), "fetch_failed"),
        (json!({"reverted": true}), "settled"),
        (json!({"reverted_instance_code": "A"}), "settled"),
        (json!({"form": "[]"}), "settled"),
        // No person approved it; the applicant did; the approval came before it was sent back.
        (json!({"timeline": []}), "opened"),
        (
            json!({"timeline": [start, {"type": "AUTO_PASS", "create_time": "2", "user_id": "", "open_id": ""}]}),
            "opened",
        ),
        (json!({"timeline": [pass("wujunjie", "2")]}), "opened"),
        (
            json!({"timeline": [pass("wangxiaoming", "2"), {"type": "ROLLBACK", "create_time": "3", "user_id": "x", "open_id": ""}]}),
            "opened",
        ),
    ] {
        world.reset().await;
        api.put(change.clone());
        receive(&world, "e1", json!({})).await;
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{change}");
        let types = records(&world).await;
        assert!(types.contains(&ends.to_owned()), "{change}: {types:?}");
        assert_eq!(
            types.contains(&"opened".to_owned()),
            ends == "opened",
            "{change}"
        );
    }
}

#[tokio::test]
async fn an_instance_that_cannot_be_read_for_an_hour_is_shared_later() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(json!({}));
    api.fail(Some(1_395_001));
    receive(&world, "e1", json!({})).await;
    for _ in 0..60 {
        world.sweep().await;
        world.advance(60);
    }
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    let reads = api.calls().1;
    assert!((5..=12).contains(&reads), "{reads} reads in an hour");
    api.fail(None);
    world.advance(900);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn doctor_and_the_list_say_what_waits_and_why() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    let fetching = async || {
        let findings = world.app.examine().await;
        // The stand-in has no other system.
        let of_fetch = findings.into_iter().filter(|one| {
            let other = one.text.starts_with("dingtalk") || one.text.starts_with("wecom");
            one.check == Check::Fetch && !other
        });
        of_fetch
            .map(|one| format!("{} {}", one.health, one.text))
            .collect::<Vec<_>>()
    };
    let good = fetching().await;
    assert_eq!(good.len(), 1, "{good:?}");
    assert!(good[0].starts_with("ok feishu: the app reads the definition"));
    api.fail(Some(1_395_001));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    world.advance(1);
    let bad = fetching().await;
    let expected = [
        "failed feishu: the app cannot read the definition",
        "warning feishu: the app cannot list instances: feishu answers 1395001",
        "warning 1 instances wait to be fetched",
    ];
    assert_eq!(bad.len(), expected.len(), "{bad:?}");
    for (found, begins) in bad.iter().zip(expected) {
        assert!(found.starts_with(begins), "{found}");
    }
    let rules = NoticeRules::default();
    let reader = JournalReader::new(&world.journal, &rules, world.now());
    let waiting = reader.announcements().await.unwrap().entries;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].announcement, format!("feishu/{CODE}/approved"));
    assert_eq!((waiting[0].attempts, waiting[0].listed), (1, false));
    let why = waiting[0].why.as_ref().unwrap();
    assert!(why.contains("1395001"), "{why}");
    api.fail(None);
    api.put(json!({}));
    world.advance(60);
    world.sweep().await;
    assert!(reader.announcements().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn what_feishu_does_not_know_is_given_up_after_five_attempts() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    receive(&world, "e1", json!({})).await;
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
async fn what_cannot_be_read_for_a_day_and_ten_attempts_is_given_up_on_record() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.fail(Some(1_395_001));
    receive(&world, "e1", json!({})).await;
    // The ninth attempt is a day after the event.
    for _ in 0..9 {
        world.sweep().await;
        world.advance(3 * 3_600);
    }
    let settled = "settled".to_owned();
    assert!(!records(&world).await.contains(&settled));
    world.sweep().await;
    assert!(records(&world).await.contains(&settled));
    api.fail(None);
    api.put(json!({}));
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
}

#[tokio::test]
async fn an_approval_that_no_sweep_tried_for_days_is_shared() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    receive(&world, "e1", json!({})).await;
    world.advance(50 * 3_600);
    let left = world.sweep().await.unfinished;
    let name = format!("feishu/{CODE}/approved");
    assert_eq!((left.len(), &left[0].request), (1, &name));
    api.put(json!({}));
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_turn_without_time_leaves_the_fetch_due() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    api.put(json!({}));
    receive(&world, "e1", json!({})).await;
    let metrics = world.app.metrics().await;
    assert!(
        metrics.contains("sharehook_requests_unfinished 1"),
        "{metrics}"
    );
    api.slow(Duration::from_secs(10));
    let short = Deadline::after(Duration::from_millis(2_600));
    world.app.sweep(short).await.unwrap();
    assert_eq!(records(&world).await, ["received"]);
    api.slow(Duration::ZERO);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn an_approval_waits_while_its_definition_is_not_listed() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    api.put(json!({}));
    receive(&world, "e1", json!({})).await;
    let list = |world: &mut World, from: &str, to: &str| {
        let file = world.folder.path().join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from));
        std::fs::write(file, text.replace(from, to)).unwrap();
        world.configure("");
    };
    list(&mut world, DEFINITION, "ANOTHER-DEFINITION");
    world.sweep().await;
    assert_eq!(records(&world).await, ["received", "fetch_failed"]);
    list(&mut world, "ANOTHER-DEFINITION", DEFINITION);
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_for_all_that_wait() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    api.put(json!({}));
    api.give_no_token(true);
    world.restart();
    let before = api.calls().0;
    for code in [CODE, "ANOTHER-1", "ANOTHER-2"] {
        receive(&world, code, json!({"instance_code": code})).await;
    }
    world.sweep().await;
    assert_eq!(api.calls(), (before + 1, 0));
    api.give_no_token(false);
    world.restart();
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_at_once() {
    let api = Feishu::start().await;
    let world = world(&api).await;
    // A read that succeeds, so that the token is kept.
    api.put(json!({"status": "PENDING"}));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    api.expire_tokens();
    api.put(json!({}));
    world.advance(60);
    world.sweep().await;
    assert_eq!(api.calls().1, 3);
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// Stops the process at every write of the journal; Feishu repeats what was not answered, and sweeps go on.
#[tokio::test]
async fn whoever_is_killed_anywhere_goes_on_and_shares_once() {
    let api = Feishu::start().await;
    let mut world = world(&api).await;
    api.put(json!({}));
    let mut met = 0;
    for how in [Break::CrashBefore, Break::CrashAfter] {
        for nth in 0.. {
            assert!(nth < 60, "the scenario does not end");
            world.reset().await;
            world.fuse.arm(nth, how);
            for _ in 0..3 {
                let stopped = tokio::select! {
                    () = async {
                        receive(&world, "e1", json!({})).await;
                        world.sweep().await;
                    } => false,
                    () = world.fuse.crashed() => true,
                };
                if stopped {
                    world.restart();
                }
                world.advance(300);
            }
            let undisturbed = !world.fuse.met();
            assert_eq!(world.has(BLUEPRINT), SHARED, "{how:?} {nth}");
            assert!(
                world.effects().values().all(|times| *times == 1),
                "{how:?} {nth}"
            );
            world.verify().await.unwrap();
            if undisturbed {
                break;
            }
            met += 1;
        }
    }
    assert!(met >= 12, "only {met} places");
}

#[tokio::test]
async fn a_server_answers_at_once_while_the_api_is_slow() {
    let api = Feishu::start().await;
    api.put(json!({}));
    api.slow(Duration::from_secs(5));
    let source = api.source();
    let options = sharehook_sandbox::SandboxOptions::seeded(sharehook::clock::system_now);
    let site = Site::new(options, |folder| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n{source}")).unwrap();
    })
    .await;
    let mut command = site.command();
    command.env("FEISHU_ENCRYPT_KEY", SECRET);
    command.env("FEISHU_APP_SECRET", APP_SECRET);
    command.env("SHAREHOOK_FETCH_ENDPOINT", &api.url);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let process = Process::serving(&mut command);
    let now = sharehook::clock::system_now();
    let (headers, body) = feishu::sealed(&feishu::event("e1", json!({}), now), now);
    let names = [
        "content-type",
        "x-lark-signature",
        "x-lark-request-timestamp",
        "x-lark-request-nonce",
    ];
    let headers: Vec<(String, String)> = names
        .map(|name| {
            (
                name.to_owned(),
                headers.one(name).unwrap().unwrap().to_owned(),
            )
        })
        .into();
    let begun = Instant::now();
    let answer = http::send(&process.url, "POST", "/hooks/feishu", &headers, body)
        .await
        .unwrap();
    let took = begun.elapsed();
    assert_eq!((answer.status, answer.body), (200, json!({})));
    println!("answered in {took:?} while the API takes 5 s");
    assert!(took < Duration::from_millis(300), "{took:?}");
    for _ in 0..200 {
        if site.blueprint_accounts(BLUEPRINT) == SHARED {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{CODE} was not shared");
}
