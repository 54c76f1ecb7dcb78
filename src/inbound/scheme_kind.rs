//! The presets by name, and the kinds of proof that a delivery can bring.

use std::str::FromStr;

use super::envelope::EnvelopeScheme;
use super::scheme::HmacScheme;
use crate::domain::{Problem, shown};

/// The presets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemeName {
    /// `standard-webhooks`.
    StandardWebhooks,
    /// `svix`.
    Svix,
    /// `gitlab`, the signing token.
    Gitlab,
    /// `github`.
    Github,
    /// `jira`.
    Jira,
    /// `zendesk`.
    Zendesk,
    /// `slack`.
    Slack,
    /// `pagerduty`.
    Pagerduty,
    /// `linear`.
    Linear,
    /// `asana`.
    Asana,
    /// `feishu`.
    Feishu,
    /// `lark`: Feishu outside China.
    Lark,
    /// `dingtalk`.
    Dingtalk,
    /// `wecom`.
    Wecom,
    /// `sns`: Amazon SNS over HTTPS.
    Sns,
    /// `token`: a static secret in a header.
    Token,
    /// `basic`: HTTP Basic.
    Basic,
    /// `bearer`: a static bearer token.
    Bearer,
    /// `trusted`: a trigger whose host authenticated the sender.
    Trusted,
}

impl SchemeName {
    /// Every preset, in the order of error messages.
    pub const ALL: [Self; 19] = [
        Self::StandardWebhooks,
        Self::Svix,
        Self::Gitlab,
        Self::Github,
        Self::Jira,
        Self::Zendesk,
        Self::Slack,
        Self::Pagerduty,
        Self::Linear,
        Self::Asana,
        Self::Feishu,
        Self::Lark,
        Self::Dingtalk,
        Self::Wecom,
        Self::Sns,
        Self::Token,
        Self::Basic,
        Self::Bearer,
        Self::Trusted,
    ];

    /// The name as the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StandardWebhooks => "standard-webhooks",
            Self::Svix => "svix",
            Self::Gitlab => "gitlab",
            Self::Github => "github",
            Self::Jira => "jira",
            Self::Zendesk => "zendesk",
            Self::Slack => "slack",
            Self::Pagerduty => "pagerduty",
            Self::Linear => "linear",
            Self::Asana => "asana",
            Self::Feishu => "feishu",
            Self::Lark => "lark",
            Self::Dingtalk => "dingtalk",
            Self::Wecom => "wecom",
            Self::Sns => "sns",
            Self::Token => "token",
            Self::Basic => "basic",
            Self::Bearer => "bearer",
            Self::Trusted => "trusted",
        }
    }
}

impl FromStr for SchemeName {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| {
                let known = Self::ALL.map(Self::as_str).join(", ");
                Problem::new(
                    "scheme",
                    format!("{} is not a scheme", shown(text)),
                    format!("write one of {known}, or an inline table"),
                )
            })
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
