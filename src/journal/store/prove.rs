//! Builds proofs about the sealed journal, which can be checked without it. Takes the public key and
//! a request, or an older checkpoint. Returns no proof from a log that is damaged.

use std::collections::BTreeMap;

use super::super::log::{ConsistencyProof, KeyChain, Proof, VerifierKey};
use super::super::record::StreamId;
use super::verify_log::{opened, unbelieved};
use super::{Journal, JournalError};

impl Journal {
    /// Proves that a request's records are sealed, as of the newest seal. Leaves out unsealed
    /// records. Returns `None` if no record is sealed, or if a record differs from what was sealed.
    ///
    /// # Errors
    /// `key` is not a key of this journal, or the log or the stream is damaged. Otherwise the store
    /// failed.
    pub async fn prove(
        &self,
        key: &VerifierKey,
        stream: StreamId,
    ) -> Result<Option<Proof>, JournalError> {
        let (log, keys) = self.verified_log(key).await?;
        let mut files = self.files(stream).await?;
        files.truncate(log.sealed(stream).map_or(0, BTreeMap::len));
        if files.is_empty() {
            return Ok(None);
        }
        Ok(Proof::of(&log, keys, stream, &files))
    }

    /// Proves that the newest checkpoint continues an older one. `None` if it does not.
    ///
    /// # Errors
    /// No key of the journal has signed `old`. Otherwise the errors of [`Journal::verified_log`].
    pub async fn prove_consistency(
        &self,
        key: &VerifierKey,
        old: &str,
    ) -> Result<Option<ConsistencyProof>, JournalError> {
        let (log, keys) = self.verified_log(key).await?;
        let chain = KeyChain::of(key, &keys);
        let chain = chain.map_err(|flaw| unbelieved(&flaw.to_string()))?;
        let checkpoint = opened(old, &chain)?;
        let proof = ConsistencyProof::of(&log, keys, &checkpoint, old);
        Ok(proof.filter(|proof| proof.check(key).is_ok()))
    }
}
