//! The environment variables of the process as a value, so that only entry points read the
//! environment.

use std::collections::BTreeMap;

/// The environment variables of the process, by name.
pub type Vars = BTreeMap<String, String>;
