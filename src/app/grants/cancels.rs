//! Finds the cancels that end a list of grants: the accounts for each image and region. The
//! accounts of a chain are listed under its blueprint. If the chain's own records do not name the
//! blueprint, other requests or the cloud do.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::reader::GrantEntry;
use crate::app::{App, Deadline};
use crate::domain::{CvmImageId, ImageRef, Region};
use crate::journal::{Receiver, State};

use super::overdue::LIGHTHOUSE;
use super::revoke_now::RevokeNowError;

/// The accounts that lose each image. The key is the image, the region, and whether the image
/// leaves Lighthouse. If the image leaves Lighthouse, the accounts are those of its chain. Accounts
/// with which the CVM image itself is shared need a separate cancel.
pub(super) type Cancels = BTreeMap<(String, String, bool), BTreeSet<String>>;

impl App {
    /// Returns the cancels that end these grants, and an error for each request whose blueprint was
    /// not found or could not be read. `unfinished` names the requests that may not have created
    /// their blueprint yet.
    pub(super) async fn cancels_of(
        &self,
        grants: Vec<GrantEntry>,
        unfinished: &BTreeSet<String>,
        gone: bool,
        deadline: Deadline,
    ) -> Result<(Cancels, Vec<RevokeNowError>), RevokeNowError> {
        let mut by_request = BTreeMap::new();
        for grant in grants {
            let key = (grant.request.clone(), grant.to == LIGHTHOUSE);
            let (_, receivers) = by_request
                .entry(key)
                .or_insert_with(|| (grant.clone(), BTreeSet::new()));
            receivers.insert(grant.to);
        }
        let (mut cancels, mut not_found) = (Cancels::new(), Vec::new());
        for ((request, in_lighthouse), (grant, receivers)) in &by_request {
            let emptied = by_request.contains_key(&(request.clone(), true));
            let (subject, leaves) = match self.cancelled_as(grant, deadline).await {
                Ok(subject) => (subject, *in_lighthouse),
                Err(error @ RevokeNowError::Journal(_)) => return Err(error),
                // No blueprint is needed here: the image leaves Lighthouse or is deleted, so the
                // accounts of the chain lose the blueprint anyway.
                Err(error) if emptied || gone && error.shows_none() => (grant.image.clone(), true),
                Err(RevokeNowError::NoBlueprint(image)) if unfinished.contains(request) => {
                    let request = request.clone();
                    not_found.push(RevokeNowError::NotMade { request, image });
                    continue;
                }
                Err(error) => {
                    not_found.push(error);
                    continue;
                }
            };
            let accounts = receivers.iter().filter(|to| *to != LIGHTHOUSE).cloned();
            let cancel = cancels.entry((subject, grant.region.clone(), leaves));
            cancel.or_default().extend(accounts);
        }
        Ok((cancels, not_found))
    }

    /// Returns the image that a cancel of this grant must name.
    async fn cancelled_as(
        &self,
        grant: &GrantEntry,
        deadline: Deadline,
    ) -> Result<String, RevokeNowError> {
        let (image, region) = (grant.image.parse(), grant.region.parse());
        let (Ok(image), Ok(region), false) = (image, region, grant.to == LIGHTHOUSE) else {
            // A cancel names another image than the grant only for an account of a chain, because
            // the blueprint was shared with that account instead of the CVM image.
            return Ok(grant.image.clone());
        };
        let (image, region): (CvmImageId, Region) = (image, region);
        if let Some(blueprint) = &grant.blueprint {
            return Ok(blueprint.clone());
        }
        let source = ImageRef::Cvm(image.clone());
        let lighthouse = [Receiver::Lighthouse.name()];
        let affecting = self.journal.affecting(&region, &source, Some(&lighthouse));
        let makers = self.read_streams(affecting.await?).await?;
        let of_grant = |maker: &State| maker.identity().to_string() == grant.request;
        if !makers.iter().any(of_grant) {
            return Ok(grant.image.clone());
        }
        if let Some(made) = makers.iter().find_map(State::blueprint) {
            return Ok(made.to_string());
        }
        let cloud = self
            .cloud_of_owner(&source, &region)
            .cloud
            .at(&region, deadline);
        let found = cloud.blueprint_of_image(&image).await;
        let found = found.map_err(|error| RevokeNowError::BlueprintUnread {
            image: grant.image.clone(),
            why: error.to_string(),
        })?;
        let found = found.ok_or_else(|| RevokeNowError::NoBlueprint(grant.image.clone()))?;
        let blueprint = ImageRef::Blueprint(found.blueprint_id);
        self.published.made(&region, blueprint.clone(), source);
        Ok(blueprint.to_string())
    }
}
