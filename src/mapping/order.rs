//! jq's order of values, and with it their equality.

use std::cmp::Ordering;
use std::rc::Rc;

use super::bound::{spend, text_units};
use super::value::{ENTRY, Fields, Value};

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// jq's order. A comparison is always finished, also when the budget ends in it: a sort that gets
/// contradictory answers may panic, and the weight of a value bounds what comparing it costs.
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
            (Self::List(one), Self::List(other)) if Rc::ptr_eq(one, other) => Ordering::Equal,
            (Self::List(one), Self::List(other)) => one.inner.cmp(&other.inner),
            (Self::Object(one), Self::Object(other)) if Rc::ptr_eq(one, other) => Ordering::Equal,
            (Self::Object(one), Self::Object(other)) => {
                let (one, other) = (by_key(&one.inner), by_key(&other.inner));
                let keys = |pairs: &[(&Rc<String>, &Self)]| -> Vec<_> {
                    pairs.iter().map(|(key, _)| (*key).clone()).collect()
                };
                let values = |pairs: &[(&Rc<String>, &Self)]| -> Vec<_> {
                    pairs.iter().map(|(_, value)| (*value).clone()).collect()
                };
                keys(&one)
                    .cmp(&keys(&other))
                    .then_with(|| values(&one).cmp(&values(&other)))
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

impl Value {
    /// The place of its type in jq's order.
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::Text(_) => 3,
            Self::List(_) => 4,
            Self::Object(_) => 5,
        }
    }
}
