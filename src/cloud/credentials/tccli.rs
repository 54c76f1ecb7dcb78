//! Finds the credentials of `tccli`: a profile's file, and the role that the file or two variables
//! name. Takes the environment; returns the credentials of the file, of this role, or of the
//! machine's role. Follows tccli 3.1: a role needs a session name, and the variables take
//! precedence over the file.

use serde::Deserialize;

use super::environment::Environment;
use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials, Found};
use super::metadata;
use super::remote::Remote;
use super::sts::{self, Session};

const PROFILE_VARIABLE: &str = "TCCLI_PROFILE";
const ROLE_VARIABLE: &str = "TENCENTCLOUD_ROLE_ARN";
const SESSION_VARIABLE: &str = "TENCENTCLOUD_ROLE_SESSION_NAME";

/// The file of a profile. Only tccli uses the file's other fields.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    /// If this is `cvm-role` and no variables name a role, the machine's role is used and the keys
    /// in the file are ignored.
    r#type: Option<String>,
    secret_id: Option<String>,
    secret_key: Option<String>,
    token: Option<String>,
    #[serde(rename = "role-arn")]
    role: Option<String>,
    #[serde(rename = "role-session-name")]
    session: Option<String>,
}

/// Returns the credentials of the profile's file, of the role that the variables or the file name,
/// or of the machine's role. If no variable names the profile, returns `None` when there is no such
/// file or no home directory.
pub(super) async fn of_profile(
    remote: &Remote,
    environment: &Environment,
    looked: &mut Vec<String>,
) -> Found {
    let named = environment.variable(PROFILE_VARIABLE);
    let profile = named.unwrap_or("default");
    if !profile
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err(unusable(
            PROFILE_VARIABLE,
            "the name of a profile has only letters, digits, -, _ and ., and the value has another character",
        ));
    }
    // If a variable names the profile, a later source must not replace it, because it could have
    // other rights.
    let missing = |place: String, looked: &mut Vec<String>| match named {
        None => {
            looked.push(place);
            Ok(None)
        }
        Some(_) => {
            let problem = format!("{PROFILE_VARIABLE} names the profile, but it does not exist");
            Err(unusable(&place, problem))
        }
    };
    let Some(home) = &environment.home else {
        let place = format!("~/.tccli/{profile}.credential (no home directory)");
        return missing(place, looked);
    };
    let path = home.join(".tccli").join(format!("{profile}.credential"));
    let place = path.display().to_string();
    let Some(text) = environment.read_file(&path)? else {
        return missing(place, looked);
    };
    let file: File = serde_json::from_str(&text).map_err(|error| {
        let at = format!("line {} column {}", error.line(), error.column());
        unusable(
            &place,
            format!("the file is not JSON with secretId and secretKey as text ({at})"),
        )
    })?;
    let named = in_variables(environment)?;
    if file.r#type.as_deref() == Some("cvm-role") && named.is_none() {
        let machines = metadata::of_machine(remote, environment, looked).await?;
        let none = || {
            unusable(
                &place,
                "the file's type is cvm-role, but this machine has no role",
            )
        };
        return machines.ok_or_else(none).map(Some);
    }
    let session = match named {
        Some(session) => Some(session),
        None => both(
            &place,
            ["role-arn", "role-session-name"],
            [&file.role, &file.session].map(Option::as_deref),
        )?,
    };
    let (id, key) = (file.secret_id.as_deref(), file.secret_key.as_deref());
    let base = CredentialSource::TccliFile.checked(place, id, key, file.token.as_deref())?;
    in_session(remote, base, session).await.map(Some)
}

/// Returns the credentials of the role that two variables name. If they do not name a role, returns
/// `base`, the credentials in other variables.
pub(super) async fn of_variables(
    remote: &Remote,
    environment: &Environment,
    base: Credentials,
) -> Result<Credentials, CredentialsError> {
    in_session(remote, base, in_variables(environment)?).await
}

/// Fails if environment variables name a role, because the role would have no effect: the look-up
/// has already found credentials in `place`.
pub(super) fn refuse_role(environment: &Environment, place: &str) -> Result<(), CredentialsError> {
    match in_variables(environment)? {
        None => Ok(()),
        Some(_) => Err(unusable(
            &[ROLE_VARIABLE, SESSION_VARIABLE].join("/"),
            format!(
                "they name a role, but the key comes from {place}, with which they have no effect; unset them, and write role_arn in [cloud.accounts.NAME] for a role"
            ),
        )),
    }
}

async fn in_session(
    remote: &Remote,
    base: Credentials,
    session: Option<Session>,
) -> Result<Credentials, CredentialsError> {
    match session {
        None => Ok(base),
        Some(session) => sts::assume(remote, &base, &session).await,
    }
}

fn in_variables(environment: &Environment) -> Result<Option<Session>, CredentialsError> {
    let names = [ROLE_VARIABLE, SESSION_VARIABLE];
    both(
        &names.join("/"),
        names,
        names.map(|name| environment.variable(name)),
    )
}

/// Reads a role and its session name. If only one of them is set, tccli ignores the role and makes
/// its calls with the rights of the key, but this function returns an error.
fn both(
    place: &str,
    names: [&str; 2],
    values: [Option<&str>; 2],
) -> Result<Option<Session>, CredentialsError> {
    let [role, name] = values.map(|value| value.filter(|value| !value.is_empty()));
    let [role_name, session_name] = names;
    match (role, name) {
        (None, None) => Ok(None),
        (Some(role), Some(name)) => {
            let role = role.parse().map_err(|problem: crate::domain::Problem| {
                unusable(place, format!("{role_name}: {}", problem.problem))
            })?;
            Session::new(role, name).map(Some).ok_or_else(|| {
                unusable(
                    place,
                    format!("{session_name} is not the name of a session"),
                )
            })
        }
        (Some(_), None) => Err(unusable(
            place,
            format!("{role_name} is set without {session_name}"),
        )),
        (None, Some(_)) => Err(unusable(
            place,
            format!("{session_name} is set without {role_name}"),
        )),
    }
}

#[cfg(test)]
#[path = "tccli_tests.rs"]
mod tests;
