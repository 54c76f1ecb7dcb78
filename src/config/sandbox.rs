//! What the option `--sandbox` replaces in a configuration. The stand-in cloud's shares get a journal
//! and a seal key of their own, and its messages go to its inbox with invented logins. So no record
//! of the stand-in reaches the configured journal, and no login or message reaches a real system.

use std::sync::LazyLock;

use secrecy::SecretString;

use crate::journal::JournalLocation;
use crate::notify::{Address, Auth};
use toml::Spanned;

use super::raw_notify::RawNotify;
use super::reader::{Reader, set};
use super::secrets::SecretValues;
use super::valid::{SealConfig, SealKey};
use super::vars::SANDBOX_ENTRY;

/// The folder beside the configuration with the journal and the seal key.
const FOLDER: &str = "sandbox";
const SEAL_NAME: &str = "sharehook-sandbox";
/// The text in place of each secret of a redirected `[[notify]]`. Has the length of a strong secret.
static INVENTED: LazyLock<SecretString> =
    LazyLock::new(|| "c3RhbmQtaW4gc2VjcmV0IG9mIHRoZSBzYW5kYm94ISE=".into());

impl Reader<'_> {
    /// Returns the journal for the stand-in cloud; `None` without `--sandbox`.
    pub(super) fn sandbox_journal(&self) -> Option<JournalLocation> {
        set(self.vars, SANDBOX_ENTRY)?;
        let directory = self.root.join(FOLDER).join("journal");
        Some(JournalLocation::Directory(directory))
    }

    /// Returns how the journal for the stand-in cloud is sealed; `None` without `--sandbox`. The
    /// configured key must not sign a second log.
    pub(super) fn sandbox_seal(&self) -> Option<SealConfig> {
        set(self.vars, SANDBOX_ENTRY)?;
        Some(SealConfig {
            key: SealKey::File(self.root.join(FOLDER).join("seal.key")),
            name: SEAL_NAME.to_owned(),
            every: None,
        })
    }

    /// Returns the inbox of the stand-in cloud if a target with this address would get messages
    /// about it; `None` without `--sandbox`, and for an address on loopback.
    pub(super) fn inbox_for(&self, address: Option<&Address>) -> Option<Address> {
        let url = set(self.vars, SANDBOX_ENTRY)?;
        if address?.is_loopback() {
            return None;
        }
        Address::read(&format!("{url}/inbox")).ok()
    }

    /// Reads a part of the configuration with an invented text in place of its secrets.
    pub(super) fn invented<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let secrets = std::mem::replace(&mut self.secrets, SecretValues::StandIn(&INVENTED));
        // A source may have a secret of the same name.
        let used = self.used.clone();
        let read = read(self);
        (self.secrets, self.used) = (secrets, used);
        read
    }

    /// Reads what only a process uses that receives requests. A command of the operator reads it
    /// with invented secrets.
    pub(super) fn for_receivers<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        match self.secrets {
            SecretValues::Operator(_) => self.invented(read),
            _ => read(self),
        }
    }

    /// Reads the authentication at a target. The second value says whether one of its secrets
    /// cannot be read, which is no mistake for a command of the operator.
    pub(super) fn auth_if_readable(&mut self, entry: &Spanned<RawNotify>) -> (Option<Auth>, bool) {
        let before = self.problems.len();
        let auth = self.auth(entry);
        let is_mistake = !matches!(self.secrets, SecretValues::Operator(_));
        if is_mistake || self.problems.len() == before {
            return (auth, false);
        }
        self.problems.truncate(before);
        // Finds the same mistakes again, except those of the secrets.
        let auth = self.invented(|reader| reader.auth(entry));
        (auth, true)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::{AwsSecrets, Config, Vars};

    fn read(more: &[(&str, &str)]) -> Config {
        let text = "journal = { place = \"s3://acme-journal/x\", index = \"file:i\" }\n[cloud]\nsite = \"intl\"\n\
                    [seal]\nkey = \"env:SEAL\"\n[[source]]\nname = \"jira\"\nscheme = \"jira\"\nsecrets = [\"env:BOTH\"]\nmap = \"jira\"\n\
                    [[notify]]\nname = \"far\"\npreset = \"webhook\"\nurl = \"https://desk.example.com\"\nsecret = \"env:BOTH\"\nproxy = \"http://10.0.0.1:3128\"\n\
                    [report]\nto = \"file:page.html\"\n[[notify]]\nname = \"near\"\npreset = \"webhook\"\nurl = \"http://127.0.0.1:9/x\"\nsecret = \"env:BOTH\"\n";
        let own = [
            ("SEAL", "seal"),
            ("BOTH", "whsec_c2VjcmV0IG9mIGEgc291cmNlLCBub3QgaW52ZW50ZWQ="),
        ];
        let vars = own.iter().chain(more);
        let vars: Vars = vars
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        Config::read("conf/sharehook.toml", text, &vars, &AwsSecrets::new()).unwrap()
    }

    #[test]
    fn the_stand_in_cloud_has_its_own_journal_key_and_inbox() {
        let sandbox = [
            (SANDBOX_ENTRY, "http://127.0.0.1:18300"),
            ("SHAREHOOK_JOURNAL", "file:elsewhere"),
            ("SHAREHOOK_SEAL_KEY", "key"),
        ];
        let config = read(&sandbox);
        assert_eq!(config.journal.to_string(), "file:conf/sandbox/journal");
        assert!(config.index.is_none());
        assert!(config.report.published.is_none());
        let seal = config.seal.as_ref().unwrap();
        assert!(
            matches!(&seal.key, SealKey::File(path) if path.ends_with("conf/sandbox/seal.key"))
        );
        let [far, near] = &config.notify[..] else {
            panic!("{:?}", config.notify);
        };
        let inbox = Address::read("http://127.0.0.1:18300/inbox").unwrap();
        assert!(far.to_inbox && far.address == Some(inbox) && far.proxy.is_none());
        assert_eq!(far.auth.secrets(), [INVENTED.expose_secret()]);
        assert!(!near.to_inbox && near.auth.secrets() != [INVENTED.expose_secret()]);
        // The source keeps its secret, also when the values of secrets are read again.
        let own = read(&[]);
        assert_eq!(config.sources[0].secret_texts().len(), 1);
        let text = |config: &Config| {
            let mut kept = config.secrets.values();
            kept.next().unwrap().text.expose_secret().to_owned()
        };
        assert_eq!(text(&config), text(&own));
        assert_eq!(own.journal.to_string(), "s3://acme-journal/x");
        assert!(!own.notify[0].to_inbox && own.notify[0].proxy.is_some());
    }
}
