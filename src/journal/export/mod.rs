//! Exports records: as OCSF events, as rows of a spreadsheet, or as they are. Pure. In: a stream's
//! records and their origin. Out: lines of text.

mod csv;
mod entry;
mod meaning;
mod ocsf;
mod origin;

pub use csv::HEADER as CSV_HEADER;
pub use entry::Entry;
pub use origin::Origin;

#[cfg(test)]
mod tests;
