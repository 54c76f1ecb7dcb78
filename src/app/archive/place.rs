//! Where copies may go: apart from the journal, and not into memory. In: two places. Out: the
//! second as it is to be named in records, or what is wrong with it.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::domain::Problem;
use crate::journal::JournalLocation;

/// The place that `text` names, as an absolute one; `journal` is where the journal is.
///
/// # Errors
/// A place that is not served, that does not last, or that is the journal's or inside it.
pub fn archive_place(journal: &JournalLocation, text: &str) -> Result<JournalLocation, Problem> {
    let named = |problem: Problem| Problem {
        field: "--to".to_owned(),
        ..problem
    };
    let place = match text.parse().map_err(named)? {
        JournalLocation::Directory(dir) => JournalLocation::Directory(real(&dir)),
        other => other,
    };
    if !place.durable() {
        let remedy = "name a place that lasts, as in file:archive or s3://bucket/archive";
        return Err(Problem::new(
            "--to",
            "memory: is gone with this process",
            remedy,
        ));
    }
    if within(&place, journal) {
        let problem = format!("{place} is the journal or inside it");
        return Err(Problem::new(
            "--to",
            problem,
            "name a place apart from the journal",
        ));
    }
    Ok(place)
}

fn within(place: &JournalLocation, journal: &JournalLocation) -> bool {
    match place {
        JournalLocation::Directory(place) => {
            matches!(journal, JournalLocation::Directory(journal) if place.starts_with(real(journal)))
        }
        JournalLocation::Memory => *journal == JournalLocation::Memory,
        JournalLocation::S3(place) => {
            matches!(journal, JournalLocation::S3(journal) if place.is_within(journal))
        }
        JournalLocation::Gcs(place) => {
            matches!(journal, JournalLocation::Gcs(journal) if place.is_within(journal))
        }
        JournalLocation::Azure(place) => {
            matches!(journal, JournalLocation::Azure(journal) if place.is_within(journal))
        }
    }
}

/// The absolute path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = whole
        .ancestors()
        .find_map(|known| Some((fs::canonicalize(known).ok()?, known)));
    let Some((mut real, known)) = known else {
        return whole;
    };
    for part in whole
        .strip_prefix(known)
        .unwrap_or(Path::new(""))
        .components()
    {
        match part {
            Component::ParentDir => drop(real.pop()),
            other => real.push(other),
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(journal: &str, to: &str) -> bool {
        archive_place(&journal.parse().unwrap(), to).is_err()
    }

    #[test]
    fn a_place_that_is_the_journal_or_inside_it_is_refused() {
        for (journal, to, wrong) in [
            ("s3://b/prod", "s3://b/prod", true),
            ("s3://b/prod", "s3://b/prod/archive", true),
            ("s3://b/prod", "s3://b/prod-archive", false),
            ("s3://b/prod", "s3://c/prod", false),
            ("s3://b/prod", "gs://bbb/prod", false),
            ("s3://b", "s3://b/archive", true),
            ("gs://bbb/x", "gs://bbb/x/y", true),
            ("az://bbb/x", "az://bbb/x", true),
            ("s3://b/prod/journal", "s3://b/prod", false),
            ("memory:", "memory:", true),
            ("s3://b/prod", "memory:", true),
            ("s3://b/prod", "cos://b/x", true),
        ] {
            // Bucket names are three letters at least.
            let long = |text: &str| text.replace("//b/", "//bbb/").replace("//c/", "//ccc/");
            let long = |text: &str| {
                if text.ends_with("//b") {
                    "s3://bbb".to_owned()
                } else {
                    long(text)
                }
            };
            assert_eq!(
                refused(&long(journal), &long(to)),
                wrong,
                "{journal} to {to}"
            );
        }
    }

    #[test]
    fn a_directory_inside_the_journal_is_refused_by_whatever_way_it_is_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("journal/requests")).unwrap();
        let journal = format!("file:{}", dir.path().join("journal").display());
        let at = |inner: &str| format!("file:{}", dir.path().join(inner).display());
        for wrong in [
            "journal",
            "journal/",
            "journal/x/y",
            "x/../journal/deep",
            "./journal/../journal",
        ] {
            assert!(refused(&journal, &at(wrong)), "{wrong}");
        }
        for good in ["archive", "journal-archive", "journal/../archive"] {
            assert!(!refused(&journal, &at(good)), "{good}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path().join("journal"), dir.path().join("link"))
                .unwrap();
            assert!(refused(&journal, &at("link/archive")));
        }
        let told = archive_place(&journal.parse().unwrap(), "file:some/archive")
            .unwrap()
            .to_string();
        assert!(
            told.starts_with("file:/") && told.ends_with("some/archive"),
            "{told}"
        );
    }
}
