//! Adoptions that race with another request. `drift` compares the cloud with the journal, and
//! before the adoption is recorded, a ticket or a cancel for the same account starts or finishes.

use serde_json::json;
use sharehook::app::{Answer, DriftReport};
use sharehook::domain::{Difference, Status};

use crate::drift_at_work::{adopt, by_hand, cancel, drift, share};
use crate::support::store::Break;
use crate::support::{ACCOUNTS, CHAIN_IMAGE, CHAINED, CVM_IMAGE, REGION, World, deliver, request};

const HAND: &str = ACCOUNTS[1];

/// Shares an image with one account through a request, and with another one, [`HAND`], by hand.
/// Returns the world and the report of a comparison that ran a second ago.
async fn compared() -> (World, DriftReport) {
    let mut world = World::new().await;
    world.reset().await;
    world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
    by_hand(&world, CVM_IMAGE, HAND);
    let report = drift(&world).await;
    let [found] = &report.differences[..] else {
        panic!("{report:?}")
    };
    assert_eq!(found.difference, Difference::Unknown);
    world.advance(1);
    world.cloud.forget_calls();
    (world, report)
}

fn taken_by_hand(world: &World) {
    world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let image = stock.images.get_mut(CVM_IMAGE).unwrap();
        image.shares.remove(HAND).unwrap();
    });
}

/// Asserts that the adoption of `report` fails and changes nothing in the cloud. Returns its
/// answer.
async fn adopts_nothing(world: &World, report: &mut DriftReport) -> Answer {
    let before = world.effects();
    adopt(world, report).await;
    assert_eq!(world.effects(), before, "an adoption makes no call");
    let answer = report.adoptions.pop().unwrap();
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    answer
}

/// Returns the requests that have a grant for [`HAND`].
async fn granted(world: &World) -> Vec<String> {
    let grants = world.app.grants().await.unwrap().entries.into_iter();
    let of_hand = grants.filter(|grant| grant.to == HAND);
    of_hand.map(|grant| grant.request).collect()
}

fn why(answer: &Answer) -> String {
    json!(answer.results)[0]["message"].to_string()
}

/// A cancel finishes after the comparison. In the second case, the cloud's list still shows the
/// share when the adoption reads it. In the third case, a sweep has already removed the cancel from
/// the index.
#[tokio::test]
async fn a_share_that_a_cancel_took_is_not_adopted() {
    for (late_list, swept) in [(false, false), (true, false), (false, true)] {
        let (world, mut report) = compared().await;
        let (_, answer) = world.deliver(&cancel("CHG2", CVM_IMAGE, HAND)).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
        world.advance(1);
        if late_list {
            by_hand(&world, CVM_IMAGE, HAND);
        }
        if swept {
            world.advance(600);
            world.sweep().await;
        }
        let answer = adopts_nothing(&world, &mut report).await;
        let by = answer.results[0].called_off_by.as_deref();
        assert_eq!(by, Some("CHG2"), "{answer:?}");
        assert!(granted(&world).await.is_empty(), "{late_list} {swept}");
        world.verify().await.unwrap();
    }
}

/// After the comparison, the share is removed by hand. Then a ticket shares the image with the same
/// account.
#[tokio::test]
async fn a_share_that_a_ticket_gave_is_not_adopted() {
    let (world, mut report) = compared().await;
    taken_by_hand(&world);
    let (_, answer) = world.deliver(&share("CHG2", CVM_IMAGE, HAND)).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    world.advance(1);
    let answer = adopts_nothing(&world, &mut report).await;
    assert!(
        why(&answer).contains("invoke/CHG2 has given it"),
        "{answer:?}"
    );
    assert_eq!(granted(&world).await, ["invoke/CHG2"]);
    // The adoption does not prolong the share.
    world.advance(3_600);
    world.sweep().await;
    assert!(world.has_image(CVM_IMAGE).is_empty());
    world.verify().await.unwrap();
}

/// As in the test above, but the ticket's last record is not written yet when the adoption runs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_that_a_ticket_is_giving_is_not_adopted() {
    let (world, mut report) = compared().await;
    taken_by_hand(&world);
    world.fuse.arm_at("000001.json", Break::Stall);
    let (another, ticket) = (world.another(), share("CHG2", CVM_IMAGE, HAND));
    let mut delivery = Box::pin(deliver(&another, &ticket));
    tokio::select! {
        (_, answer) = &mut delivery => panic!("not held: {answer:?}"),
        () = world.fuse.stalled() => {}
    }
    assert_eq!(world.has_image(CVM_IMAGE).len(), 2);
    world.advance(1);
    let answer = adopts_nothing(&world, &mut report).await;
    assert!(
        why(&answer).contains("invoke/CHG2 is not finished"),
        "{answer:?}"
    );
    world.fuse.release();
    assert_eq!(delivery.await.1.status, Status::Completed);
    assert_eq!(granted(&world).await, ["invoke/CHG2"]);
}

/// The cancel is approved after the comparison, and the cloud refuses its call. The second case
/// cancels by taking the image out of Lighthouse, which takes the blueprint from all its accounts.
#[tokio::test]
async fn an_adoption_does_not_undo_a_cancel_that_is_refused_meanwhile() {
    let published = json!({"image": CHAIN_IMAGE, "lighthouse": true, "accounts": [ACCOUNTS[0]]});
    let unpublish = json!({
        "image": CHAIN_IMAGE, "lighthouse": true, "accounts": null, "action": "cancel",
    });
    for (image, ticket) in [
        (CVM_IMAGE, cancel("CHG3", CVM_IMAGE, HAND)),
        (CHAINED, request("CHG3", unpublish)),
    ] {
        let mut world = World::new().await;
        world.reset().await;
        world.deliver(&share("CHG1", CVM_IMAGE, ACCOUNTS[0])).await;
        world.deliver(&request("CHG2", published.clone())).await;
        by_hand(&world, image, HAND);
        let mut report = drift(&world).await;
        world.advance(1);
        let refused = "ModifyImageSharePermission:error-before:UnauthorizedOperation";
        assert!(world.cloud.inject(refused.parse().unwrap()));
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Pending, "{answer:?}");
        world.advance(1);
        adopts_nothing(&world, &mut report).await;
        assert!(granted(&world).await.is_empty(), "{image}");
        world.advance(3_000);
        world.sweep().await;
        let (_, answer) = world.deliver(&ticket).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        let has = if image == CVM_IMAGE {
            world.has_image(image)
        } else {
            world.has(image)
        };
        assert!(!has.contains(&HAND.to_owned()), "{has:?}");
        world.verify().await.unwrap();
    }
}

/// A process stops before it writes the second record of the adoption. Before another process
/// resumes the adoption, the share is removed by hand or by a cancel.
#[tokio::test]
async fn an_adoption_that_is_resumed_shares_nothing() {
    let by_cancel = cancel("CHG2", CVM_IMAGE, HAND);
    for ended in [None, Some(&by_cancel)] {
        let (mut world, mut report) = compared().await;
        world.fuse.arm_at("000001.json", Break::CrashBefore);
        tokio::select! {
            () = adopt(&world, &mut report) => panic!("it was not stopped"),
            () = world.fuse.crashed() => {}
        }
        world.fuse.arm(u64::MAX, Break::FailBefore);
        world.restart();
        world.advance(1);
        match ended {
            None => taken_by_hand(&world),
            Some(ticket) => drop(world.deliver(ticket).await),
        }
        for _ in 0..3 {
            world.advance(300);
            world.sweep().await;
        }
        assert_eq!(world.has_image(CVM_IMAGE), [ACCOUNTS[0]]);
        assert!(granted(&world).await.is_empty());
        assert!(drift(&world).await.agrees());
        world.verify().await.unwrap();
    }
}
