//! The files of the index: lists, creates and deletes them. In: paths below `index/`. Does not
//! parse names.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::Error;
use object_store::path::Path;

use super::super::objects::{LISTING_TIMEOUT, OPERATION_TIMEOUT};
use super::super::{Journal, JournalError};

impl Journal {
    /// A path in the index.
    pub(in super::super) fn index_path(&self, parts: &[&str]) -> Path {
        let index = self.path(&["index"]);
        parts.iter().fold(index, |path, part| path.join(*part))
    }

    /// Every file below a folder of the index, with its size.
    pub(in super::super) async fn list_index(
        &self,
        parts: &[&str],
    ) -> Result<Vec<(Path, u64)>, JournalError> {
        let folder = self.index_path(parts);
        let found = self
            .at(&folder)
            .list(Some(&folder))
            .map_ok(|object| (object.location, object.size));
        self.listing(&folder, LISTING_TIMEOUT, found.try_collect())
            .await
    }

    /// Creates an empty file, unless it exists.
    pub(in super::super) async fn touch(&self, path: &Path) -> Result<(), JournalError> {
        self.create_at(path, &[]).await.map(|_| ())
    }

    /// Deletes those of these files that exist. An object store takes many in one call.
    pub(in super::super) async fn delete_entries(
        &self,
        paths: Vec<Path>,
    ) -> Result<(), JournalError> {
        let Some(first) = paths.first().cloned() else {
            return Ok(());
        };
        let paths = stream::iter(paths.into_iter().map(Ok)).boxed();
        let delete = async {
            let mut deleted = self.at(&first).delete_stream(paths);
            while let Some(end) = deleted.next().await {
                match end {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        self.bounded("delete", &first, OPERATION_TIMEOUT, delete)
            .await?
            .map_err(|error| self.store_failed("delete", &first, &error))
    }
}
