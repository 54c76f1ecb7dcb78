//! What the record of a comparison says that found differences between the cloud and the journal.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::Drifted;

/// Differences that a record keeps.
const MAX_DIFFERENCES: usize = 100;

/// A comparison that found differences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Their number.
    pub count: u64,
    /// The first of them.
    pub differences: Vec<Drifted>,
    /// SHA-256, hex, of all differences: the same ones are recorded once a day.
    pub digest: String,
    /// Its place among the records of its day, which are bounded in number.
    pub slot: u32,
}

impl Drift {
    /// The record of these differences, in their order.
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
