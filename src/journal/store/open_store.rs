//! Opening a place. In: a location and what its access needs. Out: a [`Journal`], or what is wrong
//! with the place.

use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::super::location::JournalLocation;
use super::error::{JournalError, PlaceError, Scrub};
use super::{Access, Journal, azure, gcs, s3};
use crate::domain::Problem;

impl Journal {
    /// Opens the journal at `location`. A directory is made, durably, when it is not there; no
    /// remote place is called yet.
    ///
    /// # Errors
    /// [`JournalError::Place`] with what to mend.
    pub fn open(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        let (store, root, scrub): (Arc<dyn ObjectStore>, Path, Scrub) = match location {
            JournalLocation::Directory(dir) => {
                (Arc::new(directory(dir)?), Path::default(), Scrub::default())
            }
            JournalLocation::Memory => {
                (Arc::new(InMemory::new()), Path::default(), Scrub::default())
            }
            JournalLocation::S3 { bucket, prefix } => {
                let scrub = s3::scrub(access);
                let store = s3::store(bucket, access, location, &scrub)?;
                (Arc::new(store), root(prefix, location)?, scrub)
            }
            JournalLocation::Gcs { bucket, prefix } => {
                let scrub = gcs::scrub(access);
                let store = gcs::store(bucket, access, location, &scrub)?;
                (Arc::new(store), root(prefix, location)?, scrub)
            }
            JournalLocation::Azure { container, prefix } => {
                let scrub = azure::scrub(access);
                let store = azure::store(container, access, location, &scrub)?;
                (Arc::new(store), root(prefix, location)?, scrub)
            }
        };
        Ok(Self {
            store,
            root,
            place: Arc::new(location.clone()),
            scrub: Arc::new(scrub),
            echo: None,
            unsealed: Arc::default(),
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
        }
    }
}

fn root(prefix: &str, location: &JournalLocation) -> Result<Path, JournalError> {
    Path::parse(prefix).map_err(|error| place_error(location, &Scrub::default(), &error))
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

/// The place could not be opened.
pub(super) fn place_error(
    location: &JournalLocation,
    scrub: &Scrub,
    error: &(dyn std::error::Error + 'static),
) -> JournalError {
    let fault = scrub.fault(error);
    let remedy = match location {
        JournalLocation::Directory(_) => {
            "name a directory that this process may create, list and write, on a file system with hard links"
        }
        JournalLocation::Gcs { .. } => "correct the place or the GOOGLE_ variables",
        JournalLocation::Azure { .. } => {
            "correct the place or the AZURE_ variables; AZURE_STORAGE_ACCOUNT_NAME must be among them"
        }
        _ => "correct the place or the AWS_ variables",
    };
    let problem = Problem::new(
        "journal",
        format!("{location} cannot be opened: {fault}"),
        remedy,
    );
    JournalError::Place(PlaceError {
        problem,
        source: Some(fault),
    })
}
