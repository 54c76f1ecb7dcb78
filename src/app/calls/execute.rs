//! Executes a plan: asks the step machines in `plan` for the next step, makes the calls and records
//! them. Takes a [`Plan`], which can only be made from an approved request. Returns a result for
//! every item. The result is `pending` if the time ran out first.

use tracing::Instrument as _;

use crate::app::context::{ExecutionContext, Merging};
use crate::app::requests::{ClaimWriter, Stop};
use crate::clock;
use crate::domain::{
    AccountId, Action, BlueprintId, CloudError, CvmImageId, ImageRef, Item, ItemResult, ResultCode,
    ResultKind,
};
use crate::plan::{
    AccountSeen, AccountStep, AccountWork, Plan, PlannedImage, Stage, account_call, name_blueprint,
};
use crate::telemetry::{Step, step};

use super::lighthouse_stage::{Reads, lighthouse};
use super::observe::until_ready;
use super::sharing_calls::{self, describe};

/// Executes the plan, stage by stage.
///
/// # Errors
/// Returns a [`Stop`] with the reason if the work must stop. The rest of the plan is not executed.
pub(in crate::app) async fn execute(
    context: &ExecutionContext<'_>,
    plan: &Plan,
    writer: &mut ClaimWriter<'_>,
) -> Result<Vec<ItemResult>, Stop> {
    let mut results = plan.settled().to_vec();
    let mut blueprint: Option<BlueprintId> = available_blueprint(&results);
    for stage in plan.stages() {
        match stage {
            Stage::Publish(image) | Stage::Unpublish(image) => {
                let (action, acted) = match stage {
                    Stage::Publish(_) => (Action::Share, plan.publication_in_doubt()),
                    _ => (Action::Cancel, plan.looked_before()),
                };
                let hidden = plan.given().may_hide(&Item::Lighthouse(image.clone()));
                let reads = Reads {
                    acted,
                    absence: action == Action::Share || plan.readable() && !hidden,
                    recorded: plan.given().blueprint.clone(),
                };
                let result = lighthouse(context, image, action, reads, writer).await?;
                results.extend(writer.with_doubts(vec![result]));
                writer.name_blueprint(&results).await?;
                blueprint = available_blueprint(&results);
            }
            Stage::Accounts {
                image,
                action,
                accounts,
            } => {
                // Write the results now, because `subject` may wait until the image is ready.
                writer.write_results().await?;
                match subject(context, plan, image, *action, blueprint.take(), &results).await {
                    Ok(subject) => {
                        if let (ImageRef::Blueprint(id), Action::Share) = (&subject, action) {
                            name_blueprint(&mut results, id);
                            writer.name_blueprint(&results).await?;
                        }
                        let stage =
                            accounts_stage(context, plan, &subject, *action, accounts, writer);
                        results.extend(stage.await?);
                    }
                    Err(kind) => {
                        let each = |a: &AccountId| {
                            ItemResult::new(Item::Account(a.clone()), kind.clone(), None)
                        };
                        results.extend(accounts.iter().map(each));
                    }
                }
            }
        }
    }
    Ok(results)
}

/// Returns the image whose accounts a stage changes. Before a share, this may wait until the image
/// can be shared. An error is the result for each account.
async fn subject(
    context: &ExecutionContext<'_>,
    plan: &Plan,
    image: &PlannedImage,
    action: Action,
    found: Option<BlueprintId>,
    results: &[ItemResult],
) -> Result<ImageRef, ResultKind> {
    let chain = results
        .iter()
        .any(|r| matches!(r.item, Item::Lighthouse(_)));
    let subject = match image {
        PlannedImage::Known(image) => image.clone(),
        PlannedImage::BlueprintOf { image, recorded } => {
            let looked_up = blueprint_of_chain(context, image, found, recorded.as_ref(), results);
            ImageRef::Blueprint(looked_up.await?)
        }
    };
    // A share waits if the plan says so. A share in a chain always waits, because the blueprint may
    // not be ready yet, even if this turn resumes the chain. A cancel never waits.
    if action == Action::Cancel || !(chain || plan.waits_for_image()) {
        return Ok(subject);
    }
    let readiness = until_ready(context, &subject).await;
    readiness.failure().map_or(Ok(subject), Err)
}

fn available_blueprint(results: &[ItemResult]) -> Option<BlueprintId> {
    results.iter().find_map(|r| match &r.kind {
        ResultKind::Available { blueprint, .. } => blueprint.clone(),
        _ => None,
    })
}

/// Returns the blueprint of a chain: `found`, otherwise the blueprint that the cloud lists for the
/// image, otherwise `recorded`. `recorded` is needed because a blueprint in the cloud's list may
/// not name its image. An error is the result for each account.
async fn blueprint_of_chain(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    found: Option<BlueprintId>,
    recorded: Option<&BlueprintId>,
    results: &[ItemResult],
) -> Result<BlueprintId, ResultKind> {
    let lighthouse = results
        .iter()
        .find(|r| matches!(&r.item, Item::Lighthouse(id) if id == image));
    if lighthouse.is_some_and(ItemResult::pending) {
        return Err(ResultKind::Pending);
    }
    // Retry the accounts if a later turn may still publish the image. Also retry them if the image
    // is in Lighthouse, because the list may show its blueprint later.
    let again = |result: &ItemResult| match &result.kind {
        ResultKind::Failed { retryable, .. } => *retryable,
        kind => matches!(kind, ResultKind::Available { .. }),
    };
    match found {
        Some(id) => Ok(id),
        None => match context.cloud.blueprint_of_image(image).await {
            Ok(found) => {
                let found = found.map(|blueprint| blueprint.blueprint_id);
                found.or_else(|| recorded.cloned()).ok_or_else(|| {
                    let again = lighthouse.is_some_and(again);
                    chain_broken(
                        image,
                        "Lighthouse's list has no blueprint that names this image",
                        again,
                    )
                })
            }
            Err(error) => Err(chain_broken(image, &error.to_string(), true)),
        },
    }
}

fn chain_broken(image: &CvmImageId, why: &str, retryable: bool) -> ResultKind {
    let lasting = "send a request that names the lhbp-… id of the blueprint, if there is one";
    let next = if retryable {
        format!("the program looks again later; if it never finds the blueprint, {lasting}")
    } else {
        lasting.to_owned()
    };
    let message = format!("the blueprint of {image} is not known: {why} — {next}");
    ResultKind::failed(ResultCode::ChainBroken, message, retryable)
}

fn account_work(
    context: &ExecutionContext<'_>,
    plan: &Plan,
    subject: &ImageRef,
    action: Action,
    accounts: &[AccountId],
    writer: &ClaimWriter<'_>,
) -> AccountWork {
    let hidden = |id: &AccountId| plan.given().may_hide(&Item::Account(id.clone()));
    let work = AccountWork::new(
        action,
        accounts,
        sharing_calls::accounts_per_call(subject, context),
        plan.readable(),
        plan.looked_before(),
        context.patience.backoff.tries,
    )
    .hiding(accounts.iter().filter(|id| hidden(id)).cloned().collect());
    match writer.is_thorough() {
        true => work.thorough(),
        false => work,
    }
}

async fn accounts_stage(
    context: &ExecutionContext<'_>,
    plan: &Plan,
    subject: &ImageRef,
    action: Action,
    accounts: &[AccountId],
    writer: &mut ClaimWriter<'_>,
) -> Result<Vec<ItemResult>, Stop> {
    let mut work = account_work(context, plan, subject, action, accounts, writer);
    let name = account_call(subject, action);
    let mut alone = false;
    loop {
        match work.next() {
            AccountStep::Finished => break,
            AccountStep::Wait { tries, class } => {
                writer.write_results().await?;
                if !context.wait(tries, class).await {
                    break;
                }
                work.see(AccountSeen::Waited);
            }
            AccountStep::Read => {
                let shares = sharing_calls::shares(context, subject).await;
                work.see(AccountSeen::Shares(shares));
            }
            AccountStep::Call(_) if writer.lease_is_over() => break,
            AccountStep::Call(batch) => {
                writer.write_results().await?;
                let call = step(Step::Call);
                let merging = match alone {
                    true => Merging::Alone,
                    false if work.doubts_batch() => {
                        Merging::Half(clock::chance().is_multiple_of(2))
                    }
                    false => Merging::All,
                };
                let called = sharing_calls::change(context, subject, action, &batch, merging)
                    .instrument(call.clone())
                    .await;
                describe(&call, &name, &called.end);
                let error = called.end.as_ref().err();
                // The call was not sent, so the items stay pending.
                if error.is_some_and(CloudError::is_out_of_time) {
                    break;
                }
                let coalesced = error
                    .filter(|error| called.batched && sharing_calls::may_be_one_account(error));
                alone = coalesced.is_some();
                work.see(match coalesced {
                    Some(error) => AccountSeen::Coalesced(error.class),
                    None => AccountSeen::Called(called.end.clone()),
                });
                writer.keep_call(context.named(name.clone()), &called.end);
                writer.confirm_owner(context.cloud.known_owner());
                let settled: Vec<ItemResult> = work.settled().cloned().collect();
                writer.keep_results(&settled);
            }
        }
    }
    Ok(accounts.iter().map(|id| result_of(&work, id)).collect())
}

fn result_of(work: &AccountWork, account: &AccountId) -> ItemResult {
    let item = Item::Account(account.clone());
    let settled = work.settled().find(|result| result.item == item).cloned();
    settled.unwrap_or_else(|| {
        ItemResult::new(item, ResultKind::Pending, None).in_doubt(work.is_unclear(account))
    })
}
