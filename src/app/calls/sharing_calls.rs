//! The calls of an account stage: list an image's receivers, share, cancel. Takes an image and
//! accounts, and returns how the call ended. Concurrent requests for the same image, region and
//! action are merged into one call if they fit. `plan` decides which calls to make and what their
//! answers mean.

use std::collections::BTreeSet;

use crate::app::context::{CallEnd, CallPart, ExecutionContext, Merging};
use crate::cloud::actions::share_blueprint_across_accounts::MAX_ACCOUNTS;
use crate::cloud::error::{MAYBE_DONE, not_sent};
use crate::cloud::{Deadline, sharing_api};
use crate::domain::{AccountId, Action, CloudError, ErrorClass, ImageRef, ResultCode};
use crate::plan::account_call;

use super::coalesce::{Batch, Joined};

/// How a call ended for one request.
pub(super) struct Called {
    pub(super) end: CallEnd,
    /// Whether the call included accounts of other requests. False if the call's end is not known.
    pub(super) batched: bool,
}

pub(super) fn accounts_per_call(image: &ImageRef, context: &ExecutionContext<'_>) -> usize {
    match image {
        ImageRef::Blueprint(_) => MAX_ACCOUNTS,
        ImageRef::Cvm(_) => context.cvm_accounts_per_call,
    }
}

/// Whether the cloud may have refused the whole call because of one of its accounts.
pub(super) fn may_be_one_account(error: &CloudError) -> bool {
    error.class == ErrorClass::Permanent || error.class.may_be_one_account()
}

/// Adds the action of a call, and how the call ended, to its span.
pub(super) fn describe(call: &tracing::Span, action: &str, end: &CallEnd) {
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

/// Makes one call for the accounts in `batch`, or waits for another request's call that includes
/// them. If `merging` allows it, the call also includes the accounts of waiting requests.
pub(in crate::app) async fn change(
    context: &ExecutionContext<'_>,
    image: &ImageRef,
    action: Action,
    batch: &[AccountId],
    merging: Merging,
) -> Called {
    loop {
        let key = (
            context.account.map(str::to_owned),
            context.cloud.region().clone(),
            image.clone(),
            action,
        );
        let part = CallPart {
            accounts: batch.to_vec(),
            deadline: context.deadline,
            merging,
        };
        let unbatched = |end| Called {
            end,
            batched: false,
        };
        let leader = match context.calls.enter(key, part, context.deadline).await {
            Joined::Leader(leader) => leader,
            // The leader's deadline passed before it sent the call. This caller still has time, so
            // it joins the queue again.
            Joined::Answered(Err(error))
                if error.is_out_of_time() && !context.deadline.passed() =>
            {
                continue;
            }
            Joined::Answered(end) => {
                return Called { end, batched: true };
            }
            Joined::Late => return unbatched(Err(late(image, action))),
            Joined::Lost => return unbatched(Err(lost(image, action))),
        };
        let mut waiters = Batch::none();
        // The client calls this closure just before it sends the call, or when an error concerns
        // every waiting request. So the call includes requests that arrived while it was delayed,
        // and leaves out requests that have stopped waiting.
        let accounts = || {
            let mut accounts = batch.to_vec();
            if merging != Merging::Alone {
                let most = accounts_per_call(image, context);
                let end = context.cloud.call_end();
                let joins = |part: &CallPart| part.merging == merging;
                waiters = leader.batch(|part| joins(part) && fits(&mut accounts, part, most, end));
            }
            accounts
        };
        let end = context.cloud.change_shares(image, action, accounts).await;
        context.count_call(sharing_api(image, action).action, &end);
        let batched = !waiters.is_empty();
        waiters.answer(&end);
        return Called { end, batched };
    }
}

/// If `part` fits into a call, adds its accounts to `accounts` and returns true.
///
/// A part fits if the call has at most `most` accounts with it, and none of the part's accounts is
/// in the call yet: two requests for one account need separate results. The part's request must
/// also wait at least until the call's `end`. Otherwise the request could read the cloud before the
/// cloud executes the call.
fn fits(accounts: &mut Vec<AccountId>, part: &CallPart, most: usize, end: Deadline) -> bool {
    let room = accounts.len() + part.accounts.len() <= most;
    let waits = part.deadline.or_sooner(end) == end;
    if !room
        || !waits
        || part
            .accounts
            .iter()
            .any(|account| accounts.contains(account))
    {
        return false;
    }
    accounts.extend(part.accounts.iter().cloned());
    true
}

fn late(image: &ImageRef, action: Action) -> CloudError {
    let call = account_call(image, action);
    let message = format!("{call} was not sent: the deadline passed while it waited");
    let remedy = "nothing to do: the program repeats the call later";
    not_sent(ResultCode::DeadlinePassed, message, remedy)
}

fn lost(image: &ImageRef, action: Action) -> CloudError {
    let call = account_call(image, action);
    CloudError::own(
        ResultCode::Timeout,
        ErrorClass::Ambiguous,
        format!(
            "{call}: this call was merged with those of other requests, and how it ended is not known"
        ),
        MAYBE_DONE,
    )
}

/// Reads the image's current receivers.
pub(in crate::app) async fn shares(
    context: &ExecutionContext<'_>,
    image: &ImageRef,
) -> Result<BTreeSet<AccountId>, CloudError> {
    let shares = context.cloud.shares(image).await?;
    shares.ok_or_else(|| {
        let message = "this site has no API that lists the receivers of a blueprint";
        CloudError::own(ResultCode::NoReadApi, ErrorClass::Permanent, message, "")
    })
}
