//! The values with which a program computes: JSON, with jq's numbers. Operations that grow, copy or
//! visit a value charge the budget of [`super::bound`]. Each list and object stores its weight and
//! depth, so that a value that grows too large is noticed at once.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::fmt;
use std::rc::Rc;

use indexmap::IndexMap;
use jaq_core::Error;
use jaq_core::val::Range;
use serde_json::Value as Json;

use super::bound::{self, spend, text_units};
use super::number::Number;
use crate::domain::shown;

/// Units that an item of a list costs. This is about the memory that the item needs.
pub(super) const ITEM: u64 = 2;
/// Units that an entry of an object costs. The entry also weighs this much in addition to its key
/// and its value.
pub(super) const ENTRY: u64 = 8;

thread_local! {
    /// The message of the last error on this thread, and the value that caused the error.
    static BLAMED: RefCell<Option<(Rc<String>, Value)>> = const { RefCell::new(None) };
}

pub(super) type Fields = IndexMap<Rc<String>, Value>;

#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// In an `Rc`, so that [`Value::place_in`] can find the number's place in the event by its
    /// address.
    Number(Rc<Number>),
    Text(Rc<String>),
    List(Rc<Vec<Value>>, Size),
    Object(Rc<Fields>, Size),
}

/// Weight and nesting of a value. If a value is shared, it counts once for each place where it
/// occurs, because comparing and writing visit it at each place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) weight: u64,
    pub(super) depth: u32,
}

impl Size {
    /// Returns the size with `children` added. If it is too large, marks the run as having exceeded
    /// a bound.
    pub(super) fn and_all<'a>(self, children: impl IntoIterator<Item = &'a Value>) -> Self {
        children.into_iter().fold(self, Self::and).checked()
    }

    fn and(self, child: &Value) -> Self {
        let Self { weight, depth } = child.size();
        Self {
            weight: self.weight.saturating_add(weight),
            depth: self.depth.max(1 + depth),
        }
    }

    fn checked(self) -> Self {
        bound::check_size(self.weight, self.depth);
        self
    }

    /// Returns the size without `child`. The depth is only an upper bound, so it does not change.
    fn without(self, child: &Value) -> Self {
        let weight = self.weight.saturating_sub(child.size().weight);
        Self { weight, ..self }
    }

    pub(super) fn exchange(self, old: &Value, new: &Value) -> Self {
        self.without(old).and(new).checked()
    }

    /// Puts a field into an object and returns the new size.
    pub(super) fn insert(self, fields: &mut Fields, key: &Rc<String>, value: Value) -> Self {
        let grown = self.and(&value);
        let size = match fields.insert(key.clone(), value) {
            Some(old) => grown.without(&old),
            None => grown.key(key),
        };
        size.checked()
    }

    fn key(self, key: &str) -> Self {
        let weight = self.weight.saturating_add(ENTRY + text_units(key.len()));
        Self { weight, ..self }
    }
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(text.into()))
    }

    pub(super) fn number(number: Number) -> Self {
        Self::Number(Rc::new(number))
    }

    /// Creates a list. The caller must already have charged its cost.
    pub(super) fn list(items: Vec<Self>) -> Self {
        let size = Size::default().and_all(&items);
        Self::List(Rc::new(items), size)
    }

    /// Creates an object. The caller must already have charged its cost.
    pub(super) fn object(fields: Fields) -> Self {
        let size = Size::default().and_all(fields.values());
        let size = fields
            .keys()
            .fold(size, |size, key| size.key(key))
            .checked();
        Self::Object(Rc::new(fields), size)
    }

    /// Creates an object from those fields that have a value.
    pub(super) fn record<const N: usize>(fields: [(&str, Option<Self>); N]) -> Self {
        let field = |(key, value): (&str, Option<Self>)| Some((Rc::new(key.to_owned()), value?));
        Self::object(fields.into_iter().filter_map(field).collect())
    }

    pub(super) fn size(&self) -> Size {
        let weight = match self {
            Self::Text(text) => text_units(text.len()),
            Self::List(_, size) | Self::Object(_, size) => {
                return Size {
                    weight: 1 + size.weight,
                    ..*size
                };
            }
            _ => 1,
        };
        Size { weight, depth: 0 }
    }

    /// Returns the name of the value's type, as jq's `type` does.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(..) => "array",
            Self::Object(..) => "object",
        }
    }

    /// Creates an error that this value caused, and stores the value in `BLAMED`. [`super::engine`]
    /// later adds the value's place in the event to the message.
    pub(super) fn fail(&self, message: String) -> Error<Self> {
        let message = Rc::new(message);
        BLAMED.set(Some((message.clone(), self.clone())));
        Error::new(Self::Text(message))
    }

    /// Returns the value that caused the error with this message, if it was the last error.
    /// Compares the addresses of the messages, because another error may have the same text.
    pub(super) fn blamed(message: &Rc<String>) -> Option<Self> {
        let (known, value) = BLAMED.take()?;
        Rc::ptr_eq(&known, message).then_some(value)
    }

    /// Converts JSON. The recursion is not too deep, because `serde_json` limits the depth of JSON
    /// that it reads.
    pub(super) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => Self::number(Number::from_json(number)),
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(fields) => {
                let own =
                    |(key, value): (&String, &Json)| (Rc::new(key.clone()), Self::from_json(value));
                Self::object(fields.iter().map(own).collect())
            }
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            _ if !spend(1) => Json::Null,
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => number.to_json(),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(items, _) => items.iter().map(Self::to_json).collect(),
            Self::Object(fields, _) => {
                let own = |(key, value): (&Rc<String>, &Self)| (key.to_string(), value.to_json());
                Json::Object(fields.iter().map(own).collect())
            }
        }
    }

    /// Returns the value as JSON text, or an empty text if the budget is used up.
    pub(super) fn written(&self) -> String {
        match spend(self.size().weight.saturating_mul(2)) {
            true => self.to_json().to_string(),
            false => String::new(),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::List(..) => 4,
            Self::Object(..) => 5,
        }
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<isize> for Value {
    fn from(number: isize) -> Self {
        Self::number(Number::Int(number as i128))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::number(Number::Int(number as i128))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::number(Number::from_f64(number))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Range<Self>> for Value {
    fn from(range: Range<Self>) -> Self {
        Self::record([("start", range.start), ("end", range.end)])
    }
}

impl FromIterator<Self> for Value {
    /// Collects items into a list. Stops early if the budget is used up or the list becomes too
    /// heavy.
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let mut size = Size::default();
        let paid = items.into_iter().take_while(|item| {
            size = size.and(item).checked();
            spend(ITEM)
        });
        let items = Rc::new(paid.collect());
        Self::List(items, size)
    }
}

/// Writes the value as JSON for an error message. Texts, lists and objects are shortened.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&shown(text)),
            Self::List(..) | Self::Object(..) => {
                let written: String = self.written().chars().take(60).collect();
                f.write_str(&written)
            }
            scalar => scalar.to_json().fmt(f),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares as jq does. A comparison continues to its end even if the budget is used up, because
/// sorting may panic if comparisons are inconsistent. Its cost is limited nevertheless, because the
/// weight of a value is limited.
impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        spend(1);
        match (self, other) {
            (Self::Bool(one), Self::Bool(other)) => one.cmp(other),
            (Self::Number(one), Self::Number(other)) => one.cmp(other),
            (Self::Text(one), Self::Text(other)) => {
                spend(text_units(one.len().min(other.len())));
                one.cmp(other)
            }
            (Self::List(one, _), Self::List(other, _)) if Rc::ptr_eq(one, other) => Ordering::Equal,
            (Self::List(one, _), Self::List(other, _)) => one.cmp(other),
            (Self::Object(one, _), Self::Object(other, _)) => {
                let (one, other) = (by_key(one), by_key(other));
                let keys = one
                    .iter()
                    .map(|pair| pair.0)
                    .cmp(other.iter().map(|pair| pair.0));
                keys.then_with(|| one.cmp(&other))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

fn by_key(fields: &Fields) -> Vec<(&Rc<String>, &Value)> {
    spend(ENTRY.saturating_mul(fields.len() as u64));
    let mut pairs: Vec<_> = fields.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    pairs
}
