//! The state of one stream, computed from the stream's records in order. A [`StreamState`] is
//! either the [`State`] of a request or an [`Incident`]. Pure: the current instant is an argument.

mod affected;
mod apply;
mod broken_record;
mod call_off;
mod due;
mod grant;
mod head;
mod incident;
mod notices;
mod notification;
mod order;
mod reopen;
mod request_state;
mod results;
mod revoking;
mod stream_state;
mod wake_up;
mod work;

pub use affected::{Affected, Receiver};
pub use broken_record::BrokenRecord;
pub use due::{
    MAX_CLOCK_DIFFERENCE, MAX_COVER, MAX_LEASE, MAX_PAUSE_OF_REVOCATION, MAX_PAUSE_OF_WORK,
};
pub use grant::{Grant, Standing};
pub use head::Head;
pub use incident::{Incident, Subject};
pub use notification::{NotificationState, Owed};
pub use request_state::{Phase, State};
pub use stream_state::StreamState;
pub use wake_up::WakeUp;
pub use work::Work;

use request_state::Revoking;
