//! Approvals in Feishu, against a stand-in for its API. The event is recorded and answered at once.
//! Due work fetches the instance, which decides. `withdrawals` tests withdrawals.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;
use serde_json::json;
use sharehook::app::{Check, Deadline, Ending, JournalReader, Operator, Retried};
use sharehook::domain::{Identity, NoticeRules, Status};
use sharehook::journal::{Event, Journal, StreamId};
use sharehook_sandbox::ApprovalSystem;

use crate::support::approvals::{NOTHING, SHARED, count, records};
use crate::support::feishu::{self, CODE, DEFINITION, receive};
use crate::support::process::Process;
use crate::support::service::Site;
use crate::support::stops::killed_anywhere;
use crate::support::store::Brittle;
use crate::support::{BLUEPRINT, REGION, deadline, http};

#[tokio::test]
async fn an_approved_instance_shares_what_its_form_says_and_acts_once() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    let (ending, answer) = receive(&world, "e1", json!({})).await;
    assert_eq!((ending, answer.status), (Ending::Pending, Status::Pending));
    assert_eq!(
        feishu::calls(&world).reads,
        0,
        "nothing is fetched before the answer"
    );
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let calls = feishu::calls(&world);
    assert_eq!(calls.reads, 1);
    // Deliver the event again, and another event about the same approval, with a new encryption.
    let (_, again) = receive(&world, "e1", json!({})).await;
    assert!(again.duplicate);
    let (_, other) = receive(&world, "e2", json!({})).await;
    assert!(other.duplicate);
    world.sweep().await;
    world.sweep().await;
    assert!(world.effects().values().all(|times| *times == 1));
    assert_eq!(feishu::calls(&world), calls, "the token is kept");
    let types = records(&world).await;
    let count = |name: &str| types.iter().filter(|kind| *kind == name).count();
    let counts = ["received", "settled", "opened", "conflict"].map(count);
    assert_eq!(counts, [1, 1, 1, 0], "{types:?}");
    world.verify().await.unwrap();
}

#[tokio::test]
async fn every_other_event_is_answered_and_ignored() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
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
    assert_eq!(
        (feishu::calls(&world).reads, records(&world).await.len()),
        (0, 0)
    );
}

#[tokio::test]
async fn an_instance_that_does_not_confirm_its_event_shares_nothing() {
    let mut world = feishu::world().await;
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
        // No person approved, the applicant approved, or a step was sent back after its approval.
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
        feishu::put_instance(&world, change.clone());
        receive(&world, "e1", json!({})).await;
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), NOTHING, "{change}");
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
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    feishu::fail(&world, Some(1_395_001));
    receive(&world, "e1", json!({})).await;
    for _ in 0..60 {
        world.sweep().await;
        world.advance(60);
    }
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    let reads = feishu::calls(&world).reads;
    assert!((5..=12).contains(&reads), "{reads} reads in an hour");
    feishu::fail(&world, None);
    world.advance(900);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.verify().await.unwrap();
}

#[tokio::test]
async fn doctor_and_the_list_say_what_waits_and_why() {
    let world = feishu::world().await;
    let fetching = async || {
        let findings = world.app.examine().await;
        let of_fetch = findings.into_iter();
        of_fetch
            .filter(|one| one.check == Check::Fetch)
            .map(|one| format!("{} {}", one.health, one.text))
            .collect::<Vec<_>>()
    };
    let good = fetching().await;
    assert_eq!(good.len(), 1, "{good:?}");
    assert!(good[0].starts_with("ok feishu: the app reads the definition"));
    feishu::fail(&world, Some(1_395_001));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    world.advance(1);
    let bad = fetching().await;
    let expected = [
        "failed feishu: the app cannot read the definition",
        "warning feishu: the app cannot list instances: feishu answers 1395001",
        "warning instances that wait to be fetched: 1; feishu/",
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
    feishu::fail(&world, None);
    feishu::put_instance(&world, json!({}));
    world.advance(60);
    world.sweep().await;
    assert!(reader.announcements().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn what_feishu_does_not_know_is_given_up_after_five_attempts() {
    let world = feishu::world().await;
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
    let world = feishu::world().await;
    feishu::fail(&world, Some(1_395_001));
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
    feishu::fail(&world, None);
    feishu::put_instance(&world, json!({}));
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
}

#[tokio::test]
async fn an_approval_that_no_sweep_tried_for_days_is_shared() {
    let world = feishu::world().await;
    receive(&world, "e1", json!({})).await;
    world.advance(50 * 3_600);
    let left = world.sweep().await.unfinished;
    let name = format!("feishu/{CODE}/approved");
    assert_eq!((left.len(), &left[0].request), (1, &name));
    feishu::put_instance(&world, json!({}));
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_turn_without_time_leaves_the_fetch_due() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    receive(&world, "e1", json!({})).await;
    let metrics = world.app.metrics().await;
    assert!(
        metrics.contains("sharehook_requests_unfinished 1"),
        "{metrics}"
    );
    feishu::tenant(&world, |tenant| tenant.pause = Duration::from_secs(10));
    let short = Deadline::after(Duration::from_millis(2_600));
    world.app.sweep(short).await.unwrap();
    assert_eq!(records(&world).await, ["received"]);
    feishu::tenant(&world, |tenant| tenant.pause = Duration::ZERO);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn an_approval_waits_while_its_definition_is_not_listed() {
    let mut world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    receive(&world, "e1", json!({})).await;
    world.rewrite_configuration(DEFINITION, "ANOTHER-DEFINITION");
    world.sweep().await;
    assert_eq!(records(&world).await, ["received", "fetch_failed"]);
    world.rewrite_configuration("ANOTHER-DEFINITION", DEFINITION);
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_refused_token_is_asked_for_once_for_all_that_wait() {
    let mut world = feishu::world().await;
    feishu::put_instance(&world, json!({}));
    feishu::tenant(&world, |tenant| tenant.gives_no_token = true);
    world.restart();
    let before = feishu::calls(&world).tokens;
    for code in [CODE, "ANOTHER-1", "ANOTHER-2"] {
        receive(&world, code, json!({"instance_code": code})).await;
    }
    world.sweep().await;
    let calls = feishu::calls(&world);
    assert_eq!((calls.tokens, calls.reads), (before + 1, 0));
    feishu::tenant(&world, |tenant| tenant.gives_no_token = false);
    world.restart();
    world.advance(60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_at_once() {
    let world = feishu::world().await;
    // A successful read, so that the token is cached.
    feishu::put_instance(&world, json!({"status": "PENDING"}));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    feishu::tenant(&world, |tenant| tenant.expire_tokens());
    feishu::put_instance(&world, json!({}));
    world.advance(60);
    world.sweep().await;
    assert_eq!(feishu::calls(&world).reads, 3);
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

#[tokio::test]
async fn an_event_that_comes_again_gets_what_became_of_it() {
    let mut world = feishu::world().await;
    for (change, ending, status) in [
        (json!({}), Ending::Done, Status::Completed),
        (json!({"timeline": []}), Ending::Denied, Status::Denied),
        (json!({"status": "REJECTED"}), Ending::Done, Status::Ignored),
    ] {
        world.reset().await;
        feishu::put_instance(&world, change);
        receive(&world, "e1", json!({})).await;
        let (before, answer) = receive(&world, "e1", json!({})).await;
        assert_eq!((before, answer.duplicate), (Ending::Pending, true));
        world.sweep().await;
        let (after, answer) = receive(&world, "e1", json!({})).await;
        assert_eq!((after, answer.status), (ending, status), "{answer:?}");
        assert!(answer.duplicate);
        let is_ignored = status == Status::Ignored;
        assert_eq!(answer.record.is_none(), is_ignored, "{answer:?}");
        assert_eq!(answer.message.is_some(), is_ignored, "{answer:?}");
    }
    // A withdrawal's event gets the outcome of the request that it called off.
    world.reset().await;
    feishu::approve(&world).await;
    feishu::withdraw(&world).await;
    world.sweep().await;
    let said = json!({"status": "REVERTED", "operate_time": 1});
    let (_, answer) = receive(&world, "e2", said).await;
    assert!(answer.duplicate && answer.record.is_some(), "{answer:?}");
}

/// One of the two requests of an instance is damaged until the event is given up.
#[tokio::test]
async fn a_given_up_event_names_what_it_opened_and_opens_the_rest_for_the_next_event() {
    let mut world = feishu::world().await;
    let map = format!(
        "(\"{}\", \"{}\") as $to | {{id: $to, action: \"share\", image: \"{BLUEPRINT}\", region: \"{REGION}\", \
         accounts: [$to], requester: \"wujunjie\", approvers: [\"wangxiaoming\"], ticket: \"7\"}}",
        SHARED[0], SHARED[1]
    );
    std::fs::write(world.folder.path().join("two.jq"), map).unwrap();
    world.rewrite_configuration("= \"feishu\"\nfetch", "= \"two.jq\"\nfetch");
    let store = Arc::new(Brittle::new(Arc::clone(&world.fuse)));
    world.journal = Journal::over(store.clone());
    world.restart();
    world.sweep().await;
    feishu::put_instance(&world, json!({}));
    let [first, second] = SHARED.map(|to| Identity {
        source: "feishu".parse().unwrap(),
        id: to.to_owned(),
    });
    let record = format!("requests/{}/000000.json", StreamId::of(&second)).into();
    store.put(&record, "{}\n".into()).await.unwrap();
    receive(&world, "e1", json!({})).await;
    for _ in 0..10 {
        world.sweep().await;
        world.advance(3 * 3_600);
    }
    let announcement = StreamId::of_announcement(&first.source, &format!("{CODE}/approved"));
    let history = world.journal.read(announcement).await.unwrap().unwrap();
    let Event::Settled(settled) = &history.records.last().unwrap().record.event else {
        panic!("{:?}", history.records.last());
    };
    assert_eq!(settled.requests, [first]);
    assert!(settled.why.as_ref().unwrap().starts_with("given up"));
    store.delete(&record).await.unwrap();
    receive(&world, "e2", json!({})).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    assert!(world.effects().values().all(|times| *times == 1));
    world.verify().await.unwrap();
}

/// An event that led to no request makes only its own repetitions duplicates.
#[tokio::test]
async fn an_event_that_led_to_no_request_keeps_no_later_event_away() {
    let world = feishu::world().await;
    feishu::put_instance(&world, json!({"status": "REJECTED"}));
    receive(&world, "e1", json!({})).await;
    world.sweep().await;
    feishu::put_instance(&world, json!({}));
    assert!(receive(&world, "e1", json!({})).await.1.duplicate);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), NOTHING);
    assert!(!receive(&world, "e2", json!({})).await.1.duplicate);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    // Now the instance has a request, so every further event is a duplicate.
    assert!(receive(&world, "e3", json!({})).await.1.duplicate);
    world.sweep().await;
    assert!(world.effects().values().all(|times| *times == 1));
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_given_up_instance_is_fetched_for_the_next_event() {
    let world = feishu::world().await;
    receive(&world, "e1", json!({})).await;
    for _ in 0..5 {
        world.sweep().await;
        world.advance(600);
    }
    assert_eq!(count(&world, "settled").await, 1);
    feishu::put_instance(&world, json!({}));
    receive(&world, "e2", json!({})).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    world.verify().await.unwrap();
}

/// Stops the process at every write of the journal. Feishu repeats unanswered events; sweeps run.
#[tokio::test]
async fn killed_anywhere_it_goes_on_and_shares_once() {
    let worlds = [feishu::world().await, feishu::world().await];
    for world in &worlds {
        feishu::put_instance(world, json!({}));
    }
    let met = killed_anywhere(worlds, &SHARED, async |world| {
        receive(world, "e1", json!({})).await;
    });
    let met = met.await;
    assert!(met >= 12, "only {met} places");
}

#[tokio::test]
async fn a_server_answers_at_once_while_the_api_is_slow() {
    let source = format!(
        "[[source]]\nname = \"feishu\"\nscheme = \"feishu\"\nsecrets = [\"env:FEISHU_ENCRYPT_KEY\"]\nmap = \"feishu\"\n\
         fetch = {{ preset = \"feishu\", app_id = \"{}\", app_secret = \"env:FEISHU_APP_SECRET\", \
         definitions = [\"{DEFINITION}\"] }}\n",
        feishu::system().receiver
    );
    let options = sharehook_sandbox::SandboxOptions::seeded(sharehook::clock::system_now);
    let site = Site::new(options, |folder| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n{source}")).unwrap();
    })
    .await;
    site.cloud.approvals(|all| {
        let instance = feishu::instance(CODE, json!({}));
        all.put(ApprovalSystem::Feishu, instance).unwrap();
        all.at(ApprovalSystem::Feishu).pause = Duration::from_secs(5);
    });
    let mut command = site.command();
    command.env("FEISHU_ENCRYPT_KEY", feishu::system().secret);
    command.env("FEISHU_APP_SECRET", "an-app-secret-for-tests-only-0001");
    command.env("SHAREHOOK_FETCH_ENDPOINT", site.cloud.url());
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

/// Nothing but the operator brings an approval back that was given up: its event is not sent again.
#[tokio::test]
async fn an_approval_that_was_given_up_is_listed_and_fetched_again_by_an_operator() {
    let world = feishu::world().await;
    receive(&world, "e1", json!({})).await;
    for _ in 0..6 {
        world.sweep().await;
        world.advance(900);
    }
    let rules = NoticeRules::default();
    let reader = JournalReader::new(&world.journal, &rules, world.now());
    assert!(reader.announcements().await.unwrap().entries.is_empty());
    let settled = async || reader.settled_announcements(None).await.unwrap().entries;
    let listed = settled().await;
    assert_eq!(listed[0].announcement, format!("feishu/{CODE}/approved"));
    assert!(listed.len() == 1 && listed[0].given_up, "{listed:?}");
    let findings = world.app.examine().await;
    let named = format!("`sharehook retry feishu/{CODE}/approved`");
    assert!(findings.iter().any(|one| one.text.contains(&named)));
    let by = Operator {
        source: "feishu".parse().unwrap(),
        requester: "carol".to_owned(),
    };
    let retry = async |name: &str| {
        let reason = "the permission was missing";
        let retried = world.app.retry(name, &by, reason, deadline()).await;
        match retried.unwrap() {
            Retried::Fetched(answers) => answers,
            other => panic!("{other:?}"),
        }
    };
    let name = format!("feishu/{CODE}");
    let [(ending, _)] = &retry(&name).await[..] else {
        panic!("not one answer")
    };
    assert_eq!(*ending, Ending::Pending, "Feishu does not know it yet");
    feishu::put_instance(&world, json!({}));
    let [(ending, answer)] = &retry(&name).await[..] else {
        panic!("not one answer")
    };
    assert_eq!((*ending, answer.status), (Ending::Done, Status::Completed));
    assert_eq!(world.has(BLUEPRINT), SHARED);
    assert!(settled().await.is_empty());
    let all = records(&world).await;
    assert_eq!(all.iter().filter(|kind| *kind == "received").count(), 2);
    let stayed = world.app.retry(&name, &by, "again", deadline()).await;
    assert!(!matches!(stayed, Ok(Retried::Fetched(_))), "{stayed:?}");
    world.verify().await.unwrap();
}
