//! A secret by reference: `env:NAME` or `file:PATH`. The configuration never holds one, and no error shows one.

use std::path::Path;

use secrecy::SecretString;

use super::Vars;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A variable of the process.
    Env(String),
    /// A file, relative to the configuration; one trailing line end does not count.
    File(String),
}

/// A file larger than this is no secret.
const MOST_BYTES: u64 = 64 * 1024;

impl SecretRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// The problem and its remedy when it has another form.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            Some((scheme @ ("aws-secretsmanager" | "aws-ssm"), _)) => Err((
                format!("{scheme}: is resolved by the deployment, not by this program"),
                "let the template put the secret into a variable ({{resolve:secretsmanager:…}}) and write env:NAME".to_owned(),
            )),
            // The text itself may be a secret that somebody pasted: it is not shown.
            _ => Err((
                "is not a reference to a secret".to_owned(),
                "write env:NAME or file:PATH; the secret itself does not belong here".to_owned(),
            )),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// The problem and its remedy when it is not there.
    pub fn resolve(&self, root: &Path, vars: &Vars) -> Result<SecretString, (String, String)> {
        match self {
            Self::Env(name) => match vars.get(name) {
                Some(value) if !value.is_empty() => Ok(SecretString::from(value.clone())),
                Some(_) => Err((format!("the variable {name} is empty"), format!("give {name} a value"))),
                None => Err((
                    format!("the variable {name} is not set"),
                    format!("set {name} to the sender's secret"),
                )),
            },
            Self::File(path) => read(&root.join(path)).map(SecretString::from),
        }
    }
}

fn read(path: &Path) -> Result<String, (String, String)> {
    let shown = path.display();
    let size = std::fs::metadata(path).map(|m| m.len());
    if size.as_ref().is_ok_and(|n| *n > MOST_BYTES) {
        return Err((
            format!("{shown} is larger than {MOST_BYTES} bytes"),
            "name the file that holds the secret alone".into(),
        ));
    }
    let mut text = size.and_then(|_| std::fs::read_to_string(path)).map_err(|error| {
        (format!("{shown} cannot be read: {error}"), "name an existing, readable file".to_owned())
    })?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() {
        return Err((format!("{shown} is empty"), "put the secret into it".to_owned()));
    }
    Ok(text)
}
