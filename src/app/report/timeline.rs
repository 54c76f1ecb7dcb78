//! The timeline of the grants: the window of time that it shows, and the bar of each grant.

use jiff::SignedDuration;

use crate::domain::Timestamp;

use super::super::reader::GrantEntry;
use super::table::{Bar, Span, Tone};

/// The minimum and maximum number of days that the window shows before and after the current time.
/// The bars of longer grants are cut off, so that one old grant does not make the others invisible.
const MIN_DAYS: i64 = 7;
const MAX_DAYS: i64 = 180;
/// The length of the whole timeline, in the units in which spans are measured.
const UNITS: i64 = 1_000;
/// The minimum length of a span. A shorter span would be invisible.
const MIN_LENGTH: i64 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    now: Timestamp,
}

impl Window {
    pub(super) fn of(grants: &[GrantEntry], now: Timestamp) -> Self {
        let day = |days: i64| {
            let ahead = SignedDuration::from_hours(24 * days);
            now.checked_add(ahead).unwrap_or(now)
        };
        let oldest = grants.iter().map(|grant| grant.since).min();
        let latest = grants.iter().filter_map(|grant| grant.until).max();
        Self {
            from: oldest.unwrap_or(now).clamp(day(-MAX_DAYS), day(-MIN_DAYS)),
            to: latest.unwrap_or(now).clamp(day(MIN_DAYS), day(MAX_DAYS)),
            now,
        }
    }

    /// Returns the bar of a grant. Its spans are the time that has passed, the time that remains,
    /// and the time since the grant expired.
    pub(super) fn bar(&self, since: Timestamp, until: Option<Timestamp>) -> Bar {
        let end = until.map_or(UNITS, |until| self.place(until));
        let (begin, now) = (self.place(since), self.place(self.now));
        let all = [
            (Tone::Good, begin, end.min(now)),
            (Tone::Plain, begin.max(now), end),
            (Tone::Bad, end, now),
        ];
        let spans = all.into_iter().filter(|(_, from, to)| from < to);
        Bar {
            spans: spans
                .map(|(tone, from, to)| Span {
                    tone,
                    from,
                    length: (to - from).max(MIN_LENGTH),
                })
                .collect(),
            now: Some(now),
        }
    }

    fn place(&self, at: Timestamp) -> i64 {
        let whole = self.to.duration_since(self.from).as_secs().max(1);
        let part = at.duration_since(self.from).as_secs().clamp(0, whole);
        part * UNITS / whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn window() -> Window {
        Window {
            from: at("2026-11-01T00:00:00Z"),
            to: at("2026-11-21T00:00:00Z"),
            now: at("2026-11-11T00:00:00Z"),
        }
    }

    fn spans(since: &str, until: Option<&str>) -> Vec<(Tone, i64, i64)> {
        let bar = window().bar(at(since), until.map(at));
        let spans = bar.spans.iter();
        spans.map(|one| (one.tone, one.from, one.length)).collect()
    }

    #[test]
    fn a_bar_shows_what_has_passed_what_is_to_come_and_what_is_overdue() {
        assert_eq!(
            spans("2026-11-03T00:00:00Z", Some("2026-11-13T00:00:00Z")),
            [(Tone::Good, 100, 400), (Tone::Plain, 500, 100)]
        );
        assert_eq!(
            spans("2026-11-03T00:00:00Z", Some("2026-11-05T00:00:00Z")),
            [(Tone::Good, 100, 100), (Tone::Bad, 200, 300)]
        );
        let without_end = spans("2020-01-01T00:00:00Z", None);
        assert_eq!(without_end, [(Tone::Good, 0, 500), (Tone::Plain, 500, 500)]);
    }

    #[test]
    fn the_window_is_bounded_on_both_sides() {
        let now = at("2026-11-11T00:00:00Z");
        let empty = Window::of(&[], now);
        assert_eq!(empty.from, at("2026-11-04T00:00:00Z"));
        assert_eq!(empty.to, at("2026-11-18T00:00:00Z"));
    }
}
