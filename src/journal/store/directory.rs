//! Stores the journal in a directory. Wraps the `LocalFileSystem` of `object_store`, but lists and
//! reads only plain files and folders with valid names. Otherwise one odd name would make every
//! listing fail, and opening a FIFO would block until a writer opens it. [`Skipped`] lists the
//! files that were left out.

use std::fmt;
use std::fs::{DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path as FsPath, PathBuf};

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::path::{Path, PathPart};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Number of files that one step of a listing reads.
const CHUNK: usize = 1_024;

#[derive(Debug)]
pub(super) struct Directory(pub(super) LocalFileSystem);

#[derive(Default)]
struct Entries {
    files: Vec<(String, DirEntry)>,
    folders: Vec<(String, PathBuf)>,
    /// Entries that the store skips, each with the reason.
    odd: Vec<(String, &'static str)>,
    temporary: Vec<(String, PathBuf)>,
}

impl Entries {
    /// Reads a folder. A missing folder has no entries. If the folder cannot be examined, or if a
    /// file or link is in its place, this fails: an empty list would hide due work and active
    /// grants.
    fn of(folder: &FsPath) -> io::Result<Self> {
        let mut entries = Self::default();
        let Some(found) = if_present(std::fs::symlink_metadata(folder))? else {
            return Ok(entries);
        };
        if !found.is_dir() {
            let text = "a file or a link is in the place of the folder";
            return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
        }
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let (name, kind) = (entry.file_name(), entry.file_type()?);
            let shown = name.to_string_lossy().into_owned();
            match name.to_str() {
                Some(name) if is_temporary(name) => entries.temporary.push((shown, entry.path())),
                Some(name) if PathPart::from(name).as_ref() != name => {
                    entries
                        .odd
                        .push((shown, "a journal has no files with such a name"));
                }
                None => entries.odd.push((shown, "its name is not UTF-8")),
                Some(_) if kind.is_file() => entries.files.push((shown, entry)),
                Some(_) if kind.is_dir() => entries.folders.push((shown, entry.path())),
                Some(_) => entries.odd.push((shown, odd_kind(kind))),
            }
        }
        Ok(entries)
    }
}

/// Whether `name` has the form `NAME#NUMBER`. `LocalFileSystem` gives such a name to the temporary
/// file of a write, and an interrupted write leaves it behind.
fn is_temporary(name: &str) -> bool {
    let suffix = name.split_once('#').map_or("", |(_, suffix)| suffix);
    !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_digit())
}

fn odd_kind(kind: FileType) -> &'static str {
    if kind.is_symlink() {
        "it is a link"
    } else {
        "it is neither a file nor a folder"
    }
}

/// The files that the store skips, as paths from the journal's root.
#[derive(Default)]
pub(super) struct Skipped {
    /// Entries that are skipped because of their name or kind, each with the reason.
    pub(super) odd: Vec<(String, &'static str)>,
    /// Temporary files of unfinished writes, each with its path on disk.
    pub(super) temporary: Vec<(String, PathBuf)>,
}

impl Skipped {
    /// Adds the files that the store skips below `folders`, which are folders of the journal at
    /// `root`. Blocks the thread while it reads the disk.
    pub(super) fn walk(&mut self, root: &FsPath, folders: &[&str]) -> io::Result<()> {
        let folder = |name: &&str| ((*name).to_owned(), root.join(name));
        let mut waiting: Vec<(String, PathBuf)> = folders.iter().map(folder).collect();
        while let Some((shown, folder)) = waiting.pop() {
            let entries = Entries::of(&folder)?;
            let below = |name: String| format!("{shown}/{name}");
            let odd = entries.odd.into_iter();
            self.odd.extend(odd.map(|(name, why)| (below(name), why)));
            let temporary = entries.temporary.into_iter();
            self.temporary
                .extend(temporary.map(|(name, path)| (below(name), path)));
            let inner = entries.folders.into_iter();
            waiting.extend(inner.map(|(name, path)| (below(name), path)));
        }
        Ok(())
    }
}

struct Walk {
    folders: Vec<(Path, PathBuf)>,
    files: Vec<(Path, DirEntry)>,
}

impl Walk {
    /// Returns the next files; none at the end.
    fn step(&mut self) -> Result<Vec<ObjectMeta>> {
        let mut found = Vec::new();
        while found.len() < CHUNK {
            if let Some((at, entry)) = self.files.pop() {
                found.extend(object(at, &entry)?);
                continue;
            }
            let Some((at, folder)) = self.folders.pop() else {
                break;
            };
            let entries = Entries::of(&folder).map_err(failed)?;
            let inner = |name: String| at.clone().join(name);
            let folders = entries.folders.into_iter();
            self.folders
                .extend(folders.map(|(name, path)| (inner(name), path)));
            let files = entries.files.into_iter();
            self.files
                .extend(files.map(|(name, entry)| (inner(name), entry)));
        }
        Ok(found)
    }
}

/// Turns the error of a missing path into `None`. Other errors are returned.
pub(super) fn if_present(found: io::Result<Metadata>) -> io::Result<Option<Metadata>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Returns the metadata of a listed file. `None` if it was deleted after the listing.
fn object(location: Path, entry: &DirEntry) -> Result<Option<ObjectMeta>> {
    let Some(found) = if_present(entry.metadata()).map_err(failed)? else {
        return Ok(None);
    };
    Ok(Some(ObjectMeta {
        location,
        last_modified: found.modified().map_err(failed)?.into(),
        size: found.len(),
        e_tag: None,
        version: None,
    }))
}

fn failed(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "directory",
        source: source.into(),
    }
}

impl Directory {
    fn folder(&self, prefix: Option<&Path>) -> Result<(Path, PathBuf)> {
        let prefix = prefix.cloned().unwrap_or_default();
        // `path_to_filesystem` refuses the path of the root, so convert the path of a file in the
        // folder and take its parent.
        let folder = self.0.path_to_filesystem(&prefix.clone().join("x"))?;
        let folder = folder.parent().map(FsPath::to_owned).unwrap_or_default();
        Ok((prefix, folder))
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

#[async_trait]
impl ObjectStore for Directory {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.0.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.0.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let path = self.0.path_to_filesystem(location)?;
        let found = if_present(std::fs::symlink_metadata(path)).map_err(failed)?;
        if found.is_some_and(|found| !found.is_file()) {
            return Err(Error::NotFound {
                path: location.to_string(),
                source: "it is not a plain file".into(),
            });
        }
        self.0.get_opts(location, options).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let walk = self.folder(prefix).map(|folder| Walk {
            folders: vec![folder],
            files: Vec::new(),
        });
        let step = |mut walk: Walk| async {
            let (found, walk) = blocking(move || (walk.step(), walk)).await?;
            let found = found?;
            let more = !found.is_empty();
            let found = stream::iter(found.into_iter().map(Ok));
            Ok::<_, Error>(more.then_some((found, walk)))
        };
        stream::iter([walk])
            .map_ok(move |walk| stream::try_unfold(walk, step).try_flatten())
            .try_flatten()
            .boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (prefix, folder) = self.folder(prefix)?;
        blocking(move || {
            let entries = Entries::of(&folder).map_err(|error| match error.kind() {
                io::ErrorKind::NotADirectory => Error::NotFound {
                    path: prefix.to_string(),
                    source: error.into(),
                },
                _ => failed(error),
            })?;
            let inner = |name: String| prefix.clone().join(name);
            let files = entries.files.into_iter();
            let objects = files.map(|(name, entry)| object(inner(name), &entry));
            let objects: Vec<_> = objects.collect::<Result<_>>()?;
            let mut folders: Vec<Path> = (entries.folders.into_iter())
                .map(|(name, _)| inner(name))
                .collect();
            folders.sort_unstable();
            Ok(ListResult {
                common_prefixes: folders,
                objects: objects.into_iter().flatten().collect(),
                extensions: Default::default(),
            })
        })
        .await?
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
