//! Determines where the approvers of a source's requests come from: the ticket system, the sender,
//! or the operator's own map. `check` prints the origin, because a policy about approvers is only
//! as trustworthy as the origin of their names.

use std::fmt;

use serde::Serialize;

use crate::app::approvals::Fetcher;
use crate::config::{MapRef, SourceConfig};
use crate::domain::SourceName;
use crate::inbound::Replies;

/// What `check` shows about a configured source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceSummary {
    /// The name, as in the path `/hooks/{name}`.
    pub name: SourceName,
    /// A preset's name, or `custom`.
    pub scheme: String,
    pub signed: bool,
    pub approvers: ApproverOrigin,
    /// The preset of the source's `fetch` setting, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fetch: Option<&'static str>,
    pub replies: Replies,
    /// The source's `answer_within` setting: how long the sender waits for an answer, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_within: Option<u64>,
}

impl fmt::Display for SourceSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signed = if self.signed { "signed" } else { "unsigned" };
        let (name, scheme) = (&self.name, &self.scheme);
        write!(f, "{name} ({scheme}, {signed}): {}", self.approvers)?;
        if self.fetch == Some(Fetcher::HTTP) {
            write!(
                f,
                "\n           fetches each ticket; does not find withdrawals,"
            )?;
            write!(f, "\n           nor approvals whose event was lost")?;
        }
        let replies = match self.replies {
            Replies::Status => None,
            Replies::Accepted => Some("200 also for denials".to_owned()),
        };
        let within = self.answer_within.map(|n| format!("within {n} s"));
        let answers: Vec<String> = replies.into_iter().chain(within).collect();
        if answers.is_empty() {
            return Ok(());
        }
        write!(f, "\n           answered {}", answers.join(", "))
    }
}

/// The origin of a source's approvers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ApproverOrigin {
    /// The ticket system names the user who acted, in an event that it signs or in an instance that
    /// is fetched from it.
    Recorded,
    /// The sender can write any name into the request.
    Stated,
    /// The operator's own map takes the approvers from a signed event or a fetched instance.
    OwnMap,
}

impl ApproverOrigin {
    pub(super) fn of(source: &SourceConfig) -> Self {
        match &source.map {
            // If nothing is fetched, the sender of an unsigned event can write any approvers.
            _ if !source.scheme.signed() && source.fetch.is_none() => Self::Stated,
            MapRef::File(..) => Self::OwnMap,
            // These maps take the approvers from a request that the sender wrote.
            MapRef::Builtin(name)
                if ["native", "stepfunctions", "eventbridge"].contains(&name.as_str()) =>
            {
                Self::Stated
            }
            MapRef::Builtin(_) => Self::Recorded,
        }
    }
}

impl fmt::Display for ApproverOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recorded => "the ticket system says who approved",
            Self::Stated => "the sender states who approved",
            Self::OwnMap => "your map says who approved",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Vars};

    #[test]
    fn unsigned_sources_and_maps_of_a_request_state_their_approvers() {
        let source = |scheme: &str, map: &str| {
            let more = match scheme {
                "trusted" => "from = [\"invoke\"]",
                _ => "secrets = [\"env:SECRET\"]",
            };
            let text = format!(
                "journal = \"memory:\"\n[cloud]\nsite = \"intl\"\n[[source]]\nname = \"a\"\n\
                 scheme = \"{scheme}\"\nmap = \"{map}\"\n{more}\n"
            );
            let vars = Vars::from([(
                "SECRET".to_owned(),
                "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=".to_owned(),
            )]);
            let config = Config::read("sharehook.toml", &text, &vars, &Default::default()).unwrap();
            ApproverOrigin::of(&config.sources[0])
        };
        for (scheme, map, origin) in [
            ("jira", "jira", ApproverOrigin::Recorded),
            ("slack", "slack", ApproverOrigin::Recorded),
            ("standard-webhooks", "native", ApproverOrigin::Stated),
            ("trusted", "stepfunctions", ApproverOrigin::Stated),
            ("token", "jira", ApproverOrigin::Stated),
            ("bearer", "servicenow", ApproverOrigin::Stated),
            ("jira", "maps/jira.jq", ApproverOrigin::OwnMap),
        ] {
            assert_eq!(source(scheme, map), origin, "{scheme} {map}");
        }
    }
}
