//! The credentials of the CVM's role. In: the machine's metadata service. Out: temporary
//! credentials, or nothing when this machine is no CVM or has no role. The address is fixed; a
//! replacement must be on loopback. Source: cloud.tencent.com/document/product/213/4934.

use std::time::Duration;

use serde_json::Value;

use super::environment::{Environment, METADATA_ENDPOINT};
use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials, Found};
use super::remote::Remote;
use crate::cloud::client::{self, Url};
use crate::cloud::endpoint::is_loopback;
use crate::domain::Timestamp;

/// Terraform's variable for the role's name. Without it, the metadata service gives the name.
const ROLE_VARIABLE: &str = "TENCENTCLOUD_CAM_ROLE_NAME";
const ENDPOINT: &str = "http://metadata.tencentyun.com";
const PATH: &str = "latest/meta-data/cam/security-credentials/";
/// Short, so that the look-up fails soon on other machines; on a CVM the service answers within
/// milliseconds.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// The credentials of this machine's role.
pub(super) async fn of_machine(
    remote: &Remote,
    environment: &Environment,
    looked: &mut Vec<String>,
) -> Found {
    let endpoint = environment.variable(METADATA_ENDPOINT).unwrap_or(ENDPOINT);
    if endpoint == "off" {
        looked.push(format!("the CVM's role ({METADATA_ENDPOINT} is off)"));
        return Ok(None);
    }
    let base = address(endpoint)?;
    let place = base.to_string();
    let role = match environment.variable(ROLE_VARIABLE) {
        Some(role) => role.to_owned(),
        None => match ask(remote, &base).await {
            Ok((200, body)) => String::from_utf8_lossy(&body)
                .lines()
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned(),
            Ok((status, _)) => {
                looked.push(format!(
                    "the CVM's role at {place} (HTTP {status}, no role)"
                ));
                return Ok(None);
            }
            Err(problem) => {
                looked.push(format!("the CVM's role at {place} ({problem})"));
                return Ok(None);
            }
        },
    };
    if role.is_empty() {
        looked.push(format!("the CVM's role at {place} (no role)"));
        return Ok(None);
    }
    let named = role.len() <= 128
        && role
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b));
    let url = base
        .join(&role)
        .ok()
        .filter(|_| named && !role.starts_with('.'));
    let Some(url) = url else {
        return Err(unusable(&place, "the answer is not the name of a role"));
    };
    let place = url.to_string();
    match ask(remote, &url).await {
        Ok((200, body)) => read(&place, &body).map(Some),
        Ok((status, _)) if status < 500 => {
            Err(unusable(&place, format!("the answer is HTTP {status}")))
        }
        Ok((status, _)) => Err(unreachable(place, format!("the answer is HTTP {status}"))),
        Err(problem) => Err(unreachable(place, problem)),
    }
}

fn address(endpoint: &str) -> Result<Url, CredentialsError> {
    let url = Url::parse(endpoint)
        .ok()
        .and_then(|url| url.join(&format!("/{PATH}")).ok());
    let right = url.filter(|url| {
        let loopback = url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
        endpoint == ENDPOINT || loopback
    });
    right.ok_or_else(|| {
        unusable(
            METADATA_ENDPOINT,
            "the value is neither off nor an http address on loopback",
        )
    })
}

async fn ask(remote: &Remote, url: &Url) -> Result<(u16, Vec<u8>), String> {
    client::get(&remote.direct, url, &[], METADATA_TIMEOUT).await
}

fn unreachable(place: String, problem: String) -> CredentialsError {
    CredentialsError::Unreachable { place, problem }
}

/// Reads the credentials. Errors contain nothing of the body, because all of it is secret.
fn read(place: &str, body: &[u8]) -> Result<Credentials, CredentialsError> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| unusable(place, "the answer is not JSON"))?;
    let text = |field: &str| answer.get(field).and_then(Value::as_str);
    if text("Code") != Some("Success") {
        return Err(unreachable(
            place.to_owned(),
            "the answer has no Code \"Success\"".to_owned(),
        ));
    }
    let expires = answer.get("ExpiredTime").and_then(Value::as_i64);
    let expires = expires.and_then(|seconds| Timestamp::from_second(seconds).ok());
    let Some(expires) = expires else {
        return Err(unusable(place, "the answer has no ExpiredTime"));
    };
    let (id, key, token) = (text("TmpSecretId"), text("TmpSecretKey"), text("Token"));
    let credentials = CredentialSource::CvmRole.checked(place.to_owned(), id, key, token)?;
    Ok(Credentials {
        expires: Some(expires),
        ..credentials
    })
}
