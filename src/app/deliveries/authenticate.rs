//! Verifies a delivery with the secrets of its source. Returns the verified delivery, or why it was
//! not verified. If a delivery matches no secret and the secrets can change, the secrets are read
//! again, at most once in ten seconds.

use crate::app::App;
use crate::domain::Timestamp;
use crate::inbound::{Delivery, Refusal, VerifiedDelivery};

use super::sns_certificates::Unverified;

impl App {
    /// Verifies a delivery. If that needed freshly read secrets, also returns the application that
    /// uses these secrets.
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
            && let Some(later) = self.with_reloaded_secrets().await
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
