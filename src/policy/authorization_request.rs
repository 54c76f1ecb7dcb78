//! A question in Cedar's terms: principal, image, entities and contexts, all checked against the
//! schema. In: a [`Question`]. Out: one Cedar request per account, and one for Lighthouse. Decides
//! nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};
use serde_json::{Map, Value, json};

use super::decide::Question;
use super::entities::requester_attrs;
use super::schema::{clipped, folded, person, uid};
use super::{PolicySet, SourceFacts};
use crate::domain::{
    AccountId, Identity, Problem, Problems, Refused, ServedRegions, ShareRequest, Timestamp,
};

/// One thing to ask about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    Account(&'a AccountId),
    Lighthouse,
}

impl Asked<'_> {
    /// How a refusal names it.
    pub(super) fn what(self) -> String {
        match self {
            Self::Account(id) => format!("account {id}"),
            Self::Lighthouse => "Lighthouse".to_owned(),
        }
    }
}

/// Everything about a question that its authorizations share.
pub(super) struct AuthorizationRequest<'a> {
    policies: &'a PolicySet,
    request: &'a ShareRequest,
    principal: EntityUid,
    image: EntityUid,
    /// The known entities, and those that only this question brings along.
    pub(super) entities: Cow<'a, Entities>,
    /// What every context says: ticket, approvers, now.
    context: Map<String, Value>,
    expires: Option<String>,
}

impl<'a> AuthorizationRequest<'a> {
    /// # Errors
    /// What of the question cannot be said in the schema's terms, for people.
    pub(super) fn new(policies: &'a PolicySet, question: &Question<'a>) -> Result<Self, String> {
        let request = question.request;
        let names = &policies.names;
        let expires = match (&request.expires, request.expires_at(question.approved_at)) {
            (None, _) => None,
            (Some(_), Some(instant)) if instant > question.now => Some(datetime(instant)),
            (Some(_), Some(instant)) => {
                return Err(format!("it would have ended at {instant} already"));
            }
            (Some(_), None) => return Err("its expiry is beyond the calendar".to_owned()),
        };
        let requester = person(question.source, &request.requester);
        let approvers: BTreeSet<String> = request
            .approvers
            .iter()
            .map(|name| person(question.source, name))
            .collect();
        let ticket = request.ticket.as_ref().unwrap_or(&question.identity.id);
        let members: Vec<Value> = approvers
            .iter()
            .map(|id| json!({"type": "Share::Requester", "id": id}))
            .collect();
        let Value::Object(context) =
            json!({"ticket": {"id": ticket}, "approvers": members, "now": datetime(question.now)})
        else {
            return Err("its context is not a record".to_owned());
        };
        let mut asked_request = Self {
            policies,
            request,
            principal: uid(&names.requester, &requester),
            image: uid(&names.image, request.target.image().as_str()),
            entities: Cow::Borrowed(&policies.known.store),
            context,
            expires,
        };
        asked_request.bring(question, approvers)?;
        Ok(asked_request)
    }

    /// Adds what the known entities lack: people and accounts that no list names (they are in no
    /// group, so that nothing is allowed for their sake), and the image as it is in the request's
    /// region.
    fn bring(&mut self, question: &Question<'_>, people: BTreeSet<String>) -> Result<(), String> {
        let (schema, names) = (&self.policies.schema, &self.policies.names);
        let store = &self.policies.known.store;
        let unknown = |id: &EntityUid| store.get(id).is_none();
        let read = |value: Value| {
            Entity::from_json_value(value, Some(schema))
                .map_err(|error| clipped(&error.to_string()))
        };
        let mut brought = Vec::new();
        let requester = self.principal.id().unescaped().to_owned();
        let people = people
            .into_iter()
            .chain([requester])
            .collect::<BTreeSet<String>>();
        for id in people
            .iter()
            .filter(|id| unknown(&uid(&names.requester, id)))
        {
            let mut attrs = Map::new();
            let name = id.split_once('/').map_or(id.as_str(), |(_, name)| name);
            requester_attrs(&mut attrs, question.source.as_str(), &folded(name));
            brought.push(read(
                json!({"uid": {"type": "Share::Requester", "id": id}, "attrs": attrs, "parents": []}),
            )?);
        }
        for account in self.request.target.accounts() {
            if unknown(&uid(&names.account, account.as_str())) {
                let id = json!({"type": "Share::Account", "id": account.as_str()});
                brought.push(read(json!({"uid": id, "attrs": {}, "parents": []}))?);
            }
        }
        let image = read(self.image_json())?;
        if store
            .get(&self.image)
            .is_none_or(|known| !same_place(known, &image))
        {
            brought.push(image);
        }
        if !brought.is_empty() {
            let all = store.clone().upsert_entities(brought, Some(schema));
            self.entities = Cow::Owned(all.map_err(|error| clipped(&error.to_string()))?);
        }
        Ok(())
    }

    /// The image as the file describes it, in the region and of the kind that the request tells.
    fn image_json(&self) -> Value {
        let image = self.request.target.image();
        let id = json!({"type": "Share::Image", "id": image.as_str()});
        let listed = self.policies.known.images.get(image.as_str()).cloned();
        let mut value = listed.unwrap_or_else(|| json!({"uid": id, "attrs": {}, "parents": []}));
        if let Some(attrs) = value.get_mut("attrs").and_then(Value::as_object_mut) {
            attrs.insert("region".into(), json!(self.request.region.as_str()));
            attrs.insert("kind".into(), json!(image.kind()));
        }
        value
    }

    /// Everything that has to be allowed.
    pub(super) fn asked(&self) -> impl Iterator<Item = Asked<'a>> + use<'a> {
        let target = &self.request.target;
        let lighthouse = target.lighthouse().then_some(Asked::Lighthouse);
        target
            .accounts()
            .iter()
            .map(Asked::Account)
            .chain(lighthouse)
    }

    /// The Cedar request for one of them.
    ///
    /// # Errors
    /// What the schema refuses, for people.
    pub(super) fn request(&self, asked: Asked<'_>) -> Result<Request, String> {
        let schema = &self.policies.schema;
        let action = self
            .policies
            .names
            .action(self.request.action, matches!(asked, Asked::Lighthouse));
        let mut context = self.context.clone();
        if let Asked::Account(account) = asked {
            context.insert(
                "account".into(),
                json!({"type": "Share::Account", "id": account.as_str()}),
            );
            if let Some(expires) = &self.expires {
                context.insert("expires".into(), json!(expires));
            }
        }
        let context = Context::from_json_value(Value::Object(context), Some((schema, &action)))
            .map_err(|error| clipped(&error.to_string()))?;
        Request::new(
            self.principal.clone(),
            action,
            self.image.clone(),
            context,
            Some(schema),
        )
        .map_err(|error| clipped(&error.to_string()))
    }
}

/// Whether a known image is the requested one already, so that the store serves as it is.
fn same_place(known: &Entity, image: &Entity) -> bool {
    let region = |entity: &Entity| match entity.attr("region") {
        Some(Ok(value)) => Some(value),
        _ => None,
    };
    region(known).is_some() && region(known) == region(image)
}

/// Cedar's `datetime` reads RFC 3339 with three digits of a second at most.
fn datetime(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

impl PolicySet {
    /// Asks one question of every shape, so that a schema which wants more than a request can tell
    /// is refused when it is loaded, and not with the first ticket.
    pub(super) fn rehearse(&self) -> Result<(), Problems> {
        let wrong = |why: String| {
            let remedy =
                "make what you added to the built-in schema optional, and keep what it says";
            Problem::new(
                format!("{}:1", super::files::SCHEMA),
                format!("cannot be met: {why}"),
                remedy,
            )
        };
        let source = "rehearsal".parse()?;
        let facts = SourceFacts {
            name: source,
            scheme: "rehearsal".to_owned(),
            signed: false,
        };
        let identity = Identity {
            source: facts.name.clone(),
            id: "rehearsal".to_owned(),
        };
        let shape = |action: &str, expiry: Value, approvers: Value, ticket: Value| {
            json!({"action": action, "image": "img-rehearsal", "region": "ap-singapore", "accounts": ["1000000000"],
                "lighthouse": true, "requester": "a", "expires_in": expiry, "approvers": approvers, "ticket": ticket})
        };
        for native in [
            shape("share", Value::Null, json!([]), Value::Null),
            shape(
                "share",
                json!("1d"),
                json!(["b@example.com", "c"]),
                json!("t"),
            ),
            shape("cancel", Value::Null, json!([]), Value::Null),
        ] {
            let request = ShareRequest::from_json(&native, &ServedRegions::default())?;
            let now = Timestamp::UNIX_EPOCH;
            let question = Question {
                source: &facts.name,
                identity: &identity,
                request: &request,
                now,
                approved_at: now,
            };
            let asked_request = AuthorizationRequest::new(self, &question).map_err(wrong)?;
            for asked in asked_request.asked() {
                asked_request.request(asked).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

/// A refusal of the request as a whole.
pub(super) fn refused(why: String) -> Refused {
    Refused {
        what: "request".to_owned(),
        why,
    }
}
