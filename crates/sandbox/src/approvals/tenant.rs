//! A company at an approval system: its instances, the notes that clients wrote back, and how the
//! system's API behaves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::query;
use super::super::request::Request;
use super::app::Apps;

/// The number of calls of each kind. Refused calls count too, except refused calls for a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApprovalCalls {
    /// Calls for a token.
    pub tokens: u32,
    /// Calls for an instance.
    pub reads: u32,
    /// Calls for a list of instances.
    pub lists: u32,
}

/// One company at an approval system.
#[derive(Debug, Default)]
pub struct Tenant {
    /// The company's instances by their ids, as the API shows them.
    pub instances: BTreeMap<String, Value>,
    /// The comments and messages that were written back, oldest first.
    pub notes: Vec<String>,
    /// The number of calls so far.
    pub calls: ApprovalCalls,
    /// While set, the tenant refuses every call that has a token, and this is the code in its
    /// answers. For a ticket system, it is the HTTP status of the answers.
    pub failing: Option<String>,
    /// While set, the tenant refuses every call for an instance with this code. It still answers
    /// calls for the list.
    pub failing_reads: Option<String>,
    /// Whether calls for a token are refused.
    pub gives_no_token: bool,
    /// Whether the next note is stored but answered with an error.
    pub loses_answer: bool,
    /// How long each call takes.
    pub pause: Duration,
    /// The maximum size of a list page, or `None` for the system's own maximum.
    pub page_size: Option<usize>,
    pub(super) apps: Apps,
}

impl Tenant {
    /// Invalidates all tokens issued so far.
    pub fn expire_tokens(&mut self) {
        self.apps.expire();
    }

    /// Returns the code with which a call is refused. `reads`: the call is for an instance.
    pub(super) fn refuses(&self, reads: bool) -> Option<&String> {
        let of_reads = self.failing_reads.as_ref().filter(|_| reads);
        self.failing.as_ref().or(of_reads)
    }

    /// Stores a note. Returns `false` if the call must be answered with an error.
    pub(super) fn note(&mut self, text: &str) -> bool {
        self.notes.push(text.to_owned());
        !std::mem::take(&mut self.loses_answer)
    }

    /// Returns one page of the ids of the instances for which `fits` returns true, and the `from`
    /// of the next page if there is one. The page skips the first `from` ids and has at most `size`
    /// ids.
    pub(super) fn page(
        &mut self,
        from: usize,
        size: usize,
        fits: impl Fn(&Value) -> bool,
    ) -> (Vec<String>, Option<usize>) {
        self.calls.lists += 1;
        let size = self.page_size.map_or(size, |largest| largest.min(size));
        let fitting = self.instances.iter().filter(|(_, value)| fits(value));
        let mut ids: Vec<String> = fitting.map(|(id, _)| id.clone()).skip(from).collect();
        let next = (ids.len() > size).then_some(from + size);
        ids.truncate(size);
        (ids, next)
    }
}

#[derive(Debug)]
pub(super) struct Call<'a> {
    request: &'a Request,
    path: &'a str,
    pub(super) query: Map<String, Value>,
    pub(super) body: Value,
}

impl<'a> Call<'a> {
    pub(super) fn read(path: &'a str, request: &'a Request) -> Self {
        Self {
            request,
            path,
            query: query::decode(&request.query).unwrap_or_default(),
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        }
    }

    /// Returns method and path, to match on.
    pub(super) fn line(&self) -> (&str, &str) {
        (&self.request.method, self.path)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.request.header(name).unwrap_or_default()
    }

    /// Returns a field of the query; empty if it is absent.
    pub(super) fn query(&self, name: &str) -> &str {
        text(self.query.get(name))
    }

    /// Returns a text in the body; empty if it is absent.
    pub(super) fn body(&self, name: &str) -> &str {
        text(self.body.get(name))
    }

    /// Returns a number in the body, or else in the query; 0 if both lack it.
    pub(super) fn number(&self, name: &str) -> i64 {
        let value = self.body.get(name).or_else(|| self.query.get(name));
        value.and_then(number).unwrap_or_default()
    }

    /// Like [`Call::number`], but returns 0 for a negative number. Used for counts and positions.
    pub(super) fn count(&self, name: &str) -> usize {
        usize::try_from(self.number(name)).unwrap_or_default()
    }
}

/// Returns the string in a value, or an empty string if the value is absent or not a string.
pub(super) fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// Returns a number, which may be written as a text.
pub(super) fn number(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_i64(),
    }
}
