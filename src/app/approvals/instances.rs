//! Calls the APIs of approval systems as the app that the customer registered there. Takes a
//! source's `fetch` and a call built by `inbound::approvals`; returns the answer, or why there is
//! none now. Holds and renews the token of each source's app, and paces the calls. The host of an
//! address comes from the configuration. An event adds only the instance's code, whose form was
//! checked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use crate::app::Deadline;
use crate::app::context::left;
use crate::cloud::client::{self, Client, Outgoing};
use crate::config::FetchConfig;
use crate::domain::{SourceName, Timestamp};
use crate::inbound::{
    ApiCall, InstanceState, Listing, Named, Query, Rejected, Rejection, Said, hide,
};
use crate::telemetry::current;

/// Time limit of one call.
pub(super) const MAX_TIME: Duration = Duration::from_secs(10);
/// How long before its expiry a token is replaced.
const RENEWAL: SignedDuration = SignedDuration::from_mins(10);
/// The pause after a failed renewal. Until it has passed, further renewals return that failure.
const PAUSE_OF_RENEWAL: Duration = Duration::from_secs(5);
/// The most pages of a list that are searched for one instance. Each call lists only instances that
/// began between one minute before and two minutes after this one.
const MAX_PAGES: usize = 5;
/// The longest token that is accepted, in bytes.
const MAX_TOKEN: usize = 4_096;

#[derive(Debug)]
pub(in crate::app) struct Instances {
    client: Client,
    apps: parking_lot::Mutex<BTreeMap<SourceName, (AppDigest, Arc<Access>)>>,
}

/// SHA-256 over an app's id, secret and address. After a reload that changes one of them, the old
/// token is not used any more.
type AppDigest = [u8; 32];

/// One source's access to its system. Each source has its own, so that no source waits for another.
#[derive(Debug, Default)]
struct Access {
    /// Locked during a renewal, so that one renewal serves all calls that wait.
    renewal: Mutex<Renewal>,
    next_call: Mutex<Option<Instant>>,
}

/// The newest token of an app, and the last failed renewal with the end of its pause.
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

/// Why an instance cannot be fetched now. Contains no secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{why}")]
pub(in crate::app) struct Unfetched {
    why: String,
    pub(in crate::app) kind: Rejection,
}

impl Unfetched {
    pub(super) fn because(why: String) -> Self {
        Self {
            why,
            kind: Rejection::Other,
        }
    }

    /// Makes the error of a rejected call. `secrets`: what the API may have repeated of the call.
    pub(super) fn rejected(by: &str, rejected: &Rejected, secrets: &[&str]) -> Self {
        Self {
            why: format!("{by} {}", rejected.reason(|text| hide(text, secrets))),
            kind: rejected.kind,
        }
    }
}

impl Instances {
    pub(in crate::app) fn new(client: Client) -> Self {
        Self {
            client,
            apps: parking_lot::Mutex::default(),
        }
    }

    pub(super) async fn fetch(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        named: &Named,
        at: (Timestamp, Deadline),
    ) -> Result<Value, Unfetched> {
        let system = fetch.preset.system();
        let call = (system.instance)(&named.instance);
        let answer = self.as_app(source, fetch, &call, at).await?;
        let instance = system.instance_of(answer).ok_or_else(|| {
            Unfetched::because(format!("{}'s answer contains no instance", fetch.preset))
        })?;
        // An approved instance does not confirm a withdrawal, whatever its definition is.
        if let (Some(begun), Some(listing)) = (system.begun, &system.listing)
            && named.said == Said::Approved
            && matches!(
                (system.state)(named, instance.clone()),
                InstanceState::Approved(_) | InstanceState::Withdraws(_)
            )
        {
            let begun = begun(&instance);
            let none = || {
                let why = "the instance's start time is missing or unreadable, so the instance cannot be looked up in the list of its definition's instances";
                Unfetched::because(why.to_owned())
            };
            let call = (source, fetch, at);
            self.confirm(call, listing, named, begun.ok_or_else(none)?)
                .await?;
        }
        Ok(instance)
    }

    /// Confirms the definition that the event names for an instance. The instance itself names no
    /// definition, so the list of the definition's instances must contain it.
    async fn confirm(
        &self,
        (source, fetch, at): (&SourceName, &FetchConfig, (Timestamp, Deadline)),
        listing: &Listing,
        named: &Named,
        begun: Timestamp,
    ) -> Result<(), Unfetched> {
        let minute = SignedDuration::from_mins(1);
        let mut cursor: Option<String> = None;
        let mut says = listing.says.iter();
        let status = says.find(|(said, _)| *said == named.said);
        let status = status.map_or("", |(_, status)| *status);
        for _ in 0..MAX_PAGES {
            let call = (listing.page)(&Query {
                definition: &named.definition,
                status,
                from: begun.checked_sub(minute).unwrap_or(begun),
                to: begun.checked_add(minute * 2).unwrap_or(begun),
                cursor: cursor.as_deref(),
            });
            let page = (listing.read)(&self.as_app(source, fetch, &call, at).await?);
            if page
                .instances
                .iter()
                .any(|one| one.instance == named.instance)
            {
                return Ok(());
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let why = format!(
            "the list of the instances of definition {} does not contain the instance",
            named.definition
        );
        Err(Unfetched::because(why))
    }

    /// Makes a call as the app of this source. If the API rejects the token, renews it and repeats
    /// the call once.
    pub(in crate::app) async fn as_app(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        call: &ApiCall,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<Value, Unfetched> {
        let access = self.access(source, fetch);
        let mut rejected: Option<SecretString> = None;
        loop {
            let token = self.token(&access, fetch, rejected.as_ref(), (now, deadline));
            let token = token.await?;
            let call = (fetch.preset.system().with_token)(call.clone(), token.expose_secret());
            match self
                .call(&access, fetch, call, Some(&token), deadline)
                .await
            {
                Err(refused) if refused.kind == Rejection::BadToken && rejected.is_none() => {
                    rejected = Some(token);
                }
                end => return end,
            }
        }
    }

    /// Gets a token for the app, unless it has a usable one.
    pub(in crate::app) async fn sign_in(
        &self,
        source: &SourceName,
        fetch: &FetchConfig,
        at: (Timestamp, Deadline),
    ) -> Result<(), Unfetched> {
        let access = self.access(source, fetch);
        self.token(&access, fetch, None, at).await.map(drop)
    }

    fn access(&self, source: &SourceName, fetch: &FetchConfig) -> Arc<Access> {
        let mut hash = Sha256::new();
        let address = fetch.address.join("").map(|url| url.to_string());
        let address = address.unwrap_or_default();
        for part in [&fetch.app_id, &address, fetch.app_secret.expose_secret()] {
            hash.update(part);
            hash.update([0]);
        }
        self.access_of(source, hash.finalize().into())
    }

    /// Waits until the next call for a source without an app may be made.
    pub(super) async fn pace(&self, source: &SourceName, between_calls: Duration) {
        let access = self.access_of(source, AppDigest::default());
        access.pace(between_calls).await;
    }

    fn access_of(&self, source: &SourceName, app: AppDigest) -> Arc<Access> {
        let mut apps = self.apps.lock();
        let (known, access) = apps.entry(source.clone()).or_default();
        if *known != app {
            (*known, *access) = (app, Arc::default());
        }
        Arc::clone(access)
    }

    /// Returns the app's token. Renews the token if it is about to expire, or if the API has just
    /// refused it (`rejected`).
    async fn token(
        &self,
        access: &Access,
        fetch: &FetchConfig,
        rejected: Option<&SecretString>,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<SecretString, Unfetched> {
        let Ok(mut renewal) = timeout(left(deadline), access.renewal.lock()).await else {
            let why = "the time ran out while another fetch renewed the app's token; the next attempt uses that token";
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
        match self.new_token(access, fetch, (now, deadline)).await {
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

    async fn new_token(
        &self,
        access: &Access,
        fetch: &FetchConfig,
        (now, deadline): (Timestamp, Deadline),
    ) -> Result<Token, Unfetched> {
        let system = fetch.preset.system();
        let call = (system.token)(&fetch.app_id, fetch.app_secret.expose_secret());
        let answer = self.call(access, fetch, call, None, deadline).await?;
        let usable = |text: &str| !text.is_empty() && text.len() <= MAX_TOKEN;
        let token = system
            .token_of(&answer)
            .filter(|token| usable(token.text.expose_secret()))
            .ok_or_else(|| {
                Unfetched::because(format!("{}'s answer has no usable token", fetch.preset))
            })?;
        let lasts = SignedDuration::from_secs(token.lasts);
        let renew_at = lasts.saturating_sub(RENEWAL);
        Ok(Token {
            text: token.text,
            renew_at: now.checked_add(renew_at).unwrap_or(now),
        })
    }

    async fn call(
        &self,
        access: &Access,
        fetch: &FetchConfig,
        call: ApiCall,
        token: Option<&SecretString>,
        deadline: Deadline,
    ) -> Result<Value, Unfetched> {
        let url = fetch.address.join(&call.path);
        let url = url.map_err(|error| Unfetched::because(error.to_string()))?;
        let system = fetch.preset.system();
        access.pace(system.between_calls).await;
        let mut headers = call.headers;
        let trace = current().map(|trace| ("traceparent".to_owned(), trace.traceparent()));
        headers.extend(trace);
        let mut body = Vec::new();
        if let Some(value) = call.body {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            body = value.to_string().into_bytes();
        }
        let outgoing = Outgoing {
            method: call.method,
            url,
            headers,
            body,
        };
        let longest = MAX_TIME.min(left(deadline));
        let answer = client::send(&self.client, outgoing, longest).await;
        let answer = answer.map_err(|failure| Unfetched::because(failure.to_string()))?;
        (system.answer)(answer.status, &answer.body).map_err(|rejected| {
            let secrets = token.into_iter().chain([&fetch.app_secret.text]);
            let secrets: Vec<&str> = secrets.map(ExposeSecret::expose_secret).collect();
            Unfetched::rejected(fetch.preset.as_str(), &rejected, &secrets)
        })
    }
}

impl Access {
    async fn pace(&self, between_calls: Duration) {
        let mut next = self.next_call.lock().await;
        if let Some(next) = *next {
            sleep_until(next).await;
        }
        *next = Some(Instant::now() + between_calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AwsSecrets, Config};

    /// After a reload that changed the app's secret, the earlier app's token must not be used.
    #[test]
    fn an_app_whose_secret_was_replaced_begins_anew() {
        let fetch = |secret: &str| {
            let text = "journal = \"memory:\"\npolicy = \"policy\"\n[cloud]\nsite = \"intl\"\n[[source]]\n\
                name = \"lark\"\nscheme = \"lark\"\nsecrets = [\"env:S\"]\nmap = \"feishu\"\n\
                fetch = { preset = \"lark\", app_id = \"cli_a\", app_secret = \"env:S\", definitions = [\"D\"] }\n";
            let vars = [("S".to_owned(), secret.to_owned())].into();
            let config = Config::read("sharehook.toml", text, &vars, &AwsSecrets::new());
            let fetch = config.unwrap().sources[0].fetch.clone();
            fetch.unwrap().app().unwrap().clone()
        };
        let instances = Instances::new(client::http_client().unwrap());
        let source = "lark".parse().unwrap();
        let first = fetch("a-secret-of-this-test-only-0001");
        let access = instances.access(&source, &first);
        assert!(Arc::ptr_eq(&access, &instances.access(&source, &first)));
        let second = fetch("a-secret-of-this-test-only-0002");
        assert!(!Arc::ptr_eq(&access, &instances.access(&source, &second)));
    }
}
