//! Common parts of the list actions: paging and filters. The documentation lists different error
//! codes for each action, so the code of a refusal is an argument.

use serde_json::{Map, Value};

use crate::error::{ApiError, clip};
use crate::params::{Filter, Params};

/// Default and maximum number of entries on a page.
const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// The requested part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    offset: usize,
    limit: usize,
}

impl Page {
    /// Reads `Offset` (0 unless given) and `Limit` (20 unless given, 1 to 100). `negative` and
    /// `range` are the codes for a value below 0 and one outside the range.
    pub(super) fn read(
        params: &Params,
        negative: &'static str,
        range: &'static str,
    ) -> Result<Self, ApiError> {
        let number = |name: &str, default: i64| match params.integer(name).unwrap_or(default) {
            below if below < 0 => Err(ApiError::new(
                negative,
                format!("`{name}` cannot be negative."),
            )),
            given => Ok(given),
        };
        let (offset, limit) = (number("Offset", 0)?, number("Limit", DEFAULT_LIMIT)?);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(ApiError::new(
                range,
                format!("`Limit` must be from 1 to {MAX_LIMIT}."),
            ));
        }
        let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            offset: size(offset),
            limit: size(limit),
        })
    }

    /// `TotalCount` of all entries, and the requested page under `name`.
    pub(super) fn of(self, name: &str, all: Vec<Value>) -> Map<String, Value> {
        let total = Value::from(all.len());
        let page = all.into_iter().skip(self.offset).take(self.limit).collect();
        Map::from_iter([
            ("TotalCount".to_owned(), total),
            (name.to_owned(), Value::Array(page)),
        ])
    }
}

/// The filters of a list action, and its codes for a wrong filter.
pub(super) struct FilterRules {
    pub(super) names: &'static [&'static str],
    /// Whether the filters `tag:KEY`, `tag-key` and `tag-value` exist. No image of the sandbox has
    /// tags.
    pub(super) tags: bool,
    pub(super) max_values: usize,
    pub(super) unknown: &'static str,
    pub(super) too_many: &'static str,
}

/// Maximum number of filters in one call, from every page.
const MAX_FILTERS: usize = 10;

impl FilterRules {
    /// Checks number and names of the filters.
    pub(super) fn check(&self, filters: &[Filter]) -> Result<(), ApiError> {
        if filters.len() > MAX_FILTERS {
            return Err(ApiError::new(
                self.too_many,
                format!("Filters has at most {MAX_FILTERS} entries."),
            ));
        }
        for filter in filters {
            let tag = self.tags
                && ["tag:", "tag-key", "tag-value"]
                    .iter()
                    .any(|t| filter.name.starts_with(t));
            if !tag && !self.names.contains(&filter.name.as_str()) {
                let message = format!("There is no filter `{}`.", clip(&filter.name));
                return Err(ApiError::new(self.unknown, message));
            }
            if filter.values.len() > self.max_values {
                let message = format!("A filter has at most {} Values.", self.max_values);
                return Err(ApiError::new(self.too_many, message));
            }
            if filter.values.is_empty() {
                return Err(ApiError::new(
                    self.unknown,
                    format!("The filter `{}` has no value.", clip(&filter.name)),
                ));
            }
        }
        Ok(())
    }
}

/// Whether an entry matches all filters. `field` returns the entry's value for the name of a
/// filter; an unknown name matches nothing.
pub(super) fn matches(filters: &[Filter], field: impl Fn(&str) -> Option<String>) -> bool {
    filters
        .iter()
        .all(|filter| field(&filter.name).is_some_and(|found| filter.values.contains(&found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{Kind, optional};
    use serde_json::json;

    fn page(value: Value) -> Result<Page, String> {
        let fields = [
            optional("Offset", Kind::Integer),
            optional("Limit", Kind::Integer),
        ];
        let Value::Object(map) = value else { panic!() };
        let params = Params::read(map, &fields, false).unwrap();
        Page::read(&params, "Negative", "OutOfRange").map_err(|e| e.code.into_owned())
    }

    #[test]
    fn pages_have_bounds() {
        assert_eq!(
            page(json!({})),
            Ok(Page {
                offset: 0,
                limit: 20
            })
        );
        assert_eq!(
            page(json!({"Offset": 7, "Limit": 100})),
            Ok(Page {
                offset: 7,
                limit: 100
            })
        );
        for (value, code) in [
            (json!({"Offset": -1}), "Negative"),
            (json!({"Limit": -1}), "Negative"),
            (json!({"Limit": i64::MIN}), "Negative"),
            (json!({"Limit": 0}), "OutOfRange"),
            (json!({"Limit": 101}), "OutOfRange"),
        ] {
            assert_eq!(page(value), Err(code.to_owned()));
        }
    }

    #[test]
    fn the_pages_of_a_list_are_the_list() {
        let all: Vec<Value> = (0..250).map(Value::from).collect();
        let mut seen = Vec::new();
        for offset in (0..300).step_by(100) {
            let found = Page { offset, limit: 100 }.of("Set", all.clone());
            assert_eq!(found["TotalCount"], 250);
            seen.extend(found["Set"].as_array().unwrap().clone());
        }
        assert_eq!(seen, all);
        let beyond = Page {
            offset: usize::MAX,
            limit: 100,
        }
        .of("Set", all);
        assert_eq!(
            (&beyond["TotalCount"], &beyond["Set"]),
            (&json!(250), &json!([]))
        );
    }
}
