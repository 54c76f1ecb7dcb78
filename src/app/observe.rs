//! What does the cloud hold now? In: an approved request. Out: an [`Observation`], as complete as the reads allow.

use crate::clock;
use crate::domain::{CloudError, ErrorClass, ShareRequest, Target};
use crate::plan::{Observation, wait_before};

use super::execute::{Means, pause};

/// A read is tried this often; a plan without it is still safe, only less sparing.
const MOST_READS: u32 = 3;

pub(super) async fn observe(means: &Means<'_>, request: &ShareRequest) -> Observation {
    let mut seen = Observation { readable: true, ..Observation::default() };
    let region = &request.region;
    let (cloud, deadline) = (means.cloud, means.deadline);
    match &request.target {
        Target::Blueprint { image, .. } => {
            let read = retried(means, || cloud.blueprint_shares(region, image, deadline)).await;
            seen.take_shares(read);
        }
        Target::Cvm { image, .. } => {
            let read = retried(means, || cloud.cvm_shares(region, image, deadline)).await;
            seen.take_shares(read.map(Some));
        }
        Target::Lighthouse { image } | Target::Chain { image, .. } => {
            match retried(means, || cloud.blueprint_of_image(region, image, deadline)).await {
                Ok(found) => seen.blueprint = found.map(|blueprint| blueprint.blueprint_id),
                Err(error) => seen.cannot_read(error),
            }
            if let (Target::Chain { .. }, Some(blueprint)) = (&request.target, seen.blueprint.clone()) {
                let read = retried(means, || cloud.blueprint_shares(region, &blueprint, deadline)).await;
                seen.take_shares(read);
            }
        }
    }
    seen
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
        let passing = matches!(
            error.class,
            ErrorClass::Transient | ErrorClass::Throttled | ErrorClass::Ambiguous | ErrorClass::NotSent
        );
        let wait = wait_before(means.patience.backoff, tries, error.class, clock::chance());
        if !passing || tries >= MOST_READS || !pause(means.deadline, wait).await {
            return Err(error);
        }
    }
}
