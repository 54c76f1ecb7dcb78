//! How programs read and update values: `.[]`, `.a`, `.[1:2]`, `|=` and what the engine's own
//! filters ask of a value. Reading a field of null gives null and updating one makes an object, as
//! in jq. Every item that an iteration yields is paid for, so an iteration ends with the budget.

use std::ops::Range as Span;
use std::rc::Rc;

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{ValR, ValT, ValX};

use super::bound::{spend, text_units};
use super::number::Number;
use super::value::{Fields, Value, fields};

impl Value {
    fn not_iterable(&self) -> jaq_core::Error<Self> {
        self.fail(format!("cannot iterate over {self}: {}", self.kind()))
    }

    fn not_indexable(&self, index: &Self) -> jaq_core::Error<Self> {
        self.fail(format!("cannot index {self} with {index}"))
    }

    /// The two ends of a slice, in items of `length`.
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
                let at = number.as_index().unwrap_or(0);
                Ok(match usize::try_from(at) {
                    Ok(at) => at.min(length),
                    Err(_) => length.saturating_sub(at.unsigned_abs()),
                })
            }
            Some(other) => Err(other.fail(format!("cannot slice with {other}: no number"))),
        };
        let (from, to) = (end(range.start, 0, false)?, end(range.end, length, true)?);
        Ok(from..to.max(from))
    }

    /// The slice `{start, end}` that an object stands for as an index.
    fn as_slice(&self) -> Option<Range<&Self>> {
        let Self::Object(object) = self else {
            return None;
        };
        let end = |key: &str| object.inner.get(&key.to_owned());
        Some(end("start")..end("end"))
    }

    /// Where an index lies in a list; nothing when it lies before its beginning.
    fn position(index: &Number, length: usize) -> Option<usize> {
        let at = index.as_index()?;
        match usize::try_from(at) {
            Ok(at) => Some(at),
            Err(_) => length.checked_sub(at.unsigned_abs()),
        }
    }

    /// Where `other` begins in this list or text: items, or characters.
    pub(super) fn indices(&self, other: &Self) -> ValR<Self> {
        let found = |at: usize| Self::from(at);
        match (self, other) {
            (Self::Null, _) => Ok(Self::Null),
            (Self::Text(text), Self::Text(part)) => {
                let paid = text_units(text.len().saturating_mul(part.len()));
                if part.is_empty() || !spend(text_units(text.len()) + paid) {
                    return Ok(Self::Null);
                }
                let starts = text.char_indices().enumerate();
                Ok(starts
                    .filter(|(_, (byte, _))| {
                        text.get(*byte..)
                            .is_some_and(|rest| rest.starts_with(part.as_str()))
                    })
                    .map(|(at, _)| found(at))
                    .collect())
            }
            (Self::List(_), Self::List(part)) if part.inner.is_empty() => Ok(Self::Null),
            (Self::List(list), Self::List(part)) => Ok(list
                .inner
                .windows(part.inner.len())
                .enumerate()
                .take_while(|_| spend(1))
                .filter(|(_, window)| *window == part.inner.as_slice())
                .map(|(at, _)| found(at))
                .collect()),
            (Self::List(list), item) => Ok(list
                .inner
                .iter()
                .enumerate()
                .take_while(|_| spend(1))
                .filter(|(_, other)| *other == item)
                .map(|(at, _)| found(at))
                .collect()),
            _ => Err(self.not_indexable(other)),
        }
    }
}

impl ValT for Value {
    fn from_num(literal: &str) -> ValR<Self> {
        Ok(Number::parse(literal).map_or(Self::Null, Self::number))
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(pairs: I) -> ValR<Self> {
        fields(pairs.into_iter()).map(Self::object)
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        match self {
            Self::List(list) => Box::new((0..list.inner.len()).map_while(move |at| {
                let item = list.inner.get(at).filter(|_| spend(1))?;
                Some(Ok((Self::from(at), item.clone())))
            })),
            Self::Object(object) => Box::new((0..object.inner.len()).map_while(move |at| {
                let (key, value) = object.inner.get_index(at).filter(|_| spend(1))?;
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
            (Self::Object(object), Self::Text(key)) => {
                Ok(object.inner.get(key).cloned().unwrap_or_default())
            }
            (Self::List(list), Self::Number(number)) => {
                let at = Self::position(number, list.inner.len());
                let item = at.and_then(|at| list.inner.get(at));
                Ok(item.cloned().unwrap_or_default())
            }
            (Self::Null, Self::Text(_) | Self::Number(_) | Self::Null) => Ok(Self::Null),
            (Self::List(_), Self::List(_)) => self.indices(index),
            (Self::List(_) | Self::Text(_) | Self::Null, Self::Object(_)) => {
                match index.as_slice() {
                    Some(slice) => self.range(slice),
                    None => Err(self.not_indexable(index)),
                }
            }
            _ => Err(self.not_indexable(index)),
        }
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        match &self {
            Self::Null => Ok(Self::Null),
            Self::List(list) => {
                let span = self.span(range, list.inner.len())?;
                Ok(list
                    .inner
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
            Self::List(list) => list.inner.iter().cloned().flat_map(f).collect(),
            Self::Object(object) => {
                let mut fields = Fields::default();
                for (key, value) in &object.inner {
                    if !spend(8) {
                        break;
                    }
                    if let Some(value) = f(value.clone()).next().transpose()? {
                        fields.insert(key.clone(), value);
                    }
                }
                Ok(Self::object(fields))
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
        if let (Self::List(_) | Self::Text(_) | Self::Null, Some(slice)) = (&self, index.as_slice())
        {
            return self.map_range(slice, opt, f);
        }
        let value = match (self, index) {
            (Self::Null, Self::Text(_)) => Self::object(Fields::default()),
            (Self::Null, Self::Number(_)) => Self::list(Vec::new()),
            (value, _) => value,
        };
        match (value, index) {
            (Self::Object(mut object), Self::Text(key)) => {
                if !spend(super::operators::own(&object, object.inner.len())) {
                    return Ok(Self::Null);
                }
                Rc::make_mut(&mut object).update(key, |old| f(old).next().transpose())?;
                Ok(Self::Object(object))
            }
            (Self::List(mut list), Self::Number(number)) => {
                let Some(at) = Self::position(number, list.inner.len()) else {
                    let list = Self::List(list);
                    return opt.fail(list, |list| {
                        list.fail(format!("index {index} lies before the beginning of {list}"))
                            .into()
                    });
                };
                if !spend(super::operators::own(&list, list.inner.len())) {
                    return Ok(Self::Null);
                }
                Rc::make_mut(&mut list).update(at, |old| f(old).next().transpose())?;
                Ok(Self::List(list))
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
        let Self::List(list) = &value else {
            return opt.fail(value, |value| {
                value
                    .fail(format!(
                        "cannot update a slice of {value}: {}",
                        value.kind()
                    ))
                    .into()
            });
        };
        let span = value.span(range, list.inner.len())?;
        let (from, to) = (span.start, span.end);
        let part = list.inner.get(span).unwrap_or_default().iter().cloned();
        let new = match f(part.collect()).next().transpose()? {
            Some(Self::List(new)) => new.inner.clone(),
            None => Vec::new(),
            Some(other) => {
                return Err(other
                    .fail(format!("cannot use {other} as a slice: no array"))
                    .into());
            }
        };
        let before = list.inner.iter().take(from).cloned();
        let after = list.inner.iter().skip(to).cloned();
        Ok(before.chain(new).chain(after).collect())
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
            Self::List(list) if spend(2 * list.inner.len() as u64) => {
                Ok(list.inner.iter().cloned().collect())
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
