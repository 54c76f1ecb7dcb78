//! `[seal]`: with which key the journal is sealed, under which name and how often. In: text. Out: a
//! [`SealConfig`]; the key file itself is not looked at here, because it is made on first use.

use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;

use crate::domain::{Problem, Span};
use crate::journal::JournalLocation;

use super::raw::RawSeal;
use super::{SecretRef, Vars};

/// The name in checkpoints when none is written.
const NAME: &str = "sharehook-journal";
/// How long the background sweep waits from one seal to the next.
const EVERY: &str = "1h";

/// How the journal is sealed.
#[derive(Debug, Clone)]
pub struct SealConfig {
    /// The name in every checkpoint and in the public key.
    pub name: String,
    /// Where the private key is.
    pub key: SealKey,
    /// How long a sweep waits from one seal to the next.
    pub every: Span,
}

/// Where the private key is.
#[derive(Debug, Clone)]
pub enum SealKey {
    /// A file, made on first use for a journal in a directory.
    File(PathBuf),
    /// The value of a variable, or of a secret in AWS.
    Secret(SecretString),
}

impl SealConfig {
    /// Reads the table; an error comes with the offset of the value that it is about.
    pub(super) fn read(
        raw: &RawSeal,
        root: &Path,
        vars: &Vars,
        journal: &JournalLocation,
    ) -> Result<Self, (usize, Problem)> {
        let at_key = |(problem, remedy): (String, String)| {
            (raw.key.span().start, Problem::new("key", problem, remedy))
        };
        let reference = SecretRef::parse(raw.key.get_ref()).map_err(at_key)?;
        let key = match &reference {
            SecretRef::File(path) => SealKey::File(root.join(path)),
            SecretRef::Env(_) | SecretRef::Aws(_) => {
                SealKey::Secret(reference.resolve(root, vars).map_err(at_key)?)
            }
        };
        if let (SealKey::File(path), JournalLocation::Directory(dir)) = (&key, journal)
            && plain(path).starts_with(plain(dir))
        {
            let problem =
                "lies inside the journal: whoever can write there could seal what they like";
            let remedy = "keep the key where those who may write to the journal cannot";
            return Err(at_key((problem.to_owned(), remedy.to_owned())));
        }
        let name = raw
            .name
            .as_ref()
            .map_or(NAME, |name| name.get_ref())
            .to_owned();
        let good = (1..=100).contains(&name.len())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        if !good {
            let start = raw.name.as_ref().map_or(0, |name| name.span().start);
            let remedy = "use letters, digits, - _ . / and 100 characters at most";
            return Err((
                start,
                Problem::new("name", "cannot stand in a checkpoint", remedy),
            ));
        }
        let every = raw
            .every
            .as_ref()
            .map_or(EVERY, |every| every.get_ref())
            .parse();
        let every = every.map_err(|problem: Problem| {
            let start = raw.every.as_ref().map_or(0, |every| every.span().start);
            (
                start,
                Problem {
                    field: "every".to_owned(),
                    ..problem
                },
            )
        })?;
        Ok(Self { name, key, every })
    }
}

/// The path without `.` and, as far as its text tells, without `..`.
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
    use crate::config::{Config, SealKey, Vars};

    fn read(seal: &str) -> Result<Config, String> {
        let text =
            format!("journal = \"file:journal\"\n[cloud]\nsite = \"intl\"\n[seal]\n{seal}\n");
        let vars: Vars = [("SEAL".to_owned(), "abc".to_owned())].into();
        Config::read("conf/sharehook.toml", &text, &vars).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_key_is_a_file_beside_the_configuration_or_a_variable() {
        let seal = read("key = \"file:seal.key\"").unwrap().seal.unwrap();
        assert!(matches!(&seal.key, SealKey::File(path) if path.to_str() == Some("conf/seal.key")));
        assert_eq!(
            (seal.name.as_str(), seal.every.seconds()),
            ("sharehook-journal", 3600)
        );
        let seal = read("key = \"env:SEAL\"\nname = \"acme/j\"\nevery = \"5m\"")
            .unwrap()
            .seal
            .unwrap();
        assert!(matches!(seal.key, SealKey::Secret(_)));
        assert_eq!((seal.name.as_str(), seal.every.seconds()), ("acme/j", 300));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_line() {
        for (seal, line, word) in [
            ("key = \"file:journal/seal.key\"", 5, "inside the journal"),
            (
                "key = \"file:./x/../journal/deeper/seal.key\"",
                5,
                "inside the journal",
            ),
            ("key = \"MC4CAQAw\"", 5, "not a reference"),
            ("key = \"env:OTHER\"", 5, "OTHER is not set"),
            ("key = \"file:seal.key\"\nname = \"a b\"", 6, "name"),
            ("key = \"file:seal.key\"\nevery = \"soon\"", 6, "every"),
            ("every = \"1h\"", 4, "key"),
        ] {
            let problems = read(seal).unwrap_err();
            assert!(
                problems.contains(&format!("sharehook.toml:{line}")),
                "{problems}"
            );
            assert!(problems.contains(word), "{problems}");
            assert!(!problems.contains("MC4CAQAw"));
        }
    }
}
