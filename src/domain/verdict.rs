//! The policy's verdict, as data for the journal: the decision, the approvers, and the determining
//! policies.

use serde::{Deserialize, Serialize};

use super::outcome::Item;
use super::spelled::spelled;

/// A decision of the policies, as the journal records it. A verdict is no permission: only
/// `policy::Approved` permits a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether every authorization of the request was allowed.
    pub allowed: bool,
    /// The determining policies by their `@id`: those that allowed the request or, in a denial,
    /// those that forbade it. Sorted, without duplicates. Empty if none did, and for the revocation
    /// of a share that was called off.
    pub policies: Vec<String>,
    /// The accepted approvers, at most the required number for each item. Empty for a denial, and
    /// for an action that needs no approval.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// Each refused authorization with the reason, for human readers. Empty if the request was
    /// allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// The SHA-256 of the loaded schema, policies and entities, in hex. Empty for a revocation.
    pub policy_digest: String,
}

/// An approver who may approve the request, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The person's id in the policies, such as `jira/bob@example.com`.
    pub approver: String,
    /// The policies that allow this person to approve, by their `@id`, sorted.
    pub policies: Vec<String>,
    /// The items that this approval covers. Empty if it covers the whole request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
}

/// One authorization that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The account, or the image in Lighthouse. `None` if the request as a whole was refused.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
    /// The reason, for example: policies forbade it, no policy allowed it, or approvers are
    /// missing.
    pub why: String,
    /// The kind of reason. Absent in records of version 0.2.0 and older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RefusalKind>,
}

spelled! {
    /// The kind of reason for a refusal. It tells a requester what to do and shows nothing of the
    /// allow-list.
    RefusalKind {
        /// No policy allows it.
        NoPermit = "no_permit",
        /// A policy forbids it.
        Forbidden = "forbidden",
        /// Too few of the named approvers may approve it.
        Approval = "approval",
        /// The share would already have expired.
        Expired = "expired",
        /// It could not be decided, for example because a policy could not be evaluated.
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
