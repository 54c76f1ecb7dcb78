//! Fetches instances from Feishu and Lark with the customer's own app. In: a source's `fetch` and the code
//! of an instance. Out: the instance, or why it cannot be fetched now. The host is configuration; of an
//! event only the code of the instance reaches the address, after a check of its form.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use crate::cloud::client::{self, Client, Outgoing};
use crate::config::FetchConfig;
use crate::domain::{SourceName, Timestamp, shown};

use super::Deadline;
use super::context::left;

/// Time limit of one call.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Between two calls: Feishu allows 50 a second.
const BETWEEN_CALLS: Duration = Duration::from_millis(25);
/// How long before its end a token is replaced.
const RENEWAL: SignedDuration = SignedDuration::from_mins(10);
/// The pause after a failed renewal. Until then its failure answers for the next ones.
const PAUSE_OF_RENEWAL: Duration = Duration::from_secs(5);
/// The largest token that is kept, in bytes.
const MAX_TOKEN: usize = 4_096;
/// Feishu's code for a token that it does not accept.
const BAD_TOKEN: i64 = 99_991_663;

/// The client, and the newest token of each source's app.
#[derive(Debug)]
pub(super) struct Instances {
    client: Client,
    renewals: std::sync::Mutex<BTreeMap<SourceName, Arc<Mutex<Renewal>>>>,
    next_call: Mutex<Instant>,
}

/// What the renewals of one app's token left. Its lock is held during a renewal, so that one renewal serves
/// all fetches of the source that wait; other sources do not wait.
#[derive(Debug, Default)]
struct Renewal {
    newest: Option<Token>,
    failed: Option<(Unfetched, Instant)>,
}

#[derive(Debug, Clone)]
struct Token {
    text: SecretString,
    renew_at: Timestamp,
}

/// An answer of the API, as far as it is read.
#[derive(Deserialize)]
struct Answer {
    code: i64,
    #[serde(default)]
    msg: String,
    /// The instance.
    #[serde(default)]
    data: Value,
    #[serde(default)]
    tenant_access_token: String,
    /// Seconds.
    #[serde(default)]
    expire: i64,
}

/// Why an instance cannot be fetched now. Contains no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(super) struct Unfetched {
    why: String,
    /// The API does not accept the token.
    bad_token: bool,
}

impl Unfetched {
    fn because(why: String) -> Self {
        Self {
            why,
            bad_token: false,
        }
    }
}

impl Instances {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            renewals: std::sync::Mutex::default(),
            next_call: Mutex::new(Instant::now()),
        }
    }

    /// The instance of this code.
    pub(super) async fn fetch(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        code: &str,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<Value, Unfetched> {
        let path = format!("/open-apis/approval/v4/instances/{code}");
        let mut rejected: Option<SecretString> = None;
        loop {
            let token = self.token(source, fetch, rejected.as_ref(), (now, deadline));
            let token = token.await?;
            let bearer = format!("Bearer {}", token.expose_secret());
            let headers = vec![("authorization".to_owned(), bearer)];
            let answer = self.call(fetch, ("GET", &path), headers, None, deadline);
            match answer.await {
                Err(refused) if refused.bad_token && rejected.is_none() => rejected = Some(token),
                end => return end.map(|answer| answer.data),
            }
        }
    }

    /// The app's token, another one than the API has just rejected.
    async fn token(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        rejected: Option<&SecretString>,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<SecretString, Unfetched> {
        let renewal = self.renewal(source);
        let Ok(mut renewal) = timeout(left(deadline), renewal.lock()).await else {
            let why = "the time ran out while another fetch renewed the token of the app";
            return Err(Unfetched::because(why.to_owned()));
        };
        let rejected = rejected.map(|token| token.expose_secret());
        let usable =
            |token: &&Token| token.renew_at > now && rejected != Some(token.text.expose_secret());
        if let Some(token) = renewal.newest.as_ref().filter(usable) {
            return Ok(token.text.clone());
        }
        if let Some((failure, until)) = &renewal.failed
            && Instant::now() < *until
        {
            return Err(failure.clone());
        }
        match self.new_token(fetch, (now, deadline)).await {
            Ok(token) => {
                let text = token.text.clone();
                *renewal = Renewal {
                    newest: Some(token),
                    failed: None,
                };
                Ok(text)
            }
            Err(failure) => {
                let until = Instant::now() + PAUSE_OF_RENEWAL;
                renewal.failed = Some((failure.clone(), until));
                Err(failure)
            }
        }
    }

    fn renewal(&self, source: &SourceName) -> Arc<Mutex<Renewal>> {
        let renewals = self.renewals.lock();
        let mut renewals = renewals.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(renewals.entry(source.clone()).or_default())
    }

    async fn new_token(
        &self,
        fetch: &FetchConfig,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<Token, Unfetched> {
        let secret = fetch.app_secret.expose_secret();
        let body = json!({ "app_id": fetch.app_id, "app_secret": secret });
        let path = "/open-apis/auth/v3/tenant_access_token/internal";
        let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        let answer = self
            .call(fetch, ("POST", path), headers, Some(body), deadline)
            .await?;
        let text = answer.tenant_access_token;
        if text.is_empty() || text.len() > MAX_TOKEN {
            return Err(Unfetched::because("no token was given".to_owned()));
        }
        let lasts = SignedDuration::from_secs(answer.expire);
        let renew_at = lasts.saturating_sub(RENEWAL);
        Ok(Token {
            text: text.into(),
            renew_at: now.checked_add(renew_at).unwrap_or(now),
        })
    }

    /// One call. Every answer of the API has a `code`, which is 0 for success.
    async fn call(
        &self,
        fetch: &FetchConfig,
        (method, path): (&'static str, &str),
        headers: Vec<(String, String)>,
        body: Option<Value>,
        deadline: Deadline,
    ) -> Result<Answer, Unfetched> {
        let url = fetch.address.join(path);
        let url = url.map_err(|error| Unfetched::because(error.to_string()))?;
        self.pace().await;
        let outgoing = Outgoing {
            method,
            url,
            headers,
            body: body
                .map(|body| body.to_string().into_bytes())
                .unwrap_or_default(),
        };
        let longest = MAX_TIME.min(left(deadline));
        let answer = client::send(&self.client, outgoing, longest).await;
        let answer = answer.map_err(|failure| Unfetched::because(failure.to_string()))?;
        let read: Option<Answer> = serde_json::from_slice(&answer.body).ok();
        match read {
            Some(read) if answer.status == 200 && read.code == 0 => Ok(read),
            Some(Answer { code, msg, .. }) => Err(Unfetched {
                why: format!("{} answers {code}: {}", fetch.preset.as_str(), shown(&msg)),
                bad_token: code == BAD_TOKEN,
            }),
            None => Err(Unfetched::because(format!(
                "{} answers HTTP {} without a code",
                fetch.preset.as_str(),
                answer.status
            ))),
        }
    }

    async fn pace(&self) {
        let mut next = self.next_call.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + BETWEEN_CALLS;
    }
}
