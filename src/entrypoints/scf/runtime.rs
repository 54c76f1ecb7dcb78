//! The loop of SCF's runtime API: reports once that the program is ready, then repeatedly fetches
//! an event and posts a response or an error. Returns only after a failure.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};

use crate::app::{App, Deadline, http_client};
use crate::config::Vars;
use crate::domain::{Problems, read_json};
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::outcome::Outcome;

/// Time limit of the request for the next event, which the API answers only when an event arrives.
const NEXT: Duration = Duration::from_secs(24 * 60 * 60);
/// Part of an invocation's time that is reserved for writing the journal and answering.
const RESERVE: Duration = Duration::from_millis(1_500);
/// After this number of failures in a row the process ends, and the platform starts a new one.
const MAX_FAILURES: u32 = 5;

/// Why the loop did not begin, or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeError {
    #[error("cannot build the HTTP client: {0}")]
    NoClient(#[from] Problems),
    #[error("the runtime API did not answer, or its answer could not be read: {0}")]
    NoAnswer(#[from] reqwest::Error),
    #[error("the runtime API answered {status} to {request}")]
    Refused {
        status: reqwest::StatusCode,
        request: String,
    },
    #[error("the runtime API failed {MAX_FAILURES} times in a row")]
    Failing,
}

/// Serves invocations until the runtime API fails `MAX_FAILURES` times in a row.
///
/// # Errors
/// Returns a [`RuntimeError`]. Once the API has accepted the report of readiness, the only possible
/// error is `Failing`.
pub(crate) async fn run(app: Arc<App>, vars: &Vars) -> Result<(), RuntimeError> {
    let variable = |name: &str| vars.get(name).map_or("", String::as_str);
    let host = variable("SCF_RUNTIME_API");
    let base = match variable("SCF_RUNTIME_API_PORT") {
        "" => format!("http://{host}/runtime"),
        port => format!("http://{host}:{port}/runtime"),
    };
    let client = http_client()?;
    // Send one byte, because the documentation does not say whether the API accepts an empty body.
    sent(client.post(format!("{base}/init/ready")).body(" ")).await?;
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let served = async {
            let request = client.get(format!("{base}/invocation/next")).timeout(NEXT);
            let answer = sent(request).await?;
            let app = app.now_in_force().await;
            let limit = answer.headers().get("time_limit_in_ms");
            let deadline = deadline_of(&app, limit.and_then(|limit| limit.to_str().ok()));
            let body = answer.bytes().await?;
            let answered = invocation(&app, &body, deadline).await;
            // Flush before the answer, because the host freezes the process after the answer.
            app.flush_telemetry(answered.answer_by).await;
            let (end, body) = match answered.answer {
                Ok(answer) => ("response", answer.to_string()),
                Err(error) => ("error", error.to_string()),
            };
            let answer = client.post(format!("{base}/invocation/{end}"));
            sent(answer.body(body)).await.map(drop)
        };
        match served.await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                tracing::error!(%error, failures, "a call of the runtime API failed; the program tries again");
                tokio::time::sleep(Duration::from_millis(100) * failures).await;
            }
        }
    }
    Err(RuntimeError::Failing)
}

/// Processes one invocation. A panic fails only this invocation.
async fn invocation(app: &Arc<App>, body: &[u8], deadline: Deadline) -> Invocation {
    let event = match read_json(body) {
        Ok(event) => event,
        Err(flaw) => return Invocation::unreadable(flaw),
    };
    let worker = Arc::clone(app);
    tokio::spawn(async move { super::answer(&worker, &event, deadline).await })
        .await
        .unwrap_or_else(|_| {
            Invocation::failed(Outcome::Panicked, "internal error; see the log".to_owned())
        })
}

/// Returns the deadline: the API's time limit minus `RESERVE`, or the configured time limit if the
/// header is missing or unreadable.
fn deadline_of(app: &App, limit: Option<&str>) -> Deadline {
    let limit = limit
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(Duration::from_millis);
    limit.map_or_else(
        || app.budget(),
        |limit| Deadline::after(limit.saturating_sub(RESERVE)),
    )
}

/// Sends a request. Every status except success is an error.
async fn sent(request: RequestBuilder) -> Result<Response, RuntimeError> {
    let answer = request.send().await?;
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let request = answer.url().path().to_owned();
    Err(RuntimeError::Refused { status, request })
}
