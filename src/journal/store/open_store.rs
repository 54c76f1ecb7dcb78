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
use super::split::Split;
use super::{Access, Journal, remote};

impl Journal {
    /// Opens the journal at `location`. A directory is made, durably, when it is not there; no
    /// remote place is called yet.
    ///
    /// # Errors
    /// [`JournalError::Place`] with what to mend.
    pub fn open(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        let (store, root, scrub) = open(location, access)?;
        let folder = match location {
            JournalLocation::Directory(dir) => folder_id(dir),
            _ => None,
        };
        Ok(Self {
            store,
            root,
            place: Arc::new(location.clone()),
            index: None,
            scrub: Arc::new(scrub),
            echo: None,
            unsealed: Arc::default(),
            proven: Arc::default(),
            folder,
        })
    }

    /// The same journal with its index in another place, which must not hold another journal's.
    ///
    /// # Errors
    /// [`JournalError::Place`] with what to mend.
    pub fn with_index(
        self,
        location: &JournalLocation,
        access: &Access,
    ) -> Result<Self, JournalError> {
        let (store, root, _) = open(location, access)?;
        let store = Split::new((self.store, self.root), (store, root));
        Ok(Self {
            store: Arc::new(store),
            root: Path::default(),
            index: Some(Arc::new(location.clone())),
            ..self
        })
    }

    /// Where the index lies.
    pub(super) fn index_place(&self) -> &JournalLocation {
        self.index.as_deref().unwrap_or(&self.place)
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
            index: None,
            scrub: Arc::new(Scrub::default()),
            echo: None,
            unsealed: Arc::default(),
            // Its store is the caller's own.
            proven: Arc::new(tokio::sync::OnceCell::new_with(Some(()))),
            folder: None,
        }
    }
}

/// A place's store, the folder in it, and what its errors must not show.
fn open(
    location: &JournalLocation,
    access: &Access,
) -> Result<(Arc<dyn ObjectStore>, Path, Scrub), JournalError> {
    let local = |store: Arc<dyn ObjectStore>| (store, Path::default(), Scrub::default());
    Ok(match location {
        JournalLocation::Directory(dir) => local(Arc::new(Directory(directory(dir)?))),
        JournalLocation::Memory => local(Arc::new(InMemory::new())),
        JournalLocation::S3(bucket) => remote::open::<S3>(bucket, access, location)?,
        JournalLocation::Gcs(bucket) => remote::open::<Gcs>(bucket, access, location)?,
        JournalLocation::Azure(bucket) => remote::open::<Azure>(bucket, access, location)?,
    })
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
