//! What a notification reports. In: the history of a stream and an owed notification. Out: the
//! state to report, and the items of a coming end that stay shared.

use crate::app::App;
use crate::app::grants::given_for_longer;
use crate::domain::{Item, NoticeKind};
use crate::journal::{History, JournalError, Owed, State, StreamState};

/// What a notification reports.
pub(super) struct Reported {
    /// The state at the record of the outcome. A notification that a share will expire or is
    /// overdue reports the newest state.
    pub(super) state: StreamState,
    on: NoticeKind,
    /// The items of an expiring share that stay shared, because another share of them ends later.
    pub(super) staying: Vec<Item>,
    /// Whether this target was notified that the share is overdue, or an attempt to do so was made.
    alarmed: bool,
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
        })
    }
}

impl Reported {
    /// Whether the notification is about an end at which nothing ends, or about a revocation that
    /// took nothing away. The latter is news to a target that was notified that the share is
    /// overdue.
    pub(super) fn ends_nothing(&self) -> bool {
        if self.on == NoticeKind::Revoked {
            let share = self.state.state();
            return !self.alarmed && share.is_some_and(|share| share.taken_away().is_empty());
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
