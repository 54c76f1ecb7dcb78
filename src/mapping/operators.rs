//! jq's arithmetic on values: `+`, `-`, `*`, `/`, `%` and negation. Charges the budget for copies.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ValR;

use super::bound::{self, spend, text_units};
use super::value::{ENTRY, Fields, ITEM, Value};

fn mismatch(left: &Value, operator: &str, right: &Value) -> jaq_core::Error<Value> {
    left.fail(format!(
        "cannot calculate {left} {operator} {right}: {} and {}",
        left.kind(),
        right.kind()
    ))
}

/// Returns how many units it costs to change a value. A value with one reference is changed in
/// place, which costs 1. Otherwise the value must be copied, which costs `copy` in addition.
pub(super) fn cost_to_own<T>(shared: &Rc<T>, copy: u64) -> u64 {
    match Rc::strong_count(shared) {
        1 => 1,
        _ => 1 + copy,
    }
}

impl Add for Value {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        Ok(match (self, other) {
            (Self::Null, value) | (value, Self::Null) => value,
            (Self::Number(one), Self::Number(other)) => Self::number(one.plus(*other)),
            (Self::Text(mut one), Self::Text(other)) => {
                bound::check_size(text_units(one.len() + other.len()), 0);
                if spend(cost_to_own(&one, text_units(one.len())) + text_units(other.len())) {
                    Rc::make_mut(&mut one).push_str(&other);
                }
                Self::Text(one)
            }
            (Self::List(mut one, size), Self::List(other, _)) => {
                if !spend(cost_to_own(&one, ITEM * one.len() as u64) + ITEM * other.len() as u64) {
                    return Ok(Self::Null);
                }
                Rc::make_mut(&mut one).extend(other.iter().cloned());
                Self::List(one, size.and_all(&*other))
            }
            (Self::Object(mut one, mut size), Self::Object(other, _)) => {
                if !spend(cost_to_own(&one, ENTRY * one.len() as u64) + ENTRY * other.len() as u64)
                {
                    return Ok(Self::Null);
                }
                let fields = Rc::make_mut(&mut one);
                for (key, value) in &*other {
                    size = size.insert(fields, key, value.clone());
                }
                Self::Object(one, size)
            }
            (left, right) => return Err(mismatch(&left, "+", &right)),
        })
    }
}

impl Sub for Value {
    type Output = ValR<Self>;

    fn sub(self, other: Self) -> ValR<Self> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Ok(Self::number(one.minus(*other))),
            (Self::List(one, _), Self::List(other, _)) => {
                let mut gone: Vec<&Self> = other.iter().collect();
                gone.sort();
                let kept = one.iter().filter(|item| gone.binary_search(item).is_err());
                Ok(kept.cloned().collect())
            }
            (left, right) => Err(mismatch(&left, "-", &right)),
        }
    }
}

/// Computes `{…} * {…}`. Fields that are objects on both sides are merged. Every other field of the
/// right side replaces the field of the left side.
fn merged(one: &Value, other: Value) -> Value {
    let (Value::Object(left, _), Value::Object(right, _)) = (one, &other) else {
        return other;
    };
    if !spend(ENTRY * (left.len() + right.len()) as u64) {
        return Value::Null;
    }
    let mut fields = Fields::clone(left);
    for (key, value) in &**right {
        let value = match fields.get(key) {
            Some(known) => merged(known, value.clone()),
            None => value.clone(),
        };
        fields.insert(key.clone(), value);
    }
    Value::object(fields)
}

impl Mul for Value {
    type Output = ValR<Self>;

    fn mul(self, other: Self) -> ValR<Self> {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => Ok(Self::number(one.times(*other))),
            (one @ Self::Object(..), other @ Self::Object(..)) => Ok(merged(&one, other)),
            (left, right) => Err(mismatch(&left, "*", &right)),
        }
    }
}

impl Div for Value {
    type Output = ValR<Self>;

    fn div(self, other: Self) -> ValR<Self> {
        match (&self, &other) {
            (Self::Number(one), Self::Number(divisor)) => one
                .divided_by(**divisor)
                .map(Self::number)
                .ok_or_else(|| other.fail(format!("cannot divide {self} by zero"))),
            (Self::Text(text), Self::Text(separator)) => {
                if text.is_empty() || !spend(text_units(text.len())) {
                    return Ok(Self::list(Vec::new()));
                }
                Ok(if separator.is_empty() {
                    text.chars().map(|c| Self::text(c.to_string())).collect()
                } else {
                    text.split(separator.as_str())
                        .take_while(|part| spend(text_units(part.len())))
                        .map(Self::text)
                        .collect()
                })
            }
            _ => Err(mismatch(&self, "/", &other)),
        }
    }
}

impl Rem for Value {
    type Output = ValR<Self>;

    fn rem(self, other: Self) -> ValR<Self> {
        match (&self, &other) {
            (Self::Number(one), Self::Number(divisor)) => one
                .remainder(**divisor)
                .map(Self::number)
                .ok_or_else(|| other.fail(format!("cannot divide {self} by zero"))),
            _ => Err(mismatch(&self, "%", &other)),
        }
    }
}

impl Neg for Value {
    type Output = ValR<Self>;

    fn neg(self) -> ValR<Self> {
        match self {
            Self::Number(number) => Ok(Self::number(number.negated())),
            other => Err(other.fail(format!("cannot negate {other}: {}", other.kind()))),
        }
    }
}
