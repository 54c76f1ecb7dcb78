//! HTTP requests that a host hands over as JSON, and answers in the form in which the request came.
//! In: an event of API Gateway, a function URL or a load balancer. Out: an [`HttpDelivery`]; and
//! back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::http::{HttpDelivery, Served};
use super::reply::HttpAnswer;

/// In which form the request came, and so the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// API Gateway's payload version 2.0, which a Lambda function URL shares.
    Version2,
    /// API Gateway's REST API, or an HTTP API with payload version 1.0. Tencent's function URL
    /// takes it too.
    Version1,
    /// A load balancer whose target group has single-value headers.
    Balancer,
    /// A load balancer whose target group has multi-value headers: it reads no others from the
    /// answer.
    BalancerMulti,
}

/// The request of an event whose path, method and form are known.
///
/// # Errors
/// What is not as the host writes it.
pub(crate) fn request(event: &Value, method: &str, path: String) -> Result<HttpDelivery, String> {
    Ok(HttpDelivery {
        method: method.to_owned(),
        path,
        headers: headers(event)?,
        body: body(event)?,
    })
}

/// The path without the stage that stands before it; `$default` never does.
pub(crate) fn without_stage(path: &str, stage: Option<&str>) -> String {
    let stage = stage.filter(|stage| !stage.is_empty() && *stage != "$default");
    let rest = stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage));
    match rest {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest.to_owned(),
        _ => path.to_owned(),
    }
}

/// All values of all headers: `multiValueHeaders` where they are, because a repetition must be
/// seen.
fn headers(event: &Value) -> Result<Vec<(String, String)>, String> {
    let object = |name: &str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map).filter(|map| !map.is_empty())),
        Some(_) => Err(format!("has {name} that are not an object")),
    };
    let not_text = |name: &str| format!("has a header {name:?} that is not text");
    let mut pairs = Vec::new();
    if let Some(multi) = object("multiValueHeaders")? {
        for (name, values) in multi {
            for value in values.as_array().ok_or_else(|| not_text(name))? {
                pairs.push((
                    name.clone(),
                    value.as_str().ok_or_else(|| not_text(name))?.to_owned(),
                ));
            }
        }
    } else if let Some(single) = object("headers")? {
        for (name, value) in single {
            pairs.push((
                name.clone(),
                value.as_str().ok_or_else(|| not_text(name))?.to_owned(),
            ));
        }
    }
    Ok(pairs)
}

/// The exact bytes that the sender sent: signatures cover them, and not their base64.
fn body(event: &Value) -> Result<Bytes, String> {
    let text = match event.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err("has a body that is not text".to_owned()),
    };
    match event.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => {
            Ok(Bytes::copy_from_slice(text.as_bytes()))
        }
        Some(Value::Bool(true)) => STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| "has a body that says it is base64 and is not".to_owned()),
        Some(_) => Err("has an isBase64Encoded that is neither true nor false".to_owned()),
    }
}

/// The answer in the request's form.
pub(crate) fn response(form: Form, served: Served) -> Value {
    let (answer, kind, body) = match served {
        Served::Text(text) => (
            HttpAnswer::new(200, Value::Null),
            "text/plain; version=0.0.4",
            text,
        ),
        Served::Json(answer) => {
            let body = answer.body.to_string();
            (answer, "application/json", body)
        }
    };
    let status = answer.status;
    let mut headers = vec![("content-type", kind.to_owned())];
    headers.extend(
        answer
            .retry_after
            .map(|seconds| ("retry-after", seconds.to_string())),
    );
    headers.extend(answer.headers);
    let single = |headers: &[(&str, String)]| -> Map<String, Value> {
        headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect()
    };
    let multi = |headers: &[(&str, String)]| -> Map<String, Value> {
        headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!([value])))
            .collect()
    };
    let mut answer = json!({ "statusCode": status, "body": body, "isBase64Encoded": false });
    let Some(map) = answer.as_object_mut() else {
        return answer;
    };
    let described = || Value::String(format!("{status} {}", reason(status)));
    match form {
        Form::Version2 => {
            map.insert("headers".to_owned(), Value::Object(single(&headers)));
            // It may be absent on AWS; who reads the answer with `aws_lambda_events`, as
            // cargo-lambda does, needs it.
            map.insert("cookies".to_owned(), json!([]));
        }
        Form::Version1 => {
            map.insert("headers".to_owned(), Value::Object(single(&headers)));
        }
        Form::Balancer => {
            map.insert("headers".to_owned(), Value::Object(single(&headers)));
            map.insert("statusDescription".to_owned(), described());
        }
        Form::BalancerMulti => {
            map.insert(
                "multiValueHeaders".to_owned(),
                Value::Object(multi(&headers)),
            );
            map.insert("statusDescription".to_owned(), described());
        }
    }
    answer
}

fn reason(status: u16) -> &'static str {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::alb::AlbTargetGroupResponse;
    use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};

    use super::*;

    #[test]
    fn each_form_is_one_that_the_shared_types_read() {
        let busy = |form| response(form, Served::Json(HttpAnswer::busy()));
        let v2: ApiGatewayV2httpResponse = serde_json::from_value(busy(Form::Version2)).unwrap();
        assert_eq!(
            (v2.status_code, &v2.headers["retry-after"]),
            (429, &"1".parse().unwrap())
        );
        let v1: ApiGatewayProxyResponse = serde_json::from_value(busy(Form::Version1)).unwrap();
        assert_eq!(
            (v1.status_code, &v1.headers["retry-after"]),
            (429, &"1".parse().unwrap())
        );
        let single: AlbTargetGroupResponse = serde_json::from_value(busy(Form::Balancer)).unwrap();
        assert_eq!(
            single.status_description.as_deref(),
            Some("429 Too Many Requests")
        );
        assert_eq!(
            (
                &single.headers["retry-after"],
                single.multi_value_headers.len()
            ),
            (&"1".parse().unwrap(), 0)
        );
        let multi: AlbTargetGroupResponse =
            serde_json::from_value(busy(Form::BalancerMulti)).unwrap();
        assert_eq!(
            (
                &multi.multi_value_headers["retry-after"],
                multi.headers.len()
            ),
            (&"1".parse().unwrap(), 0)
        );
    }

    #[test]
    fn a_stage_is_cut_off_where_it_is_one() {
        for (path, stage, rest) in [
            ("/prod/hooks/jira", Some("prod"), "/hooks/jira"),
            ("/production/hooks", Some("prod"), "/production/hooks"),
            ("/hooks/jira", Some("$default"), "/hooks/jira"),
            ("/hooks/jira", None, "/hooks/jira"),
            ("/prod", Some("prod"), ""),
        ] {
            assert_eq!(without_stage(path, stage), rest, "{path} {stage:?}");
        }
    }

    #[test]
    fn what_no_host_writes_is_refused() {
        for event in [
            json!({"headers": []}),
            json!({"headers": {"a": 1}}),
            json!({"multiValueHeaders": {"a": "b"}}),
            json!({"multiValueHeaders": {"a": [null]}}),
            json!({"body": {}}),
            json!({"body": "%%%", "isBase64Encoded": true}),
            json!({"body": "a", "isBase64Encoded": "false"}),
        ] {
            assert!(request(&event, "POST", "/".to_owned()).is_err(), "{event}");
        }
        let repeated = json!({"headers": {"a": "2"}, "multiValueHeaders": {"a": ["1", "2"]}});
        let read = request(&repeated, "POST", "/".to_owned()).unwrap();
        assert_eq!(
            read.headers,
            [
                ("a".to_owned(), "1".to_owned()),
                ("a".to_owned(), "2".to_owned())
            ]
        );
    }
}
