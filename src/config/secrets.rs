//! References to secrets: `env:NAME`, `file:PATH`, or in AWS. The configuration contains no secret,
//! and no error shows one. Opens no socket: the caller fetches the secrets in AWS first and passes
//! them among the variables.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use secrecy::SecretString;

use super::vars::Vars;

/// Where a secret is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretRef {
    /// A variable of the process.
    Env(String),
    /// A file, relative to the configuration, without one trailing line end.
    File(String),
    /// A secret in AWS, fetched at start.
    Aws(AwsSecret),
}

/// A store of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AwsStore {
    /// `aws-secretsmanager:`
    SecretsManager,
    /// `aws-ssm:`
    ParameterStore,
}

/// A secret in AWS, as in `aws-secretsmanager:prod/sharehook#JIRA_WEBHOOK_SECRET`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsSecret {
    /// The store that has it.
    pub store: AwsStore,
    /// The secret's name or ARN, the parameter's name.
    pub id: String,
    /// The field, if the secret is a JSON object.
    pub field: Option<String>,
}

impl AwsSecret {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let store = match scheme {
            "aws-secretsmanager" => AwsStore::SecretsManager,
            "aws-ssm" => AwsStore::ParameterStore,
            _ => return None,
        };
        let (id, field) = match rest.split_once('#') {
            Some((id, field)) => (id, Some(field.to_owned())),
            None => (rest, None),
        };
        let named = |text: &str| {
            !text.is_empty() && text.len() <= 2_048 && text.bytes().all(|b| b.is_ascii_graphic())
        };
        let whole = named(id) && field.as_deref().is_none_or(named);
        whole.then(|| Self {
            store,
            id: id.to_owned(),
            field,
        })
    }

    /// Adds the result of the fetch to the variables, under a name that no variable can have.
    pub fn hand_in(&self, outcome: Result<String, String>, vars: &mut Vars) {
        match outcome {
            Ok(secret) => vars.insert(self.to_string(), secret),
            Err(problem) => vars.insert(format!("{self} failed"), problem),
        };
    }
}

impl fmt::Display for AwsSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.store {
            AwsStore::SecretsManager => "aws-secretsmanager",
            AwsStore::ParameterStore => "aws-ssm",
        };
        write!(f, "{scheme}:{}", self.id)?;
        self.field
            .as_ref()
            .map_or(Ok(()), |field| write!(f, "#{field}"))
    }
}

/// Lists the secrets in AWS that a configuration names, in any field. Returns none for a text that
/// is not TOML.
pub fn aws_secrets(text: &str) -> BTreeSet<AwsSecret> {
    fn walk(value: &toml::Value, found: &mut BTreeSet<AwsSecret>) {
        match value {
            toml::Value::String(text) => found.extend(AwsSecret::parse(text)),
            toml::Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            toml::Value::Table(table) => table.values().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        walk(&toml::Value::Table(table), &mut found);
    }
    found
}

/// Size limit of a secret file.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

impl SecretRef {
    /// Reads a reference.
    ///
    /// # Errors
    /// The problem and its remedy when it has another form.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.to_owned())),
            Some((scheme @ ("aws-secretsmanager" | "aws-ssm"), _)) => {
                AwsSecret::parse(text).map(Self::Aws).ok_or_else(|| {
                    let problem = format!("{scheme}: is not followed by a name");
                    (problem, format!("write {scheme}:NAME, or {scheme}:NAME#FIELD for one field of a JSON object"))
                })
            }
            // Do not show the text, because it may be a pasted secret.
            _ => Err((
                "is not a reference to a secret".to_owned(),
                "write env:NAME, file:PATH, aws-secretsmanager:ID or aws-ssm:NAME instead of the secret itself".to_owned(),
            )),
        }
    }

    /// The secret.
    ///
    /// # Errors
    /// The problem and its remedy when the secret is missing.
    pub fn resolve(&self, root: &Path, vars: &Vars) -> Result<SecretString, (String, String)> {
        match self {
            Self::Env(name) => match vars.get(name) {
                Some(value) if !value.is_empty() => Ok(SecretString::from(value.clone())),
                Some(_) => Err((
                    format!("the variable {name} is empty"),
                    format!("give {name} a value"),
                )),
                None => Err((
                    format!("the variable {name} is not set"),
                    format!("set {name} to the sender's secret"),
                )),
            },
            Self::File(path) => read(&root.join(path)).map(SecretString::from),
            Self::Aws(secret) => match (
                vars.get(&secret.to_string()),
                vars.get(&format!("{secret} failed")),
            ) {
                (Some(value), _) if !value.is_empty() => Ok(SecretString::from(value.clone())),
                (Some(_), _) => Err((format!("{secret} is empty"), "give it a value".to_owned())),
                (None, failed) => {
                    let why = failed.map_or("this command does not fetch secrets", String::as_str);
                    Err((
                        format!("{secret}: {why}"),
                        "see docs/secrets.md, or write env:NAME".to_owned(),
                    ))
                }
            },
        }
    }
}

fn read(path: &Path) -> Result<String, (String, String)> {
    let shown = path.display();
    let size = std::fs::metadata(path).map(|m| m.len());
    if size.as_ref().is_ok_and(|n| *n > MAX_SECRET_BYTES) {
        return Err((
            format!("{shown} is larger than {MAX_SECRET_BYTES} bytes"),
            "name the file that holds the secret alone".into(),
        ));
    }
    let mut text = size
        .and_then(|_| std::fs::read_to_string(path))
        .map_err(|error| {
            (
                format!("{shown} cannot be read: {error}"),
                "name an existing, readable file".to_owned(),
            )
        })?;
    if text.ends_with('\n') {
        text.truncate(text.len() - if text.ends_with("\r\n") { 2 } else { 1 });
    }
    if text.is_empty() {
        return Err((
            format!("{shown} is empty"),
            "put the secret into it".to_owned(),
        ));
    }
    Ok(text)
}
