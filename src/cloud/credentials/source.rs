//! The sources of credentials in one table, in the order of the look-up. Takes the environment;
//! returns credentials, nothing, or the problem with a source whose credentials are unusable.

use secrecy::ExposeSecret as _;

use super::environment::Environment;
use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials, Found};
use super::remote::Remote;
use super::{metadata, sdk_file, sts, tccli};

/// Every source that a look-up searches, in order. The role of a pod (TKE) comes before the role of
/// the machine that runs the pod (CVM).
pub(crate) const SOURCES: [CredentialSource; 7] = [
    CredentialSource::Environment,
    CredentialSource::FunctionEnvironment,
    CredentialSource::Invocation,
    CredentialSource::SdkFile,
    CredentialSource::TccliFile,
    CredentialSource::TkeIdentity,
    CredentialSource::CvmRole,
];

/// The variables of one source. If several token variables are set, their values must be equal.
struct Variables {
    id: &'static str,
    key: &'static str,
    tokens: &'static [&'static str],
}

impl Variables {
    fn place(&self) -> String {
        format!("{}/{}", self.id, self.key)
    }
}

const ENVIRONMENT: Variables = Variables {
    id: "TENCENTCLOUD_SECRET_ID",
    key: "TENCENTCLOUD_SECRET_KEY",
    tokens: &[
        "TENCENTCLOUD_SESSION_TOKEN",
        "TENCENTCLOUD_TOKEN",
        "TENCENTCLOUD_SECURITY_TOKEN",
    ],
};

const FUNCTION_ENVIRONMENT: Variables = Variables {
    id: "TENCENTCLOUD_SECRETID",
    key: "TENCENTCLOUD_SECRETKEY",
    tokens: &["TENCENTCLOUD_SESSIONTOKEN"],
};

impl CredentialSource {
    /// Looks for credentials in this source. If it has none, adds the places that were searched to
    /// `looked`.
    pub(super) async fn find(
        self,
        environment: &Environment,
        remote: &Remote,
        looked: &mut Vec<String>,
    ) -> Found {
        match self {
            Self::Environment => match self.in_variables(environment, &ENVIRONMENT, looked)? {
                Some(base) => tccli::of_variables(remote, environment, base)
                    .await
                    .map(Some),
                None => Ok(None),
            },
            Self::FunctionEnvironment
                if environment.invocation_credentials.replaces_environment() =>
            {
                Ok(None)
            }
            Self::FunctionEnvironment => Ok(self
                .in_variables(environment, &FUNCTION_ENVIRONMENT, looked)?
                .map(|found| of_function(environment, found))),
            Self::Invocation => {
                let newest = environment.invocation_credentials.newest();
                if newest.is_none() && environment.must_not_cache() {
                    looked.push("the headers of SCF's invocations".to_owned());
                }
                Ok(newest.map(|found| of_function(environment, found)))
            }
            Self::SdkFile => sdk_file::of_files(environment, looked),
            Self::TccliFile => tccli::of_profile(remote, environment, looked).await,
            Self::TkeIdentity => sts::with_web_identity(remote, environment, looked).await,
            Self::CvmRole => metadata::of_machine(remote, environment, looked).await,
            Self::Account | Self::AssumedRole => Ok(None),
        }
    }

    /// Fails if variables name a role and this source would ignore them. Without the role, calls
    /// would have all rights of the source's credentials.
    pub(super) fn refuse_role(self, environment: &Environment) -> Result<(), CredentialsError> {
        match self {
            Self::Environment | Self::TccliFile | Self::Account | Self::AssumedRole => Ok(()),
            Self::FunctionEnvironment
            | Self::Invocation
            | Self::SdkFile
            | Self::TkeIdentity
            | Self::CvmRole => tccli::refuse_role(environment, self.in_words()),
        }
    }

    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Environment => "TENCENTCLOUD_SECRET_ID/TENCENTCLOUD_SECRET_KEY",
            Self::FunctionEnvironment => "the variables of the function platform",
            Self::Invocation => "the headers of SCF's invocations",
            Self::SdkFile => "the SDKs' file",
            Self::TccliFile => "tccli's file",
            Self::TkeIdentity => "the pod's identity",
            Self::CvmRole => "the CVM's role",
            Self::Account => "the account's own key",
            Self::AssumedRole => "another role",
        }
    }

    fn in_variables(
        self,
        environment: &Environment,
        names: &Variables,
        looked: &mut Vec<String>,
    ) -> Found {
        let (id, key) = (
            environment.variable(names.id),
            environment.variable(names.key),
        );
        if id.is_none() && key.is_none() {
            looked.push(names.place());
            return Ok(None);
        }
        self.with_token(environment, names, id, key).map(Some)
    }

    /// Combines an id and a key with the token in one of the variables `names.tokens`, if any is
    /// set.
    fn with_token(
        self,
        environment: &Environment,
        names: &Variables,
        id: Option<&str>,
        key: Option<&str>,
    ) -> Result<Credentials, CredentialsError> {
        let mut tokens = names
            .tokens
            .iter()
            .filter_map(|name| environment.variable(name).map(|value| (*name, value)));
        let first = tokens.next();
        for (other, value) in tokens {
            if let Some((name, token)) = first
                && token != value
            {
                return Err(unusable(
                    &names.place(),
                    format!("{name} and {other} differ; keep one"),
                ));
            }
        }
        self.checked(names.place(), id, key, first.map(|(_, token)| token))
    }
}

/// The variables of the process's own key, for messages.
pub(super) fn process_place() -> String {
    ENVIRONMENT.place()
}

/// Returns the credentials of the process if its key is read from a secret in AWS. `key` is that
/// key; a variable may add a token to it. If variables name a role, assumes the role with the key
/// and returns the role's credentials.
pub(super) async fn of_process(
    environment: &Environment,
    remote: &Remote,
    key: &Credentials,
) -> Result<Credentials, CredentialsError> {
    let (id, secret) = (key.secret_id.as_str(), key.secret_key.expose_secret());
    let base = key
        .source
        .with_token(environment, &ENVIRONMENT, Some(id), Some(secret))?;
    tccli::of_variables(remote, environment, base).await
}

/// Adds the root account that owns the function and its role, from `TENCENTCLOUD_UIN`. The platform
/// sets this variable, and users cannot set it there.
fn of_function(environment: &Environment, found: Credentials) -> Credentials {
    Credentials {
        owner: environment.variable("TENCENTCLOUD_UIN").map(str::to_owned),
        ..found
    }
}
