//! `[seal]`: the key that signs seals, the journal's name in them, and how often a seal is made.
//! Takes the raw table, the variables and the journal's place; returns a [`SealConfig`]. Does not
//! read the key file, because it is made on first use.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;

use crate::domain::{Problem, Span};
use crate::journal::{JournalLocation, is_inside};

use super::followed::{SEAL_KEY_VAR, in_variable};
use super::raw::RawSeal;
use super::reader::Reader;
use super::secrets::{Secret, SecretError, SecretRef, SecretValues};
use super::valid::{SealConfig, SealKey};

/// The key of a journal in a directory when no other is configured, beside the configuration.
const DEFAULT_KEY_FILE: &str = "seal.key";
const DEFAULT_NAME: &str = "sharehook-journal";

/// A mistake in `[seal]`, with the place of the wrong value, if it is in the file.
type Mistake = (Option<Range<usize>>, Problem);

/// Reads the table. `None`: the journal is not sealed, because it is in memory, or elsewhere
/// than in a directory and there is no key.
pub(super) fn read(
    raw: &RawSeal,
    reader: &Reader<'_>,
    journal: &JournalLocation,
) -> Result<Option<SealConfig>, Mistake> {
    let Some(key) = key(raw, reader, journal)? else {
        return Ok(None);
    };
    Ok(Some(SealConfig {
        name: name(raw.name.as_ref())?,
        key,
        every: every(raw.every.as_ref(), journal)?,
    }))
}

fn key(
    raw: &RawSeal,
    reader: &Reader<'_>,
    journal: &JournalLocation,
) -> Result<Option<SealKey>, Mistake> {
    let Reader { root, vars, .. } = *reader;
    if let Some(secret) = in_variable(SEAL_KEY_VAR, vars) {
        return key_elsewhere(SecretRef::Aws(secret), None, reader);
    }
    if let Some(value) = vars.get(SEAL_KEY_VAR).filter(|value| !value.is_empty()) {
        return Ok(Some(SealKey::Secret(value.clone().into())));
    }
    let Some(written) = &raw.key else {
        return match journal {
            JournalLocation::Directory(_) => {
                let path = root.join(DEFAULT_KEY_FILE);
                outside(&path, journal).map_err(|problem| (None, problem))?;
                Ok(Some(SealKey::File(path)))
            }
            JournalLocation::Memory => Ok(None),
            JournalLocation::S3(_) | JournalLocation::Gcs(_) | JournalLocation::Azure(_) => {
                match start(&raw.name).or(start(&raw.every)) {
                    None => Ok(None),
                    Some(span) => {
                        let remedy = format!("write key = \"env:NAME\", or set {SEAL_KEY_VAR}");
                        Err((Some(span), Problem::new("key", "is missing", remedy)))
                    }
                }
            }
        };
    };
    let at = Some(written.span());
    match SecretRef::parse(written.get_ref()).map_err(|error| wrong(&error, at.clone()))? {
        SecretRef::File(path) => {
            let path = root.join(path);
            outside(&path, journal).map_err(|problem| (at.clone(), problem))?;
            Ok(Some(SealKey::File(path)))
        }
        elsewhere @ (SecretRef::Env(_) | SecretRef::Aws(_)) => {
            key_elsewhere(elsewhere.followed(vars), at, reader)
        }
    }
}

/// The key that a variable or AWS has.
fn key_elsewhere(
    reference: SecretRef,
    at: Option<Range<usize>>,
    reader: &Reader<'_>,
) -> Result<Option<SealKey>, Mistake> {
    let key = |secret: Secret| SealKey::Secret(secret.text);
    let resolve = |fetched| {
        reference
            .resolve(reader.root, reader.vars, fetched)
            .map(key)
    };
    match reader.secrets {
        SecretValues::Configured(fetched) => resolve(fetched)
            .map(Some)
            .map_err(|error| wrong(&error, at)),
        SecretValues::Known(_) | SecretValues::StandIn(_) => Ok(None),
        SecretValues::OrStandIn { fetched, .. } => Ok(resolve(fetched).ok()),
    }
}

fn wrong(error: &SecretError, at: Option<Range<usize>>) -> Mistake {
    (at, Problem::new("key", error.to_string(), error.remedy()))
}

/// Refuses a key file inside the journal.
fn outside(path: &Path, journal: &JournalLocation) -> Result<(), Problem> {
    match journal {
        JournalLocation::Directory(dir) if is_inside(path, dir) => {
            let remedy = "write [seal] with a key outside the journal's directory";
            let problem = format!(
                "{} lies inside the journal: anyone who can write there could sign seals",
                path.display()
            );
            Err(Problem::new("key", problem, remedy))
        }
        _ => Ok(()),
    }
}

fn name(written: Option<&Spanned<String>>) -> Result<String, Mistake> {
    let name = written.map_or(DEFAULT_NAME, |name| name.get_ref());
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if (1..=100).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(name.to_owned());
    }
    let remedy = "use letters, digits, - _ . / and 100 characters at most";
    let problem = Problem::new("name", "is not valid in a checkpoint", remedy);
    Err((written.map(Spanned::span), problem))
}

fn every(
    written: Option<&Spanned<String>>,
    journal: &JournalLocation,
) -> Result<Option<Span>, Mistake> {
    let text = match (written, journal) {
        (Some(text), _) => text.get_ref().as_str(),
        (None, JournalLocation::Directory(_)) => return Ok(None),
        (None, _) => "1h",
    };
    text.parse().map(Some).map_err(|problem: Problem| {
        let field = "every".to_owned();
        (written.map(Spanned::span), Problem { field, ..problem })
    })
}

fn start(written: &Option<Spanned<String>>) -> Option<Range<usize>> {
    written.as_ref().map(Spanned::span)
}

#[cfg(test)]
mod tests {
    use crate::config::{AwsSecrets, Config, SealKey, Vars};

    fn read_at(journal: &str, seal: &str, more: &[(&str, &str)]) -> Result<Config, String> {
        let text = format!("journal = \"{journal}\"\n[cloud]\nsite = \"intl\"\n[seal]\n{seal}\n");
        let given = [("SEAL", "abc")].iter().chain(more);
        let vars: Vars = given
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Config::read("conf/sharehook.toml", &text, &vars, &AwsSecrets::new())
            .map_err(|problems| problems.to_string())
    }

    fn read(seal: &str) -> Result<Config, String> {
        read_at("file:journal", seal, &[])
    }

    #[test]
    fn a_key_is_a_file_beside_the_configuration_or_a_variable() {
        let seal = read("key = \"file:seal.key\"").unwrap().seal.unwrap();
        assert!(matches!(&seal.key, SealKey::File(path) if path.to_str() == Some("conf/seal.key")));
        assert_eq!(seal.name, "sharehook-journal");
        let seal = read("key = \"env:SEAL\"\nname = \"acme/j\"\nevery = \"5m\"")
            .unwrap()
            .seal
            .unwrap();
        assert!(matches!(seal.key, SealKey::Secret(_)));
        assert_eq!(seal.name, "acme/j");
        assert_eq!(seal.every.map(|every| every.seconds()), Some(300));
    }

    #[test]
    fn a_directory_is_sealed_by_default_and_other_places_with_a_key() {
        let seal = read("").unwrap().seal.unwrap();
        assert!(matches!(&seal.key, SealKey::File(path) if path.to_str() == Some("conf/seal.key")));
        assert!(seal.every.is_none(), "a seal follows each write");
        let variable = [("SHAREHOOK_SEAL_KEY", "k")];
        for place in [
            "s3://acme-journal/x",
            "gs://acme-journal",
            "az://acme-journal",
            "memory:",
        ] {
            assert!(read_at(place, "", &[]).unwrap().seal.is_none(), "{place}");
            let seal = read_at(place, "", &variable).unwrap().seal.unwrap();
            assert!(matches!(seal.key, SealKey::Secret(_)));
            assert_eq!(seal.every.map(|every| every.seconds()), Some(3_600));
        }
        let over_the_file = read_at("file:journal", "key = \"file:other.key\"", &variable).unwrap();
        assert!(matches!(
            over_the_file.seal.unwrap().key,
            SealKey::Secret(_)
        ));
        let empty = read_at("file:journal", "", &[("SHAREHOOK_SEAL_KEY", "")]).unwrap();
        assert!(matches!(empty.seal.unwrap().key, SealKey::File(_)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (journal, seal, line, word) in [
            (
                "file:journal",
                "key = \"file:journal/seal.key\"",
                5,
                "inside the journal",
            ),
            (
                "file:journal",
                "key = \"file:./x/../journal/deeper/seal.key\"",
                5,
                "inside the journal",
            ),
            ("file:.", "", 1, "inside the journal"),
            ("file:journal", "key = \"MC4CAQAw\"", 5, "not a reference"),
            ("file:journal", "key = \"env:OTHER\"", 5, "OTHER is not set"),
            (
                "file:journal",
                "key = \"file:seal.key\"\nname = \"a b\"",
                6,
                "name",
            ),
            (
                "file:journal",
                "key = \"file:seal.key\"\nevery = \"soon\"",
                6,
                "every",
            ),
            (
                "s3://acme-journal",
                "every = \"1h\"",
                5,
                "SHAREHOOK_SEAL_KEY",
            ),
        ] {
            let problems = read_at(journal, seal, &[]).unwrap_err();
            assert!(
                problems.contains(&format!("sharehook.toml:{line}")),
                "{problems}"
            );
            assert!(problems.contains(word), "{problems}");
            assert!(!problems.contains("MC4CAQAw"));
        }
    }
}
