//! Which requests put which CVM image into Lighthouse, and which blueprints came of it. In: the states of requests
//! that were read. Out: what is known of others. Record 0 says the image and never changes, so a process reads each
//! request once for it.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::domain::{ImageRef, Region};
use crate::journal::{State, StreamId};

/// Maximum number of requests that are kept, about a megabyte; then all are forgotten, and read again.
const MAX_KNOWN: usize = 10_000;

/// What this process knows of images in Lighthouse.
#[derive(Debug, Default)]
pub(in crate::app) struct Published {
    /// What each request that was read puts into Lighthouse, if anything.
    by_request: Mutex<BTreeMap<StreamId, Option<ImageRef>>>,
    /// The CVM image that each blueprint was made of. As few as there are images.
    sources: Mutex<BTreeMap<(Region, ImageRef), ImageRef>>,
}

impl Published {
    /// The image that this request puts into Lighthouse, if any. `None`: it is to be read.
    pub(super) fn of(&self, stream: StreamId) -> Option<Option<ImageRef>> {
        self.by_request.lock().get(&stream).cloned()
    }

    /// Keeps what these requests put into Lighthouse.
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

    /// Keeps that the blueprint was made of this CVM image.
    pub(in crate::app) fn made(&self, region: &Region, blueprint: ImageRef, source: ImageRef) {
        let place = (region.clone(), blueprint);
        self.sources.lock().insert(place, source);
    }

    /// The CVM image that the blueprint was made of, as far as it is known.
    pub(in crate::app) fn source(&self, region: &Region, blueprint: &ImageRef) -> Option<ImageRef> {
        let place = (region.clone(), blueprint.clone());
        self.sources.lock().get(&place).cloned()
    }
}

/// The image that a request puts into Lighthouse.
pub(super) fn published(state: &State) -> Option<ImageRef> {
    let target = &state.request().target;
    target.lighthouse().then(|| target.image())
}
