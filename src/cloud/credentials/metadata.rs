//! Finds the credentials of the CVM's role. Asks the machine's metadata service; returns temporary
//! credentials, or nothing if this machine seems to have no role. The service's address is fixed.
//! Only an address on loopback can replace it. Source: cloud.tencent.com/document/product/213/4934.

use std::time::Duration;

use serde_json::Value;

use super::environment::{Environment, METADATA_ENDPOINT};
use super::error::{CredentialsError, unusable};
use super::key::{CredentialSource, Credentials, Found};
use super::remote::Remote;
use crate::cloud::client::{self, Url};
use crate::domain::is_loopback;

/// Terraform's variable for the role's name. If it is not set, this program asks the metadata
/// service for the name.
const ROLE_VARIABLE: &str = "TENCENTCLOUD_CAM_ROLE_NAME";
const ENDPOINT: &str = "http://metadata.tencentyun.com";
const PATH: &str = "latest/meta-data/cam/security-credentials/";
/// Time limit of a request. On a CVM, the service answers within milliseconds. On other machines,
/// the look-up must fail soon.
const METADATA_TIMEOUT: Duration = Duration::from_secs(2);

/// For example, the service answers with HTTP 500 or above, or it does not return the credentials
/// of a role whose name is known.
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
        Some(role) => Ok(role.to_owned()),
        None => match ask(remote, &base).await {
            Ok((200, body)) => {
                let text = String::from_utf8_lossy(&body);
                Ok(text.lines().next().unwrap_or_default().trim().to_owned())
            }
            // The service is there, so a later look-up may find the role.
            Ok((status, _)) if status >= 500 => return Err(failing(&place, status)),
            Ok((status, _)) => Err(format!("HTTP {status}, so no role")),
            Err(failure) => Err(failure.to_string()),
        },
    };
    let named = role.and_then(|role| match role.is_empty() {
        true => Err("no role".to_owned()),
        false => Ok(role),
    });
    let role = match named {
        Ok(role) => role,
        Err(problem) => {
            looked.push(format!("the CVM's role at {place} ({problem})"));
            return Ok(None);
        }
    };
    let named = role.len() <= 128
        && role
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b));
    let url = base
        .join(&role)
        .ok()
        .filter(|_| named && !role.starts_with('.'));
    let Some(url) = url else {
        return Err(match environment.variable(ROLE_VARIABLE) {
            Some(_) => unusable(ROLE_VARIABLE, "the value is not the name of a role"),
            None => unusable(&place, "the answer is not the name of a role"),
        });
    };
    let place = url.to_string();
    match ask(remote, &url).await {
        Ok((200, body)) => read(&place, &body).map(Some),
        Ok((status, _)) if status < 500 => {
            Err(unusable(&place, format!("the answer is HTTP {status}")))
        }
        Ok((status, _)) => Err(failing(&place, status)),
        Err(failure) => Err(CredentialsError::Unreachable {
            // On a machine that is not a CVM, the fixed address often leads nowhere, and the
            // request times out. On a CVM, the service answers long before the time limit.
            unconnected: matches!(
                failure,
                client::Failure::NotConnected(_) | client::Failure::Timeout(_)
            ),
            problem: failure.to_string(),
            place,
        }),
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

async fn ask(remote: &Remote, url: &Url) -> Result<(u16, Vec<u8>), client::Failure> {
    let answer = client::get(&remote.client, url, &[], METADATA_TIMEOUT);
    remote.wait_for(url.as_str(), answer).await
}

fn failing(place: &str, status: u16) -> CredentialsError {
    unreachable(place, format!("the answer is HTTP {status}"))
}

fn unreachable(place: &str, problem: impl Into<String>) -> CredentialsError {
    CredentialsError::Unreachable {
        place: place.to_owned(),
        problem: problem.into(),
        unconnected: false,
    }
}

/// Reads the credentials in `body`. Errors quote nothing of `body`, because all of it is secret.
fn read(place: &str, body: &[u8]) -> Result<Credentials, CredentialsError> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|_| unusable(place, "the answer is not JSON"))?;
    if answer.get("Code").and_then(Value::as_str) != Some("Success") {
        return Err(unreachable(place, "the answer has no Code \"Success\""));
    }
    CredentialSource::CvmRole.temporary(place, &answer, answer.get("ExpiredTime"))
}
