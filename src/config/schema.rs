//! Generates `sharehook.schema.json`, the JSON schema for editors, from the raw types. Compiled
//! only for tests. A test compares the file with the generated schema, or writes the file if
//! `SHAREHOOK_WRITE_SCHEMA` is set.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use super::raw::{JournalTable, PolicyTable, RawConfig, RawJournal, RawPolicy};
use crate::domain::{Danger, NoticeKind};
use crate::inbound::Map;

/// Declares types for texts that match a pattern. A type with a description becomes a definition
/// in the schema; the schema of an `inline` type becomes part of the field's schema.
macro_rules! texts {
    ($($(#[$attribute:meta])* $name:ident $pattern:literal;)+) => {$(
        #[derive(JsonSchema)]
        $(#[$attribute])*
        pub(super) struct $name(#[allow(dead_code)] #[schemars(regex(pattern = $pattern))] String);
    )+};
}

texts! {
    /// Where a secret is kept; never the secret itself.
    Secret "^(env|file|aws-secretsmanager|aws-ssm):.+$";
    /// A region of the cloud.
    Region "^[a-z]{2,3}(-[a-z0-9]+)+$";
    /// A place of a journal.
    Place "^(file:.+|(s3|gs|az)://[^/]+(/.*)?|memory:)$";
    #[schemars(inline)]
    Length "^[1-9][0-9]*[smhdw]$";
    #[schemars(inline)]
    ShortLength "^[1-9][0-9]*[sm]$";
    #[schemars(inline)]
    Endpoint "^https?://[^/?#]+/?$";
    #[schemars(inline)]
    RoleArn "^qcs::cam::uin/[0-9]{1,20}:role(Name)?/[!-~]{1,128}$";
    #[schemars(inline)]
    ImagePrefix "^(lhbp|img)-[0-9a-z]{0,16}$";
    #[schemars(inline)]
    Address "^https?://[^?#]+$";
    #[schemars(inline)]
    HeaderName "^[A-Za-z0-9-]{1,64}$";
    #[schemars(inline)]
    AppId "^[0-9A-Za-z_]{1,64}$";
    #[schemars(inline)]
    Code "^[0-9A-Za-z_-]{1,64}$";
    #[schemars(inline)]
    TicketAddress "^https?://[^#]+$";
    #[schemars(inline)]
    SealName "^[A-Za-z0-9_./-]{1,100}$";
    #[schemars(inline)]
    BasePath "^(/[A-Za-z0-9._~%-]+)+$";
}

/// The outcome that a notification reports.
pub(super) struct NoticeName;

impl JsonSchema for NoticeName {
    fn schema_name() -> Cow<'static, str> {
        "Notice".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let all: Vec<&str> = NoticeKind::ALL.iter().map(|kind| kind.as_str()).collect();
        json_schema!({ "enum": all })
    }
}

/// The name of a warning of `check`.
pub(super) struct DangerName;

impl JsonSchema for DangerName {
    fn schema_name() -> Cow<'static, str> {
        "Warning".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let all: Vec<&str> = Danger::ALL.iter().map(|danger| danger.as_str()).collect();
        json_schema!({ "enum": all })
    }
}

/// A map that ships, or a file.
pub(super) struct MapName;

impl JsonSchema for MapName {
    fn schema_name() -> Cow<'static, str> {
        "Map".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let shipped: Vec<&str> = Map::builtin_names().collect();
        json_schema!({ "anyOf": [{ "enum": shipped }, { "type": "string", "minLength": 1 }] })
    }
}

impl JsonSchema for RawJournal {
    fn schema_name() -> Cow<'static, str> {
        "Journal".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let place = generator.subschema_for::<Place>();
        let table = generator.subschema_for::<JournalTable>();
        json_schema!({
            "description": "The journal's location, or a table with its place and that of its index. A directory is relative to this file. SHAREHOOK_JOURNAL overrides both; with it SHAREHOOK_JOURNAL_INDEX is the place of the index.",
            "anyOf": [place, table]
        })
    }
}

impl JsonSchema for RawPolicy {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<PolicyTable>();
        json_schema!({
            "description": "The policy directory, or a table with the directory and the number of approvals.",
            "anyOf": [{ "type": "string", "minLength": 1 }, table],
            "default": "policy"
        })
    }
}

/// Removes what a schema for TOML does not need: the type `null`, defaults that are empty, and the
/// formats of numbers.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(variants)) = object.get_mut("anyOf") {
        variants.retain(|variant| variant.get("type").is_none_or(|name| name != "null"));
        if let [Value::Object(one)] = variants.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            object.extend(one);
        }
    }
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() || fields.values().all(Value::is_null),
        _ => false,
    };
    if object.get("default").is_some_and(empty) {
        object.remove("default");
    }
    object.remove("format");
}

fn generated() -> String {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<RawConfig>();
    RecursiveTransform(without_null).transform(&mut schema);
    serde_json::to_string_pretty(&schema).unwrap() + "\n"
}

#[test]
fn the_schema_file_is_what_the_raw_types_generate() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sharehook.schema.json");
    let generated = generated();
    if std::env::var_os("SHAREHOOK_WRITE_SCHEMA").is_some() {
        fs::write(&file, &generated).unwrap();
    }
    assert!(
        fs::read_to_string(&file).unwrap() == generated,
        "sharehook.schema.json is out of date: run this test with SHAREHOOK_WRITE_SCHEMA=1"
    );
}
