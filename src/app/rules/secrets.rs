//! Fetches secrets from AWS through the AWS Parameters and Secrets Lambda Extension, with one local
//! request for each secret. This happens before the configuration is read, and when its secrets are
//! read again. Takes the configuration's text and the environment variables. Returns each secret,
//! or why it is missing. Source:
//! docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use crate::cloud::client::{self, Client, Url};
use crate::config::{
    AwsSecret, AwsSecrets, AwsStore, FetchError, FetchedSecret, SecretRef, Vars, aws_secrets,
};

const TOKEN_VARIABLE: &str = "AWS_SESSION_TOKEN";
const PORT_VARIABLE: &str = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";
const PORT: &str = "2773";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait until the extension is ready. It starts at the same time as this program.
const READY_WITHIN: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// Fetches all secrets in AWS that the configuration names, at the same time and each once.
pub async fn fetch_secrets(config: &str, vars: &Vars) -> AwsSecrets {
    let ready_by = Instant::now() + READY_WITHIN;
    fetch_all(aws_secrets(config, vars), vars, ready_by, None).await
}

/// Fetches the secret that a reference names, if it is in AWS.
pub async fn fetch_secret(reference: &str, vars: &Vars) -> AwsSecrets {
    let wanted = match SecretRef::parse(reference).map(|one| one.followed(vars)) {
        Ok(SecretRef::Aws(secret)) => BTreeSet::from([secret]),
        Ok(SecretRef::Env(_) | SecretRef::File(_)) | Err(_) => BTreeSet::new(),
    };
    fetch_all(wanted, vars, Instant::now() + READY_WITHIN, None).await
}

/// Like [`fetch_secrets`], but with a time limit, for a program that is already running. A secret
/// that is not fetched until `by` is an error, and the other secrets are not affected.
pub(super) async fn fetch_secrets_by(config: &str, vars: &Vars, by: Instant) -> AwsSecrets {
    // The extension has been ready for a long time. If it has stopped, fail instead of waiting.
    fetch_all(aws_secrets(config, vars), vars, Instant::now(), Some(by)).await
}

async fn fetch_all(
    wanted: BTreeSet<AwsSecret>,
    vars: &Vars,
    ready_by: Instant,
    by: Option<Instant>,
) -> AwsSecrets {
    if wanted.is_empty() {
        return AwsSecrets::new();
    }
    let extension = Extension::of(vars, ready_by);
    let mut fields: BTreeMap<(AwsStore, String), Vec<AwsSecret>> = BTreeMap::new();
    for secret in wanted {
        let whole = (secret.store, secret.id.clone());
        fields.entry(whole).or_default().push(secret);
    }
    let extension = &extension;
    let fetched = fields.into_iter().map(|((store, id), secrets)| async move {
        let answer = match extension {
            Err(problem) => Err(problem.clone()),
            Ok(extension) => {
                let fetch = extension.fetch(store, &id);
                match by {
                    None => fetch.await,
                    Some(by) => timeout_at(by, fetch).await.unwrap_or(Err(FetchError::Late)),
                }
            }
        };
        let fields = secrets.into_iter().map(|secret| {
            let value = answer.clone().and_then(|answer| answer.part(&secret));
            (secret, value)
        });
        fields.collect::<Vec<_>>()
    });
    join_all(fetched).await.into_iter().flatten().collect()
}

/// Returns one field of a secret that is a JSON object.
fn field_of(text: &str, field: &str) -> Result<String, FetchError> {
    let object: Value =
        serde_json::from_str(text).map_err(|_| FetchError::NotJson(field.to_owned()))?;
    let value = object
        .get(field)
        .ok_or_else(|| FetchError::NoField(field.to_owned()))?;
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| FetchError::FieldNotText(field.to_owned()))
}

/// A secret's whole text and its version.
#[derive(Clone)]
struct Answer {
    text: String,
    version: Option<String>,
}

impl Answer {
    /// Returns the whole text. If `secret` names a field, returns this field of the text.
    fn part(self, secret: &AwsSecret) -> Result<FetchedSecret, FetchError> {
        let Self { text, version } = self;
        let text = match &secret.field {
            None => text,
            Some(field) => field_of(&text, field)?,
        };
        let text = SecretString::from(text);
        Ok(FetchedSecret { text, version })
    }
}

struct Extension {
    client: Client,
    port: u16,
    token: String,
    ready_by: Instant,
}

impl Extension {
    fn of(vars: &Vars, ready_by: Instant) -> Result<Self, FetchError> {
        let set = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        let token = set(TOKEN_VARIABLE).ok_or(FetchError::NotOnLambda(TOKEN_VARIABLE))?;
        let port = set(PORT_VARIABLE).map_or(PORT, String::as_str);
        let port = port
            .parse()
            .map_err(|_| FetchError::BadPort(PORT_VARIABLE))?;
        let client =
            client::http_client().map_err(|problems| FetchError::NoClient(problems.to_string()))?;
        Ok(Self {
            client,
            port,
            token: token.clone(),
            ready_by,
        })
    }

    async fn fetch(&self, store: AwsStore, id: &str) -> Result<Answer, FetchError> {
        let unreachable = |problem: String| FetchError::Unreachable {
            port: self.port,
            problem,
        };
        let url = self
            .url(store, id)
            .map_err(|error| unreachable(error.to_string()))?;
        let header = [("x-aws-parameters-secrets-token", self.token.clone())];
        loop {
            let problem = match client::get(&self.client, &url, &header, REQUEST_TIMEOUT).await {
                Ok((200, body)) => return read_answer(store, &body),
                // While the extension starts, it answers with status 400 and this text. It has no
                // other status code for this case.
                Ok((400, body)) if String::from_utf8_lossy(&body).contains("not ready") => {
                    FetchError::NotReady
                }
                Ok((status @ 500.., _)) => FetchError::Unexpected(status),
                Ok((status @ (400 | 403 | 404), _)) => {
                    return Err(FetchError::Refused { store, status });
                }
                Ok((status, _)) => return Err(FetchError::Unexpected(status)),
                Err(failure) => unreachable(failure.to_string()),
            };
            if Instant::now() >= self.ready_by {
                return Err(problem);
            }
            sleep(PAUSE).await;
        }
    }

    fn url(&self, store: AwsStore, id: &str) -> Result<Url, impl std::error::Error> {
        let (path, query) = match store {
            AwsStore::SecretsManager => ("secretsmanager/get", vec![("secretId", id)]),
            AwsStore::ParameterStore => (
                "systemsmanager/parameters/get",
                vec![("name", id), ("withDecryption", "true")],
            ),
        };
        Url::parse_with_params(&format!("http://localhost:{}/{path}", self.port), query)
    }
}

/// Reads the secret from the response of its store's API.
fn read_answer(store: AwsStore, body: &[u8]) -> Result<Answer, FetchError> {
    let answer: Value = serde_json::from_slice(body).map_err(|_| FetchError::BadAnswer)?;
    let (text, version) = match store {
        AwsStore::SecretsManager => ("/SecretString", "/VersionId"),
        AwsStore::ParameterStore => ("/Parameter/Value", "/Parameter/Version"),
    };
    // Parameter Store numbers the versions, and Secrets Manager names them.
    let version = answer.pointer(version).map(|version| match version {
        Value::String(name) => name.clone(),
        number => number.to_string(),
    });
    let text = answer.pointer(text).and_then(Value::as_str);
    let text = text.ok_or(FetchError::NoText)?;
    Ok(Answer {
        text: text.to_owned(),
        version,
    })
}
