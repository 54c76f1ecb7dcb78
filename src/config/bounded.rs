//! Reads files of a limited size. Takes a path and the limit. Does not rely on the size in the
//! file's metadata, because a device or a pipe has none.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::domain::Problem;

/// Size limit of a configuration file and of the maps and certificates that it names.
pub(super) const MAX_BYTES: u64 = 16 << 20;

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// The file cannot be read, or is larger: [`io::ErrorKind::FileTooLarge`].
pub fn read_at_most(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut limited = File::open(path)?.take(max.saturating_add(1));
    limited.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let why = format!("it has more than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Reads a file of at most `max` bytes as text.
///
/// # Errors
/// As [`read_at_most`], or the file is not UTF-8.
pub fn text_at_most(path: &Path, max: u64) -> io::Result<String> {
    let read = String::from_utf8(read_at_most(path, max)?);
    read.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Fails unless the path leads to a plain file, directly or through links. Opening or reading a
/// pipe or a device may never end.
pub(super) fn plain(path: &Path) -> io::Result<()> {
    let kind = std::fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::other("it is a directory, not a file"));
    }
    if !kind.is_file() {
        return Err(io::Error::other("it is a pipe or a device, not a file"));
    }
    Ok(())
}

/// Reads a plain file of at most `max` bytes as text.
///
/// # Errors
/// As [`text_at_most`], or the path does not lead to a plain file.
pub fn plain_text_at_most(path: &Path, max: u64) -> io::Result<String> {
    plain(path)?;
    text_at_most(path, max)
}

/// Reads the configuration file. Refuses a path that is not UTF-8, because the configuration keeps
/// the path as text and finds other files relative to it.
///
/// # Errors
/// The path is not UTF-8, or the file cannot be read or is too large.
pub fn text_of(path: &Path) -> Result<String, Problem> {
    if path.to_str().is_none() {
        let remedy = "rename the folder or file whose name is not UTF-8";
        let shown = path.display().to_string();
        return Err(Problem::new(shown, "the path is not UTF-8", remedy));
    }
    text_at_most(path, MAX_BYTES).map_err(|error| {
        Problem::new(
            path.display().to_string(),
            format!("cannot be read: {error}"),
            "name a readable file with --config or SHAREHOOK_CONFIG",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_plain_file_is_refused_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, link] = ["pipe", "link"].map(|name| folder.path().join(name));
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let device = Path::new("/dev/zero");
        for (path, what) in [
            (pipe.as_path(), "pipe"),
            (&link, "pipe"),
            (device, "device"),
            (folder.path(), "a directory"),
        ] {
            let error = plain_text_at_most(path, 5).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(plain_text_at_most(&link, 5).unwrap(), "12345");
    }

    #[test]
    fn a_larger_file_is_refused_also_if_it_states_no_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(text_at_most(&file, 5).unwrap(), "12345");
        let endless = Path::new("/dev/zero");
        for path in [file.as_path(), endless]
            .into_iter()
            .filter(|path| path.exists())
        {
            let error = read_at_most(path, 4).unwrap_err();
            assert_eq!(
                error.kind(),
                io::ErrorKind::FileTooLarge,
                "{}",
                path.display()
            );
        }
        std::fs::write(&file, [0xff]).unwrap();
        let error = text_at_most(&file, 4).unwrap_err();
        assert_eq!(error.to_string(), "it is not UTF-8");
    }
}
