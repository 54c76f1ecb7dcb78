//! `sharehook.toml` as written: the field names of the contract, every value with its place.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::domain::{Problem, Problems};
use crate::inbound::{Handshake, SchemeSpec};

use super::Site;
use super::accounts::RawAccount;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) journal: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<RawPolicy>>,
    #[serde(default)]
    pub(super) cloud: RawCloud,
    #[serde(default)]
    pub(super) http: RawHttp,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) seal: RawSeal,
    #[serde(default)]
    pub(super) source: Vec<Spanned<RawSource>>,
}

/// `policy = "DIR"`, or `[policy]` with `dir` and `approvals`: TOML allows a key only one form.
#[derive(Debug, Default)]
pub(super) struct RawPolicy {
    pub(super) dir: Option<String>,
    pub(super) approvals: Option<usize>,
}

impl<'de> Deserialize<'de> for RawPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            dir: Option<String>,
            approvals: Option<usize>,
        }

        struct DirOrTable;

        impl<'de> Visitor<'de> for DirOrTable {
            type Value = RawPolicy;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a directory, or a table with `dir` and `approvals`")
            }

            fn visit_str<E>(self, dir: &str) -> Result<RawPolicy, E> {
                let dir = Some(dir.to_owned());
                Ok(RawPolicy {
                    dir,
                    approvals: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawPolicy, A::Error> {
                let Table { dir, approvals } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RawPolicy { dir, approvals })
            }
        }

        deserializer.deserialize_any(DirOrTable)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCloud {
    pub(super) site: Option<Site>,
    pub(super) endpoint: Option<Spanned<String>>,
    pub(super) lighthouse_per_second: Option<Spanned<f64>>,
    pub(super) cvm_per_second: Option<Spanned<f64>>,
    pub(super) cvm_accounts_per_call: Option<Spanned<usize>>,
    pub(super) cvm_accounts_per_image: Option<Spanned<usize>>,
    #[serde(default)]
    pub(super) regions: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, Spanned<RawAccount>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) strip_prefix: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) body_bytes: Option<Spanned<usize>>,
    pub(super) seconds: Option<Spanned<u64>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSeal {
    pub(super) key: Option<Spanned<String>>,
    pub(super) name: Option<Spanned<String>>,
    pub(super) every: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) name: Spanned<String>,
    pub(super) scheme: Spanned<SchemeSpec>,
    #[serde(default)]
    pub(super) secrets: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) from: Vec<Spanned<String>>,
    pub(super) issuers: Option<Spanned<String>>,
    pub(super) handshake: Option<Spanned<Handshake>>,
    #[serde(default)]
    pub(super) events: Vec<Spanned<String>>,
    pub(super) map: Option<Spanned<String>>,
}

pub(super) fn parse(file: &str, text: &str) -> Result<RawConfig, Problems> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        let remedy = "correct the line; README.md lists every field";
        Problem::new(
            format!("{file}:{line}"),
            error.message().trim().to_owned(),
            remedy,
        )
        .into()
    })
}

/// The 1-based line of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|b| *b == b'\n').count() + 1
}
