//! An open place of the journal or of its index: its location, its store, and the credentials that
//! no error may show. Data only; `open_store` opens it.

use std::sync::Arc;

use object_store::ObjectStore;

use super::super::location::JournalLocation;
use super::error::Scrub;

#[derive(Clone)]
pub(super) struct Place {
    pub(super) location: Arc<JournalLocation>,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) scrub: Arc<Scrub>,
}

impl Place {
    pub(super) fn of(
        location: &JournalLocation,
        store: Arc<dyn ObjectStore>,
        scrub: Scrub,
    ) -> Self {
        Self {
            location: Arc::new(location.clone()),
            store,
            scrub: Arc::new(scrub),
        }
    }
}
