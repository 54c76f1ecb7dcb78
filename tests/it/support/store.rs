//! A store that breaks at the n-th write: the process stops there, or the write fails, before or
//! after its effect.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Notify;

/// What happens at the chosen write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The process stops before the write has an effect.
    CrashBefore,
    /// The process stops after the write, before it learns the result.
    CrashAfter,
    /// The write fails without an effect.
    FailBefore,
    /// The write has its effect but returns an error.
    FailAfter,
}

impl Break {
    pub(crate) const ALL: [Self; 4] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FailBefore,
        Self::FailAfter,
    ];
}

/// Which write breaks.
#[derive(Debug)]
enum Trigger {
    /// The one of this number, from 0.
    Nth(u64),
    /// The first to an object of this name.
    Named(&'static str),
}

/// Chooses the write that breaks, and reports whether it was reached.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    writes: AtomicU64,
    reads: AtomicU64,
    armed: Mutex<Option<(Trigger, Break)>>,
    met: AtomicBool,
    crashed: Notify,
}

impl Fuse {
    /// Breaks the `nth` write from now on (from 0), once.
    pub(crate) fn arm(&self, nth: u64, how: Break) {
        self.set(Trigger::Nth(nth), how);
    }

    /// Breaks the first write from now on to an object of this name, once.
    pub(crate) fn arm_at(&self, name: &'static str, how: Break) {
        self.set(Trigger::Named(name), how);
    }

    fn set(&self, trigger: Trigger, how: Break) {
        self.writes.store(0, Ordering::SeqCst);
        self.met.store(false, Ordering::SeqCst);
        *self.armed.lock().unwrap() = Some((trigger, how));
    }

    /// Whether the chosen write was reached.
    pub(crate) fn met(&self) -> bool {
        self.met.load(Ordering::SeqCst)
    }

    /// Writes since it was armed.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Reads and listings so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    fn read(&self) {
        self.reads.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns when the process must stop.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    fn next(&self, at: &Path) -> Option<Break> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let mut armed = self.armed.lock().unwrap();
        let (_, how) = armed.take_if(|(trigger, _)| match trigger {
            Trigger::Nth(nth) => number == *nth,
            Trigger::Named(name) => at.filename() == Some(name),
        })?;
        self.met.store(true, Ordering::SeqCst);
        Some(how)
    }

    async fn around<T>(&self, at: &Path, write: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(at) {
            None => write.await,
            Some(Break::CrashBefore) => self.stop().await,
            Some(Break::CrashAfter) => {
                drop(write.await);
                self.stop().await
            }
            Some(Break::FailBefore) => Err(failure()),
            Some(Break::FailAfter) => write.await.and_then(|_| Err(failure())),
        }
    }

    /// Never returns: a stopped process does nothing more.
    async fn stop<T>(&self) -> T {
        self.crashed.notify_one();
        std::future::pending().await
    }
}

fn failure() -> object_store::Error {
    object_store::Error::Generic {
        store: "brittle",
        source: "broken on purpose".into(),
    }
}

/// A store in memory whose writes go through a fuse.
#[derive(Debug)]
pub(crate) struct Brittle {
    inner: Arc<InMemory>,
    fuse: Arc<Fuse>,
}

impl Brittle {
    pub(crate) fn new(fuse: Arc<Fuse>) -> Self {
        Self {
            inner: Arc::new(InMemory::new()),
            fuse,
        }
    }
}

impl fmt::Display for Brittle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("brittle")
    }
}

#[async_trait]
impl ObjectStore for Brittle {
    async fn put_opts(
        &self,
        at: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.fuse
            .around(at, self.inner.put_opts(at, payload, options))
            .await
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.fuse.read();
        self.inner.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (inner, fuse) = (Arc::clone(&self.inner), Arc::clone(&self.fuse));
        let delete = move |at: Result<Path>| {
            let (inner, fuse) = (Arc::clone(&inner), Arc::clone(&fuse));
            async move {
                let at = at?;
                fuse.around(&at, inner.delete(&at)).await.map(|()| at)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.fuse.read();
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.fuse.read();
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
