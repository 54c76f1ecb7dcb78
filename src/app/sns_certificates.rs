//! Verification where it needs a certificate: it is fetched from SNS's own host, checked, and kept
//! for an hour. Then what a verified message asks about its subscription. In: a delivery. Out: it
//! verified, refused, or not decidable now.

use std::collections::BTreeMap;

use tokio::sync::Mutex;

use crate::cloud::client::Client;
use crate::cloud::fetch;
use crate::domain::Timestamp;
use crate::inbound::{
    Certificate, Delivery, HandshakeReply, Refusal, Subscription, VerifiedDelivery,
};

use super::prepared::Intake;

/// A certificate is fetched and checked again after this many seconds.
const KEPT: i64 = 3600;
/// More certificates than SNS has in use at once; beyond this all are forgotten.
const MAX_KEPT: usize = 32;

/// The fetched certificates by their addresses; the lock is held while one is fetched, so that a
/// flood fetches one at a time.
#[derive(Debug)]
pub(super) struct Certificates {
    client: Client,
    known: Mutex<BTreeMap<String, (Timestamp, Certificate)>>,
}

/// Why a delivery is not verified.
pub(super) enum Unverified {
    /// It is not authentic.
    Refused(Refusal),
    /// What is needed to tell could not be had; the sender is to send it again.
    NotNow(String),
}

impl From<Refusal> for Unverified {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Certificates {
    pub(super) fn new(client: Client) -> Self {
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
            && (now.as_second() - since.as_second()).abs() < KEPT
        {
            return Ok(certificate.clone());
        }
        let failed =
            |why| Unverified::NotNow(format!("the certificate {url} cannot be fetched: {why}"));
        let pem = fetch(&self.client, url).await.map_err(failed)?;
        let certificate = Certificate::check(&pem, url, &intake.issuers, now)?;
        if known.len() >= MAX_KEPT {
            known.clear();
        }
        known.insert(url.to_owned(), (now, certificate.clone()));
        Ok(certificate)
    }

    /// Verifies a delivery, with a certificate where its scheme has one.
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
            if let Ok(verified) = intake
                .verifier
                .verify_certified(delivery.clone(), &pinned, now)
            {
                return Ok(verified);
            }
        }
        let certificate = self.get(&url, intake, now).await?;
        Ok(intake
            .verifier
            .verify_certified(delivery, &certificate, now)?)
    }

    /// Does what a verified message asks about its subscription; `None` when it is an event.
    ///
    /// # Errors
    /// Why the subscription cannot be confirmed now.
    pub(super) async fn subscription(
        &self,
        intake: &Intake,
        verified: &VerifiedDelivery,
    ) -> Result<Option<HandshakeReply>, Unverified> {
        let confirmed = match intake.verifier.subscription(verified) {
            None => return Ok(None),
            Some(Subscription::Other) => false,
            Some(Subscription::Confirm(url)) => {
                let failed = |why| {
                    Unverified::NotNow(format!("the subscription cannot be confirmed: {why}"))
                };
                fetch(&self.client, &url).await.map_err(failed)?;
                true
            }
        };
        tracing::info!(source = %verified.source(), confirmed, "a message about a topic's subscription");
        Ok(Some(HandshakeReply {
            headers: Vec::new(),
            body: serde_json::json!({ "confirmed": confirmed }),
        }))
    }
}
