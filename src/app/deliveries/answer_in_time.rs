//! Answers an HTTP delivery within the time that its sender waits (`answer_within`).
//!
//! On some hosts the process continues after an answer. There, if the time is up before the work
//! has ended, the answer is sent as soon as the request is in the journal, and the work continues.
//! On other hosts, and for a delivery with several requests, the work stops in time. The backlog or
//! a sweep continues it later. A server that stops answers each delivery before it ends.

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::app::answer::{Answer, Ending, Reply};
use crate::app::{App, Deadline, Statement};
use crate::inbound::{Delivery, Headers, Replies, ReplyBody, ReplyRules};
use crate::telemetry;

/// How long after the stop signal a server answers deliveries whose work has not ended: shortly
/// before it closes their connections.
const ANSWER_AFTER_STOP: Duration = Duration::from_secs(7);

/// A reply, with the settings for turning it into an HTTP response.
#[derive(Debug)]
pub struct Answered {
    pub reply: Reply,
    /// The `replies` setting of the source that authenticated the delivery. `Status` if no source
    /// authenticated it.
    pub replies: Replies,
    /// The response body that the sender requires after a success.
    pub prescribed: Option<ReplyBody>,
    /// When the answer must be sent. [`Deadline::NEVER`] if the source has no `answer_within`.
    pub answer_by: Deadline,
}

/// What the work has found out about a delivery so far.
#[derive(Debug, Default)]
struct Known {
    rules: ReplyRules,
    prescribed: Option<ReplyBody>,
    /// Whether the delivery has several requests. If so, no early answer is sent, because it could
    /// not cover all of them.
    several: bool,
    /// The answer to the delivery's only request. Set once the request is in the journal.
    recorded: Option<(Ending, Answer)>,
}

/// Collects what the work on a delivery finds out, so that the delivery can be answered before the
/// work ends.
#[derive(Debug)]
pub(in crate::app) struct EarlyAnswer {
    begun: Instant,
    continues_after_answer: bool,
    known: watch::Sender<Known>,
}

impl EarlyAnswer {
    /// Starts the time limit of a delivery that arrives now. `continues_after_answer` says whether
    /// the process continues after the answer.
    pub(in crate::app) fn new(continues_after_answer: bool) -> Self {
        Self {
            begun: Instant::now(),
            continues_after_answer,
            known: watch::Sender::default(),
        }
    }

    pub(in crate::app) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Stores the `rules` of the source that authenticated the delivery, and the response body that
    /// the sender requires.
    pub(in crate::app) fn authenticated(&self, rules: ReplyRules, prescribed: Option<&ReplyBody>) {
        self.known.send_modify(|known| {
            known.rules = rules;
            known.prescribed = prescribed.cloned();
        });
    }

    /// Stores the answer to a request that is now in the journal. Does nothing if the delivery has
    /// several requests.
    pub(in crate::app) fn recorded(&self, end: (Ending, Answer)) {
        self.known.send_if_modified(|known| {
            if !known.several {
                known.recorded = Some(end);
            }
            !known.several
        });
    }

    /// Returns the deadline of the work on a delivery with this number of requests. If no early
    /// answer is possible, the work must end within the sender's time limit, too.
    pub(in crate::app) fn deadline(&self, deadline: Deadline, requests: usize) -> Deadline {
        if requests > 1 {
            self.known.send_modify(|known| known.several = true);
        }
        match !self.continues_after_answer || requests > 1 {
            true => deadline.or_sooner(self.answer_by()),
            false => deadline,
        }
    }

    /// Returns when the answer must be sent. This is [`Deadline::NEVER`] if the source has no
    /// limit, or if no source has authenticated the delivery yet.
    fn answer_by(&self) -> Deadline {
        let within = self.known.borrow().rules.answer_within;
        let end = within.and_then(|within| self.begun.checked_add(within));
        end.map_or(Deadline::NEVER, Deadline::at)
    }

    /// Waits until the time limit has passed and the request is in the journal, then returns the
    /// answer. Never returns if the source has no limit or the delivery has several requests.
    async fn due(&self) -> Reply {
        let mut known = self.known.subscribe();
        let limited = known.wait_for(|known| known.rules.answer_within.is_some());
        drop(limited.await);
        self.answer_by().limit(pending::<()>()).await;
        drop(known.wait_for(|known| known.recorded.is_some()).await);
        match self.so_far() {
            Some(reply) => reply,
            None => pending().await,
        }
    }

    /// Returns the answer `ANSWER_AFTER_STOP` after the stop signal. If the journal does not have
    /// the request, or perhaps not all of several, the sender must repeat the delivery.
    async fn at_stop(&self, mut stopping: watch::Receiver<Option<Instant>>) -> Reply {
        let stopped = stopping.wait_for(Option::is_some).await;
        let Some(at) = stopped.ok().and_then(|at| *at) else {
            return pending().await;
        };
        tokio::time::sleep_until(at + ANSWER_AFTER_STOP).await;
        self.so_far().unwrap_or(Reply::NotNow)
    }

    /// Returns an early answer to the delivery's only request, while the work on it continues. `None`
    /// if the journal does not have the request yet.
    fn so_far(&self) -> Option<Reply> {
        let (ending, mut answer) = self.known.borrow().recorded.clone()?;
        answer.message = Some(
            "the work continues; the journal shows the result, and so does the answer to a repeated delivery".to_owned(),
        );
        Some(Reply::Answers(vec![(ending, answer)]))
    }
}

impl App {
    /// Sets that the process continues after an answer. The work on a delivery then continues, too.
    #[must_use]
    pub fn continuing_after_answers(mut self) -> Self {
        self.continues_after_answer = true;
        self
    }

    /// Notes the stop signal of the process: deliveries are answered before it ends, and a sweep
    /// begins no work on another request.
    pub fn end_soon(&self) {
        self.stopping.send_replace(Some(Instant::now()));
    }

    /// Handles a delivery like [`App::receive`], but for HTTP: returns within the time that the
    /// sender waits, if the request is in the journal by then.
    pub async fn answer_delivery(
        self: &Arc<Self>,
        delivery: Delivery,
        deadline: Deadline,
    ) -> Answered {
        let app = Arc::clone(self);
        self.in_time(|early| async move {
            app.process(delivery, Statement::None, deadline, &early)
                .await
        })
        .await
    }

    /// Like [`App::answer_delivery`], but for an HTTP request with one or several CloudEvents.
    pub async fn answer_events(
        self: &Arc<Self>,
        headers: Headers,
        body: Bytes,
        deadline: Deadline,
    ) -> Answered {
        let app = Arc::clone(self);
        self.in_time(
            |early| async move { app.process_events(headers, body, deadline, &early).await },
        )
        .await
    }

    async fn in_time<W>(&self, work: impl FnOnce(Arc<EarlyAnswer>) -> W) -> Answered
    where
        W: Future<Output = Reply> + Send + 'static,
    {
        let early = Arc::new(EarlyAnswer::new(self.continues_after_answer));
        let work = work(Arc::clone(&early));
        let reply = if self.continues_after_answer {
            let mut work = tokio::spawn(telemetry::carry(work.in_current_span()));
            tokio::select! {
                biased;
                ended = &mut work => ended.unwrap_or_else(|error| match error.try_into_panic() {
                    // Continue the panic in the host's task, so that the host answers with an
                    // error.
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The task was cancelled because the runtime is shutting down.
                    Err(_) => Reply::NotNow,
                }),
                reply = early.due() => reply,
                reply = early.at_stop(self.stopping.subscribe()) => reply,
            }
        } else {
            work.await
        };
        let answer_by = early.answer_by();
        let known = early.known.borrow();
        Answered {
            reply,
            replies: known.rules.replies,
            prescribed: known.prescribed.clone(),
            answer_by,
        }
    }
}
