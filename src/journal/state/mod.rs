//! What the records of one stream add up to. In: records in their order. Out: a [`Story`]: a
//! request's [`State`], or a conflict. Pure: the present instant is an argument of every question
//! that needs it.

mod archive;
mod concern;
mod fold;
mod hint;
mod results;
mod story;
mod work;

pub use concern::{Concern, Receiver};
pub use fold::BrokenRecord;
pub use hint::{Hint, Hour};
pub use story::{Head, Phase, State, Story};
pub use work::{Grant, Work};

use story::Revoking;
