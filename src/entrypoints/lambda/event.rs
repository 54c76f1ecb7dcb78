//! Which trigger is it? Told by shape, strictly: an unknown shape is an error, never a guess.
//! In: a raw event. Out: one of the shapes that are served.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use aws_lambda_events::sqs::SqsEvent;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use crate::domain::Problem;
use crate::entrypoints::http::HttpDelivery;

/// The events that are served.
pub(super) enum Shape {
    /// API Gateway HTTP API (payload 2.0) or a function URL.
    Http(Box<HttpDelivery>),
    /// A batch of SQS messages.
    Queue(SqsEvent),
    /// The schedule's `{"task":"sweep"}`.
    Sweep,
    /// Anything else that is a JSON object and looks like no host's event: a native request.
    Direct(Value),
}

/// Marks of events that other triggers send. A direct invocation never has them.
const FOREIGN_MARKS: [&str; 6] =
    ["Records", "requestContext", "httpMethod", "detail-type", "awslogs", "version"];

pub(super) fn shape_of(event: Value) -> Result<Shape, Problem> {
    let Some(object) = event.as_object() else {
        return Err(Problem::new(
            "event",
            "is not a JSON object",
            "send an event of a trigger that is served, or a native request",
        ));
    };
    if let Some(records) = object.get("Records") {
        return queue(records, &event);
    }
    if object.get("requestContext").is_some_and(|context| context.get("http").is_some()) {
        return http(event);
    }
    if object.get("task").is_some_and(|task| task == "sweep") && object.len() == 1 {
        return Ok(Shape::Sweep);
    }
    if let Some(mark) = FOREIGN_MARKS.iter().find(|mark| object.contains_key(**mark)) {
        return Err(Problem::new(
            "event",
            format!("has {mark:?} and is of a trigger that is not served"),
            "use a function URL, an HTTP API with payload version 2.0, an SQS queue or a direct invocation",
        ));
    }
    Ok(Shape::Direct(event))
}

fn queue(records: &Value, event: &Value) -> Result<Shape, Problem> {
    let refused = |problem: String| Problem::new("Records", problem, "let an SQS queue invoke the function");
    let Some(list) = records.as_array() else { return Err(refused("is not an array".to_owned())) };
    for (index, record) in list.iter().enumerate() {
        if record.get("eventSource").and_then(Value::as_str) != Some("aws:sqs") {
            return Err(refused(format!("record {index} is not a message of SQS")));
        }
    }
    let batch: SqsEvent = serde_json::from_value(event.clone())
        .map_err(|error| refused(format!("is not a batch of SQS: {error}")))?;
    Ok(Shape::Queue(batch))
}

fn http(event: Value) -> Result<Shape, Problem> {
    let refused = |problem: String| {
        Problem::new(
            "event",
            problem,
            "invoke through a function URL or an HTTP API with payload version 2.0",
        )
    };
    if event.get("version").and_then(Value::as_str) != Some("2.0") {
        return Err(refused("is an HTTP event of another payload version than 2.0".to_owned()));
    }
    let request: ApiGatewayV2httpRequest =
        serde_json::from_value(event).map_err(|error| refused(format!("is not an HTTP event: {error}")))?;
    let context = &request.request_context;
    let path = request.raw_path.clone().unwrap_or_default();
    // A named stage stands before the path; `$default` does not.
    let stage = context.stage.as_deref().filter(|stage| *stage != "$default").unwrap_or_default();
    let path = match path.strip_prefix(&format!("/{stage}")) {
        Some(rest) if !stage.is_empty() && (rest.is_empty() || rest.starts_with('/')) => rest.to_owned(),
        _ => path,
    };
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers =
        request.headers.iter().filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
    let body = request.body.unwrap_or_default();
    let body = if request.is_base64_encoded {
        let decoded = STANDARD.decode(body.as_bytes());
        Bytes::from(decoded.map_err(|_| refused("has a body that says it is base64 and is not".to_owned()))?)
    } else {
        Bytes::from(body)
    };
    Ok(Shape::Http(Box::new(HttpDelivery { method: context.http.method.to_string(), path, headers, body })))
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

    #[test]
    fn http_bodies_are_decoded_before_anything_reads_them() {
        let Ok(Shape::Http(request)) = shape_of(http_event()) else { panic!() };
        assert_eq!(
            (request.method.as_str(), request.path.as_str(), &request.body[..]),
            ("POST", "/hooks/jira", &b"{\"a\":1}"[..])
        );
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_path() {
        let mut event = http_event();
        event["requestContext"]["stage"] = json!("prod");
        event["rawPath"] = json!("/prod/hooks/jira");
        let Ok(Shape::Http(request)) = shape_of(event) else { panic!() };
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
            json!({"requestContext": {"elb": {}}, "httpMethod": "POST"}),
            json!({"detail-type": "x", "source": "y", "detail": {}}),
        ] {
            assert!(shape_of(event.clone()).is_err(), "{event}");
        }
    }

    #[test]
    fn a_task_with_company_is_no_sweep() {
        assert!(matches!(shape_of(json!({"task": "sweep"})), Ok(Shape::Sweep)));
        assert!(matches!(shape_of(json!({"task": "sweep", "action": "share"})), Ok(Shape::Direct(_))));
    }
}
