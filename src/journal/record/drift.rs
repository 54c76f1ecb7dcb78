//! The record of a comparison of the cloud with the journal that found differences.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::Drifted;

/// Maximum number of differences that a record stores.
const MAX_DIFFERENCES: usize = 100;

/// A comparison that found differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// The number of differences, also of those that the record does not store.
    pub count: u64,
    /// The first differences, at most 100.
    pub differences: Vec<Drifted>,
    /// SHA-256 of all differences, in hex. Equal differences are recorded at most once a day.
    pub digest: String,
    /// The stream is named after the day and this number, which is below the maximum number of
    /// comparisons per day.
    pub slot: u32,
}

impl Drift {
    /// Returns the record of these differences. The store sets `slot`, which is 0 here. The order
    /// of the differences changes the digest.
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
