//! Where the journal lies. In: the configuration's text. Out: a [`JournalLocation`], or the problem with it. Pure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::domain::Problem;

/// A place for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalLocation {
    /// `file:DIR`: a directory, made when it is not there. Several processes may use it at once.
    Directory(PathBuf),
    /// `memory:`: gone with the process; for trials.
    Memory,
    /// `s3://bucket/prefix`.
    S3 {
        /// The bucket.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// Why there is no journal on Tencent Cloud Object Storage. `x-cos-forbid-overwrite`, which it has instead, does not
/// hold in a bucket that ever had versioning: two workers could each believe that a request is theirs.
const NO_COS: &str = "Tencent COS has no create-only write (If-None-Match) that a journal could rely on";

impl JournalLocation {
    /// The same place with a relative directory counted from `base`, the folder of the configuration.
    pub fn relative_to(self, base: &Path) -> Self {
        match self {
            Self::Directory(dir) => Self::Directory(base.join(dir)),
            other => other,
        }
    }

    /// Whether what is written there outlives the process.
    pub fn durable(&self) -> bool {
        *self != Self::Memory
    }
}

impl fmt::Display for JournalLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => write!(f, "file:{}", dir.display()),
            Self::Memory => f.write_str("memory:"),
            Self::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

impl FromStr for JournalLocation {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return refused(
                format!("{:?} names no place", shortened(text)),
                "write file:DIR, memory: or s3://bucket/prefix",
            );
        };
        match scheme {
            "file" => directory(rest),
            "memory" if rest.is_empty() => Ok(Self::Memory),
            "memory" => {
                refused("memory: has something behind its colon".to_owned(), "write memory: and nothing else")
            }
            "s3" => s3(rest),
            "cos" => refused(NO_COS.to_owned(), "keep the journal in a directory (file:DIR) or on S3"),
            other => refused(
                format!("{:?} is not served", shortened(other)),
                "this program serves file:DIR, memory: and s3://bucket/prefix",
            ),
        }
    }
}

fn directory(rest: &str) -> Result<JournalLocation, Problem> {
    let path = match rest.strip_prefix("//") {
        Some(absolute) if absolute.starts_with('/') => absolute,
        Some(_) => {
            return refused(
                "file:// is followed by a host".to_owned(),
                "write file:DIR, or file:///DIR from the root",
            );
        }
        None => rest,
    };
    if path.is_empty() || path.chars().any(char::is_control) {
        return refused(
            "file: is not followed by a directory".to_owned(),
            "write file:DIR, as in \"file:journal\"",
        );
    }
    Ok(JournalLocation::Directory(PathBuf::from(path)))
}

/// The rules for bucket names: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>. For
/// the prefix only characters that need no escaping anywhere are taken.
fn s3(rest: &str) -> Result<JournalLocation, Problem> {
    let remedy = "write s3://bucket/prefix, as in \"s3://acme-share-journal/prod\"";
    let Some(rest) = rest.strip_prefix("//") else {
        return refused("s3: is not followed by //".to_owned(), remedy);
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let named = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(|b| alphanumeric(b) || b == b'-' || b == b'.')
        && bucket.bytes().next().is_some_and(alphanumeric)
        && bucket.bytes().last().is_some_and(alphanumeric);
    if !named {
        return refused(format!("{:?} is not a bucket's name", shortened(bucket)), remedy);
    }
    let prefix = prefix.trim_end_matches('/');
    let segment = |s: &str| {
        !s.is_empty()
            && s != "."
            && s != ".."
            && s.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b))
    };
    if prefix.len() > 256 || !(prefix.is_empty() || prefix.split('/').all(segment)) {
        return refused(
            format!("{:?} is not a prefix for the journal", shortened(prefix)),
            "use letters, digits, - _ . = and single slashes, 256 characters at most",
        );
    }
    Ok(JournalLocation::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

fn refused(problem: String, remedy: &str) -> Result<JournalLocation, Problem> {
    Err(Problem::new("journal", problem, remedy))
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_places_are_read_and_shown() {
        let cases = [
            ("file:journal", "file:journal"),
            ("file:/var/lib/sharehook", "file:/var/lib/sharehook"),
            ("file:///var/lib/sharehook", "file:/var/lib/sharehook"),
            ("memory:", "memory:"),
            ("s3://acme-journal", "s3://acme-journal"),
            ("s3://acme-journal/", "s3://acme-journal"),
            ("s3://acme-journal/prod/eu/", "s3://acme-journal/prod/eu"),
        ];
        for (text, shown) in cases {
            assert_eq!(text.parse::<JournalLocation>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_relative_directory_counts_from_the_configuration() {
        let base = Path::new("/etc/sharehook");
        let at = |text: &str| text.parse::<JournalLocation>().unwrap().relative_to(base).to_string();
        assert_eq!(at("file:journal"), "file:/etc/sharehook/journal");
        assert_eq!(at("file:/srv/j"), "file:/srv/j");
        assert_eq!(at("s3://acme-journal/x"), "s3://acme-journal/x");
    }

    #[test]
    fn the_cloud_s_own_storage_is_refused_with_the_reason() {
        let problem = "cos://acme-journal-125/x".parse::<JournalLocation>().unwrap_err();
        assert!(problem.problem.contains("no create-only write"), "{problem}");
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
            "s3://acme-journal//x",
            "s3://acme-journal/../x",
            "s3://acme-journal/a?b",
            "s3://user:pw@bucket/x",
            &long,
        ] {
            let problem = bad.parse::<JournalLocation>().unwrap_err();
            assert_eq!(problem.field, "journal", "{bad:?}");
        }
        for other in
            ["gs://bucket/x", "az://container/x", "https://bucket.s3.amazonaws.com/x", "postgres://x"]
        {
            let problem = other.parse::<JournalLocation>().unwrap_err();
            assert!(problem.problem.contains("is not served"), "{problem}");
            for served in ["file:DIR", "memory:", "s3://bucket/prefix"] {
                assert!(problem.remedy.contains(served), "{problem}");
            }
        }
    }
}
