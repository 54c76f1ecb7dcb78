//! Reads `[seal]`: the key that signs seals, the journal's name in seals, and how often seals are
//! made. Takes the raw table, the variables and the journal's place; returns a [`SealConfig`]. Does
//! not read a key file, which may not exist yet.

use toml::Spanned;

use crate::domain::{Mark, Problem};
use crate::journal::JournalLocation;

use super::followed::{SEAL_KEY_VAR, in_variable};
use super::raw::RawSeal;
use super::reader::{Reader, set};
use super::secrets::{SecretRef, SecretValues};
use super::valid::{SealConfig, SealKey};

/// The default key file for a journal in a directory. It lies beside the configuration.
const DEFAULT_KEY_FILE: &str = "seal.key";
const DEFAULT_NAME: &str = "sharehook-journal";
/// The default minimum time between two seals, for a journal that is not in a directory.
const DEFAULT_EVERY: &str = "1h";

impl Reader<'_> {
    /// Reads the table. Returns `None` after a mistake. Also returns `None` if a journal in a
    /// bucket or in memory has no key, or if this command does not need the key and did not read
    /// it.
    pub(super) fn seal(
        &mut self,
        raw: &RawSeal,
        journal: Option<&JournalLocation>,
        index: Option<&JournalLocation>,
    ) -> Option<SealConfig> {
        if let Some(seal) = self.sandbox_seal() {
            return Some(seal);
        }
        let key = raw.key.as_ref().map(|key| SecretRef::parse(key.get_ref()));
        if let Some(Ok(SecretRef::Env(name))) = key {
            self.variables.insert(name);
        }
        Some(SealConfig {
            key: self.seal_key(raw, journal, index)?,
            name: self.seal_name(raw.name.as_ref())?,
            every: match &raw.every {
                Some(written) => Some(self.parsed("seal.every: ", written)?),
                None if matches!(journal, Some(JournalLocation::Directory(_))) => None,
                None => Some(DEFAULT_EVERY.parse().ok()?),
            },
        })
    }

    /// Reports a problem of the key and returns `None`. Without `at`, the problem's place is the
    /// first line of the file.
    fn wrong_key(
        &mut self,
        at: Option<&Spanned<String>>,
        problem: String,
        remedy: &str,
    ) -> Option<SealKey> {
        let mark = at.map_or_else(|| Mark::whole(self.file), |at| self.mark(at.span()));
        let problem = Problem::at(mark, format!("seal.key: {problem}"), remedy);
        self.problems.push(problem);
        None
    }

    fn seal_key(
        &mut self,
        raw: &RawSeal,
        journal: Option<&JournalLocation>,
        index: Option<&JournalLocation>,
    ) -> Option<SealKey> {
        let places = [journal, index];
        if let Some(secret) = in_variable(SEAL_KEY_VAR, self.vars) {
            return self.key_elsewhere(SecretRef::Aws(secret), None);
        }
        if let Some(value) = set(self.vars, SEAL_KEY_VAR) {
            return Some(SealKey::Variable(value.clone().into()));
        }
        let Some(written) = &raw.key else {
            return match journal? {
                JournalLocation::Directory(_) => self.key_file(DEFAULT_KEY_FILE, None, places),
                // A journal in memory ends with the process, so it needs no seals.
                JournalLocation::Memory => None,
                JournalLocation::Bucket(_) => {
                    let needs_key = raw.name.as_ref().or(raw.every.as_ref())?;
                    if !self.lacks("seal.key", &raw.key) {
                        return None;
                    }
                    let remedy = format!("write key = \"env:NAME\", or set {SEAL_KEY_VAR}");
                    self.wrong_key(Some(needs_key), "the key is missing".to_owned(), &remedy)
                }
            };
        };
        match SecretRef::parse(written.get_ref()) {
            Ok(SecretRef::File(path)) => self.key_file(&path, Some(written), places),
            Ok(elsewhere) => self.key_elsewhere(elsewhere.followed(self.vars), Some(written)),
            Err(error) => self.wrong_key(Some(written), error.to_string(), &error.remedy()),
        }
    }

    /// Returns a key in a file. Refuses a file inside the directory of the journal or its index.
    fn key_file(
        &mut self,
        path: &str,
        at: Option<&Spanned<String>>,
        places: [Option<&JournalLocation>; 2],
    ) -> Option<SealKey> {
        let path = self.root.join(path);
        if places
            .into_iter()
            .flatten()
            .any(|place| place.contains(&path))
        {
            let problem = format!(
                "{} lies inside the journal or its index: anyone who can write there could sign seals",
                path.display()
            );
            let remedy = "write [seal] with a key outside these directories";
            return self.wrong_key(at, problem, remedy);
        }
        Some(SealKey::File(path))
    }

    /// Reads the key from a variable or from AWS. Returns `None` after a mistake, or if the command
    /// can do without the key.
    fn key_elsewhere(
        &mut self,
        reference: SecretRef,
        at: Option<&Spanned<String>>,
    ) -> Option<SealKey> {
        let (fetched, is_needed) = match self.secrets {
            SecretValues::Configured(fetched) | SecretValues::Operator(fetched) => (fetched, true),
            SecretValues::OrStandIn { fetched, .. } => (fetched, false),
            SecretValues::Known(_) | SecretValues::StandIn(_) => return None,
        };
        match reference.resolve(self.root, self.vars, fetched) {
            Ok(secret) => Some(SealKey::Secret(secret)),
            Err(error) if is_needed => self.wrong_key(at, error.to_string(), &error.remedy()),
            Err(_) => None,
        }
    }

    fn seal_name(&mut self, written: Option<&Spanned<String>>) -> Option<String> {
        let Some(written) = written else {
            return Some(DEFAULT_NAME.to_owned());
        };
        let name = written.get_ref();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
        if (1..=100).contains(&name.len()) && name.bytes().all(allowed) {
            return Some(name.to_owned());
        }
        let remedy = "use letters, digits, - _ . / and 100 characters at most";
        let problem = "seal.name cannot be written in a checkpoint";
        self.problem(written, problem, remedy);
        None
    }
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
            assert!(matches!(seal.key, SealKey::Variable(_)));
            assert_eq!(seal.every.map(|every| every.seconds()), Some(3_600));
        }
        let over_the_file = read_at("file:journal", "key = \"file:other.key\"", &variable).unwrap();
        assert!(matches!(
            over_the_file.seal.unwrap().key,
            SealKey::Variable(_)
        ));
        let empty = read_at("file:journal", "", &[("SHAREHOOK_SEAL_KEY", "")]).unwrap();
        assert!(matches!(empty.seal.unwrap().key, SealKey::File(_)));
    }

    #[test]
    fn a_key_inside_the_index_is_refused() {
        let places = "journal = { place = \"file:j\", index = \"file:ix\" }";
        let read = |file: &str| {
            let text =
                format!("{places}\n[cloud]\nsite = \"intl\"\n[seal]\nkey = \"file:{file}\"\n");
            Config::read(
                "conf/sharehook.toml",
                &text,
                &Vars::new(),
                &AwsSecrets::new(),
            )
        };
        for inside in ["ix/seal.key", "ix/index/x", "j/seal.key"] {
            let problems = read(inside).unwrap_err().to_string();
            assert!(problems.contains("sharehook.toml:5"), "{problems}");
            assert!(
                problems.contains("inside the journal or its index"),
                "{problems}"
            );
        }
        assert!(read("ixx/seal.key").unwrap().seal.is_some());
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
