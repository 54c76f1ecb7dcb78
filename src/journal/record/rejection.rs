//! The record of a delivery that was authenticated but is not a valid request. Stores the problems
//! but not the body. A problem may quote values from the delivery.

use serde::{Deserialize, Serialize};

use super::Received;
use crate::domain::{Problem, SourceName};

const MAX_PROBLEMS: usize = 16;
/// Maximum number of characters in each text of a problem.
const MAX_CHARS: usize = 300;

/// An authenticated delivery that is not a valid request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// The source that authenticated the delivery.
    pub source: SourceName,
    /// The source's scheme.
    pub scheme: String,
    /// Digests of the received bytes and of the map and configuration that read them.
    #[serde(flatten)]
    pub received: Received,
    /// The sender's own id of the delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// Tells the rejections of one day apart: the stream is named after the source, the day and
    /// this number. Always below the maximum number of rejections per source and day.
    pub slot: u32,
    /// Why the delivery is not a valid request.
    pub problems: Vec<Problem>,
}

impl Rejection {
    /// Shortens the delivery's id, the list of problems and their texts to the limits of a record.
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
