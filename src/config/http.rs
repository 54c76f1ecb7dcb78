//! Reads `[http]`: the base path, the maximum of connections, and who may read `/metrics` and
//! `/report`. Takes the raw table, returns an [`HttpConfig`], and reports mistakes.

use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;

use super::raw::RawHttp;
use super::reader::Reader;
use super::valid::{HttpConfig, MetricsAccess};

/// Minimum length in bytes of the token for `/metrics` or `/report`. A source's static token has
/// the same minimum.
const MIN_TOKEN: usize = 24;

impl Reader<'_> {
    pub(super) fn http(&mut self, raw: RawHttp) -> HttpConfig {
        let strip_prefix = raw.strip_prefix.map(|written| {
            let segments = written.get_ref().strip_prefix('/');
            let plain = |segment: &str| {
                let good = |b: u8| b.is_ascii_alphanumeric() || b"-._~%".contains(&b);
                !segment.is_empty() && segment.bytes().all(good)
            };
            if !segments.is_some_and(|segments| segments.split('/').all(plain)) {
                self.problem(
                    &written,
                    format!(
                        "http.strip_prefix: {:?} is not a base path",
                        written.get_ref()
                    ),
                    "write it as in the address: a slash before each segment and none \
                     at the end, as in \"/share\"",
                );
            }
            written.into_inner()
        });
        let max = &raw.max_connections;
        let max_connections = self.within("http.max_connections", max, 16..=100_000, 2_048);
        let metrics = raw
            .metrics
            .and_then(|written| match written.get_ref().as_str() {
                "open" => Some(MetricsAccess::Open),
                "off" => Some(MetricsAccess::Off),
                // The text may be a pasted secret, so the problem does not show it.
                text if !text.contains(':') => {
                    let problem = "http.metrics: is not a reference to a token";
                    let remedy = "write \"open\", \"off\", or a reference such as env:NAME";
                    self.problem(&written, problem, remedy);
                    None
                }
                _ => self
                    .reader_token("http.metrics", &written)
                    .map(MetricsAccess::Token),
            });
        let report = raw.report.as_ref();
        let report = report.and_then(|written| self.reader_token("http.report", written));
        HttpConfig {
            strip_prefix,
            max_connections,
            metrics,
            report,
        }
    }

    fn reader_token(&mut self, whose: &str, written: &Spanned<String>) -> Option<SecretString> {
        let token = self.for_receivers(|reader| reader.header_secret(whose, written))?;
        if token.expose_secret().len() < MIN_TOKEN {
            let problem = format!("{whose}: the token has fewer than {MIN_TOKEN} bytes");
            self.problem(written, problem, "make one with `openssl rand -base64 32`");
        }
        Some(token)
    }
}
