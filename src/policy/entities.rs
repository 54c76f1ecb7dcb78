//! Reads `entities.json` (Cedar's own entity format) and the configured sources into Cedar's entity
//! store, or returns every problem with its line.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use cedar_policy::ffi::{DetailedError, JsonValueWithNoDuplicateKeys};
use cedar_policy::{Entities, Entity, EntityTypeName, EntityUid, Schema};
use serde_json::{Map, Value, json};

use super::accounts::ListedAccounts;
use super::entity_values::{self, EntityValues};
use super::files::ENTITIES;
use super::rules::NamedEntity;
use super::schema::{SchemaNames, cedar_problem, clipped, uid};
use super::source_facts::SourceFacts;
use super::source_text;
use super::supplied_id::SuppliedId;
use crate::domain::{Danger, Mark, PersonName, Problem, Problems, SourceName, Warning, shown};

/// The entities that are known before a request arrives.
#[derive(Debug)]
pub(super) struct KnownEntities {
    /// The entities for decisions, without those in `accounts`, and without images for which the
    /// file gives no region: such an image gets its region from the request.
    pub(super) store: Entities,
    pub(super) accounts: ListedAccounts,
    /// The JSON of each image in the file, by id. A decision replaces the region in its copy.
    pub(super) images: HashMap<String, Value>,
    pub(super) sources: BTreeSet<SourceName>,
    pub(super) warnings: Vec<Warning>,
}

impl KnownEntities {
    /// Returns all known entities, except images without a region in the file.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.store.iter().chain(self.accounts.iter())
    }

    /// Returns a warning if the file does not list the group `named`, or if no source has this name.
    pub(super) fn unknown(&self, named: &NamedEntity, names: &SchemaNames) -> Option<Warning> {
        let NamedEntity { uid, policy, mark } = named;
        if let Some(source) = names.source_of(uid) {
            let known = self.sources.iter().any(|known| known.as_str() == source);
            return (!known).then(|| {
                let problem = format!(
                    "policy {policy} names {uid}, and no [[source]] has the name {source:?}"
                );
                let remedy = "correct the name, or add the source to the configuration";
                Danger::UnknownSource.at(Problem::at(mark.clone(), problem, remedy))
            });
        }
        if names.is_supplied(uid.type_name()) || self.store.get(uid).is_some() {
            return None;
        }
        let problem = format!("policy {policy} names {uid}, which {ENTITIES} does not list");
        let remedy = format!("correct the name, or list the group in {ENTITIES}");
        Some(Danger::UnlistedGroup.at(Problem::at(mark.clone(), problem, remedy)))
    }
}

struct Element {
    value: Value,
    uid: EntityUid,
    offset: usize,
}

/// Reads the file and adds the configured sources. `named` must contain the ids of all accounts
/// that policies name. `validated` must be true only if the file was already validated against the
/// built-in schema.
pub(super) fn read(
    text: Option<&str>,
    sources: &[SourceFacts],
    named: HashSet<String>,
    schema: &Schema,
    names: &SchemaNames,
    validated: bool,
) -> Result<KnownEntities, Problems> {
    let text = text.unwrap_or("[]");
    let mut reader = Reader {
        text,
        validated,
        values: EntityValues::default(),
        schema,
        names,
        facts: sources
            .iter()
            .map(|facts| (facts.name.as_str(), facts))
            .collect(),
        seen: HashMap::new(),
        images: HashMap::new(),
        entities: Vec::new(),
        accounts: ListedAccounts::new(named),
        problems: Vec::new(),
    };
    for element in elements(text, &mut reader.values, &mut reader.problems)? {
        let added = reader.add(element);
        reader.problems.extend(added.err());
    }
    for facts in sources {
        let added = reader.add_source(facts);
        reader.problems.extend(added.err());
    }
    Problems::refuse_any(reader.problems)?;
    let mut warnings = Vec::new();
    if !validated {
        let all = reader.entities.iter().chain(reader.accounts.iter());
        warnings = unlisted_groups(all, &reader.seen, text, names);
        warnings.extend(unknown_sources(&reader.seen, &reader.facts, text, names));
    }
    let mentioned = reader.accounts.take_mentioned();
    let all = reader.entities.into_iter().chain(mentioned);
    let store = match validated {
        true => entity_values::store(all, schema)?,
        false => Entities::from_entities(all, Some(schema)).map_err(|error| {
            let error = DetailedError::from(&error);
            // The message contains the entity that causes the problem, for example a group in a
            // cycle. Report the first entity of the file that the message contains.
            let named = |uid: &EntityUid| error.message.contains(&uid.to_string());
            let offsets = reader.seen.iter().filter(|(uid, _)| named(uid));
            let first = offsets.map(|(_, offset)| *offset).min();
            cedar_problem(&error, ENTITIES, text, first.unwrap_or_default())
        })?,
    };
    Ok(KnownEntities {
        store,
        accounts: reader.accounts,
        images: reader.images,
        sources: sources.iter().map(|facts| facts.name.clone()).collect(),
        warnings,
    })
}

/// The fields of an entity in Cedar's JSON format.
const FIELDS: [&str; 4] = ["uid", "attrs", "parents", "tags"];

struct Reader<'a> {
    text: &'a str,
    validated: bool,
    values: EntityValues,
    schema: &'a Schema,
    names: &'a SchemaNames,
    facts: BTreeMap<&'a str, &'a SourceFacts>,
    /// The offset of each entity in the file.
    seen: HashMap<EntityUid, usize>,
    images: HashMap<String, Value>,
    entities: Vec<Entity>,
    accounts: ListedAccounts,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn add(&mut self, element: Element) -> Result<(), Problem> {
        let Element {
            mut value,
            uid: id,
            offset,
        } = element;
        let mark = |offset| mark_of(self.text, offset, &id);
        if let Some(first) = self.seen.insert(id.clone(), offset) {
            let problem = format!("{id} is already listed at {}", mark(first));
            return Err(Problem::at(
                mark(offset),
                problem,
                "merge both into one entity",
            ));
        }
        let has_region = complete(&mut value, &id, &self.facts, self.names)
            .map_err(|found| Problem::at(mark(offset), found.problem, found.remedy))?;
        let entity = self.entity(value.clone(), offset)?;
        self.accounts.note(&value);
        if *id.type_name() == self.names.account {
            self.accounts.add(id, entity, value);
            return Ok(());
        }
        if has_region {
            self.entities.push(entity);
        }
        if *id.type_name() == self.names.image {
            self.images.insert(id.id().unescaped().to_owned(), value);
        }
        Ok(())
    }

    /// Adds a configured source, unless the file lists it.
    fn add_source(&mut self, facts: &SourceFacts) -> Result<(), Problem> {
        let id = uid(&self.names.source, facts.name.as_str());
        if !self.seen.contains_key(&id) {
            let entity = self.entity(source_json(facts), 0)?;
            self.entities.push(entity);
        }
        Ok(())
    }

    fn entity(&mut self, value: Value, offset: usize) -> Result<Entity, Problem> {
        if self.validated
            && let Some(entity) = self.values.entity(&value)
        {
            return Ok(entity);
        }
        Entity::from_json_value(value, Some(self.schema)).map_err(|error| {
            cedar_problem(&DetailedError::from(&error), ENTITIES, self.text, offset)
        })
    }
}

/// Returns the place of `id` in the line at `offset`, or the rest of the line if the line does not
/// contain `id`.
fn mark_of(text: &str, offset: usize, id: &EntityUid) -> Mark {
    let quoted = format!("{:?}", id.id().unescaped());
    let line = text.get(offset..).and_then(|rest| rest.lines().next());
    let span = match line.and_then(|line| line.find(&quoted)) {
        Some(at) => offset + at..offset + at + quoted.len(),
        None => offset..offset,
    };
    Mark::of(ENTITIES, text, span)
}

/// Returns the elements of the file, each with its offset. If the uid of an element cannot be read,
/// adds a problem instead.
fn elements(
    text: &str,
    uids: &mut EntityValues,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Element>, Problem> {
    const SHAPE: &str = "write a JSON array of entities: {\"uid\": {\"type\", \"id\"}, \"attrs\": {}, \"parents\": []}";
    let json: JsonValueWithNoDuplicateKeys = serde_json::from_str(text).map_err(|error| {
        let mark = source_text::mark_of_line(ENTITIES, text, error.line(), error.column());
        Problem::at(mark, clipped(error), SHAPE)
    })?;
    let Value::Array(values) = Value::from(json) else {
        return Err(Problem::at(Mark::whole(ENTITIES), "is not an array", SHAPE));
    };
    if let Some(stray) = values.iter().position(|value| !value.is_object()) {
        return Err(Problem::at(
            Mark::whole(ENTITIES),
            format!("element {} is not an object", stray + 1),
            SHAPE,
        ));
    }
    let mut elements = Vec::with_capacity(values.len());
    for (value, offset) in values.into_iter().zip(source_text::elements(text)) {
        match uids.uid(value.get("uid").unwrap_or(&Value::Null)) {
            Ok(uid) => elements.push(Element { value, uid, offset }),
            Err(error) => {
                let problem = format!("the uid is not readable: {error}");
                let mark = Mark::of(ENTITIES, text, offset..offset);
                problems.push(Problem::at(mark, clipped(problem), SHAPE));
            }
        }
    }
    Ok(elements)
}

/// Fills in attributes that the file may omit, and overrides attributes that the file cannot set.
/// Returns false for an image for which the file gives no region, because the region then comes
/// from the request.
fn complete(
    value: &mut Value,
    id: &EntityUid,
    facts: &BTreeMap<&str, &SourceFacts>,
    names: &SchemaNames,
) -> Result<bool, Problem> {
    let refused = |problem: String, remedy: &str| Err(Problem::new(ENTITIES, problem, remedy));
    let Some(entity) = value.as_object_mut() else {
        return Ok(true);
    };
    // Cedar ignores unknown fields. Refuse them here, because a misspelt field could hide a group
    // or a tag for which a policy forbids requests.
    let known = |field: &&String| FIELDS.contains(&field.as_str());
    if let Some(field) = entity.keys().find(|field| !known(field)) {
        let problem = format!("{id} has the unknown field {}", shown(field));
        return refused(problem, "write uid, attrs, parents or tags, or remove it");
    }
    entity.entry("parents").or_insert_with(|| json!([]));
    let attrs = entity.entry("attrs").or_insert_with(|| json!({}));
    let Some(attrs) = attrs.as_object_mut() else {
        let problem = format!("{id} has attrs that are not an object");
        return refused(problem, "write {} or leave them out");
    };
    match SuppliedId::read(id, names)? {
        SuppliedId::Account | SuppliedId::Other => {}
        SuppliedId::Source => {
            let facts = facts.get(id.id().unescaped());
            attrs.insert(
                "scheme".into(),
                json!(facts.map_or("", |facts| facts.scheme.as_str())),
            );
            attrs.insert(
                "signed".into(),
                json!(facts.is_some_and(|facts| facts.signed)),
            );
        }
        SuppliedId::Requester(source, person) => requester_attrs(attrs, source, &person),
        SuppliedId::Image(image) => {
            if let Some(kind) = attrs.get("kind").filter(|kind| *kind != image.kind()) {
                let problem = format!("{id} has kind {kind}, but its id says {:?}", image.kind());
                return refused(problem, "correct the id, or leave the kind out");
            }
            attrs.insert("kind".into(), json!(image.kind()));
            let has_region = attrs.contains_key("region");
            // The schema requires a region. The empty region is used only to validate the image:
            // without a region in the file, the image does not become an entity of the store.
            attrs.entry("region").or_insert_with(|| json!(""));
            return Ok(has_region);
        }
    }
    Ok(true)
}

/// Sets the attributes that follow from a requester's id.
pub(super) fn requester_attrs(attrs: &mut Map<String, Value>, source: &str, person: &PersonName) {
    attrs.insert(
        "source".into(),
        json!({"type": "Share::Source", "id": source}),
    );
    match person.address() {
        Some(address) => attrs.insert("email".into(), json!(address)),
        None => attrs.remove("email"),
    };
}

fn source_json(facts: &SourceFacts) -> Value {
    json!({
        "uid": {"type": "Share::Source", "id": facts.name.as_str()},
        "attrs": {"scheme": facts.scheme, "signed": facts.signed},
        "parents": [],
    })
}

/// Returns warnings about groups that have members but no entry of their own. Their names are
/// probably misspelt.
fn unlisted_groups<'a>(
    entities: impl Iterator<Item = &'a Entity>,
    seen: &HashMap<EntityUid, usize>,
    text: &str,
    names: &SchemaNames,
) -> Vec<Warning> {
    let mut reported: BTreeSet<String> = BTreeSet::new();
    let mut warnings = Vec::new();
    for entity in entities {
        let (uid, _, parents) = entity.clone().into_inner();
        let known = |name: &EntityTypeName| names.is_supplied(name);
        for parent in parents
            .iter()
            .filter(|parent| !seen.contains_key(parent) && !known(parent.type_name()))
        {
            if reported.insert(parent.to_string()) {
                let offset = seen.get(&uid).copied().unwrap_or_default();
                let problem = format!("{uid} is in {parent}, which the file does not list");
                warnings.push(Danger::UnlistedGroup.at(Problem::at(
                    Mark::of(ENTITIES, text, offset..offset),
                    problem,
                    "correct the name, or add the group to the file",
                )));
            }
        }
    }
    warnings
}

/// Returns a single warning that names all sources that have entities in the file but are not
/// configured. Its place is the first of these entities.
fn unknown_sources(
    seen: &HashMap<EntityUid, usize>,
    facts: &BTreeMap<&str, &SourceFacts>,
    text: &str,
    names: &SchemaNames,
) -> Option<Warning> {
    let foreign = seen.iter().filter_map(|(uid, offset)| {
        let source = names.source_of(uid)?;
        (!facts.contains_key(source)).then_some((*offset, source, uid))
    });
    let foreign: Vec<(usize, &str, &EntityUid)> = foreign.collect();
    let (offset, _, first) = foreign.iter().min_by_key(|(offset, ..)| offset)?;
    let sources: BTreeSet<&str> = foreign.iter().map(|(_, source, _)| *source).collect();
    let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
    let problem = format!(
        "{ENTITIES} lists people or groups of sources that the configuration does not have: {sources}"
    );
    let remedy = "correct the names, add the sources, or remove the entities";
    let mark = mark_of(text, *offset, first);
    Some(Danger::UnknownSource.at(Problem::at(mark, problem, remedy)))
}

#[cfg(test)]
mod tests {
    use cedar_policy::PolicyId;

    use super::super::files::sample_files;
    use super::*;

    fn facts(name: &str, scheme: &str, signed: bool) -> SourceFacts {
        SourceFacts {
            name: name.parse().unwrap(),
            scheme: scheme.to_owned(),
            signed,
        }
    }

    fn read_text(text: &str) -> Result<KnownEntities, Problems> {
        let names = SchemaNames::new().unwrap();
        let schema = names.schema(None).unwrap();
        read(
            Some(text),
            &[facts("jira", "jira", true)],
            HashSet::new(),
            &schema,
            &names,
            false,
        )
    }

    #[test]
    fn the_sample_is_readable_by_cedar_itself() {
        let schema = SchemaNames::new().unwrap().schema(None).unwrap();
        let text = sample_files().entities.unwrap();
        let entities = Entities::from_json_str(&text, Some(&schema)).unwrap();
        assert!(entities.iter().count() > 40);
        let warnings = read_text(&text).unwrap().warnings;
        let other = |warning: &&Warning| warning.danger != Danger::UnknownSource;
        assert_eq!((warnings.len(), warnings.iter().find(other)), (1, None));
        assert!(
            warnings[0].problem.problem.contains("github, "),
            "{warnings:?}"
        );
    }

    #[test]
    fn attributes_of_a_source_come_from_the_configuration() {
        let text = r#"[{"uid":{"type":"Share::SourceGroup","id":"t"},"attrs":{},"parents":[]},
            {"uid":{"type":"Share::Source","id":"jira"},"attrs":{"scheme":"none","signed":false},"parents":[{"type":"Share::SourceGroup","id":"t"}]},
            {"uid":{"type":"Share::Source","id":"other"},"attrs":{"scheme":"jira","signed":true},"parents":[]}]"#;
        let known = read_text(text).unwrap();
        let attrs = |id: &str| {
            let entity: EntityUid = format!("Share::Source::{id:?}").parse().unwrap();
            let entity = known.store.get(&entity).unwrap();
            (
                format!("{:?}", entity.attr("signed")),
                format!("{:?}", entity.attr("scheme")),
            )
        };
        assert!(
            attrs("jira").0.contains("true") && attrs("jira").1.contains("jira"),
            "{:?}",
            attrs("jira")
        );
        assert!(
            attrs("other").0.contains("false"),
            "an unconfigured source has signed nothing"
        );
    }

    #[test]
    fn what_can_be_known_may_be_left_out() {
        let text = r#"[{"uid":{"type":"Share::Source","id":"jira"}},
            {"uid":{"type":"Share::Requester","id":"jira/alice@example.com"}},
            {"uid":{"type":"Share::Image","id":"img-6pb6lrmy"}},
            {"uid":{"__entity":{"type":"Share::Account","id":"700000164995"}}}]"#;
        let known = read_text(text).unwrap();
        assert_eq!(known.images.len(), 1);
        assert!(
            known
                .store
                .get(&r#"Share::Image::"img-6pb6lrmy""#.parse().unwrap())
                .is_none()
        );
        let alice = known
            .store
            .get(&r#"Share::Requester::"jira/alice@example.com""#.parse().unwrap())
            .unwrap();
        assert!(format!("{:?}", alice.attr("email")).contains("alice@example.com"));
    }

    #[test]
    fn refusals_name_the_line() {
        let account =
            r#"{"uid":{"type":"Share::Account","id":"700000164995"},"attrs":{},"parents":[]}"#;
        let of = |entity: &str| format!("[\n{account},\n{entity}\n]");
        for (text, field, says) in [
            ("[".to_owned(), "entities.json:1", "EOF"),
            ("{}".to_owned(), "entities.json:1", "not an array"),
            ("[\n1]".to_owned(), "entities.json:1", "not an object"),
            (
                of(r#"{"uid":{"type":"Share::Account"}}"#),
                "entities.json:3",
                "uid",
            ),
            (of(account), "entities.json:3", "listed at entities.json:2"),
            (
                of(r#"{"uid":{"type":"Share::Account","id":"7000"}}"#),
                "entities.json:3",
                "not an account id",
            ),
            (
                of(r#"{"uid":{"type":"Share::Image","id":"ami-1"}}"#),
                "entities.json:3",
                "not an image id",
            ),
            (
                of(
                    r#"{"uid":{"type":"Share::Image","id":"img-6pb6lrmy"},"attrs":{"kind":"blueprint"}}"#,
                ),
                "entities.json:3",
                "its id says \"cvm\"",
            ),
            (
                of(r#"{"uid":{"type":"Share::Image","id":"img-6pb6lrmy"},"attrs":{"size":3}}"#),
                "entities.json:3",
                "size",
            ),
            (
                of(r#"{"uid":{"type":"Share::Requester","id":"alice"}}"#),
                "entities.json:3",
                "names no source",
            ),
            (
                of(r#"{"uid":{"type":"Share::Requester","id":"jira/Alice@example.com"}}"#),
                "entities.json:3",
                "never",
            ),
            (
                of(r#"{"uid":{"type":"Share::Requester","id":"jira/Alice <alice@example.com>"}}"#),
                "entities.json:3",
                "display name",
            ),
            (
                of(r#"{"uid":{"type":"Share::Requester","id":"jira/"}}"#),
                "entities.json:3",
                "is empty",
            ),
            (
                of(r#"{"uid":{"type":"Share::Banana","id":"x"}}"#),
                "entities.json:3",
                "Banana",
            ),
            (
                of(r#"{"uid":{"type":"Share::Team","id":"x"},"attrs":7}"#),
                "entities.json:3",
                "not an object",
            ),
            (
                of(
                    r#"{"uid":{"type":"Share::Account","id":"12345"},"parents":[{"type":"Share::Team","id":"x"}]}"#,
                ),
                "entities.json:3",
                "Share::Team",
            ),
            (
                of(r#"{"uid":{"type":"Share::Team","id":"x"},"parents":[],"parents":[]}"#),
                "entities.json:3",
                "two or more times",
            ),
        ] {
            let problems = read_text(&text).unwrap_err();
            assert_eq!(problems.0[0].field, field, "{text}: {problems}");
            assert!(problems.0[0].problem.contains(says), "{text}: {problems}");
        }
    }

    #[test]
    fn a_cycle_of_groups_is_reported_at_one_of_them() {
        let names = SchemaNames::new().unwrap();
        let larger = super::super::files::builtin_schema().replace(
            "entity AccountGroup;",
            "entity AccountGroup in [AccountGroup];",
        );
        let schema = names.schema(Some(&larger)).unwrap();
        let group = |id: &str, parent: &str| {
            let uid = |id: &str| json!({"type": "Share::AccountGroup", "id": id});
            json!({"uid": uid(id), "parents": [uid(parent)]})
        };
        let text = format!("[\n{},\n{}\n]", group("a", "b"), group("b", "a"));
        let read = read(Some(&text), &[], HashSet::new(), &schema, &names, false);
        let problem = &read.unwrap_err().0[0];
        assert!(problem.problem.contains("cycle"), "{problem}");
        let places = ["entities.json:2", "entities.json:3"];
        assert!(places.contains(&problem.field.as_str()), "{problem}");
    }

    #[test]
    fn a_member_of_a_group_that_nobody_lists_is_a_warning() {
        let text = "[\n{\"uid\":{\"type\":\"Share::Account\",\"id\":\"700000164995\"},\"parents\":[{\"type\":\"Share::AccountGroup\",\"id\":\"stagin\"}]}]";
        let known = read_text(text).unwrap();
        let problem = &known.warnings[0].problem;
        assert_eq!(problem.field, "entities.json:2");
        assert!(problem.problem.contains("stagin"));
        let names = SchemaNames::new().unwrap();
        for (named, danger) in [
            (
                r#"Share::AccountGroup::"staging""#,
                Some(Danger::UnlistedGroup),
            ),
            (r#"Share::Source::"jria""#, Some(Danger::UnknownSource)),
            (
                r#"Share::Requester::"jria/a@example.com""#,
                Some(Danger::UnknownSource),
            ),
            (r#"Share::Requester::"jira/a@example.com""#, None),
            (r#"Share::Account::"700000164995""#, None),
        ] {
            let entity = NamedEntity {
                uid: named.parse().unwrap(),
                policy: PolicyId::new("a"),
                mark: Mark::whole("a.cedar"),
            };
            let warned = known.unknown(&entity, &names);
            assert_eq!(warned.map(|warning| warning.danger), danger, "{named}");
        }
    }
}
