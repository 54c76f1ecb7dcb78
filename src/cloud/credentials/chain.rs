//! Finds credentials. Takes variables, a home directory, a function that reads files, and
//! optionally a configured key and a role to assume. Returns the credentials of the key, of the
//! role, or of the first source that has any. If no source has credentials, the error lists the
//! places that were searched. `Debug` shows no secret.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::RwLock;
use secrecy::{ExposeSecret, SecretString};

use super::environment::{Environment, ReadFile, read_small_file};
use super::error::CredentialsError;
use super::invocation_credentials::InvocationCredentials;
use super::key::{CredentialSource, Credentials};
use super::remote::Remote;
use super::source::{self, SOURCES};
use super::sts::{self, RoleArn, Session};

/// A secret id and its secret key.
pub(crate) type KeyPair = (SecretString, SecretString);

/// Searches the sources of credentials in order. Variables are read once, files at each look-up.
#[derive(Clone)]
pub struct CredentialChain {
    environment: Environment,
    /// The configured key. It is an account's own key, or the process's key if that is read from a
    /// secret in AWS; `source` says which. [`CredentialChain::replace_key`] replaces it.
    key: Option<Arc<RwLock<Credentials>>>,
    role: Option<Session>,
}

impl CredentialChain {
    /// Creates a chain from the process's variables, the user's home directory and a function that
    /// reads files. Keeps only variables with a prefix that the sources use.
    pub fn new(
        variables: &BTreeMap<String, String>,
        home: Option<PathBuf>,
        read: ReadFile,
    ) -> Self {
        Self {
            environment: Environment::new(variables, home, read),
            key: None,
            role: None,
        }
    }

    /// Like [`CredentialChain::new`], but reads files of at most 64 KiB from the file system.
    pub fn from_disk(variables: &BTreeMap<String, String>, home: Option<PathBuf>) -> Self {
        Self::new(variables, home, Arc::new(read_small_file))
    }

    /// Returns the slot for the credentials of invocations. Clones of this chain share the slot.
    pub fn invocation_credentials(&self) -> InvocationCredentials {
        self.environment.invocation_credentials.clone()
    }

    /// Uses the key of `account` instead of the sources.
    ///
    /// # Errors
    /// `Unusable` when the id or the key is empty or contains characters that no key has.
    pub fn with_key(self, account: &str, key: &KeyPair) -> Result<Self, CredentialsError> {
        self.keyed(CredentialSource::Account, account, key)
    }

    /// Uses `key` instead of the id and the key in the process's variables. Variables that contain
    /// a token or name a role have the same effect as beside an id and a key in variables.
    ///
    /// # Errors
    /// Those of [`CredentialChain::with_key`].
    pub fn with_process_key(self, key: &KeyPair) -> Result<Self, CredentialsError> {
        self.keyed(CredentialSource::Environment, "", key)
    }

    fn keyed(
        self,
        source: CredentialSource,
        account: &str,
        key: &KeyPair,
    ) -> Result<Self, CredentialsError> {
        let key = key_of(source, account, key)?;
        Ok(Self {
            key: Some(Arc::new(RwLock::new(key))),
            ..self
        })
    }

    /// Replaces the configured key, if there is one. Returns whether the chain's key has changed.
    /// `account` is the account's name, for errors.
    pub fn replace_key(&self, account: &str, key: &KeyPair) -> Result<bool, CredentialsError> {
        let Some(held) = &self.key else {
            return Ok(false);
        };
        let mut held = held.write();
        let later = key_of(held.source, account, key)?;
        let is_new = !held.same_as(&later);
        *held = later;
        Ok(is_new)
    }

    /// Makes look-ups assume `role` with the credentials of the key or of the sources.
    #[must_use]
    pub fn assuming(self, role: RoleArn) -> Self {
        Self {
            role: Some(role.into()),
            ..self
        }
    }

    /// Returns the configured key or, without one, the first credentials found. If a role is set,
    /// assumes it with these credentials and returns the credentials of the role. If that fails
    /// with the keys of a function's environment, tries again with the keys of an invocation.
    pub async fn load(&self, remote: &Remote) -> Result<Credentials, CredentialsError> {
        let configured = self.key.as_ref().map(|key| key.read().clone());
        let base = match configured {
            Some(key) if key.source == CredentialSource::Environment => {
                source::of_process(&self.environment, remote, &key).await?
            }
            Some(key) => key,
            None => self.first(remote).await?,
        };
        let Some(role) = &self.role else {
            return Ok(base);
        };
        let assumed = sts::assume(remote, &base, role).await;
        if assumed.is_err() {
            // The keys in a function's environment expire. Later invocations bring newer keys.
            self.environment.invocation_credentials.refused(&base);
        }
        if assumed.is_err() && self.environment.invocation_credentials.replaces(&base) {
            return sts::assume(remote, &self.first(remote).await?, role).await;
        }
        assumed
    }

    async fn first(&self, remote: &Remote) -> Result<Credentials, CredentialsError> {
        let mut looked = Vec::new();
        for source in SOURCES {
            if let Some(credentials) = source.find(&self.environment, remote, &mut looked).await? {
                source.refuse_role(&self.environment)?;
                return Ok(credentials);
            }
        }
        Err(CredentialsError::Missing {
            looked,
            on_scf: self.must_not_cache(),
        })
    }

    /// Whether the cache must not keep credentials without an expiry. True on SCF.
    pub(super) fn must_not_cache(&self) -> bool {
        self.environment.must_not_cache()
    }

    /// Records that the cloud refused `used`, so that newer credentials of an invocation can
    /// replace them.
    pub(super) fn refused(&self, used: &Credentials) {
        self.environment.invocation_credentials.refused(used);
    }
}

fn key_of(
    source: CredentialSource,
    account: &str,
    (id, key): &KeyPair,
) -> Result<Credentials, CredentialsError> {
    let place = match source {
        CredentialSource::Environment => source::process_place(),
        _ => format!("the key of account {account}"),
    };
    let (id, key) = (id.expose_secret(), key.expose_secret());
    source.checked(place, Some(id), Some(key), None)
}

impl fmt::Debug for CredentialChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.environment.names().collect();
        f.debug_struct("CredentialChain")
            .field("variables", &names)
            .field("home", &self.environment.home)
            .field("key", &self.key)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::super::environment::METADATA_ENDPOINT;
    use super::*;
    use crate::domain::{CloudError, ErrorClass};

    const HOME: &str = "/home/a";
    const SDK: &str = "/home/a/.tencentcloud/credentials";
    const ETC: &str = "/etc/tencentcloud/credentials";
    const TCCLI: &str = "/home/a/.tccli/default.credential";

    fn load(chain: &CredentialChain) -> Result<Credentials, CredentialsError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(chain.load(&Remote::nowhere()))
    }

    fn chain(variables: &[(&str, &str)], files: &[(&str, &str)]) -> CredentialChain {
        let off = (METADATA_ENDPOINT, "off");
        let variables = [variables, &[off]].concat();
        let variables = variables
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect();
        let files: BTreeMap<PathBuf, String> = files
            .iter()
            .map(|(p, t)| (PathBuf::from(p), (*t).to_owned()))
            .collect();
        let read = move |path: &Path| match files.get(path).map(String::as_str) {
            Some("DENIED") => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
            Some(text) => Ok(text.to_owned()),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        CredentialChain::new(&variables, Some(PathBuf::from(HOME)), Arc::new(read))
    }

    fn shown(credentials: &Credentials) -> (String, String, Option<String>) {
        let token = credentials
            .token
            .as_ref()
            .map(|t| t.expose_secret().to_owned());
        (
            credentials.secret_id.clone(),
            credentials.secret_key.expose_secret().to_owned(),
            token,
        )
    }

    const ID: (&str, &str) = ("TENCENTCLOUD_SECRET_ID", "id");
    const KEY: (&str, &str) = ("TENCENTCLOUD_SECRET_KEY", "key");
    const SCF: [(&str, &str); 3] = [
        ("TENCENTCLOUD_SECRETID", "scf-id"),
        ("TENCENTCLOUD_SECRETKEY", "scf-key"),
        ("TENCENTCLOUD_SESSIONTOKEN", "scf-token"),
    ];
    const ROLE: (&str, &str) = (
        "TENCENTCLOUD_ROLE_ARN",
        "qcs::cam::uin/100000000001:roleName/sharehook",
    );
    const SESSION: (&str, &str) = ("TENCENTCLOUD_ROLE_SESSION_NAME", "alice");
    const SDK_TEXT: &str = "[default]\nsecret_id = file-id\nsecret_key = file-key\n";
    const TCCLI_TEXT: &str = r#"{"secretId":"cli-id","secretKey":"cli-key","token":"cli-token"}"#;

    type Texts = &'static [(&'static str, &'static str)];
    type Expected = (
        CredentialSource,
        (&'static str, &'static str, Option<&'static str>),
    );

    #[test]
    fn each_place_is_found_and_earlier_ones_win() {
        use CredentialSource::*;
        let cases: [(Texts, Texts, Expected); 12] = [
            (&[ID, KEY], &[], (Environment, ("id", "key", None))),
            (
                &[ID, KEY, ("TENCENTCLOUD_SESSION_TOKEN", "t")],
                &[],
                (Environment, ("id", "key", Some("t"))),
            ),
            (
                &[ID, KEY, ("TENCENTCLOUD_TOKEN", "t")],
                &[],
                (Environment, ("id", "key", Some("t"))),
            ),
            (
                &[ID, KEY, ("TENCENTCLOUD_SECURITY_TOKEN", "t")],
                &[],
                (Environment, ("id", "key", Some("t"))),
            ),
            (
                &SCF,
                &[(SDK, SDK_TEXT)],
                (
                    FunctionEnvironment,
                    ("scf-id", "scf-key", Some("scf-token")),
                ),
            ),
            (
                &[ID, KEY, SCF[0], SCF[1], SCF[2]],
                &[],
                (Environment, ("id", "key", None)),
            ),
            (
                &[],
                &[(SDK, SDK_TEXT), (ETC, "x"), (TCCLI, TCCLI_TEXT)],
                (SdkFile, ("file-id", "file-key", None)),
            ),
            (
                &[],
                &[(ETC, SDK_TEXT), (TCCLI, TCCLI_TEXT)],
                (SdkFile, ("file-id", "file-key", None)),
            ),
            (
                &[],
                &[(SDK, "[other]\nsecret_id=x\n"), (ETC, SDK_TEXT)],
                (SdkFile, ("file-id", "file-key", None)),
            ),
            (
                &[("TENCENTCLOUD_CREDENTIALS_FILE", "/k")],
                &[("/k", SDK_TEXT), (SDK, "x")],
                (SdkFile, ("file-id", "file-key", None)),
            ),
            (
                &[],
                &[(TCCLI, TCCLI_TEXT)],
                (TccliFile, ("cli-id", "cli-key", Some("cli-token"))),
            ),
            (
                &[("TCCLI_PROFILE", "ops")],
                &[(TCCLI, "x"), ("/home/a/.tccli/ops.credential", TCCLI_TEXT)],
                (TccliFile, ("cli-id", "cli-key", Some("cli-token"))),
            ),
        ];
        for (variables, files, (source, (id, key, token))) in cases {
            let found = load(&chain(variables, files))
                .unwrap_or_else(|e| panic!("{variables:?} {files:?}: {e}"));
            let expected = (id.to_owned(), key.to_owned(), token.map(str::to_owned));
            assert_eq!(
                (found.source, shown(&found)),
                (source, expected),
                "{variables:?} {files:?}"
            );
        }
    }

    #[test]
    fn a_place_that_was_meant_but_cannot_be_used_stops_the_chain() {
        let good: (&str, &str) = (TCCLI, TCCLI_TEXT);
        let cases: [(Texts, (&str, &str), &str); 18] = [
            (&[ID], good, "missing"),
            (&[KEY], good, "missing"),
            (&[SCF[0]], good, "missing"),
            (&[("TENCENTCLOUD_SECRET_ID", "id\n"), KEY], good, "blanks"),
            (&[ID, ("TENCENTCLOUD_SECRET_KEY", "k ey")], good, "blanks"),
            (
                &[ID, KEY, ("TENCENTCLOUD_TOKEN", "a\u{e9}")],
                good,
                "beyond ASCII",
            ),
            (
                &[
                    ID,
                    KEY,
                    ("TENCENTCLOUD_TOKEN", "a"),
                    ("TENCENTCLOUD_SESSION_TOKEN", "b"),
                ],
                good,
                "differ",
            ),
            (&[], (SDK, "[default]\nsecret_id = only\n"), "missing"),
            (&[], (SDK, "DENIED"), "cannot be read"),
            (&[], (SDK, "[default]\nHUSH-HUSH\n"), "line 2"),
            (&[], (TCCLI, "{\"secretKey\":\"HUSH-HUSH\",}"), "not JSON"),
            (&[("TCCLI_PROFILE", "../../etc/x")], good, "profile"),
            // If a variable names a file, the look-up does not continue with a later source.
            (
                &[("TENCENTCLOUD_CREDENTIALS_FILE", "/nope")],
                good,
                "/nope: TENCENTCLOUD_CREDENTIALS_FILE names the file, but it does not exist",
            ),
            (
                &[("TENCENTCLOUD_CREDENTIALS_FILE", "/k")],
                ("/k", "[prod]\nsecret_id = x\nsecret_key = HUSH\n"),
                "[default] has neither",
            ),
            (&[("TCCLI_PROFILE", "prodd")], good, "it does not exist"),
            // Without the role, the calls would have all rights of the key.
            (&[ROLE, SESSION], (SDK, SDK_TEXT), "the SDKs' file"),
            (
                &[SCF[0], SCF[1], SCF[2], ROLE, SESSION],
                good,
                "the function platform",
            ),
            (&[SESSION], (SDK, SDK_TEXT), "is set without"),
        ];
        for (variables, file, problem) in cases {
            let error = load(&chain(variables, &[file])).unwrap_err();
            assert!(
                matches!(error, CredentialsError::Unusable { .. }),
                "{variables:?}: {error}"
            );
            let text = error.to_string();
            assert!(
                text.contains(problem) && !text.contains("HUSH"),
                "{variables:?}: {text}"
            );
        }
        let huge = format!("[default]\n{}", "#\n".repeat(40_000));
        assert!(
            load(&chain(&[], &[(SDK, &huge)]))
                .unwrap_err()
                .to_string()
                .contains("64 KiB")
        );
    }

    #[test]
    fn nothing_anywhere_lists_every_place() {
        let error = load(&chain(&[("TENCENTCLOUD_SECRET_ID", "")], &[])).unwrap_err();
        let text = error.to_string();
        for place in [
            "TENCENTCLOUD_SECRET_ID/",
            "TENCENTCLOUD_SECRETID/",
            SDK,
            ETC,
            TCCLI,
            "TKE_",
            "CVM",
        ] {
            assert!(text.contains(place), "{place} in {text}");
        }
        let error = CloudError::from(error);
        assert_eq!(
            (error.code.as_str(), error.class),
            ("NoCredentials", ErrorClass::Operator)
        );
    }

    #[test]
    fn without_a_home_the_files_of_the_machine_are_still_asked() {
        let mut chain = chain(&[], &[(ETC, SDK_TEXT)]);
        chain.environment.home = None;
        assert_eq!(load(&chain).unwrap().secret_id, "file-id");
    }

    #[test]
    fn no_secret_is_printed() {
        let chain = chain(
            &[
                ID,
                ("TENCENTCLOUD_SECRET_KEY", "HUSH"),
                ("TENCENTCLOUD_TOKEN", "HUSH"),
            ],
            &[],
        );
        let credentials = load(&chain).unwrap();
        for text in [format!("{chain:?}"), format!("{credentials:?}")] {
            assert!(!text.contains("HUSH"), "{text}");
        }
    }
}
