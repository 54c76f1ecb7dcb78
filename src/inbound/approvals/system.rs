//! Defines the description of an approval system, which consists of data and pure functions over
//! JSON.

use std::time::Duration;

use serde_json::Value;

use super::api::{ApiCall, NewToken, Rejected};
use super::instance::{InstanceState, Named, Said, is_code};
use super::listing::Listing;
use crate::domain::Timestamp;

/// An approval system.
#[derive(Debug)]
pub struct ApprovalSystem {
    /// Scheme and host of the API, as in `https://api.dingtalk.com`.
    pub url: &'static str,
    /// The shortest time between two calls of the API.
    pub between_calls: Duration,
    /// The fields of events that contain a secret. Each is a JSON pointer to an object and the name
    /// of a field in that object.
    pub(super) secrets: &'static [(&'static str, &'static str)],
    /// Reads which instance an event names and what became of it. Returns `None` for an event that
    /// reports neither an approval nor a withdrawal.
    pub(super) named: fn(&Value) -> Option<Named>,
    /// Makes the call that requests a token with the id and the secret of an app.
    pub token: fn(id: &str, secret: &str) -> ApiCall,
    /// Reads the answer to any call from its HTTP status and body.
    pub answer: fn(status: u16, body: &[u8]) -> Result<Value, Rejected>,
    /// The names of two fields in the answer to `token`: the token itself, and its lifetime in
    /// seconds.
    pub(super) token_fields: (&'static str, &'static str),
    /// Adds the token to a call.
    pub with_token: fn(ApiCall, token: &str) -> ApiCall,
    /// Makes the call that requests an instance by its code.
    pub instance: fn(code: &str) -> ApiCall,
    /// The name of the field in the answer that contains the instance.
    pub(super) instance_field: &'static str,
    /// Reads the state of a fetched instance. May add values from the event to the instance, such
    /// as the code of the definition.
    pub state: fn(&Named, Value) -> InstanceState,
    /// Makes the call that requests a definition by its code. The call shows whether the app may
    /// read the definition.
    pub definition: Option<fn(code: &str) -> ApiCall>,
    /// Reads when a fetched instance began. Set only for a system whose instances do not name their
    /// definition. Because only the event names the definition, the program looks for the instance
    /// in the list of that definition's instances around this time.
    pub begun: Option<fn(&Value) -> Option<Timestamp>>,
    /// Reads when a fetched instance was approved.
    pub ended: fn(&Value) -> Option<Timestamp>,
    /// How finished instances are listed; `None` for a system without such a call.
    pub listing: Option<Listing>,
}

impl ApprovalSystem {
    /// Returns the instance that an event names. Returns `None` if the event names none, if
    /// `definitions` does not contain the definition of an approval, or if the code of the
    /// instance or the definition is not usable ([`is_code`]). A withdrawal is returned for any
    /// definition: what an approval gave must end, also after its definition left the list.
    pub fn named(&self, event: &Value, definitions: &[String]) -> Option<Named> {
        (self.named)(event).filter(|named| {
            let listed = definitions.contains(&named.definition);
            let withdrawn = named.said == Said::Withdrawn && is_code(&named.definition);
            (listed || withdrawn) && is_code(&named.instance)
        })
    }

    /// Returns the instance that an event names, whatever its definition is.
    pub fn named_of_any(&self, event: &Value) -> Option<Named> {
        (self.named)(event).filter(|named| is_code(&named.instance))
    }

    /// Returns the definition that an event names, if `named` returns `None` only because
    /// `definitions` does not contain it.
    pub fn unlisted(&self, event: &Value, definitions: &[String]) -> Option<String> {
        let named = self.named_of_any(event)?;
        let is_unlisted = is_code(&named.definition) && self.named(event, definitions).is_none();
        is_unlisted.then_some(named.definition)
    }

    /// Returns the token in the answer to `token`.
    pub fn token_of(&self, answer: &Value) -> Option<NewToken> {
        let (text, lasts) = self.token_fields;
        Some(NewToken {
            text: answer.get(text)?.as_str()?.into(),
            lasts: answer.get(lasts)?.as_i64()?,
        })
    }

    /// Returns the instance in the answer to `instance`.
    pub fn instance_of(&self, mut answer: Value) -> Option<Value> {
        let instance = answer.get_mut(self.instance_field).map(Value::take);
        instance.filter(Value::is_object)
    }

    /// Returns the event without its secrets.
    pub fn without_secrets(&self, mut event: Value) -> Value {
        for (place, name) in self.secrets {
            if let Some(Value::Object(fields)) = event.pointer_mut(place) {
                fields.remove(*name);
            }
        }
        event
    }
}
