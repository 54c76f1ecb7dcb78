//! Exports records as OCSF events or as rows of a spreadsheet. Takes a stream's records and their
//! origin; returns lines of text. Does no I/O.

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
