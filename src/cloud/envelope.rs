//! Opens the `Response` object in which the API wraps every answer. Takes an HTTP status and an
//! untrusted body; returns the action's answer and its request id, or the error. Ignores the
//! content type, because SDKs that check it mistake errors for successes.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::actions::Purpose;
use super::error::{MAX_CODE_CHARS, answered, clip, unanswered};
use crate::domain::{CloudError, ErrorClass, ResultCode};

/// Maximum size of an answer. Even the largest page of any action is much smaller.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answered<A> {
    pub answer: A,
    /// The cloud's id of the call.
    pub request_id: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Response")]
    response: Map<String, Value>,
}

/// Reads an answer. Success is HTTP 200 and a `Response` object with a `RequestId` and without
/// `Error`.
///
/// # Errors
/// The API's error code if the answer is HTTP 200 with a well-formed `Error`. Otherwise
/// `HttpStatus` or `BadAnswer`, whose class is ambiguous if the call was a write.
pub fn open<A: DeserializeOwned>(
    status: u16,
    body: &[u8],
    purpose: Purpose,
) -> Result<Answered<A>, CloudError> {
    if status != 200 {
        return Err(gateway(status, body, purpose));
    }
    let Envelope { response } = serde_json::from_slice(body).map_err(|error| {
        let message = format!(
            "the answer does not have the API's format ({error}): {}",
            beginning(body)
        );
        unanswered(ResultCode::BadAnswer, &message, purpose)
    })?;
    let request_id = response
        .get("RequestId")
        .and_then(Value::as_str)
        .map(|id| clip(id, 64));
    match response.get("Error") {
        None | Some(Value::Null) => {}
        Some(error) => return Err(refusal(error, purpose, request_id)),
    }
    match (serde_json::from_value(Value::Object(response)), request_id) {
        (Ok(answer), Some(request_id)) => Ok(Answered { answer, request_id }),
        // The API sends a RequestId with every answer, so an answer without one does not come from
        // the API.
        (Ok(_), None) => {
            let message = "the answer has no RequestId";
            Err(unanswered(ResultCode::BadAnswer, message, purpose))
        }
        (Err(error), request_id) => {
            let message = format!("the answer has an unexpected shape: {error}");
            let error = CloudError {
                request_id,
                ..unanswered(ResultCode::BadAnswer, &message, purpose)
            };
            Err(if purpose.writes() {
                error
            } else {
                hopeless(error)
            })
        }
    }
}

/// Whether `text` has the form of the API's error codes: one word, such as
/// `ResourceNotFound.BlueprintIdNotFound`.
fn is_code(text: &str) -> bool {
    (1..=MAX_CODE_CHARS).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn refusal(error: &Value, purpose: Purpose, request_id: Option<String>) -> CloudError {
    let text = |field: &str| error.get(field).and_then(Value::as_str);
    match text("Code").filter(|code| is_code(code)) {
        Some(code) => answered(
            code,
            text("Message")
                .filter(|message| !message.is_empty())
                .unwrap_or("the answer has no message"),
            purpose,
            request_id,
        ),
        None => {
            let message = "the answer has an Error without a code";
            CloudError {
                request_id,
                ..unanswered(ResultCode::BadAnswer, message, purpose)
            }
        }
    }
}

/// The error for a status other than 200. Such a status comes from a gateway in front of the API.
/// For a read, the status decides whether the call can succeed later.
fn gateway(status: u16, body: &[u8], purpose: Purpose) -> CloudError {
    let message = format!("HTTP {status} instead of 200: {}", beginning(body));
    let error = unanswered(ResultCode::HttpStatus, &message, purpose);
    match status {
        _ if purpose.writes() => error,
        429 => CloudError {
            class: ErrorClass::Throttled,
            ..error
        },
        408 | 425 | 500.. => error,
        _ => hopeless(error),
    }
}

/// Makes the error of a read permanent, because the read would fail in the same way again.
fn hopeless(error: CloudError) -> CloudError {
    let remedy = "check cloud.endpoint, or update this program".to_owned();
    CloudError {
        class: ErrorClass::Permanent,
        remedy,
        ..error
    }
}

fn beginning(body: &[u8]) -> String {
    let start = body.get(..400).unwrap_or(body);
    match String::from_utf8_lossy(start).trim() {
        "" => "an empty body".to_owned(),
        text => clip(text, 120),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::actions::{
        describe_image_share_permission, lighthouse_modify_image_share_permission,
    };
    use ErrorClass::*;

    type Modify = lighthouse_modify_image_share_permission::Answer;
    type Shares = describe_image_share_permission::Answer;

    fn write(status: u16, body: &[u8]) -> Result<Answered<Modify>, CloudError> {
        open(status, body, Purpose::Share)
    }

    fn read(status: u16, body: &[u8]) -> Result<Answered<Shares>, CloudError> {
        open(status, body, Purpose::Read)
    }

    #[test]
    fn success_is_200_with_a_response_and_no_error() {
        for body in [
            r#"{"Response":{"BlueprintId":"lhbp-su83x02a","RequestId":"r-1"}}"#,
            r#"{"Response":{"BlueprintId":null,"RequestId":"r-1","Error":null}}"#,
            r#" {"Other":1,"Response":{"RequestId":"r-1","New":[{}]}} "#,
        ] {
            assert_eq!(
                write(200, body.as_bytes()).unwrap().request_id,
                "r-1",
                "{body}"
            );
        }
    }

    #[test]
    fn the_cloud_s_error_keeps_code_message_and_request_id() {
        let body = br#"{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"slow down"},"RequestId":"r-2"}}"#;
        let error = write(200, body).unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.class),
            ("RequestLimitExceeded", Throttled)
        );
        assert_eq!(
            (error.message.as_str(), error.request_id.as_deref()),
            ("slow down", Some("r-2"))
        );
    }

    #[test]
    fn anything_else_is_no_answer() {
        let deep = format!("{{\"Response\":{}", "[".repeat(100_000));
        let cases: [(u16, &[u8], &str); 21] = [
            (200, b"", "BadAnswer"),
            (200, b"<html><body>Welcome</body></html>", "BadAnswer"),
            (200, br#"{"Response":{"RequestId":"r-1""#, "BadAnswer"),
            (200, b"{}", "BadAnswer"),
            (200, b"null", "BadAnswer"),
            (200, br#"{"Response":null}"#, "BadAnswer"),
            (200, br#"{"Response":[]}"#, "BadAnswer"),
            (200, br#"{"Response":{"Error":"text"}}"#, "BadAnswer"),
            (200, br#"{"Response":{"Error":{}}}"#, "BadAnswer"),
            (200, br#"{"Response":{"Error":{"Code":7}}}"#, "BadAnswer"),
            (200, br#"{"Response":{"Error":{"Code":""}}}"#, "BadAnswer"),
            (
                200,
                br#"{"Response":{"Error":{"Code":"In use\nERROR"}}}"#,
                "BadAnswer",
            ),
            (200, br#"{"Response":{}}"#, "BadAnswer"),
            (200, br#"{"Response":{"RequestId":[]}}"#, "BadAnswer"),
            (200, br#"{"Response":{"BlueprintId":{}}}"#, "BadAnswer"),
            (200, b"\xff\xfe\x00", "BadAnswer"),
            (200, deep.as_bytes(), "BadAnswer"),
            (502, b"<html>Bad Gateway</html>", "HttpStatus"),
            (302, b"", "HttpStatus"),
            (204, b"", "HttpStatus"),
            (500, br#"{"Response":{"RequestId":"r-1"}}"#, "HttpStatus"),
        ];
        for (status, body, code) in cases {
            let error = write(status, body).unwrap_err();
            let shown = String::from_utf8_lossy(body.get(..60).unwrap_or(body)).into_owned();
            assert_eq!(
                (error.code.as_str(), error.class),
                (code, Ambiguous),
                "{status} {shown}"
            );
            assert!(error.message.chars().count() < 700, "{status} {shown}");
        }
    }

    #[test]
    fn a_read_tells_whether_waiting_helps() {
        for (status, body, class) in [
            (200, "", Transient),
            (
                200,
                r#"{"Response":{"SharePermissionSet":"none"}}"#,
                Permanent,
            ),
            (
                200,
                r#"{"Response":{"SharePermissionSet":[{"AccountId":7}]}}"#,
                Permanent,
            ),
            (403, "", Permanent),
            (414, "<html>", Permanent),
            (408, "", Transient),
            (429, "", Throttled),
            (502, "", Transient),
            (504, "", Transient),
        ] {
            assert_eq!(
                read(status, body.as_bytes()).unwrap_err().class,
                class,
                "{status} {body}"
            );
        }
    }
}
