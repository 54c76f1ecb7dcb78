//! Describes an HMAC-SHA256 sender as data: where the signature is, how it is written, what is
//! signed, and how old a delivery may be. An [`HmacScheme`] comes from a preset or from an
//! operator's inline table. [`HmacScheme::check`] returns every reason why it would not be safe to
//! verify with.

use serde::Deserialize;

use crate::domain::{Problem, Problems, shown};

/// How the signatures in a header are separated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Separator {
    /// No list: the header has one signature.
    None,
    /// `v1,a v1,b` (Standard Webhooks).
    Space,
    /// `v1=a,v1=b` (PagerDuty).
    Comma,
    /// `t=1,v1=a` (Stripe): like `comma`, but one of the items may be the time.
    Kv,
}

impl Separator {
    /// Returns the character between two items, or `None` if the header is not a list.
    pub(super) fn character(self) -> Option<char> {
        match self {
            Self::None => None,
            Self::Space => Some(' '),
            Self::Comma | Self::Kv => Some(','),
        }
    }
}

/// How the 32 bytes of the MAC are written. Each signature in the header is decoded, and its bytes
/// are compared in constant time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Lower-case hex. Upper case is refused, as in the senders' own libraries.
    Hex,
    /// Hex in either case, for senders whose own library decodes the signature instead of comparing
    /// it as text.
    HexAnyCase,
    /// Base64 in the standard alphabet, with padding.
    Base64,
}

/// How the text of a secret becomes the bytes of the key. Senders decode it in different ways, even
/// if their secrets look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeyDecoding {
    /// The text itself, even when it looks like base64 or begins with `whsec_`.
    Utf8,
    /// Base64 in the standard alphabet. Padding is optional.
    Base64,
    /// An optional `whsec_`, then base64 with optional padding (Standard Webhooks).
    Whsec,
}

/// One part of the signed text. A header or time is signed as the request writes it, not as it was
/// parsed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// A fixed text.
    Text(String),
    /// The value of a header. The value must match `[A-Za-z0-9_-]{1,128}`, so that it cannot be
    /// read as two parts.
    Header(String),
    /// The signed time, as the request writes it.
    Time,
    /// The raw body. It must occur once, as the last part.
    Body,
}

/// Where the signed time is. A time that is not signed is not used.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimeSource {
    /// A header with unix seconds, digits only.
    UnixHeader(String),
    /// A header with an RFC 3339 instant.
    Rfc3339Header(String),
    /// An item of the signature header with unix seconds: `t` in `t=1700000000,v1=…`.
    UnixItem(String),
    /// A JSON pointer into the body, to a number of unix milliseconds.
    MillisPointer(String),
}

/// Where the delivery's id is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IdSource {
    /// A header. If the signature does not cover the header, the program does not use its value as
    /// the id; only `sharehook verify` prints it.
    Header(String),
    /// A JSON pointer into the signed body, to a string.
    Pointer(String),
}

/// How an HMAC-SHA256 sender signs its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacScheme {
    /// The header with the signature or signatures.
    pub header: String,
    /// How several signatures are separated.
    pub separator: Separator,
    /// The text before each signature, such as `sha256=` or `v1,`. Items with another prefix are
    /// skipped.
    pub prefix: String,
    /// How a signature is written.
    pub encoding: Encoding,
    /// How a secret becomes a key.
    pub key: KeyDecoding,
    /// The parts of the signed text, in order.
    pub signed: Vec<Part>,
    /// Where the signed time is. If `None`, the age of a delivery is not checked, and only the
    /// identity of the request prevents a replay from acting again.
    pub time: Option<TimeSource>,
    /// How many seconds the signed time may lie before or after now.
    pub window: u32,
    /// Where the delivery's id is.
    pub id: Option<IdSource>,
    /// The accepted media types. `application/*+json` accepts every type with the suffix `+json`.
    pub content_types: Vec<String>,
    /// The minimum length of a key, in bytes. Standard Webhooks requires 24.
    pub min_key: usize,
    /// An alternative scheme with other headers. It is used if the request lacks a header of this
    /// scheme but has all headers of the alternative. For example, a delivery from Svix may have
    /// `webhook-*` headers instead of `svix-*`.
    pub fallback: Option<Box<HmacScheme>>,
}

pub(super) const JSON_TYPES: [&str; 2] = ["application/json", "application/*+json"];
/// The default of `window`, in seconds. The senders' reference libraries allow five minutes.
pub(super) const WINDOW: u32 = 300;
/// The minimum length of a static secret in bytes, and the default of `min_key`.
pub(super) const MIN_KEY: usize = 24;

impl HmacScheme {
    /// Describes a sender that signs only the body. The signature is lower-case hex, and the
    /// secret's text is the key.
    pub fn over_body(header: &str) -> Self {
        Self {
            header: header.to_owned(),
            separator: Separator::None,
            prefix: String::new(),
            encoding: Encoding::Hex,
            key: KeyDecoding::Utf8,
            signed: vec![Part::Body],
            time: None,
            window: WINDOW,
            id: None,
            content_types: JSON_TYPES.map(str::to_owned).to_vec(),
            min_key: MIN_KEY,
            fallback: None,
        }
    }

    pub(super) fn needed_headers(&self) -> impl Iterator<Item = &str> {
        self.headers_by_field().map(|(_, name)| name)
    }

    /// The headers that verification needs, each with the field of the scheme that names it.
    fn headers_by_field(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let time = match &self.time {
            Some(TimeSource::UnixHeader(name) | TimeSource::Rfc3339Header(name)) => {
                Some(("time", name.as_str()))
            }
            _ => None,
        };
        let signed = self.signed.iter().filter_map(|part| match part {
            Part::Header(name) => Some(("signed", name.as_str())),
            _ => None,
        });
        std::iter::once(("header", self.header.as_str()))
            .chain(time)
            .chain(signed)
    }

    /// Whether the MAC covers this header's text.
    pub(super) fn signs_header(&self, name: &str) -> bool {
        self.signed
            .iter()
            .any(|part| matches!(part, Part::Header(signed) if signed.eq_ignore_ascii_case(name)))
    }

    /// Returns the reasons why verifying with this scheme would be unsafe or could never succeed.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut say = |field: &str, problem: String, remedy: &str| {
            found.push(Problem::new(format!("scheme.{field}"), problem, remedy));
        };
        for (field, name) in self.headers_by_field().filter(|(_, name)| !is_token(name)) {
            say(
                field,
                format!("{} is not a header's name", shown(name)),
                "write it as in \"X-Signature\"",
            );
        }
        if self
            .signed
            .iter()
            .filter(|part| **part == Part::Body)
            .count()
            != 1
            || self.signed.last() != Some(&Part::Body)
        {
            say(
                "signed",
                "does not have the body once, as its last part".into(),
                "name \"body\" once, as the last part",
            );
        }
        if let Some((field, problem, remedy)) = self.time_problem() {
            say(field, problem.into(), remedy);
        }
        if let Some(part) = self.run_together() {
            say(
                "signed",
                format!("{part} is not separated from the next part"),
                "add a text part between them, such as { text = \".\" }",
            );
        }
        for (field, problem, remedy) in self.value_problems() {
            say(field, problem, remedy);
        }
        let time = self.time.iter().filter_map(|time| match time {
            TimeSource::MillisPointer(pointer) => Some(("time", pointer)),
            _ => None,
        });
        let id = self.id.iter().filter_map(|id| match id {
            IdSource::Pointer(pointer) => Some(("id", pointer)),
            IdSource::Header(_) => None,
        });
        let pointers = time.chain(id);
        for (field, pointer) in pointers.filter(|(_, pointer)| !pointer.starts_with('/')) {
            say(
                field,
                format!("{} is not a JSON pointer", shown(pointer)),
                "begin it with /, as in \"/event/id\"",
            );
        }
        if let Some(fallback) = &self.fallback {
            found.extend(fallback.problems());
        }
        found
    }

    /// Whether an item of the header can begin with the prefix.
    fn prefix_fits(&self) -> bool {
        let ascii = self
            .prefix
            .bytes()
            .all(|b| b.is_ascii_graphic() || b == b' ');
        let separator = self.separator.character();
        let whole = separator.is_none_or(|separator| !self.prefix.contains(separator));
        ascii && whole && !self.prefix.starts_with(' ')
    }

    fn value_problems(&self) -> Vec<(&'static str, String, &'static str)> {
        let limits = [
            (
                !self.prefix_fits(),
                "prefix",
                format!(
                    "is {}, but no signature can begin with it",
                    shown(&self.prefix)
                ),
                "write visible ASCII without the separator and without a blank at the beginning",
            ),
            (
                !(1..=86_400).contains(&self.window),
                "window",
                format!("is {} s", self.window),
                "write 1 to 86400 seconds",
            ),
            (
                self.min_key < 16,
                "min_key",
                format!("is {} bytes", self.min_key),
                "write at least 16",
            ),
            (
                self.content_types.is_empty(),
                "content_types",
                "is empty".to_owned(),
                "name at least one, such as \"application/json\"",
            ),
            (
                !self.content_types.iter().all(|one| is_media_type(one)),
                "content_types",
                "has a text that is not a media type".to_owned(),
                "write type/subtype, such as \"application/json\"",
            ),
        ];
        let wrong = limits.into_iter().filter(|(wrong, ..)| *wrong);
        wrong
            .map(|(_, field, problem, remedy)| (field, problem, remedy))
            .collect()
    }

    /// Returns field, problem and remedy if `time` does not fit `signed` or `separator`.
    fn time_problem(&self) -> Option<(&'static str, &'static str, &'static str)> {
        let timed = self.signed.contains(&Part::Time);
        match &self.time {
            None | Some(TimeSource::MillisPointer(_)) if timed => Some((
                "signed",
                "has \"time\", but `time` names no header or item",
                "set `time` to a header or item, or remove \"time\" from `signed`",
            )),
            Some(
                TimeSource::UnixHeader(_) | TimeSource::Rfc3339Header(_) | TimeSource::UnixItem(_),
            ) if !timed => Some((
                "signed",
                "does not cover the time",
                "add \"time\": an unsigned time can be rewritten",
            )),
            Some(TimeSource::UnixItem(_)) if self.separator != Separator::Kv => Some((
                "separator",
                "does not split the header into items, one of which is the time",
                "set separator = \"kv\"",
            )),
            _ => None,
        }
    }

    /// Returns the first part of variable length that is not separated from the next part. Without
    /// a separator, the signed bytes could be split into the two parts in more than one way. An RFC
    /// 3339 time needs no separator.
    fn run_together(&self) -> Option<&'static str> {
        let unix = !matches!(self.time, Some(TimeSource::Rfc3339Header(_)));
        self.signed.iter().zip(self.signed.iter().skip(1)).find_map(|(part, next)| {
            let (name, inside): (_, fn(u8) -> bool) = match part {
                Part::Header(_) => ("a header", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
                Part::Time if unix => ("the time", |b| b.is_ascii_digit()),
                Part::Time | Part::Text(_) | Part::Body => return None,
            };
            let ended = matches!(next, Part::Text(text) if text.bytes().next().is_some_and(|b| !inside(b)));
            (!ended).then_some(name)
        })
    }

    /// Checks that verifying with this scheme is safe and can succeed.
    ///
    /// # Errors
    /// Returns every problem found.
    pub fn check(&self) -> Result<(), Problems> {
        Problems::refuse_any(self.problems())
    }
}

fn is_media_type(text: &str) -> bool {
    let parts = text.split_once('/');
    parts.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
}

/// Whether `name` is a header name: a token of RFC 9110 with at most 128 characters.
pub(super) fn is_token(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=128).contains(&name.len()) && name.bytes().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str) -> Part {
        Part::Header(name.into())
    }

    fn text(text: &str) -> Part {
        Part::Text(text.into())
    }

    #[test]
    fn a_record_that_could_be_fooled_is_refused() {
        let base = HmacScheme::over_body("x-sig");
        assert_eq!(base.problems(), []);
        let unix = Some(TimeSource::UnixHeader("x-time".into()));
        let cases = [
            (
                "signed",
                HmacScheme {
                    signed: vec![],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![Part::Body, text(".")],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![Part::Body, Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![Part::Time, text("."), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    time: unix.clone(),
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    time: unix.clone(),
                    signed: vec![Part::Time, Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    time: unix.clone(),
                    signed: vec![Part::Time, text("0"), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![header("a"), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![header("a"), header("b"), text("."), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![header("a"), text(""), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![header("a"), text("-"), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "header",
                HmacScheme {
                    header: "x sig".into(),
                    ..base.clone()
                },
            ),
            (
                "signed",
                HmacScheme {
                    signed: vec![header(""), text("."), Part::Body],
                    ..base.clone()
                },
            ),
            (
                "prefix",
                HmacScheme {
                    separator: Separator::Comma,
                    prefix: "v1,".into(),
                    ..base.clone()
                },
            ),
            (
                "prefix",
                HmacScheme {
                    separator: Separator::Kv,
                    prefix: "v1=,".into(),
                    ..base.clone()
                },
            ),
            (
                "prefix",
                HmacScheme {
                    separator: Separator::Space,
                    prefix: "Signature ".into(),
                    ..base.clone()
                },
            ),
            (
                "prefix",
                HmacScheme {
                    prefix: " v1=".into(),
                    ..base.clone()
                },
            ),
            (
                "prefix",
                HmacScheme {
                    prefix: "v1\n".into(),
                    ..base.clone()
                },
            ),
            (
                "window",
                HmacScheme {
                    window: 0,
                    ..base.clone()
                },
            ),
            (
                "window",
                HmacScheme {
                    window: 90_000,
                    ..base.clone()
                },
            ),
            (
                "min_key",
                HmacScheme {
                    min_key: 8,
                    ..base.clone()
                },
            ),
            (
                "content_types",
                HmacScheme {
                    content_types: vec![],
                    ..base.clone()
                },
            ),
            (
                "time",
                HmacScheme {
                    time: Some(TimeSource::UnixHeader("a b".into())),
                    ..base.clone()
                },
            ),
            (
                "id",
                HmacScheme {
                    id: Some(IdSource::Pointer("id".into())),
                    ..base.clone()
                },
            ),
            (
                "time",
                HmacScheme {
                    time: Some(TimeSource::MillisPointer("t".into())),
                    ..base.clone()
                },
            ),
            (
                "separator",
                HmacScheme {
                    time: Some(TimeSource::UnixItem("t".into())),
                    signed: vec![Part::Time, text("."), Part::Body],
                    ..base.clone()
                },
            ),
        ];
        for (field, record) in cases {
            let problems = record.problems();
            assert!(
                problems
                    .iter()
                    .any(|p| p.field == format!("scheme.{field}")),
                "{field}: {record:?}: {problems:?}"
            );
            let nested = HmacScheme {
                fallback: Some(Box::new(record)),
                ..base.clone()
            };
            assert!(nested.check().is_err());
        }
    }

    #[test]
    fn an_instant_may_stand_before_the_body_without_a_separator() {
        let record = HmacScheme {
            time: Some(TimeSource::Rfc3339Header("x-time".into())),
            signed: vec![Part::Time, Part::Body],
            ..HmacScheme::over_body("x-sig")
        };
        assert_eq!(record.problems(), []);
    }

    #[test]
    fn a_prefix_may_contain_what_separates_nothing() {
        for (separator, prefix) in [
            (Separator::None, "Signature v1,"),
            (Separator::Space, "v1,"),
            (Separator::Comma, "v1 "),
        ] {
            let record = HmacScheme {
                separator,
                prefix: prefix.into(),
                ..HmacScheme::over_body("x-sig")
            };
            assert_eq!(record.problems(), []);
        }
    }
}
