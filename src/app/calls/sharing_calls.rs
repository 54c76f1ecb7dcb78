//! The calls of an account stage: list an image's receivers, share, cancel. In: an image and
//! accounts. Out: how the call ended. Concurrent requests for the same image, region and action are
//! merged into one call, as far as they fit. `plan` decides which calls to make and what their
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
    /// Whether the call carried accounts of other requests, too; false if its end is not known.
    pub(super) batched: bool,
}

pub(super) fn accounts_per_call(image: &ImageRef, context: &ExecutionContext<'_>) -> usize {
    match image {
        ImageRef::Blueprint(_) => MAX_ACCOUNTS,
        ImageRef::Cvm(_) => context.cvm_accounts_per_call,
    }
}

/// Whether one account may have caused the refusal of the whole call.
pub(super) fn may_be_one_account(error: &CloudError) -> bool {
    error.class == ErrorClass::Permanent || error.class.may_be_one_account()
}

/// Records on the span of a call its action and how it ended.
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
/// them. Adds the accounts of waiting requests to its own call, as far as `merging` allows.
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
            // The leader's deadline passed before it sent the call. This caller has time left: join
            // again.
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
        // Called when nothing delays the call any more, or when an error concerns every waiting
        // request. So requests that came during the wait are added, and requests that gave up are
        // not.
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

/// Adds a part to a call and returns true, if the part fits. A part fits if there is room, and if the
/// call has none of its accounts yet: two requests for one account need separate results. The part's
/// request must also wait at least until the call's `end`: otherwise the request could read the
/// cloud before the cloud carries out the call.
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
