//! The presets by name, and the kinds of proof that a delivery can bring.

use super::envelope::EnvelopeScheme;
use super::scheme::HmacScheme;
use crate::domain::spelled;

spelled! {
    /// The presets, in the order of error messages, as the configuration spells them.
    #[derive(PartialOrd, Ord)]
    SchemeName {
        /// Standard Webhooks.
        StandardWebhooks = "standard-webhooks",
        /// Svix.
        Svix = "svix",
        /// GitLab, the signing token.
        Gitlab = "gitlab",
        /// GitHub.
        Github = "github",
        /// Jira.
        Jira = "jira",
        /// Zendesk.
        Zendesk = "zendesk",
        /// Slack.
        Slack = "slack",
        /// PagerDuty.
        Pagerduty = "pagerduty",
        /// Linear.
        Linear = "linear",
        /// Asana.
        Asana = "asana",
        /// Feishu.
        Feishu = "feishu",
        /// Feishu outside China.
        Lark = "lark",
        /// DingTalk.
        Dingtalk = "dingtalk",
        /// WeCom.
        Wecom = "wecom",
        /// Amazon SNS over HTTPS.
        Sns = "sns",
        /// A static secret in a header.
        Token = "token",
        /// HTTP Basic.
        Basic = "basic",
        /// A static bearer token.
        Bearer = "bearer",
        /// A trigger whose host authenticated the sender.
        Trusted = "trusted",
    }
}

/// How the deliveries of a source are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemeKind {
    /// An HMAC over the body and usually id and time.
    Hmac(Box<HmacScheme>),
    /// A signed envelope around an encrypted event.
    Envelope(EnvelopeScheme),
    /// An RSA signature inside the body, by a certificate of Amazon SNS.
    Sns,
    /// A static secret in this header.
    Token {
        /// The header's name.
        header: String,
    },
    /// `Authorization: Basic`; the secret is `user:password`.
    Basic,
    /// `Authorization: Bearer`; the secret is the token.
    Bearer,
    /// The host authenticated the sender, and the source lists its origin.
    Trusted,
}
