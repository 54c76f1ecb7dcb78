//! If pacing would delay a call beyond the deadline, the call is not sent. The ticket stays pending
//! in the journal, and a sweep finishes it.

use std::time::Duration;

use serde_json::json;
use sharehook::app::{Deadline, Operator, Retried};
use sharehook_sandbox::{Site, World};

use crate::support::cloud::{BLUEPRINT, IMAGE, Setup, deliver, ticket, unlimited, unlimited_on};

const ACCOUNT: [&str; 1] = ["700000000001"];

#[tokio::test]
async fn a_call_without_a_turn_in_time_is_not_sent_and_a_sweep_makes_it() {
    // The client makes one call per second. The late delivery has less than half a second.
    let setup = Setup::with(unlimited(), World::seeded(), "memory:", (1.0, 1.0)).await;
    for (image, cancelled) in [(BLUEPRINT, "lhbp"), (IMAGE, "img")] {
        let first = setup
            .send(&ticket(
                &format!("{cancelled}-1"),
                "share",
                image,
                &ACCOUNT,
                false,
            ))
            .await;
        assert_eq!(first["status"], "completed", "{first}");
        let from = setup.cloud.calls().len();
        let late = ticket(
            &format!("{cancelled}-2"),
            "share",
            image,
            &["700000000002"],
            false,
        );
        let answer = deliver(
            &setup.app,
            &late,
            Deadline::after(Duration::from_millis(400)),
        )
        .await;
        assert_eq!(answer["status"], "pending", "{answer}");
        assert_eq!(answer["results"][0]["result"], "pending", "{answer}");
        assert!(setup.writes(from).is_empty(), "{:?}", setup.writes(from));
        assert_eq!(
            setup
                .has(image)
                .iter()
                .filter(|a| *a == "700000000002")
                .count(),
            0
        );
        // The lease of the first worker has expired by now.
        setup.advance(60);
        let report = setup
            .app
            .sweep(Deadline::after(Duration::from_secs(20)))
            .await
            .unwrap();
        assert_eq!(
            (report.finished.len(), report.unfinished.len()),
            (1, 0),
            "{report}"
        );
        assert!(report.failures.is_empty(), "{report}");
        assert_eq!(setup.writes(from).len(), 1, "{:?}", setup.writes(from));
        assert!(setup.has(image).contains(&"700000000002".to_owned()));
        let again = setup.send(&late).await;
        assert_eq!(
            (
                again["status"].as_str(),
                again["results"][0]["result"].as_str()
            ),
            (Some("completed"), Some("shared")),
            "{again}"
        );
    }
}

/// After the late delivery, and before a sweep makes its call, another deployment or the console
/// shares the image with the account.
#[tokio::test]
async fn what_others_share_before_a_late_call_stays_theirs() {
    const OTHER: [&str; 1] = ["700000000002"];
    let seeded = World::seeded();
    let setup = Setup::with(unlimited_on(Site::Cn), seeded, "memory:", (1.0, 1.0)).await;
    let sweep = || setup.app.sweep(Deadline::after(Duration::from_secs(20)));
    for (image, name) in [(BLUEPRINT, "lhbp"), (IMAGE, "img")] {
        for cancelled in [false, true] {
            let id = |number| format!("{name}-{cancelled}-{number}");
            setup.reset(&[]);
            let first = ticket(&id(1), "share", image, &ACCOUNT, false);
            assert_eq!(setup.send(&first).await["status"], "completed");
            let mut late = ticket(&id(2), "share", image, &OTHER, false);
            late["expires_in"] = json!("1h");
            let soon = Deadline::after(Duration::from_millis(400));
            let answer = deliver(&setup.app, &late, soon).await;
            assert_eq!(answer["status"], "pending", "{answer}");
            if cancelled {
                let cancel = ticket(&id(3), "cancel", image, &OTHER, false);
                let answer = setup.send(&cancel).await;
                assert_eq!(answer["results"][0]["result"], "not_shared", "{answer}");
            }
            setup.reset(&OTHER);
            setup.advance(60);
            sweep().await.unwrap();
            let answer = setup.send(&late).await;
            let result = if cancelled {
                "cancelled"
            } else {
                "already_shared"
            };
            assert_eq!(answer["results"][0]["result"], result, "{answer}");
            setup.advance(3_600);
            let report = sweep().await.unwrap();
            assert!(report.revoked.is_empty(), "{report}");
            assert_eq!(setup.has(image), OTHER, "{name} {cancelled}");
        }
    }
}

/// No call fails: each turn ends because its time is over. The first turns after an outage of two
/// days must not be the last ones.
#[tokio::test]
async fn a_request_whose_turns_only_run_out_of_time_ends_after_retry_for() {
    let setup = Setup::new(unlimited(), "memory:").await;
    assert!(setup.cloud.inject("*:slow:600s@9999".parse().unwrap()));
    let share = ticket("late", "share", BLUEPRINT, &ACCOUNT, false);
    let turn = async || {
        let soon = Deadline::after(Duration::from_millis(300));
        deliver(&setup.app, &share, soon).await
    };
    // The look before the first record may leave no time for a turn.
    for _ in 0..2 {
        assert_eq!(turn().await["status"], "pending");
        setup.advance(600);
    }
    setup.advance(2 * 86_400);
    let mut answer = turn().await;
    // On a busy machine, a delivery may have no time left for a turn.
    for _ in 0..40 {
        if answer["status"] == "pending" {
            setup.advance(600);
            answer = turn().await;
        }
    }
    let result = &answer["results"][0];
    let shown = (&answer["status"], &result["code"]);
    assert_eq!(shown, (&json!("failed"), &json!("DeadlinePassed")));
    let message = result["message"].as_str().unwrap();
    assert!(message.contains("10 turns since 2026-11-21"), "{message}");
    setup.cloud.clear_faults();
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "carol".to_owned(),
    };
    let long = Deadline::after(Duration::from_secs(20));
    let retried = setup
        .app
        .retry("late", &by, "the turns are longer now", long);
    let Retried::Reopened(_, answer) = retried.await.unwrap() else {
        panic!("it stays closed");
    };
    assert_eq!(json!(answer)["status"], "completed");
    assert_eq!(setup.has(BLUEPRINT), ACCOUNT);
}

/// The time of a delivery is over when its request is on record, for example because the store is
/// slow. A turn could make no call, and its records would only delay the answer.
#[tokio::test]
async fn a_request_without_time_for_a_call_is_answered_before_its_first_turn() {
    let setup = Setup::new(unlimited(), "memory:").await;
    let share = ticket("late", "share", BLUEPRINT, &ACCOUNT, false);
    // The second delivery is a repeated one.
    for _ in 0..2 {
        let answer = deliver(&setup.app, &share, Deadline::after(Duration::ZERO)).await;
        assert_eq!(answer["status"], "pending", "{answer}");
        let record = answer["record"].as_str().unwrap();
        assert!(record.contains("/000000.json"), "{record}");
        setup.advance(60);
    }
    let report = setup.app.sweep(Deadline::after(Duration::from_secs(20)));
    assert_eq!(report.await.unwrap().finished, ["invoke/late"]);
    assert_eq!(setup.has(BLUEPRINT), ACCOUNT);
}
