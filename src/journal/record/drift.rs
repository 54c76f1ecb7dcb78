//! The record of a comparison between the cloud and the journal, written if the comparison found
//! differences.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::Drifted;

const MAX_DIFFERENCES: usize = 100;

/// A comparison that found differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The number of all differences, including those that the record does not store.
    pub count: u64,
    /// The first differences, at most 100.
    pub differences: Vec<Drifted>,
    /// SHA-256 of all differences, in hex. Equal differences are recorded at most once a day.
    pub digest: String,
    /// Tells the comparisons of one day apart: the stream is named after the day and this number.
    /// Always below the maximum number of comparisons per day.
    pub slot: u32,
}

impl Drift {
    /// Returns the record of these differences. `slot` is 0 until the store sets it. The digest
    /// depends on the order of the differences.
    pub fn of(differences: &[Drifted]) -> Self {
        let mut hash = Sha256::new();
        for one in differences {
            let Drifted {
                image,
                region,
                to,
                difference,
            } = one;
            hash.update(format!("{image}\0{region}\0{to}\0{difference}\n"));
        }
        Self {
            count: differences.len() as u64,
            differences: differences.iter().take(MAX_DIFFERENCES).cloned().collect(),
            digest: hex::encode(hash.finalize()),
            slot: 0,
        }
    }
}
