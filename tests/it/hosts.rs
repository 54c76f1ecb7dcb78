//! AWS Lambda's triggers: each event file goes through the real binary to the sandbox. The types of
//! the crate `aws_lambda_events`, which others wrote, confirm that the files have AWS's format.

use aws_lambda_events::alb::{AlbTargetGroupRequest, AlbTargetGroupResponse};
use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayProxyResponse, ApiGatewayV2httpRequest,
    ApiGatewayV2httpResponse,
};
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::sns::SnsEvent;
use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::process::Finish as _;
use crate::support::service::{QUEUE_ARN, STRANGER, Service, Site, event, now, request};

fn status(answer: &Value) -> (u64, Value) {
    let body = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    (answer["statusCode"].as_u64().unwrap(), body)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_http_trigger_of_lambda_is_answered_in_its_own_form() {
    let site = Site::trusting(&["azure:q"], &["azure:b"]).await;
    let mut first = true;
    for name in [
        "http-jira-approved",
        "http-jira-approved-rest",
        "http-jira-approved-alb",
        "http-jira-approved-alb-multi",
    ] {
        let file = format!("{name}.json");
        let plain = event(&file);
        let mut encoded = plain.clone();
        let text = plain["body"].as_str().unwrap();
        encoded["body"] = json!(base64::engine::general_purpose::STANDARD.encode(text));
        encoded["isBase64Encoded"] = json!(true);
        for event in [plain, encoded] {
            let answer = site.answered(&event);
            let (code, body) = status(&answer);
            assert_eq!(
                (code, body["status"].as_str()),
                (200, Some("completed")),
                "{name}: {body}"
            );
            // All eight events are the same ticket, which is shared once.
            assert_eq!(
                body["duplicate"].as_bool(),
                (!first).then_some(true),
                "{name}"
            );
            first = false;
            match name {
                "http-jira-approved" => {
                    serde_json::from_value::<ApiGatewayV2httpRequest>(event).unwrap();
                    serde_json::from_value::<ApiGatewayV2httpResponse>(answer).unwrap();
                }
                "http-jira-approved-rest" => {
                    serde_json::from_value::<ApiGatewayProxyRequest>(event).unwrap();
                    serde_json::from_value::<ApiGatewayProxyResponse>(answer).unwrap();
                }
                _ => {
                    serde_json::from_value::<AlbTargetGroupRequest>(event).unwrap();
                    let multi = answer.get("multiValueHeaders").is_some();
                    assert_eq!(multi, name.ends_with("multi"), "{answer}");
                    serde_json::from_value::<AlbTargetGroupResponse>(answer).unwrap();
                }
            }
        }
    }
    assert_eq!(
        site.cloud
            .calls()
            .iter()
            .filter(|c| c.action == "ShareBlueprintAcrossAccounts")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_stands_there_twice_is_seen_and_refused() {
    let site = Site::trusting(&["azure:q"], &["azure:b"]).await;
    for name in [
        "http-jira-approved-rest.json",
        "http-jira-approved-alb-multi.json",
    ] {
        let mut event = event(name);
        let headers = event["multiValueHeaders"].as_object_mut().unwrap();
        let (_, values) = headers
            .iter_mut()
            .find(|(n, _)| n.eq_ignore_ascii_case("x-hub-signature"))
            .unwrap();
        values.as_array_mut().unwrap().push(json!("sha256=00"));
        let (code, text) = site.invoke(&event);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("unauthorised"), "{text}");
    }
    assert!(site.cloud.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_code_of_several_messages_reports_a_failure_beside_unfinished_work() {
    let topic = ["arn:aws:sns:us-east-1:000000000000:share-approvals"];
    let site = Site::trusting(&topic, &["azure:b"]).await;
    let failing = request("F-1", json!({"accounts": ["909619400"]}));
    let tomorrow = now() + jiff::SignedDuration::from_hours(24);
    let waiting = request(
        "W-1",
        json!({"accounts": ["909619400"], "not_before": tomorrow}),
    );
    let missing = "ShareBlueprintAcrossAccounts:error-before:ResourceNotFound.BlueprintIdNotFound";
    assert!(site.cloud.inject(missing.parse().unwrap()));
    let mut notification = event("sns-native.json");
    let record = notification["Records"][0].clone();
    let records = [failing, waiting].map(|message| {
        let mut record = record.clone();
        record["Sns"]["MessageId"] = message["id"].clone();
        record["Sns"]["Message"] = json!(message.to_string());
        record
    });
    notification["Records"] = json!(records);
    let (code, text) = site.invoke(&notification);
    let answers: Value = serde_json::from_str(&text).expect(&text);
    let status = |index: usize| answers["answers"][index]["status"].clone();
    assert_eq!((status(0), status(1)), (json!("failed"), json!("pending")));
    assert_eq!(code, 1, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_believed_when_it_is_listed() {
    let notification = event("sns-native.json");
    serde_json::from_value::<SnsEvent>(notification.clone()).unwrap();
    let site = Site::trusting(
        &["arn:aws:sns:us-east-1:000000000000:share-approvals"],
        &["azure:b"],
    )
    .await;
    assert_eq!(site.answered(&notification)["status"], "completed");
    assert_eq!(site.answered(&notification)["duplicate"], true);
    assert_eq!(site.blueprint_accounts("lhbp-6jc6l8yb"), ["909619400"]);

    let stranger = Site::trusting(
        &["arn:aws:sns:us-east-1:000000000000:another"],
        &["azure:b"],
    )
    .await;
    let (code, text) = stranger.invoke(&notification);
    assert!(
        code == 2 && text.starts_with("Unauthorised"),
        "{code} {text}"
    );
    assert!(stranger.cloud.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_bus_speaks_by_region_account_and_source() {
    let approved = event("eventbridge-approved.json");
    serde_json::from_value::<EventBridgeEvent>(approved.clone()).unwrap();
    let site = Site::trusting(
        &["azure:q"],
        &["events:us-east-1:000000000000:com.example.tickets"],
    )
    .await;
    for (field, other) in [
        ("region", "eu-west-1"),
        ("account", "111111111111"),
        ("source", "com.example.other"),
    ] {
        let mut foreign = approved.clone();
        foreign[field] = json!(other);
        let (code, text) = site.invoke(&foreign);
        assert!(
            code == 2 && text.starts_with("Unauthorised"),
            "{field}: {code} {text}"
        );
    }
    assert!(site.cloud.calls().is_empty());
    assert_eq!(site.answered(&approved)["status"], "completed");
    assert_eq!(site.blueprint_accounts("lhbp-6jc6l8yb"), ["1038493875"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_sweeps_as_a_rule_and_as_a_scheduler() {
    let site = Site::trusting(&["azure:q"], &["azure:b"]).await;
    serde_json::from_value::<EventBridgeEvent>(event("schedule-rule.json")).unwrap();
    let from_scheduler = site.answered(&event("schedule-sweep.json"));
    assert_eq!(site.answered(&event("schedule-rule.json")), from_scheduler);
    assert!(
        from_scheduler
            .as_object()
            .is_some_and(|report| !report.contains_key("status")),
        "{from_scheduler}"
    );
}

/// A caller who may invoke the function chooses what its event says about its origin.
#[tokio::test(flavor = "multi_thread")]
async fn no_event_can_claim_the_origin_of_the_operators_commands() {
    let site = Site::trusting(&["commands"], &["azure:b"]).await;
    let mut batch = event("sqs-three-requests.json");
    for record in batch["Records"].as_array_mut().unwrap() {
        record["eventSourceARN"] = json!("commands");
    }
    let (_, text) = site.invoke(&batch);
    assert_eq!(text.matches("itemIdentifier").count(), 3, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_fifo_queue_nothing_overtakes_a_message_that_failed() {
    let fifo = "arn:aws:sqs:us-east-1:000000000000:share-requests.fifo";
    let site = Site::trusting(&[QUEUE_ARN, fifo], &["azure:b"]).await;
    let mut batch = event("sqs-three-requests.json");
    for record in batch["Records"].as_array_mut().unwrap() {
        record["eventSourceARN"] = json!(fifo);
    }
    let (_, text) = site.invoke(&batch);
    let failed = |ids: &[usize]| {
        let one = |i: &usize| json!({"itemIdentifier": batch["Records"][*i]["messageId"]});
        json!({"batchItemFailures": ids.iter().map(one).collect::<Vec<_>>()}).to_string()
    };
    assert_eq!(
        text,
        failed(&[1, 2]),
        "the second fails, so the third waits"
    );
    assert!(
        site.cloud.state().regions["ap-singapore"].images["img-6pb6lrmy"]
            .shares
            .is_empty()
    );
    let mut grouped = batch.clone();
    let records = grouped["Records"].as_array_mut().unwrap();
    for (record, group) in records.iter_mut().zip(["a", "a", "b"]) {
        record["attributes"]["MessageGroupId"] = json!(group);
    }
    let (_, text) = site.invoke(&grouped);
    assert_eq!(text, failed(&[1]), "the third is of another group");
    let (_, text) = site.invoke(&event("sqs-three-requests.json"));
    assert_eq!(
        text,
        failed(&[1]),
        "in a standard queue the third does not wait"
    );
    assert_eq!(
        site.cloud.state().regions["ap-singapore"].images["img-6pb6lrmy"]
            .shares
            .len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_machine_gets_the_outcome_or_an_error_with_a_name() {
    let site = Site::trusting(&["azure:q"], &["azure:b"]).await;
    assert_eq!(
        site.answered(&event("invoke-native.json"))["status"],
        "completed"
    );
    // A denial is a result, as over HTTP and for a queue, unless the caller asks for errors.
    let denied = json!({"id": "D-1", "accounts": ["100000000009"]});
    let (code, text) = site.invoke(&request("D-1", denied.clone()));
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &answer["status"]), (2, &json!("denied")), "{text}");
    for (changes, named_errors, name) in [
        (denied.clone(), json!(true), "Denied"),
        (
            json!({"id": "D-2", "accounts": []}),
            json!(false),
            "Invalid",
        ),
        (
            json!({"id": "D-3", "colour": "red"}),
            json!(true),
            "Invalid",
        ),
        (json!({}), json!("yes"), "Invalid"),
    ] {
        let mut event = request("D-1", changes);
        event["named_errors"] = named_errors;
        let (code, text) = site.invoke(&event);
        assert!(text.starts_with(&format!("{name}: ")), "{code} {text}");
    }
    let mut event = request("D-1", denied);
    event["named_errors"] = json!(false);
    assert!(site.invoke(&event).1.contains("\"duplicate\":true"));
    let (_, text) = site.invoke(&json!({"awslogs": {"data": ""}}));
    assert!(
        text.starts_with("UnknownEvent: ") && text.contains("awslogs"),
        "{text}"
    );
}

/// An HTTP body that looks like a trigger's event is only a body.
#[tokio::test(flavor = "multi_thread")]
async fn a_triggers_event_that_comes_over_http_gains_no_trust() {
    let service = Service::start().await;
    let kind = [("content-type".to_owned(), "application/json".to_owned())];
    let site = Site::trusting(
        &[
            QUEUE_ARN,
            "arn:aws:sns:us-east-1:000000000000:share-approvals",
            "azure:by-http",
        ],
        &["events:us-east-1:000000000000:com.example.tickets"],
    )
    .await;
    for name in [
        "sqs-three-requests.json",
        "sns-native.json",
        "eventbridge-approved.json",
        "invoke-native.json",
    ] {
        let body = event(name).to_string();
        for (path, expected) in [
            ("/hooks/queue", 401),
            ("/hooks/invoke", 401),
            ("/hooks/native", 401),
            ("/invoke", 404),
            ("/", 404),
            ("/2015-03-31/functions/sharehook/invocations", 404),
        ] {
            let answer = service.post(path, &kind, body.clone().into_bytes()).await;
            assert_eq!(answer.status, expected, "{name} to {path}: {answer:?}");
        }
        // Send the same body through Lambda's HTTP triggers, as a text inside an event.
        for (form, path) in [
            ("http-jira-approved.json", "rawPath"),
            ("http-jira-approved-alb.json", "path"),
        ] {
            for source in ["queue", "bus", "invoke", "jira"] {
                let mut wrapped = event(form);
                wrapped["body"] = json!(body);
                wrapped[path] = json!(format!("/hooks/{source}"));
                let (code, text) = site.invoke(&wrapped);
                assert!(
                    code == 2 && text.contains("unauthorised"),
                    "{name} to {source}: {code} {text}"
                );
            }
        }
    }
    assert!(service.cloud.calls().is_empty() && site.cloud.calls().is_empty());
    assert_eq!(service.records(), 0);
}

/// One request of a batch waits, and the other fails. The exit code reports the failure; neither
/// message is repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_request_decides_the_exit_code_beside_one_that_waits() {
    let site = Site::trusting(&[QUEUE_ARN], &["azure:b"]).await;
    let mut batch = event("sqs-three-requests.json");
    let records = batch["Records"].as_array_mut().unwrap();
    records.truncate(2);
    let later = now() + jiff::SignedDuration::from_hours(48);
    let waits = request("W-1", json!({"not_before": later}));
    let fails = request("F-1", json!({"accounts": [STRANGER]}));
    for (record, body) in records.iter_mut().zip([waits, fails]) {
        record["body"] = json!(body.to_string());
    }
    let (code, text) = site.invoke(&batch);
    assert_eq!((code, text.as_str()), (1, r#"{"batchItemFailures":[]}"#));
    batch["Records"].as_array_mut().unwrap().truncate(1);
    assert_eq!(site.invoke(&batch).0, 0, "the one that waits alone");
}

/// A pending request is in the journal, and a sweep finishes it. If the queue repeated the message
/// five times, it would move a healthy request to its dead-letter queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_pending_message_is_done_with() {
    let topic = "arn:aws:sns:us-east-1:000000000000:share-approvals";
    let site = Site::trusting(&[QUEUE_ARN, topic], &["azure:b"]).await;
    let config = site.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "[limits]\nseconds = 2\n").unwrap();
    let slow = "ShareBlueprintAcrossAccounts:slow:30s@9";
    assert!(site.cloud.inject(slow.parse().unwrap()));
    let mut batch = event("sqs-three-requests.json");
    let records = batch["Records"].as_array_mut().unwrap();
    records.truncate(1);
    let sent: Value = serde_json::from_str(records[0]["body"].as_str().unwrap()).unwrap();
    let done = json!({"batchItemFailures": []});
    assert_eq!(site.answered(&batch), done);
    let mut notification = event("sns-native.json");
    let other = request("S-9", json!({"accounts": ["700000000001"]})).to_string();
    notification["Records"][0]["Sns"]["Message"] = json!(other);
    let pending = site.answered(&notification);
    assert_eq!(
        pending["status"], "pending",
        "a topic's message is done with too"
    );
    let shown = |id: &Value| {
        let done = site
            .command()
            .args(["requests", id.as_str().unwrap(), "--json"])
            .finish();
        let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
        answer["status"].clone()
    };
    assert_eq!(shown(&sent["id"]), "pending");
}

/// The events that Azure and Function Compute post over HTTP.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_file_of_a_host_that_posts_its_events_is_processed_too() {
    let site = Site::trusting(&["azure:Requests"], &["azure:b"]).await;
    let shared = site.answered(&event("azure-queue.json"));
    assert_eq!(shared["status"], "completed", "{shared}");
    let compute =
        json!({"triggerTime": "2026-11-02T06:55:00Z", "triggerName": "t", "payload": "{}"});
    for timer in [event("azure-timer.json"), compute] {
        let swept = site.answered(&timer);
        assert_eq!(swept["out_of_time"], false, "{swept}");
    }
    let records = site.run(&["requests", "--rejected"]);
    let rejected = String::from_utf8(records.stdout).unwrap();
    assert!(!rejected.contains("region"), "{rejected}");
}

/// A custom domain puts a base path before the path. The event's resource shows where the base path
/// ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_base_path_is_not_part_of_the_route() {
    let site = Site::trusting(&["azure:q"], &["azure:b"]).await;
    let (code, body) = status(&site.answered(&event("http-jira-approved-base-path.json")));
    assert_eq!(
        (code, &body["status"]),
        (200, &json!("completed")),
        "{body}"
    );
    let mut payload_2 = event("http-jira-approved.json");
    payload_2["rawPath"] = json!("/share/hooks/jira");
    assert_eq!(
        status(&serde_json::from_str(&site.invoke(&payload_2).1).unwrap()).0,
        404
    );
    payload_2["routeKey"] = json!("POST /hooks/{source}");
    payload_2["pathParameters"] = json!({"source": "jira"});
    let (code, body) = status(&site.answered(&payload_2));
    assert_eq!((code, &body["duplicate"]), (200, &json!(true)), "{body}");

    // If the event does not show the base path, the setting `strip_prefix` removes it.
    let config = site.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text + "[http]\nstrip_prefix = \"/share\"\n").unwrap();
    for (name, field) in [
        ("http-jira-approved.json", "rawPath"),
        ("http-jira-approved-alb.json", "path"),
        ("http-jira-approved-rest.json", "path"),
    ] {
        let mut event = event(name);
        event[field] = json!("/share/hooks/jira");
        let (code, body) = status(&site.answered(&event));
        assert_eq!(
            (code, &body["duplicate"]),
            (200, &json!(true)),
            "{name}: {body}"
        );
    }
}
