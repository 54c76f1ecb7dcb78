//! One call from request to answer: limits, pace, signature, sending, reading. In: an action's request. Out: its answer or error.
//! Repeats by itself only what the cloud refused before doing anything: once after fixing the clock, once after renewing
//! credentials. Every other decision to repeat is the caller's.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimeParser;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use super::actions::{self, Action, Paged, Pager, PagingError, Purpose, Service};
use super::client::{self, Client, Failure};
use super::credentials::{CredentialCache, CredentialChain, Credentials};
use super::deadline::Deadline;
use super::endpoint::Endpoint;
use super::envelope::{self, Answered};
use super::error::{not_sent, over_limit, own, unanswered};
use super::settings::CloudSettings;
use super::tc3::{SignedParts, SigningInput, sign};
use super::throttle::Throttle;
use crate::domain::{CloudError, ErrorClass, Problems, Region, Timestamp};

const CONTENT_TYPE: &str = "application/json; charset=utf-8";
/// The documented alphabet of this header has no slash.
const REQUEST_CLIENT: &str = concat!("sharehook_", env!("CARGO_PKG_VERSION"));

/// The cloud, as this program uses it.
#[derive(Debug)]
pub struct Cloud {
    pub(super) settings: CloudSettings,
    /// Set when the site turned out not to list the accounts of a blueprint.
    pub(super) lists_no_blueprint_shares: AtomicBool,
    client: Client,
    lighthouse: Endpoint,
    cvm: Endpoint,
    throttle: Throttle,
    credentials: CredentialCache,
    /// Seconds to add to this machine's clock.
    clock_offset: AtomicI64,
}

impl Cloud {
    /// Nothing is looked up or connected to yet.
    ///
    /// # Errors
    /// Every problem with the settings.
    pub fn new(settings: CloudSettings, credentials: CredentialChain) -> Result<Self, Problems> {
        let problems = settings.problems();
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        Ok(Self {
            client: client::build(settings.proxy.as_deref())?,
            lighthouse: Endpoint::of(&settings, Service::Lighthouse)?,
            cvm: Endpoint::of(&settings, Service::Cvm)?,
            throttle: Throttle::new(settings.lighthouse_per_second, settings.cvm_per_second),
            credentials: CredentialCache::new(credentials),
            clock_offset: AtomicI64::new(0),
            lists_no_blueprint_shares: AtomicBool::new(false),
            settings,
        })
    }

    /// How it is reached.
    pub fn settings(&self) -> &CloudSettings {
        &self.settings
    }

    /// Sends one action and reads its answer.
    ///
    /// # Errors
    /// The cloud's error by its code, or one of ours (`error::own`).
    pub async fn call<A: Action>(
        &self,
        region: &Region,
        request: &A,
        deadline: Deadline,
    ) -> Result<Answered<A::Answer>, CloudError> {
        actions::check(request, region).map_err(|limit| over_limit(A::API.action, &limit))?;
        let body = serde_json::to_vec(request)
            .map_err(|error| not_sent(own::BAD_ANSWER, error.to_string(), "report this"))?;
        let (mut clock_fixed, mut renewed) = (false, false);
        let mut credentials = self.credentials.current()?;
        loop {
            self.throttle.turn(A::API, region, deadline).await?;
            let attempt = Attempt { cloud: self, region, purpose: request.purpose(), deadline };
            let (result, date) = attempt.send::<A>(&credentials, &body).await;
            self.observe::<A>(region, &result);
            let error = match result {
                Ok(answered) => return Ok(answered),
                Err(error) => error,
            };
            match error.class {
                ErrorClass::Clock if !clock_fixed && self.fix_clock(date.as_deref()) => clock_fixed = true,
                ErrorClass::Refresh if !renewed => match self.credentials.renew(&credentials) {
                    Ok(Some(fresh)) => (credentials, renewed) = (fresh, true),
                    Ok(None) | Err(_) => return Err(error),
                },
                _ => return Err(error),
            }
        }
    }

    /// All pages of a list.
    ///
    /// # Errors
    /// As [`Cloud::call`], and when the list does not end or repeats itself.
    pub async fn all_pages<P: Paged>(
        &self,
        region: &Region,
        first: P,
        deadline: Deadline,
    ) -> Result<Vec<P::Item>, CloudError> {
        let mut pager = Pager::default();
        let mut request = first;
        loop {
            let answered = self.call(region, &request, deadline).await?;
            match pager.take(P::page(answered.answer), P::key) {
                Ok(Some(offset)) => request = request.at(offset),
                Ok(None) => return Ok(pager.into_items()),
                Err(error) => {
                    let message = format!("{} in {region}: {error}", P::API.action);
                    let class = match error {
                        PagingError::Endless => ErrorClass::Permanent,
                        PagingError::Repeating => ErrorClass::Transient,
                    };
                    return Err(CloudError { class, ..unanswered(own::PAGING, &message, Purpose::Read) });
                }
            }
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

    /// Takes the cloud's time from the answer's `Date`; false when it does not tell it.
    fn fix_clock(&self, date: Option<&str>) -> bool {
        let Some(theirs) = date.and_then(|text| DateTimeParser::new().parse_timestamp(text).ok()) else {
            return false;
        };
        let offset = theirs.duration_since((self.settings.clock)()).as_secs();
        self.clock_offset.store(offset, Ordering::Relaxed);
        tracing::warn!(offset_seconds = offset, "this machine's clock differs from the cloud's");
        true
    }

    fn observe<A: Action>(&self, region: &Region, result: &Result<Answered<A::Answer>, CloudError>) {
        let (code, class, request_id) = match result {
            Ok(answered) => ("", None, answered.request_id.as_deref()),
            Err(error) => (error.code.as_str(), Some(error.class), error.request_id.as_deref()),
        };
        tracing::debug!(action = A::API.action, %region, code, request_id, "cloud call");
        match class {
            Some(ErrorClass::Throttled) => self.throttle.observe(A::API, region, true),
            Some(ErrorClass::NotSent | ErrorClass::Ambiguous) => {}
            _ => self.throttle.observe(A::API, region, false),
        }
    }
}

/// One sending of one call.
struct Attempt<'a> {
    cloud: &'a Cloud,
    region: &'a Region,
    purpose: Purpose,
    deadline: Deadline,
}

impl Attempt<'_> {
    /// The result, and the answer's `Date` when there was an answer.
    async fn send<A: Action>(
        &self,
        credentials: &Credentials,
        body: &[u8],
    ) -> (Result<Answered<A::Answer>, CloudError>, Option<String>) {
        let endpoint = self.cloud.endpoint(A::API.service);
        let begin = Instant::now();
        let longest = self.cloud.settings.longest_call;
        let longest = self.deadline.remaining(begin).map_or(longest, |left| left.min(longest));
        if longest.is_zero() {
            let message = format!("{} was not sent: the deadline has passed", self.what::<A>());
            return (Err(not_sent(own::DEADLINE, message, "none at once: it is repeated later")), None);
        }
        let headers = self.headers::<A>(endpoint, credentials, body);
        let sent = client::post(&self.cloud.client, &endpoint.url, &headers, body.to_vec(), longest).await;
        match sent {
            Ok(incoming) => {
                let result = envelope::open(incoming.status, &incoming.body, self.purpose);
                let result = result.map_err(|error| match error.code.as_str() {
                    own::HTTP_STATUS | own::BAD_ANSWER => {
                        let message = format!("{} at {}: {}", self.what::<A>(), endpoint.host, error.message);
                        CloudError { message, ..error }
                    }
                    _ => error,
                });
                (result, incoming.date)
            }
            Err(failure) => (Err(self.failed::<A>(&failure, &endpoint.host, begin.elapsed())), None),
        }
    }

    fn what<A: Action>(&self) -> String {
        format!("{} {} in {}", A::API.service.name(), A::API.action, self.region)
    }

    /// The headers of the protocol; those that are signed are the ones that are sent, byte for byte.
    fn headers<A: Action>(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        body: &[u8],
    ) -> Vec<(&'static str, String)> {
        let timestamp = self.cloud.now();
        let api = A::API;
        let signed =
            [("content-type", CONTENT_TYPE), ("host", endpoint.host.as_str()), ("x-tc-action", api.action)];
        let authorization = sign(&SigningInput {
            secret_id: &credentials.secret_id,
            secret_key: credentials.secret_key.expose_secret(),
            service: api.service.name(),
            timestamp,
            request: SignedParts { method: "POST", query: "", headers: &signed, payload: body },
        })
        .authorization;
        let mut headers = vec![
            ("content-type", CONTENT_TYPE.to_owned()),
            ("authorization", authorization),
            ("x-tc-action", api.action.to_owned()),
            ("x-tc-version", api.version.to_owned()),
            ("x-tc-region", self.region.to_string()),
            ("x-tc-timestamp", timestamp.as_second().to_string()),
            ("x-tc-language", "en-US".to_owned()),
            ("x-tc-requestclient", REQUEST_CLIENT.to_owned()),
        ];
        if let Some(token) = &credentials.token {
            headers.push(("x-tc-token", token.expose_secret().to_owned()));
        }
        headers
    }

    fn failed<A: Action>(&self, failure: &Failure, host: &str, took: Duration) -> CloudError {
        let (what, took) = (self.what::<A>(), took.as_secs_f64());
        match failure {
            Failure::NotConnected(cause) => {
                let message = format!("{what}: no connection to {host} after {took:.1} s: {cause}");
                not_sent(own::CONNECT_FAILED, message, "check the network, cloud.endpoint and cloud.site")
            }
            Failure::Timeout => {
                let message = format!("{what}: {host} gave no answer within {took:.1} s");
                unanswered(own::TIMEOUT, &message, self.purpose)
            }
            Failure::Lost(cause) => {
                let message = format!("{what}: the connection to {host} ended after {took:.1} s: {cause}");
                unanswered(own::CONNECTION_LOST, &message, self.purpose)
            }
            Failure::TooLarge => {
                let message =
                    format!("{what}: the answer of {host} exceeds {} bytes", envelope::LARGEST_BODY);
                unanswered(own::BAD_ANSWER, &message, self.purpose)
            }
        }
    }
}
