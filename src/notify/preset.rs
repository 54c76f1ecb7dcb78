//! The systems that can be told, one row each: the template that ships, what authentication it needs,
//! and how an answer of it says no.

use serde::Deserialize;

/// What a target needs to authenticate the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthNeed {
    /// `secret`, which signs each message.
    Secret,
    /// `auth`.
    Header,
}

/// A system for which a template ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Any receiver of signed CloudEvents.
    Webhook,
}

/// A preset's row.
struct Row {
    name: &'static str,
    template: &'static str,
    auth: AuthNeed,
    /// The media type of its messages.
    content_type: &'static str,
    /// The word before a bearer token.
    bearer: &'static str,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 1] = [Self::Webhook];

    const fn row(self) -> Row {
        match self {
            Self::Webhook => Row {
                name: "webhook",
                template: include_str!("../../notify/webhook.jq"),
                auth: AuthNeed::Secret,
                content_type: "application/cloudevents+json",
                bearer: "Bearer ",
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

    /// What it needs to authenticate the program.
    pub const fn auth_need(self) -> AuthNeed {
        self.row().auth
    }

    /// The media type of its messages.
    pub const fn content_type(self) -> &'static str {
        self.row().content_type
    }

    /// The word before a bearer token.
    pub const fn bearer_prefix(self) -> &'static str {
        self.row().bearer
    }
}

impl std::fmt::Display for Preset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
