//! Opens the journal's store: a directory, an object store or memory. In: a location and
//! credentials. Out: a [`Journal`], or the problem with the location.

use std::io;
use std::path::Path as FsPath;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use tokio::sync::OnceCell;

use super::super::location::{Bucket, BucketService, JournalLocation};
use super::directory::Directory;
use super::error::{JournalError, Scrub, place_error};
use super::place::{Place, Tested};
use super::place_test::folder_id;
use super::remote::Remote;
use super::{Access, Journal, remote};
use crate::domain::Problem;

impl Journal {
    /// Opens the journal at `location`. Creates a missing directory and syncs it to disk. Sends no
    /// request to an object store yet.
    pub fn open(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        Self::opened(Place::open(location, access)?)
    }

    fn opened(records: Place) -> Result<Self, JournalError> {
        let folder = match &*records.location {
            JournalLocation::Directory(dir) => folder_id(dir).map_err(|error| {
                place_error("journal", &records.location, &records.scrub, &error)
            })?,
            _ => None,
        };
        Ok(Self {
            folder,
            ..Self::of(records)
        })
    }

    fn of(records: Place) -> Self {
        Self {
            folder: None,
            records,
            index: None,
            echo: None,
            observer: None,
            unsealed: Arc::default(),
            work_done: Arc::default(),
            tested: Arc::default(),
            read_only: false,
        }
    }

    /// Opens the journal at `location` only to read: every write fails. A missing directory is
    /// treated as an empty journal and is not created.
    pub fn open_to_read(
        location: &JournalLocation,
        index: Option<&JournalLocation>,
        access: &Access,
    ) -> Result<Self, JournalError> {
        let index = index.map(|index| Place::open_to_read(index, access));
        Ok(Self {
            index: index.transpose()?,
            read_only: true,
            ..Self::opened(Place::open_to_read(location, access)?)?
        })
    }

    /// Makes the journal use the index at `location`. Another journal's index must not be there.
    pub fn with_index(
        self,
        location: &JournalLocation,
        access: &Access,
    ) -> Result<Self, JournalError> {
        Ok(Self {
            index: Some(Place::open(location, access)?),
            ..self
        })
    }

    pub(super) fn index_store(&self) -> &Place {
        self.index.as_ref().unwrap_or(&self.records)
    }

    pub(super) fn index_place(&self) -> &JournalLocation {
        &self.index_store().location
    }

    /// Opens a journal in the caller's store; messages name it `memory:`. Tests use it with stores
    /// that fail.
    #[doc(hidden)]
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self {
            // The caller is responsible for its store, so `test_place` is skipped.
            tested: Arc::new(Tested {
                fit: OnceCell::new_with(Some(())),
                ..Tested::default()
            }),
            ..Self::of(Place::of(&JournalLocation::Memory, store, Scrub::default()))
        }
    }
}

impl Place {
    /// Opens a store whose paths begin at the journal's root.
    fn open(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        let (store, scrub): (Arc<dyn ObjectStore>, _) = match location {
            JournalLocation::Directory(dir) => {
                (Arc::new(Directory(directory(dir)?)), Scrub::default())
            }
            JournalLocation::Memory => (Arc::new(InMemory::new()), Scrub::default()),
            JournalLocation::Bucket(bucket) => {
                let opened = open_bucket("journal", bucket, access)?;
                let store = PrefixStore::new(opened.store, opened.root.clone());
                return Ok(Self {
                    pages: Some((opened.pages, opened.root)),
                    ..Self::of(location, Arc::new(store), opened.scrub)
                });
            }
        };
        Ok(Self::of(location, store, scrub))
    }

    /// Like [`Place::open`], but does not create a missing directory, and treats it as an empty
    /// place.
    fn open_to_read(location: &JournalLocation, access: &Access) -> Result<Self, JournalError> {
        if let JournalLocation::Directory(dir) = location {
            let there = dir.try_exists();
            if !there
                .map_err(|error| place_error("journal", location, &Scrub::default(), &error))?
            {
                let empty = Arc::new(InMemory::new());
                return Ok(Self::of(location, empty, Scrub::default()));
            }
        }
        Self::open(location, access)
    }
}

/// Opens a bucket. Errors name `setting`, the setting that contains the bucket.
pub(super) fn open_bucket(
    setting: &'static str,
    bucket: &Bucket,
    access: &Access,
) -> Result<Remote, JournalError> {
    match bucket.service {
        BucketService::S3 => remote::open::<AmazonS3Builder>(setting, bucket, access),
        BucketService::Gcs => remote::open::<GoogleCloudStorageBuilder>(setting, bucket, access),
        BucketService::Azure => remote::open::<MicrosoftAzureBuilder>(setting, bucket, access),
    }
}

impl Access {
    /// Checks the endpoints among the variables of the bucket's service, as opening the bucket does.
    ///
    /// # Errors
    /// An endpoint is no http or https URL, contains credentials or lacks TLS outside loopback.
    pub fn check_endpoints(&self, bucket: &Bucket) -> Result<(), Problem> {
        let checked = match bucket.service {
            BucketService::S3 => remote::plain_http::<AmazonS3Builder>(self),
            BucketService::Gcs => remote::plain_http::<GoogleCloudStorageBuilder>(self),
            BucketService::Azure => remote::plain_http::<MicrosoftAzureBuilder>(self),
        };
        checked.map(drop)
    }
}

/// Creates the directory durably if it is missing, and opens it. Files and folders that are created
/// in it later are synced by `LocalFileSystem`.
fn directory(dir: &FsPath) -> Result<LocalFileSystem, JournalError> {
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let location = JournalLocation::Directory(dir.to_owned());
        place_error("journal", &location, &Scrub::default(), error)
    };
    make_durably(dir).map_err(|error| failed(&error))?;
    let store = LocalFileSystem::new_with_prefix(dir).map_err(|error| failed(&error))?;
    Ok(store.with_fsync(true))
}

/// Creates a directory and syncs each directory that gets a new entry. Otherwise a power cut could
/// lose the new journal, although its first record was synced.
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

/// Whether the path exists. An empty path is the parent of a relative path and means the working
/// directory.
fn is_there(path: &FsPath) -> bool {
    path.as_os_str().is_empty() || path.exists()
}

#[cfg(unix)]
fn sync(dir: &FsPath) -> io::Result<()> {
    std::fs::File::open(dir)?.sync_all()
}

/// Does nothing: systems other than Unix cannot open a directory for syncing.
#[cfg(not(unix))]
fn sync(_dir: &FsPath) -> io::Result<()> {
    Ok(())
}
