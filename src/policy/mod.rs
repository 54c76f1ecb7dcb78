//! Decides whether a request may be carried out. Takes policy files, configured sources and a
//! request; returns an `Approved`, which only this module can make, or the verdict that refuses the
//! request. Has no I/O and no clock, and no Cedar type leaves this folder.

mod accounts;
mod approved;
mod authorization_request;
mod dangers;
mod decide;
mod entities;
mod entity_values;
mod explain;
mod files;
mod heads;
mod policies;
mod policy_set;
mod probe;
mod question;
mod rules;
mod schema;
mod scope;
mod source_facts;
mod source_text;
mod stack;
mod supplied_id;
mod unequal;

pub use approved::{Approved, Ended};
pub use decide::Decision;
pub use files::{
    MAX_FILE_BYTES, PolicyFiles, SMALLER_FILES, VALIDATED, builtin_schema, sample_files, stamp,
};
pub use policy_set::PolicySet;
pub use question::Question;
pub use source_facts::SourceFacts;

#[cfg(test)]
mod tests;
