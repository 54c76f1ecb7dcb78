//! Calls that pacing cannot place before the deadline. They are not sent, the ticket stays pending
//! in the journal, and a sweep finishes it.

use std::time::Duration;

use sharehook::app::Deadline;
use sharehook_sandbox::World;

use crate::support::cloud::{BLUEPRINT, IMAGE, Setup, deliver, ticket, unlimited};

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
