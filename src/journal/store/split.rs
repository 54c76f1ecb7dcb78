//! A journal with a separate place for its index: one store over two. Passes paths below `index/`
//! to one and all others to the other.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

type Place = Arc<PrefixStore<Arc<dyn ObjectStore>>>;

#[derive(Debug, Clone)]
pub(super) struct Split {
    evidence: Place,
    index: Place,
}

impl Split {
    /// Of stores and folders that only this journal uses.
    pub(super) fn new(
        (evidence, root): (Arc<dyn ObjectStore>, Path),
        (index, index_root): (Arc<dyn ObjectStore>, Path),
    ) -> Self {
        Self {
            evidence: Arc::new(PrefixStore::new(evidence, root)),
            index: Arc::new(PrefixStore::new(index, index_root)),
        }
    }

    fn of(&self, location: Option<&Path>) -> &Place {
        let first = location.and_then(|location| location.parts().next());
        match first {
            Some(part) if part.as_ref() == "index" => &self.index,
            _ => &self.evidence,
        }
    }
}

#[async_trait]
impl ObjectStore for Split {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let place = self.of(Some(location));
        place.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let place = self.of(Some(location));
        place.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.of(Some(location)).get_opts(location, options).await
    }

    /// A call concerns one of the two places.
    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let split = self.clone();
        let delete = async move {
            let mut locations = Box::pin(locations.peekable());
            let first = locations.as_mut().peek().await;
            let place = split.of(first.and_then(|first| first.as_ref().ok()));
            place.delete_stream(locations)
        };
        stream::once(delete).flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.of(prefix).list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.of(prefix).list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.of(prefix).list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.of(Some(from)).copy_opts(from, to, options).await
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.evidence, self.index)
    }
}
