//! Enforces the published call rates: a maximum number of calls within any second, for each action,
//! region and key. Pure: the caller passes the current time. Refused calls do not count.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::actions::Action;

/// The times of the calls of the last second, per action, region and key.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    recent: HashMap<(Action, String, String), VecDeque<Timestamp>>,
}

impl Limiter {
    /// Counts the call and returns `true`, or returns `false` if the second that ends now already
    /// has `limit` calls. The window slides: twenty calls at the end of one second and twenty at
    /// the start of the next exceed a limit of twenty. This is the strictest reading of the limit.
    pub(super) fn admit(
        &mut self,
        action: Action,
        region: &str,
        key: &str,
        limit: u32,
        now: Timestamp,
    ) -> bool {
        let calls = self
            .recent
            .entry((action, region.to_owned(), key.to_owned()))
            .or_default();
        while calls
            .front()
            .is_some_and(|first| now.duration_since(*first) >= SignedDuration::from_secs(1))
        {
            calls.pop_front();
        }
        let free = calls.len() < limit as usize;
        if free {
            calls.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_second_holds_the_limit_and_no_more() {
        let mut limiter = Limiter::default();
        let at = |millis: i64| Timestamp::from_millisecond(1_767_225_600_000 + millis).unwrap();
        let mut admit =
            |millis| limiter.admit(Action::ShareImage, "ap-singapore", "k", 2, at(millis));
        assert!(admit(900) && admit(950) && !admit(999));
        assert!(
            !admit(1_001),
            "the window slides over the turn of the second"
        );
        assert!(admit(1_900) && !admit(1_949) && admit(1_950));
    }

    #[test]
    fn actions_regions_and_keys_are_counted_apart() {
        let mut limiter = Limiter::default();
        let now = Timestamp::UNIX_EPOCH;
        let mut admit = |action, region, key| limiter.admit(action, region, key, 1, now);
        assert!(admit(Action::ShareImage, "ap-singapore", "k"));
        assert!(!admit(Action::ShareImage, "ap-singapore", "k"));
        assert!(admit(Action::PublishImage, "ap-singapore", "k"));
        assert!(admit(Action::ShareImage, "ap-guangzhou", "k"));
        assert!(admit(Action::ShareImage, "ap-singapore", "other"));
    }
}
