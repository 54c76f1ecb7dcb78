//! Translates a [`Question`] into Cedar requests: one for each item, and one for each pair of an
//! item and an approver. Checks them against the schema. Decides nothing.

use std::borrow::Cow;
use std::collections::BTreeSet;

use cedar_policy::{Context, Entities, Entity, EntityUid, Request, RestrictedExpression};
use serde_json::{Map, Value, json};

use super::entities::requester_attrs;
use super::policy_set::PolicySet;
use super::question::Question;
use super::schema::{APPROVE, clipped, requester_id, uid};
use crate::domain::{
    Action, Identity, Item, Mark, PersonName, Problem, Problems, ServedRegions, ShareRequest,
    SourceName, Timestamp,
};

/// The fields of a Cedar context. They are built as expressions, because reading them from JSON
/// would cost Cedar ten times the work.
type Fields = Vec<(&'static str, RestrictedExpression)>;

/// What all Cedar requests of one question have in common.
pub(super) struct AuthorizationRequest<'a> {
    policies: &'a PolicySet,
    request: &'a ShareRequest,
    principal: EntityUid,
    /// The approvers, sorted and without duplicates.
    pub(super) approvers: Vec<EntityUid>,
    image: EntityUid,
    /// The entity store of `policies`, and the entities that this question adds to it.
    pub(super) entities: Cow<'a, Entities>,
    ticket: &'a str,
    now: String,
    expires: Option<String>,
}

impl<'a> AuthorizationRequest<'a> {
    /// Prepares the Cedar requests for a question.
    ///
    /// # Errors
    /// Fails if the expiry or a name is not valid, or if the schema refuses an entity. The error
    /// text goes into the verdict.
    pub(super) fn new(policies: &'a PolicySet, question: &Question<'a>) -> Result<Self, String> {
        let request = question.request;
        let expires = match (&request.expires, request.expires_at(question.approved_at)) {
            (None, _) => None,
            (Some(_), Some(instant)) if instant > question.now => Some(datetime(instant)),
            (Some(_), Some(instant)) => {
                return Err(format!("the share would already have expired at {instant}"));
            }
            (Some(_), None) => {
                return Err(
                    "its expires_in is too long: the share would expire after the last possible date".to_owned(),
                );
            }
        };
        let person = |field: &str, name: &str| {
            name.parse::<PersonName>()
                .map_err(|problem| format!("{field} {}", problem.problem))
        };
        let requester = person("the requester", &request.requester)?;
        let approvers = request
            .approvers
            .iter()
            .map(|name| person("an approver", name))
            .collect::<Result<BTreeSet<PersonName>, String>>()?;
        let ticket = request.ticket.as_ref().unwrap_or(&question.identity.id);
        let source = &question.identity.source;
        let requester_uid =
            |name: &PersonName| uid(&policies.names.requester, &requester_id(source, name));
        let mut asked = Self {
            policies,
            request,
            principal: requester_uid(&requester),
            approvers: approvers.iter().map(requester_uid).collect(),
            image: uid(&policies.names.image, request.target.image().as_str()),
            entities: Cow::Borrowed(&policies.known.store),
            ticket,
            now: datetime(question.now),
            expires,
        };
        let people = approvers.iter().chain([&requester]).collect();
        asked.add_missing(source, people)?;
        Ok(asked)
    }

    /// Adds the entities of the request that the store lacks. These can be accounts that
    /// [`ListedAccounts`](super::accounts::ListedAccounts) keeps outside the store, people and
    /// accounts that `entities.json` does not list, and the image with the request's region.
    /// Unlisted people and accounts are in no group, so a permit for a group does not apply to
    /// them.
    fn add_missing(
        &mut self,
        source: &SourceName,
        people: BTreeSet<&PersonName>,
    ) -> Result<(), String> {
        let (schema, names) = (&self.policies.schema, &self.policies.names);
        let store = &self.policies.known.store;
        let is_listed = |id: &EntityUid| store.get(id).is_some();
        let read = |value: Value| Entity::from_json_value(value, Some(schema)).map_err(clipped);
        let mut added = Vec::new();
        for name in people {
            let id = requester_id(source, name);
            if !is_listed(&uid(&names.requester, &id)) {
                let mut attrs = Map::new();
                requester_attrs(&mut attrs, source.as_str(), name);
                let id = json!({"type": "Share::Requester", "id": id});
                added.push(read(json!({"uid": id, "attrs": attrs, "parents": []}))?);
            }
        }
        for account in self.request.target.accounts() {
            let id = uid(&names.account, account.as_str());
            if let Some(listed) = self.policies.known.accounts.get(&id) {
                added.push(listed.clone());
            } else if !is_listed(&id) {
                let id = json!({"type": "Share::Account", "id": account.as_str()});
                added.push(read(json!({"uid": id, "attrs": {}, "parents": []}))?);
            }
        }
        let image = read(self.image_json())?;
        if store
            .get(&self.image)
            .is_none_or(|known| !same_region(known, &image))
        {
            added.push(image);
        }
        if !added.is_empty() {
            let all = store.clone().upsert_entities(added, Some(schema));
            self.entities = Cow::Owned(all.map_err(clipped)?);
        }
        Ok(())
    }

    /// Returns the JSON of the image's entity, with the region of the request and the kind of the
    /// image. All other values come from `entities.json`. An image that is not listed there has no
    /// groups.
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

    /// Returns the class of an account. Policies cannot tell two accounts of one class apart.
    /// Returns `None` for Lighthouse, and for an account that a policy or an entity mentions.
    pub(super) fn class(&self, item: &Item) -> Option<usize> {
        let Item::Account(account) = item else {
            return None;
        };
        let account = uid(&self.policies.names.account, account.as_str());
        self.policies.known.accounts.class(&account)
    }

    /// Returns the Cedar request for one item.
    ///
    /// # Errors
    /// Fails if the schema refuses the request. The error text goes into the verdict.
    pub(super) fn request(&self, item: &Item) -> Result<Request, String> {
        let approvers = self.approvers.iter().cloned();
        let approvers = approvers.map(RestrictedExpression::new_entity_uid);
        let mut context = self.context(item);
        context.push(("approvers", RestrictedExpression::new_set(approvers)));
        if let (Item::Account(_), Some(expires)) = (item, &self.expires) {
            context.push(("expires", RestrictedExpression::new_datetime(expires)));
        }
        let action = action_name(self.request.action, item);
        self.cedar_request(&self.principal, action, context)
    }

    /// Returns the Cedar request that asks whether `approver` may approve one item.
    ///
    /// # Errors
    /// Fails if the schema refuses the request. The error text goes into the verdict.
    pub(super) fn approval(&self, item: &Item, approver: &EntityUid) -> Result<Request, String> {
        let requester = RestrictedExpression::new_entity_uid(self.principal.clone());
        let action = action_name(self.request.action, item);
        let mut context = self.context(item);
        context.push(("requester", requester));
        context.push((
            "action",
            RestrictedExpression::new_string(action.to_owned()),
        ));
        self.cedar_request(approver, APPROVE, context)
    }

    /// Returns the context fields that all actions have in common: the ticket, the time and, if the
    /// item is an account, the account.
    fn context(&self, item: &Item) -> Fields {
        let id = RestrictedExpression::new_string(self.ticket.to_owned());
        let mut context = vec![("now", RestrictedExpression::new_datetime(&self.now))];
        // This cannot fail: only a repeated field name is an error.
        if let Ok(ticket) = RestrictedExpression::new_record([("id".to_owned(), id)]) {
            context.push(("ticket", ticket));
        }
        if let Item::Account(account) = item {
            let account = uid(&self.policies.names.account, account.as_str());
            context.push(("account", RestrictedExpression::new_entity_uid(account)));
        }
        context
    }

    fn cedar_request(
        &self,
        principal: &EntityUid,
        action: &str,
        context: Fields,
    ) -> Result<Request, String> {
        let fields = context.into_iter();
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        let context = Context::from_pairs(fields).map_err(clipped)?;
        Request::new(
            principal.clone(),
            self.policies.names.action(action),
            self.image.clone(),
            context,
            Some(&self.policies.schema),
        )
        .map_err(clipped)
    }
}

fn action_name(action: Action, item: &Item) -> &'static str {
    match (action, item) {
        (Action::Share, Item::Account(_)) => "share",
        (Action::Cancel, Item::Account(_)) => "cancel",
        (Action::Share, Item::Lighthouse(_)) => "publish",
        (Action::Cancel, Item::Lighthouse(_)) => "unpublish",
    }
}

/// Whether the known image already has the requested region, so that the store needs no change.
fn same_region(known: &Entity, image: &Entity) -> bool {
    let region = |entity: &Entity| match entity.attr("region") {
        Some(Ok(value)) => Some(value),
        _ => None,
    };
    region(known).is_some() && region(known) == region(image)
}

/// Formats an instant for Cedar's `datetime`: RFC 3339 with three decimals of a second.
fn datetime(instant: Timestamp) -> String {
    format!("{instant:.3}")
}

impl PolicySet {
    /// Builds a Cedar request of each kind, in order to find a schema that requests cannot satisfy.
    /// For example, a schema may require an attribute that sharehook does not set. Such a schema is
    /// refused when it is loaded, not when the first ticket arrives.
    pub(super) fn rehearse(&self) -> Result<(), Problems> {
        let wrong = |why: String| {
            let remedy = "make your additions to the built-in schema optional, and keep its own declarations unchanged";
            Problem::at(
                Mark::whole(super::files::SCHEMA),
                format!("cannot be met: {why}"),
                remedy,
            )
        };
        let identity = Identity {
            source: "rehearsal".parse()?,
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
                identity: &identity,
                request: &request,
                now,
                approved_at: now,
            };
            let asked = AuthorizationRequest::new(self, &question).map_err(wrong)?;
            for item in request.target.items() {
                asked.request(&item).map_err(wrong)?;
                for approver in &asked.approvers {
                    asked.approval(&item, approver).map_err(wrong)?;
                }
            }
        }
        Ok(())
    }
}
