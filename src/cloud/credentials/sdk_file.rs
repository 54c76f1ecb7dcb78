//! Reads the section `[default]` of the SDKs' credentials files. If a variable names a file, only
//! this file is read. Otherwise `~/.tencentcloud/credentials` is read first, then
//! `/etc/tencentcloud/credentials`. Takes the environment; returns credentials, nothing, or the
//! problem with a file.

use std::path::PathBuf;

use super::environment::Environment;
use super::error::unusable;
use super::ini;
use super::key::{CredentialSource, Found};

/// The variable that names the file to read. If it is not set, the SDKs' two files are searched in
/// order.
const FILE_VARIABLE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";

/// Returns the credentials of the first file that has any. Adds files without credentials to
/// `looked`.
///
/// # Errors
/// For example, the file that the variable names has no credentials. The look-up does not continue
/// with a later source, because its credentials could have other rights.
pub(super) fn of_files(environment: &Environment, looked: &mut Vec<String>) -> Found {
    let named = environment.variable(FILE_VARIABLE);
    let paths: Vec<PathBuf> = match (named, &environment.home) {
        (Some(path), _) => vec![PathBuf::from(path)],
        (None, Some(home)) => {
            vec![
                home.join(".tencentcloud/credentials"),
                PathBuf::from("/etc/tencentcloud/credentials"),
            ]
        }
        (None, None) => vec![PathBuf::from("/etc/tencentcloud/credentials")],
    };
    for path in paths {
        let place = path.display().to_string();
        let Some(text) = environment.read_file(&path)? else {
            if named.is_some() {
                let problem = format!("{FILE_VARIABLE} names the file, but it does not exist");
                return Err(unusable(&place, problem));
            }
            looked.push(place);
            continue;
        };
        let values = ini::section(&text, "default").map_err(|problem| unusable(&place, problem))?;
        let value = |name: &str| values.get(name).map(String::as_str);
        let (id, key) = (value("secret_id"), value("secret_key"));
        if id.is_none() && key.is_none() {
            if named.is_some() {
                let problem = format!(
                    "{FILE_VARIABLE} names the file, but its section [default] has neither secret_id nor secret_key"
                );
                return Err(unusable(&place, problem));
            }
            looked.push(format!("{place} [default]"));
            continue;
        }
        return CredentialSource::SdkFile
            .checked(place, id, key, value("token"))
            .map(Some);
    }
    Ok(None)
}
