//! A hint: when somebody should look at a request again. In: an instant, a stream, a record's
//! number. Out: its name in the journal's index, and back. It only says where to look; what is to
//! be done there the records alone tell.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, TimestampRound, Unit};

use super::super::record::StreamId;
use crate::domain::Timestamp;

/// An hour of the index, as in `2026-11-21T08`: a folder of hints. Sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(Timestamp);

impl Hour {
    /// The hour that an instant falls in.
    pub fn of(at: Timestamp) -> Self {
        let second = at.as_second();
        Self(Timestamp::from_second(second - second.rem_euclid(3_600)).unwrap_or(at))
    }

    /// The next hour; none at the end of time.
    pub fn next(self) -> Option<Self> {
        self.0
            .checked_add(SignedDuration::from_hours(1))
            .ok()
            .map(Self)
    }

    /// Reads `2026-11-21T08`.
    pub fn read(name: &str) -> Option<Self> {
        let at: Timestamp = format!("{name}:00:00Z").parse().ok()?;
        (Self(at).to_string() == name).then_some(Self(at))
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}",
            self.0.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H")
        )
    }
}

/// That a request should be looked at, from an instant on. Record `seq` made it necessary: it is
/// announced before that record is written, so there may be a hint without its record, and never a
/// record without its hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WakeUp {
    /// Not before this whole second.
    pub at: Timestamp,
    /// The request.
    pub stream: StreamId,
    /// The record.
    pub seq: u64,
}

impl WakeUp {
    /// A hint for the first whole second at or after `due`.
    pub fn new(due: Timestamp, stream: StreamId, seq: u64) -> Self {
        let second = TimestampRound::new()
            .smallest(Unit::Second)
            .mode(RoundMode::Ceil);
        // Only the last second of time cannot be rounded up.
        let at = due.round(second).unwrap_or(due);
        Self { at, stream, seq }
    }

    /// The folder it lies in.
    pub fn hour(&self) -> Hour {
        Hour::of(self.at)
    }

    /// Its name in there: `mmss-<stream>-<seq>`.
    pub fn name(&self) -> String {
        let second = self.at.as_second().rem_euclid(3_600);
        format!(
            "{:02}{:02}-{}-{:06}",
            second / 60,
            second % 60,
            self.stream,
            self.seq
        )
    }

    /// Reads a name; `None`: it is no hint's.
    pub fn read(hour: Hour, name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let (clock, stream, seq) = (parts.next()?, parts.next()?, parts.next()?);
        let number: i64 = clock.parse().ok()?;
        let second = (number / 100).checked_mul(60)?.checked_add(number % 100)?;
        let at = hour.0.checked_add(SignedDuration::from_secs(second)).ok()?;
        let wake_up = Self {
            at,
            stream: stream.parse().ok()?,
            seq: seq.parse().ok()?,
        };
        (parts.next().is_none() && wake_up.hour() == hour && wake_up.name() == name)
            .then_some(wake_up)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{self, EXPIRY, StreamBuilder, deferred};
    use super::super::State;
    use super::*;

    const STREAM: &str = "0123456789abcdef0123456789abcdef";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn wake_up(due: &str) -> WakeUp {
        WakeUp::new(at(due), STREAM.parse().unwrap(), 3)
    }

    #[test]
    fn a_hint_is_named_after_its_second_its_stream_and_its_record() {
        let wake_up = wake_up("2026-11-21T08:15:30Z");
        assert_eq!(wake_up.hour().to_string(), "2026-11-21T08");
        assert_eq!(wake_up.name(), format!("1530-{STREAM}-000003"));
        assert_eq!(WakeUp::read(wake_up.hour(), &wake_up.name()), Some(wake_up));
    }

    #[test]
    fn a_hint_is_never_before_what_it_tells_of() {
        for (due, second) in [
            ("2026-11-21T08:15:30.000000001Z", "2026-11-21T08:15:31Z"),
            ("2026-11-21T08:59:59.5Z", "2026-11-21T09:00:00Z"),
            ("1969-12-31T23:59:59.5Z", "1970-01-01T00:00:00Z"),
        ] {
            let wake_up = wake_up(due);
            assert_eq!(wake_up.at, at(second));
            assert_eq!(WakeUp::read(wake_up.hour(), &wake_up.name()), Some(wake_up));
        }
        let last = WakeUp::new(Timestamp::MAX, STREAM.parse().unwrap(), 0);
        assert_eq!(last.hour().to_string(), "9999-12-30T22");
    }

    #[test]
    fn what_is_no_hint_is_not_read() {
        let hour = Hour::of(at("2026-11-21T08:00:00Z"));
        let good = format!("1530-{STREAM}-000003");
        assert!(WakeUp::read(hour, &good).is_some());
        for bad in [
            String::new(),
            good.clone() + ".done",
            good.clone() + "-1",
            good.replace("1530", "1560"),
            good.replace("1530", "9930"),
            good.replace("1530", "-130"),
            good.replace("000003", "3"),
            good.to_uppercase(),
        ] {
            assert_eq!(WakeUp::read(hour, &bad), None, "{bad}");
        }
    }

    #[test]
    fn hours_are_read_as_they_are_written() {
        let hour = Hour::of(at("2026-12-31T23:59:59Z"));
        assert_eq!(hour.to_string(), "2026-12-31T23");
        assert_eq!(Hour::read("2026-12-31T23"), Some(hour));
        assert_eq!(
            hour.next().map(|next| next.to_string()).as_deref(),
            Some("2027-01-01T00")
        );
        for bad in [
            "",
            "2026-12-31",
            "2026-12-31T24",
            "2026-12-31t23",
            "2026-12-31T23:30",
        ] {
            assert_eq!(Hour::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn whatever_will_be_due_has_a_hint_of_the_record_that_made_it_so() {
        let builder = StreamBuilder::full();
        let wake_ups = (1..=builder.records.len()).map(|length| {
            State::from_records(&builder.records[..length])
                .unwrap()
                .wake_up()
        });
        let told: Vec<_> = wake_ups
            .map(|wake_up| wake_up.map(|wake_up| (wake_up.seq, wake_up.at)))
            .collect();
        let lease = Some((0, testing::at(60)));
        let end = EXPIRY;
        let wanted = [
            lease,
            lease,
            lease,
            lease,
            Some((4, testing::at(120))),
            Some((5, testing::at(190))),
            Some((5, testing::at(190))),
            Some((7, testing::at(end))),
            Some((8, testing::at(end + 60))),
            Some((8, testing::at(end + 60))),
            Some((10, testing::at(end + 120))),
            None,
        ];
        assert_eq!(told, wanted);
        // What is due when it is written is looked for from then on.
        let late = StreamBuilder::opened().then(1, 1, deferred(-500));
        assert_eq!(
            State::from_records(&late.records)
                .unwrap()
                .wake_up()
                .map(|wake_up| wake_up.at),
            Some(testing::at(1))
        );
    }
}
