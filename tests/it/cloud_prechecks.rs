//! Prechecks prevent calls that the cloud would refuse because of an image's state or type, or a
//! CVM image's quota. A precheck that fails blocks nothing, and the number of reads stays small.

use std::time::Duration;

use serde_json::Value;
use sharehook::app::{Deadline, ImagesQuery};
use sharehook::clock::system_now;
use sharehook_sandbox::{BlueprintState, Fault, ImageState, Stock, World};

use crate::support::cloud::{BLUEPRINT, IMAGE, REGION, Setup, deliver, ticket, unlimited};

const TWO: [&str; 2] = ["700000000001", "700000000002"];
const FOUR: [&str; 4] = [
    "700000000001",
    "700000000002",
    "700000000003",
    "700000000004",
];
const READS: [&str; 2] = ["DescribeBlueprints", "DescribeImages"];

async fn setup() -> Setup {
    Setup::new(unlimited(), "memory:").await
}

fn edit(setup: &Setup, change: impl FnOnce(&mut Stock)) {
    setup
        .cloud
        .edit(|world: &mut World| change(world.regions.get_mut(REGION).unwrap()));
}

fn reads(setup: &Setup) -> usize {
    setup
        .cloud
        .calls()
        .iter()
        .filter(|call| READS.contains(&call.action.as_str()))
        .count()
}

/// The code of each failed result, and the name of each other result.
fn ends(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap().iter();
    results
        .map(|r| r["code"].as_str().or(r["result"].as_str()).unwrap())
        .collect()
}

#[tokio::test]
async fn accounts_beyond_the_quota_of_an_image_are_named_and_the_others_get_it() {
    let setup = setup().await;
    edit(&setup, |stock| {
        let shares = &mut stock.images.get_mut(IMAGE).unwrap().shares;
        shares.extend((0..498).map(|n| (format!("710000000{n:03}"), system_now())));
        shares.insert(FOUR[1].to_owned(), system_now());
    });
    let answer = setup
        .send(&ticket("quota", "share", IMAGE, &FOUR, false))
        .await;
    assert_eq!(answer["status"], "partial", "{answer}");
    assert_eq!(
        ends(&answer),
        ["shared", "already_shared", "QuotaPrecheck", "QuotaPrecheck"],
        "{answer}"
    );
    let message = answer["results"][2]["message"].as_str().unwrap();
    assert!(
        message.contains("500 accounts have the image or get it first")
            && message.contains(" — cancel shares"),
        "{message}"
    );
    let writes = setup.writes(0);
    assert_eq!(
        writes.len(),
        1,
        "one call for the one that fits: {writes:?}"
    );
    assert_eq!(writes[0].accounts, [FOUR[0]]);
    // A full quota does not prevent a cancel.
    let answer = setup
        .send(&ticket("cancel", "cancel", IMAGE, &FOUR[..2], false))
        .await;
    assert_eq!(ends(&answer), ["cancelled", "cancelled"], "{answer}");
}

#[tokio::test]
async fn an_image_that_cannot_be_shared_costs_no_call_and_the_answer_has_the_reason() {
    let setup = setup().await;
    for (image, reason) in [
        ("img-received", "received from another account"),
        ("img-public00", "the provider's own"),
        ("lhbp-isolated", "its state is ISOLATED"),
    ] {
        let answer = setup
            .send(&ticket(image, "share", image, &TWO, false))
            .await;
        assert_eq!(answer["status"], "failed", "{answer}");
        assert_eq!(ends(&answer), ["NotShareable"; 2], "{answer}");
        let message = answer["results"][1]["message"].as_str().unwrap();
        assert!(
            message.contains(reason) && message.contains(" — share a custom image"),
            "{message}"
        );
        assert_eq!(answer["results"][0]["retryable"], false);
    }
    assert!(setup.writes(0).is_empty(), "{:?}", setup.writes(0));
}

#[tokio::test]
async fn what_lighthouse_does_not_take_costs_no_call_and_its_reason_is_passed_on() {
    let setup = setup().await;
    let region = REGION.parse().unwrap();
    let listed = setup
        .app
        .images(&region, ImagesQuery::All, setup.app.budget())
        .await
        .unwrap();
    let refused: Vec<_> = listed
        .into_iter()
        .filter(|image| image.is_shareable == Some(false))
        .filter(|image| image.image_state.as_deref() == Some("NORMAL"))
        .collect();
    assert!(!refused.is_empty());
    for image in refused {
        let (id, reason) = (
            image.image_id.to_string(),
            image.unshareable_reason.unwrap(),
        );
        let from = setup.cloud.calls().len();
        let answer = setup.send(&ticket(&id, "share", &id, &[], true)).await;
        assert_eq!(
            (answer["status"].as_str(), ends(&answer)),
            (Some("failed"), vec!["NotShareable"]),
            "{answer}"
        );
        assert!(
            answer["results"][0]["message"]
                .as_str()
                .unwrap()
                .contains(&reason),
            "{reason}: {answer}"
        );
        assert!(setup.writes(from).is_empty(), "{:?}", setup.writes(from));
    }
}

#[tokio::test]
async fn an_image_in_the_making_is_waited_for_and_else_shared_by_a_later_turn() {
    let setup = setup().await;
    for (image, state) in [("img-creating", "CREATING"), ("lhbp-syncing0", "SYNCING")] {
        let request = ticket(image, "share", image, &TWO, false);
        let from = setup.cloud.calls().len();
        let answer = setup.send(&request).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        assert!(
            answer
                .to_string()
                .contains(&format!("the image is {state}")),
            "no reason: {answer}"
        );
        assert!(setup.writes(from).is_empty(), "{:?}", setup.writes(from));
        edit(&setup, |stock| match stock.images.get_mut(image) {
            Some(found) => found.state = ImageState::Normal,
            None => stock.blueprints.get_mut(image).unwrap().state = BlueprintState::Normal,
        });
        setup.advance(120);
        let answer = setup.send(&request).await;
        assert_eq!(answer["status"], "completed", "{answer}");
        assert_eq!(
            (ends(&answer), setup.writes(from).len()),
            (vec!["shared"; 2], 1),
            "{answer}"
        );
    }
    // If the blueprint becomes ready before the deadline, the same delivery shares it.
    edit(&setup, |stock| {
        let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
        blueprint.state = BlueprintState::Syncing;
        blueprint.normal_at = Some(system_now() + jiff::SignedDuration::from_millis(150));
    });
    let from = setup.cloud.calls().len();
    let answer = setup
        .send(&ticket("soon", "share", BLUEPRINT, &TWO, false))
        .await;
    assert_eq!(
        (answer["status"].as_str(), setup.writes(from).len()),
        (Some("completed"), 1),
        "{answer}"
    );
}

/// An image that is not NORMAL yet is not published. Its request stays pending, and a chain's
/// accounts wait with it.
#[tokio::test]
async fn a_publication_of_an_image_in_the_making_waits_for_it() {
    const IMAGE: &str = "img-creating";
    for accounts in [&TWO[..0], &TWO[..]] {
        let setup = setup().await;
        let request = ticket("making", "share", IMAGE, accounts, true);
        let answer = setup.send(&request).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        assert!(
            answer.to_string().contains("the image is CREATING"),
            "no reason: {answer}"
        );
        assert!(setup.writes(0).is_empty(), "{:?}", setup.writes(0));
        edit(&setup, |stock| {
            stock.images.get_mut(IMAGE).unwrap().state = ImageState::Normal;
        });
        setup.advance(120);
        let answer = setup.send(&request).await;
        assert_eq!(answer["status"], "completed", "{answer}");
        assert!(setup.cloud.state().published(REGION, IMAGE).is_some());
    }
}

/// A share that is still impossible a day after its approval fails, and its answer says why.
#[tokio::test]
async fn what_never_becomes_ready_is_given_up_with_its_reason() {
    let setup = setup().await;
    let request = ticket("never", "share", "lhbp-syncing0", &TWO, false);
    assert_eq!(setup.send(&request).await["status"], "pending");
    setup.advance(24 * 3_600);
    let answer = setup.send(&request).await;
    assert_eq!(
        (answer["status"].as_str(), ends(&answer)),
        (Some("failed"), vec!["NotReady"; 2]),
        "{answer}"
    );
    assert!(setup.writes(0).is_empty());
}

#[tokio::test]
async fn a_precheck_that_cannot_be_read_blocks_nothing() {
    let faults = [
        "error-before:UnauthorizedOperation",
        "error-before:InternalError",
        "reset-before",
    ];
    let more = ["html-ok", "status:502", "cut-body"];
    for fault in faults.into_iter().chain(more) {
        let setup = setup().await;
        for (image, read) in [(BLUEPRINT, "DescribeBlueprints"), (IMAGE, "DescribeImages")] {
            let met: Fault = format!("{read}:{fault}@50").parse().unwrap();
            assert!(setup.cloud.inject(met));
            let answer = setup
                .send(&ticket(image, "share", image, &TWO, false))
                .await;
            assert_eq!(answer["status"], "completed", "{read} {fault}: {answer}");
        }
        assert_eq!(setup.writes(0).len(), 2, "{fault}");
        assert_eq!(
            reads(&setup),
            2,
            "{fault}: it is asked once, not again and again"
        );
    }
    // A read that hangs takes a few seconds of the share's time. The share still succeeds.
    let setup = setup().await;
    assert!(
        setup
            .cloud
            .inject("DescribeBlueprints:slow:30s".parse().unwrap())
    );
    let request = ticket("slow", "share", BLUEPRINT, &TWO, false);
    let answer = deliver(
        &setup.app,
        &request,
        Deadline::after(Duration::from_secs(20)),
    )
    .await;
    assert_eq!(answer["status"], "completed", "{answer}");
}

/// Each read that hangs is given up in time, so that the delivery still makes its call.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_always_hangs_leaves_time_for_the_call() {
    let mut running = tokio::task::JoinSet::new();
    for (read, image, lighthouse) in [
        ("DescribeImageSharePermission", IMAGE, false),
        (
            "DescribeBlueprintsShareAcrossAccountInfos",
            BLUEPRINT,
            false,
        ),
        ("DescribeImagesToShare", IMAGE, true),
    ] {
        running.spawn(async move {
            let setup = setup().await;
            let hangs = format!("{read}:slow:60s@50");
            assert!(setup.cloud.inject(hangs.parse().unwrap()));
            let accounts = if lighthouse { &TWO[..0] } else { &TWO[..] };
            let request = ticket(read, "share", image, accounts, lighthouse);
            let limit = Duration::from_secs(if lighthouse { 9 } else { 20 });
            let answer = deliver(&setup.app, &request, Deadline::after(limit)).await;
            assert_eq!(answer["status"], "completed", "{read}: {answer}");
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
}

#[tokio::test]
async fn tickets_for_one_image_share_the_precheck_and_a_cancel_makes_none() {
    let setup = setup().await;
    let accounts: Vec<String> = (0..40).map(|n| format!("7000000001{n:02}")).collect();
    let requests: Vec<Value> = accounts
        .iter()
        .map(|account| ticket(account, "share", BLUEPRINT, &[account.as_str()], false))
        .collect();
    let answers = all_at_once(&setup, requests).await;
    assert!(
        answers.iter().all(|answer| answer["status"] == "completed"),
        "{answers:?}"
    );
    assert!(
        reads(&setup) <= 4,
        "{} reads of the state for {} tickets",
        reads(&setup),
        accounts.len()
    );
    let before = reads(&setup);
    let answer = setup
        .send(&ticket(
            "cancel",
            "cancel",
            BLUEPRINT,
            &[accounts[0].as_str()],
            false,
        ))
        .await;
    assert_eq!(
        (ends(&answer), reads(&setup)),
        (vec!["cancelled"], before),
        "{answer}"
    );
}

async fn all_at_once(setup: &Setup, requests: Vec<Value>) -> Vec<Value> {
    let mut running = tokio::task::JoinSet::new();
    for request in requests {
        let app = std::sync::Arc::clone(&setup.app);
        running.spawn(async move {
            deliver(&app, &request, Deadline::after(Duration::from_secs(20))).await
        });
    }
    running.join_all().await
}
