//! The files below a folder, in subfolders too.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The paths of the files below `folder`, sorted. Empty if the folder does not exist.
pub(crate) fn paths_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let inside = entries.map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = inside
        .flat_map(|path| match path.is_dir() {
            true => paths_below(&path),
            false => vec![path],
        })
        .collect();
    all.sort_unstable();
    all
}

/// The files below `folder`, each with its content. A file that a running process removes between
/// the listing and the reading is left out: a journal's temporary file, for example.
pub(crate) fn contents_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| match fs::read(&path) {
        Ok(bytes) => Some((path, bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    paths_below(folder).into_iter().filter_map(read).collect()
}

/// The text of all files below `folder`. At least one must exist, so that a search of the text has
/// something to find.
pub(crate) fn text_below(folder: &Path) -> String {
    let contents = contents_below(folder);
    assert!(!contents.is_empty(), "no files below {}", folder.display());
    let texts = contents
        .values()
        .map(|bytes| String::from_utf8_lossy(bytes));
    texts.collect()
}
