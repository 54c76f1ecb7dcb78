//! Computes the difference between an approved request and an observation of the cloud, as a
//! [`Plan`]. The plan is empty if the cloud already has the wanted state or no call can succeed. A
//! dry run prints the plan with `Display`.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{
    AccountId, Action, BlueprintId, CloudError, CvmImageId, ImageRef, Item, ItemResult, Region,
    ResultKind, ShareRequest, Target,
};
use crate::policy::Approved;

use super::call_names::{account_call, blueprint_call, publication_call};
use super::chain::{name_blueprint, taken_back_before};
use super::observation::{Given, Observation};
use super::precheck;
use super::readiness::Readiness;

/// The image of an account stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedImage {
    /// An image that the request names, or a chain's existing blueprint.
    Known(ImageRef),
    /// A blueprint that the observation did not show. For a share, the stage that publishes the
    /// image finds or creates the blueprint. A cancel looks it up.
    BlueprintOf {
        /// The CVM image from which the blueprint is created.
        image: CvmImageId,
        /// The blueprint that a record names. A cancel uses it if the look-up finds no blueprint.
        recorded: Option<BlueprintId>,
    },
}

/// A stage of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Make a CVM image available in Lighthouse.
    Publish(CvmImageId),
    /// Take a CVM image out of Lighthouse.
    Unpublish(CvmImageId),
    /// Share an image with accounts, or cancel the shares.
    Accounts {
        /// The image that the accounts get or lose.
        image: PlannedImage,
        /// Share or cancel.
        action: Action,
        /// The accounts that need a call, in the request's order.
        accounts: Vec<AccountId>,
    },
}

/// The calls that one approved request needs. Only [`Plan::of`] creates a plan, from an
/// [`Approved`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    region: Region,
    stages: Vec<Stage>,
    settled: Vec<ItemResult>,
    unseen: Vec<ItemResult>,
    readable: bool,
    looked_before: bool,
    publication_in_doubt: bool,
    waits_for_image: bool,
    given: Given,
}

impl Plan {
    /// Computes the difference between the request and the cloud.
    ///
    /// `done` contains the results of earlier attempts. Pending results are ignored, except for a
    /// Lighthouse result that is in doubt. `looked_before` is true if an earlier attempt recorded
    /// the state of the cloud before its first call.
    pub fn of(
        approved: &Approved,
        seen: &Observation,
        done: &[ItemResult],
        looked_before: bool,
    ) -> Self {
        let request = approved.request();
        let mut settled: Vec<ItemResult> = done.iter().filter(|r| !r.pending()).cloned().collect();
        let mut unseen = Vec::new();
        let todo = unsettled_accounts(request, seen, looked_before, &mut settled, &mut unseen);
        let in_doubt = |r: &ItemResult| matches!(r.item, Item::Lighthouse(_)) && r.maybe_done;
        let publication_in_doubt = looked_before && done.iter().any(in_doubt);
        let acted = match request.action {
            Action::Share => publication_in_doubt,
            Action::Cancel => looked_before,
        };
        let mut stages = stages(request, seen, acted, todo, &mut settled, &mut unseen);
        stages.retain(
            |stage| !matches!(stage, Stage::Accounts { accounts, .. } if accounts.is_empty()),
        );
        let read_later = |error: &CloudError| error.class.passing();
        Self {
            region: request.region.clone(),
            stages,
            settled,
            unseen,
            readable: !seen.doubted
                && (seen.readable || seen.unreadable.as_ref().is_some_and(read_later)),
            looked_before,
            publication_in_doubt,
            waits_for_image: request.action == Action::Share
                && matches!(seen.readiness, Readiness::Later(_)),
            given: seen.given.clone(),
        }
    }

    /// Returns the region of the request.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Returns the stages, in the order in which they must be carried out.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Returns the results of the items that need no call.
    pub fn settled(&self) -> &[ItemResult] {
        &self.settled
    }

    /// Returns results for items of a cancel that the cloud's lists do not show. By the lists
    /// alone, these items would need no call and would have these results. They get a call
    /// nevertheless, because a record says that they were shared and the lists may lack them.
    pub fn unseen(&self) -> &[ItemResult] {
        &self.unseen
    }

    /// Whether the shares can be read after a call without a clear answer. Also true if the last
    /// read failed for a passing reason.
    pub fn readable(&self) -> bool {
        self.readable
    }

    /// Returns what the records say of the items. An item may still be shared even if a read after
    /// a call does not show it: see [`Given::may_hide`].
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Whether an earlier attempt may have made some of the plan's calls.
    pub fn looked_before(&self) -> bool {
        self.looked_before
    }

    /// Whether an earlier attempt may have put the image into Lighthouse. False if the cloud
    /// refused the call of that attempt.
    pub fn publication_in_doubt(&self) -> bool {
        self.publication_in_doubt
    }

    /// Whether a share must wait, because the image cannot be shared in its current state but the
    /// state will pass.
    pub fn waits_for_image(&self) -> bool {
        self.waits_for_image
    }

    /// Whether the plan has no call, because none is needed or none can succeed.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
}

/// Returns the accounts that need a call. Adds the results of all other accounts to `settled`, and
/// the results for [`Plan::unseen`] to `unseen`.
fn unsettled_accounts(
    request: &ShareRequest,
    seen: &Observation,
    looked_before: bool,
    settled: &mut Vec<ItemResult>,
    unseen: &mut Vec<ItemResult>,
) -> Vec<AccountId> {
    let chain = match &request.target {
        Target::Chain { image, .. } => Some(image),
        _ => None,
    };
    // An image that is not in Lighthouse has no blueprint, so no account can have the blueprint.
    let none = Observation {
        shares: Some(BTreeSet::new()),
        ..Observation::default()
    };
    let nowhere = chain.is_some() && seen.readable && seen.blueprint.is_none();
    let nowhere = nowhere && request.action == Action::Cancel;
    let holders = if nowhere { &none } else { seen };
    // If the cloud shows no blueprint, a call is possible only if a record names the blueprint.
    let callable = !nowhere || seen.given.blueprint.is_some();
    let hidden = |item: &Item| callable && seen.given.may_hide(item);
    let mut todo = Vec::new();
    for account in open_accounts(request.target.accounts(), settled) {
        let Some(kind) = holders.settles(request.action, &account, looked_before) else {
            todo.push(account);
            continue;
        };
        let result = ItemResult::new(Item::Account(account.clone()), kind, None);
        if request.action == Action::Cancel && hidden(&result.item) {
            unseen.push(result);
            todo.push(account);
        } else {
            settled.push(result);
        }
    }
    settled.extend(precheck::refused(
        request.action,
        &request.target,
        seen,
        looked_before,
        &mut todo,
    ));
    let taken_back = settled
        .iter()
        .any(|r| matches!(r.item, Item::Lighthouse(_)) && r.kind == ResultKind::Cancelled);
    if let (Some(image), Action::Share, true) = (chain, request.action, taken_back) {
        let refused = |id| ItemResult::new(Item::Account(id), taken_back_before(image), None);
        settled.extend(todo.drain(..).map(refused));
    }
    todo
}

/// Returns the stages in order. A share publishes first, and a cancel unpublishes last. `acted` is
/// true if an earlier attempt may have caused the state of the image in Lighthouse.
fn stages(
    request: &ShareRequest,
    seen: &Observation,
    acted: bool,
    accounts: Vec<AccountId>,
    settled: &mut Vec<ItemResult>,
    unseen: &mut Vec<ItemResult>,
) -> Vec<Stage> {
    let action = request.action;
    let of_accounts = |image| Stage::Accounts {
        image,
        action,
        accounts,
    };
    match &request.target {
        target @ (Target::Blueprint { .. } | Target::Cvm { .. }) => {
            vec![of_accounts(PlannedImage::Known(target.image()))]
        }
        Target::Lighthouse { image } | Target::Chain { image, .. } => {
            let recorded = seen.given.blueprint.as_ref().filter(|_| seen.readable);
            let accounts = of_accounts(match seen.blueprint.as_ref().or(recorded) {
                Some(blueprint) => PlannedImage::Known(ImageRef::Blueprint(blueprint.clone())),
                None => PlannedImage::BlueprintOf {
                    image: image.clone(),
                    recorded: seen.given.blueprint.clone(),
                },
            });
            let lighthouse = lighthouse_stage(image, action, seen, acted, settled, unseen);
            match action {
                Action::Share => lighthouse.into_iter().chain([accounts]).collect(),
                Action::Cancel => [accounts].into_iter().chain(lighthouse).collect(),
            }
        }
    }
}

fn open_accounts(accounts: &[AccountId], settled: &[ItemResult]) -> Vec<AccountId> {
    let is_settled = |id: &AccountId| {
        settled
            .iter()
            .any(|r| matches!(&r.item, Item::Account(a) if a == id))
    };
    accounts
        .iter()
        .filter(|id| !is_settled(id))
        .cloned()
        .collect()
}

/// Returns the Lighthouse stage, or `None` if the item needs no call. In that case, the result is
/// added to `settled` unless it is already there. If the item needs a call although the observation
/// does not show it, the result is added to `unseen`.
fn lighthouse_stage(
    image: &CvmImageId,
    action: Action,
    seen: &Observation,
    acted: bool,
    settled: &mut Vec<ItemResult>,
    unseen: &mut Vec<ItemResult>,
) -> Option<Stage> {
    if settled
        .iter()
        .any(|r| matches!(r.item, Item::Lighthouse(_)))
    {
        if let (Action::Share, Some(blueprint)) = (action, &seen.blueprint) {
            name_blueprint(settled, blueprint);
        }
        return None;
    }
    let kind = match (action, &seen.blueprint) {
        (Action::Share, Some(id)) => ResultKind::Available {
            blueprint: Some(id.clone()),
            already: !acted,
        },
        (Action::Cancel, None) if seen.readable && acted => ResultKind::Cancelled,
        (Action::Cancel, None) if seen.readable => ResultKind::NotShared,
        (Action::Share, None) => return Some(Stage::Publish(image.clone())),
        (Action::Cancel, _) => return Some(Stage::Unpublish(image.clone())),
    };
    let result = ItemResult::new(Item::Lighthouse(image.clone()), kind, None);
    if action == Action::Cancel && seen.given.may_hide(&result.item) {
        unseen.push(result);
        return Some(Stage::Unpublish(image.clone()));
    }
    settled.push(result);
    None
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(image) => f.write_str(&publication_call(image, Action::Share)),
            Self::Unpublish(image) => f.write_str(&publication_call(image, Action::Cancel)),
            Self::Accounts {
                image,
                action,
                accounts,
            } => {
                let call = match image {
                    PlannedImage::Known(image) => account_call(image, *action),
                    PlannedImage::BlueprintOf { image, .. } => {
                        blueprint_call(&format!("(the blueprint of {image})"), *action)
                    }
                };
                let accounts: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
                write!(f, "{call}: {}", accounts.join(", "))
            }
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() && self.settled.iter().any(|result| !result.succeeded()) {
            return write!(
                f,
                "no call is possible in {}: see the reason of each item that failed",
                self.region
            );
        }
        if self.is_empty() {
            return write!(
                f,
                "no call is needed in {}: the cloud already has the wanted state",
                self.region
            );
        }
        for (index, stage) in self.stages.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}. {} {stage}", index + 1, self.region)?;
            if self.waits_for_image {
                f.write_str(" (once the image is NORMAL)")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
