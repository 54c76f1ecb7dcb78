//! The environment variables of the process as a value: `main` reads them, and all other code gets
//! this map.

use std::collections::BTreeMap;

/// The environment variables of the process, by name.
pub type Vars = BTreeMap<String, String>;
