//! The credentials in use. In: a chain. Out: what it gave last, until the cloud says that it has expired.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{CredentialChain, Credentials, CredentialsError};

/// A chain and what it gave last.
#[derive(Debug)]
pub struct CredentialCache {
    chain: CredentialChain,
    current: Mutex<Option<Arc<Credentials>>>,
}

impl CredentialCache {
    /// Nothing is looked up yet.
    pub fn new(chain: CredentialChain) -> Self {
        Self { chain, current: Mutex::new(None) }
    }

    /// The credentials in use, looked up when there are none.
    ///
    /// # Errors
    /// As [`CredentialChain::load`].
    pub fn current(&self) -> Result<Arc<Credentials>, CredentialsError> {
        let mut current = self.lock();
        if let Some(credentials) = &*current {
            return Ok(Arc::clone(credentials));
        }
        let loaded = Arc::new(self.chain.load()?);
        *current = Some(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// Looks the credentials up anew after the cloud refused `used`. `None` when the chain still gives the same:
    /// repeating a call with them is pointless.
    ///
    /// # Errors
    /// As [`CredentialChain::load`].
    pub fn renew(&self, used: &Credentials) -> Result<Option<Arc<Credentials>>, CredentialsError> {
        let loaded = Arc::new(self.chain.load()?);
        if loaded.same_as(used) {
            return Ok(None);
        }
        *self.lock() = Some(Arc::clone(&loaded));
        Ok(Some(loaded))
    }

    /// The slot always holds whole credentials, so a poisoned lock is used as it is.
    fn lock(&self) -> MutexGuard<'_, Option<Arc<Credentials>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn credentials_are_kept_until_renewed_and_renewal_tells_whether_anything_changed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("k");
        let write =
            |id: &str| std::fs::write(&path, format!("[default]\nsecret_id={id}\nsecret_key=k\n")).unwrap();
        write("one");
        let name = path.display().to_string();
        let variables = BTreeMap::from([("TENCENTCLOUD_CREDENTIALS_FILE".to_owned(), name)]);
        let cache = CredentialCache::new(CredentialChain::from_disk(&variables, None));
        let one = cache.current().unwrap();
        write("two");
        assert_eq!(cache.current().unwrap().secret_id, "one");
        let two = cache.renew(&one).unwrap().unwrap();
        assert_eq!((two.secret_id.as_str(), cache.current().unwrap().secret_id.as_str()), ("two", "two"));
        assert!(cache.renew(&two).unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        assert!(cache.renew(&two).is_err());
        assert_eq!(cache.current().unwrap().secret_id, "two");
    }
}
