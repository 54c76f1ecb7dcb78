//! The process's variables as a value, so that nothing below the entrance reads the environment.

use std::collections::BTreeMap;

/// The process's variables, taken once at the entrance.
pub type Vars = BTreeMap<String, String>;
