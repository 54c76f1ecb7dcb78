//! The systems that can be notified, one row each: the template, the authentication, and how an
//! answer shows a refusal.

use serde_json::Value;

use super::bot::BotKind;
use crate::domain::spelled;

/// How the program authenticates to a target, and with which setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthNeed {
    /// With the setting `secret`, which signs each message.
    Secret,
    Header,
    Aws,
    /// With the setting `secret`, which contains the key of a bot and, if the bot signs, its
    /// signing secret.
    Bot(BotKind),
    /// Without a setting: the app of the source's `fetch` sends.
    App,
}

/// What the setting `user` must contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNeed {
    Nothing,
    /// The e-mail address of a user.
    Address,
    /// The id of the person in whose name comments are written.
    Person,
    /// The number of an app.
    App,
}

/// How an answer with a 2xx status shows a refusal.
#[derive(Debug, Clone, Copy)]
enum Refusal {
    /// Never: the status code shows every refusal.
    Never,
    /// Every answer is a refusal except these three: `{"ok": true}` (as from Slack), the plain text
    /// `ok`, and an empty body.
    NotOk,
    /// An answer is a refusal if it has `errors` (as in GraphQL), a `success` that is false, or no
    /// `data` (as in a proxy's error page).
    Errors,
    /// The field that `code` names contains a number other than 0, or no number. A number in `gone`
    /// is final, because the receiver was removed. Any other refusal is worth a later attempt: it
    /// is a rate limit, or an error that an operator can correct.
    Code {
        code: &'static str,
        text: &'static str,
        gone: &'static [i64],
    },
}

/// A refusal with a 2xx status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The system's reason.
    pub why: String,
    /// Whether no later attempt can succeed.
    pub is_final: bool,
}

spelled! {
    /// A system for which a template ships.
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    Preset {
        /// Any receiver of signed CloudEvents.
        Webhook = "webhook",
        /// Jira Cloud and Data Center.
        Jira = "jira",
        /// ServiceNow.
        Servicenow = "servicenow",
        /// Zendesk.
        Zendesk = "zendesk",
        /// Freshservice.
        Freshservice = "freshservice",
        /// GitHub.
        Github = "github",
        /// GitLab.
        Gitlab = "gitlab",
        /// Slack.
        Slack = "slack",
        /// PagerDuty.
        Pagerduty = "pagerduty",
        /// Linear.
        Linear = "linear",
        /// Opsgenie.
        Opsgenie = "opsgenie",
        /// AWS Step Functions.
        Stepfunctions = "stepfunctions",
        /// Comments on an instance in Feishu or Lark.
        Feishu = "feishu",
        /// Comments on an instance in DingTalk.
        Dingtalk = "dingtalk",
        /// The requester of an approval in WeCom.
        Wecom = "wecom",
        /// A custom bot in a group of Feishu or Lark.
        FeishuBot = "feishu-bot",
        /// A custom robot in a group of DingTalk.
        DingtalkBot = "dingtalk-bot",
        /// A robot in a group of WeCom.
        WecomBot = "wecom-bot",
    }
}

/// The defaults of a preset.
pub struct Row {
    pub template: &'static str,
    pub auth: AuthNeed,
    /// The system's address, if it is the same for all customers.
    pub url: Option<&'static str>,
    pub user: UserNeed,
    pub content_type: &'static str,
    /// The prefix of the token in the `Authorization` header, such as `Bearer `.
    pub bearer: &'static str,
    refusal: Refusal,
}

const JSON: &str = "application/json";

const fn bot(kind: BotKind, refusal: Refusal, row: Row) -> Row {
    let url = match kind {
        BotKind::Feishu => "https://open.feishu.cn",
        BotKind::Dingtalk => "https://oapi.dingtalk.com",
        BotKind::Wecom => "https://qyapi.weixin.qq.com",
    };
    Row {
        auth: AuthNeed::Bot(kind),
        url: Some(url),
        refusal,
        ..row
    }
}

const FEISHU_CODE: Refusal = Refusal::Code {
    code: "code",
    text: "msg",
    gone: &[],
};

/// How the older APIs of DingTalk and WeCom answer. WeCom's 93000 means that the robot was removed
/// from its group.
const ERRCODE: Refusal = Refusal::Code {
    code: "errcode",
    text: "errmsg",
    gone: &[93_000],
};

/// Returns the usual row: JSON messages, the setting `auth`, and status codes that show every
/// refusal.
const fn row(template: &'static str) -> Row {
    Row {
        template,
        auth: AuthNeed::Header,
        url: None,
        user: UserNeed::Nothing,
        content_type: JSON,
        bearer: "Bearer ",
        refusal: Refusal::Never,
    }
}

macro_rules! shipped {
    ($name:literal) => {
        row(include_str!(concat!("../../notify/", $name, ".jq")))
    };
}

impl Preset {
    pub const fn row(self) -> Row {
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
                user: UserNeed::Address,
                ..shipped!("pagerduty")
            },
            Self::Linear => Row {
                // A personal API key has no prefix. For an OAuth token, operators write `header`.
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
            Self::Feishu => Row {
                auth: AuthNeed::App,
                user: UserNeed::Person,
                ..shipped!("feishu")
            },
            Self::Dingtalk => Row {
                auth: AuthNeed::App,
                user: UserNeed::Person,
                ..shipped!("dingtalk")
            },
            Self::Wecom => Row {
                auth: AuthNeed::App,
                user: UserNeed::App,
                ..shipped!("wecom")
            },
            Self::FeishuBot => bot(BotKind::Feishu, FEISHU_CODE, shipped!("feishu-bot")),
            Self::DingtalkBot => bot(BotKind::Dingtalk, ERRCODE, shipped!("dingtalk-bot")),
            Self::WecomBot => bot(BotKind::Wecom, ERRCODE, shipped!("wecom-bot")),
        }
    }

    /// Whether the app of a source can send this preset's messages. `fetch` is the preset in the
    /// source's `fetch`.
    pub fn is_sent_by(self, fetch: &str) -> bool {
        let own = self.as_str();
        fetch == own || (own == "feishu" && fetch == "lark")
    }

    /// Whether the preset writes only about requests, for example to their tickets. Such a preset
    /// cannot report an incident.
    pub const fn is_of_tickets(self) -> bool {
        !matches!(
            self,
            Self::Webhook | Self::FeishuBot | Self::DingtalkBot | Self::WecomBot
        )
    }

    /// Whether the preset uses a secret of the delivery (`response_url` or task token).
    pub const fn uses_callback(self) -> bool {
        matches!(self, Self::Slack | Self::Stepfunctions)
    }

    /// Whether an answer with this status to a request with `method` means that the ticket is closed
    /// for good. Zendesk closes a solved ticket after at most 28 days, and then refuses each update.
    pub fn is_closed(self, method: &str, status: u16) -> bool {
        self == Self::Zendesk && method == "PUT" && status == 422
    }

    /// Returns the refusal in an answer with a 2xx status. Returns `None` if the answer means
    /// success.
    pub fn refusal(self, body: &[u8]) -> Option<Refused> {
        let read = || serde_json::from_slice::<Value>(body).unwrap_or_default();
        let refused = |why: Option<&Value>| {
            let why = why.and_then(Value::as_str).unwrap_or("no reason given");
            Some(Refused {
                why: why.to_owned(),
                is_final: false,
            })
        };
        match self.row().refusal {
            Refusal::Never => None,
            // A `response_url` answers `ok` as plain text, or nothing.
            Refusal::NotOk if [&b"ok"[..], b""].contains(&body.trim_ascii()) => None,
            Refusal::NotOk => {
                let answer = read();
                let yes = answer.get("ok") == Some(&Value::Bool(true));
                (!yes).then(|| refused(answer.get("error"))).flatten()
            }
            Refusal::Errors => {
                let answer = read();
                let error = answer.pointer("/errors/0");
                let data = answer.get("data").filter(|data| !data.is_null());
                let (Some(data), None) = (data, error) else {
                    return refused(error.and_then(|error| error.get("message")));
                };
                let mut results = data.as_object().into_iter().flat_map(|data| data.values());
                let failed = |result: &Value| result.get("success") == Some(&Value::Bool(false));
                results.any(failed).then(|| refused(None)).flatten()
            }
            Refusal::Code { code, text, gone } => {
                let answer = read();
                match answer.get(code).and_then(Value::as_i64) {
                    Some(0) => None,
                    None => refused(Some(&Value::from("the answer has no code"))),
                    Some(code) => refused(answer.get(text)).map(|refused| Refused {
                        why: format!("{code}: {}", refused.why),
                        is_final: gone.contains(&code),
                    }),
                }
            }
        }
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
            let loaded = Template::load(preset.row().template, name, Language::En);
            loaded.unwrap_or_else(|flaws| panic!("{flaws}"));
            let read: Preset = serde_json::from_value(Value::from(name)).unwrap();
            assert_eq!(read, *preset);
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
            (Preset::Slack, "<html></html>", Some("no reason given")),
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
            (
                Preset::Linear,
                r#"{"data":{"commentCreate":{"success":false}}}"#,
                Some("no reason given"),
            ),
            (Preset::Linear, "<html></html>", Some("no reason given")),
            (Preset::Jira, r#"{"ok":false,"errors":[{}]}"#, None),
            (Preset::FeishuBot, r#"{"code":0,"msg":"success"}"#, None),
            (
                Preset::FeishuBot,
                r#"{"code":11232,"msg":"frequency limited"}"#,
                Some("11232: frequency limited"),
            ),
            (
                Preset::DingtalkBot,
                r#"{"errcode":310000,"errmsg":"sign not match"}"#,
                Some("310000: sign not match"),
            ),
            (Preset::WecomBot, r#"{"errcode":0,"errmsg":"ok"}"#, None),
            (
                Preset::WecomBot,
                "<html></html>",
                Some("the answer has no code"),
            ),
        ] {
            let refused = preset.refusal(body.as_bytes());
            assert!(refused.iter().all(|refused| !refused.is_final), "{body}");
            let found = refused.map(|refused| refused.why);
            assert_eq!(found.as_deref(), why, "{body}");
        }
    }

    #[test]
    fn a_robot_that_was_removed_is_not_tried_again() {
        let removed = br#"{"errcode":93000,"errmsg":"invalid webhook url"}"#;
        assert!(Preset::WecomBot.refusal(removed).unwrap().is_final);
    }
}
