//! Remembers which requests put which CVM image into Lighthouse, and from which CVM image each
//! blueprint was created. Learns this from the states of requests. The image is named by record 0,
//! which never changes, so it remains valid.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::{ImageRef, Region};
use crate::journal::{State, StreamId};

/// Maximum number of requests to remember, which takes about a megabyte. When this number is
/// exceeded, all requests are forgotten and must be read again.
const MAX_KNOWN: usize = 10_000;

#[derive(Debug, Default)]
pub(in crate::app) struct Published {
    /// The CVM image that each known request puts into Lighthouse, if any.
    by_request: Mutex<BTreeMap<StreamId, Option<ImageRef>>>,
    /// The CVM image from which each blueprint was created. Has no limit, because there are few
    /// blueprints.
    sources: Mutex<BTreeMap<(Region, ImageRef), ImageRef>>,
}

impl Published {
    /// Returns the CVM image that this request puts into Lighthouse, or `Some(None)` if it puts
    /// none there. Returns `None` if the request was not read yet or was forgotten.
    pub(super) fn of(&self, stream: StreamId) -> Option<Option<ImageRef>> {
        self.by_request.lock().get(&stream).cloned()
    }

    /// Remembers which image each of these requests puts into Lighthouse.
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

    /// Remembers that the blueprint was created from the CVM image `source`.
    pub(in crate::app) fn made(&self, region: &Region, blueprint: ImageRef, source: ImageRef) {
        let place = (region.clone(), blueprint);
        self.sources.lock().insert(place, source);
    }

    /// Returns the blueprints that, as far as this process knows, were created from the CVM image
    /// `source`.
    pub(in crate::app) fn made_from(&self, region: &Region, source: &ImageRef) -> Vec<ImageRef> {
        let sources = self.sources.lock();
        let made = sources
            .iter()
            .filter(|((place, _), known)| place == region && *known == source);
        made.map(|((_, blueprint), _)| blueprint.clone()).collect()
    }

    /// Returns the CVM image from which the blueprint was created, if this process knows it.
    pub(in crate::app) fn source(&self, region: &Region, blueprint: &ImageRef) -> Option<ImageRef> {
        let place = (region.clone(), blueprint.clone());
        self.sources.lock().get(&place).cloned()
    }
}

/// Returns the CVM image that a request puts into Lighthouse, if any.
pub(super) fn published(state: &State) -> Option<ImageRef> {
    let target = &state.request().target;
    target.lighthouse().then(|| target.image())
}
