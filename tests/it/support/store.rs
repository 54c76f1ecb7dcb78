//! A store in memory that breaks at a chosen write. [`Break`] lists the ways: the write fails or the
//! process stops, each before or after the file is written, or the write waits.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use sharehook::domain::Timestamp;
use tokio::sync::Notify;

use super::secrets;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// The process stops before the write has an effect.
    CrashBefore,
    /// The process stops after the write, before it receives the result.
    CrashAfter,
    /// The write fails without an effect.
    FailBefore,
    /// The write has its effect but returns an error.
    FailAfter,
    /// The write waits until the test releases it.
    Stall,
}

impl Break {
    pub(crate) const ALL: [Self; 4] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FailBefore,
        Self::FailAfter,
    ];
}

#[derive(Debug)]
enum Trigger {
    /// The write with this number, counted from 0.
    Nth(u64),
    /// The first write to an object with this file name.
    Named(&'static str),
}

/// Chooses the write that breaks, and reports whether it was reached.
#[derive(Debug, Default)]
pub(crate) struct Fuse {
    writes: AtomicU64,
    reads: AtomicU64,
    armed: Mutex<Option<(Trigger, Break)>>,
    reached: AtomicBool,
    /// A part of the path whose next read never ends.
    stalled_read: Mutex<Option<String>>,
    crashed: Notify,
    stalled: Notify,
    released: Notify,
    /// The operations so far, if they are being measured.
    measured: Mutex<Option<Vec<Operation>>>,
    /// The highest step of a completed operation.
    ended: AtomicU64,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// When the operation began.
    pub(crate) at: Timestamp,
    /// One more than the highest step that had completed when this operation began. Concurrent
    /// operations have the same step.
    pub(crate) step: u64,
}

/// Delays each measured operation, so that concurrent operations begin before it ends.
const LATENCY: Duration = Duration::from_millis(10);

impl Fuse {
    /// Breaks the `nth` write from now (counted from 0), once.
    pub(crate) fn arm(&self, nth: u64, how: Break) {
        self.set(Trigger::Nth(nth), how);
    }

    /// Breaks the next write to an object with this file name, once.
    pub(crate) fn arm_at(&self, name: &'static str, how: Break) {
        self.set(Trigger::Named(name), how);
    }

    fn set(&self, trigger: Trigger, how: Break) {
        self.writes.store(0, Ordering::SeqCst);
        self.reached.store(false, Ordering::SeqCst);
        *self.armed.lock().unwrap() = Some((trigger, how));
    }

    /// The next read of an object whose path contains `part` never ends.
    pub(crate) fn stall_read(&self, part: String) {
        *self.stalled_read.lock().unwrap() = Some(part);
    }

    pub(crate) fn reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    /// The number of writes since the fuse was last armed.
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// The number of reads and listings so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::SeqCst)
    }

    /// From now on delays each operation by `LATENCY`, and adds it to `measured`.
    pub(crate) fn measure(&self) {
        self.ended.store(0, Ordering::SeqCst);
        *self.measured.lock().unwrap() = Some(Vec::new());
    }

    /// Returns the measured operations in the order in which they began, and stops measuring.
    pub(crate) fn measured(&self) -> Vec<Operation> {
        self.measured.lock().unwrap().take().unwrap_or_default()
    }

    async fn timed<T>(&self, operation: impl Future<Output = T>) -> T {
        let step = self.ended.load(Ordering::SeqCst) + 1;
        let at = sharehook::clock::system_now();
        let measured = match self.measured.lock().unwrap().as_mut() {
            Some(operations) => {
                operations.push(Operation { at, step });
                true
            }
            None => false,
        };
        if measured {
            tokio::time::sleep(LATENCY).await;
        }
        let end = operation.await;
        self.ended.fetch_max(step, Ordering::SeqCst);
        end
    }

    async fn read<T>(&self, read: impl Future<Output = T>) -> T {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.timed(read).await
    }

    /// Waits until the store stops the process.
    pub(crate) async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Waits until the chosen write has begun to wait.
    pub(crate) async fn stalled(&self) {
        self.stalled.notified().await;
    }

    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    fn next(&self, at: &Path) -> Option<Break> {
        let number = self.writes.fetch_add(1, Ordering::SeqCst);
        let mut armed = self.armed.lock().unwrap();
        let (_, how) = armed.take_if(|(trigger, _)| match trigger {
            Trigger::Nth(nth) => number == *nth,
            Trigger::Named(name) => at.filename() == Some(name),
        })?;
        self.reached.store(true, Ordering::SeqCst);
        Some(how)
    }

    async fn around<T>(&self, at: &Path, write: impl Future<Output = Result<T>>) -> Result<T> {
        match self.next(at) {
            None => self.timed(write).await,
            Some(Break::CrashBefore) => self.stop().await,
            Some(Break::CrashAfter) => {
                drop(write.await);
                self.stop().await
            }
            Some(Break::FailBefore) => Err(failure()),
            Some(Break::FailAfter) => write.await.and_then(|_| Err(failure())),
            Some(Break::Stall) => {
                self.stalled.notify_one();
                self.released.notified().await;
                write.await
            }
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
        for bytes in &payload {
            secrets::assert_none_in(at.as_ref(), bytes);
        }
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
        let stalls = |part: &mut String| at.as_ref().contains(part.as_str());
        let stalled = self.fuse.stalled_read.lock().unwrap().take_if(stalls);
        if stalled.is_some() {
            std::future::pending::<()>().await;
        }
        self.fuse.read(self.inner.get_opts(at, options)).await
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
        let (fuse, listed) = (Arc::clone(&self.fuse), self.inner.list(prefix));
        stream::once(async move { fuse.read(async { listed }).await })
            .flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.fuse.read(self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}
