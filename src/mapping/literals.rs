//! A cache of compiled regular expressions, shared by all runs of a program. It keeps only those
//! expressions that occur in the program's own text, and not those that come from an event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;
use serde_json::json;

/// Maximum number of expressions in the cache. A limit is needed because each pattern is kept once
/// for each set of flags, and the flags may come from an event.
const MAX_KEPT: usize = 64;

/// The texts of a program, and the expressions from these texts that were already compiled.
#[derive(Debug)]
pub(super) struct Literals {
    texts: [String; 2],
    kept: Mutex<HashMap<(String, String), Arc<Regex>>>,
}

impl Literals {
    pub(super) fn of(texts: [&str; 2]) -> Self {
        Self {
            texts: texts.map(str::to_owned),
            kept: Mutex::default(),
        }
    }

    /// Returns the compiled expression from the cache. If it is not there, calls `compile`, and
    /// returns its result or its error.
    pub(super) fn compiled<E>(
        &self,
        pattern: &str,
        flags: &str,
        compile: impl FnOnce() -> Result<Regex, E>,
    ) -> Result<Arc<Regex>, E> {
        let key = (pattern.to_owned(), flags.to_owned());
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(&key) {
            return Ok(Arc::clone(known));
        }
        let compiled = Arc::new(compile()?);
        // A string literal in a jq program has the syntax of a JSON string.
        let written = json!(pattern).to_string();
        let mut kept = kept();
        if kept.len() < MAX_KEPT && self.texts.iter().any(|text| text.contains(&written)) {
            kept.insert(key, Arc::clone(&compiled));
        }
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expressions_of_the_text_are_kept_and_not_for_every_flag() {
        let literals = Literals::of([r#"test("^\\d+$")"#, ""]);
        let compiled =
            |pattern: &str, flags: &str| literals.compiled(pattern, flags, || Regex::new(pattern));
        let first = compiled(r"^\d+$", "").unwrap();
        assert!(Arc::ptr_eq(&first, &compiled(r"^\d+$", "").unwrap()));
        assert!(!Arc::ptr_eq(&first, &compiled(r"^\d+$", "g").unwrap()));
        let other = compiled("from an event", "").unwrap();
        assert!(!Arc::ptr_eq(
            &other,
            &compiled("from an event", "").unwrap()
        ));
        assert!(compiled("(", "").is_err());
        for n in 0..2 * MAX_KEPT {
            compiled(r"^\d+$", &"g".repeat(n)).unwrap();
        }
        assert_eq!(literals.kept.lock().unwrap().len(), MAX_KEPT);
    }
}
