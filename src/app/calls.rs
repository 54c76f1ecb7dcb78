//! The calls of an account stage: who has an image, give it, take it away. In: an image and
//! accounts. Out: the cloud's end. Requests that wait for the same image, region and action share a
//! call; which calls, and what they mean, is `plan`'s.

use std::collections::BTreeSet;

use crate::cloud::actions::{
    Api, cancel_share_blueprint_across_accounts as cancel_blueprint,
    cvm_modify_image_share_permission as cvm_modify,
    share_blueprint_across_accounts as share_blueprint,
};
use crate::cloud::error::own;
use crate::cloud::{Deadline, Permission};
use crate::domain::{AccountId, Action, BlueprintId, CloudError, CvmImageId, ErrorClass, Region};

use super::execute::Means;
use super::merge::{Company, Lanes, Place};

/// The most that Lighthouse takes in one call (API pages).
const LIGHTHOUSE_ACCOUNTS: usize = 10;

/// What an account stage works on, once a chain's blueprint is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Blueprint(BlueprintId),
    Cvm(CvmImageId),
}

/// Calls that may be one: the owner account, the region, the image and what is to be done. The
/// account is no function of the image, because a chain's blueprint goes by the CVM image that it
/// came from.
type Lane = (Option<String>, Region, Subject, Action);

/// What a request wants of the next call.
#[derive(Debug)]
pub(super) struct Part {
    accounts: Vec<AccountId>,
    /// After a refusal in company: only alone does it get an end of its own.
    alone: bool,
}

/// A call's end: the cloud's request id where it gave one, or the error.
pub(super) type End = Result<Option<String>, CloudError>;

/// The lanes of all calls that change who has an image. One image's changes exclude each other in
/// the cloud anyway (`ResourceInUse.BlueprintModifyingSharePermission`), so to make them one after
/// the other costs nothing.
pub(super) type CallLanes = Lanes<Lane, Part, End>;

/// How a call ended for one request.
pub(super) struct Called {
    pub(super) end: End,
    /// Whether it carried accounts of other requests too.
    pub(super) in_company: bool,
}

impl Subject {
    /// The most accounts of one call.
    pub(super) fn per_call(&self, means: &Means<'_>) -> usize {
        match self {
            Self::Blueprint(_) => LIGHTHOUSE_ACCOUNTS,
            Self::Cvm(_) => means.cvm_accounts_per_call,
        }
    }

    fn api(&self, action: Action) -> Api {
        match (self, action) {
            (Self::Blueprint(_), Action::Share) => share_blueprint::API,
            (Self::Blueprint(_), Action::Cancel) => cancel_blueprint::API,
            (Self::Cvm(_), _) => cvm_modify::API,
        }
    }

    /// The call's name for records and logs.
    pub(super) fn name(&self, action: Action) -> String {
        match (self, action) {
            (Self::Blueprint(id), Action::Share) => {
                format!("lighthouse ShareBlueprintAcrossAccounts {id}")
            }
            (Self::Blueprint(id), Action::Cancel) => {
                format!("lighthouse CancelShareBlueprintAcrossAccounts {id}")
            }
            (Self::Cvm(id), Action::Share) => format!("cvm ModifyImageSharePermission SHARE {id}"),
            (Self::Cvm(id), Action::Cancel) => {
                format!("cvm ModifyImageSharePermission CANCEL {id}")
            }
        }
    }
}

/// A call that was not sent because no time was left says nothing about the request: it stays
/// pending.
pub(super) fn out_of_time(error: &CloudError) -> bool {
    error.class == ErrorClass::NotSent
        && matches!(error.code.as_str(), own::DEADLINE | own::THROTTLED)
}

/// Whether a refusal may be due to one account of many, so that it says nothing of the others in
/// the same call. A code that nobody knows counts as such.
pub(super) fn names_one_of_many(error: &CloudError) -> bool {
    matches!(
        error.class,
        ErrorClass::AsWanted | ErrorClass::Account | ErrorClass::Quota | ErrorClass::Permanent
    )
}

/// Calls for `batch`, together with whoever waits for the same when `alone` is false.
pub(super) async fn change(
    means: &Means<'_>,
    region: &Region,
    subject: &Subject,
    action: Action,
    batch: &[AccountId],
    alone: bool,
) -> Called {
    loop {
        let lane = (
            means.account.map(str::to_owned),
            region.clone(),
            subject.clone(),
            action,
        );
        let part = Part {
            accounts: batch.to_vec(),
            alone,
        };
        let lead = match means.calls.enter(lane, part, means.deadline).await {
            Place::Lead(lead) => lead,
            // The leader had less time than there is here: nothing was sent, so ask again.
            Place::Rode(Err(error)) if out_of_time(&error) && has_time(means.deadline) => continue,
            Place::Rode(end) => {
                return Called {
                    end,
                    in_company: true,
                };
            }
            Place::Late => {
                return Called {
                    end: Err(late(subject, action)),
                    in_company: false,
                };
            }
            Place::Lost => {
                return Called {
                    end: Err(lost(subject, action)),
                    in_company: false,
                };
            }
        };
        let mut accounts = batch.to_vec();
        let company = if alone {
            Company::none()
        } else {
            // Whoever comes while the pace holds the call back can still come along.
            means
                .cloud
                .until_free(subject.api(action), region, means.deadline)
                .await;
            let most = subject.per_call(means);
            lead.company(|part| fits(&mut accounts, part, most))
        };
        let end = send(means, region, subject, action, &accounts).await;
        let in_company = !company.is_empty();
        company.answer(&end);
        return Called { end, in_company };
    }
}

/// Adds a part to a call when it has room and names nobody twice: two requests for one account get
/// an end each.
fn fits(accounts: &mut Vec<AccountId>, part: &Part, most: usize) -> bool {
    let room = accounts.len() + part.accounts.len() <= most;
    if part.alone
        || !room
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

fn has_time(deadline: Deadline) -> bool {
    deadline.allows(tokio::time::Instant::now())
}

fn late(subject: &Subject, action: Action) -> CloudError {
    CloudError {
        code: own::DEADLINE.to_owned(),
        message: format!(
            "{} was not sent: the deadline passed while it waited",
            subject.name(action)
        ),
        class: ErrorClass::NotSent,
        remedy: "none at once: it is repeated later".to_owned(),
        request_id: None,
    }
}

fn lost(subject: &Subject, action: Action) -> CloudError {
    CloudError {
        code: own::TIMEOUT.to_owned(),
        message: format!(
            "{}: the end of a call that others made too is not known",
            subject.name(action)
        ),
        class: ErrorClass::Ambiguous,
        remedy: "read back before repeating: it may have been carried out".to_owned(),
        request_id: None,
    }
}

async fn send(
    means: &Means<'_>,
    region: &Region,
    subject: &Subject,
    action: Action,
    accounts: &[AccountId],
) -> End {
    means.counters.count_call();
    let (cloud, deadline) = (means.cloud, means.deadline);
    let receipt = match (subject, action) {
        (Subject::Blueprint(id), Action::Share) => {
            cloud.share_blueprint(region, id, accounts, deadline).await
        }
        (Subject::Blueprint(id), Action::Cancel) => {
            cloud.cancel_blueprint(region, id, accounts, deadline).await
        }
        (Subject::Cvm(id), _) => {
            cloud
                .modify_cvm_sharing(region, id, accounts, permission(action), deadline)
                .await
        }
    };
    receipt.map(|r| r.request_id)
}

/// The API's word for an action.
pub(super) fn permission(action: Action) -> Permission {
    match action {
        Action::Share => Permission::Share,
        Action::Cancel => Permission::Cancel,
    }
}

/// Who has the image now.
pub(super) async fn shares(
    means: &Means<'_>,
    region: &Region,
    subject: &Subject,
) -> Result<BTreeSet<AccountId>, CloudError> {
    match subject {
        Subject::Cvm(id) => means.cloud.cvm_shares(region, id, means.deadline).await,
        Subject::Blueprint(id) => match means
            .cloud
            .blueprint_shares(region, id, means.deadline)
            .await
        {
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
