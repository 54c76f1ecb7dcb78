//! What the record of a delivery says that was authenticated and not understood. Holds no part of its body.

use serde::{Deserialize, Serialize};

use super::Received;
use crate::domain::{Problem, SourceName};

/// Problems that a record keeps.
const MAX_PROBLEMS: usize = 16;
/// Characters that it keeps of each part of a problem.
const MAX_CHARS: usize = 300;

/// A delivery that is no valid request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The source that authenticated it.
    pub source: SourceName,
    /// The source's scheme.
    pub scheme: String,
    /// What was received, and what it was read with.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// Its place among the records of its source and day, which are bounded in number.
    pub slot: u32,
    /// Why it is none.
    pub problems: Vec<Problem>,
}

impl Rejection {
    /// The same, within the bounds of a record.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let clip = |text: &mut String| *text = text.chars().take(MAX_CHARS).collect();
        self.delivery_id.iter_mut().for_each(clip);
        self.problems.truncate(MAX_PROBLEMS);
        for problem in &mut self.problems {
            [
                &mut problem.field,
                &mut problem.problem,
                &mut problem.remedy,
            ]
            .into_iter()
            .for_each(clip);
        }
        self
    }
}
