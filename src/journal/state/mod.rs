//! The state of one stream. In: records in order. Out: a [`StreamState`]: the [`State`] of a
//! request, or a conflict. Pure: functions that need the present instant take it as an argument.

mod affected;
mod apply;
mod call_off;
mod due;
mod notices;
mod notification;
mod reopen;
mod request_state;
mod results;
mod revoking;
mod wake_up;
mod work;

pub use affected::{Affected, Receiver};
pub use apply::BrokenRecord;
pub use due::{
    MAX_CLOCK_DIFFERENCE, MAX_COVER, MAX_LEASE, MAX_PAUSE_OF_REVOCATION, MAX_PAUSE_OF_WORK,
};
pub use notices::Owed;
pub use notification::NotificationState;
pub use request_state::{Head, Phase, State, StreamState};
pub use wake_up::WakeUp;
pub use work::{Grant, Standing, Work};

use request_state::Revoking;
