//! The results of a request. Its records may contain several results for an item, for example
//! because a worker repeated a result after a crash. Returns one result per item: the one with the
//! most information.

use crate::domain::{Item, ItemResult, ResultKind};

use super::super::record::CallOff;
use super::{Phase, State};

impl State {
    /// Returns one result per item: Lighthouse first, then the accounts in the request's order. An
    /// item without a recorded result is `pending`. A called-off item is `cancelled`, unless the
    /// request shared it and it is still shared. Empty for a request that was denied at once.
    pub fn results(&self) -> Vec<ItemResult> {
        if self.phase == Phase::Denied {
            return Vec::new();
        }
        let items = self.intent.request.target.items().into_iter();
        items.map(|item| self.result_of(item)).collect()
    }

    fn result_of(&self, item: Item) -> ItemResult {
        let known = self.results.iter().find(|result| result.item == item);
        let called_off = self.call_off_of(&item).map(CallOff::name);
        let recorded = known
            .cloned()
            .unwrap_or_else(|| ItemResult::new(item, ResultKind::Pending, None));
        if called_off.is_none() {
            return recorded;
        }
        let kind = if self.stands(&recorded) {
            recorded.kind
        } else {
            ResultKind::Cancelled
        };
        ItemResult {
            kind,
            called_off_by: called_off,
            ..recorded
        }
    }

    /// Marks the open items as perhaps done. The last worker did not record the end of its turn, so
    /// it may have made a call for these items.
    pub(super) fn doubt_open_items(&mut self) {
        let mut open = self.intent.request.target.items();
        open.retain(|item| {
            let known = self.results.iter().find(|result| result.item == *item);
            known.is_none_or(ItemResult::pending)
        });
        let doubt = |item| ItemResult::new(item, ResultKind::Pending, None).in_doubt(true);
        let doubts: Vec<ItemResult> = open.into_iter().map(doubt).collect();
        merge(&mut self.results, &doubts);
    }

    /// Returns the results of revocations, one per item. A failed result may be among them.
    pub fn revoked(&self) -> &[ItemResult] {
        &self.revoked
    }

    /// Whether the revocation took nothing away, because another share has inherited all items.
    pub fn inherited_all(&self) -> bool {
        !self.revoked.is_empty() && self.revoked.iter().all(ItemResult::found)
    }

    /// Returns what cancels revoked, or found not shared, after the share was closed, oldest first.
    pub fn cancelled(&self) -> &[CallOff] {
        &self.cancelled
    }
}

/// Returns how much information a result has. A worker that takes over may report `already_shared`
/// for an item that the previous worker shared. The result that says that this request shared the
/// item must weigh more: otherwise, the item would stay shared after its expiry.
fn weight(kind: &ResultKind) -> u8 {
    match kind {
        ResultKind::Pending => 0,
        ResultKind::Failed { .. } => 1,
        ResultKind::AlreadyShared
        | ResultKind::NotShared
        | ResultKind::Available { already: true, .. } => 2,
        ResultKind::Shared
        | ResultKind::Cancelled
        | ResultKind::Available { already: false, .. } => 3,
    }
}

/// Merges new results into old ones. For each item the result with more weight wins, or the newer
/// one of equal weight. A known blueprint stays unless the new result names one. The mark `renewed`
/// stays: the request that gave the item first may have left it to this one.
pub(super) fn merge(old: &mut Vec<ItemResult>, new: &[ItemResult]) {
    for result in new {
        let Some(known) = old.iter_mut().find(|known| known.item == result.item) else {
            old.push(result.clone());
            continue;
        };
        let named = blueprint(&result.kind).or(blueprint(&known.kind)).cloned();
        if weight(&result.kind) >= weight(&known.kind) {
            let renewed = known.renewed && result.found();
            *known = result.clone();
            known.renewed |= renewed;
        }
        if let ResultKind::Available { blueprint, .. } = &mut known.kind {
            *blueprint = named;
        }
    }
}

pub(super) fn blueprint(kind: &ResultKind) -> Option<&crate::domain::BlueprintId> {
    match kind {
        ResultKind::Available { blueprint, .. } => blueprint.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::testing::account;

    fn failed() -> ResultKind {
        ResultKind::Failed {
            code: "X".into(),
            message: "m".into(),
            retryable: true,
        }
    }

    fn available(blueprint: Option<&str>, already: bool) -> ResultKind {
        ResultKind::Available {
            blueprint: blueprint.map(|id| id.parse().unwrap()),
            already,
        }
    }

    #[test]
    fn the_weightier_result_wins_and_of_equals_the_newer() {
        use ResultKind::{AlreadyShared, Cancelled, NotShared, Pending, Shared};
        let named = || available(Some("lhbp-su83x02a"), false);
        let cases = [
            (Pending, Shared, Shared),
            (Shared, Pending, Shared),
            (failed(), Pending, failed()),
            (failed(), Shared, Shared),
            (Shared, AlreadyShared, Shared),
            (Shared, failed(), Shared),
            (AlreadyShared, failed(), AlreadyShared),
            (Cancelled, NotShared, Cancelled),
            (
                available(None, false),
                available(Some("lhbp-su83x02a"), true),
                named(),
            ),
            (named(), available(None, false), named()),
            (available(None, true), named(), named()),
        ];
        for (old, new, wanted) in cases {
            let mut results = vec![ItemResult::new(
                account(0),
                old.clone(),
                Some("r-old".into()),
            )];
            merge(
                &mut results,
                &[ItemResult::new(
                    account(0),
                    new.clone(),
                    Some("r-new".into()),
                )],
            );
            assert_eq!(results.len(), 1);
            assert_eq!(results[0].kind, wanted, "{old:?} then {new:?}");
        }
        let mut results = vec![ItemResult::new(account(0), Shared, Some("r-1".into()))];
        merge(
            &mut results,
            &[ItemResult::new(account(0), Shared, Some("r-2".into()))],
        );
        assert_eq!(results[0].request_id.as_deref(), Some("r-2"));
        let found = ItemResult::new(account(0), AlreadyShared, None);
        let renewed = ItemResult {
            renewed: true,
            ..found.clone()
        };
        let mut results = vec![renewed];
        merge(&mut results, &[found]);
        assert!(results[0].renewed, "a later look does not remove the mark");
    }
}
