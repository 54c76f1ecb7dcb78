//! Hosts that may freeze the process after an answer: what an answer waits for, and what never runs
//! between two requests. Starts the real binary with the variables of Function Compute.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use serde_json::json;
use sharehook::clock::system_now;
use sharehook::inbound::SchemeName;

use crate::hosts_http::{Hosted, hurried, notifying};
use crate::support::http::send;
use crate::support::process::{Finish as _, signed};
use crate::support::service::{NATIVE_SECRET, command, event, request};

const PORT: &str = "FC_SERVER_PORT";
const MARK: (&str, &str) = ("FC_FUNCTION_NAME", "sharehook");

/// A server that accepts connections and answers nothing.
pub(crate) struct Silent(TcpListener);

impl Silent {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Whether a connection was opened since the last call.
    pub(crate) fn was_called(&self) -> bool {
        self.0.accept().is_ok()
    }
}

/// An answer that takes longer has waited for notifications, which may take two seconds if the
/// sender sets no limit.
pub(crate) const IN_TIME: Duration = Duration::from_millis(1_900);

#[tokio::test(flavor = "multi_thread")]
async fn notifications_end_when_the_sender_must_have_its_answer() {
    let target = Silent::new();
    let prepare = |folder: &Path| {
        hurried(folder);
        notifying(folder, &target.url());
    };
    let hosted = Hosted::start(PORT, &[MARK], prepare).await;
    let begun = Instant::now();
    let (status, answer) = hosted.deliver("/hooks/native", "F-1").await;
    let took = begun.elapsed();
    assert_eq!(status, 200, "{answer}");
    assert!(target.was_called());
    assert!(took < IN_TIME, "{took:?}");
}

/// The first request of a delivery owes a notification while the second one is being carried out.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_waits_for_no_notification() {
    let target = Silent::new();
    let prepare = |folder: &Path| {
        notifying(folder, &target.url());
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let scheme = "scheme = \"standard-webhooks\"\n";
        let mapped = format!("{scheme}map = \"several.jq\"\n");
        std::fs::write(file, text.replacen(scheme, &mapped, 1)).unwrap();
        std::fs::write(folder.join("several.jq"), ".requests[]").unwrap();
    };
    let hosted = Hosted::start(PORT, &[MARK], prepare).await;
    let slow = "ShareBlueprintAcrossAccounts:slow:2s@1".parse().unwrap();
    assert!(hosted.cloud.inject(slow));
    let denied = request("F-1", json!({"approvers": []}));
    let body = json!({"requests": [denied, request("F-2", json!({}))]}).to_string();
    let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "msg", &body);
    let url = hosted.url.clone();
    let running =
        tokio::spawn(async move { send(&url, "POST", "/hooks/native", &headers, body).await });
    hosted.wait_for("ShareBlueprintAcrossAccounts").await;
    let (status, answer) = hosted.send("GET", "/healthz", &[], String::new()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!target.was_called(), "the probe waited for a notification");
    running.await.unwrap().unwrap();
    assert!(target.was_called(), "the delivery owed one");
}

/// Leaves a due request in the journal.
fn with_due_request(folder: &Path) {
    let mut waiting = event("invoke-native.json");
    let start = system_now() + SignedDuration::from_secs(2);
    waiting["not_before"] = json!(start.to_string());
    std::fs::write(folder.join("event.json"), waiting.to_string()).unwrap();
    let invoked = command(folder).args(["invoke", "event.json"]).finish();
    assert!(invoked.status.success(), "{invoked:?}");
    while system_now() <= start {
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// SCF's web function gets no timer event.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_a_timer_event_sweeps_by_itself() {
    let mark = ("SCF_FUNCTIONNAME", "sharehook");
    let hosted = Hosted::start("PORT", &[mark], with_due_request).await;
    for _ in 0..200 {
        if hosted.called("ModifyImageSharePermission") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("no sweep began");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_timer_sweeps() {
    let hosted = Hosted::start(PORT, &[MARK], with_due_request).await;
    // A server sweeps at its start. This host must not: wait long enough to notice such a sweep.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!hosted.called("ModifyImageSharePermission"));
    let timer = json!({"triggerTime": "2026-11-02T06:55:00Z", "triggerName": "sweep"});
    let (status, report) = hosted.post("/invoke", &timer).await;
    assert_eq!(status, 200, "{report}");
    assert_eq!(hosted.carried_out("ModifyImageSharePermission"), 1);
}

/// On a server, a request that is due this soon would wait in the backlog and count as unfinished.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_waits_for_a_sweep_does_not_count_as_unfinished() {
    let prepare = |folder: &Path| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}[limits]\nunfinished = 1\n")).unwrap();
    };
    let hosted = Hosted::start(PORT, &[MARK], prepare).await;
    let start = (system_now() + SignedDuration::from_millis(1_500)).to_string();
    let body = request("F-1", json!({"not_before": start})).to_string();
    let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "msg", &body);
    let (status, answer) = hosted.send("POST", "/hooks/native", &headers, body).await;
    assert_eq!(status, 202, "{answer}");
    let (status, answer) = hosted.deliver("/hooks/native", "F-2").await;
    assert_eq!(status, 200, "{answer}");
}

/// Telemetry that was not sent in time is sent with a later answer.
#[cfg(feature = "otlp")]
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_waits_for_the_collector_when_its_time_is_up() {
    let collector = Silent::new();
    let url = collector.url();
    let vars = [MARK, ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str())];
    let hosted = Hosted::start(PORT, &vars, hurried).await;
    let slow = "ShareBlueprintAcrossAccounts:slow:5s@1".parse().unwrap();
    assert!(hosted.cloud.inject(slow));
    let (status, answer) = hosted.deliver("/hooks/native", "F-1").await;
    assert_eq!(status, 202, "{answer}");
    assert!(!collector.was_called());
    let (status, answer) = hosted.send("GET", "/healthz", &[], String::new()).await;
    assert_eq!(status, 200, "{answer}");
    assert!(collector.was_called());
}
