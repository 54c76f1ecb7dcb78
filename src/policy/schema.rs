//! Parses the schema of a policy directory, or the built-in schema if the directory has none. Every
//! schema must declare all names of the built-in schema, because policies and sharehook itself use
//! these names.

use std::collections::BTreeSet;
use std::fmt::Display;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{CedarSchemaError, EntityId, EntityTypeName, EntityUid, Schema};
use serde_json::json;

use super::files::{SCHEMA, builtin_schema};
use crate::domain::{Mark, PersonName, Problem, Problems, SourceName};

/// The Cedar action that an approver must be allowed.
pub(super) const APPROVE: &str = "approve";

/// The entity types of the built-in schema that the program itself uses.
#[derive(Debug)]
pub(super) struct SchemaNames {
    pub(super) source: EntityTypeName,
    pub(super) requester: EntityTypeName,
    pub(super) image: EntityTypeName,
    pub(super) account: EntityTypeName,
    action: EntityTypeName,
}

impl SchemaNames {
    pub(super) fn new() -> Result<Self, Problem> {
        // Create the names from JSON, which Cedar reads without its parser.
        let name = |text: &str| {
            let uid = EntityUid::from_json(json!({"type": text, "id": ""})).map_err(defect)?;
            Ok::<_, Problem>(uid.type_name().clone())
        };
        Ok(Self {
            source: name("Share::Source")?,
            requester: name("Share::Requester")?,
            image: name("Share::Image")?,
            account: name("Share::Account")?,
            action: name("Share::Action")?,
        })
    }

    /// Whether requests, the configuration or the schema supply the entities of this type, so that
    /// `entities.json` does not have to list them.
    pub(super) fn is_supplied(&self, name: &EntityTypeName) -> bool {
        [
            &self.source,
            &self.requester,
            &self.image,
            &self.account,
            &self.action,
        ]
        .contains(&name)
    }

    /// Returns the name of the source if the entity is a source or a person of a source.
    pub(super) fn source_of<'a>(&self, entity: &'a EntityUid) -> Option<&'a str> {
        let id = entity.id().unescaped();
        match entity.type_name() {
            name if *name == self.source => Some(id),
            name if *name == self.requester => id.split_once('/').map(|(source, _)| source),
            _ => None,
        }
    }

    pub(super) fn action(&self, name: &str) -> EntityUid {
        uid(&self.action, name)
    }

    /// Returns the directory's schema, or the built-in one if the directory has none. Checks that
    /// the directory's schema has every name of the built-in one.
    ///
    /// # Errors
    /// Fails if the directory's schema does not parse, or if it lacks an entity type or an action
    /// of the built-in schema.
    pub(super) fn schema(&self, given: Option<&str>) -> Result<Schema, Problems> {
        let builtin = builtin()?;
        let Some(text) = given.filter(|text| *text != builtin_schema()) else {
            return Ok(builtin);
        };
        let schema = parse(text)?;
        let names = |schema: &Schema| -> BTreeSet<String> {
            let types = schema.entity_types().map(|name| format!("entity {name}"));
            let actions = schema.actions().map(|uid| format!("action {uid}"));
            types.chain(actions).collect()
        };
        let (has, needs) = (names(&schema), names(&builtin));
        let missing = needs.difference(&has).map(|name| {
            let remedy =
                "keep every name of the built-in schema; to use the built-in schema unchanged, delete the file";
            Problem::at(Mark::whole(SCHEMA), format!("lacks {name}"), remedy)
        });
        Problems::refuse_any(missing.collect())?;
        Ok(schema)
    }
}

/// Returns the built-in schema. Reads its JSON form, because that takes half the time.
fn builtin() -> Result<Schema, Problem> {
    Schema::from_json_str(include_str!("schema.json")).map_err(defect)
}

/// Returns a problem that only a defect of this program can cause.
fn defect(error: impl Display) -> Problem {
    let remedy = "this is a defect of sharehook: report it";
    Problem::new(SCHEMA, error.to_string(), remedy)
}

fn parse(text: &str) -> Result<Schema, Problem> {
    let parsed = Schema::from_cedarschema_str(text).map_err(|error| {
        let detailed = match &error {
            CedarSchemaError::Parse(error) => DetailedError::from(error),
            other => DetailedError::from(other),
        };
        cedar_problem(&detailed, SCHEMA, text, 0)
    });
    parsed.map(|(schema, _)| schema)
}

pub(super) fn uid(name: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(name.clone(), EntityId::new(id))
}

/// Returns a person's id in the policies. It contains the source, because the same name in another
/// source may be another person.
pub(super) fn requester_id(source: &SourceName, name: &PersonName) -> String {
    format!("{source}/{}", name.as_str())
}

/// Converts Cedar's error into a problem with its line. If Cedar reports no place, uses the line at
/// the offset `fallback`.
pub(super) fn cedar_problem(
    detailed: &DetailedError,
    file: &str,
    text: &str,
    fallback: usize,
) -> Problem {
    let place = detailed.source_locations.first();
    let span = place.map_or(fallback..fallback, |place| place.loc.start..place.loc.end);
    let label = place.and_then(|place| place.label.as_deref());
    let mut problem = detailed.message.clone();
    if let Some(label) = label.filter(|label| !problem.contains(*label)) {
        problem = format!("{problem}: {label}");
    }
    let remedy = detailed
        .help
        .as_deref()
        .unwrap_or("correct it; https://docs.cedarpolicy.com explains the language");
    let mark = Mark::of(file, text, span);
    Problem::at(mark, clipped(problem), clipped(remedy))
}

/// Shortens a message to 500 characters.
pub(super) fn clipped(text: impl Display) -> String {
    const MAX_CHARS: usize = 500;
    let text = text.to_string();
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    let mut cut: String = text.chars().take(MAX_CHARS - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_of(schema: &str) -> Vec<(String, String)> {
        let problems = SchemaNames::new()
            .unwrap()
            .schema(Some(schema))
            .unwrap_err();
        problems
            .0
            .into_iter()
            .map(|p| (p.field, p.problem))
            .collect()
    }

    /// Run this test with `SHAREHOOK_WRITE_SCHEMA=1` to write `schema.json` again.
    #[test]
    #[allow(clippy::disallowed_methods)] // A test's own settings.
    fn the_json_form_is_the_built_in_schema() {
        let (fragment, _) =
            cedar_policy::SchemaFragment::from_cedarschema_str(builtin_schema()).unwrap();
        let text = fragment.to_json_string().unwrap();
        if std::env::var_os("SHAREHOOK_WRITE_SCHEMA").is_some() {
            std::fs::write("src/policy/schema.json", format!("{text}\n")).unwrap();
        }
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(json(include_str!("schema.json")), json(&text));
    }

    #[test]
    fn a_larger_schema_is_accepted() {
        let larger = builtin_schema().replace(
            "entity Account in [AccountGroup];",
            "entity Country; entity Account in [AccountGroup, Country];",
        );
        assert_ne!(larger, builtin_schema());
        assert!(SchemaNames::new().unwrap().schema(Some(&larger)).is_ok());
    }

    #[test]
    fn a_schema_without_one_of_the_names_is_refused() {
        for (from, to, lacks) in [
            (
                r#"action "publish", "unpublish""#,
                r#"action "publish""#,
                r#"lacks action Share::Action::"unpublish""#,
            ),
            (
                r#"action "approve""#,
                r#"action "endorse""#,
                r#"lacks action Share::Action::"approve""#,
            ),
            ("entity SourceGroup;\n", "", "failed to resolve"),
            (
                "namespace Share",
                "namespace Shares",
                "lacks entity Share::Account",
            ),
        ] {
            let schema = builtin_schema().replace(from, to);
            assert_ne!(schema, builtin_schema());
            let problems = fields_of(&schema);
            assert!(
                problems.iter().any(|(_, problem)| problem.contains(lacks)),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_schema_that_does_not_parse_is_named_with_its_line() {
        let problems = fields_of("namespace Share {\n  entity Source in;\n}\n");
        assert_eq!(problems[0].0, "schema.cedarschema:2", "{problems:?}");
    }
}
