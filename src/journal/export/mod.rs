//! Records in the forms that others read: OCSF events, a table for spreadsheets, the records' own
//! lines. Pure. In: a stream's records and where the cloud is. Out: lines of text.

mod csv;
mod entry;
mod ocsf;
mod origin;

pub use csv::HEADER as CSV_HEADER;
pub use entry::Entry;
pub use origin::Origin;

#[cfg(test)]
mod tests;
