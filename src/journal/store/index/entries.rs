//! Lists, creates and deletes the files of the index. Takes paths below `index/`. Does not parse
//! names.

use futures_util::{StreamExt as _, stream};
use object_store::path::Path;
use object_store::{Error, ObjectMeta};

use super::super::objects::OPERATION_TIMEOUT;
use super::super::{Journal, JournalError};

/// Number of files to delete within one time limit. Google Cloud Storage deletes one file per call,
/// and `object_store` makes ten of these calls at once.
const MAX_DELETIONS: usize = 500;

impl Journal {
    pub(in super::super) fn index_path(&self, parts: &[&str]) -> Path {
        let index = self.path(&["index"]);
        parts.iter().fold(index, |path, part| path.join(*part))
    }

    pub(in super::super) async fn list_index(
        &self,
        parts: &[&str],
    ) -> Result<Vec<ObjectMeta>, JournalError> {
        self.files_below(&self.index_path(parts)).await
    }

    /// Creates an empty file, unless it exists.
    pub(in super::super) async fn touch(&self, path: &Path) -> Result<(), JournalError> {
        self.create_at(path, &[]).await.map(|_| ())
    }

    /// Deletes files. Missing files are ignored. S3 and Azure delete many files in one call.
    pub(in super::super) async fn delete_entries(
        &self,
        paths: Vec<Path>,
    ) -> Result<(), JournalError> {
        for some in paths.chunks(MAX_DELETIONS) {
            self.delete_some(some).await?;
        }
        Ok(())
    }

    async fn delete_some(&self, paths: &[Path]) -> Result<(), JournalError> {
        let Some(first) = paths.first() else {
            return Ok(());
        };
        let paths = stream::iter(paths.to_vec()).map(Ok).boxed();
        let store = self.to_write(first)?;
        let delete = async {
            let mut deleted = store.delete_stream(paths);
            while let Some(end) = deleted.next().await {
                match end {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        self.bounded("delete", first, OPERATION_TIMEOUT, delete)
            .await?
            .map_err(|error| self.failed("delete", first.as_ref(), &error))
    }
}
