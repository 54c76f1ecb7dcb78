//! Signs the notifications of this program, and signs test deliveries as their sender would. The
//! signed bytes come from `template`, which verification uses too. The time is an argument.

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

/// Returns the headers with which a delivery of `body` passes verification at `now`: the content
/// type first, then the headers of the scheme. `id` is used only if the scheme has a header for the
/// delivery's id. The body is signed unchanged, so it must already contain `now` if the scheme
/// reads the time from the body. Short and published secrets are accepted here, although
/// verification refuses them for real sources.
///
/// # Errors
/// Fails if the secret is unusable, if the inline table is unsafe, if `id` is not valid for the
/// scheme's header, or if a custom scheme signs a header other than the one for the id. Also fails
/// for schemes that headers alone cannot satisfy: `trusted`, `sns`, and those of approval systems.
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

/// Updates the time and the token in an event of an approval system, so that [`seal`] makes a
/// request from it that passes verification at `now`. Returns the event unchanged if the scheme is
/// not that of an approval system, or if the secret is unusable.
pub fn renewed(spec: &SchemeSpec, secret: &SecretString, event: Value, now: Timestamp) -> Value {
    let key = Key::read(spec, secret, SecretRules::AllowKnown, "secret");
    match (spec.kind(), key.as_ref().ok().and_then(Key::envelope)) {
        (SchemeKind::Envelope(scheme), Some(key)) => envelope::renewed(*scheme, key, event, now),
        _ => event,
    }
}

/// Returns the headers and the body of a request that passes verification at `now`.
///
/// For an approval system, `body` is an event as [`renewed`] returns it: with the time `now` and
/// the app's token. The event is encrypted if the scheme encrypts, for the receiver that is the
/// first entry of `from`. For any other scheme, `body` is signed as [`sign`] does.
///
/// # Errors
/// Fails like [`sign`], except that the schemes of approval systems are supported.
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
