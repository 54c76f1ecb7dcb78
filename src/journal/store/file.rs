//! Writes a file outside the journal, such as the report, and returns when it was last written.
//! Concurrent readers see the whole old file or the whole new one.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path as FsPath;
use std::time::{Duration, UNIX_EPOCH};

use object_store::{
    Attribute, Attributes, Error, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};

use super::super::file_place::FilePlace;
use super::Access;
use super::error::JournalError;
use super::open_store::open_bucket;
use super::remote::Remote;
use crate::domain::{Problem, Timestamp};

/// Time limit of one operation on an object store.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(20);

impl FilePlace {
    /// Writes the file, or replaces the existing one.
    pub async fn write(
        &self,
        access: &Access,
        content_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<(), JournalError> {
        let bucket = match self {
            Self::File(path) => {
                return replace(path, &bytes).map_err(|error| self.failed("written", &error));
            }
            Self::Object(bucket) => bucket,
        };
        let Remote {
            store,
            root: path,
            scrub,
            ..
        } = open_bucket("report", bucket, access)?;
        let content_type = (Attribute::ContentType, content_type);
        let options = PutOptions {
            mode: PutMode::Overwrite,
            attributes: Attributes::from_iter([content_type]),
            ..PutOptions::default()
        };
        let put = store.put_opts(&path, PutPayload::from(bytes), options);
        match tokio::time::timeout(OPERATION_TIMEOUT, put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(self.failed("written", &scrub.fault(&error))),
            Err(_) => Err(self.failed("written", &no_answer())),
        }
    }

    /// When the file was last written; `None` if it does not exist.
    pub async fn written_at(&self, access: &Access) -> Result<Option<Timestamp>, JournalError> {
        let bucket = match self {
            Self::File(path) => return self.modified_at(path),
            Self::Object(bucket) => bucket,
        };
        let Remote {
            store,
            root: path,
            scrub,
            ..
        } = open_bucket("report", bucket, access)?;
        match tokio::time::timeout(OPERATION_TIMEOUT, store.head(&path)).await {
            Ok(Ok(found)) => {
                let seconds = found.last_modified.timestamp();
                Ok(Timestamp::from_second(seconds).ok())
            }
            Ok(Err(Error::NotFound { .. })) => Ok(None),
            Ok(Err(error)) => Err(self.failed("read", &scrub.fault(&error))),
            Err(_) => Err(self.failed("read", &no_answer())),
        }
    }

    fn modified_at(&self, path: &FsPath) -> Result<Option<Timestamp>, JournalError> {
        match path.metadata().and_then(|found| found.modified()) {
            Ok(at) => {
                let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
                Ok(Timestamp::from_second(seconds.try_into().unwrap_or(0)).ok())
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed("read", &error)),
        }
    }

    fn failed(&self, what: &str, error: &dyn std::fmt::Display) -> JournalError {
        let problem = format!("{self} cannot be {what}: {error}");
        let remedy = match self {
            Self::File(_) => "name a file in a folder that this process may write to",
            Self::Object(_) => "let this process list, read and write that object",
        };
        Problem::new("report", problem, remedy).into()
    }
}

fn no_answer() -> String {
    format!("no answer within {} s", OPERATION_TIMEOUT.as_secs())
}

/// Writes a temporary file beside `path` and renames it to `path`. Follows a link, and keeps the
/// permissions of an existing file. Fails if `path` exists and is not a plain file, because the
/// rename would replace a device or a FIFO.
fn replace(path: &FsPath, bytes: &[u8]) -> io::Result<()> {
    let old = match fs::metadata(path) {
        Ok(found) if found.is_file() => Some(found.permissions()),
        Ok(_) => return Err(io::Error::other("it is not a plain file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => None,
        Err(error) => return Err(error),
    };
    let path = match old {
        Some(_) => path.canonicalize()?,
        None => path.to_owned(),
    };
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{}.new", std::process::id()));
    let written = File::create(&new).and_then(|mut file| {
        // Set the permissions before writing: perhaps only some users may read the text.
        old.map_or(Ok(()), |old| file.set_permissions(old))?;
        file.write_all(bytes)?;
        fs::rename(&new, &path)
    });
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written
}
