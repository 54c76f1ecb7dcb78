//! The secrets with which a delivery can be answered later: Slack's `response_url`, a Step Functions
//! task's token. In: a verified delivery. Out: both, if they are there. Kept in memory only.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::verify::VerifiedDelivery;

/// What a delivery brought to answer it with.
#[derive(Debug, Clone)]
pub struct Callback {
    /// Slack's.
    pub response_url: Option<SecretString>,
    /// Step Functions'.
    pub task_token: Option<SecretString>,
}

/// Larger than a token that Step Functions makes, or an address.
const MAX_CHARS: usize = 2_048;

impl Callback {
    /// What the delivery brought; `None` when there is nothing.
    pub fn of(delivery: &VerifiedDelivery) -> Option<Self> {
        let event = delivery.event().ok()?;
        let callback = Self {
            response_url: text(event.get("response_url")),
            task_token: token(&event).or_else(|| token(&wrapped(&event)?)),
        };
        (callback.response_url.is_some() || callback.task_token.is_some()).then_some(callback)
    }

    /// The event without these secrets, also inside its texts.
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
    (!text.is_empty() && text.len() <= MAX_CHARS).then(|| text.into())
}

/// A field is called as the state's author likes: `TaskToken`, `myTaskToken`, `task_token`.
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

/// The message in an SNS notification.
fn wrapped(event: &Value) -> Option<Value> {
    event.get("TopicArn")?;
    serde_json::from_str(event.get("Message")?.as_str()?).ok()
}
