//! Reads OpenTelemetry's variables (opentelemetry.io/docs/specs/otel/protocol/exporter). In: the
//! process's variables. Out: the addresses and headers with which spans and metrics are sent, or
//! every problem with the variables. The value of a header may be secret, so no message shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value as Json, json};

use super::json::attributes;
use crate::domain::{Problem, Problems, shown};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
const INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// The only protocol that the program speaks, by its name in the specification.
const JSON: &str = "http/json";

/// The collector's addresses, and how the program sends to them.
#[derive(Debug)]
pub struct Settings {
    pub(super) traces: Option<Url>,
    pub(super) metrics: Option<Url>,
    pub(super) headers: HeaderMap,
    /// The timeout of one request.
    pub(super) timeout: Duration,
    pub(super) metrics_every: Duration,
    /// OTLP's `Resource`, which describes this process.
    pub(super) resource: Json,
}

struct Reader<'v> {
    vars: &'v BTreeMap<String, String>,
    /// Whether a variable names a collector, and its export is not switched off.
    wanted: bool,
    problems: Vec<Problem>,
}

impl Settings {
    /// Reads the variables. `instance` distinguishes this process from others of the same service.
    ///
    /// # Errors
    /// Returns every problem with the variables. Ignores problems if nothing is to be exported.
    pub fn of(vars: &BTreeMap<String, String>, instance: &str) -> Result<Self, Problems> {
        let mut reader = Reader {
            vars,
            wanted: false,
            problems: Vec::new(),
        };
        let settings = Self {
            traces: reader.endpoint("TRACES", "v1/traces"),
            metrics: reader.endpoint("METRICS", "v1/metrics"),
            headers: reader.headers(),
            timeout: reader.milliseconds(TIMEOUT, 10_000),
            metrics_every: reader.milliseconds(INTERVAL, 60_000),
            resource: reader.resource(instance),
        };
        reader.protocol();
        if !reader.wanted || reader.problems.is_empty() {
            return Ok(settings);
        }
        Err(Problems(reader.problems))
    }

    pub(super) fn is_off(&self) -> bool {
        self.traces.is_none() && self.metrics.is_none()
    }
}

impl Reader<'_> {
    /// Returns the trimmed text of a variable. `None` if the variable is not set or is empty.
    fn get(&self, name: &str) -> Option<&str> {
        let text = self.vars.get(name)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// Whether a variable has this value. Ignores the case, as the specification requires.
    fn is(&self, name: &str, value: &str) -> bool {
        self.get(name)
            .is_some_and(|text| text.eq_ignore_ascii_case(value))
    }

    fn problem(&mut self, name: &str, problem: String, remedy: &str) {
        self.problems.push(Problem::new(name, problem, remedy));
    }

    /// Returns the address to which a signal is sent. This is the signal's own endpoint, or else
    /// the common endpoint with `path` appended. Returns `None` if the signal is not exported or
    /// its endpoint is wrong.
    fn endpoint(&mut self, signal: &str, path: &str) -> Option<Url> {
        let off = self.is("OTEL_SDK_DISABLED", "true")
            || self.is(&format!("OTEL_{signal}_EXPORTER"), "none");
        let own = format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT");
        let base = "http://127.0.0.1:4318";
        let (name, text, example) = match (self.get(&own), self.get(ENDPOINT)) {
            (Some(text), _) => (own.as_str(), text.to_owned(), format!("{base}/{path}")),
            (None, Some(text)) => {
                let text = format!("{}/{path}", text.trim_end_matches('/'));
                (ENDPOINT, text, base.to_owned())
            }
            (None, None) => return None,
        };
        if off {
            return None;
        }
        self.wanted = true;
        let url = Url::parse(&text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        // Do not show the address, because it may contain a password.
        let problem = "does not begin with http:// or https://, or has no host".to_owned();
        if url.is_none() {
            let remedy = format!("write the collector's address, such as {example}");
            self.problem(name, problem, &remedy);
        }
        url
    }

    fn protocol(&mut self) {
        let other = self.get(PROTOCOL).map(shown);
        if let Some(other) = other.filter(|_| !self.is(PROTOCOL, JSON)) {
            let problem = format!("is {other}, but sharehook only speaks {JSON}");
            let remedy =
                "set it to http/json; collectors accept it on port 4318, as they do http/protobuf";
            self.problem(PROTOCOL, problem, remedy);
        }
    }

    /// Reads pairs such as `api-key=…,x-tenant=…`.
    fn headers(&mut self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, text) in self.pairs(HEADERS) {
            let named = HeaderName::from_bytes(name.to_lowercase().as_bytes());
            let value = HeaderValue::from_str(&text);
            let (Ok(named), Ok(mut value)) = (named, value) else {
                let problem = format!("the header {} cannot be sent", shown(&name));
                let remedy = "remove the characters that HTTP does not allow in its name or value";
                self.problem(HEADERS, problem, remedy);
                continue;
            };
            value.set_sensitive(true);
            headers.insert(named, value);
        }
        headers
    }

    fn resource(&mut self, instance: &str) -> Json {
        let mut named = BTreeMap::from([
            ("service.name".to_owned(), "sharehook".to_owned()),
            (
                "service.version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
            ("service.instance.id".to_owned(), instance.to_owned()),
        ]);
        named.extend(self.pairs(ATTRIBUTES));
        if let Some(name) = self.get("OTEL_SERVICE_NAME") {
            named.insert("service.name".to_owned(), name.to_owned());
        }
        let values = named.into_iter();
        let values = values.map(|(name, text)| (name, json!({ "stringValue": text })));
        json!({ "attributes": attributes(values) })
    }

    /// Reads `NAME=VALUE` pairs. The values may be percent-encoded.
    fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let text = self.get(name).unwrap_or_default().to_owned();
        let mut pairs = Vec::new();
        for pair in text.split(',').filter(|pair| !pair.trim().is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                let problem = "has a part without an equals sign".to_owned();
                self.problem(name, problem, "write NAME=VALUE, separated by commas");
                continue;
            };
            let value = percent_decode_str(value.trim()).decode_utf8_lossy();
            pairs.push((key.trim().to_owned(), value.into_owned()));
        }
        pairs
    }

    fn milliseconds(&mut self, name: &str, usual: u64) -> Duration {
        let read = self.get(name).map(str::to_owned);
        let number = read.as_deref().map(str::parse::<u64>);
        match number {
            None => Duration::from_millis(usual),
            Some(Ok(number)) if number > 0 => Duration::from_millis(number),
            Some(_) => {
                let problem = format!("is {}", shown(read.as_deref().unwrap_or_default()));
                self.problem(name, problem, "write a number of milliseconds above 0");
                Duration::from_millis(usual)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(vars: &[(&str, &str)]) -> Result<Settings, Problems> {
        let vars = vars.iter();
        let vars = vars.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::of(&vars.collect(), "i")
    }

    fn shown_url(url: Option<&Url>) -> Option<&str> {
        url.map(Url::as_str)
    }

    #[test]
    fn nothing_is_exported_without_an_endpoint_or_when_it_is_switched_off() {
        let here = "http://127.0.0.1:4318";
        assert!(of(&[]).unwrap().is_off());
        assert!(
            of(&[(PROTOCOL, "grpc"), (TIMEOUT, "soon")])
                .unwrap()
                .is_off()
        );
        for (disabled, none) in [("true", "none"), ("TRUE", "None")] {
            let off = of(&[(ENDPOINT, here), ("OTEL_SDK_DISABLED", disabled)]);
            assert!(off.unwrap().is_off(), "{disabled}");
            let traces = of(&[(ENDPOINT, here), ("OTEL_METRICS_EXPORTER", none)]).unwrap();
            assert!(
                traces.traces.is_some() && traces.metrics.is_none(),
                "{none}"
            );
        }
        let json = of(&[(ENDPOINT, here), (PROTOCOL, "HTTP/JSON")]).unwrap();
        assert!(!json.is_off());
    }

    #[test]
    fn a_signal_has_its_own_endpoint_or_a_path_of_the_common_one() {
        let settings = of(&[
            (ENDPOINT, "https://collector.example/otlp/"),
            (
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                "http://127.0.0.1:9/m",
            ),
            (HEADERS, "Api-Key=a%20b, x=1"),
            (TIMEOUT, "500"),
            (ATTRIBUTES, "service.name=other,team=images"),
            ("OTEL_SERVICE_NAME", "shares"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(
            shown_url(settings.traces.as_ref()),
            Some("https://collector.example/otlp/v1/traces")
        );
        assert_eq!(
            shown_url(settings.metrics.as_ref()),
            Some("http://127.0.0.1:9/m")
        );
        assert_eq!(settings.headers["api-key"], "a b");
        assert_eq!(settings.timeout, Duration::from_millis(500));
        let resource = settings.resource.to_string();
        assert!(
            resource.contains("shares") && resource.contains("images"),
            "{resource}"
        );
        assert!(!resource.contains("other"), "{resource}");
        assert!(!format!("{:?}", settings.headers).contains("a b"), "secret");
    }

    #[test]
    fn every_problem_is_reported_and_no_secret_shown() {
        let wrong = of(&[
            (ENDPOINT, "ftp://user:hush@collector"),
            (HEADERS, "hush,a b=hush"),
            (PROTOCOL, "grpc"),
            (INTERVAL, "0"),
        ]);
        let text = wrong.unwrap_err().to_string();
        for name in [ENDPOINT, HEADERS, PROTOCOL, INTERVAL] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(!text.contains("hush"), "{text}");
    }
}
