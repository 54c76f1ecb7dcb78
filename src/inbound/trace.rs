//! The steps of a verification, for people. The verification itself writes them down; there is no
//! second computation. No step shows a secret.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What: `signed bytes`, `computed`, `clock difference` …
    pub what: &'static str,
    /// The value, for people: shortened, control characters escaped.
    pub shown: String,
    /// Whether it is as it must be.
    pub ok: bool,
}

/// Takes notes, or does not.
pub(super) struct Trace(Option<Vec<Step>>);

impl Trace {
    /// Takes none.
    pub(super) fn off() -> Self {
        Self(None)
    }

    /// Takes them all.
    pub(super) fn on() -> Self {
        Self(Some(Vec::new()))
    }

    /// Notes a step; `shown` runs only when notes are taken.
    pub(super) fn note(&mut self, what: &'static str, ok: bool, shown: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.0 {
            steps.push(Step {
                what,
                shown: shown(),
                ok,
            });
        }
    }

    /// The notes.
    pub(super) fn steps(self) -> Vec<Step> {
        self.0.unwrap_or_default()
    }
}

/// Bytes as people can read them: lossy UTF-8, control characters escaped, shortened in the middle.
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
