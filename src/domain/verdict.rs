//! The verdict of the policies about a request, in the form that the journal records.

use serde::{Deserialize, Serialize};

use super::outcome::Item;
use super::spelled::spelled;

/// The decision of the policies about a request, as the journal records it. A verdict does not
/// permit anything by itself: calls to the cloud need a `policy::Approved`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether all authorizations that the request needs were allowed.
    pub allowed: bool,
    /// The `@id`s of the determining policies, sorted and without duplicates. These are the
    /// policies that allowed the request or, if it was denied, those that forbade it. Empty if
    /// there are none: for example, if no policy allowed the request, and for the revocation of a
    /// share that was called off.
    pub policies: Vec<String>,
    /// The approvers that were accepted, at most as many for each item as are required. Empty if
    /// the request was denied or needs no approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The refused authorizations, each with its reason. Empty if the request was allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// The SHA-256 of the loaded schema, policies and entities, in hex. Empty for a revocation, on
    /// which no policy decides.
    pub policy_digest: String,
}

/// An accepted approval by one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The approver's id in the policies, such as `jira/bob@example.com`.
    pub approver: String,
    /// The `@id`s of the policies that allow this person to approve, sorted.
    pub policies: Vec<String>,
    /// The items that this approval covers. Empty if it covers the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// An authorization that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The account, or the image in Lighthouse. `None` if the request as a whole was refused.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    /// The reason for people. For example, a policy forbade it, no policy allowed it, or approvers
    /// are missing.
    pub why: String,
    /// The kind of reason. `None` in records that version 0.2.0 or older wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RefusalKind>,
}

spelled! {
    /// The kind of reason for a refusal. A requester may see the kind: it helps them to correct the
    /// request, but reveals nothing about the allow-list.
    RefusalKind {
        /// No policy allows the request or the item.
        NoPermit = "no_permit",
        /// A policy forbids the request or the item.
        Forbidden = "forbidden",
        /// Too few of the approvers in the request may approve it.
        Approval = "approval",
        /// The share would already have expired.
        Expired = "expired",
        /// The decision failed, for example because a policy could not be evaluated.
        Error = "error",
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.item {
            Some(item) => write!(f, "{item}: {}", self.why),
            None => write!(f, "request: {}", self.why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_item_as_a_result_does() {
        let account = Item::Account("700000164995".parse().unwrap());
        let image = Item::Lighthouse("img-6pb6lrmy".parse().unwrap());
        for (item, json, text) in [
            (
                Some(account),
                r#"{"account":"700000164995","why":"w"}"#,
                "account 700000164995: w",
            ),
            (
                Some(image),
                r#"{"image":"img-6pb6lrmy","why":"w"}"#,
                "img-6pb6lrmy in Lighthouse: w",
            ),
            (None, r#"{"why":"w"}"#, "request: w"),
        ] {
            let refused = Refused {
                item,
                why: "w".to_owned(),
                kind: None,
            };
            assert_eq!(serde_json::to_string(&refused).unwrap(), json);
            assert_eq!(serde_json::from_str::<Refused>(json).unwrap(), refused);
            assert_eq!(refused.to_string(), text);
        }
    }
}
