//! Drift while requests are at work: a comparison does not report, cancel or adopt what sharehook
//! itself is sharing or taking away.

use serde_json::{Value, json};
use sharehook::app::{Adoption, DriftReport, Operator};
use sharehook::domain::{Difference, Identity, Status};
use sharehook::journal::StreamId;

use crate::read_operations::{histories, with_a_log};
use crate::support::stops::until_stuck;
use crate::support::store::Break;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, REGION, STRANGER, World, deadline,
    deliver, history, request,
};

pub(crate) fn share(id: &str, image: &str, account: &str) -> Value {
    let fields = json!({"image": image, "accounts": [account], "expires_in": "1h"});
    request(id, fields)
}

pub(crate) fn cancel(id: &str, image: &str, account: &str) -> Value {
    let fields = json!({"image": image, "accounts": [account], "action": "cancel"});
    request(id, fields)
}

/// Shares an image with an account, without a request.
pub(crate) fn by_hand(world: &World, image: &str, account: &str) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let since = jiff::Timestamp::UNIX_EPOCH;
        let shares = match image.starts_with("img-") {
            true => &mut stock.images.get_mut(image).unwrap().shares,
            false => &mut stock.blueprints.get_mut(image).unwrap().shares,
        };
        shares.insert(account.to_owned(), since);
    });
}

pub(crate) async fn drift(world: &World) -> DriftReport {
    world.app.drift(&[], deadline()).await.unwrap()
}

fn found(report: &DriftReport) -> Vec<(&str, &str, Difference)> {
    let differences = report.differences.iter();
    differences
        .map(|d| (&*d.image, &*d.to, d.difference))
        .collect()
}

/// The image, the receiver and the request of each difference that the report leaves out because
/// that request is under way.
fn under_way(report: &DriftReport) -> Vec<(&str, &str, &str)> {
    let receivers = report.under_way.iter();
    receivers
        .map(|u| (&*u.image, &*u.to, &*u.request))
        .collect()
}

/// Adopts the shares in the report for 90 days.
pub(crate) async fn adopt(world: &World, report: &mut DriftReport) {
    let adoption = Adoption {
        ticket: "CHG9".to_owned(),
        expires_in: "90d".parse().unwrap(),
        approvers: vec!["bob@example.com".to_owned()],
        by: Operator {
            source: "invoke".parse().unwrap(),
            requester: "alice@example.com".to_owned(),
        },
    };
    let adopted = world.app.adopt(report, &adoption, deadline());
    adopted.await.unwrap();
}

async fn cancel_unknown(world: &World, report: &mut DriftReport) {
    let source = "invoke".parse().unwrap();
    let cancelled = (world.app).cancel_unknown(report, &source, "alice@example.com", deadline());
    cancelled.await.unwrap();
}

async fn adopt_and_cancel(world: &World, report: &mut DriftReport) {
    adopt(world, report).await;
    cancel_unknown(world, report).await;
}

/// A request is carried out after the comparison has read the journal, and before it reads the
/// second image.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_finishes_during_the_comparison_is_no_difference() {
    let world = World::new().await;
    for (id, image) in [("CHG1", CVM_IMAGE), ("CHG2", CHAIN_IMAGE)] {
        world.deliver(&share(id, image, ACCOUNTS[0])).await;
    }
    by_hand(&world, CHAIN_IMAGE, STRANGER);
    let unknown = (CHAIN_IMAGE, STRANGER, Difference::Unknown);
    for ticket in [
        share("CHG3", CHAIN_IMAGE, ACCOUNTS[1]),
        cancel("CHG4", CHAIN_IMAGE, ACCOUNTS[0]),
    ] {
        world.cloud.forget_calls();
        let slow = "DescribeImageSharePermission:slow:1500ms@1";
        assert!(world.cloud.inject(slow.parse().unwrap()));
        let another = world.another();
        let delivered = async {
            until_stuck(&world).await;
            world.advance(1);
            deliver(&another, &ticket).await.1
        };
        let (report, answer) = tokio::join!(drift(&world), delivered);
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        assert_eq!(found(&report), [unknown], "{ticket}");
        assert!(report.under_way.is_empty(), "{report:?}");
    }
    assert_eq!(found(&drift(&world).await), [unknown]);
}

/// The cloud has carried out a share whose last record is not written yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_at_work_is_neither_adopted_nor_cancelled() {
    let world = World::new().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    world.fuse.arm_at("000001.json", Break::Stall);
    let (another, ticket) = (world.another(), share("CHG2", CVM_IMAGE, ACCOUNTS[1]));
    let mut delivery = Box::pin(deliver(&another, &ticket));
    tokio::select! {
        (_, answer) = &mut delivery => panic!("not held: {answer:?}"),
        () = world.fuse.stalled() => {}
    }
    assert_eq!(world.has_image(CVM_IMAGE).len(), 2);
    let mut report = drift(&world).await;
    adopt_and_cancel(&world, &mut report).await;
    assert!(report.agrees(), "{report:?}");
    let at_work = (CVM_IMAGE, ACCOUNTS[1], "invoke/CHG2");
    assert_eq!(under_way(&report), [at_work]);
    assert!(report.adoptions.is_empty() && report.cancels.is_empty());
    world.fuse.release();
    let (_, answer) = delivery.await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    assert!(drift(&world).await.under_way.is_empty());
    // The share was not adopted, so it ends after its own hour.
    world.advance(3_601);
    world.sweep().await;
    assert!(world.has_image(CVM_IMAGE).is_empty());
}

/// Shares a CVM image and a chain's blueprint with one account through requests, and with another
/// account by hand.
async fn shared_by_hand() -> World {
    let world = World::new().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    let published = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": [ACCOUNTS[0]]});
    world.deliver(&request("CHG2", published)).await;
    by_hand(&world, CVM_IMAGE, ACCOUNTS[1]);
    by_hand(&world, CHAINED, ACCOUNTS[1]);
    world
}

/// Requests that cancel what `shared_by_hand` shared by hand. The second one takes the image out of
/// Lighthouse, so every account loses its blueprint.
fn cancels() -> [Value; 2] {
    let unpublish = json!({
        "image": CHAIN_IMAGE, "lighthouse": true, "accounts": null, "action": "cancel",
    });
    [
        cancel("CHG3", CVM_IMAGE, ACCOUNTS[1]),
        request("CHG4", unpublish),
    ]
}

/// The differences that `shared_by_hand` causes.
fn unknown() -> [(&'static str, &'static str, Difference); 2] {
    let mut unknown = [
        (CVM_IMAGE, ACCOUNTS[1], Difference::Unknown),
        (CHAINED, ACCOUNTS[1], Difference::Unknown),
    ];
    unknown.sort_unstable();
    unknown
}

/// The reasons why receivers were not adopted or not revoked.
fn left_out(report: &DriftReport) -> Vec<&str> {
    let mut left_out: Vec<_> = report.left_out.iter().map(|left| &*left.why).collect();
    left_out.sort_unstable();
    left_out
}

/// Compares after a second. Asserts that everything that was shared by hand is unknown, and that no
/// request is under way.
async fn all_unknown(world: &World) -> DriftReport {
    world.advance(1);
    let report = drift(world).await;
    let mut differences = found(&report);
    differences.sort_unstable();
    assert_eq!(differences, unknown());
    assert!(report.under_way.is_empty(), "{report:?}");
    report
}

/// The cloud refuses approved cancels of shares that were made by hand. The cancels wait for the
/// operator.
#[tokio::test]
async fn a_blocked_cancel_hides_no_difference_and_is_not_undone() {
    let world = shared_by_hand().await;
    let tickets = cancels();
    let refused = "ModifyImageSharePermission:error-before:AuthFailure.UnauthorizedOperation@2";
    assert!(world.cloud.inject(refused.parse().unwrap()));
    for ticket in &tickets {
        world.advance(1);
        let (_, answer) = world.deliver(ticket).await;
        assert_eq!(answer.status, Status::Pending, "{answer:?}");
    }
    let mut report = all_unknown(&world).await;
    adopt(&world, &mut report).await;
    assert!(report.adoptions.is_empty(), "{report:?}");
    let left_out = left_out(&report);
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    for (why, id) in left_out.iter().zip(["CHG3", "CHG4"]) {
        let said =
            format!("not adopted: invoke/{id} could not cancel it yet: the request waits for");
        let refused = why.contains("AuthFailure.UnauthorizedOperation");
        assert!(why.starts_with(&said) && refused, "{why}");
    }
    world.advance(3_000);
    world.sweep().await;
    assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
    for ticket in &tickets {
        let (_, answer) = world.deliver(ticket).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
    }
    assert!(world.has(CHAINED).is_empty());
    let report = drift(&world).await;
    assert!(report.agrees() && report.under_way.is_empty(), "{report:?}");
}

/// The answer to the cancel's call is lost, so the cloud may still carry out the call.
#[tokio::test]
async fn a_cancel_in_doubt_hides_its_differences() {
    let mut world = shared_by_hand().await;
    world.hurry();
    assert!(
        world.cloud.inject(
            "cvm.ModifyImageSharePermission:reset-before@50"
                .parse()
                .unwrap()
        )
    );
    let [ticket, _] = cancels();
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    let report = drift(&world).await;
    let in_doubt = (CVM_IMAGE, ACCOUNTS[1], "invoke/CHG3");
    assert_eq!(under_way(&report), [in_doubt]);
    assert_eq!(
        found(&report),
        [(CHAINED, ACCOUNTS[1], Difference::Unknown)]
    );
}

/// A cancel that waits for its `not_before` has made no call, so it cannot be the cause of a
/// difference.
#[tokio::test]
async fn a_waiting_cancel_hides_no_difference_and_is_not_undone() {
    let world = shared_by_hand().await;
    let day = world.now() + jiff::SignedDuration::from_hours(24);
    for mut ticket in cancels() {
        ticket["not_before"] = json!(day);
        world.advance(1);
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Pending, "{answer:?}");
    }
    let mut report = all_unknown(&world).await;
    adopt_and_cancel(&world, &mut report).await;
    assert!(report.adoptions.is_empty(), "{report:?}");
    let waits = ["CHG3", "CHG4"].map(|id| format!("not adopted: invoke/{id} waits to cancel it"));
    assert_eq!(left_out(&report), waits);
    // `--revoke-unknown` cancels the shares, even though requests to cancel them are waiting.
    assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
    assert_eq!(world.has(CHAINED), [ACCOUNTS[0]]);
}

/// The ticket is approved after the comparison, and finds the account already shared.
#[tokio::test]
async fn an_account_that_a_ticket_names_meanwhile_is_not_cancelled() {
    let world = World::new().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    for account in [ACCOUNTS[1], STRANGER] {
        by_hand(&world, CVM_IMAGE, account);
    }
    let mut report = drift(&world).await;
    assert_eq!(report.differences.len(), 2, "{report:?}");
    world.advance(1);
    let (_, answer) = world.deliver(&share("CHG2", CVM_IMAGE, ACCOUNTS[1])).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    world.advance(1);
    cancel_unknown(&world, &mut report).await;
    let mut kept = world.has_image(CVM_IMAGE);
    kept.sort_unstable();
    let mut named = ACCOUNTS[..2].to_vec();
    named.sort_unstable();
    assert_eq!(kept, named);
    let [left] = &report.left_out[..] else {
        panic!("{report:?}")
    };
    assert_eq!(
        (&*left.to, &*left.why),
        (
            ACCOUNTS[1],
            "not revoked: request invoke/CHG2 names this account"
        )
    );
}

/// A waiting chain will share the blueprint that another request made from its image. The chain's
/// ticket is approved before or after the comparison.
#[tokio::test]
async fn what_a_waiting_chain_names_is_not_unknown() {
    for after in [false, true] {
        let mut world = shared_by_hand().await;
        let day = world.now() + jiff::SignedDuration::from_hours(24);
        let chain = json!({
            "image": CHAIN_IMAGE, "lighthouse": true, "accounts": [ACCOUNTS[1]], "not_before": day,
        });
        let ticket = request("CHG3", chain);
        world.advance(1);
        let mut report = DriftReport::default();
        if after {
            report = drift(&world).await;
        }
        world.advance(1);
        world.deliver(&ticket).await;
        if !after {
            // Compare in a new process, which has not created the blueprint itself.
            world.restart();
            report = drift(&world).await;
            let extra = (CHAINED, ACCOUNTS[1], Difference::Extra);
            assert!(found(&report).contains(&extra), "{report:?}");
        }
        world.advance(1);
        cancel_unknown(&world, &mut report).await;
        assert_eq!(report.cancels.len(), 1, "only that of the CVM image");
        assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
        assert_eq!(world.has(CHAINED).len(), 2, "{after}");
        if after {
            assert_eq!(
                left_out(&report),
                ["not revoked: request invoke/CHG3 names this account"]
            );
        }
        world.advance(25 * 3_600);
        world.sweep().await;
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Completed, "{after}: {answer:?}");
    }
}

/// Counts the operations of the store for a comparison without and with a difference, after `past`
/// earlier requests.
async fn operations(past: usize) -> [usize; 2] {
    let mut world = World::new().await;
    world.reset().await;
    history::fill_and_sweep(&world, past).await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    let sealed = world.journal.seal(&history::signer(), world.now()).await;
    sealed.unwrap();
    let mut counts = [0, 0];
    for (count, differs) in counts.iter_mut().zip([false, true]) {
        if differs {
            by_hand(&world, CVM_IMAGE, STRANGER);
        }
        world.fuse.measure();
        let report = drift(&world).await;
        *count = world.fuse.measured().len();
        assert_eq!(report.differences.len(), usize::from(differs));
    }
    counts
}

/// If a comparison finds a difference, it looks at the journal a second time. The cost of that
/// second look does not grow with the journal.
#[tokio::test]
async fn the_second_look_at_the_journal_costs_the_same_with_any_history() {
    let (short, long) = histories();
    let [short, long] = [operations(short).await, operations(long).await];
    assert!(long[0] > short[0], "the first look reads the whole journal");
    assert_eq!(short[1] - short[0], long[1] - long[0]);
}

/// A request is recorded and sealed during the comparison. All earlier records were already sealed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_look_finds_what_was_sealed_meanwhile() {
    let mut world = World::new().await;
    world.reset().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    world
        .deliver(&share("CHG2", CHAIN_IMAGE, ACCOUNTS[0]))
        .await;
    by_hand(&world, CHAIN_IMAGE, STRANGER);
    let seal = async || {
        let sealed = world.journal.seal(&history::signer(), world.now()).await;
        sealed.unwrap();
    };
    seal().await;
    world.cloud.forget_calls();
    let slow = "DescribeImageSharePermission:slow:1500ms@1";
    assert!(world.cloud.inject(slow.parse().unwrap()));
    let another = world.another();
    let delivered = async {
        until_stuck(&world).await;
        for ticket in [
            share("CHG3", CHAIN_IMAGE, ACCOUNTS[1]),
            cancel("CHG4", CHAIN_IMAGE, ACCOUNTS[0]),
        ] {
            world.advance(1);
            deliver(&another, &ticket).await;
        }
        seal().await;
    };
    let (report, ()) = tokio::join!(drift(&world), delivered);
    assert_eq!(
        found(&report),
        [(CHAIN_IMAGE, STRANGER, Difference::Unknown)]
    );
}

/// A request that changed during the comparison may be in such a segment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_that_the_second_look_cannot_read_is_an_error() {
    let (world, folder) = with_a_log().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    by_hand(&world, CVM_IMAGE, STRANGER);
    let segment = folder.path().join("journal/log/segments/000003");
    world.cloud.forget_calls();
    let slow = "DescribeImageSharePermission:slow:1500ms@1";
    assert!(world.cloud.inject(slow.parse().unwrap()));
    let spoil = async {
        until_stuck(&world).await;
        std::fs::write(&segment, "x").unwrap();
    };
    let (compared, ()) = tokio::join!(world.app.drift(&[], deadline()), spoil);
    let error = compared.unwrap_err().to_string();
    assert!(error.contains("log/segments/000003"), "{error}");
    // If it was there before, the report names it beside the differences.
    let report = drift(&world).await;
    let unknown = (CVM_IMAGE, STRANGER, Difference::Unknown);
    assert!(found(&report).contains(&unknown), "{report:?}");
    assert!(
        report.flaws[0].contains("log/segments/000003"),
        "{report:?}"
    );
}

/// The cancel of an unknown share is ordered at the time of the comparison. A share that is
/// approved after the comparison is therefore later than the cancel, even if the cancel could not
/// see that share.
#[tokio::test]
async fn a_cancel_of_an_unknown_share_has_the_place_of_its_comparison() {
    let world = World::new().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    by_hand(&world, CVM_IMAGE, ACCOUNTS[1]);
    world.advance(1);
    let (mut report, compared) = (drift(&world).await, world.now());
    world.advance(60);
    cancel_unknown(&world, &mut report).await;
    assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
    let cancel = StreamId::of(&Identity {
        source: "invoke".parse().unwrap(),
        id: report.cancels[0].id.clone(),
    });
    let history = world.journal.read(cancel).await.unwrap().unwrap();
    assert_eq!(history.state().unwrap().ordered_at(), compared);
}

/// No record is sealed here, so every request may have changed while the cloud was read.
#[tokio::test]
async fn the_second_look_reads_only_what_may_concern_a_difference() {
    let world = World::new().await;
    world.deliver(&share("CHG0", CVM_IMAGE, ACCOUNTS[0])).await;
    for n in 1..=20 {
        let id = format!("CHG{n}");
        world.deliver(&share(&id, BLUEPRINT, ACCOUNTS[0])).await;
    }
    let mut reads = Vec::new();
    for differs in [false, true] {
        if differs {
            by_hand(&world, CVM_IMAGE, ACCOUNTS[1]);
        }
        let before = world.fuse.reads();
        assert_eq!(drift(&world).await.agrees(), !differs);
        reads.push(world.fuse.reads() - before);
    }
    assert!(reads[1] - reads[0] < 20, "{reads:?}");
}

/// A request may name 500 accounts at most.
#[tokio::test]
async fn more_unknown_shares_than_a_request_may_name_are_all_cancelled() {
    let world = World::new().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    for n in 0..501 {
        by_hand(&world, CVM_IMAGE, &format!("{}", 700_001_000_000_u64 + n));
    }
    let mut report = drift(&world).await;
    assert_eq!(report.differences.len(), 501);
    cancel_unknown(&world, &mut report).await;
    let statuses: Vec<_> = report.cancels.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [Status::Completed; 2]);
    assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
}
