//! Groups the lines of `grants` for a review in which each grant is confirmed or revoked. Returns
//! one entry for each request and image, with its requester, approvers and policies. The oldest
//! entry comes first.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::app::reader::GrantEntry;
use crate::domain::Timestamp;
use crate::journal::Standing;

/// The grant of one image by one request, to be confirmed or revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewEntry {
    pub days: i64,
    /// The image as the request names it.
    pub image: String,
    pub region: String,
    /// The accounts that receive the image, and Lighthouse if it is a receiver.
    pub to: Vec<String>,
    pub since: Timestamp,
    pub until: Option<Timestamp>,
    /// The worst state among the receivers.
    pub state: Standing,
    /// The requester, who is responsible for the grant.
    pub requester: String,
    pub approvers: Vec<String>,
    pub policies: Vec<String>,
    /// The ticket or, if there is none, the request's id.
    pub ticket: String,
    /// The request as `source/id`.
    pub request: String,
}

/// Groups the grants into the entries of a review at `now`.
pub fn review(grants: &[GrantEntry], now: Timestamp) -> Vec<ReviewEntry> {
    let mut entries: BTreeMap<(Timestamp, &str, &str), ReviewEntry> = BTreeMap::new();
    for grant in grants {
        let key = (grant.since, grant.request.as_str(), grant.image.as_str());
        let entry = entries.entry(key).or_insert_with(|| ReviewEntry {
            days: now.duration_since(grant.since).as_hours().max(0) / 24,
            image: grant.image.clone(),
            region: grant.region.clone(),
            to: Vec::new(),
            since: grant.since,
            until: grant.until,
            state: grant.state,
            requester: grant.requester.clone(),
            approvers: grant.approvers.clone(),
            policies: grant.policies.clone(),
            ticket: grant.ticket.clone(),
            request: grant.request.clone(),
        });
        entry.to.push(grant.to.clone());
        entry.state = entry.state.max(grant.state);
    }
    entries.into_values().collect()
}
