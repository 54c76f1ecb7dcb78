//! The result of a comparison of the cloud with the journal.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::Answer;
use crate::app::shorten::{More, cut};
use crate::domain::{Action, Difference, Drifted, Timestamp};

use super::places::ToCome;

/// Maximum number of entries in each list of a shortened report.
const MAX_LISTED: usize = 100;

/// An image whose shares could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unread {
    pub image: String,
    pub region: String,
    pub why: String,
    /// True if the site has no API that lists the image's receivers. This does not count as a
    /// failure.
    pub no_read_api: bool,
}

/// A receiver whose difference is not reported because a request for it is under way. The cloud may
/// already show a change that the request has not recorded yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnderWay {
    pub image: String,
    pub region: String,
    pub to: String,
    /// The request, as `source/id`.
    pub request: String,
}

/// A receiver with a difference that a request will change later, although the request makes no
/// call now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unfinished {
    pub image: String,
    pub region: String,
    pub to: String,
    /// The request, as `source/id`.
    pub request: String,
    pub action: Action,
    /// Why the last attempt failed. `None` if the request has not started yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Unfinished {
    pub(super) fn of(drifted: &Drifted, to_come: &ToCome) -> Self {
        Self {
            image: drifted.image.clone(),
            region: drifted.region.clone(),
            to: drifted.to.clone(),
            request: to_come.request.to_string(),
            action: to_come.action,
            why: to_come.why.clone(),
        }
    }

    /// Returns a description of what the request will do, for human readers.
    pub fn intention(&self) -> String {
        let Self { request, why, .. } = self;
        let does = match self.action {
            Action::Share => "share",
            Action::Cancel => "cancel",
        };
        match why {
            Some(why) => format!("{request} could not {does} it yet: {why}"),
            None => format!("{request} waits to {does} it"),
        }
    }

    /// Whether the request will change the receiver of `drifted`.
    pub fn concerns(&self, drifted: &Drifted) -> bool {
        (&self.image, &self.region, &self.to) == (&drifted.image, &drifted.region, &drifted.to)
    }
}

/// A receiver that is excluded from the cancels or adoptions that the operator wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub image: String,
    pub region: String,
    pub to: String,
    pub why: String,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DriftReport {
    /// How many images were compared.
    pub compared: usize,
    /// The differences, sorted by image, region and receiver.
    pub differences: Vec<Drifted>,
    /// The receivers whose difference is uncertain until a request is finished.
    pub under_way: Vec<UnderWay>,
    /// Requests for receivers that differ: those whose last turn failed, and cancels that have not
    /// started yet.
    pub unfinished: Vec<Unfinished>,
    /// When the comparison began to read the journal.
    #[serde(skip)]
    pub(super) read_at: Timestamp,
    /// The receivers whose difference the operator wanted to end, but which were left unchanged.
    pub left_out: Vec<LeftOut>,
    /// The images that could not be compared.
    pub unread: Vec<Unread>,
    /// Journal streams that could not be read, each with its reason.
    pub flaws: Vec<String>,
    /// The number of entries that [`DriftReport::shorten`] removed from each list.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub more: More,
    /// What can be done about each kind of difference.
    pub remedies: BTreeMap<Difference, &'static str>,
    /// The answers to the requested cancels.
    pub cancels: Vec<Answer>,
    /// The answers to the requested adoptions.
    pub adoptions: Vec<Answer>,
}

impl DriftReport {
    /// Keeps the first `MAX_LISTED` entries of each list that has no other limit. Used for human
    /// readers and for the errors of function hosts.
    pub fn shorten(&mut self) {
        // List the failed reads first. The other entries are images whose site has no API.
        self.unread.sort_by_key(|one| one.no_read_api);
        let more = &mut self.more;
        cut(more, "differences", &mut self.differences, MAX_LISTED);
        cut(more, "under_way", &mut self.under_way, MAX_LISTED);
        cut(more, "unfinished", &mut self.unfinished, MAX_LISTED);
        cut(more, "left_out", &mut self.left_out, MAX_LISTED);
        cut(more, "unread", &mut self.unread, MAX_LISTED);
        cut(more, "flaws", &mut self.flaws, MAX_LISTED);
    }

    /// Whether nothing differs and nothing failed. Images whose receivers a site cannot list are
    /// ignored.
    pub fn agrees(&self) -> bool {
        self.differences.is_empty()
            && self.flaws.is_empty()
            && self.unread.iter().all(|u| u.no_read_api)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_report_says_how_many_entries_it_lacks() {
        let mut report = DriftReport {
            flaws: vec![String::new(); MAX_LISTED],
            ..DriftReport::default()
        };
        let one = |n: usize| Drifted {
            image: "lhbp-6jc6l8yb".to_owned(),
            region: "ap-singapore".to_owned(),
            to: n.to_string(),
            difference: Difference::Unknown,
        };
        report.differences = (0..MAX_LISTED + 2).map(one).collect();
        report.shorten();
        assert_eq!(report.differences.len(), MAX_LISTED);
        assert_eq!(report.more, BTreeMap::from([("differences", 2)]));
    }
}
