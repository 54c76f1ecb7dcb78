//! Ends a chain whose blueprint the cloud refuses to share: takes the image that this request
//! published out of Lighthouse, unless another request needs it. In: the results so far. Out: the
//! results with the reason. `plan::chain` decides what counts as such a refusal.

use crate::domain::{ItemResult, ResultKind};
use crate::plan::{Publication, RefusedChain};
use crate::policy::Approved;

use super::claim_writer::{ClaimWriter, Stop};
use super::grants::serving;
use super::{App, Deadline, execute};

impl App {
    /// Settles the results of a chain that the cloud refused; returns all others as they are.
    ///
    /// # Errors
    /// [`Stop`], as for every call that the journal must hold.
    pub(super) async fn settle_refused_chain(
        &self,
        writer: &mut ClaimWriter<'_>,
        approved: &Approved,
        results: Vec<ItemResult>,
        deadline: Deadline,
    ) -> Result<Vec<ItemResult>, Stop> {
        let Some(refused) = RefusedChain::of(approved.request(), &results) else {
            return Ok(results);
        };
        let Some(image) = refused.published() else {
            return Ok(refused.settle(results, &Publication::FoundThere));
        };
        let others = self.others(writer.state()).await.map_err(Stop::Journal)?;
        if serving(writer.state(), &others, self.now()).is_some() {
            return Ok(refused.settle(results, &Publication::NeededByOthers));
        }
        let context = self.context(writer.state().request(), deadline);
        let region = &approved.request().region;
        let end = execute::take_back_publication(&context, region, image, writer).await?;
        let publication = match end.kind {
            ResultKind::Failed {
                code,
                message,
                retryable,
            } => Publication::Stands {
                why: format!("{code}: {message}"),
                retryable,
            },
            // The time ran out. A later turn meets the same refusal and unpublishes then.
            ResultKind::Pending => Publication::Stands {
                why: "the time ran out".to_owned(),
                retryable: true,
            },
            _ => Publication::TakenBack,
        };
        Ok(refused.settle(results, &publication))
    }
}
