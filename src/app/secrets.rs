//! Fetches secrets in AWS through the AWS Parameters and Secrets Lambda Extension, one local request
//! each, before the configuration is read. In: the configuration's text and the variables. Out: the
//! variables with each secret, or the reason why it is missing. Source:
//! docs.aws.amazon.com/secretsmanager/latest/userguide/retrieving-secrets_lambda.html.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::cloud::client::{self, Client, Url};
use crate::config::{AwsSecret, AwsStore, Vars, aws_secrets};

const TOKEN_VARIABLE: &str = "AWS_SESSION_TOKEN";
const PORT_VARIABLE: &str = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT";
const PORT: &str = "2773";
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait for the extension, which starts beside this program.
const READY_WITHIN: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_millis(50);

/// Fetches every secret in AWS that the configuration names, each once.
pub async fn fetch_secrets(config: &str, vars: &mut Vars) {
    let wanted = aws_secrets(config);
    if wanted.is_empty() {
        return;
    }
    let extension = Extension::of(vars);
    let mut texts: BTreeMap<(AwsStore, String), Result<String, String>> = BTreeMap::new();
    for secret in &wanted {
        let key = (secret.store, secret.id.clone());
        if !texts.contains_key(&key) {
            let text = match &extension {
                Ok(extension) => extension.fetch(secret).await,
                Err(problem) => Err(problem.clone()),
            };
            texts.insert(key.clone(), text);
        }
        let text = texts
            .get(&key)
            .cloned()
            .unwrap_or_else(|| Err("it was not asked for".to_owned()));
        let outcome = text.and_then(|text| match &secret.field {
            None => Ok(text),
            Some(field) => field_of(&text, field),
        });
        secret.hand_in(outcome, vars);
    }
}

/// One field of a secret that is a JSON object. Errors show nothing of its text.
fn field_of(text: &str, field: &str) -> Result<String, String> {
    let object: Value = serde_json::from_str(text)
        .map_err(|_| format!("it is not JSON, so it has no field {field}; leave out #{field}"))?;
    let value = object
        .get(field)
        .ok_or_else(|| format!("it has no field {field}"))?;
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("its field {field} is not text"))
}

struct Extension {
    client: Client,
    port: u16,
    token: String,
    ready_by: Instant,
}

impl Extension {
    fn of(vars: &Vars) -> Result<Self, String> {
        let set = |name: &str| vars.get(name).filter(|value| !value.is_empty());
        let token = set(TOKEN_VARIABLE).ok_or_else(|| {
            format!(
                "{TOKEN_VARIABLE} is not set; only on Lambda is there an extension that fetches it"
            )
        })?;
        let port = set(PORT_VARIABLE).map_or(PORT, String::as_str);
        let port = port
            .parse()
            .map_err(|_| format!("{PORT_VARIABLE} is not a port"))?;
        let client = client::http_client().map_err(|problems| problems.to_string())?;
        let ready_by = Instant::now() + READY_WITHIN;
        Ok(Self {
            client,
            port,
            token: token.clone(),
            ready_by,
        })
    }

    /// The secret's text.
    async fn fetch(&self, secret: &AwsSecret) -> Result<String, String> {
        let url = self.url(secret)?;
        let header = [("x-aws-parameters-secrets-token", self.token.clone())];
        loop {
            let problem = match client::get(&self.client, &url, &header, REQUEST_TIMEOUT).await {
                Ok((200, body)) => return text_of(secret.store, &body),
                // The extension has no status code for this, only a text.
                Ok((400, body)) if String::from_utf8_lossy(&body).contains("not ready") => {
                    "the extension is not ready".to_owned()
                }
                Ok((status, _)) => return Err(refused(secret.store, status)),
                Err(problem) => {
                    format!(
                        "the extension on port {} gives {problem}; is its layer attached?",
                        self.port
                    )
                }
            };
            if Instant::now() >= self.ready_by {
                return Err(problem);
            }
            sleep(PAUSE).await;
        }
    }

    fn url(&self, secret: &AwsSecret) -> Result<Url, String> {
        let (path, name) = match secret.store {
            AwsStore::SecretsManager => ("secretsmanager/get", "secretId"),
            AwsStore::ParameterStore => ("systemsmanager/parameters/get", "name"),
        };
        let mut url = Url::parse(&format!("http://localhost:{}/{path}", self.port))
            .map_err(|e| e.to_string())?;
        url.query_pairs_mut().append_pair(name, &secret.id);
        if secret.store == AwsStore::ParameterStore {
            url.query_pairs_mut().append_pair("withDecryption", "true");
        }
        Ok(url)
    }
}

fn refused(store: AwsStore, status: u16) -> String {
    let action = match store {
        AwsStore::SecretsManager => "secretsmanager:GetSecretValue",
        AwsStore::ParameterStore => "ssm:GetParameter",
    };
    format!(
        "the extension answers HTTP {status}; check the name, and that the function's role may {action} (and kms:Decrypt, for a key of your own)"
    )
}

/// Takes the secret out of the answer of its store's API.
fn text_of(store: AwsStore, body: &[u8]) -> Result<String, String> {
    let answer: Value = serde_json::from_slice(body)
        .map_err(|_| "the extension's answer is not JSON".to_owned())?;
    let text = match store {
        AwsStore::SecretsManager => answer.get("SecretString"),
        AwsStore::ParameterStore => answer
            .get("Parameter")
            .and_then(|parameter| parameter.get("Value")),
    };
    text.and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| "it holds no text".to_owned())
}
