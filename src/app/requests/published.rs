//! Which requests put which CVM image into Lighthouse. In: the states of requests that were read. Out: what is
//! known of others. Record 0 says that and never changes, so a process reads each request once for it.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::ImageRef;
use crate::journal::{State, StreamId};

/// About a megabyte.
const MAX_KNOWN: usize = 10_000;

/// What each request that was read puts into Lighthouse, if anything.
#[derive(Debug, Default)]
pub(in crate::app) struct Published(Mutex<BTreeMap<StreamId, Option<ImageRef>>>);

impl Published {
    /// The image that this request puts into Lighthouse, if any. `None`: it is to be read.
    pub(super) fn of(&self, stream: StreamId) -> Option<Option<ImageRef>> {
        self.0.lock().get(&stream).cloned()
    }

    /// Keeps what these requests put into Lighthouse.
    pub(super) fn keep(&self, states: &[State]) {
        let mut known = self.0.lock();
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(
            states
                .iter()
                .map(|state| (state.stream(), published(state))),
        );
    }
}

/// The image that a request puts into Lighthouse.
pub(super) fn published(state: &State) -> Option<ImageRef> {
    let target = &state.request().target;
    target.lighthouse().then(|| target.image())
}
