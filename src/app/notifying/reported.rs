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
        let on = owed.notice.on;
        Ok(Reported { state, on, staying })
    }
}

impl Reported {
    /// Whether the notification is about an end at which nothing ends, or about a revocation that
    /// found nothing left to revoke.
    pub(super) fn ends_nothing(&self) -> bool {
        if self.on == NoticeKind::Revoked {
            return self
                .state
                .state()
                .is_some_and(|share| share.revoked().is_empty());
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
