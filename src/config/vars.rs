//! The process's variables as a value, so that only the entry point reads the environment.

use std::collections::BTreeMap;

/// The process's variables, taken once at the entrance.
pub type Vars = BTreeMap<String, String>;
