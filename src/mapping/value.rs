//! The values of a program: JSON with jq's numbers. Growing, copying and walking a value charges
//! the budget of [`super::bound`]. Each value knows its weight and its nesting.

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

/// Units that an item of a list costs, roughly its memory.
pub(super) const ITEM: u64 = 2;
/// Units that an entry of an object costs. The entry also weighs this much more than its key and
/// its value.
pub(super) const ENTRY: u64 = 8;

thread_local! {
    /// The message of the last error, and the value that caused it.
    static BLAMED: RefCell<Option<(Rc<String>, Value)>> = const { RefCell::new(None) };
}

pub(super) type Fields = IndexMap<Rc<String>, Value>;

#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// Shared like a text, so that an error can name the number's place in the event.
    Number(Rc<Number>),
    Text(Rc<String>),
    List(Rc<Vec<Value>>, Size),
    Object(Rc<Fields>, Size),
}

/// Weight and nesting of a value. A shared value is counted at each place where it occurs, because
/// comparing and writing visit each place.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    pub(super) weight: u64,
    pub(super) depth: u32,
}

impl Size {
    /// Returns the size with further children. Ends the run if it is too large.
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

    /// Ends the run if a value of this size is too large.
    fn checked(self) -> Self {
        bound::check_size(self.weight, self.depth);
        self
    }

    /// Returns the size without a child. The depth stays as it is: it is an upper bound.
    fn without(self, child: &Value) -> Self {
        let weight = self.weight.saturating_sub(child.size().weight);
        Self { weight, ..self }
    }

    /// Returns the size after a child was replaced.
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

    /// Makes a list. The caller has charged its cost.
    pub(super) fn list(items: Vec<Self>) -> Self {
        let size = Size::default().and_all(&items);
        Self::List(Rc::new(items), size)
    }

    /// Makes an object. The caller has charged its cost.
    pub(super) fn object(fields: Fields) -> Self {
        let size = Size::default().and_all(fields.values());
        let size = fields
            .keys()
            .fold(size, |size, key| size.key(key))
            .checked();
        Self::Object(Rc::new(fields), size)
    }

    /// Makes an object of these fields. Leaves out those without a value.
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

    /// Makes an error that this value caused. [`super::engine`] looks up the value's place in the
    /// event.
    pub(super) fn fail(&self, message: String) -> Error<Self> {
        let message = Rc::new(message);
        BLAMED.set(Some((message.clone(), self.clone())));
        Error::new(Self::Text(message))
    }

    /// Returns the value that caused the error with this message. Compares the message's address,
    /// not its words, so another error with the same words does not match.
    pub(super) fn blamed(message: &Rc<String>) -> Option<Self> {
        let (known, value) = BLAMED.take()?;
        Rc::ptr_eq(&known, message).then_some(value)
    }

    /// Converts JSON. `serde_json` has read it and bounded its depth.
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

    /// Returns the value as JSON text; an empty text if the budget is used up.
    pub(super) fn written(&self) -> String {
        match spend(self.size().weight.saturating_mul(2)) {
            true => self.to_json().to_string(),
            false => String::new(),
        }
    }

    /// The rank of the value's type in jq's order.
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
    /// Stops when the budget ends or the list becomes too heavy, even if the iterator has more
    /// items.
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

/// Writes the value as an error message shows it: JSON, shortened.
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

/// jq's order. A comparison is finished even if the budget ends meanwhile, because a sort may panic
/// on inconsistent results. The maximum weight of a value bounds the cost.
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
