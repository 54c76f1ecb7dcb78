//! The table that counts decisions by week, source and policy.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::Timestamp;

use super::super::reader::{RequestEntry, RequestState};
use super::table::{Bar, Cell, Part, Row, Span, Table, Tone};
use super::texts::Texts;

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    allowed: i64,
    denied: i64,
}

/// Counts the requests by the week of their approval, by source, and by the policies that
/// determined their latest decision. The table shows a week as the date of its Monday.
pub(super) fn table(texts: Texts, requests: &[RequestEntry]) -> Table {
    let rows = counted(texts, requests);
    let rows = rows
        .into_iter()
        .map(|((Reverse(week), source, policy), count)| {
            let Count { allowed, denied } = count;
            let length = allowed * 1_000 / (allowed + denied).max(1);
            let spans = [(Tone::Good, 0, length), (Tone::Bad, length, 1_000 - length)];
            let spans = spans.into_iter().filter(|(_, _, length)| *length > 0);
            let bar = Bar {
                spans: spans
                    .map(|(tone, from, length)| Span { tone, from, length })
                    .collect(),
                now: None,
            };
            let cells = vec![
                week.to_string().as_str().into(),
                source.into(),
                policy.into(),
                allowed.to_string().as_str().into(),
                denied.to_string().as_str().into(),
                Cell::from(Part::Bar(bar)).sorted_by(length),
            ];
            Row {
                source: source.into(),
                cells,
                ..Row::default()
            }
        });
    let columns = [
        texts.week_of(),
        texts.source(),
        texts.policy(),
        texts.allowed(),
        texts.denied(),
        texts.share(),
    ];
    let heading = ("decisions", texts.decisions());
    Table::new(texts, heading, columns, rows).about(texts.about_decisions())
}

fn counted(
    texts: Texts,
    requests: &[RequestEntry],
) -> BTreeMap<(Reverse<Date>, &str, &str), Count> {
    let mut counts: BTreeMap<_, Count> = BTreeMap::new();
    for request in requests {
        let source = request.identity.split_once('/');
        let source = source.map_or("", |(source, _)| source);
        let week = Reverse(monday(request.at));
        let policies = request.answer.policy.iter().map(String::as_str);
        let default = request.answer.policy.is_empty();
        let default = default.then_some(texts.no_policy());
        for policy in policies.chain(default) {
            let count = counts.entry((week, source, policy)).or_default();
            match request.state {
                RequestState::Denied => count.denied += 1,
                _ => count.allowed += 1,
            }
        }
    }
    counts
}

fn monday(at: Timestamp) -> Date {
    let date = at.to_zoned(TimeZone::UTC).date();
    let back = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(back.days()).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_begins_on_monday() {
        for (at, week) in [
            ("2026-11-23T00:00:00Z", "2026-11-23"),
            ("2026-11-26T15:00:00Z", "2026-11-23"),
            ("2026-11-29T23:59:59Z", "2026-11-23"),
            ("2026-11-30T00:00:00Z", "2026-11-30"),
            ("2027-01-01T00:00:00Z", "2026-12-28"),
        ] {
            assert_eq!(monday(at.parse().unwrap()).to_string(), week, "{at}");
        }
    }
}
