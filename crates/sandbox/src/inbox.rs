//! The inbox, a stand-in for a ticket system that receives notifications. Records each request to a
//! path below `/inbox`, and answers it with the status and body that were last configured.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::request::Request;

/// Maximum number of letters that the inbox keeps. It drops the oldest first.
const MAX_LETTERS: usize = 1_000;

/// One request to the inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Letter {
    /// The HTTP method.
    pub method: String,
    /// The path below `/inbox`, with the query.
    pub path: String,
    /// Headers by their lower-case names.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// The status of the answer.
    pub status: u16,
}

/// How the inbox answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboxAnswer {
    /// The status.
    pub status: u16,
    /// `Retry-After` in seconds.
    #[serde(default)]
    pub retry_after: Option<u32>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

impl Default for InboxAnswer {
    fn default() -> Self {
        Self {
            status: 202,
            retry_after: None,
            body: "{}".to_owned(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Inbox {
    letters: VecDeque<Letter>,
    pub(super) answer: InboxAnswer,
}

impl Inbox {
    pub(super) fn take(&mut self, path: &str, request: &Request) -> InboxAnswer {
        let query = match request.query.as_str() {
            "" => String::new(),
            query => format!("?{query}"),
        };
        if self.letters.len() == MAX_LETTERS {
            self.letters.pop_front();
        }
        self.letters.push_back(Letter {
            method: request.method.clone(),
            path: format!("{path}{query}"),
            headers: request.headers.clone(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            status: self.answer.status,
        });
        self.answer.clone()
    }

    /// Returns the letters, oldest first.
    pub(super) fn letters(&self) -> Vec<Letter> {
        self.letters.iter().cloned().collect()
    }

    pub(super) fn clear(&mut self) {
        self.letters.clear();
    }
}
