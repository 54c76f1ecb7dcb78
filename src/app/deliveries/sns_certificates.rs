//! Verifies deliveries. For a delivery from Amazon SNS, this fetches the certificate from the host
//! of SNS, checks it and keeps it for an hour. Also confirms subscriptions if a verified message
//! asks for it. Returns the verified delivery, a refusal, or an error if SNS cannot be reached now.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::app::rules::Intake;
use crate::cloud::client::Client;
use crate::cloud::fetch;
use crate::domain::Timestamp;
use crate::inbound::{
    Certificate, Delivery, HandshakeReply, Issuers, Refusal, Subscription, VerifiedDelivery,
};

const CACHE_SECONDS: i64 = 3600;
/// Maximum number of certificates to keep. SNS uses fewer at once. When the maximum is reached, all
/// certificates are dropped.
const MAX_CERTIFICATES: usize = 32;

/// Maximum number of unknown certificates that are fetched at once.
const MAX_FETCHES: usize = 4;
/// Maximum number of deliveries that are waiting for unknown certificates or fetching them. A
/// stranger can invent addresses of certificates, so a longer queue would delay honest deliveries.
const MAX_WAITING: usize = 16;

#[derive(Debug)]
pub(in crate::app) struct Certificates {
    client: Client,
    known: Mutex<BTreeMap<String, (Timestamp, Certificate)>>,
    fetches: Semaphore,
    waiting: Semaphore,
    renewal: Semaphore,
}

pub(in crate::app) enum Unverified {
    UnknownSource,
    Refused(Refusal),
    /// The certificate could not be fetched or the subscription could not be confirmed. The sender
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
            fetches: Semaphore::new(MAX_FETCHES),
            waiting: Semaphore::new(MAX_WAITING),
            renewal: Semaphore::new(1),
        }
    }

    async fn get(
        &self,
        url: &str,
        issuers: &Issuers,
        now: Timestamp,
    ) -> Result<Certificate, Unverified> {
        let known = || self.known.lock().get(url).cloned();
        let fresh = |since: Timestamp| (now.as_second() - since.as_second()).abs() < CACHE_SECONDS;
        match known() {
            Some((since, certificate)) if fresh(since) => return Ok(certificate),
            // The certificate has expired from the cache. No stranger invented this address,
            // because it had a certificate of SNS before.
            Some((_, old)) => {
                return match self.renewal.try_acquire() {
                    Ok(_renewing) => self.fetch(url, issuers, now).await,
                    // Another delivery is renewing a certificate, so use the old one.
                    Err(_) => Ok(old),
                };
            }
            None => {}
        }
        let busy = "too many deliveries wait until an SNS signing certificate is fetched";
        let busy = || Unverified::NotNow(busy.to_owned());
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let _fetching = self.fetches.acquire().await.map_err(|_| busy())?;
        match known() {
            Some((since, certificate)) if fresh(since) => Ok(certificate),
            _ => self.fetch(url, issuers, now).await,
        }
    }

    async fn fetch(
        &self,
        url: &str,
        issuers: &Issuers,
        now: Timestamp,
    ) -> Result<Certificate, Unverified> {
        let failed =
            |why| Unverified::NotNow(format!("the certificate {url} cannot be fetched: {why}"));
        let pem = fetch(&self.client, url).await.map_err(failed)?;
        let certificate = Certificate::check(&pem, url, issuers, now)?;
        let mut known = self.known.lock();
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
        let certificate = self.get(&url, &intake.issuers, now).await?;
        Ok(intake
            .verifier
            .verify_certified(delivery, &certificate, now)?)
    }

    /// Answers a message about a subscription, and confirms a new subscription if `confirms` is
    /// true. Returns `None` for any other delivery.
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
        tracing::info!(source = %verified.source(), confirmed, "answered an SNS message about a subscription");
        let body = serde_json::json!({ "confirmed": confirmed });
        Ok(Some(HandshakeReply::json(body)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::cloud::client::http_client_for;

    use super::*;

    /// Strangers invent the addresses of certificates. Their fetches hang at a proxy that does not
    /// answer. One more delivery must be refused at once instead of waiting.
    #[tokio::test]
    async fn invented_addresses_form_no_long_queue() {
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("http://{}", silent.local_addr().unwrap());
        let client = http_client_for(Some(&proxy), &[]).unwrap();
        let certificates = Arc::new(Certificates::new(client));
        let issuers = Arc::new(Issuers::new(Vec::new(), Vec::new()).unwrap());
        let get = |number: usize| {
            let (certificates, issuers) = (Arc::clone(&certificates), Arc::clone(&issuers));
            async move {
                let url = format!("https://sns.us-east-1.amazonaws.com/{number}.pem");
                let now = crate::clock::system_now();
                certificates.get(&url, &issuers, now).await
            }
        };
        let strangers: Vec<_> = (0..MAX_WAITING).map(|n| tokio::spawn(get(n))).collect();
        while certificates.waiting.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(certificates.fetches.available_permits(), 0);
        let Err(Unverified::NotNow(why)) = get(MAX_WAITING).await else {
            panic!("it waited");
        };
        assert!(why.contains("too many deliveries wait"), "{why}");
        strangers.iter().for_each(|stranger| stranger.abort());
    }
}
