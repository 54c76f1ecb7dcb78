//! Verifies deliveries. For SNS, fetches the certificate from SNS's own host, checks it, keeps it
//! for an hour, and confirms the subscriptions that verified messages ask for. In: a delivery. Out:
//! the verified delivery, a refusal, or the error that SNS cannot be reached now.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use crate::app::rules::Intake;
use crate::cloud::client::Client;
use crate::cloud::fetch;
use crate::domain::Timestamp;
use crate::inbound::{
    Certificate, Delivery, HandshakeReply, Refusal, Subscription, VerifiedDelivery,
};

/// How long a certificate is kept, in seconds.
const CACHE_SECONDS: i64 = 3600;
/// Maximum number of certificates to keep, more than SNS uses at once. When it is reached, all are
/// dropped.
const MAX_CERTIFICATES: usize = 32;

/// The fetched certificates by address. The lock is held during a fetch, so that a flood of
/// deliveries fetches one certificate at a time.
#[derive(Debug)]
pub(in crate::app) struct Certificates {
    client: Client,
    known: Mutex<BTreeMap<String, (Timestamp, Certificate)>>,
}

pub(in crate::app) enum Unverified {
    UnknownSource,
    Refused(Refusal),
    /// The certificate could not be fetched, or the subscription could not be confirmed; the sender
    /// must repeat the delivery.
    NotNow(String),
}

impl From<Refusal> for Unverified {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Certificates {
    pub(in crate::app) fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    async fn get(
        &self,
        url: &str,
        intake: &Intake,
        now: Timestamp,
    ) -> Result<Certificate, Unverified> {
        let mut known = self.known.lock().await;
        if let Some((since, certificate)) = known.get(url)
            && (now.as_second() - since.as_second()).abs() < CACHE_SECONDS
        {
            return Ok(certificate.clone());
        }
        let failed =
            |why| Unverified::NotNow(format!("the certificate {url} cannot be fetched: {why}"));
        let pem = fetch(&self.client, url).await.map_err(failed)?;
        let certificate = Certificate::check(&pem, url, &intake.issuers, now)?;
        if known.len() >= MAX_CERTIFICATES {
            known.clear();
        }
        known.insert(url.to_owned(), (now, certificate.clone()));
        Ok(certificate)
    }

    /// Verifies a delivery, with a certificate if its scheme uses one.
    pub(super) async fn verify(
        &self,
        intake: &Intake,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<VerifiedDelivery, Unverified> {
        let Some(url) = intake.verifier.certificate_url(&delivery)? else {
            return Ok(intake.verifier.verify(delivery, now)?);
        };
        for pinned in intake.issuers.pinned() {
            let delivery = delivery.clone();
            match intake.verifier.verify_certified(delivery, &pinned, now) {
                Err(Refusal::OtherCertificate) => {}
                checked => return Ok(checked?),
            }
        }
        let certificate = self.get(&url, intake, now).await?;
        Ok(intake
            .verifier
            .verify_certified(delivery, &certificate, now)?)
    }

    /// Answers a message about a subscription, and confirms a new subscription if `confirms`.
    /// `None` for any other delivery.
    pub(in crate::app) async fn subscription(
        &self,
        intake: &Intake,
        verified: &VerifiedDelivery,
        confirms: bool,
    ) -> Result<Option<HandshakeReply>, Unverified> {
        let confirmed = match intake.verifier.subscription(verified) {
            None => return Ok(None),
            Some(Subscription::Confirm(url)) if confirms => {
                let failed = |why| {
                    Unverified::NotNow(format!("the subscription cannot be confirmed: {why}"))
                };
                fetch(&self.client, &url).await.map_err(failed)?;
                true
            }
            Some(Subscription::Other | Subscription::Confirm(_)) => false,
        };
        tracing::info!(source = %verified.source(), confirmed, "answered a message about a topic's subscription");
        let body = serde_json::json!({ "confirmed": confirmed });
        Ok(Some(HandshakeReply::json(body)))
    }
}
