//! The chain CVM image → Lighthouse → accounts. It resumes after a stop at any step, waits for its
//! blueprint, and finds the blueprint of an image that is already in Lighthouse.

use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::Deadline;
use sharehook_sandbox::{Behaviour, Site};

use crate::support::cloud::{IMAGE, REGION, Setup, deliver, ticket, unlimited, unlimited_on};

const ACCOUNTS: [&str; 2] = ["700000000001", "700000000002"];

fn chain() -> Value {
    ticket("chain", "share", IMAGE, &ACCOUNTS, true)
}

fn carried_out(setup: &Setup, service: &str) -> usize {
    setup
        .writes(0)
        .iter()
        .filter(|call| call.carried_out && call.service == service)
        .count()
}

/// Asserts that one publication and one share were carried out, and that the answer reports both as
/// new.
fn check(setup: &Setup, answer: &Value, case: &str) {
    assert_eq!(answer["status"], "completed", "{case}: {answer}");
    let blueprint = setup.cloud.state().published(REGION, IMAGE).unwrap();
    assert_eq!(json!(setup.has(&blueprint)), json!(ACCOUNTS), "{case}");
    assert_eq!(
        carried_out(setup, "lighthouse"),
        2,
        "{case}: one publication, one share"
    );
    let kinds: Vec<&str> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["result"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"available") && kinds.iter().filter(|r| **r == "shared").count() == 2,
        "{case}: {answer}"
    );
    let available = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .find(|r| r["result"] == "available")
        .unwrap();
    assert_eq!(available["blueprint"], json!(blueprint), "{case}: {answer}");
    assert!(available["already"].is_null(), "{case}: {answer}");
}

/// Stops the process while the sandbox delays the answer to one call. A new process continues.
#[tokio::test]
async fn a_stop_at_any_call_is_survived() {
    for call in [
        "lighthouse.ModifyImageSharePermission",
        "DescribeBlueprints",
        "ShareBlueprintAcrossAccounts",
    ] {
        for fault in ["slow:30s", "reset-before"] {
            let mut setup = Setup::new(unlimited(), "file:journal").await;
            if fault != "slow:30s" {
                // The first call of this action fails, and its repetition is delayed.
                setup
                    .cloud
                    .inject(format!("{call}:{fault}").parse().unwrap());
            }
            setup
                .cloud
                .inject(format!("{call}:slow:30s").parse().unwrap());
            let app = setup.app.clone();
            let first = tokio::spawn(async move {
                deliver(&app, &chain(), Deadline::after(Duration::from_secs(20))).await
            });
            let held = || {
                setup
                    .cloud
                    .calls()
                    .iter()
                    .any(|c| c.fault.as_deref().is_some_and(|f| f.contains("slow")))
            };
            while !held() {
                assert!(!first.is_finished(), "{call}: nothing was held back");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            first.abort();
            drop(first.await);
            setup.cloud.clear_faults();
            setup.restart().await;
            // The stopped worker's lock is free, so the new process does not wait for its lease.
            let answer = setup.send(&chain()).await;
            check(&setup, &answer, &format!("stopped at {call} after {fault}"));
        }
    }
}

#[tokio::test]
async fn a_blueprint_in_the_making_is_waited_for() {
    let behaviour = Behaviour {
        publish_delay: Duration::from_millis(150),
        ..unlimited()
    };
    let setup = Setup::new(behaviour, "memory:").await;
    let answer = setup.send(&chain()).await;
    check(&setup, &answer, "150 ms");
    assert_eq!(
        setup.writes(0).len(),
        2,
        "it was not shared before it was NORMAL"
    );
}

/// The first delivery stops waiting for the blueprint and leaves the ticket pending. The next
/// attempt already knows the blueprint, and waits for it too.
#[tokio::test]
async fn a_wait_for_a_blueprint_is_bounded_and_goes_on_later() {
    let behaviour = Behaviour {
        publish_delay: Duration::from_millis(1_000),
        ..unlimited()
    };
    let setup = Setup::new(behaviour, "memory:").await;
    let first = setup.send(&chain()).await;
    assert_eq!(first["status"], "pending", "{first}");
    let mut answer = first;
    for _ in 0..10 {
        assert!(
            setup.writes(0).len() <= 2,
            "it was not shared before it was NORMAL"
        );
        if answer["status"] != "pending" {
            break;
        }
        setup.advance(60);
        answer = setup.send(&chain()).await;
    }
    check(&setup, &answer, "1 s");
}

#[tokio::test]
async fn an_image_that_is_there_already_is_found() {
    let setup = Setup::new(unlimited(), "memory:").await;
    setup
        .send(&ticket("before", "share", IMAGE, &[], true))
        .await;
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "completed", "{answer}");
    let results = answer["results"].as_array().unwrap();
    let available = results.iter().find(|r| r["result"] == "available").unwrap();
    let blueprint = setup.cloud.state().published(REGION, IMAGE).unwrap();
    assert_eq!(
        (&available["blueprint"], &available["already"]),
        (&json!(blueprint), &json!(true)),
        "{answer}"
    );
    assert_eq!(json!(setup.has(&blueprint)), json!(ACCOUNTS));
    assert_eq!(
        carried_out(&setup, "lighthouse"),
        2,
        "it was not published again"
    );
}

/// The image is already in Lighthouse, so the chain's call does not return its blueprint.
/// `DescribeBlueprints` shows only later that the blueprint belongs to the image.
#[tokio::test]
async fn a_blueprint_that_is_listed_late_is_found_by_a_later_turn() {
    let setup = Setup::new(unlimited(), "memory:").await;
    setup
        .send(&ticket("before", "share", IMAGE, &[], true))
        .await;
    let blueprint = setup.cloud.state().published(REGION, IMAGE).unwrap();
    let list = |image: Option<&str>| {
        setup.cloud.edit(|world| {
            let stock = world.regions.get_mut(REGION).unwrap();
            stock.blueprints.get_mut(&blueprint).unwrap().image_id =
                image.unwrap_or_default().to_owned();
        });
    };
    list(None);
    let unread = "DescribeImagesToShare:error-before:InternalError";
    assert!(setup.cloud.inject(unread.parse().unwrap()));
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    assert!(answer.to_string().contains("looks again later"), "{answer}");
    list(Some(IMAGE));
    setup.advance(120);
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "completed", "{answer}");
    assert_eq!(json!(setup.has(&blueprint)), json!(ACCOUNTS));
}

fn custom_images_only() -> Behaviour {
    Behaviour {
        shares_published_blueprints: false,
        ..unlimited()
    }
}

/// Asserts that each account failed as `ChainRefused`, for a reason that contains `part`.
fn check_refused(answer: &Value, part: &str) {
    let accounts: Vec<&Value> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["account"].is_string())
        .collect();
    assert_eq!(accounts.len(), 2, "{answer}");
    for result in accounts {
        assert_eq!(
            (&result["result"], &result["code"], &result["retryable"]),
            (&json!("failed"), &json!("ChainRefused"), &json!(false)),
            "{answer}"
        );
        let message = result["message"].as_str().unwrap();
        for part in [part, "PrivateBlueprintNotFound", " — approve a new request"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

/// In these sandboxes, a published blueprint does not count as one of the "custom images" that can
/// be shared.
#[tokio::test]
async fn a_refused_chain_takes_its_publication_back() {
    for site in [Site::Intl, Site::Cn] {
        a_refused_chain_takes_its_publication_back_on(site).await;
    }
}

async fn a_refused_chain_takes_its_publication_back_on(site: Site) {
    let behaviour = Behaviour {
        shares_published_blueprints: false,
        ..unlimited_on(site)
    };
    let setup = Setup::new(behaviour, "file:journal").await;
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "failed", "{answer}");
    check_refused(
        &answer,
        "the image, which this request had put in Lighthouse, was removed from there",
    );
    assert_eq!(answer["results"][0]["result"], "cancelled", "{answer}");
    assert_eq!(setup.cloud.state().published(REGION, IMAGE), None);
    assert!(
        setup.app.grants().await.unwrap().entries.is_empty(),
        "nothing is given"
    );
    let calls = setup.writes(0).len();
    assert_eq!(calls, 3, "published, refused once, taken back");
    let again = setup.send(&chain()).await;
    assert_eq!(
        (&again["status"], &again["duplicate"]),
        (&json!("failed"), &json!(true))
    );
    assert_eq!(setup.writes(0).len(), calls, "a duplicate acts no more");
}

#[tokio::test]
async fn a_refused_chain_leaves_a_publication_of_before() {
    let setup = Setup::new(custom_images_only(), "memory:").await;
    setup
        .send(&ticket("before", "share", IMAGE, &[], true))
        .await;
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "partial", "{answer}");
    check_refused(&answer, "where it was before this request");
    assert!(setup.cloud.state().published(REGION, IMAGE).is_some());
}

/// In the first attempt, the cloud refuses to take the publication back. The second attempt takes
/// it back, but the process stops before it closes the request. The third attempt closes it.
#[tokio::test]
async fn a_publication_that_could_not_be_taken_back_is_taken_back_later() {
    let mut setup = Setup::new(custom_images_only(), "file:journal").await;
    let publish = "lighthouse.ModifyImageSharePermission";
    // The publication succeeds. All three calls that would take it back fail.
    let fault = |text: &str| format!("{publish}:{text}").parse().unwrap();
    setup.cloud.inject(fault("slow:1ms"));
    setup
        .cloud
        .inject(fault("error-before:ResourceInUse.ImageInUse@3"));
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "pending", "{answer}");
    assert!(setup.cloud.state().published(REGION, IMAGE).is_some());

    setup.advance(61);
    setup.cloud.inject(fault("slow:30s"));
    let app = setup.app.clone();
    let stopped = tokio::spawn(async move {
        deliver(&app, &chain(), Deadline::after(Duration::from_secs(20))).await
    });
    while setup.cloud.state().published(REGION, IMAGE).is_some() {
        assert!(!stopped.is_finished());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    stopped.abort();
    drop(stopped.await);
    setup.restart().await;
    setup.advance(61);
    let answer = setup.send(&chain()).await;
    assert_eq!(answer["status"], "failed", "{answer}");
    assert_eq!(setup.cloud.state().published(REGION, IMAGE), None);
    let code = &answer["results"][1]["code"];
    assert_eq!(code, "ChainRefused", "{answer}");
}
