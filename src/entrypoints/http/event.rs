//! Converts HTTP requests that a host passes as JSON events of API Gateway, a function URL or a
//! load balancer into [`HttpRequest`]s. Converts the responses back to JSON in the form of the
//! event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::request::{HttpRequest, decoded, query_fields};
use super::response::HttpResponse;

/// The form of the event. The response must have the same form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// API Gateway's payload version 2.0, which Lambda function URLs use too.
    Version2,
    /// API Gateway's REST API, or an HTTP API with payload version 1.0. Tencent's function URL
    /// accepts this form too.
    Version1,
    /// A load balancer whose target group has single-value headers.
    Balancer,
    /// A load balancer whose target group has multi-value headers. It ignores single-value headers
    /// in the response.
    BalancerMulti,
}

/// The part of an event that does not have the host's format. The error's text continues a sentence
/// that begins with "the event".
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EventFlaw {
    #[error("has {0} that are not an object")]
    NoObject(&'static str),
    #[error("has a header {0:?} that is not text")]
    HeaderNotText(String),
    #[error("has a body that is not text")]
    BodyNotText,
    #[error("has a body that is not base64 although isBase64Encoded is true")]
    BodyNotBase64,
    #[error("has an isBase64Encoded that is neither true nor false")]
    BadFlag,
}

/// Builds the request from an event. The caller has already read the method and the path.
///
/// # Errors
/// Fails if a part of the event does not have the host's format.
pub(crate) fn request(event: &Value, method: &str, path: String) -> Result<HttpRequest, EventFlaw> {
    Ok(HttpRequest {
        method: method.to_owned(),
        path,
        query: query(event),
        headers: headers(event)?,
        body: body(event)?,
    })
}

/// Removes the stage from the beginning of the path. The stage `$default` is never in the path.
pub(crate) fn without_stage<'a>(path: &'a str, stage: Option<&str>) -> &'a str {
    let stage = stage.filter(|stage| !stage.is_empty() && *stage != "$default");
    stage
        .and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(path)
}

/// Returns the path without the base path of a custom domain. The base path is found with the
/// resource that API Gateway matched, such as `/hooks/{source}` or `/{proxy+}`: the resource with
/// its parameters filled in is the end of the path. Returns `None` if a parameter is missing, or if
/// the path has another end.
pub(crate) fn path_of_resource<'a>(
    event: &Value,
    resource: &str,
    path: &'a str,
) -> Option<&'a str> {
    let mut filled = String::new();
    for segment in resource.strip_prefix('/')?.split('/') {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        filled.push('/');
        filled.push_str(match name {
            None => segment,
            Some(name) => {
                let name = name.strip_suffix('+').unwrap_or(name);
                event.get("pathParameters")?.get(name)?.as_str()?
            }
        });
    }
    let start = path.len().checked_sub(filled.len())?;
    path.get(start..).filter(|end| *end == filled)
}

/// Returns all values of all headers. Prefers `multiValueHeaders`, because only this field has all
/// values of a repeated header.
fn headers(event: &Value) -> Result<Vec<(String, String)>, EventFlaw> {
    let object = |name: &'static str| match event.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map).filter(|map| !map.is_empty())),
        Some(_) => Err(EventFlaw::NoObject(name)),
    };
    let multi = object("multiValueHeaders")?;
    let fields = multi.map_or_else(|| object("headers"), |multi| Ok(Some(multi)))?;
    let mut pairs = Vec::new();
    for (name, value) in fields.into_iter().flatten() {
        let not_text = || EventFlaw::HeaderNotText(name.clone());
        let values = match multi {
            Some(_) => value.as_array().ok_or_else(not_text)?.as_slice(),
            None => std::slice::from_ref(value),
        };
        for value in values {
            let text = value.as_str().ok_or_else(not_text)?;
            pairs.push((name.clone(), text.to_owned()));
        }
    }
    Ok(pairs)
}

/// Returns the decoded fields of the query. In payload version 1, API Gateway has already decoded
/// them. A load balancer has not, and the documentation of SCF does not say, so their fields are
/// decoded here.
fn query(event: &Value) -> Vec<(String, String)> {
    if let Some(raw) = event.get("rawQueryString").and_then(Value::as_str) {
        return query_fields(raw);
    }
    let is_decoded = event.get("resource").is_some();
    let names = [
        "multiValueQueryStringParameters",
        "queryStringParameters",
        "queryString",
    ];
    let objects = names
        .iter()
        .filter_map(|name| event.get(*name)?.as_object());
    let Some(fields) = objects.into_iter().find(|fields| !fields.is_empty()) else {
        return Vec::new();
    };
    let text = |text: &str| match is_decoded {
        true => text.to_owned(),
        false => decoded(text),
    };
    let each = |(name, value): (&String, &Value)| -> Vec<(String, String)> {
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        let values = values.iter().filter_map(Value::as_str);
        values.map(|value| (text(name), text(value))).collect()
    };
    fields.iter().flat_map(each).collect()
}

/// Returns the body as the sender sent it. Signatures cover these bytes, so base64 is decoded.
fn body(event: &Value) -> Result<Bytes, EventFlaw> {
    let text = match event.get("body") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(EventFlaw::BodyNotText),
    };
    match event.get("isBase64Encoded") {
        None | Some(Value::Null | Value::Bool(false)) => {
            Ok(Bytes::copy_from_slice(text.as_bytes()))
        }
        Some(Value::Bool(true)) => STANDARD
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| EventFlaw::BodyNotBase64),
        Some(_) => Err(EventFlaw::BadFlag),
    }
}

pub(crate) fn response(form: Form, response: HttpResponse) -> Value {
    let status = response.status;
    let headers = response.headers.into_iter();
    let single = |(name, value): (&str, String)| (name.to_owned(), json!(value));
    let multi = |(name, value): (&str, String)| (name.to_owned(), json!([value]));
    let described = || format!("{status} {}", reason(status));
    let mut answer = Map::new();
    let mut set = |name: &str, value: Value| drop(answer.insert(name.to_owned(), value));
    set("statusCode", json!(status));
    set("body", json!(response.body));
    set("isBase64Encoded", json!(false));
    match form {
        // AWS does not need `cookies`. But programs that read the response with
        // `aws_lambda_events`, such as cargo-lambda, refuse a response without this field.
        Form::Version2 => {
            set("headers", headers.map(single).collect());
            set("cookies", json!([]));
        }
        Form::Version1 => set("headers", headers.map(single).collect()),
        Form::Balancer => {
            set("headers", headers.map(single).collect());
            set("statusDescription", json!(described()));
        }
        Form::BalancerMulti => {
            set("multiValueHeaders", headers.map(multi).collect());
            set("statusDescription", json!(described()));
        }
    }
    Value::Object(answer)
}

fn reason(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Unknown")
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::alb::AlbTargetGroupResponse;
    use aws_lambda_events::apigw::{ApiGatewayProxyResponse, ApiGatewayV2httpResponse};

    use super::*;
    use crate::entrypoints::outcome::Outcome;

    #[test]
    fn each_form_is_one_that_the_shared_types_read() {
        let busy = |form| response(form, HttpResponse::error(Outcome::Busy, "later"));
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
    fn the_resource_tells_where_a_base_path_ends() {
        let proxy = json!({"pathParameters": {"proxy": "hooks/jira"}});
        let named = json!({"pathParameters": {"source": "jira"}});
        let none = json!({"pathParameters": null});
        for (event, resource, path, rest) in [
            (
                &proxy,
                "/{proxy+}",
                "/share/hooks/jira",
                Some("/hooks/jira"),
            ),
            (&proxy, "/{proxy+}", "/hooks/jira", Some("/hooks/jira")),
            (
                &named,
                "/hooks/{source}",
                "/a/b/hooks/jira",
                Some("/hooks/jira"),
            ),
            (
                &none,
                "/hooks/jira",
                "/share/hooks/jira",
                Some("/hooks/jira"),
            ),
            (
                &proxy,
                "/share/{proxy+}",
                "/share/hooks/jira",
                Some("/share/hooks/jira"),
            ),
            (&proxy, "/{proxy+}", "/share/hooks/github", None),
            (&proxy, "/{proxy+}", "/jira", None),
            (&none, "/{proxy+}", "/share/hooks/jira", None),
            (&proxy, "/{other+}", "/share/hooks/jira", None),
            (&none, "$default", "/share/hooks/jira", None),
        ] {
            assert_eq!(
                path_of_resource(event, resource, path),
                rest,
                "{resource} {path}"
            );
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
