//! Sends one call: waits for the rate limit, checks the published limits, signs, sends, and reads
//! the answer. Takes an action's request and returns its answer or error. Repeats a call only if
//! the cloud refused it before acting: once after correcting the clock, and once after renewing the
//! credentials. In all other cases, the caller decides whether to repeat the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::actions::{Action, Api, Pager, Paging, PagingError, Purpose, Query, Service};
use super::client::{self, Client};
use super::credentials::{
    CredentialCache, CredentialChain, Credentials, CredentialsError, KeyPair, Remote,
};
use super::deadline::Deadline;
use super::endpoint::Endpoint;
use super::envelope::{self, Answered};
use super::error::{deadline_passed, not_sent, over_limit, unanswered};
use super::request_headers::ApiRequest;
use super::settings::CloudSettings;
use super::throttle::Throttle;
use crate::domain::{
    AccountId, CloudError, ErrorClass, Problems, Region, ResultCode, Timestamp, http_date,
};

/// A refused call may be repeated within this time after it was first sent. All requests that share
/// the call wait for its repetition, so [`RegionalCloud::call_end`] includes this time.
const REPEAT_WITHIN: Duration = Duration::from_secs(5);

/// The credentials of a call that already has its slot in the rate limit and can be sent at once.
pub(super) struct Ready(Arc<Credentials>);

/// The client for the sharing APIs.
#[derive(Debug)]
pub struct Cloud {
    pub(super) settings: CloudSettings,
    /// Whether the site has answered that it cannot list the accounts of a blueprint.
    pub(super) lists_no_blueprint_shares: AtomicBool,
    client: Client,
    lighthouse: Endpoint,
    cvm: Endpoint,
    throttle: Throttle,
    credentials: CredentialCache,
    /// Seconds to add to this machine's clock.
    clock_offset: AtomicI64,
    /// How many seconds the cloud's clock was ahead of this machine's clock in the last comparison.
    /// Negative if it was behind, and `i64::MIN` if the difference is unknown.
    clock_difference: AtomicI64,
}

/// The cloud's API in one region, for calls until a deadline.
#[derive(Debug, Clone)]
pub struct RegionalCloud<'a> {
    pub(super) cloud: &'a Cloud,
    region: Region,
    deadline: Deadline,
    /// The latest instant at which a call may get its slot in the rate limit.
    slot_by: Deadline,
}

impl Cloud {
    /// Creates a client. Opens no connection and reads no credentials.
    pub fn new(settings: CloudSettings, credentials: CredentialChain) -> Result<Self, Problems> {
        Ok(Self {
            client: client::http_client()?,
            lighthouse: settings.endpoint_of(Service::Lighthouse.name())?,
            cvm: settings.endpoint_of(Service::Cvm.name())?,
            throttle: Throttle::new(settings.lighthouse_per_second, settings.cvm_per_second)
                .observed(settings.waits.clone()),
            credentials: CredentialCache::new(credentials, Remote::new(&settings)?),
            clock_offset: AtomicI64::new(0),
            clock_difference: AtomicI64::new(i64::MIN),
            lists_no_blueprint_shares: AtomicBool::new(false),
            settings,
        })
    }

    /// Fails if a call would find no credentials that it can use.
    pub async fn find_credentials(&self, deadline: Deadline) -> Result<(), CredentialsError> {
        self.credentials.current(deadline).await.map(|_| ())
    }

    /// Replaces the configured key, if any, for later calls. Errors name `account`.
    ///
    /// # Errors
    /// The id or the key is empty or contains characters that no key has.
    pub fn replace_key(&self, account: &str, key: &KeyPair) -> Result<(), CredentialsError> {
        self.credentials.replace_key(account, key)
    }

    /// Makes the next call look up its credentials again, for example in their file.
    pub fn look_up_credentials_again(&self) {
        self.credentials.look_again();
    }

    /// Returns the root account of the credentials in use. If their source does not name the
    /// account, asks the token service and keeps its answer.
    pub async fn owner_account(&self, deadline: Deadline) -> Result<AccountId, CloudError> {
        self.credentials.owner_account(deadline).await
    }

    /// Returns the root account of the credentials in use if it is already known. Sends nothing.
    pub fn known_owner(&self) -> Option<AccountId> {
        self.credentials.known_owner()
    }

    /// Returns the cloud's API in one region, for calls until a deadline.
    pub fn at(&self, region: &Region, deadline: Deadline) -> RegionalCloud<'_> {
        RegionalCloud {
            cloud: self,
            region: region.clone(),
            deadline,
            slot_by: deadline,
        }
    }

    fn endpoint(&self, service: Service) -> &Endpoint {
        match service {
            Service::Lighthouse => &self.lighthouse,
            Service::Cvm => &self.cvm,
        }
    }

    fn now(&self) -> Timestamp {
        let now = (self.settings.clock)();
        let offset = SignedDuration::from_secs(self.clock_offset.load(Ordering::Relaxed));
        now.checked_add(offset).unwrap_or(now)
    }

    /// Returns how many seconds the cloud's clock was ahead of this machine's clock in the last
    /// comparison, negative if it was behind. `None` if the difference is unknown.
    pub fn clock_difference(&self) -> Option<i64> {
        let seconds = self.clock_difference.load(Ordering::Relaxed);
        (seconds != i64::MIN).then_some(seconds)
    }

    /// Forgets the last clock difference, so that it is not reported after the clock was corrected.
    pub fn forget_clock(&self) {
        self.clock_difference.store(i64::MIN, Ordering::Relaxed);
    }

    /// Stores and returns the clock difference in seconds, from an answer's `Date` header.
    fn compare_clock(&self, date: Option<&str>) -> Option<i64> {
        let theirs = http_date(date?)?;
        let seconds = theirs.duration_since((self.settings.clock)()).as_secs();
        self.clock_difference.store(seconds, Ordering::Relaxed);
        Some(seconds)
    }

    /// Corrects the time of later calls from an answer's `Date` header, if the header is valid.
    fn fix_clock(&self, date: Option<&str>) -> bool {
        let Some(offset) = self.compare_clock(date) else {
            return false;
        };
        self.clock_offset.store(offset, Ordering::Relaxed);
        tracing::warn!(
            offset_seconds = offset,
            "this machine's clock differs from the cloud's: calls are now signed with the cloud's time; correct the clock"
        );
        true
    }

    fn observe<A>(&self, api: Api, region: &Region, result: &Result<Answered<A>, CloudError>) {
        let (code, class, request_id) = match result {
            Ok(answered) => ("", None, Some(answered.request_id.as_str())),
            Err(error) => (
                error.code.as_str(),
                Some(error.class),
                error.request_id.as_deref(),
            ),
        };
        tracing::debug!(action = api.action, %region, code, request_id, "cloud call");
        match class {
            Some(ErrorClass::Throttled) => self.throttle.observe(api, region, true),
            // The API answered, so the call was within the rate limit, even if the API refused it
            // for another reason.
            _ if request_id.is_some() => self.throttle.observe(api, region, false),
            _ => {}
        }
    }
}

impl RegionalCloud<'_> {
    /// Returns the latest instant at which a call that is sent now, and its repetition, can end.
    pub fn call_end(&self) -> Deadline {
        let longest = REPEAT_WITHIN.saturating_add(self.cloud.settings.call_timeout);
        self.deadline.or_sooner(Deadline::after(longest))
    }

    /// Returns the API with a deadline at most `longest` from now.
    pub(crate) fn within(&self, longest: Duration) -> Self {
        let deadline = self.deadline.or_sooner(Deadline::after(longest));
        Self {
            deadline,
            slot_by: self.slot_by.or_sooner(deadline),
            ..self.clone()
        }
    }

    /// Returns the API for calls that fail if they get no slot within `longest` from now.
    pub(crate) fn with_slots_within(&self, longest: Duration) -> Self {
        let slot_by = self.slot_by.or_sooner(Deadline::after(longest));
        Self {
            slot_by,
            ..self.clone()
        }
    }

    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    pub(crate) fn known_owner(&self) -> Option<AccountId> {
        self.cloud.known_owner()
    }

    pub(crate) async fn owner_account(&self) -> Result<AccountId, CloudError> {
        self.cloud.owner_account(self.deadline).await
    }

    /// Sends one action and reads its answer.
    ///
    /// # Errors
    /// The cloud's error code, or a [`ResultCode`] if the call was not sent or got no valid answer.
    pub(super) async fn call<A: Action>(
        &self,
        request: &A,
    ) -> Result<Answered<A::Answer>, CloudError> {
        let ready = self.ready(request.api()).await?;
        self.send(ready, request).await
    }

    /// Waits for credentials and for a slot in the rate limit of `api`.
    pub(super) async fn ready(&self, api: Api) -> Result<Ready, CloudError> {
        let Self {
            cloud,
            region,
            deadline,
            slot_by,
        } = self;
        let credentials = cloud.credentials.current(*deadline).await?;
        cloud.throttle.wait_for_slot(api, region, *slot_by).await?;
        Ok(Ready(credentials))
    }

    /// Sends a call that has its slot, and reads the answer.
    pub(super) async fn send<A: Action>(
        &self,
        Ready(mut credentials): Ready,
        request: &A,
    ) -> Result<Answered<A::Answer>, CloudError> {
        let (cloud, region, api) = (self.cloud, &self.region, request.api());
        request
            .check()
            .map_err(|limit| over_limit(api.action, &limit))?;
        let body = serde_json::to_vec(request)
            .map_err(|error| not_sent(ResultCode::BadAnswer, error.to_string(), "report this"))?;
        let attempt = Attempt {
            at: self,
            api,
            purpose: request.purpose(),
        };
        let (mut clock_fixed, mut renewed) = (false, false);
        let end = self.call_end();
        let repeat_by = self.deadline.or_sooner(Deadline::after(REPEAT_WITHIN));
        loop {
            let (result, date) = attempt.send(&credentials, &body).await;
            cloud.observe(api, region, &result);
            cloud.compare_clock(date.as_deref());
            let error = match result {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            match error.class {
                ErrorClass::Clock if !clock_fixed && cloud.fix_clock(date.as_deref()) => {
                    clock_fixed = true
                }
                ErrorClass::Refresh if !renewed => {
                    match cloud.credentials.renew(&credentials, end).await {
                        Ok(Some(fresh)) => (credentials, renewed) = (fresh, true),
                        Ok(None) => return Err(error),
                        Err(problem) => return Err(problem.after(error)),
                    }
                }
                _ => return Err(error),
            }
            let slot = cloud.throttle.wait_for_slot(api, region, repeat_by);
            if slot.await.is_err() {
                // The call has had no effect, and the cause of the refusal is corrected: the caller
                // can repeat the call.
                let class = ErrorClass::NotSent;
                return Err(CloudError { class, ..error });
            }
        }
    }

    /// Reads all pages of a list.
    ///
    /// # Errors
    /// The errors of [`Self::call`], and [`ResultCode::Paging`] if the list has too many pages,
    /// repeats its entries or ends early.
    pub(super) async fn all_pages<Q: Query>(
        &self,
        first: Paging<Q>,
    ) -> Result<Vec<Q::Item>, CloudError> {
        let mut pager = Pager::default();
        let mut request = first;
        loop {
            let answered = self.call(&request).await?;
            match pager.take(answered.answer, Q::key) {
                Ok(Some(offset)) => request = request.at(offset),
                Ok(None) => return Ok(pager.into_items()),
                Err(error) => {
                    let (action, region) = (request.api().action, &self.region);
                    let message = format!("{action} in {region}: {error}");
                    let again = unanswered(ResultCode::Paging, &message, Purpose::Read);
                    return Err(match error {
                        PagingError::Endless => CloudError {
                            class: ErrorClass::Permanent,
                            remedy: "report this".to_owned(),
                            ..again
                        },
                        PagingError::Repeating | PagingError::Incomplete => again,
                    });
                }
            }
        }
    }
}

struct Attempt<'a> {
    at: &'a RegionalCloud<'a>,
    api: Api,
    purpose: Purpose,
}

impl Attempt<'_> {
    /// Sends the call once. Returns the result, and the `Date` header of an HTTP answer.
    async fn send<A: DeserializeOwned>(
        &self,
        credentials: &Credentials,
        body: &[u8],
    ) -> (Result<Answered<A>, CloudError>, Option<String>) {
        let begin = Instant::now();
        let RegionalCloud {
            cloud,
            region,
            deadline,
            ..
        } = self.at;
        let longest = cloud.settings.call_timeout;
        let left = deadline.remaining(begin);
        let longest = left.map_or(longest, |left| left.min(longest));
        let Api { service, action } = self.api;
        let endpoint = cloud.endpoint(service);
        let what = format!("{} {action} in {region}", service.name());
        if longest.is_zero() {
            return (Err(deadline_passed(&what)), None);
        }
        let headers = ApiRequest {
            service: service.name(),
            version: service.version(),
            action,
            region: region.as_str(),
            host: &endpoint.host,
            body,
            timestamp: cloud.now(),
            signer: Some(credentials),
        }
        .headers();
        let client = &cloud.client;
        let sent = client::post(client, &endpoint.url, &headers, body.to_vec(), longest).await;
        match sent {
            Ok(incoming) => {
                // A gateway may repeat the request's headers in its answer.
                let body = credentials.hide_in(&incoming.body);
                let result = envelope::open(incoming.status, &body, self.purpose);
                let result = result.map_err(|error| match error.own_code() {
                    Some(ResultCode::HttpStatus | ResultCode::BadAnswer) => CloudError {
                        message: format!("{what} at {}: {}", endpoint.host, error.message),
                        ..error
                    },
                    _ => error,
                });
                (result, incoming.date)
            }
            Err(failure) => {
                let took = begin.elapsed().as_secs_f64();
                let message = format!("{what} at {}, after {took:.1} s: {failure}", endpoint.host);
                (Err(failure.error(&message, self.purpose)), None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::path::Path;
    use std::sync::Mutex;

    use tokio::net::TcpListener;

    use super::*;
    use crate::cloud::loopback::*;
    use crate::domain::{Action, ImageRef};

    async fn share(cloud: &Cloud, deadline: Deadline) -> Result<Option<String>, CloudError> {
        let image = ImageRef::Blueprint(blueprint());
        cloud
            .at(&region(), deadline)
            .change_shares(&image, Action::Share, || accounts(2))
            .await
    }

    async fn read(cloud: &Cloud) -> Result<(), CloudError> {
        cloud
            .at(&region(), Deadline::NEVER)
            .cvm_shares(&image())
            .await
            .map(|_| ())
    }

    #[tokio::test]
    async fn a_failed_tls_handshake_means_not_sent() {
        let server = Server::start([done()]).await;
        let endpoint = Some(format!("https://{}", server.address));
        let cloud = cloud_with(
            CloudSettings {
                endpoint,
                ..settings(server.address)
            },
            &variables(),
        );
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::NotSent, ResultCode::ConnectFailed.as_str()),
            "{error}"
        );
        assert!(server.seen().is_empty());
    }

    /// Reads one request, then sends `beginning` (which may be empty) and closes the connection.
    async fn breaking_server(beginning: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut seen = Vec::new();
                let mut buffer = [0; 4096];
                while !seen.ends_with(b"}") {
                    stream.readable().await.unwrap();
                    match stream.try_read(&mut buffer) {
                        Ok(0) => break,
                        Ok(n) => seen.extend_from_slice(&buffer[..n]),
                        Err(_) => {}
                    }
                }
                stream.writable().await.unwrap();
                if !beginning.is_empty() {
                    stream.try_write(beginning).unwrap();
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_share_is_signed_sent_and_receipted() {
        let server = Server::start([done()]).await;
        let request_id = share(&cloud(server.address), Deadline::NEVER)
            .await
            .unwrap();
        assert_eq!(request_id.as_deref(), Some("r-done"));
        let seen = server.seen().remove(0);
        assert_eq!(
            (seen.action.as_str(), seen.timestamp),
            ("ShareBlueprintAcrossAccounts", NOW)
        );
        let expected = serde_json::json!({"BlueprintId": "lhbp-6jc6l8yb", "AccountIds": ["700000000000", "700000000001"]});
        assert_eq!((seen.body, seen.token), (expected, None));
    }

    /// Until a call is sent, other requests may join it or give up.
    #[tokio::test]
    async fn the_accounts_of_a_call_are_asked_for_when_its_slot_has_come() {
        let server = Server::start([done(), done()]).await;
        let paced = CloudSettings {
            lighthouse_per_second: 4.0,
            ..settings(server.address)
        };
        let cloud = cloud_with(paced, &variables());
        share(&cloud, Deadline::NEVER).await.unwrap();
        let begun = Instant::now();
        let asked = || {
            assert!(
                begun.elapsed() >= Duration::from_millis(100),
                "{:?}",
                begun.elapsed()
            );
            accounts(2)
        };
        let image = ImageRef::Blueprint(blueprint());
        cloud
            .at(&region(), Deadline::NEVER)
            .change_shares(&image, Action::Share, asked)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn an_expired_signature_is_mended_once_from_the_answer_s_date() {
        let expired = || Reply {
            date: Some("Thu, 01 Jan 2026 01:00:00 GMT"),
            ..refused("AuthFailure.SignatureExpire")
        };
        let server = Server::start([expired(), done(), done(), expired(), expired()]).await;
        let cloud = cloud(server.address);
        share(&cloud, Deadline::NEVER).await.unwrap();
        share(&cloud, Deadline::NEVER).await.unwrap();
        let stamps: Vec<i64> = server.seen().iter().map(|s| s.timestamp - NOW).collect();
        assert_eq!(stamps, [0, 3600, 3600]);
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        assert_eq!((error.class, server.seen().len()), (ErrorClass::Clock, 5));
    }

    #[tokio::test]
    async fn an_expired_signature_without_a_date_is_not_repeated() {
        let nonsense = Reply {
            date: Some("yesterday"),
            ..refused("AuthFailure.SignatureExpire")
        };
        let server = Server::start([nonsense]).await;
        assert_eq!(
            share(&cloud(server.address), Deadline::NEVER)
                .await
                .unwrap_err()
                .class,
            ErrorClass::Clock
        );
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn expired_and_replaced_credentials_are_renewed_once() {
        for code in [
            "UnauthorizedOperation.TokenInvalid",
            // The key was replaced in its file, and the old one deleted.
            "AuthFailure.InvalidSecretId",
            "AuthFailure.SecretIdNotFound",
            "AuthFailure.SignatureFailure",
        ] {
            let refusals = || refused(code);
            let server = Server::start([refusals(), done(), refusals(), refusals()]).await;
            let reads = Arc::new(Mutex::new(0));
            let counted = Arc::clone(&reads);
            let read = move |_: &Path| {
                let mut n = counted.lock().unwrap();
                *n += 1;
                Ok(format!(
                    "[default]\nsecret_id=id{n}\nsecret_key=key-of-id{n}\ntoken=token{n}\n"
                ))
            };
            let chain = CredentialChain::new(&BTreeMap::new(), None, Arc::new(read));
            let cloud = Cloud::new(settings(server.address), chain).unwrap();
            share(&cloud, Deadline::NEVER).await.unwrap();
            let tokens: Vec<String> = server.seen().into_iter().filter_map(|s| s.token).collect();
            assert_eq!(tokens, ["token1", "token2"], "{code}");
            let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
            assert_eq!((error.class, server.seen().len()), (ErrorClass::Refresh, 4));
        }
    }

    /// The cloud refuses the credentials, and their file can no longer be read. The error must give
    /// this reason.
    #[tokio::test]
    async fn credentials_that_cannot_be_renewed_say_why() {
        let server = Server::start([refused("AuthFailure.TokenFailure")]).await;
        let reads = std::sync::atomic::AtomicUsize::new(0);
        let read = move |_: &Path| match reads.fetch_add(1, Ordering::Relaxed) {
            0 => Ok("[default]\nsecret_id=id\nsecret_key=key-of-id\n".to_owned()),
            _ => Err(std::io::Error::from(std::io::ErrorKind::PermissionDenied)),
        };
        let chain = CredentialChain::new(&BTreeMap::new(), None, Arc::new(read));
        let cloud = Cloud::new(settings(server.address), chain).unwrap();
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        assert_eq!(
            (error.code.as_str(), error.class, server.seen().len()),
            ("NoCredentials", ErrorClass::Operator, 1)
        );
        for part in ["cannot be read", "AuthFailure.TokenFailure"] {
            assert!(error.message.contains(part), "{error}");
        }
        assert_eq!(error.request_id.as_deref(), Some("r-no"));
    }

    /// The deadline passes while the credentials are renewed. [`CloudError::is_out_of_time`] must
    /// still be false, because the call was sent and the journal must name it.
    #[tokio::test]
    async fn a_refused_call_stays_refused_if_the_renewal_takes_too_long() {
        let refusal = refused("AuthFailure.TokenFailure");
        let assumed = reply(
            r#"{"Response":{"Credentials":{"TmpSecretId":"id","TmpSecretKey":"key-of-id","Token":"t"},"ExpiredTime":4102444800,"RequestId":"r"}}"#,
        );
        let hanging = Reply {
            delay: Duration::from_secs(5),
            ..done()
        };
        let server = Server::start([assumed, refusal, hanging]).await;
        let role = "qcs::cam::uin/100000000001:roleName/sharehook";
        let read = |_: &Path| Ok("[default]\nsecret_id=id\nsecret_key=key-of-id\n".to_owned());
        let chain = CredentialChain::new(&BTreeMap::new(), None, Arc::new(read));
        let chain = chain.assuming(role.parse().unwrap());
        let cloud = Cloud::new(settings(server.address), chain).unwrap();
        let deadline = Deadline::after(Duration::from_secs(1));
        let error = share(&cloud, deadline).await.unwrap_err();
        let seen = (error.class, error.code.as_str(), server.seen().len());
        let expected = (ErrorClass::NotSent, "AuthFailure.TokenFailure", 3);
        assert_eq!(seen, expected, "{error}");
        assert!(!error.is_out_of_time(), "{error}");
        assert!(error.message.contains("the deadline passed"), "{error}");
        assert_eq!(error.request_id.as_deref(), Some("r-no"));
    }

    /// The call gets no second slot within [`REPEAT_WITHIN`]. The caller has more time, so it can
    /// repeat the call.
    #[tokio::test]
    async fn a_corrected_call_that_has_no_time_left_is_repeated_by_the_caller() {
        let expired = Reply {
            date: Some("Thu, 01 Jan 2026 01:00:00 GMT"),
            ..refused("AuthFailure.SignatureExpire")
        };
        let server = Server::start([expired]).await;
        let slow = CloudSettings {
            lighthouse_per_second: 0.1,
            ..settings(server.address)
        };
        let error = share(&cloud_with(slow, &variables()), Deadline::NEVER).await;
        let error = error.unwrap_err();
        let seen = (error.class, error.code.as_str(), server.seen().len());
        let expected = (ErrorClass::NotSent, "AuthFailure.SignatureExpire", 1);
        assert_eq!(seen, expected, "{error}");
    }

    #[tokio::test]
    async fn a_refusal_that_takes_long_renews_the_credentials_for_the_next_call() {
        let late = Reply {
            delay: REPEAT_WITHIN + Duration::from_millis(100),
            ..refused("UnauthorizedOperation.TokenInvalid")
        };
        let server = Server::start([late, done()]).await;
        let reads = std::sync::atomic::AtomicUsize::new(0);
        let read = move |_: &Path| {
            let n = reads.fetch_add(1, Ordering::Relaxed);
            Ok(format!(
                "[default]\nsecret_id=id{n}\nsecret_key=key-of-id{n}\ntoken=token{n}\n"
            ))
        };
        let chain = CredentialChain::new(&BTreeMap::new(), None, Arc::new(read));
        let cloud = Cloud::new(settings(server.address), chain).unwrap();
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        let seen = (error.class, error.code.as_str(), server.seen().len());
        let expected = (ErrorClass::NotSent, "UnauthorizedOperation.TokenInvalid", 1);
        assert_eq!(seen, expected, "{error}");
        share(&cloud, Deadline::NEVER).await.unwrap();
        assert_eq!(server.seen().remove(1).token.as_deref(), Some("token1"));
    }

    #[tokio::test]
    async fn credentials_that_cannot_change_are_not_sent_again() {
        let server = Server::start([refused("AuthFailure.TokenFailure")]).await;
        let error = share(&cloud(server.address), Deadline::NEVER)
            .await
            .unwrap_err();
        assert_eq!(
            (error.code.as_str(), server.seen().len()),
            ("AuthFailure.TokenFailure", 1)
        );
    }

    #[tokio::test]
    async fn nothing_else_is_repeated() {
        for (answer, class) in [
            (refused("InternalError"), ErrorClass::Transient),
            (refused("RequestLimitExceeded"), ErrorClass::Throttled),
            (
                refused("FailedOperation.AccountAlreadyExists"),
                ErrorClass::AsWanted,
            ),
            (
                Reply {
                    status: 502,
                    ..reply("<html>Bad Gateway</html>")
                },
                ErrorClass::Ambiguous,
            ),
            (
                Reply {
                    status: 307,
                    ..reply("")
                },
                ErrorClass::Ambiguous,
            ),
            (reply("<html>Welcome</html>"), ErrorClass::Ambiguous),
            (
                reply(&"x".repeat(envelope::MAX_BODY_BYTES + 1)),
                ErrorClass::Ambiguous,
            ),
        ] {
            let server = Server::start([answer, done()]).await;
            let error = share(&cloud(server.address), Deadline::NEVER)
                .await
                .unwrap_err();
            assert_eq!((error.class, server.seen().len()), (class, 1), "{error}");
        }
    }

    /// All answers quote the token or the key: a gateway's page for debugging, two with an `Error`,
    /// and one of an unexpected shape.
    #[tokio::test]
    async fn an_answer_that_repeats_the_token_or_the_key_does_not_show_them() {
        const TOKEN: &str = "0123456789abcdef/0123456789abcdef";
        let key = format!("key-of-{}", "id-of-a-long-key");
        let variables = [
            ("TENCENTCLOUD_SECRET_ID", "id-of-a-long-key"),
            ("TENCENTCLOUD_SECRET_KEY", &key),
            ("TENCENTCLOUD_TOKEN", TOKEN),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let padding = "x".repeat(90);
        let page = Reply {
            status: 502,
            ..reply(&format!("{padding} token={TOKEN} key={key}"))
        };
        let escaped = TOKEN.replace('/', "\\/");
        let error = |code: &str| {
            format!(
                r#"{{"Response":{{"Error":{{"Code":"{code}","Message":"{escaped} {key}"}},"RequestId":"{TOKEN}"}}}}"#
            )
        };
        let answers = [
            page,
            reply(&error("InternalError")),
            reply(&error(&key)),
            reply(&format!("{{\"Response\":\"{TOKEN}\"}}")),
        ];
        let count = answers.len();
        let server = Server::start(answers).await;
        let cloud = cloud_with(settings(server.address), &variables.into());
        for _ in 0..count {
            let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
            let shown = format!("{error:?}");
            assert!(shown.contains("***"), "{shown}");
            for secret in ["0123456789", "key-of"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
        assert_eq!(server.seen()[0].token.as_deref(), Some(TOKEN));
    }

    #[tokio::test]
    async fn a_call_that_gets_no_slot_soon_is_not_sent() {
        let server = Server::start([done()]).await;
        let slow = CloudSettings {
            lighthouse_per_second: 0.5,
            ..settings(server.address)
        };
        let cloud = cloud_with(slow, &variables());
        let at = region();
        let soon = cloud.at(&at, Deadline::NEVER);
        let soon = soon.with_slots_within(Duration::from_secs(1));
        let image = ImageRef::Blueprint(blueprint());
        for first in [true, false] {
            let end = soon.change_shares(&image, Action::Share, || accounts(1));
            let end = end.await;
            assert_eq!(end.is_ok(), first, "{end:?}");
        }
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn no_connection_means_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = share(&cloud(address), Deadline::NEVER).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::NotSent, ResultCode::ConnectFailed.as_str())
        );
        for part in [
            "ShareBlueprintAcrossAccounts",
            "ap-singapore",
            &address.to_string(),
            " s",
        ] {
            assert!(error.message.contains(part), "{part} in {}", error.message);
        }
    }

    #[tokio::test]
    async fn a_connection_lost_after_sending_is_ambiguous_for_a_write_and_harmless_for_a_read() {
        for beginning in [
            b"".as_slice(),
            b"HTTP/1.1 200 OK\r\ncontent-le",
            b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Response\":{\"RequestId\":\"r\"}}",
            b"\x15\x03\x01 not http at all\r\n\r\n",
        ] {
            let address = breaking_server(beginning).await;
            let cloud = cloud(address);
            let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
            assert_eq!(
                (error.class, error.code.as_str()),
                (ErrorClass::Ambiguous, ResultCode::ConnectionLost.as_str()),
                "{error}"
            );
            assert_eq!(read(&cloud).await.unwrap_err().class, ErrorClass::Transient);
        }
    }

    #[tokio::test]
    async fn the_deadline_is_kept() {
        let slow = || Reply {
            delay: Duration::from_secs(30),
            ..done()
        };
        let server = Server::start([slow(), slow()]).await;
        let cloud = cloud(server.address);
        let begin = Instant::now();
        let error = share(&cloud, Deadline::after(Duration::from_millis(300)))
            .await
            .unwrap_err();
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "{:?}",
            begin.elapsed()
        );
        assert_eq!(
            (error.class, error.code.as_str()),
            (ErrorClass::Ambiguous, ResultCode::Timeout.as_str())
        );
        assert!(error.message.contains("within 0.3 s"), "{}", error.message);

        let error = share(&cloud, Deadline::at(begin)).await.unwrap_err();
        assert_eq!((error.class, server.seen().len()), (ErrorClass::NotSent, 1));
    }

    #[tokio::test]
    async fn a_call_has_a_longest_duration_without_any_deadline() {
        let server = Server::start([Reply {
            delay: Duration::from_secs(30),
            ..done()
        }])
        .await;
        let settings = CloudSettings {
            call_timeout: Duration::from_millis(200),
            ..settings(server.address)
        };
        let cloud = cloud_with(settings, &variables());
        assert_eq!(
            read(&cloud).await.unwrap_err().code,
            ResultCode::Timeout.as_str()
        );
    }

    #[tokio::test]
    async fn without_credentials_nothing_is_sent() {
        let server = Server::start([]).await;
        let cloud = cloud_with(settings(server.address), &BTreeMap::new());
        let error = share(&cloud, Deadline::NEVER).await.unwrap_err();
        assert_eq!(
            (error.code.as_str(), server.seen().len()),
            (ResultCode::NoCredentials.as_str(), 0)
        );
    }

    /// After a throttled answer, the rate becomes the number of calls that the cloud admitted in
    /// the last second.
    #[tokio::test]
    async fn the_cloud_admitted_a_call_that_it_refused_for_another_reason_than_its_rate() {
        let answers = [
            refused("OverQuota"),
            refused("RequestLimitExceeded"),
            done(),
        ];
        let server = Server::start(answers).await;
        let cloud = cloud(server.address);
        let begin = Instant::now();
        for succeeds in [false, false, true] {
            let result = share(&cloud, Deadline::NEVER).await;
            assert_eq!(result.is_ok(), succeeds, "{result:?}");
        }
        assert!(
            begin.elapsed() >= Duration::from_secs(1),
            "{:?}",
            begin.elapsed()
        );
    }

    #[tokio::test]
    async fn calls_keep_the_pace() {
        let server = Server::start((0..12).map(|_| done())).await;
        let settings = CloudSettings {
            lighthouse_per_second: 20.0,
            ..settings(server.address)
        };
        let cloud = Arc::new(cloud_with(settings, &variables()));
        let begin = Instant::now();
        let calls: Vec<_> = (0..12)
            .map(|_| {
                let cloud = Arc::clone(&cloud);
                tokio::spawn(async move { share(&cloud, Deadline::NEVER).await })
            })
            .collect();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert!(
            begin.elapsed() >= Duration::from_millis(11 * 50),
            "{:?}",
            begin.elapsed()
        );
    }
}
