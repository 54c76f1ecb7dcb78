//! A custom handler for Azure Functions. The host forwards HTTP requests under its route prefix,
//! and posts the events of other triggers as envelopes to `/FUNCTION`. The handler answers both in
//! the form that the host expects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::{App, Deadline};
use crate::config::Vars;
use crate::domain::{JsonFlaw, Problem, TriggerOrigin, read_json};

use super::http::{HttpRequest, HttpResponse, respond};
use super::invocation::{self, Invocation};
use super::message::{self, Message};

/// The prefix of HTTP routes if `host.json` sets none.
const DEFAULT_PREFIX: &str = "api";
/// The application setting that overrides `host.json`. Its name is case-insensitive.
const PREFIX_SETTING: &str = "azurefunctionsjobhost__extensions__http__routeprefix";

/// The name of the function whose timer compares the cloud with the journal. Every other timer
/// starts a sweep. The name decides, because a timer event has no text that an operator sets.
const DRIFT: &str = "drift";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handler {
    /// The prefix of HTTP routes; `None` if it is empty or unknown. Without a prefix, envelopes are
    /// refused, because an HTTP request from outside could have the path of an envelope.
    prefix: Option<String>,
}

impl Handler {
    /// Reads the route prefix from the text of `host.json` and the settings. Without a readable
    /// file the prefix is unknown.
    pub(crate) fn new(host_json: Option<&str>, vars: &Vars) -> Self {
        let written = host_json.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let setting = vars
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(PREFIX_SETTING));
        let prefix = match (&written, setting) {
            (None, _) => None,
            (Some(_), Some((_, value))) => Some(value.as_str()),
            (Some(host), None) => match host.pointer("/extensions/http/routePrefix") {
                None => Some(DEFAULT_PREFIX),
                Some(prefix) => prefix.as_str(),
            },
        };
        let prefix = prefix
            .map(|prefix| prefix.trim_matches('/'))
            .filter(|prefix| !prefix.is_empty());
        Self {
            prefix: prefix.map(str::to_owned),
        }
    }

    /// Returns the name of the function if the request is an envelope. Returns `None` for a
    /// forwarded HTTP request, or if the prefix is empty or unknown.
    fn envelope_of<'a>(&self, request: &'a HttpRequest) -> Option<&'a str> {
        let prefix = self.prefix.as_deref()?;
        let name = request.path.strip_prefix('/')?;
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let named = !name.is_empty() && name != prefix && name.bytes().all(good);
        let ours = matches!(name, "healthz" | "readyz" | "metrics" | "events");
        (request.method == "POST" && named && !ours).then_some(name)
    }

    pub(crate) async fn respond(
        &self,
        app: &Arc<App>,
        request: HttpRequest,
        deadline: Deadline,
    ) -> HttpResponse {
        if let Some(function) = self.envelope_of(&request) {
            return in_envelope(invoke(app, function, &request.body, deadline).await);
        }
        let rest = self
            .prefix
            .as_deref()
            .and_then(|prefix| request.path.strip_prefix('/')?.strip_prefix(prefix));
        match rest.filter(|rest| rest.starts_with('/')).map(str::to_owned) {
            Some(path) => respond(app, HttpRequest { path, ..request }, deadline).await,
            None => respond(app, request, deadline).await,
        }
    }
}

/// Returns the name of the function if `event` is an envelope, which the command `invoke` has read
/// from a file. Returns `None` for any other event, such as a forwarded HTTP request.
pub(crate) fn function_of(event: &Value) -> Option<&str> {
    event.get("Data")?;
    event.pointer("/Metadata/sys/MethodName")?.as_str()
}

/// Processes the envelope of a function. The caller must have ruled out that the envelope comes
/// from an HTTP sender.
pub(crate) async fn invoke(
    app: &Arc<App>,
    function: &str,
    body: &[u8],
    deadline: Deadline,
) -> Invocation {
    match event_of(function, body) {
        Ok(Event::Timer) if function.eq_ignore_ascii_case(DRIFT) => {
            invocation::drift(app, deadline).await
        }
        Ok(Event::Timer) => invocation::sweep(app, deadline).await,
        Ok(Event::Message(message)) => message::all_or_error(app, vec![message], deadline).await,
        Err(problem) => Invocation::unknown_event(&Problem::new(
            function,
            format!("the envelope {problem}"),
            "use a queue or timer trigger, or HTTP with enableForwardingHttpRequest",
        )),
    }
}

/// Builds the response to an envelope. Only the host can send envelopes, so the response is marked
/// as authenticated if `Row::authenticated` is set for its outcome. The host treats every status
/// except 200 as a failed invocation, and delivers a queue's message again.
fn in_envelope(
    Invocation {
        outcome, answer, ..
    }: Invocation,
) -> HttpResponse {
    let response = match answer {
        Ok(answer) => {
            let logs = [answer.to_string()];
            let body = json!({ "Outputs": {}, "Logs": logs, "ReturnValue": null });
            HttpResponse::json(outcome, &body).with_status(200)
        }
        Err(error) => HttpResponse::error(outcome, error.to_string()).with_status(500),
    };
    response.for_known_sender()
}

#[derive(Debug, PartialEq)]
enum Event {
    Timer,
    Message(Message),
}

/// Reads an envelope. A queue message is a string under the name of the binding, and a timer event
/// is an object with `IsPastDue`. An object with `Method` is an HTTP request in an envelope. It is
/// refused, because any sender may have sent it.
fn event_of(function: &str, body: &[u8]) -> Result<Event, &'static str> {
    let envelope = read_json(body).map_err(|flaw| match flaw {
        JsonFlaw::Syntax(_) | JsonFlaw::ByteOrderMark | JsonFlaw::Compressed => "is not JSON",
        JsonFlaw::DuplicateKey(_) => "names a key twice in one object",
    })?;
    let part = |name: &str| envelope.get(name).and_then(Value::as_object);
    let data = part("Data").ok_or("has no Data")?;
    let metadata = part("Metadata").ok_or("has no Metadata")?;
    let (1, Some(item)) = (data.len(), data.values().next()) else {
        return Err("does not have exactly one binding in Data");
    };
    match item {
        Value::String(text) => {
            // Some versions of the host send the message as a JSON string inside the JSON string.
            let id = metadata.get("Id").and_then(Value::as_str);
            let text = serde_json::from_str::<String>(text).unwrap_or_else(|_| text.clone());
            Ok(Event::Message(Message {
                origin: TriggerOrigin::AzureFunction(function).to_string(),
                id: id.map(|id| id.trim_matches('"').to_owned()),
                body: text.into(),
            }))
        }
        Value::Object(timer)
            if timer.contains_key("IsPastDue") && !timer.contains_key("Method") =>
        {
            Ok(Event::Timer)
        }
        _ => Err("belongs to an unsupported trigger"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str) -> HttpRequest {
        HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            ..HttpRequest::default()
        }
    }

    #[test]
    fn an_envelope_is_believed_only_where_http_cannot_have_its_path() {
        let none = Vars::new();
        let setting = |value: &str| {
            Vars::from([(
                "AzureFunctionsJobHost__Extensions__Http__RoutePrefix".into(),
                value.into(),
            )])
        };
        let empty = r#"{"extensions":{"http":{"routePrefix":"/"}}}"#;
        let hooks = r#"{"extensions":{"http":{"routePrefix":"share/v1"}}}"#;
        for (host, vars, prefix) in [
            (None, &none, None),
            (Some("not json"), &none, None),
            (Some("{}"), &none, Some("api")),
            (Some(empty), &none, None),
            (Some(hooks), &none, Some("share/v1")),
            (Some("{}"), &setting(""), None),
            (Some(empty), &setting("x"), Some("x")),
            (
                Some(r#"{"extensions":{"http":{"routePrefix":null}}}"#),
                &none,
                None,
            ),
        ] {
            let handler = Handler::new(host, vars);
            assert_eq!(handler.prefix.as_deref(), prefix, "{host:?}");
            let believed = handler.envelope_of(&request("POST", "/Requests")).is_some();
            assert_eq!(believed, prefix.is_some(), "{host:?}");
        }
        let handler = Handler::new(Some("{}"), &none);
        for (method, path) in [
            ("GET", "/Requests"),
            ("POST", "/api"),
            ("POST", "/api/Requests"),
            ("POST", "/"),
            ("POST", "//Requests"),
            ("POST", "/Requests/"),
            ("POST", "/%52equests"),
            ("POST", "/hooks/jira"),
            ("POST", "/events"),
        ] {
            assert_eq!(
                handler.envelope_of(&request(method, path)),
                None,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn an_http_request_in_an_envelope_is_nobodys_message() {
        let read = |data: Value| {
            event_of(
                "F",
                json!({"Data": data, "Metadata": {"Id": "\"m-1\""}})
                    .to_string()
                    .as_bytes(),
            )
        };
        let message = |body: &str| {
            Ok(Event::Message(Message {
                origin: "azure:F".into(),
                id: Some("m-1".into()),
                body: body.to_owned().into(),
            }))
        };
        assert_eq!(read(json!({"item": "{\"a\":1}"})), message("{\"a\":1}"));
        assert_eq!(
            read(json!({"item": "\"{\\\"a\\\":1}\""})),
            message("{\"a\":1}")
        );
        assert_eq!(
            read(json!({"timer": {"Schedule": {}, "IsPastDue": false}})),
            Ok(Event::Timer)
        );
        for bad in [
            json!({}),
            json!([]),
            json!({"a": "1", "b": "2"}),
            json!({"item": {"action": "share"}}),
            json!({"req": {"Url": "https://x/api/F", "Method": "POST", "Headers": {}, "Body": "{}"}}),
            json!({"req": {"Url": "https://x/api/F", "Method": "POST", "IsPastDue": true}}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        assert!(event_of("F", b"{\"Data\":{\"item\":\"{}\"}}").is_err());
        assert!(event_of("F", b"[").is_err());
    }
}
