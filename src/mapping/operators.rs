//! jq's arithmetic on values: `+`, `-`, `*`, `/`, `%` and the sign. Pays for what it copies.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::rc::Rc;

use jaq_core::ValR;

use super::bound::{self, spend, text_units};
use super::value::Value;

fn mismatch(left: &Value, operator: &str, right: &Value) -> jaq_core::Error<Value> {
    left.fail(format!(
        "cannot calculate {left} {operator} {right}: {} and {}",
        left.kind(),
        right.kind()
    ))
}

/// What making `shared` one's own costs: nothing when nobody else holds it.
pub(super) fn own<T>(shared: &Rc<T>, length: usize) -> u64 {
    match Rc::strong_count(shared) {
        1 => 1,
        _ => 1 + 2 * length as u64,
    }
}

impl Add for Value {
    type Output = ValR<Self>;

    fn add(self, other: Self) -> ValR<Self> {
        Ok(match (self, other) {
            (Self::Null, value) | (value, Self::Null) => value,
            (Self::Number(one), Self::Number(other)) => Self::number(one.plus(*other)),
            (Self::Text(mut one), Self::Text(other)) => {
                let copied = match Rc::strong_count(&one) {
                    1 => other.len(),
                    _ => one.len() + other.len(),
                };
                bound::check_size(text_units(one.len() + other.len()), 0);
                if spend(text_units(copied)) {
                    Rc::make_mut(&mut one).push_str(&other);
                }
                Self::Text(one)
            }
            (Self::List(mut one), Self::List(other)) => {
                let cost = own(&one, one.inner.len()) + 2 * other.inner.len() as u64;
                if !spend(cost) {
                    return Ok(Self::Null);
                }
                Rc::make_mut(&mut one).extend(&other);
                Self::List(one)
            }
            (Self::Object(mut one), Self::Object(other)) => {
                let cost = 4 * own(&one, one.inner.len()) + 8 * other.inner.len() as u64;
                if !spend(cost) {
                    return Ok(Self::Null);
                }
                let object = Rc::make_mut(&mut one);
                for (key, value) in &other.inner {
                    object.insert(key, value.clone());
                }
                Self::Object(one)
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
            (Self::List(one), Self::List(other)) => {
                let mut gone: Vec<&Self> = other.inner.iter().collect();
                gone.sort();
                let kept = one.inner.iter();
                Ok(kept
                    .filter(|item| gone.binary_search(item).is_err())
                    .cloned()
                    .collect())
            }
            (left, right) => Err(mismatch(&left, "-", &right)),
        }
    }
}

/// `{…} * {…}`: what both have is merged where both are objects, else the right side's wins.
fn merged(one: &Value, other: Value) -> Value {
    let (Value::Object(left), Value::Object(right)) = (one, &other) else {
        return other;
    };
    if !spend(8 * (left.inner.len() + right.inner.len()) as u64) {
        return Value::Null;
    }
    let mut fields = left.inner.clone();
    for (key, value) in &right.inner {
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
            (one @ Self::Object(_), other @ Self::Object(_)) => Ok(merged(&one, other)),
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
