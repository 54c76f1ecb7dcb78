//! `verify` explains a signature check step by step. `sign` prints the headers of a test delivery.
//! If the source is an approval system, `sign` prints the whole delivery.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::json;

use crate::app::{Delivery, Headers, Via};
use crate::clock;
use crate::config::{Config, SourceConfig, read_at_most};
use crate::domain::{Problem, Problems, SourceName, Timestamp, read_json, shell_quoted};
use crate::entrypoints::cli::print::{errln, out, outln};
use crate::entrypoints::http::query_fields;
use crate::entrypoints::outcome::Exit;
use crate::inbound::{
    SchemeKind, SchemeName, SchemeSpec, SecretRules, Verifier, renewed, seal, sign as sign_delivery,
};

use super::args::{SignOptions, VerifyOptions};
use super::listing::source_names;
use super::terminal::Screen;
use super::terminal::text::indented;
use super::{Context, Failure};

/// Maximum size of a file with the body of a delivery, or with a host's event.
pub(super) const MAX_BODY_BYTES: u64 = 8 * 1024 * 1024;
/// The column in which a step's text begins.
const MARGIN: usize = 24;

pub(super) fn verify(context: &Context, options: &VerifyOptions) -> Result<Exit, Failure> {
    let (name, verifier) = verifier(context, options)?;
    let body = read(&options.body)?;
    let now = options.now.unwrap_or_else(clock::system_now);
    let headers = Headers::new(options.headers.iter().cloned());
    let query = options.query.as_deref().unwrap_or_default();
    let query = query.split_once('?').map_or(query, |(_, query)| query);
    let headers = headers.with_query(query_fields(query));
    let delivery = Delivery {
        source: name,
        via: Via::Http(headers),
        body: body.into(),
    };
    let explained = verifier.explain(delivery, now);
    let accepted = explained.outcome.is_ok();
    if context.json {
        let why = explained.outcome.as_ref().err().map(ToString::to_string);
        out(json!({ "accepted": accepted, "why": why, "steps": explained.steps }));
    } else {
        let width = Screen::of_stdout(&context.vars).width;
        for step in &explained.steps {
            let mark = if step.ok { "ok  " } else { "FAIL" };
            let shown = indented(MARGIN, &step.shown, width);
            outln!("{mark} {:<18} {shown}", step.what);
        }
        match &explained.outcome {
            Ok(_) => outln!("accepted"),
            Err(refusal) => outln!("{}", indented(2, &format!("refused: {refusal}"), width)),
        }
    }
    Ok(if accepted { Exit::Done } else { Exit::Refused })
}

pub(super) fn sign(context: &Context, options: &SignOptions) -> Result<Exit, Failure> {
    let source = configured(context, &options.source)?;
    let body = read(&options.body)?;
    let now = options.now.unwrap_or_else(clock::system_now);
    let secret = source.secrets.first().ok_or_else(|| {
        Failure::Usage(format!(
            "source {} has no secret to sign with; name a source with a secret",
            source.name
        ))
    })?;
    let id = options.id.clone().unwrap_or_else(|| {
        let seed = [body.as_slice(), now.to_string().as_bytes()].concat();
        format!("msg_{}", crate::app::short_digest(&seed))
    });
    if matches!(source.scheme.kind(), SchemeKind::Envelope(_)) || source.fetch.is_some() {
        return whole_request(context, &source, &secret.text, &body, (&id, now));
    }
    let headers =
        sign_delivery(&source.scheme, &secret.text, &body, &id, now).map_err(Failure::usage)?;
    warn_if_refused(&source, Headers::new(headers.clone()), body.into(), now);
    if context.json {
        let map: serde_json::Map<_, _> = headers
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        out(json!(map));
    } else {
        // Print arguments for `curl`.
        let options: Vec<String> = headers
            .iter()
            .map(|(name, value)| format!("-H {}", shell_quoted(&format!("{name}: {value}"))))
            .collect();
        outln!("{}", options.join(" "));
    }
    Ok(Exit::Done)
}

/// Prints the whole request with the event in `body`, as its source would send it at `now`. If
/// `body` has the fields `event` and `instance`, uses only the `event`.
fn whole_request(
    context: &Context,
    source: &SourceConfig,
    secret: &SecretString,
    body: &[u8],
    (id, now): (&str, Timestamp),
) -> Result<Exit, Failure> {
    let mut event = read_json(body).map_err(|flaw| Failure::Usage(format!("the event {flaw}")))?;
    if let (Some(inner), true) = (event.get("event"), event.get("instance").is_some()) {
        event = inner.clone();
    }
    let event = renewed(&source.scheme, secret, event, now);
    let from = &source.from;
    let body = event.to_string().into_bytes();
    let sealed = seal(&source.scheme, secret, from, body, id, now).map_err(Failure::usage)?;
    let (headers, body) = sealed;
    warn_if_refused(source, headers.clone(), body.clone(), now);
    let body = String::from_utf8_lossy(&body);
    let pairs = headers.names().filter_map(|name| {
        let value = headers.one(name).ok().flatten()?;
        Some((name, value))
    });
    let query = headers.query_fields();
    if context.json {
        let headers: BTreeMap<_, _> = pairs.collect();
        let query: BTreeMap<_, _> = query.iter().cloned().collect();
        out(json!({ "headers": headers, "query": query, "body": body }));
        return Ok(Exit::Done);
    }
    // Print arguments for `curl`.
    let fields = query.iter();
    let fields = fields.map(|(name, value)| ("--url-query", format!("{name}={value}")));
    let pairs = pairs.map(|(name, value)| ("-H", format!("{name}: {value}")));
    let body = std::iter::once(("--data-raw", body.into_owned()));
    let options = fields.chain(pairs).chain(body);
    let options = options.map(|(option, text)| format!("{option} {}", shell_quoted(&text)));
    let options: Vec<String> = options.collect();
    outln!("{}", options.join(" "));
    Ok(Exit::Done)
}

/// Prints a warning if the source would refuse this request at `now`, for example because the
/// signed time is a field of the body and is too old.
fn warn_if_refused(source: &SourceConfig, headers: Headers, body: Bytes, now: Timestamp) {
    let delivery = Delivery {
        source: source.name.clone(),
        via: Via::Http(headers),
        body,
    };
    let why = match verifier_of(source) {
        Ok(verifier) => verifier
            .verify(delivery, now)
            .err()
            .map(|refusal| refusal.to_string()),
        Err(problems) => Some(problems.to_string()),
    };
    if let Some(why) = why {
        errln!(
            "warning: source {} refuses this delivery: {why}",
            source.name
        );
    }
}

fn verifier(context: &Context, options: &VerifyOptions) -> Result<(SourceName, Verifier), Failure> {
    if let Some(scheme) = &options.scheme {
        let invalid = |problem: Problem| Failure::Invalid(problem.into());
        let scheme: SchemeName = scheme.parse().map_err(invalid)?;
        let name = "command-line".parse().map_err(invalid)?;
        let secrets = options.secrets.iter().cloned();
        let secrets = secrets.map(SecretString::from).collect();
        // Accept the secrets that senders publish in the examples of their documentation. A
        // configured source refuses them.
        let rules = SecretRules::AllowKnown;
        let (spec, from) = (SchemeSpec::preset(scheme), options.from.clone());
        let verifier = Verifier::with_rules(spec, secrets, from, rules);
        return Ok((name, verifier.map_err(Failure::Invalid)?));
    }
    let Some(name) = &options.source else {
        let text = "name a configured --source, or a --scheme with its --secret";
        return Err(Failure::usage(text));
    };
    let source = configured(context, name)?;
    let verifier = verifier_of(&source).map_err(Failure::Invalid)?;
    Ok((source.name, verifier))
}

fn verifier_of(source: &SourceConfig) -> Result<Verifier, Problems> {
    let (scheme, from) = (source.scheme.clone(), source.from.clone());
    Verifier::new(scheme, source.secret_texts(), from)
}

fn configured(context: &Context, name: &str) -> Result<SourceConfig, Failure> {
    let config = context.load()?;
    let found = config
        .sources
        .iter()
        .find(|source| source.name.as_str() == name);
    found.cloned().ok_or_else(|| unknown_source(name, &config))
}

pub(super) fn unknown_source(name: &str, config: &Config) -> Failure {
    Failure::Usage(format!(
        "no source has the name {name:?}; the configuration has {}",
        source_names(config)
    ))
}

/// Reads the body of a delivery. Returns [`Failure::Usage`] if the file cannot be read.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::Usage(format!("{} cannot be read: {error}", path.display()));
    read_at_most(path, MAX_BODY_BYTES).map_err(unreadable)
}
