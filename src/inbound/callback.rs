//! Reads the secrets that let the program answer a delivery later: Slack's `response_url`, and the
//! token of a Step Functions task. These secrets are kept in memory only.

use std::ops::RangeInclusive;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::verify::VerifiedDelivery;
use crate::domain::hide_secrets;

/// The secrets in a delivery that let the program answer it later.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The address at which Slack accepts later answers to the delivery.
    pub response_url: Option<SecretString>,
    /// The token of the Step Functions task that waits for the outcome.
    pub task_token: Option<SecretString>,
}

/// The accepted length of a secret, in bytes. Step Functions' tokens and Slack's addresses are in
/// this range. A shorter text is ignored, because [`Callback::hidden_in`] would also replace it
/// where the same characters occur elsewhere in the event.
const LENGTH: RangeInclusive<usize> = 16..=2_048;
const HIDDEN: &str = "(hidden)";
/// The minimum length of a part of an address that is hidden on its own, in bytes.
const MIN_PART: usize = 6;

impl Callback {
    /// Returns the secrets in a delivery. Returns `None` if there are none, or if the body cannot
    /// be read.
    pub fn of(delivery: &VerifiedDelivery) -> Option<Self> {
        let event = delivery.event().ok()?;
        let callback = Self {
            response_url: text(event.get("response_url")),
            task_token: token(&event).or_else(|| token(&wrapped(&event)?)),
        };
        (callback.response_url.is_some() || callback.task_token.is_some()).then_some(callback)
    }

    /// Returns every text that must not be recorded or logged: the secrets and, of an address, the
    /// path, which a target's or proxy's error page may quote, and each part of it that is not
    /// short.
    pub fn secrets(&self) -> Vec<&str> {
        let mut all = Vec::new();
        all.extend(self.task_token.iter().map(ExposeSecret::expose_secret));
        let Some(address) = self.response_url.as_ref().map(ExposeSecret::expose_secret) else {
            return all;
        };
        all.push(address);
        let after_host = address.split_once("://").map_or(address, |(_, rest)| rest);
        let Some((_, path)) = after_host.split_once('/') else {
            return all;
        };
        let without_query = path.split('?').next().unwrap_or(path);
        all.extend([path, without_query]);
        all.extend(path.split(['/', '?', '&', '=', '#']));
        all.retain(|part| part.len() >= MIN_PART);
        all
    }

    /// Whether a task waits for the outcome.
    pub fn has_task(&self) -> bool {
        self.task_token.is_some()
    }

    /// Replaces each secret in the strings of an event with `(hidden)`, even if the secret is only
    /// part of a string. Field names and all other values stay unchanged.
    pub fn hidden_in(&self, event: Value) -> Value {
        match event {
            Value::String(text) => Value::String(self.hidden_in_text(&text)),
            Value::Array(items) => items.into_iter().map(|it| self.hidden_in(it)).collect(),
            Value::Object(fields) => {
                let hidden = |(name, value)| (name, self.hidden_in(value));
                fields.into_iter().map(hidden).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => event,
        }
    }

    fn hidden_in_text(&self, text: &str) -> String {
        let both = [&self.response_url, &self.task_token].into_iter().flatten();
        let both: Vec<&str> = both.map(ExposeSecret::expose_secret).collect();
        hide(text, &both)
    }
}

/// Replaces the secrets in `text` with `(hidden)`. `text` may itself be JSON, such as the `Message`
/// of SNS or a target's answer, so a secret is also found if it is escaped as in a JSON string.
pub fn hide(text: &str, secrets: &[&str]) -> String {
    let hidden = hide_secrets(text.as_bytes(), secrets, HIDDEN);
    String::from_utf8_lossy(&hidden).into_owned()
}

fn text(value: Option<&Value>) -> Option<SecretString> {
    let text = value?.as_str()?;
    LENGTH.contains(&text.len()).then(|| text.into())
}

/// Returns the task token. The author of the state machine chooses the name of its field, such as
/// `myTaskToken` or `task_token`. This function takes the first field whose name ends with
/// `TaskToken` in any spelling.
fn token(event: &Value) -> Option<SecretString> {
    let fields = event.as_object()?.iter();
    let named = |name: &str| {
        name.replace(['_', '-'], "")
            .to_lowercase()
            .ends_with("tasktoken")
    };
    let mut found = fields.filter(|(name, _)| named(name));
    text(found.next().map(|(_, value)| value))
}

/// Returns the JSON message in an SNS notification.
fn wrapped(event: &Value) -> Option<Value> {
    event.get("TopicArn")?;
    serde_json::from_str(event.get("Message")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Error pages quote the path: "The requested URL /actions/… was not found".
    #[test]
    fn the_parts_of_an_address_are_secrets_too() {
        let callback = Callback {
            response_url: Some("https://hooks.slack.com/actions/T1/2345678/aBcDeF?k=123456".into()),
            task_token: None,
        };
        for (page, shown) in [
            ("/actions/T1/2345678/aBcDeF?k=123456", "/(hidden)"),
            ("/actions/T1/2345678/aBcDeF", "/(hidden)"),
            (
                "T1, 2345678, aBcDeF, 123456",
                "T1, (hidden), (hidden), (hidden)",
            ),
            ("hooks.slack.com", "hooks.slack.com"),
        ] {
            assert_eq!(hide(page, &callback.secrets()), shown);
        }
    }

    #[test]
    fn an_answer_hides_every_spelling_of_a_secret() {
        let secrets = ["https://hooks.slack.com/actions/T1/2/3=", "pass"];
        for answer in [
            r#"{"url":"https://hooks.slack.com/actions/T1/2/3=","login":"pass"}"#,
            r#"{"url":"https:\/\/hooks.slack.com\/actions\/T1\/2\/3\u003d","login":"p\u0061ss"}"#,
        ] {
            let shown = hide(answer, &secrets);
            assert_eq!(shown, r#"{"url":"(hidden)","login":"(hidden)"}"#);
        }
    }
}
