//! Defines the scheme of each known sender as data, following the senders' documentation and
//! libraries. Contains no secrets.

use super::envelope::{EnvelopeScheme, EnvelopeSystem};
use super::scheme::{Encoding, HmacScheme, IdSource, KeyDecoding, Part, Separator, TimeSource};
use super::scheme_kind::{SchemeKind, SchemeName};

const TOKEN_HEADER: &str = "x-sharehook-token";

pub(super) fn preset(name: SchemeName) -> SchemeKind {
    let hmac = |record| SchemeKind::Hmac(Box::new(record));
    let envelope = |system| SchemeKind::Envelope(EnvelopeScheme::of(system));
    match name {
        SchemeName::StandardWebhooks => hmac(webhooks("webhook")),
        SchemeName::Svix => hmac(HmacScheme {
            fallback: Some(Box::new(webhooks("webhook"))),
            ..webhooks("svix")
        }),
        // GitLab 19.0 or newer signs a delivery only if its webhook has a signing token. The older
        // X-Gitlab-Token needs `{ like = "token", header = "X-Gitlab-Token" }`.
        SchemeName::Gitlab => hmac(webhooks("webhook")),
        SchemeName::Github => hmac(github()),
        SchemeName::Jira => hmac(jira()),
        SchemeName::Zendesk => hmac(zendesk()),
        SchemeName::Slack => hmac(slack()),
        SchemeName::Pagerduty => hmac(pagerduty()),
        SchemeName::Linear => hmac(linear()),
        SchemeName::Asana => hmac(HmacScheme::over_body("X-Hook-Signature")),
        SchemeName::Feishu | SchemeName::Lark => envelope(EnvelopeSystem::Feishu),
        SchemeName::Dingtalk => envelope(EnvelopeSystem::Dingtalk),
        SchemeName::Wecom => envelope(EnvelopeSystem::Wecom),
        SchemeName::Sns => SchemeKind::Sns,
        SchemeName::Token => SchemeKind::Token {
            header: TOKEN_HEADER.to_owned(),
        },
        SchemeName::Basic => SchemeKind::Basic,
        SchemeName::Bearer => SchemeKind::Bearer,
        SchemeName::Trusted => SchemeKind::Trusted,
    }
}

fn text(text: &str) -> Part {
    Part::Text(text.to_owned())
}

/// Standard Webhooks 1.0. Supports only its HMAC signatures, version `v1`, which cover
/// `id.timestamp.body`. The default window of five minutes applies. `family` is the prefix of the
/// header names, such as `webhook`.
fn webhooks(family: &str) -> HmacScheme {
    let id = format!("{family}-id");
    HmacScheme {
        separator: Separator::Space,
        prefix: "v1,".to_owned(),
        encoding: Encoding::Base64,
        key: KeyDecoding::Whsec,
        signed: vec![
            Part::Header(id.clone()),
            text("."),
            Part::Time,
            text("."),
            Part::Body,
        ],
        time: Some(TimeSource::UnixHeader(format!("{family}-timestamp"))),
        id: Some(IdSource::Header(id)),
        ..HmacScheme::over_body(&format!("{family}-signature"))
    }
}

/// GitHub, "Validating webhook deliveries". Uses the SHA-256 header and ignores the legacy
/// SHA-1 one.
fn github() -> HmacScheme {
    HmacScheme {
        prefix: "sha256=".to_owned(),
        id: Some(IdSource::Header("X-GitHub-Delivery".to_owned())),
        ..HmacScheme::over_body("X-Hub-Signature-256")
    }
}

/// Jira Cloud admin webhooks and Jira Data Center. The header has WebSub's form `method=signature`;
/// only the method sha256 is supported.
fn jira() -> HmacScheme {
    HmacScheme {
        prefix: "sha256=".to_owned(),
        id: Some(IdSource::Header(
            "X-Atlassian-Webhook-Identifier".to_owned(),
        )),
        ..HmacScheme::over_body("X-Hub-Signature")
    }
}

/// Zendesk, "Verifying webhooks": base64 of the HMAC over timestamp and body without a separator.
/// Zendesk publishes no time window, so the default applies.
fn zendesk() -> HmacScheme {
    HmacScheme {
        encoding: Encoding::Base64,
        signed: vec![Part::Time, Part::Body],
        time: Some(TimeSource::Rfc3339Header(
            "X-Zendesk-Webhook-Signature-Timestamp".to_owned(),
        )),
        id: Some(IdSource::Header(
            "X-Zendesk-Webhook-Invocation-Id".to_owned(),
        )),
        ..HmacScheme::over_body("X-Zendesk-Webhook-Signature")
    }
}

/// Slack, "Verifying requests from Slack". Interactivity and slash commands send forms, the Events
/// API sends JSON.
fn slack() -> HmacScheme {
    let mut record = HmacScheme {
        prefix: "v0=".to_owned(),
        signed: vec![text("v0:"), Part::Time, text(":"), Part::Body],
        time: Some(TimeSource::UnixHeader(
            "X-Slack-Request-Timestamp".to_owned(),
        )),
        id: Some(IdSource::Pointer("/event_id".to_owned())),
        ..HmacScheme::over_body("X-Slack-Signature")
    };
    record
        .content_types
        .push("application/x-www-form-urlencoded".to_owned());
    record
}

/// PagerDuty webhooks V3: a comma-separated list of signatures. Hex digits may have either case, as
/// in PagerDuty's Go client.
fn pagerduty() -> HmacScheme {
    HmacScheme {
        separator: Separator::Comma,
        prefix: "v1=".to_owned(),
        encoding: Encoding::HexAnyCase,
        id: Some(IdSource::Pointer("/event/id".to_owned())),
        ..HmacScheme::over_body("X-PagerDuty-Signature")
    }
}

/// Linear writes the time into the signed body, and its SDK allows 60 seconds. The header
/// `Linear-Timestamp` is ignored, because it is not signed.
fn linear() -> HmacScheme {
    HmacScheme {
        time: Some(TimeSource::MillisPointer("/webhookTimestamp".to_owned())),
        window: 60,
        id: Some(IdSource::Header("Linear-Delivery".to_owned())),
        ..HmacScheme::over_body("Linear-Signature")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_safe_to_verify_with() {
        for &name in SchemeName::ALL {
            if let SchemeKind::Hmac(record) = preset(name) {
                assert_eq!(record.problems(), [], "{name:?}");
            }
        }
    }

    #[test]
    fn an_unsigned_time_header_is_never_a_time_source() {
        let SchemeKind::Hmac(linear) = preset(SchemeName::Linear) else {
            panic!("linear is an HMAC scheme")
        };
        assert!(
            linear
                .needed_headers()
                .all(|name| name != "Linear-Timestamp")
        );
    }
}
