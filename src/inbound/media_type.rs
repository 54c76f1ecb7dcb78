//! Checks the media type of a delivery against those that its source accepts.

use super::delivery::Headers;
use super::envelope::EnvelopeSystem;
use super::refusal::Refusal;
use super::scheme::{HmacScheme, JSON_TYPES};
use super::scheme_kind::SchemeKind;
use super::trace::Trace;
use crate::domain::shown;

const FORM: &str = "application/x-www-form-urlencoded";

/// Returns whether the body is a form. A request without a media type is accepted, and the result
/// is `false`. Refuses a media type that the source does not accept.
pub(super) fn media_type(
    kind: &SchemeKind,
    headers: &Headers,
    trace: &mut Trace,
) -> Result<bool, Refusal> {
    let Some(text) = headers.one("content-type")? else {
        return Ok(false);
    };
    let name = text
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let served = match kind {
        SchemeKind::Hmac(record) => record.serves(&name),
        // WeCom posts XML, and its robots post JSON.
        SchemeKind::Envelope(scheme) if scheme.system == EnvelopeSystem::Wecom => {
            ["text/xml", "application/xml", JSON_TYPES[0]].contains(&name.as_str())
        }
        // SNS posts JSON as text/plain.
        SchemeKind::Sns => name == "text/plain" || name == JSON_TYPES[0],
        _ => JSON_TYPES.iter().any(|served| is_type(&name, served)),
    };
    trace.note("content type", served, || shown(text));
    if served {
        Ok(name == FORM)
    } else {
        Err(Refusal::MediaType {
            found: text.to_owned(),
        })
    }
}

impl HmacScheme {
    fn serves(&self, name: &str) -> bool {
        self.content_types
            .iter()
            .any(|served| is_type(name, served))
    }
}

fn is_type(name: &str, served: &str) -> bool {
    if served == "application/*+json" {
        let middle = name
            .strip_prefix("application/")
            .and_then(|rest| rest.strip_suffix("+json"));
        return middle.is_some_and(|middle| !middle.is_empty());
    }
    name.eq_ignore_ascii_case(served)
}
