//! How a sender's deliveries are answered: with which status, after how long, in which form. One table
//! holds what each preset's sender does with a refusal and how long it waits (docs/senders.md, Answers).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scheme_kind::SchemeName;

/// Maximum length of an echoed text.
const MAX_ECHO_BYTES: usize = 512;

/// A body that the sender itself prescribes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// `application/json`.
    Json(Value),
    /// `text/plain`, without quotes or line feed.
    Text(String),
}

/// The statuses that a source's deliveries are answered with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Replies {
    /// The status says what became of the delivery: 403 for a denial, 400 or 422 for bad content.
    #[default]
    Status,
    /// 200 for every delivery that was authenticated, for a sender that switches its webhook off
    /// after a few refusals. 401 and 5xx remain.
    Accepted,
}

/// How a source's deliveries are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplyRules {
    /// With which statuses.
    pub replies: Replies,
    /// After this time the answer is 202, and the work goes on. `None`: when the work ends.
    pub answer_within: Option<Duration>,
}

impl ReplyRules {
    /// What fits the sender of a preset: somewhat less than the time that it waits. `None` is a
    /// described sender.
    pub(super) fn of_preset(name: Option<SchemeName>) -> Self {
        use Replies::{Accepted, Status};
        let (replies, seconds) = match name {
            // Wait 3 seconds. Feishu holds back an instance's next event until this one is answered.
            Some(SchemeName::Slack | SchemeName::Feishu | SchemeName::Lark) => (Accepted, Some(2)),
            // Waits 1.5 seconds.
            Some(SchemeName::Dingtalk) => (Accepted, Some(1)),
            // Waits 5 seconds, and tries 3 times in all.
            Some(SchemeName::Wecom) => (Accepted, Some(4)),
            // Waits 5 seconds; switched off for a day after 3 refusals in a row.
            Some(SchemeName::Pagerduty) => (Accepted, Some(4)),
            // Waits 10 seconds; paused after 4 refusals in a row, switched off after 40.
            Some(SchemeName::Gitlab) => (Accepted, Some(8)),
            // Waits 5 seconds.
            Some(SchemeName::Linear) => (Status, Some(4)),
            // Wait 10 seconds.
            Some(SchemeName::Github | SchemeName::Zendesk | SchemeName::Asana) => (Status, Some(8)),
            // Wait 15 seconds.
            Some(SchemeName::StandardWebhooks | SchemeName::Svix | SchemeName::Sns) => {
                (Status, Some(12))
            }
            // Publish no time.
            Some(
                SchemeName::Jira
                | SchemeName::Token
                | SchemeName::Basic
                | SchemeName::Bearer
                | SchemeName::Trusted,
            )
            | None => (Status, None),
        };
        Self {
            replies,
            answer_within: seconds.map(Duration::from_secs),
        }
    }
}

/// Whether a text is short visible ASCII, which is safe in a header or a page.
pub(super) fn is_echoable(text: &str) -> bool {
    (1..=MAX_ECHO_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
