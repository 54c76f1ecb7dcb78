//! Calls the token service (STS, version 2018-08-13). `AssumeRole` and `GetCallerIdentity` are
//! signed with given credentials; `AssumeRoleWithWebIdentity` is not signed. Takes credentials, a
//! role, or both; returns the role's temporary credentials, or the root account of the given
//! credentials. Errors do not quote a successful answer, because it may be secret.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::environment::Environment;
use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials, Found, hide_keys};
use super::remote::Remote;
use crate::cloud::actions::Purpose;
use crate::cloud::client;
use crate::cloud::envelope;
use crate::cloud::error::{clip, not_sent};
use crate::cloud::request_headers::ApiRequest;
use crate::domain::{AccountId, CloudError, ErrorClass, Problem, ResultCode, Timestamp, http_date};

const VERSION: &str = "2018-08-13";
/// The region that the official SDKs use for this service. Roles do not belong to a region.
const REGION: &str = "ap-guangzhou";
const SESSION: &str = "sharehook";
/// Lifetime of a role's credentials. This is the documented default of 2 hours.
const SECONDS: u32 = 7_200;
const STS_TIMEOUT: Duration = Duration::from_secs(5);

/// The ARN of a role: `qcs::cam::uin/<owner>:roleName/<name>`, or the same with `role/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn(String);

impl FromStr for RoleArn {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        let parts = text
            .strip_prefix("qcs::cam::uin/")
            .and_then(|rest| rest.split_once(':'));
        let named = parts.is_some_and(|(owner, role)| {
            let role = role
                .strip_prefix("roleName/")
                .or_else(|| role.strip_prefix("role/"));
            let digits =
                !owner.is_empty() && owner.len() <= 20 && owner.bytes().all(|b| b.is_ascii_digit());
            digits
                && role.is_some_and(|r| {
                    (1..=128).contains(&r.len()) && r.bytes().all(|b| b.is_ascii_graphic())
                })
        });
        if named {
            return Ok(Self(text.to_owned()));
        }
        let remedy =
            "copy the role's ARN from the console: qcs::cam::uin/100000000001:roleName/sharehook";
        Err(Problem::new(
            "role_arn",
            format!(
                "{} is not the ARN of a role",
                clip(&format!("{text:?}"), 80)
            ),
            remedy,
        ))
    }
}

impl RoleArn {
    fn owner(&self) -> Option<String> {
        let (owner, _) = self.0.strip_prefix("qcs::cam::uin/")?.split_once(':')?;
        Some(owner.to_owned())
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A role to assume, and the session name that the cloud's audit trail shows.
#[derive(Debug, Clone)]
pub(super) struct Session {
    role: RoleArn,
    name: String,
}

impl Session {
    /// Creates a session, or returns `None` unless the name has 1 to 128 visible ASCII characters.
    pub(super) fn new(role: RoleArn, name: &str) -> Option<Self> {
        let right = (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic());
        right.then(|| Self {
            role,
            name: name.to_owned(),
        })
    }
}

impl From<RoleArn> for Session {
    fn from(role: RoleArn) -> Self {
        Self {
            role,
            name: SESSION.to_owned(),
        }
    }
}

pub(super) async fn assume(
    remote: &Remote,
    base: &Credentials,
    session: &Session,
) -> Result<Credentials, CredentialsError> {
    let Session { role, name } = session;
    let body = json!({ "RoleArn": role.0, "RoleSessionName": name, "DurationSeconds": SECONDS });
    let call = Call {
        remote,
        action: "AssumeRole",
        region: REGION,
        place: format!("role {role}, assumed with {}", base.source.in_words()),
        signer: Some(base),
        secrets: base.secrets(),
        body: body.to_string().into_bytes(),
    };
    let assumed = call.send(CredentialSource::AssumedRole).await?;
    Ok(Credentials {
        owner: role.owner(),
        ..assumed
    })
}

/// Returns the credentials of the role that TKE assigns to this pod. Returns `None` if none of
/// TKE's variables is set, or only `TKE_REGION`. Reads the token file at each look-up, because TKE
/// replaces the file.
pub(super) async fn with_web_identity(
    remote: &Remote,
    environment: &Environment,
    looked: &mut Vec<String>,
) -> Found {
    const NAMES: [&str; 4] = [
        "TKE_REGION",
        "TKE_PROVIDER_ID",
        "TKE_WEB_IDENTITY_TOKEN_FILE",
        "TKE_ROLE_ARN",
    ];
    let values = NAMES.map(|name| environment.variable(name));
    let place = NAMES.join("/");
    let [Some(region), Some(provider), Some(file), Some(role)] = values else {
        let missing: Vec<&str> = NAMES
            .into_iter()
            .filter(|name| environment.variable(name).is_none())
            .collect();
        if missing.len() == NAMES.len()
            || missing
                == [
                    "TKE_PROVIDER_ID",
                    "TKE_WEB_IDENTITY_TOKEN_FILE",
                    "TKE_ROLE_ARN",
                ]
        {
            looked.push(place);
            return Ok(None);
        }
        return Err(unusable(&place, format!("not set: {}", missing.join(", "))));
    };
    let role: RoleArn = role
        .parse()
        .map_err(|problem: Problem| unusable("TKE_ROLE_ARN", problem.to_string()))?;
    if !region
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    {
        return Err(unusable("TKE_REGION", "the value is not a region"));
    }
    let path = std::path::Path::new(file);
    let Some(token) = environment.read_file(path)? else {
        return Err(unusable(file, "the file does not exist"));
    };
    let token = token.trim();
    let body = json!({
        "ProviderId": provider,
        "WebIdentityToken": token,
        "RoleArn": role.0,
        "RoleSessionName": SESSION,
        "DurationSeconds": SECONDS,
    });
    let call = Call {
        remote,
        action: "AssumeRoleWithWebIdentity",
        region,
        place: format!("role {role} of this pod"),
        signer: None,
        secrets: vec![token],
        body: body.to_string().into_bytes(),
    };
    let exchanged = call.send(CredentialSource::TkeIdentity).await?;
    Ok(Some(Credentials {
        owner: role.owner(),
        ..exchanged
    }))
}

/// Asks the token service for the root account of `credentials`.
pub(super) async fn caller(
    remote: &Remote,
    credentials: &Credentials,
) -> Result<AccountId, CloudError> {
    let call = Call {
        remote,
        action: "GetCallerIdentity",
        region: REGION,
        place: "the key in use".to_owned(),
        signer: Some(credentials),
        secrets: credentials.secrets(),
        body: b"{}".to_vec(),
    };
    let answer = call.answer().await?;
    let account = answer.get("AccountId").and_then(Value::as_str);
    account
        .and_then(|account| account.parse().ok())
        .ok_or_else(|| {
            let problem = "the answer to GetCallerIdentity names no root account".to_owned();
            not_sent(ResultCode::BadAnswer, problem, "report this")
        })
}

struct Call<'a> {
    remote: &'a Remote,
    action: &'static str,
    region: &'a str,
    /// The role or the key that the call is about, for messages.
    place: String,
    /// The credentials that sign the call. `None` for a web identity.
    signer: Option<&'a Credentials>,
    /// The secrets of the request. The answer may quote them.
    secrets: Vec<&'a str>,
    body: Vec<u8>,
}

impl Call<'_> {
    /// Sends the call. If the cloud answers that this machine's clock is wrong, sends the call once
    /// more with the cloud's time.
    async fn answer(&self) -> Result<Map<String, Value>, CloudError> {
        match self.once(self.remote.now()).await {
            (Err(error), Some(theirs)) if error.class == ErrorClass::Clock => {
                self.once(theirs).await.0
            }
            (answer, _) => answer,
        }
    }

    async fn send(&self, source: CredentialSource) -> Result<Credentials, CredentialsError> {
        self.answer()
            .await
            .map_err(|error| self.error(&error))
            .and_then(|answer| self.read(source, &answer))
    }

    /// Sends the call once, with the time `now`. Returns the answer's fields or the error, and the
    /// cloud's time if the answer has it.
    async fn once(
        &self,
        now: Timestamp,
    ) -> (Result<Map<String, Value>, CloudError>, Option<Timestamp>) {
        let endpoint = &self.remote.sts;
        let headers = ApiRequest {
            service: "sts",
            version: VERSION,
            action: self.action,
            region: self.region,
            host: &endpoint.host,
            body: &self.body,
            timestamp: now,
            signer: self.signer,
        }
        .headers();
        let (client, body) = (&self.remote.client, self.body.clone());
        let sent = client::post(client, &endpoint.url, &headers, body, STS_TIMEOUT);
        match self.remote.wait_for(&endpoint.host, sent).await {
            Ok(incoming) => {
                let theirs = incoming.date.and_then(|date| http_date(&date));
                let body = hide_keys(&incoming.body, &self.secrets);
                let opened = envelope::open(incoming.status, &body, Purpose::Read);
                (opened.map(|answered| answered.answer), theirs)
            }
            Err(failure) => {
                let problem = format!("{}: {failure}", endpoint.host);
                (Err(failure.error(&problem, Purpose::Read)), None)
            }
        }
    }

    /// Converts the error of a call. Omits the text of an unreadable answer, because it may contain
    /// secrets.
    fn error(&self, error: &CloudError) -> CredentialsError {
        let problem = match error.own_code() {
            Some(ResultCode::BadAnswer | ResultCode::HttpStatus) => {
                format!(
                    "the answer to {} does not have the API's format",
                    self.action
                )
            }
            Some(ResultCode::ConnectFailed | ResultCode::Timeout | ResultCode::ConnectionLost) => {
                format!("{}: {}", self.action, error.message)
            }
            _ => format!("{}: {}: {}", self.action, error.code, error.message),
        };
        if error.class.passing() {
            return CredentialsError::Unreachable {
                place: self.place.clone(),
                problem,
                unconnected: error.own_code() == Some(ResultCode::ConnectFailed),
            };
        }
        unusable(&self.place, problem)
    }

    fn read(
        &self,
        source: CredentialSource,
        answer: &Map<String, Value>,
    ) -> Result<Credentials, CredentialsError> {
        let keys = answer.get("Credentials").unwrap_or(&Value::Null);
        source.temporary(&self.place, keys, answer.get("ExpiredTime"))
    }
}
