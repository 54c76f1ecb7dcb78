//! What the program knows of an approval system: one table of data and pure functions.

use std::time::Duration;

use serde_json::Value;

use super::api::{ApiCall, NewToken, Rejected};
use super::instance::{InstanceState, Named, is_code};
use super::listing::Listing;
use crate::domain::Timestamp;

/// An approval system.
#[derive(Debug)]
pub struct ApprovalSystem {
    /// The address of its API.
    pub url: &'static str,
    /// The shortest time between two calls.
    pub between_calls: Duration,
    /// The fields of its events that hold a secret: the pointer of an object, and a name in it.
    pub(super) secrets: &'static [(&'static str, &'static str)],
    /// The instance that an event names, and what it says of it; `None` for every other event.
    pub(super) named: fn(&Value) -> Option<Named>,
    /// Asks for a token with the id and the secret of an app.
    pub token: fn(id: &str, secret: &str) -> ApiCall,
    /// Reads an answer of any call, by its HTTP status and its body.
    pub answer: fn(status: u16, body: &[u8]) -> Result<Value, Rejected>,
    /// The names of two fields of the answer: the token, and its lifetime in seconds.
    pub(super) token_fields: (&'static str, &'static str),
    /// The same call with the token that it needs.
    pub with_token: fn(ApiCall, token: &str) -> ApiCall,
    /// Asks for an instance by its code.
    pub instance: fn(code: &str) -> ApiCall,
    /// The field of the answer that has the instance.
    pub(super) instance_field: &'static str,
    /// What the instance says. May add to it what the event alone says, such as its definition.
    pub state: fn(&Named, Value) -> InstanceState,
    /// Asks for a definition by its code, to see whether the app may read it.
    pub definition: Option<fn(code: &str) -> ApiCall>,
    /// For a system whose instances do not name their definition: when one began. Its place in the list of
    /// the definition then confirms what the event says.
    pub begun: Option<fn(&Value) -> Option<Timestamp>>,
    /// For a system whose list does not say when an instance ended: when a fetched one was approved.
    pub ended: Option<fn(&Value) -> Option<Timestamp>>,
    /// How finished instances are listed; `None` for a system that has no such call.
    pub listing: Option<Listing>,
}

impl ApprovalSystem {
    /// The instance that an event names, if it is of one of these definitions.
    pub fn named(&self, event: &Value, definitions: &[String]) -> Option<Named> {
        (self.named)(event).filter(|named| {
            let listed = definitions.contains(&named.definition);
            listed && is_code(&named.instance)
        })
    }

    /// The token in the answer.
    pub fn token_of(&self, answer: &Value) -> Option<NewToken> {
        let (text, lasts) = self.token_fields;
        Some(NewToken {
            text: answer.get(text)?.as_str()?.into(),
            lasts: answer.get(lasts)?.as_i64()?,
        })
    }

    /// The instance in the answer.
    pub fn instance_of(&self, mut answer: Value) -> Option<Value> {
        let instance = answer.get_mut(self.instance_field).map(Value::take);
        instance.filter(Value::is_object)
    }

    /// The event without its secrets.
    pub fn without_secrets(&self, mut event: Value) -> Value {
        for (place, name) in self.secrets {
            if let Some(Value::Object(fields)) = event.pointer_mut(place) {
                fields.remove(*name);
            }
        }
        event
    }
}
