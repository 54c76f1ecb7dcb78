//! What an operator sees: one log line per finished delivery, its ids, the metrics, and who may
//! read the metrics.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::inbound::SchemeName;
use sharehook::telemetry::{Definition, Kind, Metric};
use sharehook_sandbox::SandboxOptions;

use crate::support::http::{Answer, send};
use crate::support::process::{Finish as _, Process, signed};
use crate::support::secrets;
use crate::support::service::{NATIVE_SECRET, Service, Site, event, request};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn deliver(url: &str, id: &str, more: &[(&str, &str)]) -> Answer {
    let body = request(id, json!({ "ticket": "CHG-7" })).to_string();
    let mut headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, id, &body);
    headers.extend(more.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
    send(url, "POST", "/hooks/native", &headers, body)
        .await
        .unwrap()
}

/// Returns the log lines that report how deliveries ended, once there are at least `at_least`.
async fn ends(file: &Path, at_least: usize) -> Vec<Value> {
    let read = || {
        let text = std::fs::read_to_string(file).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["message"] == "a delivery ended")
            .collect::<Vec<Value>>()
    };
    for _ in 0..100 {
        if read().len() >= at_least {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    read()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_delivery_that_ended_has_one_line_with_its_ids() {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let log = site.folder.path().join("log");
    let mut command = site.command();
    command
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("SHAREHOOK_LOG", "json");
    let process = Process::logging_to(&mut command, File::create(&log).unwrap());
    let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let ids = [
        ("x-request-id", "req-1"),
        ("traceparent", traceparent.as_str()),
    ];
    let answer = deliver(&process.url, "CHG-7a", &ids).await;
    assert_eq!(answer.header("x-request-id"), Some("req-1"));
    let second = deliver(&process.url, "CHG-7a", &[]).await;
    let fresh = second.header("x-request-id").unwrap();
    assert_eq!(fresh.len(), 16, "{fresh}");

    let lines = ends(&log, 2).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    let [first, again] = &lines[..] else {
        panic!("{lines:?}")
    };
    for (field, value) in [
        ("level", json!("INFO")),
        ("source", json!("native")),
        ("id", json!("CHG-7a")),
        ("ticket", json!("CHG-7")),
        ("result", json!("completed")),
        ("cold_start", json!(true)),
    ] {
        assert_eq!(first[field], value, "{field} in {first}");
    }
    assert!(first["milliseconds"].is_u64() && first["timestamp"].is_string());
    let spans = first["spans"].to_string();
    assert!(spans.contains("req-1") && spans.contains(TRACE), "{spans}");
    assert_eq!(again["result"], "duplicate");
    assert_eq!(again["cold_start"], false);
}

/// `RUST_LOG` sets the log's level. If it is not set, `AWS_LAMBDA_LOG_LEVEL` does.
#[tokio::test(flavor = "multi_thread")]
async fn the_logs_level_comes_from_rust_log_first() {
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let forged = event("http-jira-forged.json").to_string();
    std::fs::write(site.folder.path().join("event.json"), forged).unwrap();
    for (rust, lambda, logs) in [
        (Some("info"), Some("OFF"), true),
        (Some("off"), Some("INFO"), false),
        (None, Some("INFO"), true),
        (None, Some("OFF"), false),
        (Some("off"), None, false),
        (Some(""), None, true),
        (Some(""), Some("OFF"), false),
        (Some("WARNING"), None, true),
        (Some("verbose"), None, true),
    ] {
        let mut command = site.command();
        for (name, level) in [("RUST_LOG", rust), ("AWS_LAMBDA_LOG_LEVEL", lambda)] {
            command
                .env_remove(name)
                .envs(level.map(|level| (name, level)));
        }
        let output = command.args(["invoke", "event.json"]).finish();
        let log = String::from_utf8(output.stderr).unwrap();
        let logged = log.contains("a delivery was refused");
        assert_eq!(logged, logs, "{rust:?} {lambda:?}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metrics_show_what_was_delivered_called_and_given() {
    let service = Service::start().await;
    deliver(&service.url, "CHG-8", &[]).await;
    deliver(&service.url, "CHG-8", &[]).await;
    // In the last two paths, the text after `/hooks/` cannot be the name of a source.
    for path in ["/hooks/unknown-sender", "/hooks/native/", "/hooks/NATIVE"] {
        let sent = send(&service.url, "POST", path, &[], "{}").await;
        assert_eq!(sent.unwrap().status, 404);
    }
    let (status, text) = service.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "sharehook_deliveries_total{source=\"native\",result=\"completed\"} 1",
        "sharehook_deliveries_total{source=\"native\",result=\"duplicate\"} 1",
        "sharehook_deliveries_total{source=\"none\",result=\"unauthorised\"} 3",
        "sharehook_delivery_duration_seconds_count{source=\"native\"} 2",
        "sharehook_cloud_calls_total{action=\"ShareBlueprintAcrossAccounts\",code=\"OK\"} 1",
        "sharehook_grants_active 1",
        "sharehook_grants_overdue 0",
        "sharehook_requests_unfinished 0",
        "sharehook_oldest_unfinished_seconds 0",
        &format!(
            "sharehook_build_info{{version=\"{}\"}} 1",
            env!("CARGO_PKG_VERSION")
        ),
    ] {
        assert!(
            text.lines().any(|have| have == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.contains("sharehook_sweep_timestamp_seconds "));
    assert!(
        !text.contains("unknown-sender"),
        "a label is never a stranger's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_are_measured_and_unlisted_codes_make_no_labels() {
    let service = Service::prepared(|folder| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let slow = text.replace("[cloud]\n", "[cloud]\nlighthouse_per_second = 2\n");
        std::fs::write(file, slow).unwrap();
    })
    .await;
    let before = service.get("/metrics").await.1;
    for zero in [
        "sharehook_deliveries_total{source=\"native\",result=\"denied\"} 0",
        "sharehook_journal_operations_total{operation=\"create\",result=\"failed\"} 0",
        "sharehook_secret_read_failures_total 0",
    ] {
        assert!(
            before.lines().any(|line| line == zero),
            "{zero} is not in\n{before}"
        );
    }
    let fault = json!(["ShareBlueprintAcrossAccounts:error-before:Made.Up@50"]).to_string();
    let json_type = [("content-type".to_owned(), "application/json".to_owned())];
    let set = send(
        &service.cloud.url(),
        "POST",
        "/sandbox/faults",
        &json_type,
        fault,
    )
    .await;
    assert_eq!(set.unwrap().status, 200);
    deliver(&service.url, "CHG-9", &[]).await;
    let after = service.get("/metrics").await.1;
    assert!(!after.contains("Made.Up"), "{after}");
    for begin in [
        "sharehook_cloud_calls_total{action=\"ShareBlueprintAcrossAccounts\",code=\"other\"} ",
        "sharehook_cloud_wait_seconds_count{action=\"ShareBlueprintAcrossAccounts\"} ",
        "sharehook_journal_operations_total{operation=\"create\",result=\"done\"} ",
    ] {
        assert!(after.contains(begin), "{begin} is not in\n{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_open_closed_or_behind_a_token() {
    const TOKEN: &str = "test-only-metrics-token-0123456789";
    let with = |setting: &'static str| {
        move |folder: &Path| {
            let file = folder.join("sharehook.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            let text = format!("{text}\n[http]\nmetrics = \"{setting}\"\n");
            std::fs::write(file, text).unwrap();
            secrets::write(&folder.join("metrics.token"), TOKEN);
        }
    };
    let off = Service::prepared(with("off")).await;
    assert_eq!(off.get("/metrics").await.0, 404);
    let guarded = Service::prepared(with("file:metrics.token")).await;
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer wrong"), 401),
        (Some(TOKEN), 401),
        (Some("Bearer test-only-metrics-token-0123456789"), 200),
    ] {
        let header = authorization.map(|value| ("authorization".to_owned(), value.to_owned()));
        let headers: Vec<_> = header.into_iter().collect();
        let answer = send(&guarded.url, "GET", "/metrics", &headers, "").await;
        assert_eq!(answer.unwrap().status, status, "{authorization:?}");
    }
    // On a function's URL, metrics are off unless the configuration turns them on.
    let mut asked = event("http-jira-approved.json");
    asked["rawPath"] = json!("/metrics");
    asked["requestContext"]["http"]["method"] = json!("GET");
    let (_, text) = guarded.invoke(&asked);
    assert!(text.contains("401"), "{text}");
    let site = Site::new(SandboxOptions::seeded(system_now), |_| {}).await;
    let (_, text) = site.invoke(&asked);
    assert!(text.contains("404"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_carries_the_trace_of_its_delivery() {
    let service = Service::prepared(|folder| {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let endpoint = text.lines().find_map(|line| line.strip_prefix("endpoint = "));
        let inbox = endpoint.unwrap().replace("\"", "") + "/inbox";
        let notify = format!(
            "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{inbox}\"\nsecret = \"file:desk\"\n"
        );
        std::fs::write(file, text + &notify).unwrap();
        secrets::write(&folder.join("desk"), NATIVE_SECRET);
    })
    .await;
    let sender = format!("00-{TRACE}-00f067aa0ba902b7-00");
    deliver(&service.url, "CHG-10", &[("traceparent", &sender)]).await;
    for _ in 0..100 {
        if !service.cloud.letters().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let letters = service.cloud.letters();
    assert_eq!(letters[0].headers["traceparent"], sender, "{letters:?}");
}

/// Returns the labels that the samples of a metric have in Prometheus. `name` is the name in a
/// query.
fn labels_of(name: &str) -> Option<Vec<&'static str>> {
    let exact = |name: &str, histogram: bool| {
        let defined = Metric::ALL.into_iter().map(Metric::definition);
        let fits =
            |known: &Definition| known.name == name && histogram == (known.kind == Kind::Histogram);
        defined
            .filter(fits)
            .map(|known| known.labels.to_vec())
            .next()
    };
    let part = ["_bucket", "_sum", "_count"]
        .into_iter()
        .find_map(|part| Some((part, name.strip_suffix(part)?)));
    exact(name, false).or_else(|| {
        let (part, name) = part?;
        let mut labels = exact(name, true)?;
        labels.extend((part == "_bucket").then_some("le"));
        Some(labels)
    })
}

#[test]
fn queries_name_existing_metrics_and_labels() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/observe");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let dashboard: Value = serde_json::from_str(&read("grafana.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let shown = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let rules = read("alerts.yaml");
    let alerted = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("expr: "));
    let queries: Vec<String> = shown.chain(alerted.map(str::to_owned)).collect();

    let never_swept = "absent(sharehook_sweep_timestamp_seconds)";
    assert!(queries.iter().any(|query| query == never_swept));

    let metric = regex::Regex::new(r#"\b(sharehook_\w+)(?:\{([^}]*)\})?"#).unwrap();
    let matcher = regex::Regex::new(r#"(\w+)(?:=|!=|=~|!~)""#).unwrap();
    let grouping = regex::Regex::new(r"by \(([^)]*)\)").unwrap();
    let mut named = BTreeSet::new();
    for query in &queries {
        let metrics: Vec<_> = metric.captures_iter(query).collect();
        assert!(!metrics.is_empty(), "no metric in {query}");
        for found in metrics {
            let labels = labels_of(&found[1]).unwrap_or_else(|| panic!("{} in {query}", &found[1]));
            let matched = found.get(2).map_or("", |matchers| matchers.as_str());
            let matched = matcher
                .captures_iter(matched)
                .map(|label| label[1].to_owned());
            let grouped = grouping
                .captures_iter(query)
                .flat_map(|list| list[1].split(", ").map(str::to_owned).collect::<Vec<_>>());
            for label in matched.chain(grouped) {
                assert!(labels.contains(&label.as_str()), "{label} in {query}");
            }
            named.insert(found[1].to_owned());
        }
    }
    for metric in Metric::ALL {
        let name = metric.definition().name;
        let seen = named.iter().any(|named| named.starts_with(name));
        assert!(seen, "neither an alert nor the dashboard shows {name}");
    }
}

#[test]
fn the_page_has_the_table_of_metrics() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observe.md");
    let text = std::fs::read_to_string(page).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| `sharehook_"));
    let documented: Vec<&str> = rows.collect();
    let row = |metric: Metric| {
        let Definition {
            name,
            kind,
            labels,
            help,
        } = metric.definition();
        let kind = format!("{kind:?}").to_lowercase();
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = match labels.is_empty() {
            true => "—".to_owned(),
            false => labels.join(", "),
        };
        format!("| `{name}` | {kind} | {labels} | {help} |")
    };
    let rows: Vec<String> = Metric::ALL.into_iter().map(row).collect();
    assert_eq!(documented, rows, "docs/observe.md");
}
