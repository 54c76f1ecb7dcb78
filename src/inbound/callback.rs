//! Reads the secrets with which a delivery can be answered later: Slack's `response_url`, and the
//! token of a Step Functions task. They are kept in memory only.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::verify::VerifiedDelivery;

/// The secrets with which a delivery can be answered later.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The address at which Slack accepts later answers to the delivery.
    pub response_url: Option<SecretString>,
    /// The token of the Step Functions task that waits for the outcome.
    pub task_token: Option<SecretString>,
}

/// Maximum length of a secret in bytes, enough for a token of Step Functions or an address.
const MAX_BYTES: usize = 2_048;

impl Callback {
    /// Returns the secrets in a delivery, or `None` if it has none.
    pub fn of(delivery: &VerifiedDelivery) -> Option<Self> {
        let event = delivery.event().ok()?;
        let callback = Self {
            response_url: text(event.get("response_url")),
            task_token: token(&event).or_else(|| token(&wrapped(&event)?)),
        };
        (callback.response_url.is_some() || callback.task_token.is_some()).then_some(callback)
    }

    /// Replaces the secrets in an event by `(hidden)`, also within longer texts.
    pub fn hidden_in(&self, event: &Value) -> Value {
        let both = [&self.response_url, &self.task_token].into_iter().flatten();
        let hidden = both.fold(event.to_string(), |text, secret| {
            text.replace(secret.expose_secret(), "(hidden)")
        });
        serde_json::from_str(&hidden).unwrap_or_default()
    }
}

fn text(value: Option<&Value>) -> Option<SecretString> {
    let text = value?.as_str()?;
    (!text.is_empty() && text.len() <= MAX_BYTES).then(|| text.into())
}

/// Returns the task token. The author of the state machine chooses the field's name: `TaskToken`,
/// `myTaskToken`, `task_token`.
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
