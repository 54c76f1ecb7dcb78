//! The permission to carry out a request, as a value. An [`Approved`] is created from a decision
//! that allows a request, from the recorded verdict of a cancel, or from the end of a share.

use crate::domain::{AccountId, Action, Identity, Item, ShareRequest, Timestamp, Verdict};

use super::rules::EXPIRY;

/// A request that may be carried out. For a share, there is one way to get this value:
///
/// 1. [`PolicySet::decide`](super::PolicySet::decide) allows the request under current policies.
///
/// A cancel can also be carried out without a new decision, in two cases:
///
/// 2. [`Approved::recorded_cancel`]: the cancel was allowed when it was recorded;
/// 3. [`Approved::revocation`]: the share to cancel has expired or was called off.
///
/// The fields are private, so other modules cannot construct an `Approved`:
/// ```compile_fail
/// use sharehook::domain::{Identity, ShareRequest, Timestamp, Verdict};
/// use sharehook::policy::Approved;
///
/// fn forge(request: ShareRequest, identity: Identity, verdict: Verdict, approved_at: Timestamp) -> Approved {
///     Approved { request: Box::new(request), identity, verdict, approved_at }
/// }
/// ```
/// Calling one of the constructors compiles:
/// ```
/// use sharehook::domain::{Identity, ShareRequest, Timestamp, Verdict};
/// use sharehook::policy::Approved;
///
/// fn cancel(request: ShareRequest, identity: Identity, verdict: Verdict, approved_at: Timestamp) -> Option<Approved> {
///     Approved::recorded_cancel(&request, &identity, &verdict, approved_at)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    request: Box<ShareRequest>,
    identity: Identity,
    verdict: Verdict,
    approved_at: Timestamp,
}

/// Why a share is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The share expired at this instant.
    Expired(Timestamp),
    /// A later cancel, or the withdrawal of the share's approval, called the share off.
    CalledOff,
}

impl Approved {
    /// Creates the permission without a check. [`decide`](super::PolicySet::decide) calls this
    /// function for a request that the policies allow.
    pub(super) fn granted(
        request: &ShareRequest,
        identity: &Identity,
        verdict: Verdict,
        approved_at: Timestamp,
    ) -> Self {
        Self {
            request: Box::new(request.clone()),
            identity: identity.clone(),
            verdict,
            approved_at,
        }
    }

    /// Returns the permission for a recorded cancel that a later turn carries out. The recorded
    /// verdict permits the cancel even if the policies have changed since. All arguments must come
    /// from one record.
    ///
    /// Returns `None` for a share, and for a verdict that refused the cancel or a part of it.
    pub fn recorded_cancel(
        request: &ShareRequest,
        identity: &Identity,
        verdict: &Verdict,
        approved_at: Timestamp,
    ) -> Option<Self> {
        let allowed = verdict.allowed && verdict.refused.is_empty();
        let cancels = request.action == Action::Cancel;
        (allowed && cancels).then(|| Self::granted(request, identity, verdict.clone(), approved_at))
    }

    /// Returns the permission for a revocation, which sharehook starts itself and for which no
    /// policy is asked. The revocation cancels those of `accounts_to_cancel` that `granted`
    /// contains. If `lighthouse` is true and `granted` includes Lighthouse, the revocation also
    /// takes the image out of Lighthouse.
    ///
    /// Returns `None` if `granted` is not a share, has not expired yet, or has nothing left to
    /// cancel. Also returns `None` if `granted` is a chain and only its accounts are to be
    /// cancelled, because a cancel of the `img-…` would also take the image out of Lighthouse. In
    /// this case, pass the share as [`Target::Blueprint`](crate::domain::Target::Blueprint) with
    /// the recorded blueprint.
    pub fn revocation(
        granted: &ShareRequest,
        identity: &Identity,
        ended: Ended,
        now: Timestamp,
        accounts_to_cancel: Vec<AccountId>,
        lighthouse: bool,
    ) -> Option<Self> {
        let early = matches!(ended, Ended::Expired(at) if at > now);
        if granted.action != Action::Share || early {
            return None;
        }
        let target = granted.target.only(|item| match item {
            Item::Account(account) => accounts_to_cancel.contains(account),
            Item::Lighthouse(_) => lighthouse,
        })?;
        let request = ShareRequest {
            action: Action::Cancel,
            target,
            not_before: None,
            expires: None,
            ..granted.clone()
        };
        // No policy decides about a revocation, so there is no policy digest.
        let verdict = Verdict {
            allowed: true,
            policies: match ended {
                Ended::Expired(_) => vec![EXPIRY.to_owned()],
                Ended::CalledOff => Vec::new(),
            },
            approvals: Vec::new(),
            refused: Vec::new(),
            policy_digest: String::new(),
        };
        Some(Self::granted(&request, identity, verdict, now))
    }

    /// Returns the request that may be carried out.
    pub fn request(&self) -> &ShareRequest {
        &self.request
    }

    /// Returns the request's identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the verdict that allowed the request, for the journal.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Returns when the share expires, or `None` if the request has no expiry.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.request.expires_at(self.approved_at)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::{Refused, ServedRegions};

    fn request(extra: &Value) -> ShareRequest {
        let mut value = json!({"action": "share", "image": "img-6pb6lrmy", "region": "ap-singapore",
            "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": "30d"});
        for (name, field) in extra.as_object().unwrap() {
            value[name] = field.clone();
        }
        ShareRequest::from_json(&value, &ServedRegions::default()).unwrap()
    }

    fn accounts(ids: &[&str]) -> Vec<AccountId> {
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn identity() -> Identity {
        Identity {
            source: "jira".parse().unwrap(),
            id: "CHG1".to_owned(),
        }
    }

    const NOON: &str = "2026-11-01T12:00:00Z";

    fn verdict(allowed: bool) -> Verdict {
        Verdict {
            allowed,
            policies: vec!["p".to_owned()],
            approvals: Vec::new(),
            refused: Vec::new(),
            policy_digest: "d".to_owned(),
        }
    }

    fn cancel_of(share: &ShareRequest) -> ShareRequest {
        ShareRequest {
            action: Action::Cancel,
            expires: None,
            ..share.clone()
        }
    }

    #[test]
    fn a_recorded_verdict_permits_a_cancel_if_it_allowed_and_never_a_share() {
        let share = request(&json!({"accounts": ["700000164995"]}));
        let cancel = cancel_of(&share);
        let recorded = |request: &ShareRequest, verdict: &Verdict| {
            Approved::recorded_cancel(request, &identity(), verdict, at(NOON))
        };
        let approved = recorded(&cancel, &verdict(true)).unwrap();
        assert_eq!(approved.request(), &cancel);
        assert_eq!(approved.identity(), &identity());
        assert_eq!(approved.verdict(), &verdict(true));

        assert!(recorded(&share, &verdict(true)).is_none());
        assert!(recorded(&cancel, &verdict(false)).is_none());
        let refused = vec![Refused {
            item: None,
            why: "w".into(),
            kind: None,
        }];
        assert!(
            recorded(
                &cancel,
                &Verdict {
                    refused,
                    ..verdict(true)
                }
            )
            .is_none(),
            "contradictory records permit nothing"
        );
    }

    #[test]
    fn what_was_called_off_is_taken_back_before_its_end() {
        let granted = request(&json!({"accounts": ["700000164995", "909619400"]}));
        let some = accounts(&["909619400"]);
        let made = Approved::revocation(
            &granted,
            &identity(),
            Ended::CalledOff,
            at(NOON),
            some,
            false,
        );
        let approved = made.unwrap();
        assert_eq!(approved.request().action, Action::Cancel);
        assert_eq!(
            approved.request().target.accounts(),
            accounts(&["909619400"])
        );
    }

    #[test]
    fn an_expiry_takes_back_what_was_given_and_no_more() {
        let both = json!(["700000164995", "909619400"]);
        let cvm = request(&json!({"accounts": both}));
        let blueprint = request(&json!({"accounts": both, "image": "lhbp-6jc6l8yb"}));
        let chain = request(&json!({"accounts": both, "lighthouse": true}));
        let lighthouse = request(&json!({"lighthouse": true}));
        let ids = ["700000164995", "909619400"];
        for (granted, left, in_lighthouse, wanted) in [
            (&cvm, &ids[..], false, Some(("cvm", 2))),
            (&cvm, &ids[..1], true, Some(("cvm", 1))),
            (&cvm, &["123456789"][..], false, None),
            (&cvm, &[][..], true, None),
            (
                &blueprint,
                &["909619400", "123456789"][..],
                false,
                Some(("blueprint", 1)),
            ),
            (&blueprint, &[][..], false, None),
            (&chain, &ids[..], true, Some(("chain", 2))),
            (&chain, &[][..], true, Some(("lighthouse", 0))),
            (&chain, &ids[..], false, None),
            (&chain, &[][..], false, None),
            (&lighthouse, &ids[..], true, Some(("lighthouse", 0))),
            (&lighthouse, &ids[..], false, None),
        ] {
            let due = at("2026-12-01T12:00:00Z");
            let made = Approved::revocation(
                granted,
                &identity(),
                Ended::Expired(due),
                due,
                accounts(left),
                in_lighthouse,
            );
            let told = made.as_ref().map(|approved| {
                let target = serde_json::to_value(&approved.request().target).unwrap();
                (
                    target["kind"].as_str().unwrap().to_owned(),
                    approved.request().target.accounts().len(),
                )
            });
            let wanted = wanted.map(|(kind, count)| (kind.to_owned(), count));
            assert_eq!(
                told, wanted,
                "{:?} {left:?} {in_lighthouse}",
                granted.target
            );
            if let Some(approved) = made {
                assert_eq!(approved.request().action, Action::Cancel);
                assert_eq!(approved.request().region, granted.region);
                assert_eq!(approved.request().target.image(), granted.target.image());
                assert_eq!(approved.verdict().policies, ["expiry"]);
                assert_eq!(approved.expires_at(), None);
            }
        }
    }

    #[test]
    fn an_expiry_cannot_come_early_nor_undo_a_cancel() {
        let granted = request(&json!({"accounts": ["700000164995"]}));
        let all = || accounts(&["700000164995"]);
        let due = at("2026-12-01T12:00:00Z");
        let before = at("2026-12-01T11:59:59.999999999Z");
        let expiry = |request: &ShareRequest, now| {
            Approved::revocation(request, &identity(), Ended::Expired(due), now, all(), false)
        };
        assert!(expiry(&granted, before).is_none());
        assert!(expiry(&granted, due).is_some());
        assert!(expiry(&cancel_of(&granted), due).is_none());
    }
}
