//! The values that a program works on: JSON as jq sees it. Every operation that grows, copies or
//! walks a value charges [`super::bound`], and a value knows what it weighs and how deep it nests.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use indexmap::IndexMap;
use jaq_core::Error;
use jaq_core::val::Range;
use serde_json::{Map as JsonMap, Value as Json};

use super::bound::{self, spend, text_units};
use super::number::Number;
use super::shortened::shortened;

/// What an item of a list and an entry of an object cost: about what they take in memory.
const ITEM: u64 = 2;
pub(super) const ENTRY: u64 = 8;

thread_local! {
    /// The message of the last error and the value that it is about.
    static BLAMED: RefCell<Option<(Rc<String>, Value)>> = const { RefCell::new(None) };
}

pub(super) type Fields = IndexMap<Rc<String>, Value>;

#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    /// Shared like a text, so that an error can say which number of the event it is about.
    Number(Rc<Number>),
    Text(Rc<String>),
    List(Rc<Sized<Vec<Value>>>),
    Object(Rc<Sized<Fields>>),
}

/// A list or an object with its size. Both numbers are those of a tree: what is shared counts at
/// each place, because comparing and writing visit each place.
#[derive(Clone, Debug, Default)]
pub(super) struct Sized<T> {
    pub(super) inner: T,
    /// Of what it holds.
    weight: u64,
    depth: u32,
}

impl Value {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(text.into()))
    }

    pub(super) fn number(number: Number) -> Self {
        Self::Number(Rc::new(number))
    }

    /// A list that was paid for.
    pub(super) fn list(items: Vec<Self>) -> Self {
        let mut list = Sized::<Vec<Self>>::default();
        items.iter().for_each(|item| list.count(item));
        list.inner = items;
        Self::List(Rc::new(list))
    }

    /// An object that was paid for.
    pub(super) fn object(fields: Fields) -> Self {
        let mut object = Sized::<Fields>::default();
        for (key, value) in &fields {
            object.count_key(key);
            object.count(value);
        }
        object.inner = fields;
        Self::Object(Rc::new(object))
    }

    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Text(text) => text_units(text.len()),
            Self::List(list) => 1 + list.weight,
            Self::Object(object) => 1 + object.weight,
            _ => 1,
        }
    }

    pub(super) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    /// The name of its type, as `type` answers it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// An error about this value, which [`super::engine`] finds again in the event.
    pub(super) fn fail(&self, message: String) -> Error<Self> {
        let message = Rc::new(message);
        BLAMED.set(Some((message.clone(), self.clone())));
        Error::new(Self::Text(message))
    }

    /// The value that the error with this very message is about. The identity of the message is the
    /// key, so a message of the same words is not mistaken for it.
    pub(super) fn blamed(message: &Rc<String>) -> Option<Self> {
        let (known, value) = BLAMED.take()?;
        Rc::ptr_eq(&known, message).then_some(value)
    }

    /// An event, read by `serde_json`, which bounds its depth.
    pub(super) fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(flag) => Self::Bool(*flag),
            Json::Number(number) => Self::number(Number::from_json(number)),
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            Json::Object(fields) => Self::object(
                fields
                    .iter()
                    .map(|(key, value)| (Rc::new(key.clone()), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        match self {
            _ if !spend(1) => Json::Null,
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(*flag),
            Self::Number(number) => number.to_json(),
            Self::Text(text) => Json::String(text.to_string()),
            Self::List(list) => Json::Array(list.inner.iter().map(Self::to_json).collect()),
            Self::Object(object) => Json::Object(
                object
                    .inner
                    .iter()
                    .map(|(key, value)| (key.to_string(), value.to_json()))
                    .collect::<JsonMap<_, _>>(),
            ),
        }
    }

    /// The value as JSON text.
    pub(super) fn written(&self) -> String {
        if !spend(self.weight().saturating_mul(2)) {
            return String::new();
        }
        self.to_json().to_string()
    }
}

impl<T> Sized<T> {
    /// Counts a child that was added; ends the run when the whole becomes too large.
    fn count(&mut self, child: &Value) {
        self.weight = self.weight.saturating_add(child.weight());
        self.depth = self.depth.max(1 + child.depth());
        bound::check_size(self.weight, self.depth);
    }

    /// Counts a child no more. The depth stays: it is an upper bound.
    fn discount(&mut self, child: &Value) {
        self.weight = self.weight.saturating_sub(child.weight());
    }

    fn count_key(&mut self, key: &str) {
        self.weight += ENTRY + text_units(key.len());
    }
}

impl Sized<Vec<Value>> {
    pub(super) fn extend(&mut self, other: &Self) {
        for item in &other.inner {
            self.count(item);
            self.inner.push(item.clone());
        }
    }

    /// Replaces the item at `at` by what `change` makes of it, or removes it. What lies between the
    /// end of the list and a new item becomes null.
    pub(super) fn update<E>(
        &mut self,
        at: usize,
        change: impl FnOnce(Value) -> Result<Option<Value>, E>,
    ) -> Result<(), E> {
        let old = self.inner.get_mut(at).map(std::mem::take);
        let known = old.is_some();
        let old = old.unwrap_or_default();
        if known {
            self.discount(&old);
        }
        match change(old)? {
            Some(new) => {
                let missing = (at + 1).saturating_sub(self.inner.len());
                if spend(ITEM.saturating_mul(missing as u64)) {
                    self.inner.resize(self.inner.len() + missing, Value::Null);
                    self.weight += missing.saturating_sub(1) as u64;
                    self.count(&new);
                    if let Some(place) = self.inner.get_mut(at) {
                        *place = new;
                    }
                }
            }
            None if known => {
                self.inner.remove(at);
            }
            None => {}
        }
        Ok(())
    }
}

impl Sized<Fields> {
    pub(super) fn insert(&mut self, key: &Rc<String>, value: Value) {
        self.count(&value);
        match self.inner.insert(key.clone(), value) {
            Some(old) => self.discount(&old),
            None => self.count_key(key),
        }
    }

    /// Replaces the field by what `change` makes of it, or removes it.
    pub(super) fn update<E>(
        &mut self,
        key: &Rc<String>,
        change: impl FnOnce(Value) -> Result<Option<Value>, E>,
    ) -> Result<(), E> {
        let old = self.inner.get_mut(key).map(std::mem::take);
        let known = old.is_some();
        let old = old.unwrap_or_default();
        if known {
            self.discount(&old);
            self.weight += 1;
        }
        match change(old)? {
            Some(new) => self.insert(key, new),
            None if known => {
                self.inner.shift_remove(key);
            }
            None => {}
        }
        Ok(())
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
        let ends = [("start", range.start), ("end", range.end)];
        Self::object(
            ends.into_iter()
                .filter_map(|(key, end)| Some((Rc::new(key.to_owned()), end?)))
                .collect(),
        )
    }
}

impl FromIterator<Self> for Value {
    /// Stops when the budget ends or the list becomes too heavy, however long the iterator is.
    fn from_iter<I: IntoIterator<Item = Self>>(items: I) -> Self {
        let mut weight = 0u64;
        let paid = items.into_iter().take_while(|item| {
            weight = weight.saturating_add(item.weight());
            bound::check_size(weight, 0);
            spend(ITEM)
        });
        Self::list(paid.collect())
    }
}

/// Collects the fields of an object; pays for each.
pub(super) fn fields(pairs: impl Iterator<Item = (Value, Value)>) -> Result<Fields, Error<Value>> {
    let mut fields = Fields::default();
    for (key, value) in pairs {
        let Value::Text(key) = key else {
            return Err(key.fail(format!(
                "cannot use {key} as the key of an object: keys are strings"
            )));
        };
        if !spend(ENTRY) {
            break;
        }
        fields.insert(key, value);
    }
    Ok(fields)
}

/// As errors quote it: JSON, shortened.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&shortened(text)),
            Self::List(_) | Self::Object(_) => {
                let written: String = self.written().chars().take(60).collect();
                f.write_str(&written)
            }
            scalar => scalar.to_json().fmt(f),
        }
    }
}
