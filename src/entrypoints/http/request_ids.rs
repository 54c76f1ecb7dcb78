//! The ids under which the log finds a request. In: headers. Out: `x-request-id` as the sender or a gateway
//! wrote it, or a fresh one; the trace of W3C's `traceparent` (www.w3.org/TR/trace-context).

use crate::clock;

const MAX_ID: usize = 128;

/// The ids of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestIds {
    pub(super) request: String,
    pub(super) trace: Option<String>,
}

impl RequestIds {
    pub(super) fn of(headers: &[(String, String)]) -> Self {
        let header = |name: &str| {
            let mut values = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            values.next().map(|(_, value)| value.as_str())
        };
        let given = header("x-request-id").filter(|id| is_plain(id));
        // Without random bytes the request is served nevertheless.
        let fresh = || clock::fresh_bytes().map(hex::encode).unwrap_or_default();
        Self {
            request: given.map_or_else(fresh, str::to_owned),
            trace: header("traceparent").and_then(trace_of).map(str::to_owned),
        }
    }
}

/// Whether an id can be logged and sent back: a stranger may have written it.
fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
    (1..=MAX_ID).contains(&id.len()) && id.bytes().all(plain)
}

/// The trace's id in `00-TRACE-PARENT-FLAGS`, or in the same form of a later version.
fn trace_of(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let lower_hex = |part: &str, length: usize| {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        part.len() == length && part.bytes().all(digit)
    };
    let version = parts.next()?;
    let (trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?);
    let right = lower_hex(version, 2) && lower_hex(trace, 32) && lower_hex(parent, 16);
    let right = right && lower_hex(flags, 2) && version != "ff";
    (right && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(name: &str, value: &str) -> RequestIds {
        RequestIds::of(&[(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn a_given_id_is_kept_and_an_odd_one_replaced() {
        assert_eq!(ids("X-Request-Id", "req-1:a").request, "req-1:a");
        for odd in ["", "a b", "a\nb", "\u{e9}", &"x".repeat(129)] {
            let fresh = ids("x-request-id", odd).request;
            assert!(fresh.len() == 16 && fresh != odd, "{odd:?}: {fresh}");
        }
        assert_ne!(RequestIds::of(&[]).request, RequestIds::of(&[]).request);
    }

    #[test]
    fn a_trace_is_read_from_a_valid_traceparent_only() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (text, read) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), true),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (
                format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
                false,
            ),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}-00f067aa0ba902b7"), false),
        ] {
            let found = ids("traceparent", &text).trace;
            assert_eq!(found.as_deref() == Some(trace), read, "{text}");
        }
    }
}
