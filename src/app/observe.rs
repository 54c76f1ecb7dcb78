//! What does the cloud hold now? In: an approved request. Out: an [`Observation`], as complete as
//! the reads allow.

use crate::clock;
use crate::cloud::error::own;
use crate::domain::{Action, CloudError, ErrorClass, ImageRef, Region, ShareRequest, Target};
use crate::plan::{Observation, Readiness, wait_before};

use super::calls::{Subject, out_of_time};
use super::execute::{Means, pause};
use super::merge::{Lanes, Place};
use super::precheck::readiness;

/// A read is tried this often; a plan without it is still safe, only less sparing.
const MOST_READS: u32 = 3;

/// Looks that may be one: an owner account, a region and what is looked at.
type Look = (Option<String>, Region, ImageRef, Depth);

/// Requests that wait for the same look share the next one: it begins after each of them asked, so
/// it is fresh for all.
pub(super) type LookLanes = Lanes<Look, (), Observation>;

/// How much of an image is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Depth {
    /// Who has it and whether it can be shared, before a share.
    ToShare,
    /// Who has it, before a cancellation.
    ToCancel,
    /// Whether it is in Lighthouse.
    Lighthouse,
    /// The same, and who has its blueprint.
    Chain,
}

fn look_of(means: &Means<'_>, request: &ShareRequest) -> Look {
    let depth = match (&request.target, request.action) {
        (Target::Lighthouse { .. }, _) => Depth::Lighthouse,
        (Target::Chain { .. }, _) => Depth::Chain,
        (_, Action::Share) => Depth::ToShare,
        (_, Action::Cancel) => Depth::ToCancel,
    };
    (
        means.account.map(str::to_owned),
        request.region.clone(),
        request.target.image(),
        depth,
    )
}

/// What the cloud holds, in one look with everybody who waits for the same.
pub(super) async fn observe(means: &Means<'_>, request: &ShareRequest) -> Observation {
    loop {
        let lead = match means
            .looks
            .enter(look_of(means, request), (), means.deadline)
            .await
        {
            Place::Lead(lead) => lead,
            // The leader had less time than there is here.
            Place::Rode(seen)
                if seen.unreadable.as_ref().is_some_and(out_of_time) && in_time(means) =>
            {
                continue;
            }
            Place::Rode(seen) => return seen,
            Place::Lost if in_time(means) => continue,
            Place::Lost | Place::Late => {
                let mut seen = Observation::default();
                seen.cannot_read(late());
                return seen;
            }
        };
        let company = lead.company(|()| true);
        let seen = look(means, request).await;
        company.answer(&seen);
        return seen;
    }
}

fn in_time(means: &Means<'_>) -> bool {
    means.deadline.allows(tokio::time::Instant::now())
}

fn late() -> CloudError {
    CloudError {
        code: own::DEADLINE.to_owned(),
        message: "the deadline passed before the cloud was looked at".to_owned(),
        class: ErrorClass::NotSent,
        remedy: "none at once: it is repeated later".to_owned(),
        request_id: None,
    }
}

async fn look(means: &Means<'_>, request: &ShareRequest) -> Observation {
    let mut seen = Observation {
        readable: true,
        ..Observation::default()
    };
    let region = &request.region;
    let (cloud, deadline) = (means.cloud, means.deadline);
    match &request.target {
        Target::Blueprint { image, .. } => {
            let shares = retried(means, || cloud.blueprint_shares(region, image, deadline));
            let (read, readiness) = tokio::join!(
                shares,
                before_share(means, request, Subject::Blueprint(image.clone()))
            );
            seen.take_shares(read);
            seen.readiness = readiness;
        }
        Target::Cvm { image, .. } => {
            let shares = retried(means, || cloud.cvm_shares(region, image, deadline));
            let (read, readiness) = tokio::join!(
                shares,
                before_share(means, request, Subject::Cvm(image.clone()))
            );
            seen.take_shares(read.map(Some));
            seen.readiness = readiness;
            seen.max_accounts = Some(means.cvm_accounts_per_image);
        }
        Target::Lighthouse { image } | Target::Chain { image, .. } => {
            match retried(means, || cloud.blueprint_of_image(region, image, deadline)).await {
                Ok(found) => seen.blueprint = found.map(|blueprint| blueprint.blueprint_id),
                Err(error) => seen.cannot_read(error),
            }
            if let (Target::Chain { .. }, Some(blueprint)) =
                (&request.target, seen.blueprint.clone())
            {
                let read = retried(means, || {
                    cloud.blueprint_shares(region, &blueprint, deadline)
                })
                .await;
                seen.take_shares(read);
            }
        }
    }
    seen
}

/// Whether an image can be shared as it is. Nobody asks before a cancellation: what is to go, goes
/// in any state.
async fn before_share(means: &Means<'_>, request: &ShareRequest, subject: Subject) -> Readiness {
    match request.action {
        Action::Share => readiness(means, &request.region, &subject).await,
        Action::Cancel => Readiness::Ready,
    }
}

/// Repeats a read that failed for a passing reason.
async fn retried<T, F>(means: &Means<'_>, read: impl Fn() -> F) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let mut tries = 0;
    loop {
        let error = match read().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        tries += 1;
        let wait = wait_before(means.patience.backoff, tries, error.class, clock::chance());
        if !error.class.passing() || tries >= MOST_READS || !pause(means.deadline, wait).await {
            return Err(error);
        }
    }
}
