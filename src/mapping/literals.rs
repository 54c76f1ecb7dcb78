//! The regular expressions in a program's own text, compiled once for all runs. Takes an expression
//! that a run needs; returns its compiled form. Does not keep expressions that come from an event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use regex::Regex;
use serde_json::json;

/// Maximum number of expressions that a program keeps. Each pattern counts once for each set of
/// flags, and an event may choose the flags.
const MAX_KEPT: usize = 64;

/// The texts of a program, and those of its expressions that were compiled.
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

    /// Returns the compiled form of an expression, or the error of `compile`.
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
        // jq writes a string literal as JSON does.
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
