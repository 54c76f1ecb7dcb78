//! Checks an action's parameters against the table on its page of the API's documentation: unknown
//! names, missing names, wrong types. The actions check the values.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::error::{ApiError, clip};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer,
    Texts,
    Filters,
}

/// One row of a page's table of parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

pub(super) const fn required(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: true,
    }
}

pub(super) const fn optional(name: &'static str, kind: Kind) -> Field {
    Field {
        name,
        kind,
        required: false,
    }
}

/// A `Filter` parameter. An entry matches if its value for `name` is one of `values`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) name: String,
    pub(super) values: Vec<String>,
}

/// The parameters of one call, after their names and types were checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params {
    texts: BTreeMap<&'static str, String>,
    integers: BTreeMap<&'static str, i64>,
    lists: BTreeMap<&'static str, Vec<String>>,
    filters: Vec<Filter>,
}

impl Params {
    /// Checks `given` against `fields`. `spelled` is true for a GET request, in which integers are
    /// written as text. A JSON `null` counts as missing.
    ///
    /// Errors: `UnknownParameter`, `MissingParameter`, `InvalidParameter` for a wrong type.
    pub(super) fn read(
        given: Map<String, Value>,
        fields: &[Field],
        spelled: bool,
    ) -> Result<Self, ApiError> {
        let mut params = Self::default();
        if let Some(stranger) = given
            .keys()
            .find(|name| fields.iter().all(|field| field.name != name.as_str()))
        {
            return Err(ApiError::unknown(stranger));
        }
        for field in fields {
            let name = field.name;
            let value = match given.get(name) {
                Some(value) if !value.is_null() => value,
                _ if field.required => return Err(ApiError::missing(name)),
                _ => continue,
            };
            match field.kind {
                Kind::Text => drop(params.texts.insert(name, text(name, value)?)),
                Kind::Integer => drop(params.integers.insert(name, integer(name, value, spelled)?)),
                Kind::Texts => drop(params.lists.insert(name, texts(name, value)?)),
                Kind::Filters => params.filters = filters(name, value)?,
            }
        }
        Ok(params)
    }

    /// Returns a text parameter; empty if it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.texts.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Returns true if `Permission` is `SHARE`, false if it is `CANCEL`. Any other value is an
    /// error.
    pub(super) fn shares(&self) -> Result<bool, ApiError> {
        match self.text("Permission") {
            "SHARE" => Ok(true),
            "CANCEL" => Ok(false),
            _ => Err(ApiError::invalid_value(
                "Permission",
                "is neither SHARE nor CANCEL",
            )),
        }
    }

    /// Returns an integer parameter; `None` if it is missing.
    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.integers.get(name).copied()
    }

    /// Returns a list parameter; empty if it is missing.
    pub(super) fn list(&self, name: &str) -> &[String] {
        self.lists.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn filters(&self) -> &[Filter] {
        &self.filters
    }
}

fn text(name: &str, value: &Value) -> Result<String, ApiError> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ApiError::wrong_type(name, "a string"))
}

fn integer(name: &str, value: &Value, spelled: bool) -> Result<i64, ApiError> {
    let number = match value {
        Value::String(digits) if spelled => digits.parse().ok(),
        other => other.as_i64(),
    };
    number.ok_or_else(|| ApiError::wrong_type(name, "an integer"))
}

fn entries<'a>(name: &str, value: &'a Value) -> Result<&'a Vec<Value>, ApiError> {
    value
        .as_array()
        .ok_or_else(|| ApiError::wrong_type(name, "an array"))
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, ApiError> {
    let list = entries(name, value)?.iter().enumerate();
    list.map(|(index, entry)| text(&format!("{name}.{index}"), entry))
        .collect()
}

fn filters(name: &str, value: &Value) -> Result<Vec<Filter>, ApiError> {
    let list = entries(name, value)?.iter().enumerate();
    list.map(|(index, entry)| {
        let place = format!("{name}.{index}");
        let Some(fields) = entry.as_object() else {
            return Err(ApiError::wrong_type(
                &place,
                "an object with Name and Values",
            ));
        };
        if let Some(stranger) = fields.keys().find(|key| *key != "Name" && *key != "Values") {
            return Err(ApiError::unknown(&format!("{place}.{}", clip(stranger))));
        }
        let part = |key: &str| {
            fields
                .get(key)
                .ok_or_else(|| ApiError::missing(&format!("{place}.{key}")))
        };
        Ok(Filter {
            name: text(&format!("{place}.Name"), part("Name")?)?,
            values: texts(&format!("{place}.Values"), part("Values")?)?,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FIELDS: [Field; 4] = [
        required("ImageId", Kind::Text),
        optional("AccountIds", Kind::Texts),
        optional("Limit", Kind::Integer),
        optional("Filters", Kind::Filters),
    ];

    fn read(value: Value, spelled: bool) -> Result<Params, ApiError> {
        let Value::Object(map) = value else {
            panic!("{value}")
        };
        Params::read(map, &FIELDS, spelled)
    }

    #[test]
    fn the_table_is_obeyed_to_the_letter() {
        for (value, code, name) in [
            (json!({}), "MissingParameter", "ImageId"),
            (json!({"ImageId": null}), "MissingParameter", "ImageId"),
            (
                json!({"ImageId": "i", "ClientToken": "x"}),
                "UnknownParameter",
                "ClientToken",
            ),
            (
                json!({"ImageId": "i", "imageid": "x"}),
                "UnknownParameter",
                "imageid",
            ),
            (json!({"ImageId": 7}), "InvalidParameter", "ImageId"),
            (
                json!({"ImageId": "i", "AccountIds": "700000164995"}),
                "InvalidParameter",
                "AccountIds",
            ),
            (
                json!({"ImageId": "i", "AccountIds": ["7", 7]}),
                "InvalidParameter",
                "AccountIds.1",
            ),
            (
                json!({"ImageId": "i", "Limit": "20"}),
                "InvalidParameter",
                "Limit",
            ),
            (
                json!({"ImageId": "i", "Limit": 1.5}),
                "InvalidParameter",
                "Limit",
            ),
            (
                json!({"ImageId": "i", "Limit": 1e30}),
                "InvalidParameter",
                "Limit",
            ),
            (
                json!({"ImageId": "i", "Filters": {}}),
                "InvalidParameter",
                "Filters",
            ),
            (
                json!({"ImageId": "i", "Filters": ["x"]}),
                "InvalidParameter",
                "Filters.0",
            ),
            (
                json!({"ImageId": "i", "Filters": [{"Name": "x"}]}),
                "MissingParameter",
                "Filters.0.Values",
            ),
            (
                json!({"ImageId": "i", "Filters": [{"Name": "x", "Values": [1]}]}),
                "InvalidParameter",
                "Filters.0.Values.0",
            ),
            (
                json!({"ImageId": "i", "Filters": [{"Name": "x", "Values": [], "N": 1}]}),
                "UnknownParameter",
                "Filters.0.N",
            ),
        ] {
            let error = read(value.clone(), false).unwrap_err();
            assert_eq!(error.code, code, "{value}");
            assert!(
                error.message.contains(&format!("`{name}`")),
                "{value}: {}",
                error.message
            );
        }
    }

    #[test]
    fn a_get_spells_its_integers() {
        let params = read(json!({"ImageId": "i", "Limit": "-5"}), true).unwrap();
        assert_eq!(params.integer("Limit"), Some(-5));
        assert!(read(json!({"ImageId": "i", "Limit": "five"}), true).is_err());
        assert_eq!(
            (params.list("AccountIds").len(), params.text("Nothing")),
            (0, "")
        );
    }
}
