//! The last answer of the token service about the credentials in use, and how long the answer is
//! used. Data only: `owner` asks the token service.

use std::sync::Arc;

use jiff::SignedDuration;
use parking_lot::Mutex;

use super::key::Credentials;
use crate::domain::{AccountId, CloudError, Timestamp};

/// How long a permanent error, such as a refusal, is returned. Afterwards the token service is
/// asked again, because an operator may have granted the permission.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(300);
/// How long to wait before asking the token service again after a temporary error, such as a
/// missing answer.
const PAUSE: SignedDuration = SignedDuration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct OwnerSlot {
    pub(super) newest: Mutex<Option<Asked>>,
    /// Locked while the token service is asked, so that concurrent callers ask once.
    pub(super) asking: Arc<tokio::sync::Mutex<()>>,
}

impl OwnerSlot {
    pub(super) fn about(&self, used: &Credentials) -> Option<Asked> {
        let newest = self.newest.lock().clone();
        newest.filter(|asked| asked.credentials.same_as(used))
    }
}

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) credentials: Arc<Credentials>,
    pub(super) owner: Result<AccountId, CloudError>,
    pub(super) at: Timestamp,
}

impl Asked {
    pub(super) fn is_fresh(&self, now: Timestamp) -> bool {
        let most = match &self.owner {
            Ok(_) => return true,
            Err(error) if error.class.passing() => PAUSE,
            Err(_) => MAX_AGE,
        };
        now.duration_since(self.at).abs() < most
    }
}
