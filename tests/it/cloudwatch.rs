//! Checks what CloudWatch receives: the log lines that the real binary writes on Lambda. Alarms and
//! dashboard of `template.yaml` must name metrics and dimensions that occur in these lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::journal::StoreResult;
use sharehook::telemetry::{DeliveryResult, Kind, Metric, NAMESPACE, NotificationResult};
use sharehook_sandbox::SandboxOptions;
use tokio::sync::{Mutex, mpsc};

use crate::support::process::Process;
use crate::support::secrets;
use crate::support::service::{Site, event};

const FUNCTION: &str = "sharehook-test";

/// State of a stand-in for Lambda's runtime API: events for `/next`, and the function's answers.
struct Api {
    events: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<Bytes>,
}

async fn serve(State(api): State<Arc<Api>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if head.method == Method::POST {
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        api.answers.send(body).await.unwrap();
        return StatusCode::ACCEPTED.into_response();
    }
    let Some(event) = api.events.lock().await.recv().await else {
        return std::future::pending().await;
    };
    let deadline = system_now().as_millisecond() + 20_000;
    let headers = [
        ("lambda-runtime-aws-request-id", "a-request".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:f".to_owned(),
        ),
    ];
    (headers, event.to_string()).into_response()
}

/// Invokes the real binary once for each event. Returns the lines for CloudWatch after each event.
async fn lines_of(events: &[Value]) -> Vec<Vec<Value>> {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let (sender, receiver) = mpsc::channel(1);
    let (answers, mut answered) = mpsc::channel(1);
    let api = Arc::new(Api {
        events: Mutex::new(receiver),
        answers,
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new().fallback(serve).with_state(api);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let printed = site.folder.path().join("stdout");
    let mut command = site.command();
    command
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", FUNCTION)
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("JIRA_SECRET", "local-jira-secret-for-a-laptop-only")
        .stdout(File::create(&printed).unwrap())
        .stderr(std::process::Stdio::piped());
    let _process = Process::start(&mut command);
    let (mut all, mut seen) = (Vec::new(), 0);
    for event in events {
        sender.send(event.clone()).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), answered.recv()).await;
        answer.expect("the function answers").unwrap();
        let text = std::fs::read_to_string(&printed).unwrap();
        secrets::assert_none_in("the function's output", text.as_bytes());
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let fresh = lines[seen..]
            .iter()
            .filter(|line| line.get("_aws").is_some());
        all.push(fresh.cloned().collect());
        seen = lines.len();
    }
    all
}

/// The value of `metric` in the first line with this `result`.
fn value(lines: &[Value], metric: &str, result: Option<&str>) -> Option<f64> {
    let found = lines
        .iter()
        .find(|line| line.get(metric).is_some() && line["result"].as_str() == result);
    found?[metric].as_f64()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_lines_follow_the_schema_and_count_what_happened() {
    let events = [
        event("http-jira-approved.json"),
        event("http-jira-forged.json"),
        event("http-jira-denied.json"),
        json!({"task": "sweep"}),
        json!({"task": "drift"}),
        json!({"Records": [{"eventSource": "aws:sqs", "messageId": "m-1", "body": "{}",
            "attributes": {}, "messageAttributes": {},
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:unlisted"}]}),
    ];
    let by_event = lines_of(&events).await;
    let schema: Value = serde_json::from_str(include_str!("../vectors/emf.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for line in by_event.iter().flatten() {
        let errors: Vec<String> = validator
            .iter_errors(line)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?} in {line}");
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        for name in directive["Dimensions"][0].as_array().unwrap() {
            assert!(
                line[name.as_str().unwrap()].is_string(),
                "no {name} in {line}"
            );
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "no {metric} in {line}"
            );
        }
    }
    let [shared, forged, denied, swept, compared, strange] = &by_event[..] else {
        panic!("{by_event:?}")
    };
    let deliveries = "sharehook_deliveries_total";
    assert_eq!(
        value(shared, deliveries, Some("completed")),
        Some(1.0),
        "{shared:?}"
    );
    assert_eq!(
        value(shared, "sharehook_cloud_calls_total", None),
        Some(1.0),
        "{shared:?}"
    );
    let written = value(shared, "sharehook_journal_operations_total", Some("done"));
    assert!(
        written.is_some_and(|operations| operations > 2.0),
        "{shared:?}"
    );
    assert_eq!(
        value(forged, deliveries, Some("unauthorised")),
        Some(1.0),
        "{forged:?}"
    );
    assert_eq!(
        value(denied, deliveries, Some("denied")),
        Some(1.0),
        "{denied:?}"
    );
    assert_eq!(
        value(denied, deliveries, Some("completed")),
        None,
        "only what changed: {denied:?}"
    );
    assert!(
        value(swept, "sharehook_sweep_timestamp_seconds", None).is_some(),
        "{swept:?}"
    );
    assert_eq!(
        value(swept, "sharehook_grants_overdue", None),
        Some(0.0),
        "{swept:?}"
    );
    assert_eq!(
        value(compared, "sharehook_drift_differences", None),
        Some(0.0),
        "{compared:?}"
    );
    assert_eq!(
        value(strange, deliveries, Some("unauthorised")),
        Some(1.0),
        "{strange:?}"
    );
}

/// A metric with its dimensions, and the alarm or dashboard that names it.
#[derive(Debug)]
struct Watched {
    by: String,
    namespace: String,
    metric: String,
    dimensions: BTreeMap<String, String>,
}

fn template() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/template.yaml");
    std::fs::read_to_string(file).unwrap()
}

fn alarms(template: &str) -> Vec<Watched> {
    let mut all: Vec<Watched> = Vec::new();
    let mut resource = String::new();
    for line in template.lines() {
        let field = |name: &str| line.strip_prefix(&format!("      {name}: "));
        if let Some(name) = line
            .strip_prefix("  ")
            .and_then(|name| name.strip_suffix(':'))
        {
            resource = name.to_owned();
        } else if line == "    Type: AWS::CloudWatch::Alarm" {
            let (by, namespace, metric) = (resource.clone(), String::new(), String::new());
            all.push(Watched {
                by,
                namespace,
                metric,
                dimensions: BTreeMap::new(),
            });
        } else if let (Some(alarm), true) = (all.last_mut(), line.starts_with("      ")) {
            if let Some(namespace) = field("Namespace") {
                alarm.namespace = namespace.to_owned();
            } else if let Some(metric) = field("MetricName") {
                alarm.metric = metric.to_owned();
            } else if let Some(dimension) = line.strip_prefix("        - { Name: ") {
                let (name, value) = dimension.split_once(", Value: ").unwrap();
                let value = value.strip_suffix(" }").unwrap();
                alarm.dimensions.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    all
}

fn dashboard(template: &str) -> Vec<Watched> {
    let from = template
        .split_once("      DashboardBody: !Sub |\n")
        .unwrap()
        .1;
    let body: String = from
        .lines()
        .take_while(|line| line.starts_with("        "))
        .collect();
    let body: Value = serde_json::from_str(&body).unwrap();
    let mut all = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            let parts: Vec<String> = metric
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            let pairs = parts[2..]
                .chunks(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()));
            let by = widget["properties"]["title"].as_str().unwrap().to_owned();
            all.push(Watched {
                by,
                namespace: parts[0].clone(),
                metric: parts[1].clone(),
                dimensions: pairs.collect(),
            });
        }
    }
    all
}

/// The metrics of our namespace that the alarms of the Terraform module watch.
fn terraform() -> Vec<Watched> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/terraform/aws/alarms.tf"
    );
    let row = regex::Regex::new(r#"(?m)^    ([\w-]+) += \["(\w+)", "(\w*)", "#).unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    let watched = row.captures_iter(&text).map(|row| {
        let result = Some(("result".to_owned(), row[3].to_owned())).filter(|_| !row[3].is_empty());
        let function = ("FunctionName".to_owned(), String::new());
        Watched {
            by: row[1].to_owned(),
            namespace: NAMESPACE.to_owned(),
            metric: row[2].to_owned(),
            dimensions: std::iter::once(function).chain(result).collect(),
        }
    });
    watched.collect()
}

/// The possible values of the dimension `result` of a metric.
fn results(metric: Metric) -> Vec<&'static str> {
    match metric {
        Metric::Deliveries => DeliveryResult::ALL
            .iter()
            .map(|result| result.as_str())
            .collect(),
        Metric::Notifications => NotificationResult::ALL
            .iter()
            .map(|result| result.as_str())
            .collect(),
        Metric::JournalOperations => StoreResult::ALL
            .iter()
            .map(|result| result.as_str())
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn alarms_and_dashboard_watch_what_the_function_writes() {
    let template = template();
    let (alarms, shown, terraform) = (alarms(&template), dashboard(&template), terraform());
    assert_eq!(
        terraform.len(),
        alarms
            .iter()
            .filter(|alarm| alarm.namespace == NAMESPACE)
            .count()
    );
    for watched in alarms.iter().chain(&shown).chain(&terraform) {
        let Watched {
            by,
            namespace,
            metric,
            dimensions,
        } = watched;
        if namespace != NAMESPACE {
            assert!(namespace.starts_with("AWS/"), "{watched:?}");
            continue;
        }
        let known = Metric::ALL
            .into_iter()
            .find(|known| known.definition().name == metric);
        let known = known.unwrap_or_else(|| panic!("{by}: {metric} does not exist"));
        assert_ne!(
            known.definition().kind,
            Kind::Histogram,
            "{by}: {metric} has no line"
        );
        assert!(dimensions.contains_key("FunctionName"), "{watched:?}");
        let result = dimensions.get("result").map(String::as_str);
        assert_eq!(
            result.is_some(),
            known.definition().labels.contains(&"result"),
            "{watched:?}"
        );
        assert!(
            result.is_none_or(|result| results(known).contains(&result)),
            "{watched:?}"
        );
        assert_eq!(
            dimensions.len(),
            1 + usize::from(result.is_some()),
            "{watched:?}"
        );
    }
    let watched: Vec<&str> = alarms.iter().map(|alarm| alarm.metric.as_str()).collect();
    for metric in [
        "sharehook_grants_overdue",
        "sharehook_oldest_unfinished_seconds",
        "sharehook_sweep_timestamp_seconds",
        "sharehook_drift_timestamp_seconds",
        "sharehook_notifications_total",
        "sharehook_deliveries_total",
        "Errors",
        "ApproximateNumberOfMessagesVisible",
    ] {
        assert!(watched.contains(&metric), "no alarm watches {metric}");
    }
}
