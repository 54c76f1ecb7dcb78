//! Records the steps of a verification for people to read. The verification itself records them, so
//! nothing is computed twice. No step contains a secret.

use serde::Serialize;

/// One step: a value that the verification read, computed or checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What the value is, such as `signed bytes`, `computed` or `clock difference`.
    pub what: &'static str,
    /// The value as text for people. It is shortened, and control characters are escaped.
    pub shown: String,
    /// False if a check or comparison failed. With several secrets, a failed comparison with one of
    /// them does not refuse the delivery.
    pub ok: bool,
}

/// Records the steps of a verification, or ignores them.
pub(super) struct Trace(Option<Vec<Step>>);

impl Trace {
    pub(super) fn off() -> Self {
        Self(None)
    }

    pub(super) fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Records a step; `shown` runs only if steps are recorded.
    pub(super) fn note(&mut self, what: &'static str, ok: bool, shown: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(Step {
                what,
                shown: shown(),
                ok,
            });
        }
    }

    pub(super) fn steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}

/// Formats bytes for people, as lossy UTF-8. Escapes control characters, and shortens long texts in
/// the middle.
pub(super) fn readable(prefix: &[u8], body: &[u8]) -> String {
    const HEAD: usize = 200;
    const TAIL: usize = 60;
    let all: Vec<u8> = prefix.iter().chain(body).copied().take(HEAD).collect();
    let total = prefix.len() + body.len();
    let escaped = |bytes: &[u8]| -> String {
        let lossy = String::from_utf8_lossy(bytes);
        lossy
            .chars()
            .flat_map(|c| {
                if c.is_control() {
                    c.escape_default().collect()
                } else {
                    vec![c]
                }
            })
            .collect()
    };
    if total <= HEAD {
        return format!("{} ({total} bytes)", escaped(&all));
    }
    let tail = body
        .get(body.len().saturating_sub(TAIL.min(total - HEAD))..)
        .unwrap_or_default();
    format!("{} … {} ({total} bytes)", escaped(&all), escaped(tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_binary_bodies_stay_readable() {
        assert_eq!(readable(b"a.1.", b"{}"), "a.1.{} (6 bytes)");
        assert_eq!(
            readable(b"", b"\x00\x1b[31m\xff"),
            "\\u{0}\\u{1b}[31m\u{fffd} (7 bytes)"
        );
        let long = readable(b"x.", &[b'y'; 1_000_000]);
        assert!(
            long.len() < 320 && long.ends_with("(1000002 bytes)"),
            "{long}"
        );
    }

    #[test]
    fn nothing_is_formatted_without_notes() {
        let mut trace = Trace::off();
        trace.note("never", true, || panic!("formatted"));
        assert_eq!(trace.steps(), []);
    }
}
