//! Opens the journal's store: a directory, an object store or memory. Takes a location and the
//! credentials for it; returns a [`Journal`], or what is wrong with the location.

use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::super::location::JournalLocation;
use super::azure::Azure;
use super::directory::Directory;
use super::error::{JournalError, Scrub, place_error};
use super::gcs::Gcs;
use super::place_test::folder_id;
use super::s3::S3;
use super::{Access, Journal, remote};

impl Journal {
    /// Opens the journal at `location`. A directory is made, durably, when it is not there; no
    /// remote place is called yet.
    ///
    /// # Errors
    /// [`JournalError::Place`] with what to mend.
    pub fn open(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        let local = |store: Arc<dyn ObjectStore>| (store, Path::default(), Scrub::default());
        let (store, root, scrub) = match location {
            JournalLocation::Directory(dir) => local(Arc::new(Directory(directory(dir)?))),
            JournalLocation::Memory => local(Arc::new(InMemory::new())),
            JournalLocation::S3(bucket) => remote::open::<S3>(bucket, access, location)?,
            JournalLocation::Gcs(bucket) => remote::open::<Gcs>(bucket, access, location)?,
            JournalLocation::Azure(bucket) => remote::open::<Azure>(bucket, access, location)?,
        };
        let folder = match location {
            JournalLocation::Directory(dir) => folder_id(dir),
            _ => None,
        };
        Ok(Self {
            store,
            root,
            place: Arc::new(location.clone()),
            scrub: Arc::new(scrub),
            echo: None,
            unsealed: Arc::default(),
            proven: Arc::default(),
            folder,
        })
    }

    /// A journal in a store of the caller's, shown as `memory:`: tests put stores that fail beneath
    /// one.
    #[doc(hidden)]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        let place = Arc::new(JournalLocation::Memory);
        Self {
            store,
            root: Path::default(),
            place,
            scrub: Arc::new(Scrub::default()),
            echo: None,
            unsealed: Arc::default(),
            // Its store is the caller's own.
            proven: Arc::new(tokio::sync::OnceCell::new_with(Some(()))),
            folder: None,
        }
    }
}

/// The store's own writes are synced, the folders they make too; what remains is the journal's own
/// folder.
fn directory(dir: &FsPath) -> Result<LocalFileSystem, JournalError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        place_error(
            &JournalLocation::Directory(dir.to_owned()),
            &Scrub::default(),
            error,
        )
    };
    make_durably(dir).map_err(|error| failed(&error))?;
    let store = LocalFileSystem::new_with_prefix(dir).map_err(|error| failed(&error))?;
    Ok(store.with_fsync(true))
}

/// Makes a directory and syncs every directory that got a new entry by it. Otherwise a power cut
/// could take the whole new journal with the first, well synced, record in it.
fn make_durably(dir: &FsPath) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<&FsPath> = dir.ancestors().take_while(|path| !is_there(path)).collect();
    std::fs::create_dir_all(dir)?;
    for made in missing {
        let parent = made
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        sync(parent.unwrap_or(FsPath::new(".")))?;
    }
    Ok(())
}

/// The empty path is the parent of a relative one: the working directory.
fn is_there(path: &FsPath) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

#[cfg(unix)]
fn sync(dir: &FsPath) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Directories cannot be opened for that on other systems.
#[cfg(not(unix))]
fn sync(_dir: &FsPath) -> io::Result<()> {
    Ok(())
}
