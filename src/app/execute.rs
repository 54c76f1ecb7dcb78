//! Carries out a plan: drives the step machines, makes their calls, writes each call's end into the journal.
//! In: a [`Plan`], which only an approved request can become. Out: a result for every item; `pending` where time ran out.

use std::time::Duration;

use crate::clock;
use crate::cloud::error::own;
use crate::cloud::{Cloud, Deadline, ImagesQuery, Permission};
use crate::domain::{
    AccountId, Action, BlueprintId, CloudError, CvmImageId, ErrorClass, Item, ItemResult, Region, ResultKind,
};
use crate::plan::{
    AccountSeen, AccountStep, AccountWork, LighthouseSeen, LighthouseStep, LighthouseWork, Patience, Plan,
    Stage, StageImage, wait_before,
};
use crate::telemetry::Counters;

use super::ledger::{Ledger, Stop};

/// The most that Lighthouse takes in one call (API pages).
const LIGHTHOUSE_ACCOUNTS: usize = 10;

/// Everything the work needs besides the plan.
pub(super) struct Means<'a> {
    pub(super) cloud: &'a Cloud,
    /// The owner account whose cloud it is, where there are several.
    pub(super) account: Option<&'a str>,
    pub(super) counters: &'a Counters,
    pub(super) cvm_accounts_per_call: usize,
    pub(super) deadline: Deadline,
    pub(super) patience: Patience,
}

impl Means<'_> {
    /// A call's name in the journal, with the account that made it.
    fn named(&self, call: String) -> String {
        match self.account {
            Some(account) => format!("{call} as {account}"),
            None => call,
        }
    }
}

/// What an account stage works on, once a chain's blueprint is known.
enum Subject {
    Blueprint(BlueprintId),
    Cvm(CvmImageId),
}

/// Does what the plan says, stage by stage.
///
/// # Errors
/// [`Stop`] when the claim is lost or the journal cannot be written: then nothing more is called.
pub(super) async fn carry_out(
    means: &Means<'_>,
    plan: &Plan,
    ledger: &mut Ledger<'_>,
) -> Result<Vec<ItemResult>, Stop> {
    let mut results = plan.settled().to_vec();
    let mut blueprint: Option<BlueprintId> = available_blueprint(&results);
    for stage in plan.stages() {
        match stage {
            Stage::Publish(image) | Stage::Unpublish(image) => {
                let action = if matches!(stage, Stage::Publish(_)) { Action::Share } else { Action::Cancel };
                let result = lighthouse(means, plan, image, action, ledger).await?;
                results.push(result);
                blueprint = available_blueprint(&results);
            }
            Stage::Accounts { image, action, accounts } => {
                match subject(means, plan.region(), image, *action, blueprint.take(), &results).await {
                    Ok(subject) => results
                        .extend(accounts_stage(means, plan, &subject, *action, accounts, ledger).await?),
                    Err(kind) => {
                        let each =
                            |a: &AccountId| ItemResult::new(Item::Account(a.clone()), kind.clone(), None);
                        results.extend(accounts.iter().map(each));
                    }
                }
            }
        }
    }
    Ok(results)
}

/// What an account stage works on; else what its absence means for the accounts.
async fn subject(
    means: &Means<'_>,
    region: &Region,
    image: &StageImage,
    action: Action,
    found: Option<BlueprintId>,
    results: &[ItemResult],
) -> Result<Subject, ResultKind> {
    let chain = || results.iter().any(|r| matches!(r.item, Item::Lighthouse(_)));
    match image {
        StageImage::Cvm(id) => Ok(Subject::Cvm(id.clone())),
        // A turn that resumes a chain knows the blueprint at once, yet it may still be in the making.
        StageImage::Blueprint(id) if action == Action::Share && chain() => {
            until_normal(means, region, id.clone()).await.map(Subject::Blueprint)
        }
        StageImage::Blueprint(id) => Ok(Subject::Blueprint(id.clone())),
        StageImage::BlueprintOf(image) => {
            chained(means, region, image, found, results).await.map(Subject::Blueprint)
        }
    }
}

fn available_blueprint(results: &[ItemResult]) -> Option<BlueprintId> {
    results.iter().find_map(|r| match &r.kind {
        ResultKind::Available { blueprint, .. } => blueprint.clone(),
        _ => None,
    })
}

/// The blueprint of a chain's first step, once it is NORMAL; else what that means for the accounts.
async fn chained(
    means: &Means<'_>,
    region: &Region,
    image: &CvmImageId,
    found: Option<BlueprintId>,
    results: &[ItemResult],
) -> Result<BlueprintId, ResultKind> {
    let lighthouse = results.iter().find(|r| matches!(&r.item, Item::Lighthouse(id) if id == image));
    if lighthouse.is_some_and(ItemResult::pending) {
        return Err(ResultKind::Pending);
    }
    let id = match found {
        Some(id) => id,
        None => match means.cloud.blueprint_of_image(region, image, means.deadline).await {
            Ok(Some(blueprint)) => blueprint.blueprint_id,
            Ok(None) => return Err(chain_broken(image, "it has no blueprint in Lighthouse", false)),
            Err(error) => return Err(chain_broken(image, &error.to_string(), true)),
        },
    };
    until_normal(means, region, id).await
}

/// Waits, within bounds, until a blueprint that was just made can be shared.
async fn until_normal(
    means: &Means<'_>,
    region: &Region,
    id: BlueprintId,
) -> Result<BlueprintId, ResultKind> {
    for _ in 0..means.patience.normal_polls {
        // A state that cannot be read stops nobody: the share call itself decides.
        let Ok(Some(blueprint)) = means.cloud.blueprint(region, &id, means.deadline).await else {
            return Ok(id);
        };
        if blueprint.blueprint_state.as_deref().is_none_or(|state| state == "NORMAL") {
            return Ok(id);
        }
        if !pause(means.deadline, means.patience.normal_pause).await {
            return Err(ResultKind::Pending);
        }
    }
    Err(ResultKind::Pending)
}

fn chain_broken(image: &CvmImageId, why: &str, retryable: bool) -> ResultKind {
    let message = format!("the blueprint of {image} is not known: {why}; share it by its lhbp-… id");
    ResultKind::Failed { code: "ChainBroken".to_owned(), message, retryable }
}

/// The time that is left; a very long one when nobody waits.
pub(super) fn left(deadline: Deadline) -> Duration {
    deadline.remaining(tokio::time::Instant::now()).unwrap_or(Duration::from_secs(3_600))
}

/// Sleeps when the deadline leaves room for it and for a call after it; false when it does not.
pub(super) async fn pause(deadline: Deadline, wait: Duration) -> bool {
    if left(deadline) < wait.saturating_add(Duration::from_millis(300)) {
        return false;
    }
    tokio::time::sleep(wait).await;
    true
}

async fn accounts_stage(
    means: &Means<'_>,
    plan: &Plan,
    subject: &Subject,
    action: Action,
    accounts: &[AccountId],
    ledger: &mut Ledger<'_>,
) -> Result<Vec<ItemResult>, Stop> {
    let per_call = match subject {
        Subject::Blueprint(_) => LIGHTHOUSE_ACCOUNTS,
        Subject::Cvm(_) => means.cvm_accounts_per_call,
    };
    let mut work = AccountWork::new(
        action,
        accounts,
        per_call,
        plan.readable(),
        plan.resumed(),
        means.patience.backoff.tries,
    );
    let mut told = 0;
    loop {
        match work.next() {
            AccountStep::Finished => break,
            AccountStep::Wait { tries, class } => {
                if !pause(means.deadline, wait_before(means.patience.backoff, tries, class, clock::chance()))
                    .await
                {
                    break;
                }
                work.see(AccountSeen::Waited);
            }
            AccountStep::Read => work.see(AccountSeen::Shares(shares(means, plan.region(), subject).await)),
            AccountStep::Call(batch) => {
                let end = call(means, plan.region(), subject, action, &batch).await;
                if out_of_time(&end) {
                    break;
                }
                let note = (name_of(subject, action), batch.len(), end.clone());
                work.see(AccountSeen::Called(end));
                let settled: Vec<ItemResult> = work.settled().cloned().collect();
                if settled.len() > told {
                    told = settled.len();
                    ledger.progress(&settled, &means.named(note.0), &note.2).await?;
                } else {
                    tracing::info!(action = note.0, accounts = note.1, error = ?note.2.err().map(|e| e.code), "a call settled nothing yet");
                }
            }
        }
    }
    // In the request's order, so that an answer reads like its question.
    let result_of = |account: &AccountId| {
        let found = work.settled().find(|r| matches!(&r.item, Item::Account(id) if id == account));
        found
            .cloned()
            .unwrap_or_else(|| ItemResult::new(Item::Account(account.clone()), ResultKind::Pending, None))
    };
    Ok(accounts.iter().map(result_of).collect())
}

/// A call that was not sent because no time was left says nothing about the request: it stays pending.
fn out_of_time<T>(end: &Result<T, CloudError>) -> bool {
    let late = |error: &CloudError| matches!(error.code.as_str(), own::DEADLINE | own::THROTTLED);
    matches!(end, Err(error) if error.class == ErrorClass::NotSent && late(error))
}

fn name_of(subject: &Subject, action: Action) -> String {
    match (subject, action) {
        (Subject::Blueprint(id), Action::Share) => format!("lighthouse ShareBlueprintAcrossAccounts {id}"),
        (Subject::Blueprint(id), Action::Cancel) => {
            format!("lighthouse CancelShareBlueprintAcrossAccounts {id}")
        }
        (Subject::Cvm(id), Action::Share) => format!("cvm ModifyImageSharePermission SHARE {id}"),
        (Subject::Cvm(id), Action::Cancel) => format!("cvm ModifyImageSharePermission CANCEL {id}"),
    }
}

fn permission(action: Action) -> Permission {
    match action {
        Action::Share => Permission::Share,
        Action::Cancel => Permission::Cancel,
    }
}

async fn call(
    means: &Means<'_>,
    region: &Region,
    subject: &Subject,
    action: Action,
    batch: &[AccountId],
) -> Result<Option<String>, CloudError> {
    means.counters.count_call();
    let (cloud, deadline) = (means.cloud, means.deadline);
    let receipt = match (subject, action) {
        (Subject::Blueprint(id), Action::Share) => cloud.share_blueprint(region, id, batch, deadline).await,
        (Subject::Blueprint(id), Action::Cancel) => cloud.cancel_blueprint(region, id, batch, deadline).await,
        (Subject::Cvm(id), _) => {
            cloud.modify_cvm_sharing(region, id, batch, permission(action), deadline).await
        }
    };
    receipt.map(|r| r.request_id)
}

async fn shares(
    means: &Means<'_>,
    region: &Region,
    subject: &Subject,
) -> Result<std::collections::BTreeSet<AccountId>, CloudError> {
    match subject {
        Subject::Cvm(id) => means.cloud.cvm_shares(region, id, means.deadline).await,
        Subject::Blueprint(id) => match means.cloud.blueprint_shares(region, id, means.deadline).await {
            Ok(Some(shares)) => Ok(shares),
            Ok(None) => Err(CloudError {
                code: "NoReadApi".to_owned(),
                message: "this site cannot tell who has a blueprint".to_owned(),
                class: ErrorClass::Permanent,
                remedy: String::new(),
                request_id: None,
            }),
            Err(error) => Err(error),
        },
    }
}

async fn lighthouse(
    means: &Means<'_>,
    plan: &Plan,
    image: &CvmImageId,
    action: Action,
    ledger: &mut Ledger<'_>,
) -> Result<ItemResult, Stop> {
    let pending = || ItemResult::new(Item::Lighthouse(image.clone()), ResultKind::Pending, None);
    let mut work = LighthouseWork::new(image.clone(), action, plan.resumed(), means.patience.backoff.tries);
    let region = plan.region();
    let mut last = None;
    loop {
        match work.next() {
            LighthouseStep::Finished => break,
            LighthouseStep::Wait { tries, class } => {
                if !pause(means.deadline, wait_before(means.patience.backoff, tries, class, clock::chance()))
                    .await
                {
                    return Ok(pending());
                }
                work.see(LighthouseSeen::Waited);
            }
            LighthouseStep::Precheck => {
                work.see(LighthouseSeen::Prechecked(precheck(means, region, image).await))
            }
            LighthouseStep::Find => {
                let found = means.cloud.blueprint_of_image(region, image, means.deadline).await;
                work.see(LighthouseSeen::Found(found.map(|b| b.map(|b| b.blueprint_id))));
            }
            LighthouseStep::Call => {
                means.counters.count_call();
                let end = means
                    .cloud
                    .modify_lighthouse_sharing(region, image, permission(action), means.deadline)
                    .await;
                let end = end.map(|r| (r.blueprint, r.request_id));
                if out_of_time(&end) {
                    return Ok(pending());
                }
                last = Some(end.as_ref().map(|(_, id)| id.clone()).map_err(CloudError::clone));
                work.see(LighthouseSeen::Called(end));
            }
        }
    }
    let result = work.result().cloned().unwrap_or_else(pending);
    if let Some(end) = last {
        let name =
            format!("lighthouse ModifyImageSharePermission {} {image}", action.as_str().to_uppercase());
        ledger.progress(std::slice::from_ref(&result), &means.named(name), &end).await?;
    }
    Ok(result)
}

/// `None` when Lighthouse says that the image can be shared to it, else its reason.
async fn precheck(
    means: &Means<'_>,
    region: &Region,
    image: &CvmImageId,
) -> Result<Option<String>, CloudError> {
    let query = ImagesQuery::Ids(vec![image.clone()]);
    let listed = means.cloud.images_to_share(region, query, means.deadline).await?;
    let found = listed.into_iter().find(|listed| listed.image_id == *image);
    // An image that the list does not know is for the call to judge: it has the documented code for it.
    let refused = found.filter(|listed| listed.is_shareable == Some(false));
    Ok(refused.map(|listed| listed.unshareable_reason.unwrap_or_default()))
}
