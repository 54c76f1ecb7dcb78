//! An open place of the journal or of its index: its location, its store, and the credentials that
//! no error may show. Also what its probes showed. Data only; `open_store` opens it, and `place_test`
//! tests it.

use std::sync::Arc;

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;
use object_store::path::Path;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::super::location::JournalLocation;
use super::error::Scrub;

#[derive(Clone)]
pub(super) struct Place {
    pub(super) location: Arc<JournalLocation>,
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) scrub: Arc<Scrub>,
    /// `None` if the place is no bucket.
    pub(super) pages: Option<Pages>,
}

/// A bucket that can be listed page by page, and the path of the journal's root in it.
pub(super) type Pages = (Arc<dyn PaginatedListStore>, Path);

/// What probes showed since the journal was opened.
#[derive(Default)]
pub(super) struct Tested {
    /// Set once `Journal::test_place` has seen that the place can be used.
    pub(super) fit: OnceCell<()>,
    /// The newest probe, if it could not be deleted, and the reason.
    pub(super) left: Mutex<Option<(Path, String)>>,
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
            pages: None,
        }
    }
}
