//! Defines how deliveries are answered: the status, the time limit, and the form of the body. One
//! table contains the defaults of each preset. They depend on how the sender treats refusals and
//! how long it waits for an answer (docs/senders.md, Answers).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::scheme_kind::SchemeName;

const MAX_ECHO_BYTES: usize = 512;

/// A reply body whose form the sender prescribes.
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
    /// The status shows the outcome of the delivery: 403 for a denial, 400 or 422 for bad content.
    #[default]
    Status,
    /// The status is 200 even for denials, invalid requests and unreadable bodies. This suits
    /// senders that disable a webhook after a few refusals. Other statuses, such as 202, 401, 415,
    /// 429 and 5xx, stay as they are.
    Accepted,
}

/// How a source's deliveries are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplyRules {
    /// Which statuses are sent.
    pub replies: Replies,
    /// The time after which a delivery is answered even if the work is not finished. The status is
    /// then 202, or 200 if the sender prescribes the body, and the work continues at once or in a
    /// sweep. Even then, the delivery is answered only after its request is in the journal. If
    /// `None`, the answer is sent when the work ends.
    pub answer_within: Option<Duration>,
}

impl ReplyRules {
    /// Returns the defaults for a preset. `answer_within` is somewhat less than the time limit of
    /// the sender. `name` is `None` for a sender that is described by an inline table.
    pub(super) fn of_preset(name: Option<SchemeName>) -> Self {
        use Replies::{Accepted, Status};
        let (replies, seconds) = match name {
            // Slack and Feishu wait 3 seconds. Feishu sends the next event of an instance only
            // after the answer to the previous one.
            Some(SchemeName::Slack | SchemeName::Feishu | SchemeName::Lark) => (Accepted, Some(2)),
            // DingTalk waits 1.5 seconds.
            Some(SchemeName::Dingtalk) => (Accepted, Some(1)),
            // WeCom waits 5 seconds, and tries 3 times in total.
            Some(SchemeName::Wecom) => (Accepted, Some(4)),
            // PagerDuty waits 5 seconds. It disables the webhook for a day after 3 refusals in a
            // row.
            Some(SchemeName::Pagerduty) => (Accepted, Some(4)),
            // GitLab waits 10 seconds. It pauses the webhook after 4 refusals in a row, and
            // disables it after 40.
            Some(SchemeName::Gitlab) => (Accepted, Some(8)),
            // Linear waits 5 seconds.
            Some(SchemeName::Linear) => (Status, Some(4)),
            // These wait 10 seconds.
            Some(SchemeName::Github | SchemeName::Zendesk | SchemeName::Asana) => (Status, Some(8)),
            // These wait 15 seconds.
            Some(SchemeName::StandardWebhooks | SchemeName::Svix | SchemeName::Sns) => {
                (Status, Some(12))
            }
            // These have no published time limit.
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
