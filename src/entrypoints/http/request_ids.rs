//! The ids by which a request can be found in the log: the value of `x-request-id` or a fresh id,
//! and the trace that `traceparent` names.

use crate::clock;
use crate::telemetry::TraceContext;

const MAX_ID_BYTES: usize = 128;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct RequestIds {
    pub(super) request: String,
    pub(super) trace: Option<TraceContext>,
}

impl RequestIds {
    pub(super) fn of(headers: &[(String, String)]) -> Self {
        let header = |name: &str| {
            let mut values = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
            values.next().map(|(_, value)| value.as_str())
        };
        let given = header("x-request-id").filter(|id| is_plain(id));
        // If the system has no random bytes, the id is empty, and the request is served
        // nevertheless.
        let fresh = || {
            clock::fresh_bytes::<8>()
                .map(hex::encode)
                .unwrap_or_default()
        };
        Self {
            request: given.map_or_else(fresh, str::to_owned),
            trace: header("traceparent").and_then(TraceContext::of_traceparent),
        }
    }
}

/// Whether an id is safe to log and to send back. An unauthenticated sender may have written it.
fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.bytes().all(plain)
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
}
