//! Makes and records the calls that put a CVM image into Lighthouse or remove it from there. Takes
//! the image and how to interpret reads of it, as [`Reads`]. Returns the item's result. `plan`
//! decides which calls to make and what their answers mean.

use tracing::Instrument as _;

use crate::app::context::{ExecutionContext, LIST_DELAY, pause};
use crate::app::requests::{ClaimWriter, Stop};
use crate::cloud::ImagesQuery;
use crate::domain::{
    Action, BlueprintId, CloudError, CvmImageId, ErrorClass, ImageRef, ItemResult, ResultCode,
};
use crate::plan::{LighthouseSeen, LighthouseStep, LighthouseWork, Readiness, publication_call};
use crate::telemetry::{Step, step};

use super::observe::{STATE_TIME, readiness};
use super::sharing_calls::describe;

/// Removes from Lighthouse an image that this request put there.
pub(in crate::app) async fn take_back_publication(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    absence: bool,
    writer: &mut ClaimWriter<'_>,
) -> Result<ItemResult, Stop> {
    let state = writer.state();
    let reads = Reads {
        acted: true,
        // If this request put the image there only recently, the list may not show it yet.
        absence: absence && !state.gave_within(writer.clock.now(), LIST_DELAY),
        recorded: state.blueprint().cloned(),
    };
    lighthouse(context, image, Action::Cancel, reads, writer).await
}

/// How to interpret a read of an image in Lighthouse.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    /// Whether an earlier attempt may have caused what the read shows.
    pub(super) acted: bool,
    /// Whether the image is really absent if the read does not find it.
    pub(super) absence: bool,
    /// The blueprint on record, for a cancel.
    pub(super) recorded: Option<BlueprintId>,
}

pub(super) async fn lighthouse(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    action: Action,
    reads: Reads,
    writer: &mut ClaimWriter<'_>,
) -> Result<ItemResult, Stop> {
    let tries = context.patience.backoff.tries;
    let mut work = LighthouseWork::new(image.clone(), action, reads.acted, tries);
    let cloud = &context.cloud;
    let mut called = false;
    loop {
        match work.next() {
            LighthouseStep::Finished => break,
            LighthouseStep::Wait { tries, class } => {
                writer.write_results().await?;
                if !context.wait(tries, class).await {
                    return Ok(work.unfinished());
                }
                work.see(LighthouseSeen::Waited);
            }
            LighthouseStep::Precheck => work.see(precheck(context, image).await),
            LighthouseStep::Find => {
                work.see(LighthouseSeen::Found(find(context, image, &reads).await));
            }
            LighthouseStep::Call if writer.lease_is_over() => return Ok(work.unfinished()),
            LighthouseStep::Call => {
                writer.write_results().await?;
                let (call, name) = (step(Step::Call), publication_call(image, action));
                let end = cloud.modify_lighthouse_sharing(image, action);
                let end = end.instrument(call.clone()).await;
                context.count_call("ModifyImageSharePermission", &end);
                if end.as_ref().err().is_some_and(CloudError::is_out_of_time) {
                    return Ok(work.unfinished());
                }
                let request_id = end.as_ref().map(|(_, id)| id.clone());
                let request_id = request_id.map_err(CloudError::clone);
                describe(&call, &name, &request_id);
                writer.keep_call(context.named(name), &request_id);
                writer.confirm_owner(cloud.known_owner());
                called = true;
                work.see(LighthouseSeen::Called(end));
            }
        }
    }
    let result = work.result().cloned();
    let result = result.unwrap_or_else(|| work.unfinished());
    // If no call was made, the result only repeats what a read shows, so it is not recorded.
    if called {
        writer.keep_results(std::slice::from_ref(&result));
    }
    Ok(result)
}

/// Looks for the image's blueprint: first by the image, then by the blueprint id on record. The
/// second look-up is needed because a blueprint in the cloud's list may not name its image.
async fn find(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    reads: &Reads,
) -> Result<Option<BlueprintId>, CloudError> {
    let mut found = context.cloud.blueprint_of_image(image).await?;
    if let (None, Some(recorded)) = (&found, &reads.recorded) {
        found = context.cloud.blueprint(recorded).await?;
    }
    match found {
        None if !reads.absence => Err(not_proven()),
        found => Ok(found.map(|found| found.blueprint_id)),
    }
}

fn not_proven() -> CloudError {
    let message = "Lighthouse shows no blueprint of the image, but its list may be late, or the key in use may belong to another account than the image's owner";
    let remedy = "check the key; if the image is deleted, confirm with `sharehook revoke --gone`";
    CloudError::own(
        ResultCode::OwnerUnproven,
        ErrorClass::Permanent,
        message,
        remedy,
    )
}

/// Asks Lighthouse whether the image can be shared to it. While the image is in a temporary state,
/// asks again for a limited time.
async fn precheck(context: &ExecutionContext<'_>, image: &CvmImageId) -> LighthouseSeen {
    let mut polls = context.patience.normal_polls;
    let mut last = None;
    loop {
        let seen = match ask_lighthouse(context, image).await {
            Ok(Readiness::Ready) => LighthouseSeen::Prechecked(Ok(None)),
            Ok(Readiness::Never(reason)) => LighthouseSeen::Prechecked(Ok(Some(reason))),
            Ok(later @ Readiness::Later(_)) => {
                last = Some(later.clone());
                LighthouseSeen::NotReady(later)
            }
            // Return the state of the last successful read: the cloud refuses the call in it.
            Err(error) => match last.take() {
                Some(later) => return LighthouseSeen::NotReady(later),
                None => LighthouseSeen::Prechecked(Err(error)),
            },
        };
        polls = polls.saturating_sub(1);
        let wait = matches!(seen, LighthouseSeen::NotReady(_)) && polls > 0;
        if !wait || !pause(context.deadline, context.patience.normal_pause).await {
            return seen;
        }
    }
}

/// Asks Lighthouse once whether the image can be shared to it.
async fn ask_lighthouse(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
) -> Result<Readiness, CloudError> {
    let query = ImagesQuery::Ids {
        image_ids: vec![image.clone()],
    };
    let cloud = context.cloud.within(STATE_TIME);
    let listed = cloud.images_to_share(query).await?;
    let found = listed.into_iter().find(|listed| listed.image_id == *image);
    let Some(found) = found else {
        // The list may omit an image whose state is not NORMAL, so read the state. If the image is
        // missing for another reason, make the call: the cloud refuses it with the documented code.
        let state = readiness(context, &ImageRef::Cvm(image.clone()), STATE_TIME).await;
        return Ok(match state {
            later @ Readiness::Later(_) => later,
            Readiness::Ready | Readiness::Never(_) => Readiness::Ready,
        });
    };
    if found.is_shareable != Some(false) {
        return Ok(Readiness::Ready);
    }
    let reason = found.unshareable_reason.unwrap_or_default();
    Ok(
        match Readiness::of_cvm(found.image_state.as_deref(), None) {
            later @ Readiness::Later(_) => later,
            Readiness::Ready | Readiness::Never(_) => Readiness::Never(reason),
        },
    )
}
