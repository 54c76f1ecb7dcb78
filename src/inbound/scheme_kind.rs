//! Lists the presets by name, and the ways in which a delivery can be authenticated.

use super::envelope::EnvelopeScheme;
use super::scheme::HmacScheme;
use crate::domain::spelled;

spelled! {
    /// The names of the presets as the configuration spells them. Error messages list them in this
    /// order.
    #[derive(PartialOrd, Ord)]
    SchemeName {
        /// Standard Webhooks.
        StandardWebhooks = "standard-webhooks",
        /// Svix.
        Svix = "svix",
        /// GitLab's signing token.
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
    /// An HMAC over the body and, for some senders, a time or an id too.
    Hmac(Box<HmacScheme>),
    /// An event of an approval system. It is encrypted and signed, except from a Feishu app without
    /// an Encrypt Key: such an app sends plain events with a token.
    Envelope(EnvelopeScheme),
    /// An RSA signature in the body, made with a certificate of Amazon SNS.
    Sns,
    /// A static secret in a header.
    Token {
        /// The header's name.
        header: String,
    },
    /// `Authorization: Basic`; the secret is `user:password`.
    Basic,
    /// `Authorization: Bearer`; the secret is the token.
    Bearer,
    /// The host authenticated the sender, and the source lists the sender's origin.
    Trusted,
}
