//! Recognizes the trigger of an SCF event by its fields. Refuses an event of an unsupported
//! trigger.

use serde_json::Value;

use crate::domain::{Problem, TriggerOrigin};
use crate::entrypoints::http::HttpRequest;
use crate::entrypoints::http::event as http_event;
use crate::entrypoints::invocation::{asks_for_drift, of_one_trigger};
use crate::entrypoints::message::Message;

pub(super) enum Trigger {
    /// A function URL, or the former API gateway.
    Http(Box<HttpRequest>),
    /// A timer with any message except `{"task":"drift"}`.
    Sweep,
    /// A timer with the message `{"task":"drift"}`: compares the cloud with the journal.
    Drift,
    /// A TDMQ (formerly CMQ) topic, or EventBridge. The host repeats a failed event, and finally
    /// moves it to a dead-letter queue.
    Messages(Vec<Message>),
    /// A CKafka topic. The host repeats a failed batch thousands of times before it continues with
    /// later records.
    Stream(Vec<Message>),
}

/// The fields that identify a trigger. An event with two of them is refused.
const TRIGGER_MARKS: [&str; 4] = ["Records", "httpMethod", "specversion", "TriggerName"];

const SERVED: &str =
    "use a function URL, a timer, CKafka, TDMQ or EventBridge; SCF has no direct invocations";

/// Whether an event has the fields of an SCF trigger. The command `invoke` needs this, because it
/// accepts events of any host.
pub(crate) fn is_of_scf(event: &Value) -> bool {
    let record = |name| {
        event
            .pointer("/Records/0")
            .is_some_and(|record| record.get(name).is_some())
    };
    let url = event.get("httpMethod").is_some() && event.get("queryString").is_some();
    url || record("Ckafka") || record("CMQ") || is_timer(event) || is_event(event)
}

fn text<'a>(event: &'a Value, name: &str) -> Option<&'a str> {
    event.get(name)?.as_str()
}

fn is_timer(event: &Value) -> bool {
    text(event, "TriggerName").is_some() && text(event, "Type") == Some("Timer")
}

fn is_event(event: &Value) -> bool {
    event.get("specversion").is_some()
        && event.get("source").is_some()
        && event.get("region").is_some()
}

pub(super) fn trigger_of(event: &Value) -> Result<Trigger, Problem> {
    let refused = |problem: &str| Problem::new("event", problem, SERVED);
    of_one_trigger(event, &TRIGGER_MARKS)?;
    if is_timer(event) {
        return Ok(match text(event, "Message").is_some_and(asks_for_drift) {
            true => Trigger::Drift,
            false => Trigger::Sweep,
        });
    }
    if let Some(records) = event.get("Records") {
        let records = records.as_array().filter(|records| !records.is_empty());
        let records =
            records.ok_or_else(|| refused("has Records that are not a list of messages"))?;
        let all = |read: fn(&Value) -> Option<Message>| {
            records.iter().map(read).collect::<Option<Vec<_>>>()
        };
        return all(kafka)
            .map(Trigger::Stream)
            .or_else(|| all(topic).map(Trigger::Messages))
            .ok_or_else(|| {
                refused("has Records that are neither all from CKafka nor all from TDMQ")
            });
    }
    if event.get("httpMethod").is_some() {
        return http(event).map_err(|problem| refused(&problem));
    }
    if is_event(event) {
        let message = bus(event)
            .ok_or_else(|| refused("is an EventBridge event without id, region or source"))?;
        return Ok(Trigger::Messages(vec![message]));
    }
    Err(refused("does not have the fields of a supported trigger"))
}

/// Reads an HTTP event. Its field `path` does not contain the gateway's stage.
fn http(event: &Value) -> Result<Trigger, String> {
    let method = text(event, "httpMethod").ok_or("has an httpMethod that is not text")?;
    let path = text(event, "path").ok_or("is an HTTP event without a path")?;
    let request = http_event::request(event, method, path.to_owned());
    let request = request.map_err(|flaw| flaw.to_string())?;
    Ok(Trigger::Http(Box::new(request)))
}

/// Returns the message of a CKafka record. Its origin is `ckafka:TOPIC`, and its id consists of the
/// topic, the partition and the offset.
fn kafka(record: &Value) -> Option<Message> {
    let kafka = record.get("Ckafka")?;
    let topic = kafka.get("topic")?.as_str()?;
    let id = format!(
        "{topic}/{}/{}",
        number(kafka.get("partition")?)?,
        number(kafka.get("offset")?)?
    );
    let body = kafka.get("msgBody")?.as_str()?.to_owned().into();
    Some(Message {
        origin: TriggerOrigin::Ckafka(topic).to_string(),
        id: Some(id),
        body,
    })
}

/// Returns the message of a TDMQ record. Its origin is `cmq:OWNER:TOPIC`. The owner may be a number
/// or a string, because the documentation shows both.
fn topic(record: &Value) -> Option<Message> {
    let topic = record.get("CMQ")?;
    let origin = TriggerOrigin::Cmq {
        owner: &number(topic.get("topicOwner")?)?,
        topic: topic.get("topicName")?.as_str()?,
    };
    let origin = origin.to_string();
    let body = topic.get("msgBody")?.as_str()?.to_owned().into();
    Some(Message {
        origin,
        id: Some(topic.get("msgId")?.as_str()?.to_owned()),
        body,
    })
}

/// Returns the message of an EventBridge event. Its origin is `eventbridge:REGION:SOURCE`, and its
/// body is the whole event.
fn bus(event: &Value) -> Option<Message> {
    let set = |name: &str| text(event, name).filter(|text| !text.is_empty());
    let origin = TriggerOrigin::TencentBus {
        region: set("region")?,
        source: set("source")?,
    };
    Some(Message {
        origin: origin.to_string(),
        id: Some(set("id")?.to_owned()),
        body: event.to_string().into(),
    })
}

fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
            Some(text.clone())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn messages(event: &Value) -> Vec<(String, Option<String>)> {
        assert!(is_of_scf(event), "{event}");
        match trigger_of(event).unwrap() {
            Trigger::Messages(list) | Trigger::Stream(list) => {
                list.into_iter().map(|m| (m.origin, m.id)).collect()
            }
            _ => panic!("{event}"),
        }
    }

    #[test]
    fn each_trigger_names_its_origin() {
        let some = |text: &str| Some(text.to_owned());
        let kafka = json!({"Records": [{"Ckafka": {"topic": "t", "partition": 1, "offset": 36, "msgKey": "None", "msgBody": "{}"}}]});
        assert_eq!(messages(&kafka), [("ckafka:t".to_owned(), some("t/1/36"))]);
        for owner in [json!(120), json!("120")] {
            let cmq = json!({"Records": [{"CMQ": {"type": "topic", "topicOwner": owner, "topicName": "t", "subscriptionName": "s",
                "publishTime": "1970-01-01T00:00:00.000Z", "msgId": "1", "requestId": "1", "msgBody": "{}", "msgTag": []}}]});
            assert_eq!(messages(&cmq), [("cmq:120:t".to_owned(), some("1"))]);
        }
        let event = json!({"specversion": "1.0", "id": "e", "type": "x", "source": "tdmq.cloud.tencent", "region": "ap-guangzhou",
            "subject": "s", "time": "1615430559146", "datacontenttype": "application/json;charset=utf-8", "data": {}});
        assert_eq!(
            messages(&event),
            [(
                "eventbridge:ap-guangzhou:tdmq.cloud.tencent".to_owned(),
                some("e")
            )]
        );
    }

    #[test]
    fn unknown_shapes_are_errors_and_never_direct_invocations() {
        for event in [
            json!({"id": "x", "action": "share"}),
            json!([]),
            json!({"Type": "Timer"}),
            json!({"Records": []}),
            json!({"Records": [{"Ckafka": {"topic": "t"}}]}),
            json!({"Records": [{"Ckafka": {"topic": "t", "partition": "a", "offset": 1, "msgBody": ""}}]}),
            json!({"Records": [{"CMQ": {"topicName": "t"}}]}),
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
            json!({"httpMethod": "POST"}),
            json!({"httpMethod": "POST", "path": "/", "Records": []}),
            json!({"Type": "Timer", "TriggerName": "t", "httpMethod": "POST", "path": "/"}),
            json!({"specversion": "1.0", "source": "s", "region": "r", "id": "1", "Records": []}),
            json!({"httpMethod": "POST", "path": "/", "headers": {}, "body": {}}),
            json!({"specversion": "1.0", "source": "", "region": "r", "id": "1"}),
        ] {
            assert!(trigger_of(&event).is_err(), "{event}");
        }
    }
}
