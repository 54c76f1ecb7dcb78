//! Executes a plan: drives the step machines, and makes and records their calls. In: a [`Plan`],
//! which can only be made from an approved request. Out: a result for every item, `pending` if the
//! time ran out.

use tracing::Instrument as _;

use crate::app::context::{CallEnd, ExecutionContext, pause};
use crate::app::requests::{ClaimWriter, Stop};
use crate::cloud::ImagesQuery;
use crate::domain::{
    AccountId, Action, BlueprintId, CloudError, CvmImageId, ErrorClass, ImageRef, Item, ItemResult,
    ResultCode, ResultKind,
};
use crate::plan::{
    AccountSeen, AccountStep, AccountWork, LighthouseSeen, LighthouseStep, LighthouseWork, Plan,
    PlannedImage, Readiness, Stage, account_call, name_blueprint, publication_call,
};
use crate::telemetry::{Step, step};

use super::observe::{STATE_TIME, readiness, until_ready};
use super::sharing_calls;

/// Executes the plan, stage by stage.
///
/// # Errors
/// [`Stop`] says why the work must stop. The rest of the plan is not carried out.
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
                let reads = Reads {
                    acted,
                    absence: action == Action::Share || plan.readable(),
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
                // Write the results before the wait below: the image may not be ready yet.
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

/// Returns the image of an account stage; for a share, once the image can be shared. Otherwise the
/// error is the result for each account.
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
        PlannedImage::BlueprintOf(image) => {
            ImageRef::Blueprint(blueprint_of_chain(context, image, found, results).await?)
        }
    };
    // A share waits if the plan says so, and always in a chain: its blueprint may not be ready yet,
    // even in a turn that resumes the chain. A cancel never waits.
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

/// Returns the blueprint of a chain: `found`, or the one that the cloud shows now. If there is none
/// or it cannot be read, the error is the result for each account.
async fn blueprint_of_chain(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    found: Option<BlueprintId>,
    results: &[ItemResult],
) -> Result<BlueprintId, ResultKind> {
    let lighthouse = results
        .iter()
        .find(|r| matches!(&r.item, Item::Lighthouse(id) if id == image));
    if lighthouse.is_some_and(ItemResult::pending) {
        return Err(ResultKind::Pending);
    }
    // The accounts' failure is retryable if a later turn may still publish the image, or if the
    // image is in Lighthouse: the list may show its blueprint later.
    let again = |result: &ItemResult| match &result.kind {
        ResultKind::Failed { retryable, .. } => *retryable,
        kind => matches!(kind, ResultKind::Available { .. }),
    };
    match found {
        Some(id) => Ok(id),
        None => match context.cloud.blueprint_of_image(image).await {
            Ok(Some(blueprint)) => Ok(blueprint.blueprint_id),
            Ok(None) => {
                let again = lighthouse.is_some_and(again);
                Err(chain_broken(
                    image,
                    "Lighthouse has none made from it",
                    again,
                ))
            }
            Err(error) => Err(chain_broken(image, &error.to_string(), true)),
        },
    }
}

fn chain_broken(image: &CvmImageId, why: &str, retryable: bool) -> ResultKind {
    let lasting = "send a request that names the blueprint's lhbp-… id, if the image has one";
    let next = if retryable {
        format!("the program looks again later; if it never finds the blueprint, {lasting}")
    } else {
        lasting.to_owned()
    };
    let message = format!("the blueprint of {image} is not known: {why} — {next}");
    ResultKind::failed(ResultCode::ChainBroken, message, retryable)
}

async fn accounts_stage(
    context: &ExecutionContext<'_>,
    plan: &Plan,
    subject: &ImageRef,
    action: Action,
    accounts: &[AccountId],
    writer: &mut ClaimWriter<'_>,
) -> Result<Vec<ItemResult>, Stop> {
    let mut work = AccountWork::new(
        action,
        accounts,
        sharing_calls::accounts_per_call(subject, context),
        plan.readable(),
        plan.looked_before(),
        context.patience.backoff.tries,
    );
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
                let called = sharing_calls::change(context, subject, action, &batch, alone)
                    .instrument(call.clone())
                    .await;
                describe(&call, &name, &called.end);
                let error = called.end.as_ref().err();
                // The time ran out before the call was sent, so the items stay pending.
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

/// Records a call's action and end on the call's span.
fn describe(call: &tracing::Span, action: &str, end: &CallEnd) {
    call.record("action", action);
    match end {
        Ok(request_id) => {
            call.record("code", "OK");
            call.record("cloud_request_id", request_id.as_deref());
        }
        Err(error) => {
            call.record("code", error.code.as_str());
            call.record("cloud_request_id", error.request_id.as_deref());
            call.record("error", tracing::field::display(error));
        }
    }
}

fn result_of(work: &AccountWork, account: &AccountId) -> ItemResult {
    let item = Item::Account(account.clone());
    let settled = work.settled().find(|result| result.item == item).cloned();
    settled.unwrap_or_else(|| {
        ItemResult::new(item, ResultKind::Pending, None).in_doubt(work.is_unclear(account))
    })
}

/// Removes from Lighthouse an image that this request put there.
pub(in crate::app) async fn take_back_publication(
    context: &ExecutionContext<'_>,
    image: &CvmImageId,
    absence: bool,
    writer: &mut ClaimWriter<'_>,
) -> Result<ItemResult, Stop> {
    let reads = Reads {
        acted: true,
        absence,
    };
    lighthouse(context, image, Action::Cancel, reads, writer).await
}

/// What a read of an image in Lighthouse means.
#[derive(Debug, Clone, Copy)]
struct Reads {
    /// Whether an earlier attempt may have caused what the read shows.
    acted: bool,
    /// Whether an image that the read does not find is really absent.
    absence: bool,
}

async fn lighthouse(
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
                let found = cloud.blueprint_of_image(image).await;
                let id = match found {
                    Ok(None) if !reads.absence => Err(not_the_owner()),
                    found => found.map(|blueprint| blueprint.map(|found| found.blueprint_id)),
                };
                work.see(LighthouseSeen::Found(id));
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
    // A result without a call only repeats what a read shows, so it need not be recorded.
    if called {
        writer.keep_results(std::slice::from_ref(&result));
    }
    Ok(result)
}

fn not_the_owner() -> CloudError {
    let message = "Lighthouse shows no blueprint of the image, but the key in use may belong to another account than the image's owner";
    let remedy = "check the key; if the image is deleted, confirm with `sharehook revoke --gone`";
    CloudError::own(
        ResultCode::OwnerUnproven,
        ErrorClass::Permanent,
        message,
        remedy,
    )
}

/// Asks Lighthouse whether the image can be shared to it. Waits, for a limited time, while the image
/// is in a passing state.
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
            // Keep the state that was read before: in that state the cloud refuses the call.
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

/// Asks Lighthouse once whether the image can be shared to it in its current state.
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
        // The list may leave out an image that is not NORMAL. For any other image that is not in
        // the list, the call itself returns the documented code.
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
