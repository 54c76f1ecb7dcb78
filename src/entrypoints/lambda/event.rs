//! Recognizes the trigger of a Lambda event by its fields. Refuses an event of an unsupported
//! trigger.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::sns::{SnsEvent, SnsRecord};
use aws_lambda_events::sqs::SqsEvent;
use serde_json::Value;

use crate::domain::{Problem, TriggerOrigin};
use crate::entrypoints::http::HttpRequest;
use crate::entrypoints::http::event::{self as http_event, Form};
use crate::entrypoints::invocation::of_one_trigger;
use crate::entrypoints::message::Message;

pub(super) enum Trigger {
    /// API Gateway in either version, a function URL or a load balancer.
    Http(Box<HttpRequest>, Form),
    Queue(SqsEvent),
    /// Messages of SNS or EventBridge. Both invoke the function asynchronously, so Lambda repeats
    /// the event only after an error.
    Messages(Vec<Message>),
    /// A schedule: `{"task":"sweep"}`, or an EventBridge rule's own "Scheduled Event".
    Sweep,
    /// `{"task":"drift"}`: a schedule that compares the cloud with the journal.
    Drift,
    /// Any other JSON object, unless it has a field in `FOREIGN_MARKS`. It should be a native
    /// request.
    Direct(Value),
}

/// Fields of events from other triggers. A direct invocation has none of them.
const FOREIGN_MARKS: [&str; 7] = [
    "Records",
    "records",
    "requestContext",
    "httpMethod",
    "detail-type",
    "awslogs",
    "version",
];

/// The fields that identify a trigger. An event with two of them is refused.
const TRIGGER_MARKS: [&str; 3] = ["Records", "requestContext", "detail-type"];

const SERVED: &str = "use a function URL, API Gateway, a load balancer, SQS, SNS, EventBridge, a schedule or a direct invocation";

pub(super) fn trigger_of(event: Value) -> Result<Trigger, Problem> {
    let Some(object) = event.as_object() else {
        return Err(Problem::new(
            "event",
            "is not a JSON object",
            "send an event of a supported trigger, or a native request",
        ));
    };
    of_one_trigger(&event, &TRIGGER_MARKS)?;
    if let Some(records) = object.get("Records") {
        return batch(records, &event);
    }
    if object.contains_key("requestContext") {
        return http(&event);
    }
    match object.get("task").and_then(Value::as_str) {
        Some("sweep") if object.len() == 1 => return Ok(Trigger::Sweep),
        Some("drift") if object.len() == 1 => return Ok(Trigger::Drift),
        _ => {}
    }
    if object.contains_key("detail-type") && object.contains_key("detail") {
        return bus(&event);
    }
    let foreign = |mark: &&&str| object.contains_key(**mark);
    if let Some(mark) = FOREIGN_MARKS.iter().find(foreign) {
        let problem = format!("has {mark:?}, a field of an unsupported trigger");
        return Err(Problem::new("event", problem, SERVED));
    }
    Ok(Trigger::Direct(event))
}

/// Reads the records, which must all belong to one trigger. SQS and SNS spell the field that names
/// the trigger differently.
fn batch(records: &Value, event: &Value) -> Result<Trigger, Problem> {
    let refused =
        |problem: String| Problem::new("Records", problem, "let SQS or SNS invoke the function");
    let Some(list) = records.as_array() else {
        return Err(refused("are not an array".to_owned()));
    };
    let all = |field: &str, name: &str| {
        list.iter()
            .all(|record| record.get(field).and_then(Value::as_str) == Some(name))
    };
    if all("eventSource", "aws:sqs") {
        let batch: SqsEvent = serde_json::from_value(event.clone())
            .map_err(|error| refused(format!("are not a batch of SQS messages: {error}")))?;
        return Ok(Trigger::Queue(batch));
    }
    if all("EventSource", "aws:sns") {
        let batch: SnsEvent = serde_json::from_value(event.clone())
            .map_err(|error| refused(format!("are not SNS notifications: {error}")))?;
        let messages = batch.records.into_iter().map(notification);
        return messages
            .collect::<Option<_>>()
            .map(Trigger::Messages)
            .ok_or_else(|| {
                refused("contain an SNS message that is not a notification".to_owned())
            });
    }
    Err(refused(
        "are neither all from SQS nor all from SNS".to_owned(),
    ))
}

/// Returns the message of an SNS notification, with the topic's ARN as its origin, or `None` for
/// another type of SNS message. Redeliveries by SNS and Lambda have the same id.
fn notification(SnsRecord { sns, .. }: SnsRecord) -> Option<Message> {
    (sns.sns_message_type == "Notification").then(|| Message {
        origin: sns.topic_arn,
        id: Some(sns.message_id),
        body: sns.message.into(),
    })
}

/// Reads an EventBridge event as a schedule or a message. An event does not name its bus, so the
/// message's origin is `events:REGION:ACCOUNT:SOURCE`. EventBridge itself writes the region and the
/// account. It reserves sources that begin with `aws.` for AWS.
fn bus(event: &Value) -> Result<Trigger, Problem> {
    let refused = |field: &str, problem: String| {
        Problem::new(field, problem, "let an event bus invoke the function")
    };
    let read: EventBridgeEvent = serde_json::from_value(event.clone())
        .map_err(|error| refused("event", format!("is not an EventBridge event: {error}")))?;
    let set = |name: &str, value: Option<String>| {
        value
            .filter(|text| !text.is_empty())
            .ok_or_else(|| refused(name, "is missing in the EventBridge event".to_owned()))
    };
    let region = set("region", read.region)?;
    let account = set("account", read.account)?;
    let source = set("source", Some(read.source))?;
    if (read.detail_type.as_str(), source.as_str()) == ("Scheduled Event", "aws.events") {
        return Ok(Trigger::Sweep);
    }
    let origin = TriggerOrigin::AwsBus {
        region: &region,
        account: &account,
        source: &source,
    };
    // Pass the whole event to the map, so that it can read the detail type.
    let message = Message {
        origin: origin.to_string(),
        id: Some(set("id", read.id)?),
        body: event.to_string().into(),
    };
    Ok(Trigger::Messages(vec![message]))
}

fn http(event: &Value) -> Result<Trigger, Problem> {
    let refused = |problem: &str| Problem::new("event", problem, SERVED);
    let at = |pointer: &str| event.pointer(pointer).and_then(Value::as_str);
    let stage = at("/requestContext/stage");
    let (method, path, form) = if event.pointer("/requestContext/http").is_some() {
        if at("/version") != Some("2.0") {
            return Err(refused(
                "is an HTTP event with a payload version other than 2.0",
            ));
        }
        let path = at("/rawPath").unwrap_or_default();
        // A route key is a method and a resource, as in `POST /hooks/{source}`.
        let resource = at("/routeKey").and_then(|key| Some(key.split_once(' ')?.1));
        let path = routed(event, resource, path, stage);
        (at("/requestContext/http/method"), path, Form::Version2)
    } else if event.pointer("/requestContext/elb").is_some() {
        let multi = event.get("multiValueHeaders").is_some_and(Value::is_object);
        let form = match multi {
            true => Form::BalancerMulti,
            false => Form::Balancer,
        };
        (at("/httpMethod"), at("/path").unwrap_or_default(), form)
    } else if event.get("resource").is_some() && matches!(at("/version"), None | Some("1.0")) {
        let path = at("/path").unwrap_or_default();
        // A REST API omits the stage from `path`, but not from `requestContext.path`. If the two
        // are equal, `path` may contain the stage.
        let same = at("/requestContext/path") == Some(path);
        let path = routed(event, at("/resource"), path, stage.filter(|_| same));
        (at("/httpMethod"), path, Form::Version1)
    } else {
        return Err(refused(
            "has a requestContext of an unsupported HTTP trigger",
        ));
    };
    let method = method.ok_or_else(|| refused("is an HTTP event without a method"))?;
    let request = http_event::request(event, method, path.to_owned())
        .map_err(|flaw| refused(&flaw.to_string()))?;
    Ok(Trigger::Http(Box::new(request), form))
}

/// Returns the path to route. If the resource shows the base path of a custom domain, removes this
/// base path. Otherwise removes the stage.
fn routed<'a>(
    event: &Value,
    resource: Option<&str>,
    path: &'a str,
    stage: Option<&str>,
) -> &'a str {
    resource
        .and_then(|resource| http_event::path_of_resource(event, resource, path))
        .unwrap_or_else(|| http_event::without_stage(path, stage))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn http_event() -> Value {
        json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/hooks/jira", "rawQueryString": "",
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "$default", "timeEpoch": 1, "http": {"method": "POST", "path": "/hooks/jira"}},
            "body": "eyJhIjoxfQ==", "isBase64Encoded": true
        })
    }

    fn bus_event(source: &str, kind: &str) -> Value {
        json!({"version": "0", "id": "e-1", "detail-type": kind, "source": source, "account": "1",
               "region": "r", "detail": {}})
    }

    fn with(event: &Value, field: &str, value: Value) -> Value {
        let mut event = event.clone();
        event[field] = value;
        event
    }

    #[test]
    fn http_bodies_are_decoded_before_anything_reads_them() {
        let Ok(Trigger::Http(request, Form::Version2)) = trigger_of(http_event()) else {
            panic!()
        };
        assert_eq!(
            (
                request.method.as_str(),
                request.path.as_str(),
                &request.body[..]
            ),
            ("POST", "/hooks/jira", &b"{\"a\":1}"[..])
        );
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_path() {
        let mut event = http_event();
        event["requestContext"]["stage"] = json!("prod");
        event["rawPath"] = json!("/prod/hooks/jira");
        let Ok(Trigger::Http(request, Form::Version2)) = trigger_of(event) else {
            panic!()
        };
        assert_eq!(request.path, "/hooks/jira");
    }

    #[test]
    fn unknown_shapes_are_errors_and_never_direct_invocations() {
        let mut v1 = http_event();
        v1["version"] = json!("1.0");
        let mut bad_base64 = http_event();
        bad_base64["body"] = json!("%%%");
        for event in [
            v1,
            bad_base64,
            json!([]),
            json!("text"),
            json!({"Records": [{"eventSource": "aws:s3"}]}),
            json!({"Records": [{"eventSource": "aws:sqs"}, {"EventSource": "aws:sns"}]}),
            json!({"Records": {}, "action": "share"}),
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Type": "SubscriptionConfirmation"}}]}),
            json!({"Records": [{"EventSource": "aws:sns"}]}),
            json!({"requestContext": {"elb": {}}}),
            json!({"requestContext": {"domainName": "x"}, "httpMethod": "POST"}),
            json!({"requestContext": null, "action": "share"}),
            json!({"detail-type": "x", "source": "y", "detail": {}}),
            json!({"detail-type": "x", "source": "", "detail": {}, "region": "r", "account": "1", "id": "i"}),
            json!({"detail-type": "x"}),
            with(
                &http_event(),
                "Records",
                json!([{"eventSource": "aws:sqs"}]),
            ),
            with(&http_event(), "Records", Value::Null),
            with(&bus_event("com.example", "x"), "Records", json!([])),
            with(&bus_event("com.example", "x"), "requestContext", json!({})),
            json!({"httpMethod": "POST", "path": "/hooks/jira", "headers": {}, "body": ""}),
        ] {
            assert!(trigger_of(event.clone()).is_err(), "{event}");
        }
    }

    #[test]
    fn a_task_with_company_is_no_sweep() {
        assert!(matches!(
            trigger_of(json!({"task": "sweep"})),
            Ok(Trigger::Sweep)
        ));
        assert!(matches!(
            trigger_of(json!({"task": "sweep", "action": "share"})),
            Ok(Trigger::Direct(_))
        ));
    }

    #[test]
    fn a_topic_and_a_bus_speak_by_what_their_host_wrote() {
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {
            "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:r:1:t", "Message": "{}",
            "Timestamp": "2026-11-02T06:53:59.003Z", "SignatureVersion": "1", "Signature": "EXAMPLE",
            "SigningCertUrl": "EXAMPLE", "UnsubscribeUrl": "EXAMPLE", "MessageAttributes": {}},
            "EventVersion": "1.0", "EventSubscriptionArn": "arn:aws:sns:r:1:t:s"}]});
        let Ok(Trigger::Messages(messages)) = trigger_of(sns) else {
            panic!()
        };
        let expected = Message {
            origin: "arn:aws:sns:r:1:t".into(),
            id: Some("m-1".into()),
            body: "{}".into(),
        };
        assert_eq!(messages, [expected]);
        let Ok(Trigger::Messages(messages)) =
            trigger_of(bus_event("com.example", "Image Share Approved"))
        else {
            panic!()
        };
        assert_eq!(
            (messages[0].origin.as_str(), messages[0].id.as_deref()),
            ("events:r:1:com.example", Some("e-1"))
        );
        assert!(matches!(
            trigger_of(bus_event("aws.events", "Scheduled Event")),
            Ok(Trigger::Sweep)
        ));
        assert!(matches!(
            trigger_of(bus_event("com.example", "Scheduled Event")),
            Ok(Trigger::Messages(_))
        ));
    }

    #[test]
    fn a_rest_apis_stage_is_not_mistaken_for_a_path() {
        let event = |path: &str, full: &str| {
            json!({"resource": "/{proxy+}", "path": path, "httpMethod": "POST", "headers": null,
                   "requestContext": {"stage": "hooks", "path": full}, "body": null})
        };
        for (path, full, routed) in [
            ("/hooks/jira", "/hooks/hooks/jira", "/hooks/jira"),
            ("/hooks/hooks/jira", "/hooks/hooks/jira", "/hooks/jira"),
        ] {
            let Ok(Trigger::Http(request, Form::Version1)) = trigger_of(event(path, full)) else {
                panic!("{path}")
            };
            assert_eq!(request.path, routed);
        }
    }
}
