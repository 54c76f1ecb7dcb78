//! `sharehook.toml` as written: the field names of the contract, every value with its place.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::domain::{Problem, Problems};
use crate::inbound::{Handshake, SchemeSpec};

use super::Site;
use super::accounts::RawAccount;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) journal: Option<Spanned<String>>,
    pub(super) policy: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) cloud: RawCloud,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) seal: RawSeal,
    #[serde(default)]
    pub(super) source: Vec<Spanned<RawSource>>,
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
