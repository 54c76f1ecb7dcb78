//! Finds the path of a value in an event. Compares identity, not content: a program shares the
//! texts, numbers, lists and objects of the event, and a changed value is a new one.

use std::rc::Rc;

use super::value::Value;
use crate::domain::shown;

impl Value {
    /// Returns the path of this value in `event`. `None` for a value that the program made, and for
    /// null and booleans, which have no identity.
    pub(super) fn place_in(&self, event: &Self) -> Option<String> {
        let same = match (self, event) {
            (Self::Number(one), Self::Number(other)) => Rc::ptr_eq(one, other),
            (Self::Text(one), Self::Text(other)) => Rc::ptr_eq(one, other),
            (Self::List(one, _), Self::List(other, _)) => Rc::ptr_eq(one, other),
            (Self::Object(one, _), Self::Object(other, _)) => Rc::ptr_eq(one, other),
            _ => false,
        };
        if same {
            return Some(String::new());
        }
        match event {
            Self::List(items, _) => items.iter().enumerate().find_map(|(index, item)| {
                let rest = self.place_in(item)?;
                Some(format!("[{index}]{rest}"))
            }),
            Self::Object(fields, _) => fields.iter().find_map(|(key, value)| {
                let rest = self.place_in(value)?;
                Some(format!("{}{rest}", path_step(key)))
            }),
            _ => None,
        }
    }
}

/// Returns a field's step in a path. A name that is not a plain word is quoted, and a long one is
/// shortened.
fn path_step(name: &str) -> String {
    let plain = !name.is_empty()
        && name.len() <= 60
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        format!(".{name}")
    } else {
        format!("[{}]", shown(name))
    }
}
