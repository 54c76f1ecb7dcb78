//! Names the blueprint of a chain on record, under which the index then lists the request. In: the result that
//! names it. Out: whether the other requests for that blueprint must be looked at.

use crate::domain::{ItemResult, ResultKind, Target};

use super::claim_writer::{ClaimWriter, Stop};

impl ClaimWriter<'_> {
    /// Records which blueprint the accounts of a chain get, before they are settled or called for:
    /// requests for the blueprint see this one only then. One that this request made is in the record
    /// before the next call.
    ///
    /// # Errors
    /// [`Stop::Named`] once a blueprint is recorded that may have been there before.
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
        Err(Stop::Named)
    }
}
