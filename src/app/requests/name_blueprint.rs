//! Records which blueprint a chain shares, so that the index also lists the request under that
//! blueprint. Tells the caller whether it must then read the other requests for the blueprint.

use crate::domain::{ItemResult, ResultKind, Target};

use super::claim_writer::ClaimWriter;
use super::stop::Stop;

impl ClaimWriter<'_> {
    /// Records which blueprint the accounts of a chain get, before any result or call for these
    /// accounts. Other requests for that blueprint can see this request only after this record. A
    /// blueprint that this request itself created is not recorded at once, but together with the
    /// results before the next call.
    ///
    /// # Errors
    /// Returns [`Stop::BlueprintNamed`] after recording a blueprint that may have existed before
    /// this request, or another [`Stop`] if the blueprint cannot be recorded.
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
