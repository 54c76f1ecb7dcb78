//! Tests of the queues, without a cloud: which caller becomes the leader, which callers join its
//! call, and that no caller waits endlessly when other callers are stopped.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

type Test = Queues<&'static str, u32, u32>;

async fn lead(queues: &Test) -> Leader<'_, &'static str, u32, u32> {
    match queues.enter("k", 0, Deadline::NEVER).await {
        Joined::Leader(lead) => lead,
        _ => panic!("a call is under way"),
    }
}

fn waiting(queues: &Test) -> usize {
    queues.waiting.lock().get("k").map_or(0, VecDeque::len)
}

async fn until_waiting(queues: &Test, count: usize) {
    while waiting(queues) < count {
        tokio::task::yield_now().await;
    }
}

/// Joins the queue and returns how the wait ended. If it becomes the leader, it makes no call.
async fn join(queues: Arc<Test>, part: u32, deadline: Deadline) -> &'static str {
    match queues.enter("k", part, deadline).await {
        Joined::Leader(_) => "led",
        Joined::Answered(7) => "joined",
        Joined::Answered(_) => "joined elsewhere",
        Joined::Late => "late",
        Joined::Lost => "lost",
    }
}

#[tokio::test]
async fn waiters_join_the_next_call_if_they_fit() {
    let queues = Arc::new(Test::default());
    let first = lead(&queues).await;
    assert!(
        matches!(
            queues.enter("other", 0, Deadline::NEVER).await,
            Joined::Leader(_)
        ),
        "keys are apart"
    );
    let mut others = Vec::new();
    for part in 1..=4 {
        others.push(tokio::spawn(join(
            Arc::clone(&queues),
            part,
            Deadline::NEVER,
        )));
        until_waiting(&queues, part as usize).await;
    }
    first.batch(|part| part % 2 == 0).answer(&7);
    drop(first);
    let mut ends = Vec::new();
    for other in others {
        ends.push(other.await.unwrap());
    }
    assert_eq!(ends, ["led", "joined", "led", "joined"]);
    assert!(
        queues.waiting.lock().is_empty(),
        "a key without calls has no queue"
    );
}

#[tokio::test]
async fn a_stopped_leader_leaves_no_waiter_behind() {
    let queues = Arc::new(Test::default());
    let first = lead(&queues).await;
    let taken = tokio::spawn(join(Arc::clone(&queues), 1, Deadline::NEVER));
    until_waiting(&queues, 1).await;
    let left = tokio::spawn(join(Arc::clone(&queues), 2, Deadline::NEVER));
    until_waiting(&queues, 2).await;
    let batch = first.batch(|part| *part == 1);
    drop((batch, first));
    assert_eq!(
        taken.await.unwrap(),
        "lost",
        "its call may have been carried out"
    );
    assert_eq!(left.await.unwrap(), "led");
}

#[tokio::test]
async fn a_deadline_ends_the_wait_and_tells_whether_a_call_began() {
    let queues = Arc::new(Test::default());
    let first = lead(&queues).await;
    let soon = || Deadline::after(Duration::from_millis(30));
    let queued = join(Arc::clone(&queues), 1, soon()).await;
    assert_eq!((queued, waiting(&queues)), ("late", 0));
    let taken = tokio::spawn(join(Arc::clone(&queues), 2, soon()));
    until_waiting(&queues, 1).await;
    let batch = first.batch(|_| true);
    assert_eq!(taken.await.unwrap(), "lost");
    batch.answer(&7);
}

#[tokio::test]
async fn a_stopped_waiter_passes_the_lead_on() {
    let queues = Arc::new(Test::default());
    let first = lead(&queues).await;
    let mut stopped = Box::pin(queues.enter("k", 1, Deadline::NEVER));
    assert!(
        tokio::time::timeout(Duration::from_millis(5), &mut stopped)
            .await
            .is_err()
    );
    let next = tokio::spawn(join(Arc::clone(&queues), 2, Deadline::NEVER));
    until_waiting(&queues, 2).await;
    drop(first); // The first waiter gets the lead, and is stopped before it notices.
    drop(stopped);
    assert_eq!(next.await.unwrap(), "led");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// Callers arrive, make calls, pass their deadline or are stopped, in any order. Every caller
    /// must finish, and no queue may remain.
    #[test]
    fn every_caller_is_answered(callers in prop::collection::vec((0_u64..4, 0_u64..6, any::<bool>()), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let queues = Arc::new(Test::default());
            let mut tasks = Vec::new();
            for (at, (wait, length, stop)) in callers.into_iter().enumerate() {
                let queues = Arc::clone(&queues);
                let deadline = Deadline::after(Duration::from_millis(2 + wait * 3));
                tasks.push((stop, tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    if let Joined::Leader(lead) = queues.enter("k", at as u32, deadline).await {
                        let batch = lead.batch(|part| part % 3 != 0);
                        tokio::time::sleep(Duration::from_millis(length)).await;
                        batch.answer(&7);
                    }
                })));
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
            for (stop, task) in tasks {
                if stop {
                    task.abort();
                }
                let end = tokio::time::timeout(Duration::from_secs(5), task).await;
                assert!(end.is_ok(), "a caller was not answered");
            }
            assert!(queues.waiting.lock().is_empty());
        });
    }
}
