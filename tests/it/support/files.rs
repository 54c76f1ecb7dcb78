//! Lists and reads the files below a folder, including its subfolders.

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

/// Returns the files below `folder`, each with its content. Leaves out a file that a running
/// process removes between the listing and the reading, such as a journal's temporary file.
pub(crate) fn contents_below(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let read = |path: PathBuf| match fs::read(&path) {
        Ok(bytes) => Some((path, bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    };
    paths_below(folder).into_iter().filter_map(read).collect()
}

/// Returns the text of all files below `folder`. Panics if there are none, because a search of an
/// empty text would prove nothing.
pub(crate) fn text_below(folder: &Path) -> String {
    let contents = contents_below(folder);
    assert!(!contents.is_empty(), "no files below {}", folder.display());
    let texts = contents
        .values()
        .map(|bytes| String::from_utf8_lossy(bytes));
    texts.collect()
}
