//! How an operator corrects a failed request: reopens it, revokes shares at once, and lists the
//! deliveries that were rejected.

use serde_json::{Value, json};
use sharehook::app::{Answer, Ending, Operator, Reply, Retried, RetryError};
use sharehook::domain::{Identity, Status};
use sharehook::journal::StreamId;

use crate::support::process::run;
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, Place, STRANGER, World, deadline, deliver,
    invocation, request,
};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const UNKNOWN: &str =
    "ShareBlueprintAcrossAccounts:error-before:InvalidParameterValue.AccountIdsNotExist";

fn carol() -> Operator {
    Operator {
        // A source that signs. The record names it, but the policy does not use it.
        source: "jira".parse().unwrap(),
        requester: "carol@example.com".to_owned(),
    }
}

async fn retry(world: &World, id: &str) -> Result<Retried, RetryError> {
    world
        .app
        .retry(id, &carol(), "the cause is corrected", deadline())
        .await
}

async fn reopened(world: &World, id: &str) -> (Ending, Answer) {
    match retry(world, id).await.unwrap() {
        Retried::Reopened(ending, answer) => (ending, *answer),
        other => panic!("{other:?}"),
    }
}

async fn stays_closed(world: &World, id: &str, because: &str) {
    match retry(world, id).await.unwrap() {
        Retried::StaysClosed(why) => assert!(why.contains(because), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_reopening_needs_a_person_and_a_reason() {
    let world = World::new().await;
    let denied = request("CHG1", json!({"accounts": [STRANGER]}));
    assert_eq!(world.deliver(&denied).await.0, Ending::Denied);
    let long = "x".repeat(2_001);
    for (requester, reason, field) in [
        (" ", "corrected", "requester: "),
        ("a\nb", "corrected", "requester: "),
        ("carol@example.com", "", "reason: "),
        ("carol@example.com", " ", "reason: "),
        ("carol@example.com", &long, "reason: "),
    ] {
        let by = Operator {
            requester: requester.to_owned(),
            ..carol()
        };
        let refused = world.app.retry("CHG1", &by, reason, deadline()).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, RetryError::Invalid(_)), "{error}");
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

fn without_account(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.contains(ONE[0]));
    kept.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_denied_request_is_carried_out_once_the_policy_is_mended() {
    let mut world = World::with(Place::Sealed, |_| ()).await;
    world.change_entities(|text| without_account(&text));
    let share = request("CHG1", json!({"accounts": ONE, "expires_in": "5h"}));
    assert_eq!(world.deliver(&share).await.0, Ending::Denied);
    // Only `retry` reopens the request.
    world.advance(60);
    assert!(matches!(
        retry(&world, "CHG1").await.unwrap(),
        Retried::Denied(answer) if !answer.refused.is_empty() && answer.status == Status::Denied
    ));
    world.restore_entities();
    world.advance(60);
    assert_eq!(world.deliver(&share).await.0, Ending::Denied);
    world.sweep().await;
    assert!(world.has(BLUEPRINT).is_empty());
    let (ending, answer) = reopened(&world, "invoke/CHG1").await;
    assert_eq!((ending, answer.status), (Ending::Done, Status::Completed));
    assert_eq!(world.has(BLUEPRINT), ONE);
    // The expiry counts from the first approval. The sender's next delivery gets the new answer.
    let (ending, again) = world.deliver(&share).await;
    assert_eq!((ending, again.duplicate), (Ending::Done, true));
    assert_eq!(again.results, answer.results);
    assert_eq!(
        again.expires_at.unwrap().to_string(),
        "2026-11-21T13:00:00Z"
    );
    stays_closed(&world, "CHG1", "it was completed").await;
    world.advance(5 * 3_600);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    stays_closed(&world, "CHG1", "was revoked").await;
    world.verify().await.unwrap();
}

/// What happens while a reopened share waits for its `not_before`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    TheRulesChange,
    ACancel,
}

#[tokio::test]
async fn a_reopened_share_waits_for_its_beginning() {
    use Meanwhile::{ACancel, Nothing, TheRulesChange};
    for meanwhile in [Nothing, TheRulesChange, ACancel] {
        let mut world = World::new().await;
        world.reset().await;
        world.change_entities(|text| without_account(&text));
        let later = json!({"accounts": ONE, "not_before": "2026-11-21T09:30:00Z"});
        let share = request("CHG1", later);
        assert_eq!(world.deliver(&share).await.0, Ending::Denied);
        world.restore_entities();
        world.advance(600);
        world.sweep().await;
        let (ending, answer) = reopened(&world, "CHG1").await;
        assert_eq!((ending, answer.status), (Ending::Waiting, Status::Pending));
        assert!(answer.message.unwrap().contains("2026-11-21T09:30:00Z"));
        stays_closed(&world, "CHG1", "it is not finished").await;
        assert_eq!(world.deliver(&share).await.0, Ending::Waiting);
        world.app.sweep_at_once(deadline()).await.unwrap();
        assert!(world.effects().is_empty(), "{meanwhile:?}");
        match meanwhile {
            Nothing => {}
            TheRulesChange => world.change_entities(|text| without_account(&text)),
            ACancel => {
                let cancel = json!({"action": "cancel", "accounts": ONE});
                world.deliver(&request("CHG2", cancel)).await;
                let (_, answer) = world.deliver(&share).await;
                assert_eq!(answer.status, Status::Failed, "{answer:?}");
            }
        }
        world.advance(2 * 3_600);
        world.sweep().await;
        let shared = meanwhile == Nothing;
        assert_eq!(world.has(BLUEPRINT).len(), usize::from(shared));
        let (_, answer) = world.deliver(&share).await;
        let status = match meanwhile {
            Nothing => Status::Completed,
            TheRulesChange => Status::Denied,
            ACancel => Status::Failed,
        };
        assert_eq!(answer.status, status, "{meanwhile:?}: {answer:?}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn only_what_failed_is_tried_again() {
    let world = World::new().await;
    world.cloud.inject(format!("{UNKNOWN}@3").parse().unwrap());
    // The batch and then each account fail. In the second attempt both accounts succeed.
    let two = json!({"accounts": &ACCOUNTS[..2]});
    let (_, answer) = world.deliver(&request("CHG1", two)).await;
    assert_eq!(answer.status, Status::Failed);
    world.clear_faults().await;
    let (_, answer) = reopened(&world, "CHG1").await;
    assert_eq!(answer.status, Status::Completed);
    assert_eq!(world.has(BLUEPRINT).len(), 2);
    let before = world.effects();
    assert!(before.values().all(|count| *count == 1), "{before:?}");
    world.verify().await.unwrap();
}

/// A cancel calls off one account after the share has called the cloud for it. The call for the
/// other account fails.
#[tokio::test]
async fn what_failed_is_tried_again_after_a_call_off_of_the_rest_was_revoked() {
    let mut world = World::new().await;
    world.reset().await;
    world.hurry();
    // The batch fails, then each account is called alone.
    assert!(world.cloud.inject(UNKNOWN.parse().unwrap()));
    world.fuse.arm_at("000001.json", Break::Stall);
    let two = json!({"accounts": &ACCOUNTS[..2], "expires_in": "5h"});
    let share = request("CHG1", two);
    let calling_off = async {
        world.fuse.stalled().await;
        assert_eq!(world.has(BLUEPRINT), ONE);
        world.advance(1);
        let cancel = json!({"action": "cancel", "accounts": ONE});
        let cancelled = deliver(&world.another(), &request("CHG2", cancel)).await;
        assert_eq!(cancelled.1.status, Status::Completed, "{cancelled:?}");
        assert!(world.cloud.inject(UNKNOWN.parse().unwrap()));
        world.fuse.release();
    };
    let ((_, answer), ()) = tokio::join!(world.deliver(&share), calling_off);
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    for _ in 0..2 {
        world.advance(300);
        world.sweep().await;
    }
    assert!(world.has(BLUEPRINT).is_empty());
    let (ending, answer) = reopened(&world, "CHG1").await;
    assert_eq!((ending, answer.status), (Ending::Done, Status::Partial));
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[1]]);
    assert_eq!(answer.results[0].called_off_by.as_deref(), Some("CHG2"));
    stays_closed(&world, "CHG1", "called off what is left of it").await;
    world.advance(5 * 3_600);
    assert_eq!(world.sweep().await.revoked, ["invoke/CHG1"]);
    assert!(world.has(BLUEPRINT).is_empty());
    stays_closed(&world, "CHG1", "was revoked").await;
    world.verify().await.unwrap();
}

/// A sweep deletes the index entries of the failed request. Reopening must restore them at once.
#[tokio::test]
async fn others_find_a_reopened_share() {
    let mut world = World::new().await;
    world.reset().await;
    world.cloud.inject(UNKNOWN.parse().unwrap());
    let share = json!({"accounts": ONE});
    let (_, answer) = world.deliver(&request("CHG1", share.clone())).await;
    assert_eq!(answer.status, Status::Failed);
    world.advance(600);
    world.sweep().await;
    reopened(&world, "CHG1").await;
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 1);
    let mut cancel = request("CHG2", share);
    cancel["action"] = json!("cancel");
    world.deliver(&cancel).await;
    assert!(world.has(BLUEPRINT).is_empty());
    assert_eq!(world.app.grants().await.unwrap().entries.len(), 0);
    world.verify().await.unwrap();
}

/// Tests both with and without a sweep that deletes the index entries of the cancel.
#[tokio::test]
async fn a_cancel_that_had_ended_does_not_undo_a_reopening() {
    for sweeps in [false, true] {
        let world = World::new().await;
        world.sweep().await;
        world.cloud.inject(UNKNOWN.parse().unwrap());
        let share = json!({"accounts": ONE});
        let (_, answer) = world.deliver(&request("CHG1", share)).await;
        assert_eq!(answer.status, Status::Failed);
        world.advance(1);
        let cancel = json!({"action": "cancel", "accounts": ONE});
        let (_, answer) = world.deliver(&request("CHG2", cancel)).await;
        assert_eq!(answer.status, Status::Completed);
        world.advance(1);
        if sweeps {
            world.advance(600);
            world.sweep().await;
        }
        let (_, answer) = reopened(&world, "CHG1").await;
        assert_eq!(answer.status, Status::Completed, "{sweeps}: {answer:?}");
        assert_eq!(world.has(BLUEPRINT), ONE);
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn what_stays_closed_says_why() {
    let world = World::new().await;
    let failing = |id: &str, change: Value| {
        world.cloud.inject(UNKNOWN.parse().unwrap());
        request(id, change)
    };
    let ends = failing("ENDED", json!({"accounts": ONE, "expires_in": "1h"}));
    world.deliver(&ends).await;
    let old = failing("OLD", json!({"accounts": ONE}));
    world.deliver(&old).await;
    let refused = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation";
    world.cloud.inject(refused.parse().unwrap());
    let waits = json!({"accounts": ONE, "expires_in": "90d"});
    world.deliver(&request("WAITS", waits)).await;
    stays_closed(&world, "WAITS", "it is not finished").await;
    world.advance(3_600);
    stays_closed(&world, "ENDED", "its expiry has passed").await;
    world.advance(30 * 24 * 3_600);
    stays_closed(&world, "OLD", "longer ago than [limits] retry_age").await;
    for (id, because) in [
        ("ENDED", "nothing: its expiry has passed"),
        ("OLD", "longer ago than [limits] retry_age"),
    ] {
        let identity = Identity {
            source: "invoke".parse().unwrap(),
            id: id.to_owned(),
        };
        let explained = world.app.reader().explain(StreamId::of(&identity)).await;
        let next = explained.unwrap().unwrap().next;
        assert!(next.contains(because), "{next}");
    }
    let unknown = retry(&world, "NONE").await.unwrap_err();
    assert!(matches!(unknown, RetryError::Unknown(_)), "{unknown}");
    let stranger = Operator {
        source: "nobody".parse().unwrap(),
        ..carol()
    };
    let error = world.app.retry("OLD", &stranger, "x", deadline()).await;
    assert!(matches!(error, Err(RetryError::UnknownSource(_))));
    world.verify().await.unwrap();
}

/// A worker denies a retry by outdated policies. Before it records the denial, another worker
/// reopens the request, so the denial must not be recorded.
#[tokio::test]
async fn a_denial_that_another_reopening_precedes_is_no_denial() {
    let mut world = World::new().await;
    world.change_entities(|text| without_account(&text));
    let share = request("CHG1", json!({"accounts": ONE}));
    assert_eq!(world.deliver(&share).await.0, Ending::Denied);
    let outdated = world.another();
    world.restore_entities();
    world.fuse.arm_at("000001.json", Break::Stall);
    let by = carol();
    let denying = outdated.retry("CHG1", &by, "too early", deadline());
    let reopening = async {
        world.fuse.stalled().await;
        reopened(&world, "CHG1").await;
        world.fuse.release();
    };
    let (denied, ()) = tokio::join!(denying, reopening);
    let denied = denied.unwrap();
    assert!(matches!(denied, Retried::StaysClosed(_)), "{denied:?}");
    assert_eq!(world.has(BLUEPRINT), ONE);
    world.verify().await.unwrap();
}

/// Stops the process at each write of a reopening, or fails the write. If the reopening is on
/// record, the next sweep finishes the request.
#[tokio::test]
async fn a_reopening_that_is_interrupted_is_finished() {
    let mut world = World::new().await;
    let share = request("CHG1", json!({"accounts": ONE}));
    let mut stops = 0;
    for nth in 0..12 {
        world.reset().await;
        world.change_entities(|text| without_account(&text));
        world.deliver(&share).await;
        world.restore_entities();
        world.fuse.arm(nth, Break::ALL[nth as usize % 4]);
        let stopped = tokio::select! {
            _ = retry(&world, "CHG1") => false,
            () = world.fuse.crashed() => true,
        };
        stops += u32::from(stopped);
        world.fuse.arm(u64::MAX, Break::FailBefore);
        world.restart();
        world.advance(300);
        world.sweep().await;
        // A reopening that stopped before its record leaves the request closed.
        if world.has(BLUEPRINT).is_empty() {
            reopened(&world, "CHG1").await;
        }
        assert_eq!(world.has(BLUEPRINT), ONE, "{nth}");
        assert!(world.effects().values().all(|count| *count == 1), "{nth}");
        world.verify().await.unwrap();
    }
    assert!(stops > 2, "{stops}");
}

#[tokio::test]
async fn shares_are_taken_back_at_once_through_policy_and_journal() {
    let world = World::new().await;
    world.sweep().await;
    world.deliver(&request("CHG1", json!({}))).await;
    let chain = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": ONE});
    world.deliver(&request("CHG2", chain)).await;
    world.advance(60);
    let by = |requester: &str, source: &str| Operator {
        source: source.parse().unwrap(),
        requester: requester.to_owned(),
    };
    let revoke = async |image: &str, accounts: &[&str], by: &Operator| {
        let accounts: Vec<String> = accounts.iter().map(|a| (*a).to_owned()).collect();
        let work = world
            .app
            .revoke_now(image, &accounts, by, "leaked", false, deadline());
        work.await.map(|revoked| {
            let answers = revoked.answers.into_iter();
            answers.map(|(_, a)| a.status).collect::<Vec<_>>()
        })
    };
    let alice = by("alice@example.com", "invoke");
    let denied = revoke(BLUEPRINT, &[], &by("mallory@example.com", "invoke")).await;
    assert_eq!(denied.unwrap(), [Status::Denied]);
    assert_eq!(world.has(BLUEPRINT).len(), 3);
    let untrusted = revoke(BLUEPRINT, &[], &by("alice@example.com", "jira")).await;
    assert!(untrusted.unwrap_err().to_string().contains("trusted"));
    world.advance(1);
    assert_eq!(
        revoke(BLUEPRINT, &ONE, &alice).await.unwrap(),
        [Status::Completed]
    );
    assert_eq!(world.has(BLUEPRINT).len(), 2);
    world.advance(1);
    assert_eq!(
        revoke(BLUEPRINT, &[], &alice).await.unwrap(),
        [Status::Completed]
    );
    assert!(world.has(BLUEPRINT).is_empty());
    world.advance(1);
    let both = revoke(CHAIN_IMAGE, &[], &alice).await.unwrap();
    assert_eq!(both, [Status::Completed; 2]);
    assert!(world.has(CHAINED).is_empty() && world.shares().is_empty());
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    let nothing = revoke(BLUEPRINT, &[], &alice).await.unwrap_err();
    assert!(nothing.to_string().contains("no active grant"), "{nothing}");
    world.verify().await.unwrap();
}

#[tokio::test]
async fn a_delivery_that_is_not_understood_is_on_record_without_its_body() {
    let world = World::with(Place::Sealed, |_| ()).await;
    let bad = request(
        "CHG1",
        json!({"image": "hush-token", "note": "hush-secret"}),
    );
    for _ in 0..2 {
        let reply = world.app.receive(invocation(&bad), deadline()).await;
        assert!(matches!(reply, Reply::Invalid(_)), "{reply:?}");
    }
    let late = json!({"not_before": "2029-01-01T00:00:00Z"});
    assert_eq!(
        world.deliver(&request("CHG2", late)).await.0,
        Ending::Invalid
    );
    let listed = world.app.reader().rejections(None).await.unwrap();
    assert!(listed.flaws.is_empty());
    let problems: Vec<_> = listed
        .entries
        .iter()
        .map(|entry| entry.problems[0].field.as_str())
        .collect();
    assert_eq!(problems.len(), 2, "{listed:?}");
    assert!(problems.contains(&"not_before"), "{problems:?}");
    let text = serde_json::to_string(&listed.entries).unwrap();
    assert!(!text.contains("hush-secret"), "{text}");
    assert!(world.app.requests(None).await.unwrap().entries.is_empty());
    let metrics = world.app.metrics().await;
    let counted = "sharehook_deliveries_rejected_total{source=\"invoke\"} 3";
    assert!(metrics.contains(counted), "{metrics}");
    // Rejections are sealed and verified like other records.
    world.advance(3_600);
    assert!(world.sweep().await.failures.is_empty());
    world.verify().await.unwrap();
    assert_eq!(
        world
            .app
            .reader()
            .rejections(Some(1))
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
}

#[tokio::test]
async fn rejected_deliveries_are_bounded_in_number() {
    let world = World::new().await;
    for n in 0..400 {
        let bad = json!({"id": n, "image": "x"});
        world.app.receive(invocation(&bad), deadline()).await;
    }
    let kept = world
        .app
        .reader()
        .rejections(None)
        .await
        .unwrap()
        .entries
        .len();
    assert!((200..=256).contains(&kept), "{kept}");
    world.advance(24 * 3_600);
    world
        .app
        .receive(invocation(&json!({"image": "y"})), deadline())
        .await;
    let next_day = world
        .app
        .reader()
        .rejections(None)
        .await
        .unwrap()
        .entries
        .len();
    assert_eq!(next_day, kept + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_say_what_became_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    world.clock.set(sharehook::clock::system_now());
    world.cloud.inject(UNKNOWN.parse().unwrap());
    let share = request("CHG1", json!({"accounts": ONE}));
    assert_eq!(world.deliver(&share).await.1.status, Status::Failed);
    world
        .deliver(&request("CHG2", json!({"accounts": [STRANGER]})))
        .await;
    world
        .app
        .receive(invocation(&json!({"image": "x"})), deadline())
        .await;
    let done = |args: &[&str]| {
        let output = run(world.folder.path(), args);
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let by = ["--as", "jira/carol@example.com", "--reason", "corrected"];
    let retry = |id: &str| done(&[&["retry", id][..], &by].concat());
    let (code, text) = retry("CHG2");
    assert_eq!(code, Some(2), "{text}");
    assert!(
        text.contains("the current policies deny the request"),
        "{text}"
    );
    assert!(
        text.contains(&format!("\n  account {STRANGER}: ")),
        "{text}"
    );
    let (code, text) = done(&[&["retry", "CHG2", "--json"][..], &by].concat());
    assert_eq!(code, Some(2), "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["status"], "denied", "{answer}");
    let result = &answer["results"][0];
    assert_eq!(
        (&result["account"], &result["code"]),
        (&json!(STRANGER), &json!("PolicyDenied"))
    );
    let newest = answer["record"].as_str().unwrap();
    assert!(newest.contains("/000002.json sha256:"), "{newest}");
    assert!(
        !answer["refused"].as_array().unwrap().is_empty(),
        "{answer}"
    );
    let (code, text) = retry("invoke/CHG1");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("\"completed\""), "{text}");
    assert_eq!(retry("CHG1").0, Some(2));
    assert_eq!(retry("CHG9").0, Some(64));
    let no_reason = ["retry", "CHG2", by[0], by[1], by[2], ""];
    let (code, text) = done(&no_reason);
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("reason: is empty"), "{text}");
    let (_, text) = done(&["audit", "export", "--format", "ocsf"]);
    assert_eq!(
        text.matches("reopened by jira/carol@example.com: corrected")
            .count(),
        3
    );
    assert_eq!(done(&["audit", "seal"]).0, Some(0));
    let (code, proof) = done(&["audit", "prove", "CHG1"]);
    assert_eq!(code, Some(0), "{proof}");
    std::fs::write(world.folder.path().join("proof.json"), &proof).unwrap();
    let (_, key) = done(&["audit", "key"]);
    let check = ["audit", "check-proof", "proof.json", "--key", key.trim()];
    let (code, text) = done(&check);
    assert_eq!(code, Some(0), "{text}");
    let story = "reopened by jira/carol@example.com: corrected; allowed by";
    assert!(text.contains(story), "{text}");
    let forged = proof.replace("carol", "david");
    std::fs::write(world.folder.path().join("proof.json"), forged).unwrap();
    assert_eq!(done(&check).0, Some(2));
    let (code, text) = done(&["requests", "--rejected"]);
    assert_eq!(code, Some(0));
    assert!(
        text.contains("PROBLEMS") && text.contains("invoke"),
        "{text}"
    );
    let image = [
        "revoke",
        "--image",
        BLUEPRINT,
        "--as",
        "invoke/alice@example.com",
    ];
    let (code, text) = done(&[&image[..], &["--reason", "leaked"]].concat());
    assert_eq!(code, Some(0), "{text}");
    assert!(world.has(BLUEPRINT).is_empty());
    assert_eq!(done(&["audit", "verify"]).0, Some(0));
}
