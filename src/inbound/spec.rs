//! Reads the setting `scheme` of a source: a preset's name, or an inline table. A table describes a
//! sender in full, or names a preset with `like` and changes some of its fields. Returns a
//! [`SchemeSpec`].

use std::fmt;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::envelope::{EnvelopeScheme, EnvelopeSystem};
use super::presets::preset;
use super::replies::ReplyRules;
use super::scheme::{
    Encoding, HmacScheme, IdSource, KeyDecoding, Part, Separator, TimeSource, is_token,
};
use super::scheme_kind::{SchemeKind, SchemeName};
use crate::domain::{Problem, shown};

/// A source's scheme as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemeSpec {
    /// The preset that the configuration names, even if `like` changed some of its fields. `None`
    /// for a sender that is described in full.
    preset: Option<SchemeName>,
    kind: SchemeKind,
}

impl SchemeSpec {
    /// Returns the unchanged scheme of a preset.
    pub fn preset(name: SchemeName) -> Self {
        Self {
            preset: Some(name),
            kind: preset(name),
        }
    }

    /// Returns the scheme of an HMAC sender that is described in full. Its name is `custom`.
    pub fn custom(record: HmacScheme) -> Self {
        Self {
            preset: None,
            kind: SchemeKind::Hmac(Box::new(record)),
        }
    }

    /// Returns the name of the preset, even if `like` changed some of its fields. Returns `custom`
    /// for a sender that is described in full. Policies read this name as the attribute `scheme`.
    pub fn name(&self) -> &'static str {
        self.preset.map_or("custom", SchemeName::as_str)
    }

    pub(super) fn preset_name(&self) -> Option<SchemeName> {
        self.preset
    }

    /// Returns how the sender's deliveries are answered if the configuration does not say.
    pub fn reply_rules(&self) -> ReplyRules {
        ReplyRules::of_preset(self.preset)
    }

    /// Returns how deliveries are authenticated.
    pub fn kind(&self) -> &SchemeKind {
        &self.kind
    }

    /// Whether the source lists origins in `from` instead of secrets.
    pub fn lists_origins(&self) -> bool {
        matches!(self.kind, SchemeKind::Trusted | SchemeKind::Sns)
    }

    /// Whether the sender signs each delivery. Policies read this as the attribute `signed`.
    pub fn signed(&self) -> bool {
        match &self.kind {
            SchemeKind::Hmac(_) | SchemeKind::Sns => true,
            SchemeKind::Envelope(scheme) => scheme.encrypted,
            SchemeKind::Token { .. }
            | SchemeKind::Basic
            | SchemeKind::Bearer
            | SchemeKind::Trusted => false,
        }
    }

    /// Returns a placeholder with the form that this scheme requires of a secret. Used by commands
    /// that run without the real secrets.
    pub fn stand_in(&self, text: &str) -> String {
        match &self.kind {
            SchemeKind::Basic => format!("sharehook:{text}"),
            SchemeKind::Envelope(scheme) if scheme.is_addressed() => {
                format!("{}:{}", "t".repeat(32), "k".repeat(43))
            }
            _ => text.to_owned(),
        }
    }
}

impl FromStr for SchemeSpec {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let unknown = |known: Problem| {
            let problem = format!("{} is not a scheme", shown(text));
            let remedy = format!("{}, or an inline table", known.remedy);
            Problem::new("scheme", problem, remedy)
        };
        text.parse().map(Self::preset).map_err(unknown)
    }
}

impl<'de> Deserialize<'de> for SchemeSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor)
    }
}

struct SpecVisitor;

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = SchemeSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a preset's name or an inline table")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SchemeSpec, E> {
        text.parse().map_err(|problem: Problem| {
            E::custom(format!("{}; {}", problem.problem, problem.remedy))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SchemeSpec, A::Error> {
        let table = Table::deserialize(MapAccessDeserializer::new(map))?;
        table.spec().map_err(serde::de::Error::custom)
    }
}

/// The inline table. Every field is optional, so that `like` can fill the rest.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(
    rename = "SchemeTable",
    extend("anyOf" = [{ "required": ["like"] }, { "required": ["header", "signed"] }])
))]
#[serde(deny_unknown_fields)]
struct Table {
    /// The preset whose fields are the defaults.
    #[cfg_attr(test, schemars(with = "Option<SchemeName>"))]
    like: Option<String>,
    /// The header with the signature or, for token, with the secret.
    #[cfg_attr(test, schemars(length(min = 1)))]
    header: Option<String>,
    /// How several signatures are separated.
    separator: Option<Separator>,
    /// The prefix of each signature, as in sha256=.
    prefix: Option<String>,
    /// How a signature is written.
    encoding: Option<Encoding>,
    /// How a secret's text becomes a key.
    key: Option<KeyDecoding>,
    /// The signed parts in order. The last part must be the body.
    #[cfg_attr(test, schemars(length(min = 1)))]
    signed: Option<Vec<Part>>,
    /// Where the signed time is.
    time: Option<TimeSource>,
    /// How many seconds the signed time may lie before or after now.
    #[cfg_attr(test, schemars(range(min = 1, max = 86_400)))]
    window: Option<u32>,
    /// Where the delivery's id is.
    id: Option<IdSource>,
    /// The accepted media types; application/*+json accepts every type with the suffix +json.
    #[cfg_attr(test, schemars(inner(length(min = 1))))]
    content_types: Option<Vec<String>>,
    /// The minimum length of a key, in bytes.
    #[cfg_attr(test, schemars(range(min = 16)))]
    min_key: Option<usize>,
    /// For feishu and lark: false for an app without an Encrypt Key.
    encrypted: Option<bool>,
}

#[cfg(test)]
impl schemars::JsonSchema for SchemeName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Preset".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "enum": Self::ALL })
    }
}

#[cfg(test)]
impl schemars::JsonSchema for SchemeSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scheme".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let preset = generator.subschema_for::<SchemeName>();
        let table = generator.subschema_for::<Table>();
        schemars::json_schema!({ "anyOf": [preset, table] })
    }
}

impl Table {
    fn spec(self) -> Result<SchemeSpec, String> {
        let base = match self.like.as_deref() {
            Some(name) => name
                .parse::<SchemeSpec>()
                .map_err(|p| format!("like: {}; {}", p.problem, p.remedy))?,
            None => match (&self.header, &self.signed) {
                (Some(header), Some(_)) => SchemeSpec::custom(HmacScheme::over_body(header)),
                (None, _) => {
                    return Err(
                        "header is missing; name the header that carries the signature".into(),
                    );
                }
                (_, None) => {
                    return Err(
                        "signed is missing; list what is signed, as in signed = [\"body\"]".into(),
                    );
                }
            },
        };
        let name = base.name();
        let kind = match base.kind {
            SchemeKind::Hmac(record) => {
                if self.encrypted.is_some() {
                    return Err(format!("encrypted is not a field of {name}"));
                }
                SchemeKind::Hmac(Box::new(self.applied_to(*record)?))
            }
            SchemeKind::Token { header } => {
                self.only(name, &["header"])?;
                let header = self.header.unwrap_or(header);
                if !is_token(&header) {
                    return Err(format!("header: {} is not a header's name", shown(&header)));
                }
                SchemeKind::Token { header }
            }
            SchemeKind::Envelope(base) => SchemeKind::Envelope(self.envelope(name, base)?),
            other => {
                self.only(name, &[])?;
                other
            }
        };
        Ok(SchemeSpec {
            preset: base.preset,
            kind,
        })
    }

    fn applied_to(self, base: HmacScheme) -> Result<HmacScheme, String> {
        let has_window = self.window.is_some();
        let record = HmacScheme {
            header: self.header.unwrap_or(base.header),
            separator: self.separator.unwrap_or(base.separator),
            prefix: self.prefix.unwrap_or(base.prefix),
            encoding: self.encoding.unwrap_or(base.encoding),
            key: self.key.unwrap_or(base.key),
            signed: self.signed.unwrap_or(base.signed),
            time: self.time.or(base.time),
            window: self.window.unwrap_or(base.window),
            id: self.id.or(base.id),
            content_types: self.content_types.unwrap_or(base.content_types),
            min_key: self.min_key.unwrap_or(base.min_key),
            fallback: base.fallback.map(|fallback| {
                Box::new(HmacScheme {
                    window: self.window.unwrap_or(fallback.window),
                    ..*fallback
                })
            }),
        };
        record.check().map_err(|problems| problems.to_string())?;
        if has_window && record.time.is_none() {
            return Err("window has no effect, because the scheme signs no time; remove it".into());
        }
        Ok(record)
    }

    fn envelope(self, name: &str, base: EnvelopeScheme) -> Result<EnvelopeScheme, String> {
        match base.system {
            EnvelopeSystem::Feishu => self.only(name, &["window", "encrypted"])?,
            EnvelopeSystem::Dingtalk | EnvelopeSystem::Wecom => self.only(name, &["window"])?,
        }
        let window = self.window.unwrap_or(base.window);
        if !(1..=86_400).contains(&window) {
            return Err(format!("window: is {window} s; write 1 to 86400 seconds"));
        }
        Ok(EnvelopeScheme {
            window,
            encrypted: self.encrypted.unwrap_or(base.encrypted),
            ..base
        })
    }

    /// Fails if the table has a field that is not in `fields`. The error calls the scheme `name`.
    fn only(&self, name: &str, fields: &[&str]) -> Result<(), String> {
        let set = [
            ("header", self.header.is_some()),
            ("separator", self.separator.is_some()),
            ("prefix", self.prefix.is_some()),
            ("encoding", self.encoding.is_some()),
            ("key", self.key.is_some()),
            ("signed", self.signed.is_some()),
            ("time", self.time.is_some()),
            ("window", self.window.is_some()),
            ("id", self.id.is_some()),
            ("content_types", self.content_types.is_some()),
            ("min_key", self.min_key.is_some()),
            ("encrypted", self.encrypted.is_some()),
        ];
        let foreign = set
            .into_iter()
            .find(|(field, is_set)| *is_set && !fields.contains(field));
        match foreign {
            None => Ok(()),
            Some((field, _)) if fields.is_empty() => Err(format!(
                "{field} is not a field of {name}, which has none; write scheme = \"{name}\""
            )),
            Some((field, _)) => Err(format!(
                "{field} is not a field of {name}, which has {}",
                fields.join(" and ")
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Source {
        scheme: SchemeSpec,
    }

    fn read(toml: &str) -> Result<SchemeSpec, String> {
        toml::from_str::<Source>(toml)
            .map(|source| source.scheme)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_preset_is_read_by_its_name() {
        for &name in SchemeName::ALL {
            let spec = read(&format!("scheme = \"{}\"", name.as_str())).unwrap();
            assert_eq!(spec, SchemeSpec::preset(name));
            assert_eq!(spec.name(), name.as_str());
        }
    }

    #[test]
    fn a_table_describes_any_hmac_sender() {
        let spec = read(
            r#"scheme = { header = "X-Acme-Sig", separator = "comma", prefix = "v9=", encoding = "base64", key = "base64",
                 signed = [{ header = "X-Acme-Id" }, { text = ":" }, "time", { text = "|" }, "body"],
                 time = { unix_header = "X-Acme-Time" }, window = 120, id = { header = "X-Acme-Id" } }"#,
        )
        .unwrap();
        assert_eq!(spec.name(), "custom");
        assert!(spec.signed());
        let SchemeKind::Hmac(record) = spec.kind() else {
            panic!("not HMAC")
        };
        assert_eq!(record.signed.len(), 5);
        assert_eq!(record.window, 120);
        assert!(record.signs_header("x-acme-id"));
    }

    #[test]
    fn like_changes_single_fields_of_a_preset() {
        let spec = read(r#"scheme = { like = "zendesk", window = 30 }"#).unwrap();
        let SchemeKind::Hmac(record) = spec.kind() else {
            panic!("not HMAC")
        };
        assert_eq!(
            (record.window, record.header.as_str()),
            (30, "X-Zendesk-Webhook-Signature")
        );
        assert_eq!(spec.name(), "zendesk");
        let token = read(r#"scheme = { like = "token", header = "X-Gitlab-Token" }"#).unwrap();
        let header = "X-Gitlab-Token".to_owned();
        assert_eq!(token.kind(), &SchemeKind::Token { header });
        assert_eq!(token.name(), "token");
        let plain = read(r#"scheme = { like = "feishu", encrypted = false }"#).unwrap();
        assert!(!plain.signed() && read(r#"scheme = "feishu""#).unwrap().signed());
        let svix = read(r#"scheme = { like = "svix", window = 30 }"#).unwrap();
        let SchemeKind::Hmac(record) = svix.kind() else {
            panic!("not HMAC")
        };
        assert_eq!(record.fallback.as_ref().unwrap().window, 30);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_name() {
        for (toml, says) in [
            (r#"scheme = "sqs""#, "sqs"),
            (r#"scheme = "GitHub""#, "standard-webhooks"),
            (r#"scheme = 7"#, "inline table"),
            (r#"scheme = {}"#, "header is missing"),
            (r#"scheme = { header = "x" }"#, "signed is missing"),
            (
                r#"scheme = { header = "x", signed = ["body"], colour = "red" }"#,
                "colour",
            ),
            (
                r#"scheme = { header = "x", signed = ["body"], fallback = {} }"#,
                "fallback",
            ),
            (r#"scheme = { header = "x", signed = ["bodi"] }"#, "bodi"),
            (
                r#"scheme = { header = "x", signed = ["time", "body"], time = { unix_header = "t" } }"#,
                "is not separated",
            ),
            (
                r#"scheme = { header = "x", signed = ["body"], time = { unix_header = "t" } }"#,
                "does not cover the time",
            ),
            (r#"scheme = { like = "sqs" }"#, "like"),
            (r#"scheme = { like = "token", window = 3 }"#, "window"),
            (r#"scheme = { like = "token", header = "a b" }"#, "header"),
            (r#"scheme = { like = "bearer", header = "x" }"#, "bearer"),
            (r#"scheme = { like = "github", window = -1 }"#, "window"),
            (
                r#"scheme = { like = "github", window = 300 }"#,
                "window has no effect",
            ),
            (
                r#"scheme = { header = "x", signed = ["body"], window = 5 }"#,
                "window has no effect",
            ),
            (
                r#"scheme = { like = "github", content_types = ["json"] }"#,
                "content_types",
            ),
            (
                r#"scheme = { like = "github", encrypted = true }"#,
                "encrypted",
            ),
            (
                r#"scheme = { like = "wecom", encrypted = false }"#,
                "encrypted",
            ),
            (r#"scheme = { like = "lark", header = "x" }"#, "header"),
            (
                r#"scheme = { like = "dingtalk", window = 90000 }"#,
                "window",
            ),
        ] {
            let error = read(toml).unwrap_err();
            assert!(error.contains(says), "{toml}: {error}");
        }
    }
}
