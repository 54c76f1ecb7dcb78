//! Reads for a request with which accounts its image is shared, and whether the image can be shared
//! in its current state. Returns an [`Observation`]. If a read fails, that part is missing in it.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument as _;

use crate::app::context::{ExecutionContext, ReadKey, pause};
use crate::cloud::error::not_sent;
use crate::domain::{AccountId, Action, CloudError, ImageRef, ResultCode, ShareRequest, Target};
use crate::plan::{Observation, Readiness};
use crate::telemetry::{Step, step};

use super::coalesce::Joined;

/// Maximum number of attempts of a read. If all of them fail, the plan is still safe, but it makes
/// more calls.
const MAX_READS: u32 = 3;

fn key_of(context: &ExecutionContext<'_>, request: &ShareRequest) -> ReadKey {
    (
        context.account.map(str::to_owned),
        request.region.clone(),
        request.target.image(),
        std::mem::discriminant(&request.target),
        request.action,
    )
}

/// How long a share waits for the id of the account that owns the key in use. After that the share
/// continues without the id.
const OWNER_TIME: Duration = Duration::from_millis(700);

/// Reads the cloud for a request. Requests with the same [`ReadKey`] that wait at the same time all
/// use the result of one read.
pub(in crate::app) async fn observe(
    context: &ExecutionContext<'_>,
    request: &ShareRequest,
) -> Observation {
    loop {
        let leader = match context
            .reads
            .enter(key_of(context, request), (), context.deadline)
            .await
        {
            Joined::Leader(leader) => leader,
            // The leader's deadline passed before it had read everything. This caller still has
            // time, so it joins the queue again.
            Joined::Answered(seen)
                if seen
                    .unreadable
                    .as_ref()
                    .is_some_and(CloudError::is_out_of_time)
                    && !context.deadline.passed() =>
            {
                continue;
            }
            Joined::Answered(seen) => return seen,
            Joined::Lost if !context.deadline.passed() => continue,
            Joined::Lost | Joined::Late => {
                let mut seen = Observation::default();
                seen.cannot_read(late());
                return seen;
            }
        };
        let batch = leader.batch(|()| true);
        let looks = async { tokio::join!(look(context, request), owner(context, request)) };
        let (mut seen, owner) = looks.instrument(step(Step::Observe)).await;
        // Keep the owner only if its key is still in use.
        seen.owner = owner.filter(|owner| context.cloud.known_owner().as_ref() == Some(owner));
        batch.answer(&seen);
        return seen;
    }
}

/// Reads the id of the root account that owns the key in use. A cancel waits longer for the id than
/// a share: only if this account owns the image is the image proven absent when no read finds it.
async fn owner(context: &ExecutionContext<'_>, request: &ShareRequest) -> Option<AccountId> {
    let asked = match request.action {
        Action::Share => context.cloud.within(OWNER_TIME).owner_account().await,
        Action::Cancel => context.cloud.owner_account().await,
    };
    asked.ok()
}

fn late() -> CloudError {
    let message = "the deadline passed before the cloud was read".to_owned();
    let remedy = "nothing to do: the program repeats the call later";
    not_sent(ResultCode::DeadlinePassed, message, remedy)
}

async fn look(context: &ExecutionContext<'_>, request: &ShareRequest) -> Observation {
    let mut seen = Observation {
        readable: true,
        ..Observation::default()
    };
    let cloud = &context.cloud;
    match &request.target {
        Target::Blueprint { .. } | Target::Cvm { .. } => {
            let image = request.target.image();
            let shares = retried(context, || cloud.shares(&image));
            let (read, readiness) = tokio::join!(shares, before_share(context, request, &image));
            seen.take_shares(read);
            seen.readiness = readiness;
            seen.max_accounts =
                matches!(image, ImageRef::Cvm(_)).then_some(context.cvm_accounts_per_image);
        }
        Target::Lighthouse { image } | Target::Chain { image, .. } => {
            match retried(context, || cloud.blueprint_of_image(image)).await {
                Ok(found) => seen.blueprint = found.map(|blueprint| blueprint.blueprint_id),
                Err(error) => seen.cannot_read(error),
            }
            if let (Target::Chain { .. }, Some(blueprint)) =
                (&request.target, seen.blueprint.clone())
            {
                let read = retried(context, || cloud.blueprint_shares(&blueprint)).await;
                seen.take_shares(read);
            }
        }
    }
    seen
}

/// If the cloud's list shows no blueprint of the image, looks up the recorded blueprint by its id.
/// This is needed because a blueprint in the list may not name its image.
pub(in crate::app) async fn look_up_recorded(
    context: &ExecutionContext<'_>,
    request: &ShareRequest,
    seen: &mut Observation,
) {
    let Some(blueprint) = seen.given.blueprint.clone() else {
        return;
    };
    if !request.target.lighthouse() || !seen.readable || seen.blueprint.is_some() {
        return;
    }
    let cloud = &context.cloud;
    match retried(context, || cloud.blueprint(&blueprint)).await {
        Ok(Some(_)) => {}
        Ok(None) => return,
        // The read failed, so the owner is not proven and the accounts are not known. Each item
        // needs a call.
        Err(error) => return seen.cannot_read(error),
    }
    if let Target::Chain { .. } = &request.target {
        let read = retried(context, || cloud.blueprint_shares(&blueprint)).await;
        seen.take_shares(read);
    }
    seen.blueprint = Some(blueprint);
}

/// Reads whether an image can be shared in its current state. Reads nothing before a cancel,
/// because a cancel works in any state.
async fn before_share(
    context: &ExecutionContext<'_>,
    request: &ShareRequest,
    image: &ImageRef,
) -> Readiness {
    match request.action {
        Action::Share => readiness(context, image, SLOT_TIME).await,
        Action::Cancel => Readiness::Ready,
    }
}

/// Makes a read, and repeats it after a temporary error. Starts no wait for another attempt once
/// [`STATE_TIME`] has passed, so that time is left for the call.
async fn retried<T, F>(
    context: &ExecutionContext<'_>,
    read: impl Fn() -> F,
) -> Result<T, CloudError>
where
    F: Future<Output = Result<T, CloudError>>,
{
    let (mut tries, begun) = (0, Instant::now());
    loop {
        let error = match read().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        tries += 1;
        let soon = begun.elapsed() < STATE_TIME;
        let wait = error.class.passing() && tries < MAX_READS && soon;
        if !wait || !context.wait(tries, error.class).await {
            return Err(error);
        }
    }
}

/// Time limit of one read of an image's state. The read only avoids a call that the cloud would
/// refuse. If the read fails or takes longer, the share continues without it.
pub(super) const STATE_TIME: Duration = Duration::from_secs(5);

/// How long a share waits until the rate limit allows it to read the blueprint's state.
///
/// The cloud allows fewer of these reads per second than shares. If a burst of shares waited longer
/// for its reads, it could not make as many sharing calls as the cloud allows.
const SLOT_TIME: Duration = Duration::from_millis(200);

/// Reads the image's state once. The state of a blueprint is read only if the rate limit allows it
/// within `slot`. If nothing was read or found, returns [`Readiness::Ready`].
pub(super) async fn readiness(
    context: &ExecutionContext<'_>,
    image: &ImageRef,
    slot: Duration,
) -> Readiness {
    let cloud = context.cloud.within(STATE_TIME);
    match image {
        ImageRef::Blueprint(id) => match cloud.with_slots_within(slot).blueprint(id).await {
            Ok(Some(found)) => Readiness::of_blueprint(found.blueprint_state.as_deref()),
            Ok(None) | Err(_) => Readiness::Ready,
        },
        ImageRef::Cvm(id) => match cloud.cvm_image(id).await {
            Ok(Some(found)) => {
                Readiness::of_cvm(found.image_state.as_deref(), found.image_type.as_deref())
            }
            Ok(None) | Err(_) => Readiness::Ready,
        },
    }
}

/// Waits, for a limited time, while the image is in a temporary state. Returns the last state that
/// was read.
pub(super) async fn until_ready(context: &ExecutionContext<'_>, image: &ImageRef) -> Readiness {
    let mut last = Readiness::Ready;
    for _ in 0..context.patience.normal_polls {
        last = readiness(context, image, STATE_TIME).await;
        let passing = matches!(last, Readiness::Later(_));
        if !passing || !pause(context.deadline, context.patience.normal_pause).await {
            break;
        }
    }
    last
}
