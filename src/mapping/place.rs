//! Finds the path of a value in an event, for error messages. Compares addresses and not contents:
//! if a program takes a text, number, list or object from the event, it shares the event's value,
//! and if it changes the value, it gets a new one.

use std::rc::Rc;

use super::value::Value;
use crate::domain::shown;

impl Value {
    /// Returns the path of this value in `event`. Returns `None` if the program itself created the
    /// value, and for null and booleans, which have no address.
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

/// Returns the part of a path that names a field: `.name`, or `["…"]` if the name is long or is not
/// a plain word. A long name is shortened.
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
