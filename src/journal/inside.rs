//! Tests whether a file is inside another place, such as the journal. Resolves links, `.` and `..`,
//! so that different spellings of one path are equal.

use std::path::{Component, Path, PathBuf};

use super::file_place::FilePlace;
use super::location::{Bucket, JournalLocation};
use crate::domain::Problem;

impl FilePlace {
    /// Checks that this file is not inside the journal or its index.
    ///
    /// # Errors
    /// Returns a problem if the file is inside one of them. The problem says in which one, and what
    /// to do.
    pub fn outside(
        &self,
        journal: &JournalLocation,
        index: Option<&JournalLocation>,
    ) -> Result<(), Problem> {
        if self.is_inside(journal) {
            Err(self.taken("lies inside the journal"))
        } else if index.is_some_and(|index| self.is_inside(index)) {
            Err(self.taken("lies inside the journal's index"))
        } else {
            Ok(())
        }
    }

    /// Returns the problem that the report's page must not be written to this place. `what` says
    /// why: it continues a sentence that begins with the place, as in "lies inside the journal".
    pub(crate) fn taken(&self, what: &str) -> Problem {
        let problem = format!("{self} {what}, and the page must not be written there");
        Problem::new("report", problem, "name another place")
    }

    fn is_inside(&self, location: &JournalLocation) -> bool {
        match (self, location) {
            (Self::File(_), JournalLocation::Directory(dir)) => self.is_at(dir),
            (Self::Object(key), JournalLocation::Bucket(place)) => {
                is_below(key, place, Path::new(""))
            }
            _ => false,
        }
    }

    /// Whether this is the file `path`, or is inside the directory `path`.
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        match self {
            Self::File(file) => is_inside(file, path),
            Self::Object(_) => false,
        }
    }
}

impl JournalLocation {
    /// Whether this place is the folder `name` of `other`, or is inside that folder.
    pub(crate) fn is_in_folder(&self, other: &Self, name: &str) -> bool {
        match (self, other) {
            (Self::Directory(path), Self::Directory(dir)) => is_inside(path, &dir.join(name)),
            (Self::Bucket(place), Self::Bucket(other)) => is_below(place, other, Path::new(name)),
            _ => false,
        }
    }

    /// Whether the file `path` is in this directory.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        matches!(self, Self::Directory(dir) if is_inside(path, dir))
    }
}

/// Whether `place` is the folder `folder` below `other`, or is inside that folder. False if `place`
/// and `other` are in different buckets.
fn is_below(place: &Bucket, other: &Bucket, folder: &Path) -> bool {
    (place.service, &place.name) == (other.service, &other.name)
        && Path::new(&place.prefix).starts_with(Path::new(&other.prefix).join(folder))
}

/// Whether `path` is `dir` or is inside it.
fn is_inside(path: &Path, dir: &Path) -> bool {
    real(path).starts_with(real(dir))
}

/// Returns `path` as an absolute path without `.` and `..`. Resolves links in the part of the path
/// that exists.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for existing in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (existing.canonicalize(), absolute.strip_prefix(existing)) {
            return plain(&real.join(rest));
        }
    }
    plain(&absolute)
}

/// Removes `.` and `..` from the path's text, without reading the disk.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(plain.components().next_back(), Some(Component::Normal(_))) =>
            {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_inside_the_prefix_of_the_same_bucket() {
        for (file, place, inside) in [
            ("s3://acme-j/prod/checkpoint", "s3://acme-j/prod", true),
            ("s3://acme-j/prod", "s3://acme-j/prod", true),
            ("s3://acme-j/report.html", "s3://acme-j", true),
            ("gs://acme-j/prod/x", "gs://acme-j/prod", true),
            ("az://acme-j/prod/x", "az://acme-j/prod", true),
            ("s3://acme-j/production", "s3://acme-j/prod", false),
            ("s3://acme-k/prod/x", "s3://acme-j/prod", false),
            ("gs://acme-j/prod/x", "s3://acme-j/prod", false),
            ("prod/x", "s3://acme-j/prod", false),
            ("s3://acme-j/prod/x", "file:prod", false),
            ("s3://acme-j/prod/x", "memory:", false),
        ] {
            let (parsed, location) = (file.parse::<FilePlace>().unwrap(), place.parse().unwrap());
            assert_eq!(parsed.is_inside(&location), inside, "{file} in {place}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_is_inside_a_directory_also_through_links_and_dots() {
        let folder = tempfile::tempdir().unwrap();
        let journal = folder.path().join("journal");
        std::fs::create_dir_all(journal.join("requests")).unwrap();
        std::os::unix::fs::symlink(&journal, folder.path().join("link")).unwrap();
        for (file, inside) in [
            ("journal", true),
            ("journal/requests/x", true),
            ("link/requests/x", true),
            ("none/../journal/./x", true),
            ("journal.html", false),
            ("journal/../page.html", false),
        ] {
            let file = folder.path().join(file);
            assert_eq!(is_inside(&file, &journal), inside, "{}", file.display());
        }
        assert!(is_inside(
            Path::new("a/x"),
            &std::path::absolute("a").unwrap()
        ));
    }
}
