//! A target's template. In: an outcome event. Out: messages. Two jq programs in sequence:
//! `notify/words.jq` adds the lines for human readers, and the target's template puts them into its
//! markup.

use std::fmt;

use serde_json::Value;

use super::message::Message;
use crate::domain::{Problem, Problems, Timestamp};
use crate::mapping::Program;

const WORDS: &str = include_str!("../../notify/words.jq");

/// Maximum number of messages of a notification.
const MAX_MESSAGES: usize = 4;

/// A compiled template.
pub struct Template {
    words: Program,
    program: Program,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

/// Why a template wrote no valid message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The program failed on the event.
    #[error("the template failed: {0}")]
    Failed(String),
    /// Its output is not a message.
    #[error("the template's output is no message: {0}")]
    NoMessage(String),
    /// It wrote too many messages.
    #[error("the template wrote more than {MAX_MESSAGES} messages")]
    TooMany,
}

impl Template {
    /// Compiles a template. `name` is its name in problems, such as its path.
    ///
    /// # Errors
    /// Every problem, each with its line, as for a map.
    pub fn load(text: &str, name: &str) -> Result<Self, Problems> {
        let here = |Problems(found): Problems| {
            let placed = |p: Problem| Problem {
                remedy: "docs/notifications.md says how a template is written".to_owned(),
                ..p
            };
            Problems(found.into_iter().map(placed).collect())
        };
        Ok(Self {
            words: Program::compile(WORDS, "words")?,
            program: Program::compile(text, name).map_err(here)?,
        })
    }

    /// Writes the messages of an event, in order; empty if it is not to be notified.
    ///
    /// # Errors
    /// [`TemplateError`].
    pub fn messages(&self, event: &Value, now: Timestamp) -> Result<Vec<Message>, TemplateError> {
        let failed = TemplateError::Failed;
        let worded = self.words.run(event, now.as_second()).map_err(failed)?;
        let event = worded.into_iter().next().unwrap_or_default();
        let outputs = self.program.run(&event, now.as_second()).map_err(failed)?;
        if outputs.len() > MAX_MESSAGES {
            return Err(TemplateError::TooMany);
        }
        let read = |output| {
            serde_json::from_value(output)
                .map_err(|error: serde_json::Error| TemplateError::NoMessage(error.to_string()))
        };
        outputs.into_iter().map(read).collect()
    }
}
