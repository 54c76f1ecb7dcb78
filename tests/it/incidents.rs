//! Incidents: rejected deliveries and comparisons that find differences. The operator's
//! notification target receives each incident at least once, always under the same id. The number
//! of incidents is bounded, and senders do not wait for these notifications.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sharehook::app::{Ending, NotificationStatus, Reply, retire};
use sharehook_sandbox::InboxAnswer;

use crate::hosts_http::notifying;
use crate::notify::{world, world_at};
use crate::support::history::signer;
use crate::support::process::{Finish as _, program, run};
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, Place, REGION, STRANGER, World, deadline, invocation, request,
};

/// The bodies of notifications that the inbox accepted, by webhook id.
fn accepted(world: &World) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for letter in world.cloud.letters() {
        if letter.status < 300 {
            let body = serde_json::from_str(&letter.body).unwrap();
            let id = letter.headers["webhook-id"].clone();
            all.entry(id).or_default().push(body);
        }
    }
    all
}

async fn reject(world: &World, body: &Value) {
    let reply = world.app.receive(invocation(body), deadline()).await;
    assert!(matches!(reply, Reply::Invalid(_)), "{reply:?}");
}

#[tokio::test]
async fn a_rejected_delivery_reaches_the_operator_once() {
    let world = world(Place::Sealed, "").await;
    let bad = request("CHG1", json!({"image": "nonsense", "note": "hush-secret"}));
    reject(&world, &bad).await;
    assert!(world.cloud.letters().is_empty(), "the answer never waits");
    world.notify().await;
    for _ in 0..2 {
        reject(&world, &bad).await;
        world.notify().await;
        world.advance(3_700);
        world.sweep().await;
    }
    let accepted = accepted(&world);
    let bodies: Vec<_> = accepted.values().flatten().collect();
    let [event] = bodies[..] else {
        panic!("{accepted:?}")
    };
    assert_eq!(event["type"], "sharehook.delivery.rejected");
    let rejected = &event["data"]["rejected"];
    assert_eq!(rejected["source"], "invoke");
    let problems = rejected["problems"].to_string();
    assert!(problems.contains("image"), "{problems}");
    let lines = event["data"]["lines"].to_string();
    assert!(lines.contains("not a valid request"), "{lines}");
    assert!(!event.to_string().contains("hush-secret"), "{event}");
    world.verify().await.unwrap();
}

/// An approval is edited after it was carried out, and is delivered again under the same id.
#[tokio::test]
async fn other_content_under_a_used_id_is_listed_with_the_rejected_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let first = json!({"accounts": [ACCOUNTS[0]]});
    world.deliver(&request("CHG1", first)).await;
    for _ in 0..2 {
        let edited = request("CHG1", json!({"accounts": [ACCOUNTS[1]]}));
        assert_eq!(world.deliver(&edited).await.0, Ending::Conflict);
    }
    reject(&world, &json!({"id": "1", "image": "nonsense"})).await;
    let listed = world.app.reader().rejections(None).await.unwrap().entries;
    let requests: BTreeSet<_> = listed
        .iter()
        .map(|entry| entry.request.as_deref())
        .collect();
    assert_eq!(requests, BTreeSet::from([None, Some("invoke/CHG1")]));
    assert_eq!(listed.len(), 2, "{listed:?}");
    let args = ["requests", "--rejected", "--source", "invoke", "--journal"];
    let output = program(folder.path()).args(args).arg(&place).finish();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("id: CHG1 was used before"), "{said}");
}

/// The target answers 410, so the notification is given up. The operator's retry then sends it
/// under the same id.
#[tokio::test]
async fn a_rejection_is_repeated_under_one_id_and_can_be_sent_again() {
    let world = world(Place::Brittle, "").await;
    world.cloud.answer_letters(InboxAnswer {
        status: 410,
        ..InboxAnswer::default()
    });
    reject(&world, &json!({"id": "1", "image": "nonsense"})).await;
    world.notify().await;
    let listed = world
        .app
        .reader()
        .notifications(None)
        .await
        .unwrap()
        .entries;
    let [entry] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(entry.state, NotificationStatus::GivenUp);
    world.cloud.answer_letters(InboxAnswer::default());
    let desk = "desk".parse().unwrap();
    let again = world
        .app
        .retry_notifications(&desk, &entry.request, deadline())
        .await;
    assert_eq!(again.unwrap().entries[0].state, NotificationStatus::Sent);
    let letters = world.cloud.letters();
    let ids: BTreeSet<_> = letters.iter().map(|l| &l.headers["webhook-id"]).collect();
    assert_eq!((letters.len(), ids.len()), (2, 1));
    world.verify().await.unwrap();
}

/// Denies a request whose notification the target refuses for good. Two days pass.
async fn deny_without_notification(world: &World) {
    world.cloud.answer_letters(InboxAnswer {
        status: 410,
        ..InboxAnswer::default()
    });
    let denied = request("CHG1", json!({"accounts": [STRANGER]}));
    world.deliver(&denied).await;
    world.notify().await;
    world.advance(48 * 3_600);
}

/// The log keeps the records of a retired request. A notification that is sent later adds a record
/// after them.
#[tokio::test]
async fn a_retired_request_can_be_notified_again_and_sealed() {
    let world = world(Place::Brittle, "").await;
    deny_without_notification(&world).await;
    let seal = async || world.journal.seal(&signer(), world.now()).await.unwrap();
    assert_eq!(seal().await.sealed, 2);
    let (age, rules) = ("1d".parse().unwrap(), Default::default());
    let key = signer().verifier().clone();
    let retired = retire(&world.journal, &age, &key, world.now(), &rules);
    assert_eq!(retired.await.unwrap().retired, 1);
    let stream = world.journal.streams().await.unwrap().remove(0);
    let explained = world.app.reader().explain(stream).await;
    let next = explained.unwrap().unwrap().next;
    assert_eq!(next, "nothing: its records are retired; send a new ticket");
    world.cloud.answer_letters(InboxAnswer::default());
    let desk = "desk".parse().unwrap();
    let again = world.app.retry_notifications(&desk, "CHG1", deadline());
    assert_eq!(
        again.await.unwrap().entries[0].state,
        NotificationStatus::Sent
    );
    let sealing = seal().await;
    assert_eq!((sealing.sealed, sealing.left_out), (1, vec![]));
    let report = world.journal.verify_sealed(&key, None).await.unwrap();
    assert_eq!(
        (report.findings, report.records, report.retired),
        (vec![], 2, 1)
    );
}

/// After a request is retired, the index loses the entry of its later record. `reindex` writes the
/// entry again.
#[tokio::test]
async fn the_entry_of_a_record_after_a_retirement_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("journal");
    let place = format!("file:{}", journal.display());
    let world = world_at(Place::At(&place), "").await;
    deny_without_notification(&world).await;
    world.sweep().await;
    let signer = sharehook::app::signer(world.app.config()).unwrap().unwrap();
    let retired = async || {
        let (age, rules) = ("1d".parse().unwrap(), Default::default());
        let retired = retire(&world.journal, &age, signer.verifier(), world.now(), &rules);
        retired.await.unwrap().retired
    };
    assert_eq!(retired().await, 1);
    world.cloud.answer_letters(InboxAnswer::default());
    let desk = "desk".parse().unwrap();
    let again = world.app.retry_notifications(&desk, "CHG1", deadline());
    assert_eq!(again.await.unwrap().entries.len(), 1);
    assert_eq!(world.verify().await, Ok(()));
    std::fs::remove_dir_all(journal.join("index/unsealed")).unwrap();
    let lost = world.verify().await.unwrap_err();
    assert!(lost.contains("NotListedAsUnsealed"), "{lost}");
    assert_eq!(world.app.reindex().await.unwrap().mended, 1);
    assert_eq!(world.verify().await, Ok(()));
    let sealing = world.journal.seal(&signer, world.now()).await.unwrap();
    assert_eq!((sealing.sealed, sealing.left_out), (1, vec![]));
    // The request is retired already, and keeps its later record.
    world.advance(48 * 3_600);
    assert_eq!(retired().await, 0);
    assert_eq!(world.verify().await, Ok(()));
}

/// Stops the process at each write, or lets that write fail. Every recorded rejection is delivered,
/// and all its repetitions have the same id.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stop_of_the_process_loses_a_rejection_that_is_on_record() {
    let mut world = world(Place::Brittle, "").await;
    let bad = json!({"id": "1", "image": "nonsense"});
    for how in Break::ALL {
        for nth in 0.. {
            assert!(nth < 100, "the scenario does not end");
            world.reset().await;
            world.cloud.clear_inbox();
            world.fuse.arm(nth, how);
            let stopped = tokio::select! {
                () = async {
                    world.app.receive(invocation(&bad), deadline()).await;
                    world.notify().await;
                } => false,
                () = world.fuse.crashed() => true,
            };
            let met = world.fuse.reached();
            world.restart();
            // A wake-up whose record was never written is removed after a day.
            for hours in [1, 1, 25] {
                world.advance(hours * 3_600);
                drop(world.app.sweep(deadline()).await);
            }
            let on_record = world
                .app
                .reader()
                .rejections(None)
                .await
                .unwrap()
                .entries
                .len();
            let accepted = accepted(&world);
            assert_eq!(accepted.len(), on_record, "{how:?} {nth} {stopped}");
            assert_eq!(world.journal.due(world.now()).await.unwrap(), []);
            world.verify().await.unwrap();
            if !met {
                assert!(nth > 3, "{how:?} only reached {nth}");
                assert_eq!(on_record, 1, "{how:?}");
                break;
            }
        }
    }
}

/// Strangers and senders can never cause more notifications than there are records.
#[tokio::test]
async fn notifications_of_rejections_are_bounded_like_their_records() {
    let world = world(Place::Brittle, "on = [\"rejected\", \"expiring\"]").await;
    for n in 0..300 {
        reject(&world, &json!({"id": n, "image": "x"})).await;
    }
    world.notify().await;
    for _ in 0..3 {
        world.advance(300);
        world.sweep().await;
    }
    let (kept, sent) = (
        world
            .app
            .reader()
            .rejections(None)
            .await
            .unwrap()
            .entries
            .len(),
        accepted(&world).len(),
    );
    assert_eq!(sent, kept);
    assert!((100..=256).contains(&sent), "{sent}");
}

#[tokio::test]
async fn a_target_without_the_subject_gets_no_rejection() {
    let world = world(Place::Brittle, "on = [\"completed\", \"expiring\"]").await;
    reject(&world, &json!({"id": "1", "image": "nonsense"})).await;
    world.notify().await;
    world.advance(3_600);
    world.sweep().await;
    assert!(world.cloud.letters().is_empty());
    assert_eq!(
        world
            .app
            .reader()
            .rejections(None)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
}

pub(crate) fn share_by_hand(world: &World, account: &str) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
        let since = jiff::Timestamp::UNIX_EPOCH;
        blueprint.shares.insert(account.to_owned(), since);
    });
}

/// The same differences are reported once a day, and new differences at once.
#[tokio::test]
async fn a_scheduled_comparison_notifies_its_differences_once_a_day() {
    let world = world(Place::Sealed, "on = [\"drifted\", \"expiring\"]").await;
    let metrics = world.another().metrics().await;
    assert!(!metrics.contains("\nsharehook_drift"), "{metrics}");
    world
        .deliver(&request("CHG1", json!({"accounts": [ACCOUNTS[0]]})))
        .await;
    let compare = async || {
        let report = world.app.drift_task(deadline()).await.unwrap();
        world.notify().await;
        report
    };
    assert!(compare().await.agrees());
    assert!(world.cloud.letters().is_empty());
    let metrics = world.another().metrics().await;
    assert!(
        metrics.contains("\nsharehook_drift_differences 0\n"),
        "{metrics}"
    );
    share_by_hand(&world, ACCOUNTS[1]);
    let report = compare().await;
    assert_eq!(report.differences.len(), 1);
    let metrics = world.app.metrics().await;
    let counted = "sharehook_drift_differences 1\n";
    assert!(metrics.contains(counted), "{metrics}");
    world.advance(3_600);
    compare().await;
    // Another process shows it, too, but does not write it into its log for CloudWatch again: an
    // alarm counts these lines.
    let other = world.another();
    let metrics = other.metrics().await;
    let ended = format!(
        "sharehook_drift_timestamp_seconds {}\n",
        world.now().as_second()
    );
    assert!(
        metrics.contains(counted) && metrics.contains(&ended),
        "{metrics}"
    );
    let lines = other.metrics_for_cloudwatch("function").join("\n");
    assert!(
        lines.contains("sharehook_grants_active") && !lines.contains("drift"),
        "{lines}"
    );
    assert_eq!(accepted(&world).len(), 1);
    share_by_hand(&world, ACCOUNTS[2]);
    compare().await;
    assert_eq!(accepted(&world).len(), 2);
    world.advance(86_400);
    compare().await;
    let accepted = accepted(&world);
    assert_eq!(accepted.len(), 3);
    for event in accepted.values().flatten() {
        assert_eq!(event["type"], "sharehook.drift.found");
        let first = &event["data"]["drifted"]["differences"][0];
        assert_eq!(first["difference"], "unknown");
    }
    assert!(world.sweep().await.failures.is_empty());
    world.verify().await.unwrap();
}

/// A timer beside a server runs this command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_scheduled_command_records_and_notifies_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let inbox = format!("{}/inbox", world.cloud.url());
    notifying(world.folder.path(), &inbox);
    world
        .deliver(&request("CHG1", json!({"accounts": [ACCOUNTS[0]]})))
        .await;
    share_by_hand(&world, ACCOUNTS[1]);
    let code = |args: &[&str]| run(world.folder.path(), args).status.code();
    assert_eq!(code(&["drift"]), Some(1));
    assert!(world.cloud.letters().is_empty(), "the command only prints");
    for _ in 0..2 {
        assert_eq!(code(&["drift", "--scheduled"]), Some(1));
    }
    let accepted = accepted(&world);
    let [event] = accepted.values().flatten().collect::<Vec<_>>()[..] else {
        panic!("{accepted:?}")
    };
    assert_eq!(event["type"], "sharehook.drift.found");
    assert_eq!(code(&["drift", "--scheduled", "--adopt"]), Some(64));
}

/// The server's labels in the manifest must select no pod of the job.
#[test]
fn the_service_does_not_select_the_pods_of_the_drift_job() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/kubernetes/sharehook.yaml"
    );
    let text = std::fs::read_to_string(file).unwrap();
    let (_, job) = text.split_once("kind: CronJob").unwrap();
    assert!(job.contains("{ app.kubernetes.io/name: sharehook-drift }"));
    assert!(!job.contains("{ app.kubernetes.io/name: sharehook }"));
    assert!(job.contains("args: [drift, --scheduled]"));
}
