//! The location of the journal or of its index. Parses the text of a setting or variable into a
//! [`JournalLocation`], or returns the problem with it. Opens nothing.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::{Problem, shown, spelled};

/// A place for the journal or its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLocation {
    /// `file:DIR`: a directory. If the directory is missing, it is created when the journal is
    /// opened for writing. Several processes may use it at once.
    Directory(PathBuf),
    /// `memory:`: a journal for trials, which is lost when the process ends.
    Memory,
    /// `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
    Bucket(Bucket),
}

spelled! {
    /// An object store service. Its text is the scheme of its URLs.
    BucketService {
        /// Amazon S3, or a store that speaks its protocol.
        S3 = "s3",
        /// Google Cloud Storage.
        Gcs = "gs",
        /// Azure Blob Storage. An environment variable names the account.
        Azure = "az",
    }
}

/// A bucket, which Azure calls a container, and a prefix in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// The bucket's service.
    pub service: BucketService,
    /// The bucket's name.
    pub name: String,
    /// The prefix of all keys, without slashes at its ends; may be empty.
    pub prefix: String,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let Self {
            service,
            name,
            prefix,
        } = self;
        write!(f, "{service}://{name}{slash}{prefix}")
    }
}

const SUPPORTED: &str =
    "write file:DIR, memory:, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix";

/// Why a journal cannot be in Tencent Cloud Object Storage. COS has its own header for create-only
/// writes, `x-cos-forbid-overwrite`, but ignores the header in a bucket on which versioning was
/// ever enabled. Two workers could then both claim a request.
const NO_COS: &str = "Tencent COS has no create-only write (If-None-Match), which a journal needs";

impl JournalLocation {
    /// Resolves a relative directory against `base`, the folder of the configuration.
    pub fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::Directory(dir) => Self::Directory(base.join(dir)),
            other => other,
        }
    }
}

impl fmt::Display for JournalLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => write!(f, "file:{}", dir.display()),
            Self::Memory => f.write_str("memory:"),
            Self::Bucket(bucket) => bucket.fmt(f),
        }
    }
}

impl FromStr for JournalLocation {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return refused(
                format!("{} has no scheme, such as file: or s3://", shown(text)),
                SUPPORTED,
            );
        };
        match scheme {
            "file" => directory(rest),
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => refused("memory: takes no path".to_owned(), "write memory: alone"),
            "s3" => bucket(BucketService::S3, rest, 63, "."),
            "gs" => bucket(BucketService::Gcs, rest, 222, "._"),
            "az" => bucket(BucketService::Azure, rest, 63, ""),
            "cos" => refused(
                NO_COS.to_owned(),
                "keep the journal in a directory (file:DIR), on S3, Google Cloud Storage or Azure Blob Storage",
            ),
            other => refused(
                format!("the scheme {} is not supported", shown(other)),
                SUPPORTED,
            ),
        }
    }
}

fn directory(rest: &str) -> Result<JournalLocation, Problem> {
    let path = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return refused(
                "file:// must not name a host".to_owned(),
                "write file:DIR, or file:///DIR for an absolute path",
            );
        }
        None => rest,
    };
    if path.is_empty() || path.chars().any(char::is_control) {
        return refused(
            "file: names no directory, or one with control characters".to_owned(),
            "write file:DIR, as in \"file:journal\"",
        );
    }
    Ok(JournalLocation::Directory(PathBuf::from(path)))
}

/// Parses `//NAME/PREFIX`. `marks` are the characters that a name may contain besides lower-case
/// letters, digits and hyphens:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>,
/// <https://cloud.google.com/storage/docs/buckets#naming>,
/// <https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata>.
/// A prefix may contain only characters that need no escaping anywhere.
fn bucket(
    service: BucketService,
    rest: &str,
    max_len: usize,
    marks: &str,
) -> Result<JournalLocation, Problem> {
    let remedy =
        format!("write {service}://NAME/PREFIX, as in \"{service}://acme-share-journal/prod\"");
    let wrong = |problem: String| Err(Problem::new("journal", problem, remedy.clone()));
    let Some(rest) = rest.strip_prefix("//") else {
        return wrong(format!("{service}: is not followed by //"));
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let named = (3..=max_len).contains(&name.len())
        && name
            .bytes()
            .all(|b| alphanumeric(b) || b == b'-' || marks.as_bytes().contains(&b))
        && name.bytes().next().is_some_and(alphanumeric)
        && name.bytes().last().is_some_and(alphanumeric);
    if !named {
        let marks: String = marks.chars().map(|mark| format!(", {mark}")).collect();
        return wrong(format!(
            "{} is not a valid bucket name (3 to {max_len} of a-z, 0-9, -{marks}; a letter or digit at each end)",
            shown(name)
        ));
    }
    let prefix = prefix.trim_end_matches('/');
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b))
    };
    if prefix.len() > 256 || !(prefix.is_empty() || prefix.split('/').all(segment)) {
        return wrong(format!(
            "{} is not a valid prefix (letters, digits, - _ . = and single slashes, at most 256 characters)",
            shown(prefix)
        ));
    }
    Ok(JournalLocation::Bucket(Bucket {
        service,
        name: name.to_owned(),
        prefix: prefix.to_owned(),
    }))
}

fn refused(problem: String, remedy: &str) -> Result<JournalLocation, Problem> {
    Err(Problem::new("journal", problem, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_places_are_read_and_shown() {
        let cases = [
            ("file:journal", "file:journal"),
            ("file:/var/lib/sharehook", "file:/var/lib/sharehook"),
            ("file:///var/lib/sharehook", "file:/var/lib/sharehook"),
            ("memory:", "memory:"),
            ("s3://acme-journal", "s3://acme-journal"),
            ("s3://acme-journal/", "s3://acme-journal"),
            ("s3://acme-journal/prod/eu/", "s3://acme-journal/prod/eu"),
            (
                "gs://acme_journal.example/prod",
                "gs://acme_journal.example/prod",
            ),
            ("az://acme-journal/", "az://acme-journal"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<JournalLocation>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_relative_directory_counts_from_the_configuration() {
        let base = Path::new("/etc/sharehook");
        let at = |text: &str| {
            text.parse::<JournalLocation>()
                .unwrap()
                .relative_to(base)
                .to_string()
        };
        assert_eq!(at("file:journal"), "file:/etc/sharehook/journal");
        assert_eq!(at("file:/srv/j"), "file:/srv/j");
        assert_eq!(at("s3://acme-journal/x"), "s3://acme-journal/x");
    }

    #[test]
    fn the_cloud_s_own_storage_is_refused_with_the_reason() {
        let problem = "cos://acme-journal-125/x"
            .parse::<JournalLocation>()
            .unwrap_err();
        assert!(
            problem.problem.contains("no create-only write"),
            "{problem}"
        );
    }

    #[test]
    fn everything_else_is_refused_with_what_is_served() {
        let long = format!("s3://acme-journal/{}", "x".repeat(300));
        for bad in [
            "",
            "journal",
            "file:",
            "file://host/dir",
            "file:a\0b",
            "memory:x",
            "s3:bucket",
            "s3://",
            "s3://ab",
            "s3://Upper-Case",
            "s3://-dash",
            "s3://a_b_c",
            "az://a.b.c",
            "az:acme-journal",
            "gs://acme-journal/a b",
            "s3://acme-journal//x",
            "s3://acme-journal/../x",
            "s3://acme-journal/a?b",
            "s3://user:pw@bucket/x",
            &long,
        ] {
            let problem = bad.parse::<JournalLocation>().unwrap_err();
            assert_eq!(problem.field, "journal", "{bad:?}");
        }
        for other in [
            "https://bucket.s3.amazonaws.com/x",
            "postgres://x",
            "adl://container/x",
        ] {
            let problem = other.parse::<JournalLocation>().unwrap_err();
            assert!(problem.problem.contains("is not supported"), "{problem}");
            for served in [
                "file:DIR",
                "memory:",
                "s3://bucket/prefix",
                "gs://",
                "az://",
            ] {
                assert!(problem.remedy.contains(served), "{problem}");
            }
        }
    }
}
