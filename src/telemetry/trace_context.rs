//! The place of work in a distributed trace. In: W3C's header `traceparent`
//! (www.w3.org/TR/trace-context), or X-Ray's trace header. Out: the same headers, for outgoing
//! requests. A task carries the context of the delivery on which it works.

use std::future::Future;

/// A trace, and the span in it to which the current work belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    span: u64,
    /// Whether the sender records the trace and asks others to record it.
    sampled: bool,
}

tokio::task_local! {
    static CARRIED: TraceContext;
}

impl TraceContext {
    /// Reads the header `traceparent`, which has the form `00-TRACE-SPAN-FLAGS`. If a later version
    /// of the header adds fields, they are ignored. Returns `None` if the header is invalid.
    pub fn of_traceparent(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = lower_hex(parts.next()?, 2)?;
        let (trace, span) = (lower_hex(parts.next()?, 32)?, lower_hex(parts.next()?, 16)?);
        let flags = lower_hex(parts.next()?, 2)?;
        let right = version != 0xff && (version != 0 || parts.next().is_none());
        Self::new(trace, span, flags & 1 == 1).filter(|_| right)
    }

    /// Reads X-Ray's trace header, such as `Root=1-TIME-REST;Parent=SPAN;Sampled=1`. Source:
    /// docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader.
    fn of_xray(text: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut pairs = text
                .split(';')
                .filter_map(|pair| pair.trim().split_once('='));
            pairs
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value)
        };
        let (time, rest) = field("Root")?.strip_prefix("1-")?.split_once('-')?;
        let trace = lower_hex(time, 8)? << 96 | lower_hex(rest, 24)?;
        let span = lower_hex(field("Parent")?, 16)?;
        Self::new(trace, span, field("Sampled") == Some("1"))
    }

    /// Reads X-Ray's trace header. Returns `None` if the header is invalid, or if X-Ray does not
    /// record the trace. Lambda sends the header of such a trace if active tracing is off.
    pub fn of_sampled_xray(text: &str) -> Option<Self> {
        Self::of_xray(text).filter(|context| context.sampled)
    }

    fn new(trace: u128, span: u128, sampled: bool) -> Option<Self> {
        let span = u64::try_from(span).ok()?;
        (trace != 0 && span != 0).then_some(Self {
            trace,
            span,
            sampled,
        })
    }

    /// Returns the context of a new, sampled trace that begins with the span `span`.
    #[cfg(feature = "otlp")]
    pub(super) fn beginning(trace: u128, span: u64) -> Self {
        Self {
            trace,
            span,
            sampled: true,
        }
    }

    /// Returns the context of another span in the same trace.
    #[cfg(feature = "otlp")]
    pub(super) fn under(self, span: u64) -> Self {
        Self { span, ..self }
    }

    #[cfg(feature = "otlp")]
    pub(super) fn span(self) -> u64 {
        self.span
    }

    #[cfg(feature = "otlp")]
    pub(super) fn is_sampled(self) -> bool {
        self.sampled
    }

    /// Returns the trace's id in hexadecimal.
    pub fn trace_id(self) -> String {
        format!("{:032x}", self.trace)
    }

    #[cfg(feature = "otlp")]
    pub(super) fn span_id(self) -> String {
        format!("{:016x}", self.span)
    }

    /// Returns the value of the header `traceparent`.
    pub fn traceparent(self) -> String {
        let flags = u8::from(self.sampled);
        format!("00-{:032x}-{:016x}-{flags:02x}", self.trace, self.span)
    }

    /// Returns the value of the header `x-amzn-trace-id`.
    pub fn xray(self) -> String {
        let (time, rest) = (self.trace >> 96, self.trace & (u128::MAX >> 32));
        let sampled = u8::from(self.sampled);
        format!(
            "Root=1-{time:08x}-{rest:024x};Parent={:016x};Sampled={sampled}",
            self.span
        )
    }
}

/// Reads a hexadecimal number of exactly `digits` lower-case digits, as both headers require.
fn lower_hex(text: &str, digits: usize) -> Option<u128> {
    let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let right = text.len() == digits && text.bytes().all(digit);
    right.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// Runs `work` with `context`. If `context` is `None`, `work` keeps the context that the task
/// already carries.
pub async fn within<F: Future>(context: Option<TraceContext>, work: F) -> F::Output {
    match context {
        Some(context) => CARRIED.scope(context, work).await,
        None => work.await,
    }
}

/// Returns the context that the current task carries.
pub(super) fn carried() -> Option<TraceContext> {
    CARRIED.try_with(|context| *context).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn a_valid_traceparent_is_read_and_written_back() {
        let trace = TRACE;
        for (text, read) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{trace}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (
                format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
                false,
            ),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}-{}-01", "0".repeat(16)), false),
            (format!("00-{trace}-00f067aa0ba902b7"), false),
            (format!("00-{trace}-+0f067aa0ba902b7-01"), false),
        ] {
            let found = TraceContext::of_traceparent(&text);
            let trace = found.map(TraceContext::trace_id);
            assert_eq!(trace.as_deref() == Some(TRACE), read, "{text}");
        }
        for flags in ["00", "01"] {
            let text = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
            let found = TraceContext::of_traceparent(&text).unwrap();
            assert_eq!(found.traceparent(), text);
        }
    }

    #[test]
    fn the_header_of_x_ray_names_the_same_trace() {
        let text = "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7;Sampled=1";
        let found = TraceContext::of_xray(&format!("{text};Lineage=a:0")).unwrap();
        assert_eq!(
            found.traceparent(),
            format!("00-{TRACE}-00f067aa0ba902b7-01")
        );
        assert_eq!(found.xray(), text);
        let unsampled = text.replace("Sampled=1", "Sampled=0");
        let found = TraceContext::of_xray(&unsampled).unwrap();
        assert!(found.traceparent().ends_with("-00") && found.xray() == unsampled);
        assert_eq!(TraceContext::of_sampled_xray(&unsampled), None);
        assert!(TraceContext::of_sampled_xray(text).is_some());
        for odd in [
            "",
            "Root=1-4bf92f35-77b34da6a3ce929d0e0e4736;Sampled=1",
            "Root=2-4bf92f35-77b34da6a3ce929d0e0e4736;Parent=00f067aa0ba902b7",
            "Root=1-4bf92f35-77b34da6;Parent=00f067aa0ba902b7",
        ] {
            assert_eq!(TraceContext::of_xray(odd), None, "{odd}");
        }
    }
}
