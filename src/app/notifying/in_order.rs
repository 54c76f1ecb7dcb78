//! Puts the notifications of a stream in order: per target, in the order of their outcomes. Takes
//! those that are due, and returns them with the earlier and later ones that still wait. An outcome
//! is not sent before the earlier ones of the same stream and target, because a ticket shows the
//! last message as the present state.

use std::collections::BTreeMap;

use crate::domain::{NotifyName, Timestamp};
use crate::journal::Owed;

/// Attempts of a notification with this number and later ones no longer wait for earlier outcomes,
/// so that one that always fails cannot hold back the others for days.
const UNHELD_ATTEMPT: u32 = 4;

/// A notification whose turn comes.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) owed: Owed,
    /// False if the notification waits for its next attempt and is tried now only because of
    /// another one. A failure then leaves its schedule as it is.
    pub(super) is_due: bool,
}

impl Turn {
    /// Whether the notification waits while an earlier one cannot be delivered.
    pub(super) fn is_held(&self) -> bool {
        self.owed.attempt < UNHELD_ATTEMPT
    }
}

/// Returns the turns of each target that has a notification in `due`. `owed` has everything that
/// the stream owes.
pub(super) fn in_order(due: Vec<Owed>, owed: Vec<Owed>, now: Timestamp) -> Vec<Vec<Turn>> {
    let mut by_target: BTreeMap<NotifyName, Vec<Turn>> = BTreeMap::new();
    for owed in due {
        let turns = by_target.entry(owed.notice.notify.clone()).or_default();
        turns.push(Turn { owed, is_due: true });
    }
    for owed in owed.into_iter().filter(|owed| owed.has_begun(now)) {
        let Some(turns) = by_target.get_mut(&owed.notice.notify) else {
            continue;
        };
        if turns.iter().all(|turn| turn.owed.notice != owed.notice) {
            turns.push(Turn {
                owed,
                is_due: false,
            });
        }
    }
    let mut all: Vec<_> = by_target.into_values().collect();
    for turns in &mut all {
        turns.sort_by_key(|turn| turn.owed.notice.place());
    }
    all
}
