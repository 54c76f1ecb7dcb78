//! Answers unsigned debug requests: the world, the calls, the pending faults, the inbox and the
//! approval systems. Requires a loopback host name, so that a web page in the user's browser cannot
//! send such requests through its own host name.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::approvals::ApprovalSystem;
use super::fault::{Fault, FaultError};
use super::inbox::InboxAnswer;
use super::request::Request;
use super::state::State;

/// The debug paths, in addition to those below [`APPROVALS`].
const PATHS: [&str; 5] = [
    "/sandbox/state",
    "/sandbox/calls",
    "/sandbox/faults",
    "/sandbox/inbox",
    "/sandbox/approvals",
];
const APPROVALS: &str = "/sandbox/approvals/";

type Refusal = (StatusCode, String);

/// Answers a request to a path below `/sandbox/` with a status and a JSON value.
pub(super) fn answer(state: &mut State, path: &str, request: &Request) -> (StatusCode, Value) {
    match value_of(state, path, request) {
        Ok(value) => (StatusCode::OK, value),
        Err((status, problem)) => (status, json!({"error": problem})),
    }
}

fn value_of(state: &mut State, path: &str, request: &Request) -> Result<Value, Refusal> {
    if !request.is_to_loopback() {
        let problem = "the Host header must name loopback; use 127.0.0.1 or localhost";
        return refuse(StatusCode::FORBIDDEN, problem);
    }
    match (request.method.as_str(), path) {
        ("GET", "/sandbox/state") => {
            Ok(json!({"regions": state.world.regions, "faults": waiting(state)}))
        }
        ("GET", "/sandbox/calls") => Ok(json!({"calls": state.log.calls()})),
        ("GET", "/sandbox/faults") => Ok(json!({"faults": waiting(state)})),
        ("POST", "/sandbox/faults") => inject(state, request),
        ("DELETE", "/sandbox/faults") => {
            state.faults.clear();
            Ok(json!({"faults": []}))
        }
        ("GET", "/sandbox/inbox") => Ok(json!({"letters": state.inbox.letters()})),
        ("POST", "/sandbox/inbox") => answer_letters(state, request),
        ("DELETE", "/sandbox/inbox") => {
            state.inbox.clear();
            Ok(json!({"letters": []}))
        }
        ("GET", "/sandbox/approvals") => Ok(state.approvals.shown()),
        ("POST", path) if path.starts_with(APPROVALS) => put_instance(state, path, request),
        (_, path) if PATHS.contains(&path) || path.starts_with(APPROVALS) => {
            let problem = "the path does not support this method";
            refuse(StatusCode::METHOD_NOT_ALLOWED, problem)
        }
        _ => refuse(
            StatusCode::NOT_FOUND,
            "unknown path; the paths are /, /inbox, /feishu, /dingtalk, /wecom, /http, and /sandbox/state, calls, faults, inbox and approvals",
        ),
    }
}

fn waiting(state: &State) -> Vec<String> {
    state.faults.iter().map(Fault::to_string).collect()
}

/// Returns the request's body as JSON, or `null` if the body is not JSON. Refuses any content type
/// other than JSON. This is needed because a web page in the user's browser can post a form to
/// loopback. If the page used the content type of JSON, the browser would first send a preflight
/// request.
fn json_of(request: &Request) -> Result<Value, Refusal> {
    let kind = request.header("content-type");
    if !kind.is_some_and(|kind| kind.starts_with("application/json")) {
        let problem = "send Content-Type: application/json";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, problem);
    }
    Ok(serde_json::from_slice(&request.body).unwrap_or_default())
}

/// Sets how the inbox answers.
fn answer_letters(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    match serde_json::from_value::<InboxAnswer>(json_of(request)?) {
        Ok(answer) if StatusCode::from_u16(answer.status).is_ok() => {
            state.inbox.answer = answer.clone();
            Ok(json!(answer))
        }
        _ => refuse(
            StatusCode::BAD_REQUEST,
            "the body is not an answer for the inbox; write {\"status\": 503}, with retry_after and body if needed",
        ),
    }
}

/// Stores an instance of an approval system. The body is the instance, or the object
/// `{event, instance}` that a map receives.
fn put_instance(state: &mut State, path: &str, request: &Request) -> Result<Value, Refusal> {
    let mut body = json_of(request)?;
    let Some(system) = path.strip_prefix(APPROVALS).and_then(ApprovalSystem::find) else {
        let problem = "unknown system; write feishu, lark, dingtalk, wecom or http";
        return refuse(StatusCode::NOT_FOUND, problem);
    };
    let instance = match body.get_mut("instance") {
        Some(instance) => instance.take(),
        None => body,
    };
    match state.approvals.put(system, instance) {
        Some(id) => Ok(json!({ "instance": id })),
        None => refuse(
            StatusCode::BAD_REQUEST,
            "the body has no id: an instance needs instance_code, processInstanceId or sp_no; a ticket needs ticket.id, id, key or number",
        ),
    }
}

/// Adds the faults in the body. If one of them cannot be read, adds none. If too many would be
/// pending, adds only the first ones.
fn inject(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let texts: Vec<String> = match json_of(request)? {
        Value::String(text) => vec![text],
        other => serde_json::from_value(other).unwrap_or_default(),
    };
    if texts.is_empty() {
        let problem = "the body names no fault; write a JSON string or an array of strings, such as \"*:reset-after@2\"";
        return refuse(StatusCode::BAD_REQUEST, problem);
    }
    let faults: Result<Vec<Fault>, FaultError> = texts.iter().map(|text| text.parse()).collect();
    let faults = faults.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    if !faults.into_iter().all(|fault| state.inject(fault)) {
        let problem =
            "too many faults are pending, so not all were added; send DELETE to remove them";
        return refuse(StatusCode::INSUFFICIENT_STORAGE, problem);
    }
    Ok(json!({"faults": waiting(state)}))
}

fn refuse(status: StatusCode, problem: &str) -> Result<Value, Refusal> {
    Err((status, problem.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::options::SandboxOptions;
    use super::super::testing::NOW;
    use super::*;
    use bytes::Bytes;

    fn ask(state: &mut State, method: &str, path: &str, host: &str, body: &str) -> (u16, Value) {
        let headers = [("host", host), ("content-type", "application/json")];
        let request = Request {
            method: method.to_owned(),
            headers: headers
                .into_iter()
                .map(|(n, v)| (n.to_owned(), v.to_owned()))
                .collect(),
            body: Bytes::from(body.to_owned()),
            ..Request::default()
        };
        let (status, value) = answer(state, path, &request);
        (status.as_u16(), value)
    }

    #[test]
    fn faults_come_and_go() {
        let mut state = State::new(SandboxOptions::seeded(|| NOW), [0; 16]);
        let mut ask =
            |method, body| ask(&mut state, method, "/sandbox/faults", "127.0.0.1:1", body);
        assert_eq!(ask("POST", "\"*:reset-after@2\"").0, 200);
        let both = json!({"faults": ["*:reset-after@2", "*:html-ok"]});
        assert_eq!(ask("POST", "[\"*:html-ok\"]"), (200, both.clone()));
        for bad in [
            "",
            "7",
            "[7]",
            "{}",
            "[]",
            "\"explode\"",
            "[\"*:html-ok\", \"explode\"]",
        ] {
            assert_eq!(ask("POST", bad).0, 400, "{bad}");
        }
        assert_eq!(
            ask("GET", ""),
            (200, both),
            "a list with a bad one adds none"
        );
        assert_eq!(ask("DELETE", ""), (200, json!({"faults": []})));
    }

    #[test]
    fn an_instance_is_kept_alone_or_beside_its_event() {
        let mut state = State::new(SandboxOptions::seeded(|| NOW), [0; 16]);
        let mut ask = |path, body| ask(&mut state, "POST", path, "127.0.0.1:1", body);
        let feishu = "/sandbox/approvals/lark";
        assert_eq!(ask(feishu, "{\"instance_code\":\"A\"}").0, 200);
        let file = "{\"event\":{},\"instance\":{\"sp_no\":\"1\"}}";
        assert_eq!(
            ask("/sandbox/approvals/wecom", file),
            (200, json!({"instance": "1"}))
        );
        assert_eq!(
            ask("/sandbox/approvals/http", "{\"ticket\":{\"id\":7}}"),
            (200, json!({"instance": "7"}))
        );
        for (path, bad) in [
            (feishu, file),
            (feishu, "["),
            ("/sandbox/approvals/jira", "{}"),
        ] {
            assert!(ask(path, bad).0 >= 400, "{path} {bad}");
        }
        let shown = super::answer(
            &mut state,
            "/sandbox/approvals",
            &Request {
                method: "GET".to_owned(),
                headers: [("host".to_owned(), "localhost".to_owned())].into(),
                ..Request::default()
            },
        );
        assert_eq!(shown.1["feishu"]["instances"], json!(["A"]));
    }

    #[test]
    fn the_side_door_opens_for_loopback_names_only() {
        let mut state = State::new(SandboxOptions::seeded(|| NOW), [0; 16]);
        for (method, path, host, status) in [
            ("GET", "/sandbox/state", "localhost:1", 200),
            ("GET", "/sandbox/calls", "[::1]:1", 200),
            ("GET", "/sandbox/state", "attacker.example", 403),
            ("POST", "/sandbox/faults", "attacker.example", 403),
            ("POST", "/sandbox/state", "localhost", 405),
            ("PUT", "/sandbox/approvals", "localhost", 405),
            ("DELETE", "/sandbox/approvals/feishu", "localhost", 405),
            ("GET", "/other", "localhost", 404),
        ] {
            assert_eq!(
                ask(&mut state, method, path, host, "").0,
                status,
                "{method} {path} {host}"
            );
        }
        let (_, seen) = ask(&mut state, "GET", "/sandbox/state", "localhost", "");
        assert_eq!(
            seen["regions"]["ap-singapore"]["blueprints"]["lhbp-syncing0"]["state"],
            "SYNCING"
        );
    }
}
