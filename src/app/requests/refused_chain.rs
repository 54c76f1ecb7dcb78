//! Ends a chain if the cloud refuses to share its blueprint: removes the image that this request
//! put into Lighthouse, unless another request needs it there, and adds the reason to the results.
//! `plan::chain` decides which results are such a refusal.

use crate::app::calls::lighthouse_stage;
use crate::app::grants::{Ownership, serving};
use crate::app::{App, Deadline};
use crate::domain::{ImageRef, ItemResult, ResultKind};
use crate::plan::{Publication, RefusedChain};
use crate::policy::Approved;

use super::claim_writer::ClaimWriter;
use super::stop::Stop;

impl App {
    /// Ends the chain if `results` show that the cloud refuses to share its blueprint; otherwise
    /// returns `results` unchanged.
    pub(super) async fn undo_refused_chain(
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
            return Ok(refused.explain(results, &Publication::FoundThere));
        };
        let others = self.others(writer.state()).await.map_err(Stop::Journal)?;
        if serving(writer.state(), &others, self.now()).is_some() {
            return Ok(refused.explain(results, &Publication::NeededByOthers));
        }
        let context = self.context(writer.state().request(), deadline);
        // Compare with the account whose key is in use. The writer's owner may merely be a copy of
        // the owner on record.
        let asked = context.cloud.known_owner();
        let ownership = Ownership::of(writer.state().owner(), asked.as_ref());
        let published = ImageRef::Cvm(image.clone());
        if let Some(error) = ownership.differing_error(&published, context.account) {
            let stands = Publication::Stands {
                why: error.to_string(),
                retryable: true,
            };
            return Ok(refused.explain(results, &stands));
        }
        let proven = ownership.proven();
        let end = lighthouse_stage::take_back_publication(&context, image, proven, writer).await?;
        let publication = match end.kind {
            ResultKind::Failed {
                code,
                message,
                retryable,
            } => Publication::Stands {
                why: format!("{code}: {message}"),
                retryable,
            },
            // The time ran out. The cloud will refuse again in a later turn, which then removes the
            // image.
            ResultKind::Pending => Publication::Stands {
                why: "the time ran out; a later turn tries again".to_owned(),
                retryable: true,
            },
            _ => Publication::TakenBack,
        };
        Ok(refused.explain(results, &publication))
    }
}
