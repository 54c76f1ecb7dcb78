//! Signs this program's notifications, and test deliveries as their sender would. In: scheme,
//! secret, body, id, now. Out: the headers to send. The signed bytes come from `template`, which
//! verification uses too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::delivery::Headers;
use super::envelope;
use super::scheme::{HmacScheme, Separator, TimeSource};
use super::scheme_kind::SchemeKind;
use super::secret::{Key, SecretRules};
use super::spec::SchemeSpec;
use super::template::{encode, id_header, is_id, signed_prefix, time_text};
use crate::domain::{Problem, Problems, Timestamp};

/// Returns the headers with which a delivery of `body` verifies at `now`: content type first, then
/// those of the scheme. Uses `id` if the scheme has an id header. Signs the body unchanged: if the
/// scheme reads the time from the body, the body must contain `now`. Accepts short and published
/// secrets, which verification refuses for real sources.
///
/// # Errors
/// An unusable secret, an unsafe inline table, an id that the scheme cannot carry, a custom scheme
/// that signs headers other than the id's, or a scheme that headers alone cannot satisfy:
/// `trusted`, `sns`, and those of approval systems.
pub fn sign(
    spec: &SchemeSpec,
    secret: &SecretString,
    body: &[u8],
    id: &str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Problems> {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    let plain = secret.expose_secret();
    let unsigned =
        |problem: &str, remedy: &str| Err(Problem::new("scheme", problem, remedy).into());
    match spec.kind() {
        SchemeKind::Hmac(scheme) => {
            scheme.check()?;
            let key = Key::read(spec, secret, SecretRules::AllowKnown, "secret")?;
            // Slack sends both forms and JSON. The body shows which of the two it is.
            let json = |served: &&String| {
                served.ends_with("json") == matches!(body.first(), None | Some(b'{' | b'['))
            };
            let content_type = scheme
                .content_types
                .iter()
                .find(json)
                .or(scheme.content_types.first());
            if let (Some(content_type), Some(first)) = (content_type, headers.first_mut())
                && !content_type.contains('*')
            {
                first.1.clone_from(content_type);
            }
            headers.extend(hmac_headers(scheme, &key, body, id, now)?);
        }
        SchemeKind::Token { header } => headers.push((header.clone(), plain.to_owned())),
        SchemeKind::Bearer => headers.push(("authorization".to_owned(), format!("Bearer {plain}"))),
        SchemeKind::Basic => headers.push((
            "authorization".to_owned(),
            format!("Basic {}", STANDARD.encode(plain)),
        )),
        SchemeKind::Envelope(_) => {
            let remedy = "use the command `sign`, which encrypts the body too";
            return unsigned("encrypts its body", remedy);
        }
        SchemeKind::Sns => {
            let remedy = "publish to a topic that is subscribed to this address";
            return unsigned("only Amazon SNS can sign its messages", remedy);
        }
        SchemeKind::Trusted => {
            let remedy = "send it through the queue, topic or bus that `from` names";
            return unsigned("a trusted source accepts no HTTP requests", remedy);
        }
    }
    Ok(headers)
}

/// Sets the time and the token in an event of an approval system, so that [`seal`] makes a request
/// that verifies at `now`. Returns the event unchanged if the scheme is not an approval system's,
/// or the secret is unusable.
pub fn renewed(spec: &SchemeSpec, secret: &SecretString, event: Value, now: Timestamp) -> Value {
    let key = Key::read(spec, secret, SecretRules::AllowKnown, "secret");
    match (spec.kind(), key.as_ref().ok().and_then(Key::envelope)) {
        (SchemeKind::Envelope(scheme), Some(key)) => envelope::renewed(*scheme, key, event, now),
        _ => event,
    }
}

/// Returns a request that verifies at `now`. Signs `body` as [`sign`] does. For an approval system,
/// `body` is an event with the time `now` and the app's token, as [`renewed`] returns it: makes the
/// request that delivers it, encrypted if the scheme encrypts. The first entry of `from` is the
/// receiver.
///
/// # Errors
/// As [`sign`], but the schemes of approval systems are no error.
pub fn seal(
    spec: &SchemeSpec,
    secret: &SecretString,
    from: &[String],
    body: Vec<u8>,
    id: &str,
    now: Timestamp,
) -> Result<(Headers, Bytes), Problems> {
    let SchemeKind::Envelope(scheme) = spec.kind() else {
        let headers = sign(spec, secret, &body, id, now)?;
        return Ok((Headers::new(headers), body.into()));
    };
    let key = Key::read(spec, secret, SecretRules::AllowKnown, "secret")?;
    let receiver = from.first().map_or("", String::as_str);
    let request = key
        .envelope()
        .and_then(|key| envelope::seal(*scheme, key, receiver, &body, now));
    let request = request.ok_or_else(no_key)?;
    let headers = Headers::new(request.headers).with_query(request.query);
    Ok((headers, request.body.into()))
}

fn no_key() -> Problem {
    Problem::new(
        "secret",
        "is not a signing key",
        "use the secret of this scheme",
    )
}

fn hmac_headers(
    scheme: &HmacScheme,
    key: &Key,
    body: &[u8],
    id: &str,
    now: Timestamp,
) -> Result<Vec<(String, String)>, Problem> {
    let mut headers = Vec::new();
    let id_name = id_header(scheme);
    if let Some(name) = id_name {
        if !is_id(id) {
            return Err(Problem::new(
                "id",
                "is not a delivery id",
                "use 1 to 128 letters, digits, - or _",
            ));
        }
        headers.push((name.to_owned(), id.to_owned()));
    }
    let time = time_text(scheme, now);
    let prefix = signed_prefix(scheme, &time, |name| match id_name {
        Some(id_name) if id_name.eq_ignore_ascii_case(name) => Ok(id.to_owned()),
        _ => Err(Problem::new(
            "scheme.signed",
            format!("signs the header {name}, whose value is unknown here"),
            "sign with another program; `sharehook sign` knows only the header of the id",
        )),
    })?;
    let Some(mac) = key.mac(&prefix, body) else {
        return Err(no_key());
    };
    let mut signature = encode(scheme, &mac);
    match &scheme.time {
        Some(TimeSource::UnixHeader(name) | TimeSource::Rfc3339Header(name)) => {
            headers.push((name.clone(), time))
        }
        Some(TimeSource::UnixItem(item)) if scheme.separator == Separator::Kv => {
            signature = format!("{item}={time},{signature}");
        }
        _ => {}
    }
    headers.push((scheme.header.clone(), signature));
    Ok(headers)
}
