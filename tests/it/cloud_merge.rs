//! Concurrent tickets for the same image are merged into shared calls. Each ticket keeps its own
//! result and record.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::Deadline;
use sharehook_sandbox::{Batch, Behaviour, Fault, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY};
use tokio::task::JoinSet;

use crate::support::cloud::{BLUEPRINT, IMAGE, Setup, deliver, ticket, unlimited};
use crate::support::process::Finish as _;

fn account(n: usize) -> String {
    format!("{}", 700_000_000_000 + n)
}

/// Sends tickets concurrently. Returns the answers in the order of the tickets.
async fn at_once(setup: &Setup, tickets: Vec<Value>) -> Vec<Value> {
    let mut running = JoinSet::new();
    for (index, ticket) in tickets.into_iter().enumerate() {
        let app = setup.app.clone();
        running.spawn(async move {
            (
                index,
                // A long deadline, even for a busy machine: the test checks the number of calls,
                // not the time.
                deliver(&app, &ticket, Deadline::after(Duration::from_secs(120))).await,
            )
        });
    }
    let mut answers = running.join_all().await;
    answers.sort_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Slows down the first `times` calls of `action`, so that more tickets arrive in the meantime.
fn slow_calls(setup: &Setup, action: &str, times: u32) {
    let fault: Fault = format!("{action}:slow:40ms@{times}").parse().unwrap();
    assert!(setup.cloud.inject(fault));
}

#[tokio::test]
async fn a_hundred_tickets_for_one_image_share_its_calls() {
    for (image, action) in [
        (BLUEPRINT, "ShareBlueprintAcrossAccounts"),
        (IMAGE, "cvm.ModifyImageSharePermission"),
    ] {
        let setup = Setup::new(unlimited(), "memory:").await;
        slow_calls(&setup, action, 500);
        let tickets = |action| {
            (0..100)
                .map(|n| {
                    ticket(
                        &format!("{action} {n}"),
                        action,
                        image,
                        &[&account(n)],
                        false,
                    )
                })
                .collect()
        };
        let answers = at_once(&setup, tickets("share")).await;
        for (n, answer) in answers.iter().enumerate() {
            assert_eq!(answer["status"], "completed", "{answer}");
            let result = &answer["results"][0];
            assert_eq!(
                (&result["account"], &result["result"]),
                (&json!(account(n)), &json!("shared")),
                "{answer}"
            );
            assert!(result["request_id"].is_string(), "{answer}");
        }
        let records: std::collections::BTreeSet<&str> = answers
            .iter()
            .map(|a| a["record"].as_str().unwrap())
            .collect();
        assert_eq!(records.len(), 100, "each has its own record");
        assert_eq!(setup.has(image).len(), 100);
        let calls = setup.writes(0);
        assert!(
            calls.len() <= 20,
            "{} calls for 100 tickets of one account",
            calls.len()
        );
        assert!(
            calls
                .iter()
                .all(|call| call.accounts.len() <= 10 && call.code.is_none())
        );
        let from = setup.cloud.calls().len();
        let answers = at_once(&setup, tickets("cancel")).await;
        assert!(
            answers
                .iter()
                .all(|a| a["results"][0]["result"] == "cancelled"),
            "{answers:?}"
        );
        assert!(setup.writes(from).len() <= 20 && setup.has(image).is_empty());
    }
}

#[tokio::test]
async fn a_ticket_does_not_wait_when_no_call_is_under_way() {
    let setup = Setup::new(unlimited(), "memory:").await;
    let begun = std::time::Instant::now();
    let answer = setup
        .send(&ticket("one", "share", BLUEPRINT, &[&account(1)], false))
        .await;
    assert_eq!(answer["status"], "completed");
    assert_eq!(setup.writes(0).len(), 1);
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

/// Tests each way in which the cloud may treat the other accounts of a call that names a bad one.
#[tokio::test]
async fn a_bad_account_costs_only_its_own_ticket() {
    for batch in [Batch::AllOrNothing, Batch::UntilFirstBad] {
        for (reads, refuses) in [(true, true), (true, false), (false, true), (false, false)] {
            let behaviour = Behaviour {
                lighthouse_batch: batch,
                cvm_batch: batch,
                any_already_shared_refuses: refuses,
                read_shares_api: reads,
                ..unlimited()
            };
            for (image, code, action) in [
                (
                    BLUEPRINT,
                    "InvalidParameterValue.AccountIdsNotExist",
                    "ShareBlueprintAcrossAccounts",
                ),
                (
                    IMAGE,
                    "InvalidAccountId.NotFound",
                    "cvm.ModifyImageSharePermission",
                ),
            ] {
                let case = format!("{image} {batch:?} reads: {reads}, refuses: {refuses}");
                let setup = Setup::new(behaviour.clone(), "memory:").await;
                slow_calls(&setup, action, 2);
                let who = |n: usize| {
                    if n % 7 == 3 {
                        format!("9990000000{n:02}")
                    } else {
                        account(n)
                    }
                };
                let tickets = (0..30)
                    .map(|n| ticket(&format!("t{n}"), "share", image, &[&who(n)], false))
                    .collect();
                let answers = at_once(&setup, tickets).await;
                for (n, answer) in answers.iter().enumerate() {
                    let result = &answer["results"][0];
                    assert_eq!(result["account"], who(n), "{case}");
                    if n % 7 == 3 {
                        assert_eq!(
                            (&answer["status"], &result["code"]),
                            (&json!("failed"), &json!(code)),
                            "{case}: {answer}"
                        );
                    } else {
                        assert_eq!(result["result"], "shared", "{case}: {answer}");
                    }
                }
                assert_eq!(
                    setup.has(image).len(),
                    (0..30).filter(|n| n % 7 != 3).count(),
                    "{case}"
                );
            }
        }
    }
}

/// Two tickets for one account never share a call. The second ticket finds the result of the first.
#[tokio::test]
async fn tickets_for_one_account_get_an_end_each() {
    let setup = Setup::new(unlimited(), "memory:").await;
    slow_calls(&setup, "cvm.ModifyImageSharePermission", 5);
    let tickets = (0..5)
        .map(|n| ticket(&format!("t{n}"), "share", IMAGE, &[&account(1)], false))
        .collect();
    let answers = at_once(&setup, tickets).await;
    let count = |kind: &str| {
        answers
            .iter()
            .filter(|a| a["results"][0]["result"] == kind)
            .count()
    };
    assert_eq!(
        (count("shared"), count("already_shared")),
        (1, 4),
        "{answers:?}"
    );
}

/// If the request that makes a merged call is interrupted, the other requests read back and end
/// correctly.
#[tokio::test]
async fn a_stopped_leader_costs_its_waiters_nothing() {
    let setup = Setup::new(unlimited(), "memory:").await;
    setup
        .cloud
        .inject("ShareBlueprintAcrossAccounts:slow:60ms".parse().unwrap());
    setup
        .cloud
        .inject("ShareBlueprintAcrossAccounts:slow:30s".parse().unwrap());
    let mut running = Vec::new();
    for n in 0..6 {
        let (app, request) = (
            setup.app.clone(),
            ticket(&format!("t{n}"), "share", BLUEPRINT, &[&account(n)], false),
        );
        running.push(tokio::spawn(async move {
            deliver(&app, &request, Deadline::after(Duration::from_secs(8))).await
        }));
    }
    let held = || {
        setup
            .writes(0)
            .iter()
            .any(|c| c.fault.as_deref().is_some_and(|f| f.contains("30000")))
    };
    while !held() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // One of the remaining requests leads the delayed call. The test does not know which, so it
    // stops one after the other until the call ends.
    let mut stopped = 0;
    for task in &running {
        task.abort();
        stopped += 1;
        tokio::time::sleep(Duration::from_millis(30)).await;
        if setup.writes(0).len() > 2 || running.iter().all(|t| t.is_finished()) {
            break;
        }
    }
    let mut ends = Vec::new();
    for task in running {
        ends.extend(task.await.ok());
    }
    assert!(
        ends.iter().all(|a| a["results"][0]["result"] == "shared"),
        "{ends:?}"
    );
    assert!(
        stopped + ends.len() >= 6,
        "{stopped} stopped, {} ended",
        ends.len()
    );
}

/// A merged call may end after a ticket's deadline. If that ticket joined the call, it would read
/// the cloud too early and report its account as not shared.
#[tokio::test]
async fn a_ticket_that_cannot_wait_for_a_calls_end_does_not_join_it() {
    let setup = Setup::new(unlimited(), "memory:").await;
    for wait in ["500ms", "2s"] {
        let slow = format!("ShareBlueprintAcrossAccounts:slow:{wait}");
        setup.cloud.inject(slow.parse().unwrap());
    }
    let send = |n: usize, deadline| {
        let app = setup.app.clone();
        let request = ticket(&format!("t{n}"), "share", BLUEPRINT, &[&account(n)], false);
        tokio::spawn(async move { deliver(&app, &request, deadline).await })
    };
    let leader = send(0, Deadline::after(Duration::from_secs(60)));
    while setup.writes(0).is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let others = [
        send(1, Deadline::after(Duration::from_secs(60))),
        send(2, Deadline::after(Duration::from_secs(60))),
        send(3, Deadline::after(Duration::from_millis(1_500))),
    ];
    let mut statuses = vec![leader.await.unwrap()["status"].clone()];
    for other in others {
        statuses.push(other.await.unwrap()["status"].clone());
    }
    assert_eq!(statuses, ["completed", "completed", "completed", "pending"]);
    let carried: Vec<_> = setup.writes(0).iter().map(|c| c.accounts.clone()).collect();
    let of = |accounts: &[usize]| accounts.iter().map(|n| account(*n)).collect::<Vec<_>>();
    assert_eq!(carried, [of(&[0]), of(&[1, 2])]);
}

/// Delivers an SQS batch to the program: ten messages for one image, one of them invalid.
#[tokio::test(flavor = "multi_thread")]
async fn a_queue_batch_shares_its_calls() {
    let setup = Setup::new(unlimited(), "memory:").await;
    slow_calls(&setup, "ShareBlueprintAcrossAccounts", 500);
    for queue in ["share-requests", "share-requests.fifo"] {
        setup.reset(&[]);
        let folder = tempfile::tempdir().unwrap();
        let arn = format!("arn:aws:sqs:eu-central-1:123456789012:{queue}");
        let config = queue_config(folder.path(), &setup.cloud.url(), &arn);
        let record = |n: usize| {
            let body = if n == 4 {
                "not json".to_owned()
            } else {
                ticket(&format!("t{n}"), "share", BLUEPRINT, &[&account(n)], false).to_string()
            };
            json!({"messageId": format!("m{n}"), "body": body, "eventSource": "aws:sqs", "eventSourceARN": arn})
        };
        let event = folder.path().join("event.json");
        let records: Vec<Value> = (0..10).map(record).collect();
        std::fs::write(&event, json!({ "Records": records }).to_string()).unwrap();
        let from = setup.cloud.calls().len();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
        command
            .args(["invoke", "--json", "--config"])
            .arg(&config)
            .arg(&event);
        command
            .env("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID)
            .env("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY);
        let output = tokio::task::spawn_blocking(move || command.finish())
            .await
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let failed: Vec<String> = (0..10)
            .map(|n| format!("\"m{n}\""))
            .filter(|id| printed.contains(id.as_str()))
            .collect();
        let calls = setup.writes(from).len();
        if queue.ends_with(".fifo") {
            assert_eq!(
                failed,
                ["\"m4\"", "\"m5\"", "\"m6\"", "\"m7\"", "\"m8\"", "\"m9\""],
                "{printed}"
            );
            assert_eq!(
                (calls, setup.has(BLUEPRINT).len()),
                (4, 4),
                "in order: one call each, up to the bad one"
            );
        } else {
            assert_eq!(failed, ["\"m4\""], "{printed}");
            // Two calls are enough if all messages arrive together. A busy machine may need more;
            // without merging there are nine.
            assert!(
                calls <= 6 && setup.has(BLUEPRINT).len() == 9,
                "{calls} calls"
            );
        }
    }
}

fn queue_config(folder: &std::path::Path, url: &str, arn: &str) -> std::path::PathBuf {
    let policy = folder.join("policy");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(
        policy.join("all.cedar"),
        "@id(\"all\") permit (principal, action, resource);\n",
    )
    .unwrap();
    std::fs::write(policy.join("entities.json"), "[]").unwrap();
    let text = format!(
        "journal = \"file:journal\"\npolicy = \"policy\"\n[cloud]\nsite = \"intl\"\nendpoint = \"{url}\"\n\
         [[source]]\nname = \"queue\"\nscheme = \"trusted\"\nfrom = [\"{arn}\"]\n"
    );
    let file = folder.join("sharehook.toml");
    std::fs::write(&file, text).unwrap();
    file
}
