//! `verify` and `sign`: a signature check explained step by step, and the headers of a test
//! delivery.

use std::path::Path;

use secrecy::SecretString;
use serde_json::json;

use crate::app::{Delivery, Headers, Via};
use crate::clock;
use crate::config::SourceConfig;
use crate::domain::{SourceName, Timestamp};
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::inbound::{SchemeName, SchemeSpec, SecretRules, Verifier, sign as sign_delivery};

use super::args::{SignOptions, VerifyOptions};
use super::{Context, cannot_start, usage};

/// Bodies beyond this are no deliveries.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

pub(super) fn verify(context: &Context, options: &VerifyOptions) -> Exit {
    let (name, verifier) = match verifier(context, options) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let headers: Result<Vec<(String, String)>, String> =
        options.headers.iter().map(|text| header(text)).collect();
    let (headers, body, now) = match (
        headers,
        read(&options.body),
        instant(options.now.as_deref()),
    ) {
        (Ok(headers), Ok(body), Ok(now)) => (headers, body, now),
        (Err(problem), _, _) | (_, Err(problem), _) | (_, _, Err(problem)) => {
            return usage(&problem);
        }
    };
    let delivery = Delivery {
        source: name,
        via: Via::Http(Headers::new(headers)),
        body: body.into(),
    };
    let explained = verifier.explain(delivery, now);
    let accepted = explained.outcome.is_ok();
    if context.json {
        let why = explained.outcome.as_ref().err().map(ToString::to_string);
        outln!(
            "{}",
            json!({ "accepted": accepted, "why": why, "steps": explained.steps })
        );
    } else {
        for step in &explained.steps {
            outln!(
                "{} {:<18} {}",
                if step.ok { "ok  " } else { "FAIL" },
                step.what,
                step.shown
            );
        }
        match &explained.outcome {
            Ok(_) => outln!("accepted"),
            Err(refusal) => outln!("refused: {refusal}"),
        }
    }
    if accepted { Exit::Done } else { Exit::Refused }
}

pub(super) fn sign(context: &Context, options: &SignOptions) -> Exit {
    let source = match configured(context, &options.source) {
        Ok(source) => source,
        Err(exit) => return exit,
    };
    let (body, now) = match (read(&options.body), instant(options.now.as_deref())) {
        (Ok(body), Ok(now)) => (body, now),
        (Err(problem), _) | (_, Err(problem)) => return usage(&problem),
    };
    let Some(secret) = source.secrets.first() else {
        return usage(&format!(
            "source {} has no secret: its deliveries are not signed",
            source.name
        ));
    };
    let id = options.id.clone().unwrap_or_else(|| {
        let seed = [body.as_slice(), now.to_string().as_bytes()].concat();
        format!("msg_{}", crate::app::short_digest(&seed))
    });
    match sign_delivery(&source.scheme, secret, &body, &id, now) {
        Ok(headers) if context.json => {
            let map: serde_json::Map<_, _> = headers
                .into_iter()
                .map(|(name, value)| (name, json!(value)))
                .collect();
            outln!("{}", json!(map));
            Exit::Done
        }
        Ok(headers) => {
            // Ready to paste behind `curl`: none of the values contains a quote.
            let options: Vec<String> = headers
                .iter()
                .map(|(name, value)| format!("-H '{name}: {value}'"))
                .collect();
            outln!("{}", options.join(" "));
            Exit::Done
        }
        Err(problem) => usage(&problem.to_string()),
    }
}

fn verifier(context: &Context, options: &VerifyOptions) -> Result<(SourceName, Verifier), Exit> {
    let bad = |problem: &dyn std::fmt::Display| {
        eprintln!("sharehook: {problem}");
        Exit::BadConfiguration
    };
    match (&options.scheme, &options.source) {
        (Some(scheme), _) => {
            let scheme: SchemeName = scheme
                .parse()
                .map_err(|problem: crate::domain::Problem| bad(&problem))?;
            let name = "command-line"
                .parse()
                .map_err(|problem: crate::domain::Problem| bad(&problem))?;
            let secrets = options
                .secrets
                .iter()
                .cloned()
                .map(SecretString::from)
                .collect();
            // An example from somebody's documentation may be explained here; a real source refuses
            // its secret.
            let rules = SecretRules::AllowKnown;
            let verifier =
                Verifier::with_rules(SchemeSpec::preset(scheme), secrets, Vec::new(), rules);
            Ok((name, verifier.map_err(|problems| bad(&problems))?))
        }
        (None, Some(name)) => {
            let source = configured(context, name)?;
            let verifier = Verifier::new(source.scheme, source.secrets, source.from);
            Ok((source.name, verifier.map_err(|problems| bad(&problems))?))
        }
        (None, None) => Err(usage(
            "name a configured --source, or a --scheme with its --secret",
        )),
    }
}

fn configured(context: &Context, name: &str) -> Result<SourceConfig, Exit> {
    let config = context.load().map_err(|error| cannot_start(&error))?;
    let names: Vec<String> = config
        .sources
        .iter()
        .map(|source| source.name.to_string())
        .collect();
    let found = config
        .sources
        .into_iter()
        .find(|source| source.name.as_str() == name);
    found.ok_or_else(|| {
        usage(&format!(
            "no source {name:?} is configured; there are {}",
            names.join(", ")
        ))
    })
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or_else(|| format!("--header {text:?} is not 'Name: value'"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let shown = path.display();
    let size = std::fs::metadata(path)
        .map_err(|error| format!("{shown} cannot be read: {error}"))?
        .len();
    if size > MOST_BYTES {
        return Err(format!(
            "{shown} has {size} bytes; a delivery has {MOST_BYTES} at most"
        ));
    }
    std::fs::read(path).map_err(|error| format!("{shown} cannot be read: {error}"))
}

/// RFC 3339, or Unix seconds as most senders write them.
fn instant(text: Option<&str>) -> Result<Timestamp, String> {
    let Some(text) = text else {
        return Ok(clock::system_now());
    };
    let seconds = text
        .parse::<i64>()
        .ok()
        .and_then(|s| Timestamp::from_second(s).ok());
    seconds
        .or_else(|| text.parse().ok())
        .ok_or_else(|| format!("--now {text:?} is neither RFC 3339 nor Unix seconds"))
}
