//! Parses the values of options. In: an option's text. Out: the value, or a problem that clap
//! prints.

use std::str::FromStr;

use jiff::SignedDuration;

use crate::app::{Operator, ReceiverFilter};
use crate::domain::{Problem, Span, Timestamp};

/// Reads an option's value with the `FromStr` of its type.
pub(super) fn read<T: FromStr<Err = Problem>>(text: &str) -> Result<T, String> {
    let read = text.parse();
    read.map_err(|problem: Problem| format!("{}; {}", problem.problem, problem.remedy))
}

/// Reads an instant in RFC 3339.
pub(super) fn timestamp(text: &str) -> Result<Timestamp, String> {
    let wrong = |error| format!("{error}; write it in RFC 3339, as in 2026-11-21T08:00:00Z");
    text.parse().map_err(wrong)
}

/// Reads an instant, written in RFC 3339 or in Unix seconds. Most senders use Unix seconds.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    let seconds = text.parse().ok();
    let seconds = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let read = seconds.or_else(|| text.parse().ok());
    let wrong = "neither RFC 3339 nor Unix seconds; write it as in 2026-11-21T08:00:00Z";
    read.ok_or_else(|| wrong.to_owned())
}

/// Reads the operator that `--as` names, written SOURCE/REQUESTER.
pub(super) fn operator(text: &str) -> Result<Operator, String> {
    let parts = text.split_once('/');
    let parts = parts.filter(|(_, requester)| !requester.is_empty());
    let (source, requester) =
        parts.ok_or("not SOURCE/REQUESTER, as in invoke/alice@example.com")?;
    Ok(Operator {
        source: read(source)?,
        requester: requester.to_owned(),
    })
}

/// Reads a filter of `images`, written NAME=VALUE. Accepts only names and image types that the
/// cloud knows.
pub(super) fn image_filter(text: &str) -> Result<(&'static str, String), String> {
    const NAMES: [&str; 3] = ["image-id", "image-name", "image-type"];
    let (name, value) = text.split_once('=').ok_or("not NAME=VALUE")?;
    let known = NAMES.into_iter().find(|known| *known == name);
    let unknown = || format!("the name is not one of {}", NAMES.join(", "));
    let name = known.ok_or_else(unknown)?;
    const TYPES: [&str; 3] = ["PRIVATE_IMAGE", "PUBLIC_IMAGE", "SHARED_IMAGE"];
    if value.is_empty() {
        return Err("the value is empty".to_owned());
    }
    if name == "image-type" && !TYPES.contains(&value) {
        return Err(format!("the type is not one of {}", TYPES.join(", ")));
    }
    Ok((name, value.to_owned()))
}

/// Reads a header of a delivery, written `Name: value`.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("not 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

/// The value of `--since`: an instant, or a span of time before now.
#[derive(Debug, Clone)]
pub(crate) enum Since {
    At(Timestamp),
    Before(Span),
}

impl FromStr for Since {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let at = text.parse().map(Self::At).ok();
        let read = at.or_else(|| text.parse().map(Self::Before).ok());
        read.ok_or_else(|| {
            Problem::new(
                "since",
                "neither an instant nor a length of time",
                "write it as in 2026-11-21T08:00:00Z, or as in 7d",
            )
        })
    }
}

impl Since {
    /// Returns the instant. A span is counted back from `now`.
    pub(super) fn instant(&self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(instant) => *instant,
            Self::Before(span) => {
                let span = SignedDuration::from_secs(span.seconds());
                now.checked_sub(span).unwrap_or(Timestamp::MIN)
            }
        }
    }
}

/// Reads the value of `--account`: an account's id, or Lighthouse.
pub(super) fn receiver(text: &str) -> Result<ReceiverFilter, String> {
    if text.eq_ignore_ascii_case(ReceiverFilter::Lighthouse.as_str()) {
        return Ok(ReceiverFilter::Lighthouse);
    }
    read(text).map(ReceiverFilter::Account)
}
