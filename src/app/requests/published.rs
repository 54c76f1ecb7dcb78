//! Remembers which requests put which CVM image into Lighthouse, and from which CVM image each
//! blueprint was made. In: the states of requests that were read. Out: what this process knows.
//! Record 0 names the image and never changes, so what is remembered stays true.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::{ImageRef, Region};
use crate::journal::{State, StreamId};

/// Maximum number of requests to remember, about a megabyte. When it is exceeded, all are forgotten
/// and read again.
const MAX_KNOWN: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::app) struct Published {
    /// For each request that was read: the CVM image that it puts into Lighthouse, if any.
    by_request: Mutex<BTreeMap<StreamId, Option<ImageRef>>>,
    /// For each blueprint: the CVM image from which it was made. Has no limit, because there are
    /// few blueprints.
    sources: Mutex<BTreeMap<(Region, ImageRef), ImageRef>>,
}

impl Published {
    /// The CVM image that this request puts into Lighthouse; `Some(None)` if it puts none there.
    /// `None`: the request was not read yet, or was forgotten.
    pub(super) fn of(&self, stream: StreamId) -> Option<Option<ImageRef>> {
        self.by_request.lock().get(&stream).cloned()
    }

    /// Remembers the image that each of these requests puts into Lighthouse.
    pub(super) fn keep(&self, states: &[State]) {
        let mut known = self.by_request.lock();
        if known.len() > MAX_KNOWN {
            known.clear();
        }
        known.extend(
            states
                .iter()
                .map(|state| (state.stream(), published(state))),
        );
    }

    /// Remembers that the blueprint was made from the CVM image `source`.
    pub(in crate::app) fn made(&self, region: &Region, blueprint: ImageRef, source: ImageRef) {
        let place = (region.clone(), blueprint);
        self.sources.lock().insert(place, source);
    }

    /// The blueprints that were made from the CVM image `source`, as far as this process knows.
    pub(in crate::app) fn made_from(&self, region: &Region, source: &ImageRef) -> Vec<ImageRef> {
        let sources = self.sources.lock();
        let made = sources
            .iter()
            .filter(|((place, _), known)| place == region && *known == source);
        made.map(|((_, blueprint), _)| blueprint.clone()).collect()
    }

    /// The CVM image from which the blueprint was made, if this process knows it.
    pub(in crate::app) fn source(&self, region: &Region, blueprint: &ImageRef) -> Option<ImageRef> {
        let place = (region.clone(), blueprint.clone());
        self.sources.lock().get(&place).cloned()
    }
}

/// The CVM image that a request puts into Lighthouse, if any.
pub(super) fn published(state: &State) -> Option<ImageRef> {
    let target = &state.request().target;
    target.lighthouse().then(|| target.image())
}
