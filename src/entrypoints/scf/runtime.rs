//! The loop of SCF's runtime API: reports ready once, then repeatedly fetches an event and posts a
//! response or an error. In: the API's address. Returns only when the API fails.

use std::sync::Arc;
use std::time::Duration;

use crate::app::{App, Deadline, http_client};
use crate::config::Vars;
use crate::domain::read_json;
use crate::entrypoints::invocation::Invocation;
use crate::entrypoints::outcome::Outcome;
use crate::telemetry;

/// Time limit of `next`, which answers only when an event arrives.
const NEXT: Duration = Duration::from_secs(24 * 60 * 60);
/// Part of the time limit that is reserved for writing the journal and answering.
const RESERVE: Duration = Duration::from_millis(1_500);
/// After this number of failures in a row the process ends, and the platform starts a new one.
const MAX_FAILURES: u32 = 5;

/// Serves invocations until the runtime API fails.
///
/// # Errors
/// The last failure of the API.
pub(crate) async fn run(app: Arc<App>, vars: &Vars) -> Result<(), String> {
    let host = vars
        .get("SCF_RUNTIME_API")
        .map(String::as_str)
        .unwrap_or_default();
    let base = match vars
        .get("SCF_RUNTIME_API_PORT")
        .filter(|port| !port.is_empty())
    {
        Some(port) => format!("http://{host}:{port}/runtime"),
        None => format!("http://{host}/runtime"),
    };
    let client = http_client().map_err(|problems| problems.to_string())?;
    // Send one byte, because the documentation does not say whether the API accepts an empty body.
    post(&client, &format!("{base}/init/ready"), " ".to_owned()).await?;
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let served = async {
            let request = client.get(format!("{base}/invocation/next")).timeout(NEXT);
            let answer = request.send().await.map_err(|error| error.to_string())?;
            if !answer.status().is_success() {
                return Err(format!(
                    "the runtime API answered {} to next",
                    answer.status()
                ));
            }
            let deadline = deadline_of(
                &app,
                answer
                    .headers()
                    .get("time_limit_in_ms")
                    .and_then(|v| v.to_str().ok()),
            );
            let body = answer.bytes().await.map_err(|error| error.to_string())?;
            let answered = invocation(&app, &body, deadline).await;
            // The host freezes the process after the answer.
            telemetry::flush().await;
            let (end, body) = match answered.answer {
                Ok(answer) => ("response", answer.to_string()),
                Err(error) => ("error", error.to_string()),
            };
            post(&client, &format!("{base}/invocation/{end}"), body).await
        };
        match served.await {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                tracing::error!(error, failures, "the runtime API failed");
                tokio::time::sleep(Duration::from_millis(100) * failures).await;
            }
        }
    }
    Err(format!(
        "the runtime API failed {MAX_FAILURES} times in a row"
    ))
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
        .unwrap_or_else(|_| Invocation::failed(Outcome::Panicked, "see the log".to_owned()))
}

/// The time limit minus the reserve; the configured limit when the header is missing.
fn deadline_of(app: &App, limit: Option<&str>) -> Deadline {
    let limit = limit
        .and_then(|text| text.trim().parse::<u64>().ok())
        .map(Duration::from_millis);
    limit.map_or_else(
        || app.budget(),
        |limit| Deadline::after(limit.saturating_sub(RESERVE)),
    )
}

async fn post(client: &reqwest::Client, url: &str, body: String) -> Result<(), String> {
    let answer = client
        .post(url)
        .body(body)
        .send()
        .await
        .map_err(|error| error.to_string())?;
    if answer.status().is_success() {
        Ok(())
    } else {
        Err(format!(
            "the runtime API answered {} to {url}",
            answer.status()
        ))
    }
}
