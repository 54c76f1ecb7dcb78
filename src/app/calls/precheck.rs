//! Reads whether an image can be shared in its present state. In: an image. Out: [`Readiness`], after
//! one read or a bounded wait. A precheck saves a call that the cloud would refuse; if the precheck
//! fails or takes too long, the share goes on without it.

use std::time::Duration;

use crate::app::context::{ExecutionContext, pause};
use crate::domain::ImageRef;
use crate::plan::Readiness;

/// The longest wait for one of these reads.
const READ: Duration = Duration::from_secs(5);

/// Reads the image's state once; ready if that fails.
pub(in crate::app) async fn readiness(
    context: &ExecutionContext<'_>,
    image: &ImageRef,
) -> Readiness {
    let cloud = context.cloud.within(READ);
    match image {
        ImageRef::Blueprint(id) => match cloud.blueprint(id).await {
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

/// Waits, within bounds, while the image is in a passing state.
pub(super) async fn until_ready(context: &ExecutionContext<'_>, image: &ImageRef) -> Readiness {
    let mut last = Readiness::Ready;
    for _ in 0..context.patience.normal_polls {
        last = readiness(context, image).await;
        let passing = matches!(last, Readiness::Later(_));
        if !passing || !pause(context.deadline, context.patience.normal_pause).await {
            break;
        }
    }
    last
}
