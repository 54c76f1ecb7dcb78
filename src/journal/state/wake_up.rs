//! A wake-up says when a stream needs work again. Converts a wake-up to its name in the index and
//! back. A wake-up does not say which work is needed: that follows from the records alone.

use jiff::tz::TimeZone;
use jiff::{RoundMode, TimestampRound, Unit};

use super::super::record::StreamId;
use crate::domain::Timestamp;

/// An index entry that says from which instant on a sweep must look at a stream. The writer of a
/// record first writes the wake-up that the record needs. So a wake-up may exist without its
/// record, but a record that needs a wake-up has one in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WakeUp {
    /// The instant, in whole seconds.
    pub at: Timestamp,
    /// The stream of the request or incident.
    pub stream: StreamId,
    /// The number of the record that needs the wake-up.
    pub seq: u64,
}

impl WakeUp {
    /// Returns a wake-up at the first whole second at or after `due`.
    pub fn new(due: Timestamp, stream: StreamId, seq: u64) -> Self {
        let at = Self::second_of(due);
        Self { at, stream, seq }
    }

    /// Returns the instant of the wake-up for work that is due at `due`: the first whole second at
    /// or after `due`. The wake-ups up to this instant include all work that is due by then.
    pub fn second_of(due: Timestamp) -> Timestamp {
        let second = TimestampRound::new()
            .smallest(Unit::Second)
            .mode(RoundMode::Ceil);
        // Only the last representable second cannot be rounded up.
        due.round(second).unwrap_or(due)
    }

    /// Returns the wake-up's name: `20261121T081530Z-<stream>-<seq>`. Names sort by time.
    pub fn name(&self) -> String {
        let at = self.at.to_zoned(TimeZone::UTC);
        format!(
            "{}-{}-{:06}",
            at.strftime("%Y%m%dT%H%M%SZ"),
            self.stream,
            self.seq
        )
    }

    /// Reads a name in the index. Returns `None` if the name is not that of a wake-up.
    pub fn read(name: &str) -> Option<Self> {
        let mut parts = name.split('-');
        let wake_up = Self {
            at: parts.next()?.parse().ok()?,
            stream: parts.next()?.parse().ok()?,
            seq: parts.next()?.parse().ok()?,
        };
        (wake_up.name() == name).then_some(wake_up)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{self, EXPIRY, StreamBuilder, deferred};
    use super::super::State;
    use super::*;

    const STREAM: &str = "0123456789abcdef0123456789abcdef";

    fn wake_up(due: &str) -> WakeUp {
        WakeUp::new(due.parse().unwrap(), STREAM.parse().unwrap(), 3)
    }

    #[test]
    fn a_wake_up_is_named_after_its_second_its_stream_and_its_record() {
        for (due, name) in [
            ("2026-11-21T08:15:30Z", "20261121T081530Z"),
            ("2026-11-21T08:15:30.000000001Z", "20261121T081531Z"),
            ("2026-12-31T23:59:59.5Z", "20270101T000000Z"),
        ] {
            let name = format!("{name}-{STREAM}-000003");
            assert_eq!(wake_up(due).name(), name);
            assert_eq!(WakeUp::read(&name), Some(wake_up(due)));
        }
        let last = WakeUp::new(Timestamp::MAX, STREAM.parse().unwrap(), 0);
        assert_eq!(&last.name()[..16], "99991230T220000Z");
    }

    #[test]
    fn what_is_no_wake_up_is_not_read() {
        let good = wake_up("2026-11-21T08:15:30Z").name();
        assert!(WakeUp::read(&good).is_some());
        for bad in [
            String::new(),
            good.clone() + ".done",
            good.clone() + "-1",
            good.replace("0815", "0875"),
            good.replace("20261121T081530Z", "2026-11-21T08:15:30Z"),
            good.replace("000003", "3"),
            good.to_uppercase(),
        ] {
            assert_eq!(WakeUp::read(&bad), None, "{bad}");
        }
    }

    /// A wake-up that exists already also serves later records if it is in the future and early
    /// enough.
    #[test]
    fn whatever_will_be_due_has_a_wake_up_in_time() {
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
            lease,
            Some((5, testing::at(190))),
            Some((5, testing::at(190))),
            Some((5, testing::at(190))),
            // Every sweep looks at an overdue share.
            Some((8, testing::at(end))),
            Some((9, testing::at(end + 1))),
            Some((10, testing::at(end + 61))),
            Some((10, testing::at(end + 61))),
        ];
        assert_eq!(told, wanted);
        // Work that is already due when its record is written gets a wake-up at that instant.
        let late = StreamBuilder::opened().then(1, 1, deferred(-500));
        let wake_up = State::from_records(&late.records).unwrap().wake_up();
        assert_eq!(wake_up.map(|wake_up| wake_up.at), Some(testing::at(1)));
    }
}
