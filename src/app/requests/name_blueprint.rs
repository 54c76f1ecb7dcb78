//! Records the name of a chain's blueprint, so that the index lists the request under it. In: the
//! results, one of which names the blueprint. Out: whether the other requests for that blueprint
//! must be read.

use crate::domain::{ItemResult, ResultKind, Target};

use super::claim_writer::ClaimWriter;
use super::stop::Stop;

impl ClaimWriter<'_> {
    /// Records which blueprint the accounts of a chain get, before any result or call for them:
    /// only then do requests for that blueprint see this one. A blueprint that this request made is
    /// not written at once, but with the results before the next call.
    ///
    /// # Errors
    /// [`Stop::BlueprintNamed`] after recording a blueprint that may have existed before; another
    /// [`Stop`] if it cannot be recorded.
    pub(in crate::app) async fn name_blueprint(
        &mut self,
        results: &[ItemResult],
    ) -> Result<(), Stop> {
        let recorded = self.state().blueprint();
        let named = |result: &&ItemResult| match &result.kind {
            ResultKind::Available { blueprint, .. } => {
                blueprint.is_some() && blueprint.as_ref() != recorded
            }
            _ => false,
        };
        let chain = matches!(self.state().request().target, Target::Chain { .. });
        let Some(lighthouse) = results.iter().find(named).filter(|_| chain) else {
            return Ok(());
        };
        let made_here = |known: &ItemResult| {
            let made = matches!(known.kind, ResultKind::Available { already: false, .. });
            made && known.item == lighthouse.item
        };
        let made = self.unwritten.results.iter().any(made_here)
            || self.state().results().iter().any(made_here);
        let first = recorded.is_none() && !self.looked_before_turn;
        self.unwritten
            .results
            .retain(|known| known.item != lighthouse.item);
        self.unwritten.results.push(lighthouse.clone());
        if made {
            return Ok(());
        }
        self.unwritten.names_only = first;
        self.write_results().await?;
        Err(Stop::BlueprintNamed)
    }
}
