//! CloudEvents over HTTP in every content mode: which events are accepted, which act only once, and
//! which are never trusted.

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;

use crate::support::http::{self, Answer};
use crate::support::process::signed;
use crate::support::service::{NATIVE_SECRET, QUEUE_ARN, Service, like_the_queue, request};

const TOKEN: &str = "test-only-events-token-0123456789abcdef";
const DESK: &str = "https://desk.example.com/approvals";

/// A service whose source `desk` sends CloudEvents with a bearer token. The source `native` may
/// send signed CloudEvents too.
async fn start() -> Service {
    Service::prepared(|folder| {
        let path = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replacen("name = \"native\"\n", "name = \"native\"\nevents = [\"/signed\"]\n", 1);
        let desk = format!(
            "[[source]]\nname = \"desk\"\nscheme = \"bearer\"\nsecrets = [\"file:token\"]\nevents = [{DESK:?}]\nmap = \"data.jq\"\nhandshake = {{ cloudevents = {{ origins = [\"eventgrid.azure.net\"] }} }}\n"
        );
        let text = text.replacen("events = [\"/signed\"]", "events = [\"/signed\"]\nmap = \"data.jq\"", 1);
        std::fs::write(path, text + &desk).unwrap();
        std::fs::write(folder.join("data.jq"), ".data").unwrap();
        std::fs::write(folder.join("token"), TOKEN).unwrap();
        like_the_queue(folder, "desk", "bearer");
        // The sample policy allows unsigned sources only sandbox accounts, so add such an account.
        let entities = folder.join("policy/entities.json");
        let text = std::fs::read_to_string(&entities).unwrap();
        let account = "{\"uid\": {\"type\": \"Share::Account\", \"id\": \"700000000012\"}, \"attrs\": {}, \"parents\": [{\"type\": \"Share::AccountGroup\", \"id\": \"staging\"}";
        assert!(text.contains(account));
        let more = account.replace("\"staging\"}", "\"staging\"}, {\"type\": \"Share::AccountGroup\", \"id\": \"sandbox-accounts\"}");
        std::fs::write(entities, text.replace(account, &more)).unwrap();
    })
    .await
}

fn share(id: &str) -> Value {
    request(id, json!({"accounts": ["700000000012"]}))
}

fn structured(id: &str, source: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": source, "type": "com.example.approved", "data": data})
}

fn bearer(kind: &str) -> Vec<(String, String)> {
    vec![
        ("authorization".to_owned(), format!("Bearer {TOKEN}")),
        ("content-type".to_owned(), kind.to_owned()),
        ("prefer".to_owned(), "reply".to_owned()),
    ]
}

const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";
const BATCH: &str = "application/cloudevents-batch+json";

async fn send(service: &Service, headers: &[(String, String)], body: &Value) -> Answer {
    service
        .post("/events", headers, body.to_string().into_bytes())
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_content_mode_is_one_event_and_acts_once() {
    let service = start().await;
    let without_id = |changes: Value| {
        let mut request = request("none", changes);
        request.as_object_mut().unwrap().remove("id");
        request
    };
    let data = without_id(json!({"accounts": ["700000000012"]}));
    let mut binary = bearer("application/json");
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "e-1"),
        ("source", DESK),
        ("type", "t"),
        ("subject", "100%25 %C3%A9"),
    ] {
        binary.push((format!("ce-{name}"), value.to_owned()));
    }
    let first = send(&service, &binary, &data).await;
    assert_eq!(
        (first.status, first.body["status"].as_str()),
        (200, Some("completed")),
        "{first:?}"
    );
    assert_eq!(first.body["id"], format!("delivery:{DESK}#e-1"));

    // The same event in another mode is the same request. Another event of the batch is a new one.
    let again = send(
        &service,
        &bearer(STRUCTURED),
        &structured("e-1", DESK, data.clone()),
    )
    .await;
    assert_eq!(
        (again.status, again.body["duplicate"].as_bool()),
        (200, Some(true)),
        "{again:?}"
    );
    let batch = json!([
        structured("e-1", DESK, data.clone()),
        structured("e-2", DESK, json!({"action": "share"})),
        structured("e-3", DESK, share("E-3")),
    ]);
    let batch = send(&service, &bearer(BATCH), &batch).await;
    let answers = batch.body["answers"].as_array().unwrap();
    assert_eq!((batch.status, answers.len()), (422, 3), "{batch:?}");
    assert_eq!(
        (&answers[0]["duplicate"], &answers[2]["status"]),
        (&json!(true), &json!("completed"))
    );
    assert!(
        !answers[1]["problems"].as_array().unwrap().is_empty(),
        "{batch:?}"
    );
    let empty = send(&service, &bearer(BATCH), &json!([])).await;
    assert_eq!((empty.status, &empty.body), (200, &json!({"answers": []})));
    assert_eq!(
        service.blueprint_accounts("lhbp-6jc6l8yb"),
        ["700000000012"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_covers_a_structured_event_and_never_a_binary_one() {
    let service = start().await;
    let sign = |id: &str, kind: &str, body: &Value| {
        let mut headers = signed(
            SchemeName::StandardWebhooks,
            NATIVE_SECRET,
            id,
            &body.to_string(),
        );
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        headers.push(("content-type".to_owned(), kind.to_owned()));
        headers.push(("prefer".to_owned(), "reply".to_owned()));
        headers
    };
    let event = structured("s-1", "/signed", request("S-1", json!({})));
    let answer = send(&service, &sign("m-1", STRUCTURED, &event), &event).await;
    assert_eq!(
        (answer.status, answer.body["status"].as_str()),
        (200, Some("completed")),
        "{answer:?}"
    );

    let data = request("S-2", json!({}));
    let mut binary = sign("m-2", "application/json", &data);
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "s-2"),
        ("source", "/signed"),
        ("type", "t"),
    ] {
        binary.push((format!("ce-{name}"), value.to_owned()));
    }
    let answer = send(&service, &binary, &data).await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.body.to_string().contains("structured"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_the_sources_own_sender_gets_the_one_401() {
    let service = start().await;
    let good = structured("x-1", DESK, share("X-1"));
    let json_type = ("content-type".to_owned(), STRUCTURED.to_owned());
    let wrong = vec![
        ("authorization".to_owned(), format!("Bearer {TOKEN}x")),
        json_type.clone(),
    ];
    let cases = [
        (vec![json_type.clone()], good.clone()),
        (wrong.clone(), good.clone()),
        // The token belongs to `desk`, but the event's `source` attribute does not.
        (
            bearer(STRUCTURED),
            structured("x-2", "/signed", share("X-2")),
        ),
        (
            bearer(STRUCTURED),
            structured("x-3", QUEUE_ARN, share("X-3")),
        ),
        (
            bearer(STRUCTURED),
            structured("x-4", "invoke", share("X-4")),
        ),
        (
            bearer(STRUCTURED),
            structured("x-5", &format!("{DESK}/"), share("X-5")),
        ),
        (
            bearer(BATCH),
            json!([good, structured("x-6", "/signed", share("X-6"))]),
        ),
        // Only an authenticated sender receives an explanation why its event is unreadable.
        (wrong, json!({"specversion": "1.0"})),
    ];
    for (headers, body) in cases {
        let answer = send(&service, &headers, &body).await;
        assert_eq!(answer.status, 401, "{body}: {answer:?}");
        assert!(answer.body.to_string().contains("unauthorised"));
    }
    let unreadable = send(
        &service,
        &bearer(STRUCTURED),
        &json!({"specversion": "1.0"}),
    )
    .await;
    assert!(
        unreadable.status == 400 && unreadable.body.to_string().contains("id"),
        "{unreadable:?}"
    );
    let kind = send(
        &service,
        &bearer("application/cloudevents+avro"),
        &json!({}),
    )
    .await;
    assert_eq!(kind.status, 415, "{kind:?}");
    assert!(service.cloud.calls().is_empty());
    assert_eq!(service.records(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_source_cannot_list_events() {
    let service = Service::start().await;
    let path = service.folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let both = "name = \"queue\"\nevents = [\"/a\", \"*\"]\n";
    std::fs::write(&path, text.replacen("name = \"queue\"\n", both, 1)).unwrap();
    let readable = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let done = service.run(&["check"]);
    assert_eq!(done.status.code(), Some(3));
    let shown = readable(&done.stdout) + &readable(&done.stderr);
    assert!(shown.contains("no wildcards"), "{shown}");
    let one = "name = \"queue\"\nevents = [\"/a\"]\n";
    std::fs::write(&path, text.replacen("name = \"queue\"\n", one, 1)).unwrap();
    let done = service.run(&["check"]);
    let shown = readable(&done.stdout) + &readable(&done.stderr);
    assert!(
        done.status.code() == Some(3) && shown.contains("never reach a trusted source"),
        "{shown}"
    );
}

/// If a 2xx answer has a body that is not a CloudEvent, a broker retries the event and finally
/// dead-letters it.
#[tokio::test(flavor = "multi_thread")]
async fn a_cloudevent_is_answered_in_the_protocol_of_its_sender() {
    let service = start().await;
    let silent = |kind: &str| {
        let mut headers = bearer(kind);
        headers.retain(|(name, _)| name != "prefer");
        headers
    };
    let mut binary = silent("application/json");
    for (name, value) in [
        ("specversion", "1.0"),
        ("id", "p-1"),
        ("source", DESK),
        ("type", "t"),
    ] {
        binary.push((format!("ce-{name}"), value.to_owned()));
    }
    let waiting = share("P-3").as_object().unwrap().clone();
    let waiting = json!({"not_before": crate::support::service::now() + jiff::SignedDuration::from_hours(48)})
        .as_object()
        .unwrap()
        .clone()
        .into_iter()
        .chain(waiting)
        .collect::<serde_json::Map<_, _>>();
    let event = structured("p-2", DESK, share("P-2"));
    for (path, headers, body, status) in [
        ("/events", binary.clone(), share("P-1"), 200),
        ("/events", silent(STRUCTURED), event.clone(), 200),
        ("/events", silent(BATCH), json!([event.clone()]), 200),
        (
            "/events",
            silent(STRUCTURED),
            structured("p-3", DESK, waiting.into()),
            202,
        ),
        // The address of a source accepts CloudEvents too.
        ("/hooks/desk", silent(STRUCTURED), event.clone(), 200),
    ] {
        let answer = service
            .post(path, &headers, body.to_string().into_bytes())
            .await;
        assert_eq!(
            (answer.status, &answer.body),
            (status, &json!("")),
            "{path} {body}: {answer:?}"
        );
        assert_eq!(
            answer.header("content-type").unwrap_or_default(),
            "",
            "{path} {body}"
        );
    }
    assert_eq!(
        service.blueprint_accounts("lhbp-6jc6l8yb"),
        ["700000000012"]
    );

    binary.push(("prefer".to_owned(), "reply".to_owned()));
    let reply = send(&service, &binary, &share("P-1")).await;
    assert_eq!(
        (reply.status, &reply.body["id"]),
        (200, &json!("P-1")),
        "{reply:?}"
    );
    for (name, value) in [
        ("ce-specversion", "1.0"),
        ("ce-source", "/sharehook"),
        ("ce-type", "sharehook.request.completed"),
        ("content-type", "application/json"),
    ] {
        assert_eq!(reply.header(name).unwrap_or_default(), value, "{reply:?}");
    }
    assert!(
        !reply.header("ce-id").unwrap_or_default().is_empty(),
        "{reply:?}"
    );

    // A refusal is explained in JSON. Its status tells the sender that it is an error.
    let denied = structured(
        "p-4",
        DESK,
        request("P-4", json!({"accounts": ["999999999999"]})),
    );
    let denied = send(&service, &silent(STRUCTURED), &denied).await;
    assert_eq!(
        (denied.status, &denied.body["status"]),
        (403, &json!("denied"))
    );
    let plain = [("content-type".to_owned(), "application/json".to_owned())];
    let refused = send(&service, &plain, &json!({})).await;
    assert!(
        refused.status == 401 && refused.body["error"].is_string(),
        "{refused:?}"
    );
    let other = json!({"data": share("P-5")}).to_string().into_bytes();
    let answer = service
        .post("/hooks/desk", &silent("application/json"), other)
        .await;
    assert_eq!(
        answer.body["status"], "completed",
        "other deliveries keep their body"
    );
}

/// With `replies = "accepted"`, an invalid event is answered with status 200. The answer must have
/// no body, because a broker accepts no body other than a CloudEvent.
#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_event_that_is_accepted_is_answered_without_a_body() {
    let service = Service::prepared(|folder| {
        let desk = format!(
            "[[source]]\nname = \"desk\"\nscheme = \"bearer\"\nsecrets = [\"file:token\"]\n\
             events = [{DESK:?}]\nmap = \"data.jq\"\nreplies = \"accepted\"\n"
        );
        let path = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, text + &desk).unwrap();
        std::fs::write(folder.join("data.jq"), ".data").unwrap();
        std::fs::write(folder.join("token"), TOKEN).unwrap();
    })
    .await;
    let event = structured("p-1", DESK, json!({"action": "none"}));
    let mut headers = bearer(STRUCTURED);
    for prefers_reply in [true, false] {
        headers.retain(|(name, _)| prefers_reply || name != "prefer");
        for path in ["/events", "/hooks/desk"] {
            let answer = service
                .post(path, &headers, event.to_string().into_bytes())
                .await;
            assert_eq!((answer.status, &answer.body), (200, &json!("")), "{path}");
        }
    }
}

/// Event Grid validates the address that receives the events. That address need not belong to a
/// source.
#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_is_answered_at_the_address_that_receives_the_events() {
    let service = start().await;
    let asks = |origin: &str| vec![("webhook-request-origin".to_owned(), origin.to_owned())];
    for path in ["/events", "/hooks/desk"] {
        let answer = http::send(
            &service.url,
            "OPTIONS",
            path,
            &asks("EventGrid.azure.net"),
            Vec::new(),
        )
        .await
        .unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert_eq!(
            answer.header("webhook-allowed-origin").unwrap_or_default(),
            "eventgrid.azure.net",
            "{path}"
        );
        assert_eq!(
            answer.header("webhook-allowed-rate").unwrap_or_default(),
            "100",
            "{path}"
        );
        for headers in [asks("other.example"), Vec::new()] {
            let answer = http::send(&service.url, "OPTIONS", path, &headers, Vec::new())
                .await
                .unwrap();
            assert_eq!(
                (
                    answer.status,
                    answer.header("allow").unwrap_or_default(),
                    answer.header("webhook-allowed-origin").unwrap_or_default()
                ),
                (405, "POST", ""),
                "{path}"
            );
        }
    }
    // A source without the handshake does not answer handshakes.
    let other = http::send(
        &service.url,
        "OPTIONS",
        "/hooks/native",
        &asks("eventgrid.azure.net"),
        Vec::new(),
    )
    .await
    .unwrap();
    assert_eq!(other.status, 405);
}
