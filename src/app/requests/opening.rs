//! Writes the first record of a request, given the request of a delivery and its decision. The
//! record ties the request to the delivery that brought it, and to the map, the configuration and
//! the secret that were used.

use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::app::{App, Deadline, IncomingRequest, Statement};
use crate::domain::{NoticeKind, Verdict};
use crate::inbound::{Callback, Map, VerifiedDelivery};
use crate::journal::{Intent, JournalError, Opened, Opening, Received, StreamId, WakeUp};
use crate::plan::Observation;
use crate::policy::Decision;

impl App {
    /// Returns the digests that every request of a delivery records: of the delivery's body, the
    /// map and the configuration.
    pub(in crate::app) fn received(&self, verified: &VerifiedDelivery, map: &Map) -> Received {
        Received {
            body_digest: hex::encode(Sha256::digest(verified.body())),
            map_digest: map.digest().to_owned(),
            config_digest: self.config().digest.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Writes record 0, which contains the intent, the verdict and the lease, in one create-only
    /// write. No call that changes a share is made before it. A request has no lease if it is
    /// denied, waits for its `not_before`, or got no slot. If this call opened the request, also
    /// keeps the callback of its delivery.
    pub(in crate::app) async fn open(
        &self,
        incoming: &IncomingRequest<'_>,
        decision: &Decision,
        has_slot: bool,
        seen: Option<&Observation>,
    ) -> Result<Opened, JournalError> {
        let verdict = match decision {
            Decision::Allow(approved) => approved.verdict().clone(),
            Decision::Deny(verdict) => verdict.clone(),
        };
        let mut opening = self.opening(incoming, verdict).await?;
        opening.intent.absent = seen.is_some_and(|seen| seen.readable);
        opening.lease.owner = seen.and_then(|seen| seen.owner.clone());
        let rules = &self.prepared.notice_rules;
        let allowed = opening.intent.verdict.allowed;
        if !allowed && rules.want(NoticeKind::Denied, Some(&incoming.identity.source)) {
            // A denial gets no lease and therefore no wake-up. Add one here, so that a sweep
            // delivers the notification if this process does not.
            let at = self.lease(incoming.now, Deadline::after(Duration::ZERO));
            let stream = StreamId::of(&incoming.identity);
            self.journal.add_wake_up(WakeUp::new(at, stream, 0)).await?;
        }
        let place = async {
            match allowed {
                true => self.place_in_order(incoming).await,
                false => Ok(None),
            }
        };
        let opened = self.journal.open_request(opening, has_slot, place).await?;
        // Another delivery may have opened the request with other content.
        if !matches!(opened, Opened::Existing(_)) {
            self.keep_callback(incoming, false);
        }
        Ok(opened)
    }

    pub(in crate::app) async fn opening(
        &self,
        incoming: &IncomingRequest<'_>,
        verdict: Verdict,
    ) -> Result<Opening, JournalError> {
        let (delivery, request) = (incoming.delivery.verified, incoming.request.clone());
        let intent = Intent {
            identity: incoming.identity.clone(),
            digest: request.digest(),
            delivery_id: delivery.delivery_id().map(str::to_owned),
            secret_fingerprint: self.proof_of(delivery).await,
            scheme: delivery.scheme().to_owned(),
            received: incoming.received.clone(),
            approved_at: incoming.approved_at,
            ordered_at: None,
            expires_at: request.expires_at(incoming.approved_at),
            request,
            verdict,
            absent: false,
            adopts: incoming.adopts(),
            gone: incoming.delivery.statement == Statement::Gone,
            task_token: incoming.callback.is_some_and(Callback::has_task),
            lease: None,
        };
        let lease = self.worker_lease(incoming.now, incoming.deadline)?;
        Ok(Opening { intent, lease })
    }
}
