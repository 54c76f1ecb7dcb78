//! Determines what a notification reports: the state of the stream and, before a share expires, the
//! items that stay shared. Takes the history of the stream and the owed notification.

use crate::app::App;
use crate::app::grants::given_for_longer;
use crate::domain::{Item, Notice, NoticeKind, Subscription};
use crate::journal::{History, JournalError, Owed, State, StreamState};
use crate::notify::Preset;

pub(super) struct Reported {
    /// The state at the record of the outcome. If the notification says that a share will expire or
    /// is overdue, the newest state.
    pub(super) state: StreamState,
    on: NoticeKind,
    /// The items of an expiring share that stay shared because another share that gave them ends
    /// later.
    pub(super) staying: Vec<Item>,
    /// Whether there was an attempt to notify this target that the share is overdue.
    alarmed: bool,
    /// Whether a later outcome has replaced the reported one, and the target shows only the present
    /// one.
    pub(super) replaced: bool,
}

impl App {
    pub(super) async fn reported(
        &self,
        history: &History,
        owed: &Owed,
    ) -> Result<Reported, JournalError> {
        let state = match owed.notice.on {
            NoticeKind::Expiring | NoticeKind::Overdue => history.stream_state.clone(),
            _ => history.state_at(owed.notice.about)?,
        };
        let staying = match (owed.notice.on, state.state()) {
            (NoticeKind::Expiring, Some(share)) => {
                given_for_longer(share, &self.others(share).await?)
            }
            _ => Vec::new(),
        };
        let (on, notify) = (owed.notice.on, &owed.notice.notify);
        let mut attempted = history.stream_state.attempted_notifications().iter();
        let alarmed = attempted
            .any(|known| known.notice.on == NoticeKind::Overdue && known.notice.notify == *notify);
        Ok(Reported {
            state,
            on,
            staying,
            alarmed,
            replaced: self.is_replaced(&history.stream_state, &owed.notice),
        })
    }

    /// Whether the notification would set back its ticket to an outcome that a later one has
    /// replaced. A target without notices of revocations keeps the outcome before. A task ends with
    /// the outcome of its request, whatever becomes of the share later. A webhook gets every event.
    fn is_replaced(&self, state: &StreamState, notice: &Notice) -> bool {
        let Some(target) = self.prepared.targets.get(&notice.notify) else {
            return false;
        };
        let of_target = |one: &&Subscription| one.name == notice.notify;
        let subscription = self.prepared.notice_rules.subscriptions.iter();
        let hears_ends = subscription
            .filter(of_target)
            .any(|one| one.on.contains(&NoticeKind::Revoked));
        target.config.preset != Preset::Webhook
            && state.replaced(notice, hears_ends && !target.ends_task())
    }
}

impl Reported {
    /// Whether the notification would report that nothing ends: an expiry after which every item
    /// stays shared, or a revocation that found nothing left to revoke. Such a revocation is still
    /// reported if the target was notified that the share is overdue.
    pub(super) fn ends_nothing(&self) -> bool {
        if self.on == NoticeKind::Revoked {
            let share = self.state.state();
            return !self.alarmed && share.is_some_and(|share| share.revoked().is_empty());
        }
        let ends = |share: &State| {
            share
                .uncovered()
                .iter()
                .any(|item| !self.staying.contains(item))
        };
        !self.staying.is_empty() && !self.state.state().is_some_and(ends)
    }
}
