//! Lists the reasons for refusing a delivery. The log and the command `verify` show the reason; the
//! sender learns only whether its media type is wrong.

use super::delivery::DuplicateHeader;
use crate::domain::shown;

/// Why a delivery is refused. The `Display` text is for operators. It quotes shortened values from
/// the sender, and never contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The delivery came over HTTP for a trusted source, or from a trigger for any other source.
    #[error("a source with scheme {scheme} accepts no delivery by {transport}")]
    WrongTransport {
        /// The source's scheme.
        scheme: &'static str,
        /// `HTTP` or `a trigger`.
        transport: &'static str,
    },
    /// The source does not accept the receiver of an encrypted event.
    #[error(
        "the event is for {}, which is not listed in `from` (if `from` is empty: is not `app_id` of `fetch`)",
        shown(receiver)
    )]
    ForeignReceiver {
        /// The receiver.
        receiver: String,
    },
    /// The source does not list the origin of a trigger, or the topic of an SNS message.
    #[error("{} is not listed in `from`", shown(origin))]
    ForeignOrigin {
        /// The origin or topic.
        origin: String,
    },
    /// A value that the scheme needs is missing or empty.
    #[error("{what} is missing")]
    Missing {
        /// What is missing, such as a header, a body field or the time in the event.
        what: String,
    },
    /// The request has a header, or an item of the signature header, more than once with different
    /// values. Or it has a query field more than once, or two names of one query field with
    /// different values.
    #[error("{what} occurs more than once")]
    Duplicate {
        /// The header, list item or query field.
        what: String,
    },
    /// A value does not have the scheme's format.
    #[error("{what} is not valid: {why}")]
    Malformed {
        /// The value, such as a header, a body field or the encrypted text.
        what: String,
        /// What is wrong with the value.
        why: &'static str,
    },
    /// None of the configured secrets matches the signature, token, static secret or encrypted text
    /// in the request.
    #[error("{what} matches none of the source's secrets")]
    Mismatch {
        /// The header or field that has the signature, token or static secret.
        what: String,
    },
    /// The signature of an SNS message was not made with the key of the certificate.
    #[error(
        "body field Signature was not made with the signing certificate, or the message was changed"
    )]
    OtherCertificate,
    /// The sender is authentic, but the signed time or the time inside the event is outside the
    /// window.
    #[error("signed {}; at most {window} s are allowed", away(*milliseconds))]
    Stale {
        /// This machine's clock minus the checked time; negative if that time lies in the future.
        milliseconds: i64,
        /// How many seconds the scheme allows before and after now.
        window: u32,
    },
    /// The sender is authentic, but the source does not accept the media type.
    #[error("content type {} is not accepted for this source", shown(found))]
    MediaType {
        /// The media type as received.
        found: String,
    },
}

fn away(milliseconds: i64) -> String {
    let seconds = milliseconds.unsigned_abs() / 1_000;
    let rest = milliseconds.unsigned_abs() % 1_000;
    let side = if milliseconds < 0 {
        "in the future"
    } else {
        "ago"
    };
    if rest == 0 {
        format!("{seconds} s {side}")
    } else {
        format!("{seconds}.{rest:03} s {side}")
    }
}

impl Refusal {
    /// Whether only the media type is wrong (HTTP 415). Every other refusal is 401.
    pub fn is_media_type(&self) -> bool {
        matches!(self, Self::MediaType { .. })
    }

    pub(super) fn missing(what: impl Into<String>) -> Self {
        Self::Missing { what: what.into() }
    }

    pub(super) fn malformed(what: impl Into<String>, why: &'static str) -> Self {
        let what = what.into();
        Self::Malformed { what, why }
    }

    pub(super) fn mismatch(what: impl Into<String>) -> Self {
        Self::Mismatch { what: what.into() }
    }
}

impl From<DuplicateHeader> for Refusal {
    fn from(DuplicateHeader(name): DuplicateHeader) -> Self {
        Self::Duplicate {
            what: format!("header {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_wrote_is_shortened_and_escaped() {
        let text = Refusal::ForeignOrigin {
            origin: format!("a\n{}", "b".repeat(9_000)),
        }
        .to_string();
        assert!(text.len() < 120 && !text.contains('\n'), "{text}");
    }

    #[test]
    fn the_clock_difference_has_a_direction() {
        let told = |ms| {
            Refusal::Stale {
                milliseconds: ms,
                window: 60,
            }
            .to_string()
        };
        assert_eq!(
            told(60_001),
            "signed 60.001 s ago; at most 60 s are allowed"
        );
        assert_eq!(
            told(-61_000),
            "signed 61 s in the future; at most 60 s are allowed"
        );
    }
}
