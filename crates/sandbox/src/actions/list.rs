//! Implements the common parts of the list actions: ids, paging and filters. The documented error
//! codes differ between actions, so each action has its own `ListRules`.

use serde_json::{Map, Value};

use crate::error::{ApiError, clip, refuse};
use crate::params::{Filter, Params};
use crate::world::is_image_id;

/// Default and maximum number of entries on a page.
const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;
/// Maximum number of ids in one call, for the actions that limit this number.
pub(super) const MAX_IDS: usize = 100;
/// Maximum number of filters in one call, according to the API pages of all list actions.
const MAX_FILTERS: usize = 10;

/// The rules of a list action, and its error codes for wrong parameters. If a code is `None`, the
/// action does not make the check.
pub(super) struct ListRules {
    /// The name of the parameter that lists the ids.
    pub(super) ids: &'static str,
    pub(super) prefix: &'static str,
    /// The code for an `Offset` or a `Limit` below 0. `range` is the code for any other `Limit`
    /// outside 1 to 100.
    pub(super) negative: &'static str,
    pub(super) range: &'static str,
    /// The code for ids together with filters.
    pub(super) exclusive: Option<&'static str>,
    pub(super) too_many_ids: Option<&'static str>,
    pub(super) malformed_id: Option<&'static str>,
    pub(super) filters: &'static [&'static str],
    /// Whether the filters `tag:KEY`, `tag-key` and `tag-value` exist. No image of the sandbox has
    /// tags.
    pub(super) tags: bool,
    pub(super) max_values: usize,
    pub(super) unknown_filter: &'static str,
    pub(super) too_many_filters: &'static str,
}

pub(super) struct Selection<'a> {
    pub(super) page: Page,
    pub(super) ids: &'a [String],
    pub(super) filters: &'a [Filter],
}

impl ListRules {
    /// Checks the parameters, in this order: page, ids, filters.
    pub(super) fn read<'a>(&self, params: &'a Params) -> Result<Selection<'a>, ApiError> {
        let name = self.ids;
        let selection = Selection {
            page: Page::read(params, self.negative, self.range)?,
            ids: params.list(name),
            filters: params.filters(),
        };
        let Selection { ids, filters, .. } = &selection;
        if let Some(code) = self.exclusive
            && !ids.is_empty()
            && !filters.is_empty()
        {
            let message = format!("{name} and Filters cannot be specified simultaneously.");
            return refuse(code, message);
        }
        if let Some(code) = self.too_many_ids
            && ids.len() > MAX_IDS
        {
            return refuse(code, format!("{name} has at most {MAX_IDS} entries."));
        }
        if let Some(code) = self.malformed_id
            && let Some(bad) = ids.iter().find(|id| !is_image_id(id, self.prefix))
        {
            return refuse(code, format!("The image ID `{}` is malformed.", clip(bad)));
        }
        self.check_filters(filters)?;
        Ok(selection)
    }

    fn check_filters(&self, filters: &[Filter]) -> Result<(), ApiError> {
        if filters.len() > MAX_FILTERS {
            let message = format!("Filters has at most {MAX_FILTERS} entries.");
            return refuse(self.too_many_filters, message);
        }
        for filter in filters {
            let name = clip(&filter.name);
            let tag = self.tags
                && ["tag:", "tag-key", "tag-value"]
                    .iter()
                    .any(|t| filter.name.starts_with(t));
            if !tag && !self.filters.contains(&filter.name.as_str()) {
                return refuse(self.unknown_filter, format!("There is no filter `{name}`."));
            }
            if filter.values.len() > self.max_values {
                let message = format!("A filter has at most {} Values.", self.max_values);
                return refuse(self.too_many_filters, message);
            }
            if filter.values.is_empty() {
                let message = format!("The filter `{name}` has no value.");
                return refuse(self.unknown_filter, message);
            }
        }
        Ok(())
    }
}

impl Selection<'_> {
    /// Whether the call selects an entry: either the call has no ids or `id` is one of them, and
    /// the entry matches all filters. `field` returns the entry's value for the name of a filter.
    /// If it returns `None`, the filter does not match.
    pub(super) fn takes(&self, id: &String, field: impl Fn(&str) -> Option<String>) -> bool {
        let matches =
            |filter: &Filter| field(&filter.name).is_some_and(|v| filter.values.contains(&v));
        (self.ids.is_empty() || self.ids.contains(id)) && self.filters.iter().all(matches)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    offset: usize,
    limit: usize,
}

impl Page {
    /// Reads `Offset` (default 0) and `Limit` (1 to 100, default 20).
    fn read(
        params: &Params,
        negative: &'static str,
        range: &'static str,
    ) -> Result<Self, ApiError> {
        let number = |name: &str, default: i64| match params.integer(name).unwrap_or(default) {
            below if below < 0 => refuse(negative, format!("`{name}` cannot be negative.")),
            given => Ok(given),
        };
        let (offset, limit) = (number("Offset", 0)?, number("Limit", DEFAULT_LIMIT)?);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return refuse(range, format!("`Limit` must be from 1 to {MAX_LIMIT}."));
        }
        let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        Ok(Self {
            offset: size(offset),
            limit: size(limit),
        })
    }

    /// Returns the requested entries as `name`, and the number of all entries as `TotalCount`.
    pub(super) fn of(self, name: &str, all: Vec<Value>) -> Map<String, Value> {
        let total = Value::from(all.len());
        let page = all.into_iter().skip(self.offset).take(self.limit).collect();
        Map::from_iter([
            ("TotalCount".to_owned(), total),
            (name.to_owned(), Value::Array(page)),
        ])
    }
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
