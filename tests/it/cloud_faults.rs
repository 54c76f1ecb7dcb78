//! Combines every fault with each operation and with the answers that `behaviours` chooses for the
//! documentation's open questions. In each case, the final state must be right, the answer must be
//! true, and nothing may be carried out twice.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{Deadline, ImagesQuery};
use sharehook::domain::ErrorClass;
use sharehook_sandbox::{Batch, Behaviour, Fault};

use crate::support::cloud::{BLUEPRINT, IMAGE, REGION, Setup, deliver, ticket, unlimited};

const A: &str = "700000000001";
const B: &str = "700000000002";
const C: &str = "700000000003";
/// An account that does not exist. The sandbox refuses it, alone or in a batch.
const BAD: &str = "999000000001";

const FAULTS: [&str; 10] = [
    "error-before:InternalError",
    "error-after:InternalError",
    "reset-before",
    "reset-after",
    "status:502",
    "html-ok",
    "cut-body",
    "slow:1500ms",
    "reset-after@2",
    // This fault is the last one, because throttling slows down all later calls.
    "error-before:RequestLimitExceeded@2",
];

/// An operation: the ticket, and the call to which the fault is applied.
struct Operation {
    name: &'static str,
    fault: &'static str,
    action: &'static str,
    image: &'static str,
    accounts: &'static [&'static str],
    lighthouse: bool,
    /// The accounts that have the image before the test.
    before: &'static [&'static str],
}

const SHARE: &str = "ShareBlueprintAcrossAccounts";
const CANCEL: &str = "CancelShareBlueprintAcrossAccounts";
const CVM: &str = "cvm.ModifyImageSharePermission";
const LIGHTHOUSE: &str = "lighthouse.ModifyImageSharePermission";
const ABC: &[&str] = &[A, B, C];
const ONE_BAD: &[&str] = &[A, BAD, C];

const fn operation(
    name: &'static str,
    fault: &'static str,
    action: &'static str,
    image: &'static str,
    accounts: &'static [&'static str],
) -> Operation {
    Operation {
        name,
        fault,
        action,
        image,
        accounts,
        lighthouse: false,
        before: &[],
    }
}

const OPERATIONS: [Operation; 12] = [
    operation("share blueprint", SHARE, "share", BLUEPRINT, ABC),
    operation(
        "share blueprint, one bad",
        SHARE,
        "share",
        BLUEPRINT,
        ONE_BAD,
    ),
    Operation {
        before: &[B],
        ..operation(
            "share blueprint, one has it",
            SHARE,
            "share",
            BLUEPRINT,
            ABC,
        )
    },
    Operation {
        before: ABC,
        ..operation("cancel blueprint", CANCEL, "cancel", BLUEPRINT, ABC)
    },
    Operation {
        before: &[B],
        ..operation(
            "cancel blueprint, one has it",
            CANCEL,
            "cancel",
            BLUEPRINT,
            ABC,
        )
    },
    operation("share image", CVM, "share", IMAGE, ABC),
    operation("share image, one bad", CVM, "share", IMAGE, ONE_BAD),
    Operation {
        before: ABC,
        ..operation("cancel image", CVM, "cancel", IMAGE, ABC)
    },
    Operation {
        lighthouse: true,
        ..operation("publish", LIGHTHOUSE, "share", IMAGE, &[])
    },
    Operation {
        lighthouse: true,
        ..operation("unpublish", LIGHTHOUSE, "cancel", IMAGE, &[])
    },
    Operation {
        lighthouse: true,
        ..operation("chain, first call", LIGHTHOUSE, "share", IMAGE, ABC)
    },
    Operation {
        lighthouse: true,
        ..operation("chain, second call", SHARE, "share", IMAGE, ABC)
    },
];

/// Eight of the sixteen combinations of answers to the open questions. They contain each
/// combination of any three answers. That is enough, because no call depends on more than three: a
/// call of one product does not depend on how the other handles batches.
fn behaviours() -> Vec<Behaviour> {
    let way = |partly: bool| {
        if partly {
            Batch::UntilFirstBad
        } else {
            Batch::AllOrNothing
        }
    };
    let mut all = Vec::new();
    for lighthouse_partly in [false, true] {
        for any_already_shared_refuses in [false, true] {
            for read_shares_api in [true, false] {
                let cvm_partly = lighthouse_partly ^ any_already_shared_refuses ^ read_shares_api;
                all.push(Behaviour {
                    lighthouse_batch: way(lighthouse_partly),
                    cvm_batch: way(cvm_partly),
                    any_already_shared_refuses,
                    read_shares_api,
                    ..unlimited()
                });
            }
        }
    }
    all
}

#[test]
fn any_three_of_the_open_questions_are_answered_in_every_combination() {
    let answers = |b: &Behaviour| {
        let partly = |batch| batch == Batch::UntilFirstBad;
        [
            partly(b.lighthouse_batch),
            partly(b.cvm_batch),
            b.any_already_shared_refuses,
            b.read_shares_api,
        ]
    };
    for left_out in 0..4 {
        let three = |b: &Behaviour| {
            let mut answers = answers(b).to_vec();
            answers.remove(left_out);
            answers
        };
        let seen: std::collections::BTreeSet<Vec<bool>> = behaviours().iter().map(three).collect();
        assert_eq!(seen.len(), 8, "without question {left_out}");
    }
}

/// Delivers until the answer is final. Between deliveries, the clock advances by the time that a
/// sender or a sweep would wait. Only the first delivery has the given deadline: on a busy machine,
/// short ones could prevent all work.
async fn to_the_end(setup: &Setup, request: &Value, first_deadline: Duration) -> Value {
    let mut deadline = first_deadline;
    for _ in 0..4 {
        let answer = deliver(&setup.app, request, Deadline::after(deadline)).await;
        if answer["status"] != "pending" {
            return answer;
        }
        setup.advance(120);
        deadline = Duration::from_secs(10);
    }
    panic!("still pending: {request}");
}

/// The result of each item, or its error code if it failed.
fn results(answer: &Value) -> BTreeMap<String, String> {
    let item = |r: &Value| {
        r["account"]
            .as_str()
            .or(r["image"].as_str())
            .unwrap()
            .to_owned()
    };
    let kind = |r: &Value| match r["result"].as_str().unwrap() {
        "failed" => r["code"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    };
    answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| (item(r), kind(r)))
        .collect()
}

/// Returns the acceptable results for each item of an operation. On a site that does not list a
/// blueprint's accounts, an earlier share looks like a share whose answer was lost.
fn expected(operation: &Operation, reads: bool) -> BTreeMap<String, Vec<&'static str>> {
    let mut expected = BTreeMap::new();
    for account in operation.accounts {
        let had = operation.before.contains(account);
        let ends: &[&str] = match (operation.action, *account, had) {
            ("share", BAD, _) if operation.image == IMAGE => &["InvalidAccountId.NotFound"],
            ("share", BAD, _) => &["InvalidParameterValue.AccountIdsNotExist"],
            ("share", _, false) => &["shared"],
            ("share", _, true) if reads => &["already_shared"],
            ("share", _, true) => &["already_shared", "shared"],
            (_, _, true) => &["cancelled"],
            (_, _, false) if reads => &["not_shared"],
            (_, _, false) => &["not_shared", "cancelled"],
        };
        expected.insert((*account).to_owned(), ends.to_vec());
    }
    if operation.lighthouse {
        let end = if operation.action == "share" {
            "available"
        } else {
            "cancelled"
        };
        expected.insert(operation.image.to_owned(), vec![end]);
    }
    expected
}

async fn check(
    setup: &Setup,
    operation: &Operation,
    fault: &str,
    behaviour: &Behaviour,
    number: usize,
) {
    let case = format!(
        "{} × {fault}, Lighthouse {:?}, CVM {:?}, any already refuses: {}, reads: {}",
        operation.name,
        behaviour.lighthouse_batch,
        behaviour.cvm_batch,
        behaviour.any_already_shared_refuses,
        behaviour.read_shares_api
    );
    setup.reset(operation.before);
    setup.cloud.clear_faults();
    if operation.name == "unpublish" {
        setup
            .send(&ticket(
                &format!("before {number}"),
                "share",
                IMAGE,
                &[],
                true,
            ))
            .await;
    }
    // From now on the lists are sure to show what earlier tickets shared.
    setup.advance(120);
    let met: Fault = format!("{}:{fault}", operation.fault).parse().unwrap();
    assert!(setup.cloud.inject(met));
    let from = setup.cloud.calls().len();
    let id = format!("t-{number}");
    let request = ticket(
        &id,
        operation.action,
        operation.image,
        operation.accounts,
        operation.lighthouse,
    );
    let patience = if fault.starts_with("slow") {
        Duration::from_millis(1_200)
    } else {
        Duration::from_secs(10)
    };
    let answer = to_the_end(setup, &request, patience).await;
    let reads = behaviour.read_shares_api || operation.image == IMAGE;
    let (got, wanted) = (results(&answer), expected(operation, reads));
    assert_eq!(
        got.keys().collect::<Vec<_>>(),
        wanted.keys().collect::<Vec<_>>(),
        "{case}: {answer}"
    );
    for (item, kind) in &got {
        assert!(
            wanted[item].contains(&kind.as_str()),
            "{case}: {item} is {kind}: {answer}"
        );
    }
    check_state(setup, operation, &case);
    let mut effects: BTreeMap<(String, String), u32> = BTreeMap::new();
    for call in setup.writes(from).iter().filter(|call| call.carried_out) {
        let items = if call.accounts.is_empty() {
            vec![call.image.clone()]
        } else {
            call.accounts.clone()
        };
        items
            .into_iter()
            .for_each(|item| *effects.entry((call.action.clone(), item)).or_default() += 1);
    }
    let doubled: Vec<_> = effects.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "{case}: carried out twice: {doubled:?}");
}

fn check_state(setup: &Setup, operation: &Operation, case: &str) {
    let world = setup.cloud.state();
    let published = world.published("ap-singapore", IMAGE);
    assert_eq!(
        published.is_some(),
        operation.lighthouse && operation.action == "share",
        "{case}"
    );
    let mut wanted: Vec<&str> = match operation.action {
        "share" => operation
            .accounts
            .iter()
            .filter(|a| **a != BAD)
            .copied()
            .collect(),
        _ => Vec::new(),
    };
    wanted.sort_unstable();
    if !operation.accounts.is_empty() {
        let image = published.unwrap_or_else(|| operation.image.to_owned());
        assert_eq!(json!(setup.has(&image)), json!(wanted), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_the_end_is_right() {
    let mut running = tokio::task::JoinSet::new();
    for behaviour in behaviours() {
        running.spawn(async move {
            let setup = Setup::new(behaviour.clone(), "memory:").await;
            let mut number = 0;
            for fault in FAULTS {
                for operation in &OPERATIONS {
                    number += 1;
                    check(&setup, operation, fault, &behaviour, number).await;
                }
            }
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
}

/// Faults that outlast the tries of one delivery, so that later attempts must continue the work.
const STORMS: [&str; 8] = [
    "error-before:RequestLimitExceeded@8",
    "error-before:InternalError@8",
    "error-after:InternalError@8",
    "reset-before@8",
    "reset-after@8",
    "status:502@8",
    "html-ok@8",
    "cut-body@8",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_sat_out() {
    let mut running = tokio::task::JoinSet::new();
    for read_shares_api in [true, false] {
        for storm in STORMS {
            running.spawn(async move {
                let behaviour = Behaviour {
                    read_shares_api,
                    ..unlimited()
                };
                let mut setup = Setup::new(behaviour.clone(), "memory:").await;
                for (number, operation) in OPERATIONS.iter().enumerate() {
                    if storm.contains("RequestLimitExceeded") {
                        // Throttling slows down all later calls, so take a new application.
                        setup = Setup::new(behaviour.clone(), "memory:").await;
                    }
                    let from = setup.cloud.calls().len();
                    check(&setup, operation, storm, &behaviour, number).await;
                    if storm.starts_with("error-before") {
                        let calls = setup.cloud.calls();
                        let met = calls
                            .iter()
                            .skip(from)
                            .filter(|call| call.fault.is_some())
                            .count();
                        assert_eq!(met, 8, "{} × {storm}", operation.name);
                    }
                }
            });
        }
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
}

/// The list that `images` prints is complete or an error, and never a part.
#[tokio::test]
async fn whatever_goes_wrong_a_list_is_whole_or_an_error() {
    let setup = Setup::new(unlimited(), "memory:").await;
    let region = REGION.parse().unwrap();
    let list = |within| {
        let (setup, region) = (&setup, &region);
        async move {
            setup
                .app
                .images(region, ImagesQuery::All, Deadline::after(within))
                .await
        }
    };
    let long = Duration::from_secs(10);
    let whole = list(long).await.unwrap();
    assert!(whole.len() > 2);
    for fault in FAULTS {
        setup.cloud.clear_faults();
        let met: Fault = format!("DescribeImagesToShare:{fault}").parse().unwrap();
        assert!(setup.cloud.inject(met));
        let within = if fault.starts_with("slow") {
            Duration::from_millis(200)
        } else {
            long
        };
        let error = list(within).await.unwrap_err();
        let passes = matches!(error.class, ErrorClass::Transient | ErrorClass::Throttled);
        assert!(passes && error.remedy.len() > 20, "{fault}: {error:?}");
        setup.cloud.clear_faults();
        assert_eq!(list(long).await.unwrap(), whole, "{fault}");
    }
}
