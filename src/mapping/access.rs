//! Implements the engine's traits that read and update values: `.[]`, `.a`, `.[1:2]`, `|=`. As in
//! jq, reading a field or an item of null returns null, and updating one turns the null into an
//! object or an array. Iterating charges the budget, and stops when the budget is used up.

use std::ops::Range as Span;
use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{ValR, ValT, ValX};

use super::bound::{spend, text_units};
use super::number::Number;
use super::operators::cost_to_own;
use super::value::{ENTRY, Fields, ITEM, Value};

/// Units that each step of an iteration costs. This includes the work of the engine for the step.
const STEP: u64 = 6;

impl Value {
    fn not_iterable(&self) -> jaq_core::Error<Self> {
        self.fail(format!("cannot iterate over {self}: {}", self.kind()))
    }

    fn not_indexable(&self, index: &Self) -> jaq_core::Error<Self> {
        self.fail(format!("cannot index {self} with {index}"))
    }

    /// Returns the positions that the slice `range` selects in a list or text of this length.
    fn span(
        &self,
        range: Range<&Self>,
        length: usize,
    ) -> Result<Span<usize>, jaq_core::Error<Self>> {
        let end = |end: Option<&Self>, default: usize, up: bool| match end {
            None | Some(Self::Null) => Ok(default),
            Some(Self::Number(number)) => {
                let number = match (&**number, up) {
                    (Number::Float(float), true) => Number::from_f64(float.ceil()),
                    (number, _) => *number,
                };
                let beyond = number.as_index().is_none() && number.as_f64() > 0.0;
                let at = Self::position(&number, length);
                Ok(at.map_or(if beyond { length } else { 0 }, |at| at.min(length)))
            }
            Some(other) => Err(other.fail(format!("cannot slice with {other}: it is no number"))),
        };
        let (from, to) = (end(range.start, 0, false)?, end(range.end, length, true)?);
        Ok(from..to.max(from))
    }

    /// Returns the slice that an index such as `{"start": 1, "end": 2}` means.
    fn as_slice(&self) -> Option<Range<&Self>> {
        let Self::Object(fields, _) = self else {
            return None;
        };
        let end = |key: &str| fields.get(&key.to_owned());
        Some(end("start")..end("end"))
    }

    /// Converts an index to a position. A negative index counts from the end. Returns `None` if the
    /// position would be before the first item, or if the index is too large.
    fn position(index: &Number, length: usize) -> Option<usize> {
        let at = index.as_index()?;
        match usize::try_from(at) {
            Ok(at) => Some(at),
            Err(_) => length.checked_sub(at.unsigned_abs()),
        }
    }

    /// Returns the positions at which `other` occurs in this value, counted in items if this value
    /// is a list, and in characters if it is a text. Returns null if `other` is empty or this value
    /// is null.
    pub(super) fn indices(&self, other: &Self) -> ValR<Self> {
        let found: Vec<usize> = match (self, other) {
            (Self::Null, _) => return Ok(Self::Null),
            (Self::Text(text), Self::Text(part)) => {
                let compared =
                    text.len() + text_units(text.len().saturating_mul(part.len())) as usize;
                if part.is_empty() || !spend(compared as u64) {
                    return Ok(Self::Null);
                }
                let rests = text
                    .char_indices()
                    .map(|(byte, _)| text.get(byte..).unwrap_or_default());
                let starts = rests.map(|rest| rest.starts_with(part.as_str()));
                positions(starts)
            }
            (Self::List(_, _), Self::List(part, _)) if part.is_empty() => return Ok(Self::Null),
            (Self::List(items, _), Self::List(part, _)) => positions(
                items
                    .windows(part.len())
                    .map(|window| window == part.as_slice()),
            ),
            (Self::List(items, _), item) => positions(items.iter().map(|other| other == item)),
            _ => return Err(self.not_indexable(other)),
        };
        Ok(found.into_iter().map(Self::from).collect())
    }
}

/// Returns the positions at which `holds` yields true. Stops when the budget is used up.
fn positions(holds: impl Iterator<Item = bool>) -> Vec<usize> {
    let holds = holds.take_while(|_| spend(1)).enumerate();
    holds
        .filter_map(|(at, holds)| holds.then_some(at))
        .collect()
}

impl ValT for Value {
    fn from_num(literal: &str) -> ValR<Self> {
        Ok(Number::parse(literal).map_or(Self::Null, Self::number))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(pairs: I) -> ValR<Self> {
        let paid = pairs.into_iter().take_while(|_| spend(ENTRY));
        let fields: Result<_, _> = paid
            .map(|(key, value)| match key {
                Self::Text(key) => Ok((key, value)),
                other => Err(other.fail(format!(
                    "cannot use {other} as the key of an object: keys are strings"
                ))),
            })
            .collect();
        fields.map(Self::object)
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            Self::List(items, _) => Box::new((0..items.len()).map_while(move |at| {
                let item = items.get(at).filter(|_| spend(STEP))?;
                Some(Ok((Self::from(at), item.clone())))
            })),
            Self::Object(fields, _) => Box::new((0..fields.len()).map_while(move |at| {
                let (key, value) = fields.get_index(at).filter(|_| spend(STEP))?;
                Some(Ok((Self::Text(key.clone()), value.clone())))
            })),
            other => box_once(Err(other.not_iterable())),
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        Box::new(self.key_values().map(|pair| pair.map(|(_, value)| value)))
    }

    fn index(self, index: &Self) -> ValR<Self> {
        spend(1);
        match (&self, index) {
            (Self::Object(fields, _), Self::Text(key)) => {
                Ok(fields.get(key).cloned().unwrap_or_default())
            }
            (Self::List(items, _), Self::Number(number)) => {
                let at = Self::position(number, items.len());
                Ok(at.and_then(|at| items.get(at)).cloned().unwrap_or_default())
            }
            (Self::Null, Self::Text(_) | Self::Number(_) | Self::Null) => Ok(Self::Null),
            (Self::List(..), Self::List(..)) => self.indices(index),
            (Self::List(..) | Self::Text(_) | Self::Null, Self::Object(..)) => {
                self.range(index.as_slice().unwrap_or(None..None))
            }
            _ => Err(self.not_indexable(index)),
        }
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        match &self {
            Self::Null => Ok(Self::Null),
            Self::List(items, _) => {
                let span = self.span(range, items.len())?;
                Ok(items
                    .get(span)
                    .unwrap_or_default()
                    .iter()
                    .cloned()
                    .collect())
            }
            Self::Text(text) => {
                if !spend(2 * text_units(text.len())) {
                    return Ok(Self::Null);
                }
                let span = self.span(range, text.chars().count())?;
                let cut = text.chars().skip(span.start).take(span.len());
                Ok(Self::text(cut.collect::<String>()))
            }
            _ => Err(self.fail(format!("cannot slice {self}: {}", self.kind()))),
        }
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        match &self {
            Self::List(items, _) => items.iter().cloned().flat_map(f).collect(),
            Self::Object(fields, _) => {
                let paid = fields.iter().take_while(|_| spend(ENTRY));
                let changed = paid.filter_map(|(key, value)| {
                    let value = f(value.clone()).next()?;
                    Some(value.map(|value| (key.clone(), value)))
                });
                changed.collect::<Result<_, _>>().map(Self::object)
            }
            _ => opt.fail(self, |value| value.not_iterable().into()),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        if let (Self::List(..) | Self::Text(_) | Self::Null, Some(slice)) =
            (&self, index.as_slice())
        {
            return self.map_range(slice, opt, f);
        }
        let change = |old: Self| f(old).next().transpose();
        match (self, index) {
            (Self::Null, Self::Text(_)) => Self::object(Fields::default()).map_index(index, opt, f),
            (Self::Null, Self::Number(_)) => Self::list(Vec::new()).map_index(index, opt, f),
            (Self::Object(mut fields, mut size), Self::Text(key)) => {
                if !spend(cost_to_own(&fields, ENTRY * fields.len() as u64)) {
                    return Ok(Self::Null);
                }
                let own = Rc::make_mut(&mut fields);
                let old = own.get_mut(key).map(std::mem::take).unwrap_or_default();
                size = size.exchange(&old, &Self::Null);
                match change(old)? {
                    Some(new) => size = size.insert(own, key, new),
                    None if spend(own.len() as u64) => drop(own.shift_remove(key)),
                    None => {}
                }
                Ok(Self::Object(fields, size))
            }
            (Self::List(mut items, mut size), Self::Number(number)) => {
                let Some(at) = Self::position(number, items.len()) else {
                    let before = |list: Self| {
                        let problem = format!("index {index} lies before the beginning of {list}");
                        list.fail(problem).into()
                    };
                    return opt.fail(Self::List(items, size), before);
                };
                let missing = (at + 1).saturating_sub(items.len()) as u64;
                if !spend(cost_to_own(&items, ITEM * items.len() as u64)) {
                    return Ok(Self::Null);
                }
                let own = Rc::make_mut(&mut items);
                let old = own.get_mut(at).map(std::mem::take).unwrap_or_default();
                size = size.exchange(&old, &Self::Null);
                match change(old)? {
                    Some(new) if spend(ITEM.saturating_mul(missing)) => {
                        own.resize(own.len().max(at + 1), Self::Null);
                        size = size.exchange(&Self::Null, &new);
                        size.weight += missing;
                        if let Some(place) = own.get_mut(at) {
                            *place = new;
                        }
                    }
                    None if at < own.len() && spend(own.len() as u64 / 4) => drop(own.remove(at)),
                    _ => {}
                }
                Ok(Self::List(items, size))
            }
            (value, _) => opt.fail(value, |value| value.not_indexable(index).into()),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        range: Range<&Self>,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let value = match self {
            Self::Null => Self::list(Vec::new()),
            value => value,
        };
        let Self::List(items, _) = &value else {
            return opt.fail(value, |value| {
                let problem = format!("cannot update a slice of {value}: {}", value.kind());
                value.fail(problem).into()
            });
        };
        let span = value.span(range, items.len())?;
        let (from, to) = (span.start, span.end);
        let part = items.get(span).unwrap_or_default().iter().cloned();
        let new = match f(part.collect()).next().transpose()? {
            Some(Self::List(new, _)) => new,
            None => Rc::default(),
            Some(other) => {
                let problem = format!("cannot use {other} as a slice: it is no array");
                return Err(other.fail(problem).into());
            }
        };
        let (before, after) = (items.iter().take(from), items.iter().skip(to));
        Ok(before.chain(&*new).chain(after).cloned().collect())
    }

    fn as_bool(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    fn into_string(self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text),
            other => Self::text(other.written()),
        }
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        match self {
            Self::List(items, _) if spend(ITEM * items.len() as u64) => {
                Ok(items.iter().cloned().collect())
            }
            other => Err(other),
        }
    }

    fn is_int(&self) -> bool {
        matches!(self, Self::Number(number) if matches!(**number, Number::Int(_)))
    }

    fn as_isize(&self) -> Option<isize> {
        match self {
            Self::Number(number) => number.as_isize(),
            _ => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(number.as_f64()),
            _ => None,
        }
    }

    fn is_utf8_str(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) if spend(text_units(text.len())) => Some(text.as_bytes()),
            _ => None,
        }
    }

    fn as_sub_str(&self, part: &[u8]) -> Self {
        Self::text(String::from_utf8_lossy(part))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        let bytes = bytes.as_ref();
        if !spend(text_units(bytes.len())) {
            return Self::Null;
        }
        Self::text(String::from_utf8_lossy(bytes))
    }
}
