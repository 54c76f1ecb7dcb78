//! The environment variables of the process as a value: `main` reads them, and all other code gets
//! this map.

use std::collections::BTreeMap;

/// The entry with the address of the stand-in cloud. No environment variable can have this name: only
/// the option `--sandbox` sets it.
pub const SANDBOX_ENTRY: &str = "--sandbox=";

/// The environment variables of the process, by name.
pub type Vars = BTreeMap<String, String>;
