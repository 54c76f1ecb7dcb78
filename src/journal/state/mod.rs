//! What the records of one stream add up to. In: records in their order. Out: a [`Story`]: a
//! request's [`State`], or a conflict. Pure: the present instant is an argument of every question
//! that needs it.

mod affected;
mod apply;
mod call_off;
mod request_state;
mod results;
mod wake_up;
mod work;

pub use affected::{Affected, Receiver};
pub use apply::BrokenRecord;
pub use request_state::{Head, Phase, State, StreamState};
pub use wake_up::WakeUp;
pub use work::{Grant, Work};

use request_state::Revoking;
