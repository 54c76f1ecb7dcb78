//! Reads entities from JSON with a tenth of the work of Cedar's own reader. Takes an element of
//! `entities.json` that was validated before; returns Cedar's entity, or `None` if only Cedar's
//! reader can read the element.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    Entities, Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression, Schema,
};
use serde_json::Value;

use super::files::ENTITIES;
use super::schema::clipped;
use crate::domain::{Mark, Problem};

/// A cache of parsed entity types, by name. Most of the work of reading a uid is to parse the name
/// of its type.
#[derive(Debug, Default)]
pub(super) struct EntityValues(HashMap<String, EntityTypeName>);

impl EntityValues {
    /// # Errors
    /// Returns Cedar's description of what is wrong.
    pub(super) fn uid(&mut self, value: &Value) -> Result<EntityUid, String> {
        if let Some((kind, id)) = type_and_id(value)
            && let Some(kind) = self.0.get(kind)
        {
            return Ok(EntityUid::from_type_name_and_id(
                kind.clone(),
                EntityId::new(id),
            ));
        }
        let uid = EntityUid::from_json(value.clone()).map_err(|error| error.to_string())?;
        if let Some((kind, _)) = type_and_id(value) {
            self.0.insert(kind.to_owned(), uid.type_name().clone());
        }
        Ok(uid)
    }

    /// Reads an entity, or returns `None` if only Cedar's own reader can read it. The entity must
    /// have been validated against the built-in schema. Another schema can declare that a JSON
    /// string is a date, but this function reads every string as a string.
    pub(super) fn entity(&mut self, value: &Value) -> Option<Entity> {
        let fields = value.as_object()?;
        if fields
            .keys()
            .any(|key| !["uid", "attrs", "parents"].contains(&key.as_str()))
        {
            return None;
        }
        let uid = self.uid(fields.get("uid")?).ok()?;
        let parents = fields.get("parents")?.as_array()?.iter();
        let parents = parents.map(|parent| self.uid(parent).ok());
        let parents = parents.collect::<Option<HashSet<EntityUid>>>()?;
        let attrs = fields.get("attrs")?.as_object()?.iter();
        let attrs = attrs.map(|(name, value)| Some((name.clone(), self.attribute(value)?)));
        let attrs = attrs.collect::<Option<HashMap<_, _>>>()?;
        Entity::new(uid, attrs, parents).ok()
    }

    fn attribute(&mut self, value: &Value) -> Option<RestrictedExpression> {
        match value {
            Value::String(text) => Some(RestrictedExpression::new_string(text.clone())),
            Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
            Value::Object(_) => {
                type_and_id(value.get("__entity").unwrap_or(value))?;
                let uid = self.uid(value).ok()?;
                Some(RestrictedExpression::new_entity_uid(uid))
            }
            Value::Null | Value::Number(_) | Value::Array(_) => None,
        }
    }
}

/// Returns an entity store that contains validated entities and the schema's actions.
pub(super) fn store(
    entities: impl IntoIterator<Item = Entity>,
    schema: &Schema,
) -> Result<Entities, Problem> {
    let refused = |error: &dyn std::fmt::Display| {
        let remedy = "make the bundle again with `sharehook bundle`";
        Problem::at(Mark::whole(ENTITIES), clipped(error), remedy)
    };
    let actions = schema.action_entities().map_err(|error| refused(&error))?;
    let all = actions.add_entities(entities, None);
    all.map_err(|error| refused(&error))
}

/// Returns an entity in Cedar's JSON format, with sorted parents.
pub(super) fn to_json(entity: &Entity) -> Option<Value> {
    let mut json = entity.to_json_value().ok()?;
    if let Some(parents) = json.get_mut("parents").and_then(Value::as_array_mut) {
        parents.sort_by_key(Value::to_string);
    }
    Some(json)
}

/// Returns the two strings of `{"type": …, "id": …}`, or `None` if the value has another form.
fn type_and_id(value: &Value) -> Option<(&str, &str)> {
    let fields = value.as_object().filter(|fields| fields.len() == 2)?;
    Some((fields.get("type")?.as_str()?, fields.get("id")?.as_str()?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Option<Entity> {
        EntityValues::default().entity(&value)
    }

    #[test]
    fn an_entity_is_read_as_cedar_reads_it() {
        let schema = super::super::schema::SchemaNames::new()
            .unwrap()
            .schema(None)
            .unwrap();
        let team = json!({"type": "Share::Team", "id": "platform \"é\""});
        for value in [
            json!({"uid": team, "attrs": {}, "parents": []}),
            json!({"uid": {"__entity": {"type": "Share::Account", "id": "700000164995"}}, "attrs": {}, "parents": []}),
            json!({"uid": {"type": "Share::Source", "id": "a"}, "attrs": {"scheme": "x", "signed": true}, "parents": []}),
            json!({"uid": {"type": "Share::Requester", "id": "a/b"}, "parents": [team, {"__entity": team}],
                "attrs": {"source": {"type": "Share::Source", "id": "a"}, "email": "a@b.c"}}),
            json!({"uid": {"type": "Share::Requester", "id": "a/b"}, "parents": [],
                "attrs": {"source": {"__entity": {"type": "Share::Source", "id": "a"}}}}),
        ] {
            let cedars = Entity::from_json_value(value.clone(), Some(&schema)).unwrap();
            let ours = read(value.clone()).expect("an entity");
            assert_eq!(to_json(&ours), to_json(&cedars), "{value}");
        }
    }

    #[test]
    fn what_else_an_entity_can_have_is_left_to_cedar() {
        let uid = json!({"type": "Share::Image", "id": "img-1"});
        for value in [
            json!({"uid": uid, "attrs": {}, "parents": [], "tags": {}}),
            json!({"uid": uid, "attrs": {"n": 1}, "parents": []}),
            json!({"uid": uid, "attrs": {"n": ["a"]}, "parents": []}),
            json!({"uid": uid, "attrs": {"n": null}, "parents": []}),
            json!({"uid": uid, "attrs": {"n": {"__extn": {"fn": "ip", "arg": "::1"}}}, "parents": []}),
            json!({"uid": uid, "attrs": {"n": {"type": "A", "id": "a", "more": 1}}, "parents": []}),
            json!({"uid": uid, "attrs": {}, "parents": ["Share::ImageSet"]}),
            json!({"uid": {"type": "no name", "id": "x"}, "attrs": {}, "parents": []}),
            json!({"uid": uid, "attrs": {}}),
        ] {
            assert_eq!(read(value.clone()), None, "{value}");
        }
    }

    #[test]
    fn a_type_that_was_read_before_is_the_same_type() {
        let mut values = EntityValues::default();
        let uid = json!({"type": "Share::Team", "id": "a"});
        let first = values.uid(&uid).unwrap();
        assert_eq!(values.uid(&uid).unwrap(), first);
        assert_eq!(first, EntityUid::from_json(uid).unwrap());
        for wrong in [
            json!({"type": "Share::Team"}),
            json!(null),
            json!({"type": 1, "id": "a"}),
        ] {
            assert!(values.uid(&wrong).is_err(), "{wrong}");
        }
    }
}
