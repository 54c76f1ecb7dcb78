//! The place of a file outside the journal, such as the report: a path or an object in a bucket.
//! Parses its text into a [`FilePlace`] or returns the problem. `store` writes the file.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::location::{Bucket, JournalLocation};
use crate::domain::Problem;

/// The place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePlace {
    /// A file on this machine.
    File(PathBuf),
    /// An object in a bucket. Its key is the bucket's `prefix`.
    Object(Bucket),
}

impl FilePlace {
    /// Resolves a relative path against `base`, the folder of the configuration.
    #[must_use]
    pub fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::File(path) => Self::File(base.join(path)),
            object => object,
        }
    }
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Object(bucket) => bucket.fmt(f),
        }
    }
}

impl FromStr for FilePlace {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let refused = |problem: &str| {
            let remedy = "write a path, or s3://bucket/key, gs://bucket/key or az://container/key";
            Err(Problem::new("report", problem, remedy))
        };
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        match (scheme, text.strip_prefix("file:")) {
            ("s3" | "gs" | "az", _) => match text.parse::<JournalLocation>() {
                Ok(JournalLocation::Bucket(bucket)) if !bucket.prefix.is_empty() => {
                    Ok(Self::Object(bucket))
                }
                Err(Problem { problem, .. }) => refused(&problem),
                Ok(_) => refused("a bucket without a key names no file"),
            },
            ("memory", _) => refused("memory: names no file that lasts"),
            (_, Some(path)) if path.starts_with("//") => match path.strip_prefix("//") {
                Some(path) if path.starts_with('/') => Ok(Self::File(path.into())),
                _ => refused("file:// is followed by a host"),
            },
            (_, None) if text.contains("://") => refused(&format!("{scheme}:// is not supported")),
            (_, path) => match path.unwrap_or(text) {
                "" => refused("an empty text names no file"),
                path => Ok(Self::File(path.into())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_object() {
        for (text, shown) in [
            ("report.html", "report.html"),
            ("file:out/report.html", "out/report.html"),
            ("/srv/www/report.html", "/srv/www/report.html"),
            ("file:///srv/www/report.html", "/srv/www/report.html"),
            (
                "s3://acme-reports/shares.html",
                "s3://acme-reports/shares.html",
            ),
            ("az://reports/a/b.html", "az://reports/a/b.html"),
        ] {
            assert_eq!(text.parse::<FilePlace>().unwrap().to_string(), shown);
        }
        for (text, wrong) in [
            ("", "names no file"),
            ("file:", "names no file"),
            ("s3://acme-reports", "without a key"),
            (
                "https://acme.example/report.html",
                "https:// is not supported",
            ),
            ("cos://acme-reports/shares.html", "cos:// is not supported"),
            ("memory:", "no file that lasts"),
            ("file://host/report.html", "followed by a host"),
            ("s3://acme-reports/a?b", "is not a valid prefix"),
        ] {
            let problem = text.parse::<FilePlace>().unwrap_err().to_string();
            assert!(problem.contains(wrong), "{text:?}: {problem}");
            assert!(problem.ends_with("az://container/key"), "{problem}");
        }
    }

    #[test]
    fn a_relative_path_counts_from_the_configuration() {
        let place: FilePlace = "report.html".parse().unwrap();
        let place = place.relative_to(Path::new("/etc/sharehook"));
        assert_eq!(place.to_string(), "/etc/sharehook/report.html");
    }
}
