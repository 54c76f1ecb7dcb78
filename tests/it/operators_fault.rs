//! An approved request is not lost because of the operator's mistake or an unavailable cloud. It
//! stays pending, and its message says who must do what. It continues by itself after the cause is
//! corrected.

use std::path::Path;

use serde_json::{Value, json};
use sharehook::app::{Ending, RequestState};
use sharehook::domain::{ResultKind, Status};
use sharehook_sandbox::SandboxOptions;

use crate::support::process::Finish as _;
use crate::support::service::{Site, now, request as ticket};
use crate::support::{ACCOUNTS, BLUEPRINT, Place, World, deadline, request};

const ONE: [&str; 1] = [ACCOUNTS[0]];
const REFUSED: &str = "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@500";

async fn site(prepare: impl Fn(&Path)) -> Site {
    Site::new(SandboxOptions::seeded(now), prepare).await
}

/// Sends a native request with `invoke`, and returns its answer. Without `with_key`, the process
/// does not have the cloud's key.
fn invoke(site: &Site, with_key: bool, request: &Value) -> Value {
    std::fs::write(site.folder.path().join("event.json"), request.to_string()).unwrap();
    let mut command = site.command();
    if !with_key {
        command.env_remove("TENCENTCLOUD_SECRET_ID");
        command.env_remove("TENCENTCLOUD_SECRET_KEY");
    }
    let done = command.args(["invoke", "event.json", "--json"]).finish();
    serde_json::from_slice(&done.stdout).unwrap()
}

fn swept(site: &Site) -> Value {
    let done = site.run(&["sweep", "--json"]);
    serde_json::from_slice(&done.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_without_credentials_is_made_once_there_are_some() {
    let site = site(|_| ()).await;
    let share = ticket("CHG1", json!({}));
    let answer = invoke(&site, false, &share);
    assert_eq!(answer["status"], "pending", "{answer}");
    let message = answer["message"].as_str().unwrap();
    for part in [
        "waits for the operator",
        "NoCredentials",
        "TENCENTCLOUD_SECRET_ID",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let listed = site.run(&["requests", "--state", "unfinished", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["state"], "blocked", "{listed}");
    // The sender does not repeat its delivery. A sweep by a person attempts the request at once,
    // without waiting until the pause ends.
    let report = swept(&site);
    assert_eq!(report["finished"], json!(["invoke/CHG1"]), "{report}");
    assert_eq!(site.blueprint_accounts("lhbp-6jc6l8yb").len(), 2);
    let answer = invoke(&site, true, &share);
    assert_eq!(
        (&answer["status"], &answer["duplicate"]),
        (&json!("completed"), &json!(true))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_with_a_wrong_endpoint_is_made_once_that_is_corrected() {
    let site = site(|_| ()).await;
    let config = site.folder.path().join("sharehook.toml");
    let right = std::fs::read_to_string(&config).unwrap();
    // Nothing listens on this port.
    let wrong = right.replace(&site.cloud.url(), "http://127.0.0.1:9");
    assert_ne!(wrong, right);
    std::fs::write(&config, wrong).unwrap();
    let answer = invoke(&site, true, &ticket("CHG1", json!({})));
    assert_eq!(answer["status"], "pending", "{answer}");
    let message = answer["message"].as_str().unwrap();
    for part in ["waits for the operator", "ConnectFailed", "cloud.endpoint"] {
        assert!(message.contains(part), "{message}");
    }
    let report = swept(&site);
    let why = report["unfinished"][0]["why"].as_str().unwrap();
    assert!(why.contains("ConnectFailed"), "{report}");
    std::fs::write(&config, right).unwrap();
    assert_eq!(swept(&site)["finished"], json!(["invoke/CHG1"]));
    assert_eq!(site.blueprint_accounts("lhbp-6jc6l8yb").len(), 2);
}

/// The pauses between attempts double, up to 15 minutes. After a day the request fails.
#[tokio::test]
async fn a_missing_permission_is_retried_for_a_day_and_fails_then() {
    let world = World::new().await;
    world.sweep().await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let share = request("CHG1", json!({"accounts": ONE}));
    let (ending, answer) = world.deliver(&share).await;
    assert_eq!((ending, answer.status), (Ending::Pending, Status::Pending));
    assert!(answer.message.unwrap().contains("CAM policy"));
    let listed = world.app.requests(None).await.unwrap().entries;
    assert_eq!(listed[0].state, RequestState::Blocked);
    let (began, mut pauses) = (world.now(), Vec::new());
    for _ in 0..500 {
        let report = world.app.sweep_at_once(deadline()).await.unwrap();
        let Some(left) = report.unfinished.first() else {
            break;
        };
        pauses.push(left.next_attempt.duration_since(world.now()).as_secs());
        world.clock.set(left.next_attempt);
    }
    assert_eq!(pauses[..3], [10, 20, 40]);
    assert_eq!(pauses.iter().max(), Some(&900));
    assert_eq!(world.now().duration_since(began).as_secs(), 24 * 3_600);
    let (_, answer) = world.deliver(&share).await;
    assert_eq!(answer.status, Status::Failed);
    let ResultKind::Failed { code, .. } = &answer.results[0].kind else {
        panic!("{answer:?}");
    };
    assert_eq!(code, "UnauthorizedOperation");
    world.verify().await.unwrap();
}

/// The site does not list a blueprint's accounts, so the expired share is cancelled even if it was
/// never made.
#[tokio::test]
async fn a_share_that_never_succeeded_is_not_recorded_as_made_at_its_end() {
    let world = World::with(Place::Brittle, |options| {
        *options = options.clone().on(sharehook_sandbox::Site::Intl);
    })
    .await;
    world.sweep().await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let share = request("CHG1", json!({"accounts": ONE, "expires_in": "1h"}));
    assert_eq!(world.deliver(&share).await.1.status, Status::Pending);
    world.advance(3_600);
    world.sweep().await;
    world.advance(900);
    world.sweep().await;
    let (_, answer) = world.deliver(&share).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    let cancels = world.cloud.calls().into_iter();
    let cancels = cancels.filter(|call| call.action == "CancelShareBlueprintAcrossAccounts");
    assert_eq!(cancels.count(), 1);
    assert!(world.app.grants().await.unwrap().entries.is_empty());
    world.verify().await.unwrap();
}

#[tokio::test]
async fn each_attempt_is_decided_again() {
    let mut world = World::new().await;
    world.sweep().await;
    world.cloud.inject(REFUSED.parse().unwrap());
    let share = request("CHG1", json!({"accounts": ONE}));
    world.deliver(&share).await;
    world.clear_faults().await;
    world.change_entities(|text| {
        let kept = text.lines().filter(|line| !line.contains(ONE[0]));
        kept.collect::<Vec<_>>().join("\n")
    });
    // A scheduled sweep makes no attempt before the pause ends.
    assert!(world.sweep().await.is_quiet());
    world.advance(5);
    assert_eq!(world.sweep().await.finished, ["invoke/CHG1"]);
    assert_eq!(world.deliver(&share).await.0, Ending::Denied);
    assert!(world.has(BLUEPRINT).is_empty());
    world.verify().await.unwrap();
}

/// A wrong account is an error of the ticket. Only the operator's errors are retried.
#[tokio::test]
async fn a_wrong_account_fails_at_once() {
    let world = World::new().await;
    let unknown =
        "ShareBlueprintAcrossAccounts:error-before:InvalidParameterValue.AccountIdsNotExist";
    world.cloud.inject(unknown.parse().unwrap());
    let share = request("CHG1", json!({"accounts": ONE}));
    let (ending, answer) = world.deliver(&share).await;
    assert_eq!((ending, answer.status), (Ending::Done, Status::Failed));
}
