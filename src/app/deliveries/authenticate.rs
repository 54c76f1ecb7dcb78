//! Verifies a delivery with the secrets of its source. In: a delivery. Out: the verified delivery, or
//! the refusal. A signature that matches no secret may be of a secret that has just been replaced: then
//! the secrets are read again, once in a while.

use crate::app::App;
use crate::domain::Timestamp;
use crate::inbound::{Delivery, Refusal, VerifiedDelivery};

use super::sns_certificates::Unverified;

impl App {
    /// The verified delivery; with the application that has later secrets, if only these verify it.
    pub(in crate::app) async fn authenticate(
        &self,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<(VerifiedDelivery, Option<Self>), Unverified> {
        let again = self
            .config()
            .has_changing_secrets()
            .then(|| delivery.clone());
        let refused = match self.verify(delivery, now).await {
            Ok(verified) => return Ok((verified, None)),
            Err(refused) => refused,
        };
        let mismatch = matches!(refused, Unverified::Refused(Refusal::Mismatch { .. }));
        if let Some(delivery) = again.filter(|_| mismatch)
            && let Some(later) = self.with_later_secrets().await
        {
            let verified = later.verify(delivery, now).await?;
            return Ok((verified, Some(later)));
        }
        Err(refused)
    }

    async fn verify(
        &self,
        delivery: Delivery,
        now: Timestamp,
    ) -> Result<VerifiedDelivery, Unverified> {
        let Some(intake) = self.prepared.intake(&delivery.source) else {
            return Err(Unverified::UnknownSource);
        };
        self.certificates.verify(intake, delivery, now).await
    }
}
