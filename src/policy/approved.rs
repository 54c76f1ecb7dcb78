//! The permission to change a share, as a value. It comes from a decision, from a recorded verdict,
//! or from an expiry that has passed, and from nothing else.

use crate::domain::{AccountId, Action, Identity, ShareRequest, Target, Timestamp, Verdict};

use super::rules::EXPIRY;

/// A request that may be carried out. It comes into being through one of three doors, and there is
/// no other:
///
/// 1. [`PolicySet::decide`](super::PolicySet::decide) allowed it;
/// 2. [`Approved::recall`]: it was allowed, and the journal holds the verdict;
/// 3. [`Approved::expiry`]: a share's own end has come, and what was given is taken back.
///
/// Its fields are private, so that no other module can construct one:
/// ```compile_fail
/// use sharehook::domain::{Identity, ShareRequest, Timestamp, Verdict};
/// use sharehook::policy::Approved;
///
/// fn forge(request: ShareRequest, identity: Identity, verdict: Verdict, approved_at: Timestamp) -> Approved {
///     Approved { request: Box::new(request), identity, verdict, approved_at }
/// }
/// ```
/// while the same lines without that expression compile:
/// ```
/// use sharehook::domain::{Identity, ShareRequest, Timestamp, Verdict};
/// use sharehook::policy::Approved;
///
/// fn recall(request: ShareRequest, identity: Identity, verdict: Verdict, approved_at: Timestamp) -> Option<Approved> {
///     Approved::recall(&request, &identity, &verdict, approved_at)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    request: Box<ShareRequest>,
    identity: Identity,
    verdict: Verdict,
    approved_at: Timestamp,
}

impl Approved {
    /// The first door, for [`decide`](super::PolicySet::decide) alone.
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

    /// The second door, for work that has begun: the recorded verdict counts, also after the policies
    /// have changed. The caller passes four values of one record.
    ///
    /// None unless that verdict allowed the request and refused nothing.
    pub fn recall(
        request: &ShareRequest,
        identity: &Identity,
        verdict: &Verdict,
        approved_at: Timestamp,
    ) -> Option<Self> {
        let allowed = verdict.allowed && verdict.refused.is_empty();
        let ends = request.expires.is_none() || request.expires_at(approved_at).is_some();
        (allowed && ends).then(|| Self::granted(request, identity, verdict.clone(), approved_at))
    }

    /// The third door: the service's own revocation of a share that has expired, which needs no
    /// policy. It takes back at most what `granted` gave, of that `accounts_to_cancel`, and
    /// Lighthouse if `lighthouse` says so.
    ///
    /// None unless `granted` is a share and `expired_at` has passed; none if nothing is left to
    /// take back. None, too, for a chain of which only accounts are to be cancelled: those hold the
    /// blueprint that was made from the image, and a cancel of the `img-…` could not leave
    /// Lighthouse alone. Pass that share as [`Target::Blueprint`] with the recorded blueprint.
    pub fn expiry(
        granted: &ShareRequest,
        identity: &Identity,
        expired_at: Timestamp,
        now: Timestamp,
        accounts_to_cancel: Vec<AccountId>,
        lighthouse: bool,
    ) -> Option<Self> {
        if granted.action != Action::Share || expired_at > now {
            return None;
        }
        let given = granted.target.accounts();
        let accounts: Vec<AccountId> = given
            .iter()
            .filter(|account| accounts_to_cancel.contains(account))
            .cloned()
            .collect();
        let target = match (&granted.target, accounts.is_empty(), lighthouse) {
            (Target::Blueprint { image, .. }, false, _) => Target::Blueprint {
                image: image.clone(),
                accounts,
            },
            (Target::Cvm { image, .. }, false, _) => Target::Cvm {
                image: image.clone(),
                accounts,
            },
            (Target::Chain { image, .. }, false, true) => Target::Chain {
                image: image.clone(),
                accounts,
            },
            (Target::Chain { image, .. } | Target::Lighthouse { image }, true, true) => {
                Target::Lighthouse {
                    image: image.clone(),
                }
            }
            _ => return None,
        };
        let request = ShareRequest {
            action: Action::Cancel,
            target,
            not_before: None,
            expires: None,
            ..granted.clone()
        };
        // No policy decides an expiry, so there is no policy digest.
        let verdict = Verdict {
            allowed: true,
            policies: vec![EXPIRY.to_owned()],
            approvals: Vec::new(),
            refused: Vec::new(),
            policy_digest: String::new(),
        };
        Some(Self::granted(&request, identity, verdict, now))
    }

    /// The request that may be carried out.
    pub fn request(&self) -> &ShareRequest {
        &self.request
    }

    /// The request's identity.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Why it may be carried out, for the record.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// When the share ends by itself, if it does.
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

    #[test]
    fn a_recorded_verdict_is_recalled_only_if_it_allowed() {
        let request = request(&json!({"accounts": ["700000164995"]}));
        let recall = |verdict: &Verdict| Approved::recall(&request, &identity(), verdict, at(NOON));
        let approved = recall(&verdict(true)).unwrap();
        assert_eq!(approved.request(), &request);
        assert_eq!(approved.identity(), &identity());
        assert_eq!(approved.verdict(), &verdict(true));
        assert_eq!(approved.expires_at(), Some(at("2026-12-01T12:00:00Z")));

        assert!(recall(&verdict(false)).is_none());
        let refused = vec![Refused {
            item: None,
            why: "w".into(),
        }];
        assert!(
            recall(&Verdict {
                refused,
                ..verdict(true)
            })
            .is_none(),
            "contradictory records permit nothing"
        );
    }

    #[test]
    fn an_expiry_beyond_the_calendar_is_not_recalled_as_none() {
        let request = request(&json!({"accounts": ["700000164995"], "expires_in": "3000d"}));
        assert!(Approved::recall(&request, &identity(), &verdict(true), Timestamp::MAX).is_none());
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
            let made = Approved::expiry(
                granted,
                &identity(),
                due,
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
        assert!(Approved::expiry(&granted, &identity(), due, before, all(), false).is_none());
        assert!(Approved::expiry(&granted, &identity(), due, due, all(), false).is_some());
        let cancel = ShareRequest {
            action: Action::Cancel,
            expires: None,
            ..granted
        };
        assert!(Approved::expiry(&cancel, &identity(), due, due, all(), false).is_none());
    }
}
