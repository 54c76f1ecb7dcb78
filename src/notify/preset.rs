//! The systems that can be notified, one row each: its template, its authentication, and how its
//! answer shows a refusal.

use serde::Deserialize;
use serde_json::Value;

/// The authentication that a target needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthNeed {
    /// `secret`, which signs each message.
    Secret,
    /// `auth`.
    Header,
    /// The AWS credentials of the process.
    Aws,
}

/// How an answer with a 2xx status shows a refusal.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// It does not.
    Never,
    /// `{"ok": false, "error": …}`, as Slack answers.
    NotOk,
    /// `{"errors": […]}`, as GraphQL answers.
    Errors,
}

/// A system for which a template ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Any receiver of signed CloudEvents.
    Webhook,
    /// Jira Cloud and Data Center.
    Jira,
    /// ServiceNow.
    Servicenow,
    /// Zendesk.
    Zendesk,
    /// Freshservice.
    Freshservice,
    /// GitHub.
    Github,
    /// GitLab.
    Gitlab,
    /// Slack.
    Slack,
    /// PagerDuty.
    Pagerduty,
    /// Linear.
    Linear,
    /// Opsgenie.
    Opsgenie,
    /// AWS Step Functions.
    Stepfunctions,
}

/// A preset's row.
struct Row {
    name: &'static str,
    template: &'static str,
    auth: AuthNeed,
    /// The media type of its messages.
    content_type: &'static str,
    /// The prefix of the token in the `Authorization` header, such as `Bearer `.
    bearer: &'static str,
    refusal: Refusal,
}

const JSON: &str = "application/json";

/// A row with JSON messages, `auth`, and truthful status codes.
const fn row(name: &'static str, template: &'static str) -> Row {
    Row {
        name,
        template,
        auth: AuthNeed::Header,
        content_type: JSON,
        bearer: "Bearer ",
        refusal: Refusal::Never,
    }
}

macro_rules! shipped {
    ($name:literal) => {
        row($name, include_str!(concat!("../../notify/", $name, ".jq")))
    };
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 12] = [
        Self::Webhook,
        Self::Jira,
        Self::Servicenow,
        Self::Zendesk,
        Self::Freshservice,
        Self::Github,
        Self::Gitlab,
        Self::Slack,
        Self::Pagerduty,
        Self::Linear,
        Self::Opsgenie,
        Self::Stepfunctions,
    ];

    const fn row(self) -> Row {
        match self {
            Self::Webhook => Row {
                auth: AuthNeed::Secret,
                content_type: "application/cloudevents+json",
                ..shipped!("webhook")
            },
            Self::Jira => shipped!("jira"),
            Self::Servicenow => shipped!("servicenow"),
            Self::Zendesk => shipped!("zendesk"),
            Self::Freshservice => shipped!("freshservice"),
            Self::Github => shipped!("github"),
            Self::Gitlab => shipped!("gitlab"),
            Self::Slack => Row {
                content_type: "application/json; charset=utf-8",
                refusal: Refusal::NotOk,
                ..shipped!("slack")
            },
            Self::Pagerduty => Row {
                bearer: "Token token=",
                ..shipped!("pagerduty")
            },
            Self::Linear => Row {
                // A personal API key has no prefix; write an OAuth token with `header`.
                bearer: "",
                refusal: Refusal::Errors,
                ..shipped!("linear")
            },
            Self::Opsgenie => Row {
                bearer: "GenieKey ",
                ..shipped!("opsgenie")
            },
            Self::Stepfunctions => Row {
                auth: AuthNeed::Aws,
                content_type: "application/x-amz-json-1.0",
                ..shipped!("stepfunctions")
            },
        }
    }

    /// As the configuration writes it.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// The template that ships.
    pub const fn template(self) -> &'static str {
        self.row().template
    }

    /// Its authentication.
    pub const fn auth_need(self) -> AuthNeed {
        self.row().auth
    }

    /// The media type of its messages.
    pub const fn content_type(self) -> &'static str {
        self.row().content_type
    }

    /// The prefix of the token in the `Authorization` header, such as `Bearer `.
    pub const fn bearer_prefix(self) -> &'static str {
        self.row().bearer
    }

    /// Whether it uses a secret of the delivery (`response_url` or task token).
    pub const fn uses_callback(self) -> bool {
        matches!(self, Self::Slack | Self::Stepfunctions)
    }

    /// Why an answer with a 2xx status is still a refusal.
    pub fn refusal(self, body: &[u8]) -> Option<String> {
        let read = || serde_json::from_slice::<Value>(body).unwrap_or_default();
        match self.row().refusal {
            Refusal::Never => None,
            Refusal::NotOk => {
                let answer = read();
                let no = answer.get("ok") == Some(&Value::Bool(false));
                let why = answer.get("error").and_then(Value::as_str);
                no.then(|| why.unwrap_or("no reason given").to_owned())
            }
            Refusal::Errors => {
                let answer = read();
                let first = answer.pointer("/errors/0")?;
                let why = first.get("message").and_then(Value::as_str);
                Some(why.unwrap_or("no reason given").to_owned())
            }
        }
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;
    use crate::domain::Language;

    #[test]
    fn every_template_compiles_and_every_name_is_the_configuration_s() {
        for preset in Preset::ALL {
            let name = preset.as_str();
            let loaded = Template::load(preset.template(), name, Language::En);
            loaded.unwrap_or_else(|flaws| panic!("{flaws}"));
            let read: Preset = serde_json::from_value(Value::from(name)).unwrap();
            assert_eq!(read, preset);
        }
    }

    #[test]
    fn a_refusal_can_have_status_200() {
        for (preset, body, why) in [
            (
                Preset::Slack,
                r#"{"ok":false,"error":"not_in_channel"}"#,
                Some("not_in_channel"),
            ),
            (Preset::Slack, r#"{"ok":true}"#, None),
            (Preset::Slack, "ok", None),
            (
                Preset::Linear,
                r#"{"errors":[{"message":"Entity not found"}]}"#,
                Some("Entity not found"),
            ),
            (
                Preset::Linear,
                r#"{"data":{"commentCreate":{"success":true}}}"#,
                None,
            ),
            (Preset::Jira, r#"{"ok":false,"errors":[{}]}"#, None),
        ] {
            assert_eq!(preset.refusal(body.as_bytes()).as_deref(), why, "{body}");
        }
    }
}
