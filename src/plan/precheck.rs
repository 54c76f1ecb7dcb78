//! Finds the accounts that cannot get the image by any call, before the first call, and returns
//! their results with reasons. If a value was not observed, the call itself decides. A CVM image
//! can be shared with at most 500 accounts (API page), unless the provider allows more.

use crate::domain::{AccountId, Action, Item, ItemResult, ResultCode, ResultKind, Target};

use super::observation::Observation;
use super::readiness::Readiness;

/// Removes from `todo` the accounts that cannot get the image. Returns their results.
pub(super) fn refused(
    action: Action,
    target: &Target,
    seen: &Observation,
    looked_before: bool,
    todo: &mut Vec<AccountId>,
) -> Vec<ItemResult> {
    // An earlier turn may have shared the image. If the shares cannot be read, only the answer of
    // the next call shows whether it did.
    let unsure = looked_before && seen.shares.is_none();
    if action != Action::Share || unsure {
        return Vec::new();
    }
    let failed = |accounts: Vec<AccountId>, kind: &ResultKind| {
        accounts
            .into_iter()
            .map(|a| ItemResult::new(Item::Account(a), kind.clone(), None))
            .collect()
    };
    if let never @ Readiness::Never(_) = &seen.readiness
        && let Some(kind) = never.failure()
    {
        return failed(std::mem::take(todo), &kind);
    }
    match (target, &seen.shares, seen.max_accounts) {
        (Target::Cvm { .. }, Some(shares), Some(most)) if shares.len() + todo.len() > most => {
            let excess = todo.split_off(most.saturating_sub(shares.len()));
            failed(excess, &over_quota(shares.len() + todo.len(), most))
        }
        _ => Vec::new(),
    }
}

/// `before` is the number of accounts that have the image or get it from this request.
fn over_quota(before: usize, most: usize) -> ResultKind {
    let why = format!(
        "{before} accounts have the image or get it first, and at most {most} can have it — cancel shares that are no longer needed; where the provider allows more, raise cvm_accounts_per_image"
    );
    ResultKind::failed(ResultCode::QuotaPrecheck, why, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_may_have_been_carried_out_is_judged_by_what_was_read_alone() {
        let accounts: Vec<AccountId> = ["700000000001", "700000000002"]
            .iter()
            .map(|a| a.parse().unwrap())
            .collect();
        let target = Target::Cvm {
            image: "img-6pb6lrmy".parse().unwrap(),
            accounts: accounts.clone(),
        };
        let refused = |action, shares: Option<usize>, readiness: &Readiness, looked_before| {
            let shares = shares.map(|n| {
                (0..n)
                    .map(|n| format!("71000000000{n}").parse().unwrap())
                    .collect()
            });
            let seen = Observation {
                shares,
                readiness: readiness.clone(),
                max_accounts: Some(3),
                ..Observation::default()
            };
            let mut todo = accounts.clone();
            let refused = super::refused(action, &target, &seen, looked_before, &mut todo);
            assert_eq!(refused.len() + todo.len(), 2, "no account is forgotten");
            refused.len()
        };
        let (ready, never) = (Readiness::Ready, Readiness::Never("ISOLATED".into()));
        assert_eq!(refused(Action::Share, None, &never, false), 2);
        assert_eq!(
            refused(Action::Share, None, &never, true),
            0,
            "an earlier turn may have shared it"
        );
        assert_eq!(refused(Action::Share, Some(0), &never, true), 2);
        assert_eq!(refused(Action::Cancel, Some(0), &never, false), 0);
        for (have, beyond) in [(0, 0), (1, 0), (2, 1), (3, 2), (9, 2)] {
            assert_eq!(
                refused(Action::Share, Some(have), &ready, false),
                beyond,
                "{have} have it"
            );
            assert_eq!(refused(Action::Cancel, Some(have), &ready, false), 0);
        }
        assert_eq!(
            refused(Action::Share, None, &ready, false),
            0,
            "shares that were not read are not counted"
        );
    }
}
