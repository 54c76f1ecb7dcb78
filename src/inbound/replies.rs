//! How a sender's deliveries are answered: with which status, and after how long. One table holds
//! what each preset's sender does with a refusal and how long it waits (docs/senders.md, Answers).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scheme_kind::SchemeName;

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
            // Waits 3 seconds.
            Some(SchemeName::Slack) => (Accepted, Some(2)),
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
