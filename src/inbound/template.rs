//! Contains the code that signing and verification share. It builds the signed bytes that come
//! before the body, and reads and writes the signature header. It uses no key and reads no clock.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::scheme::{Encoding, HmacScheme, IdSource, Part, TimeSource};
use crate::domain::Timestamp;

/// Maximum number of items of a header that are read as signatures; later items are ignored.
/// Senders write two signatures while they rotate a secret.
const MAX_CANDIDATES: usize = 32;

/// Decodes secrets with or without padding. Bits that do not fill a byte are dropped, as in the
/// official libraries.
pub(super) const SECRET_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Returns the signed bytes up to the body, which is the last part of every scheme. `header`
/// returns the text of a signed header.
pub(super) fn signed_prefix<'a, E>(
    scheme: &'a HmacScheme,
    time: &str,
    mut header: impl FnMut(&'a str) -> Result<String, E>,
) -> Result<Vec<u8>, E> {
    let mut bytes = Vec::new();
    for part in &scheme.signed {
        match part {
            Part::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Part::Header(name) => bytes.extend_from_slice(header(name)?.as_bytes()),
            Part::Time => bytes.extend_from_slice(time.as_bytes()),
            Part::Body => {}
        }
    }
    Ok(bytes)
}

/// Splits a signature header into its items. If the header is a list, removes white space around
/// each item.
pub(super) fn items<'a>(scheme: &HmacScheme, field: &'a str) -> impl Iterator<Item = &'a str> {
    let separator = scheme.separator.character();
    let whole = separator.is_none().then_some(field);
    let list = separator.map(|separator| field.split(separator).map(str::trim_ascii));
    whole
        .into_iter()
        .chain(list.into_iter().flatten())
        .filter(|item| !item.is_empty())
}

/// Returns the signatures in a header that have the scheme's form. Skips items with another prefix
/// and items that do not decode to 32 bytes, because senders add signatures of other versions.
pub(super) fn candidates(scheme: &HmacScheme, field: &str) -> Vec<[u8; 32]> {
    items(scheme, field)
        .take(MAX_CANDIDATES)
        .filter_map(|item| decode(scheme.encoding, item.strip_prefix(scheme.prefix.as_str())?))
        .collect()
}

fn decode(encoding: Encoding, text: &str) -> Option<[u8; 32]> {
    let bytes = match encoding {
        Encoding::Hex if text.bytes().any(|b| b.is_ascii_uppercase()) => return None,
        Encoding::Hex | Encoding::HexAnyCase => hex::decode(text).ok()?,
        Encoding::Base64 => STANDARD.decode(text).ok()?,
    };
    bytes.try_into().ok()
}

pub(super) fn encode(scheme: &HmacScheme, mac: &[u8; 32]) -> String {
    let text = match scheme.encoding {
        Encoding::Hex | Encoding::HexAnyCase => hex::encode(mac),
        Encoding::Base64 => STANDARD.encode(mac),
    };
    format!("{}{text}", scheme.prefix)
}

/// Parses Unix seconds. Accepts digits only, without sign or leading zero, so that each instant has
/// one text.
pub(super) fn unix_seconds(text: &str) -> Option<Timestamp> {
    let digits = (1..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits || text.starts_with('0') {
        return None;
    }
    Timestamp::from_second(text.parse().ok()?).ok()
}

/// Parses an RFC 3339 instant. Refuses other forms that the parser of [`Timestamp`] would accept,
/// such as a time zone in brackets.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let shape = text.len() <= 35
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || b"-:TZ.+".contains(&b));
    let full = shape && text.contains('T') && (text.ends_with('Z') || text.len() > 20);
    if full { text.parse().ok() } else { None }
}

/// Whether `text` is an id that cannot contain a separator: `[A-Za-z0-9_-]{1,128}`.
pub(super) fn is_id(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=128).contains(&text.len()) && text.bytes().all(good)
}

/// Returns the text that the scheme's time header or time item has at `now`. Returns an empty text
/// if the scheme has neither.
pub(super) fn time_text(scheme: &HmacScheme, now: Timestamp) -> String {
    match &scheme.time {
        Some(TimeSource::UnixHeader(_) | TimeSource::UnixItem(_)) => now.as_second().to_string(),
        Some(TimeSource::Rfc3339Header(_)) => whole_second(now).to_string(),
        Some(TimeSource::MillisPointer(_)) | None => String::new(),
    }
}

fn whole_second(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

pub(super) fn id_header(scheme: &HmacScheme) -> Option<&str> {
    match &scheme.id {
        Some(IdSource::Header(name)) => Some(name),
        Some(IdSource::Pointer(_)) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::scheme::Separator;
    use super::*;

    #[test]
    fn one_instant_has_one_text() {
        assert_eq!(
            unix_seconds("1614265330").unwrap().as_second(),
            1_614_265_330
        );
        for bad in [
            "",
            "0",
            "01614265330",
            "+1614265330",
            "-1614265330",
            "1614265330.0",
            "1614265330abc",
            " 1614265330",
            "1e9",
            "hello",
            "١٢٣",
            "9999999999999999999",
            "99999999999999999999",
            "1614265330\n",
        ] {
            assert_eq!(unix_seconds(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_instant_is_strictly_rfc_3339() {
        for good in [
            "2021-03-25T05:09:27Z",
            "2021-03-25T05:09:27.123Z",
            "2021-03-25T07:09:27+02:00",
        ] {
            assert!(rfc3339(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "2021-03-25",
            "2021-03-25T05:09:27",
            "2021-03-25 05:09:27Z",
            "2021-03-25T05:09:27Z[UTC]",
            "2021-03-25t05:09:27z",
            "1616648967",
            "2021-03-25T25:09:27Z",
        ] {
            assert_eq!(rfc3339(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn signatures_have_one_spelling() {
        let mac = [0xab; 32];
        let hex = HmacScheme {
            prefix: "sha256=".into(),
            ..HmacScheme::over_body("x")
        };
        let lower = encode(&hex, &mac);
        assert_eq!(candidates(&hex, &lower), [mac]);
        for bad in [
            lower.to_uppercase(),
            format!("sha256={}", hex::encode_upper(mac)),
            format!("{lower}0"),
            format!("{lower},"),
            lower.replace("sha256=", ""),
            lower.replace("sha256", "sha1"),
            "sha256=".into(),
        ] {
            assert_eq!(candidates(&hex, &bad), [[0; 32]; 0], "{bad}");
        }
        let base64 = HmacScheme {
            encoding: Encoding::Base64,
            ..HmacScheme::over_body("x")
        };
        let text = encode(&base64, &mac);
        assert_eq!(candidates(&base64, &text), [mac]);
        assert!(
            candidates(&base64, text.trim_end_matches('=')).is_empty(),
            "padding is part of the spelling"
        );
        assert!(candidates(&base64, &STANDARD.encode([1; 31])).is_empty());
    }

    #[test]
    fn a_list_of_a_million_signatures_costs_little() {
        let scheme = HmacScheme {
            separator: Separator::Comma,
            ..HmacScheme::over_body("x")
        };
        let item = encode(&scheme, &[1; 32]);
        let list = vec![item; 1_000].join(",");
        assert_eq!(candidates(&scheme, &list).len(), MAX_CANDIDATES);
    }

    #[test]
    fn blanks_beside_the_items_of_a_list_do_not_count() {
        for separator in [Separator::Comma, Separator::Kv, Separator::Space] {
            let record = HmacScheme {
                separator,
                prefix: "v1=".into(),
                ..HmacScheme::over_body("x")
            };
            let list = [[1; 32], [2; 32]].map(|mac| encode(&record, &mac));
            let comma = if separator == Separator::Space {
                ""
            } else {
                ","
            };
            let field = list.join(&format!("{comma} "));
            assert_eq!(candidates(&record, &field), [[1; 32], [2; 32]], "{field}");
        }
    }
}
