//! The sandbox returns each error code of the five API pages for each operation. Checks the
//! documented result, the number of calls, and that the answer names the next action.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sharehook::app::ImagesQuery;
use sharehook_sandbox::{Fault, Site};

use crate::support::cloud::{BLUEPRINT, IMAGE, REGION, Setup, ticket, unlimited, unlimited_on};

/// Ten accounts with which the sandbox can share an image.
const TEN: [&str; 10] = [
    "700000000001",
    "700000000002",
    "700000000003",
    "700000000004",
    "700000000005",
    "700000000006",
    "700000000007",
    "700000000008",
    "700000000009",
    "700000000010",
];

/// The expected result of the codes in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As if the cloud had carried the call out. The text is the result's name.
    Settled(&'static str),
    /// `failed`: repeating the same request is pointless.
    Final,
    /// `pending`: a later attempt succeeds after the cloud or the operator has removed the cause.
    Later,
}

/// Error codes with the same expected result, and the number of calls that they cause for one
/// account and for ten. A call is tried three times, so a temporary failure costs three calls. If
/// one account may be the cause, the batch is halved repeatedly: ten accounts then cost 10 calls
/// for one account each and 9 calls for larger batches.
pub(crate) struct Class {
    pub(crate) end: End,
    pub(crate) calls: usize,
    pub(crate) calls_for_ten: usize,
    pub(crate) codes: &'static [&'static str],
}

const SHARE_BLUEPRINT: &[Class] = &[
    Class {
        end: End::Settled("already_shared"),
        calls: 1,
        calls_for_ten: 19,
        codes: &["UnsupportedOperation.BlueprintAlreadyShared"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 19, // the cause is one account or a quota
        codes: &[
            "InvalidParameterValue.AccountIdInvalidAccountArea",
            "InvalidParameterValue.AccountIdSameWithUin",
            "InvalidParameterValue.AccountIdsNotExist",
            "InvalidParameterValue.AccountIdsNotOwnerAccount",
            "LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded",
        ],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 1, // the cause is the image
        codes: &[
            "InvalidParameterValue.BlueprintIdMalformed",
            "InvalidParameterValue.InvalidBlueprintId",
            "ResourceNotFound.BlueprintIdNotFound",
            "ResourceNotFound.PrivateBlueprintNotFound",
        ],
    },
    Class {
        end: End::Later,
        calls: 3,
        calls_for_ten: 3, // the cause is temporary
        codes: &[
            "FailedOperation",
            "FailedOperation.ShareBlueprintAcrossAccountFailed",
            "InvalidParameterValue.InvalidBlueprintState",
            "OperationDenied.BlueprintOperationInProgress",
            "ResourceInUse.BlueprintModifyingSharePermission",
            "UnsupportedOperation.BlueprintCurStateInvalid",
            "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            "UnsupportedOperation.BlueprintOccupied",
        ],
    },
    Class {
        end: End::Later,
        calls: 1,
        calls_for_ten: 1, // only the operator can remove the cause
        codes: &[
            "UnauthorizedOperation.NoPermission",
            "UnauthorizedOperation.TokenInvalid",
        ],
    },
];

const CANCEL_BLUEPRINT: &[Class] = &[
    Class {
        end: End::Settled("not_shared"),
        calls: 1,
        calls_for_ten: 19,
        codes: &["UnsupportedOperation.BlueprintHasNotShared"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 19,
        codes: &["InvalidParameterValue.LimitExceeded"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 1,
        codes: &[
            "InvalidParameterValue.BlueprintIdMalformed",
            "InvalidParameterValue.InvalidBlueprintId",
            "ResourceNotFound.BlueprintIdNotFound",
            "ResourceNotFound.BlueprintNotFound",
            "ResourceNotFound.PrivateBlueprintNotFound",
        ],
    },
    Class {
        end: End::Later,
        calls: 3,
        calls_for_ten: 3,
        codes: &[
            "InvalidParameterValue.InvalidBlueprintState",
            "OperationDenied.BlueprintOperationInProgress",
            "ResourceInUse.BlueprintModifyingSharePermission",
            "UnsupportedOperation.BlueprintCurStateInvalid",
            "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            "UnsupportedOperation.BlueprintOccupied",
        ],
    },
    Class {
        end: End::Later,
        calls: 1,
        calls_for_ten: 1, // only the operator can remove the cause
        codes: &["UnauthorizedOperation.TokenInvalid"],
    },
];

const SHARE_IMAGE: &[Class] = &[
    Class {
        end: End::Settled("already_shared"),
        calls: 1,
        calls_for_ten: 19,
        codes: &["FailedOperation.AccountAlreadyExists"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 19,
        codes: &[
            "FailedOperation.AccountIsYourSelf",
            "FailedOperation.NotMasterAccount",
            "InvalidAccountId.NotFound",
            "InvalidAccountIs.YourSelf",
            "InvalidParameterValue.InvalidAppIdFormat",
            "OverQuota",
        ],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 19,
        codes: &["InvalidParameterValue.LimitExceeded"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 1,
        codes: &[
            "FailedOperation.BYOLImageShareFailed",
            "FailedOperation.QImageShareFailed",
            "FailedOperation.RImageShareFailed",
            "InvalidImageId.Malformed",
            "InvalidImageId.NotFound",
            "InvalidParameter.InstanceImageNotSupport",
            "InvalidParameterValue.InvalidImageId",
            "UnauthorizedOperation.ImageNotBelongToAccount",
            "UnsupportedOperation.EncryptedImagesNotSupported",
            "UnsupportedOperation.LocationImageNotSupported",
        ],
    },
    Class {
        end: End::Later,
        calls: 3,
        calls_for_ten: 3,
        codes: &["InvalidParameterValue.InvalidImageState"],
    },
    Class {
        end: End::Later,
        calls: 1,
        calls_for_ten: 1, // only the operator can remove the cause
        codes: &["UnauthorizedOperation.InvalidToken"],
    },
];

/// Lighthouse's own `ModifyImageSharePermission` names one image, and no account.
const PUBLISH: &[Class] = &[
    Class {
        end: End::Settled("available"),
        calls: 1,
        calls_for_ten: 0,
        codes: &["UnsupportedOperation.ImageAlreadyShared"],
    },
    Class {
        end: End::Final,
        calls: 1,
        calls_for_ten: 0,
        codes: &[
            "InvalidParameterValue.InvalidImageIdMalformed",
            "ResourceNotFound.ImageIdNotFound",
            "UnsupportedOperation.ImageUnableToShare",
        ],
    },
    Class {
        end: End::Later,
        calls: 3,
        calls_for_ten: 0,
        codes: &[
            "FailedOperation.ImageOperationFailed",
            "FailedOperation.RequestError",
            "InternalError.RequestError",
            "ResourceInUse.ImageInUse",
            "UnsupportedOperation.ImageOccupied",
        ],
    },
    Class {
        end: End::Later,
        calls: 1,
        calls_for_ten: 0, // only the operator can remove the cause
        codes: &[
            "ResourceNotFound.RoleNotFound",
            "UnauthorizedOperation.NoPermission",
            "UnsupportedOperation.AssumeRoleFailed",
        ],
    },
];

/// Codes of `DescribeImagesToShare`, and whether a later call may succeed. An error of this read
/// does not block a share.
const IMAGES_TO_SHARE: [(bool, &[&str]); 2] = [
    (
        true,
        &[
            "FailedOperation",
            "FailedOperation.DescribeImagesFailed",
            "FailedOperation.RequestError",
        ],
    ),
    (
        false,
        &[
            "InvalidParameter.InvalidFilter",
            "InvalidParameterValue.Duplicated",
            "InvalidParameterValue.InvalidImageIdMalformed",
            "InvalidParameterValue.LimitExceeded",
            "InvalidParameterValue.Negative",
            "InvalidParameterValue.OutOfRange",
            "InvalidParameterValue.TooLong",
            "ResourceNotFound.RoleNotFound",
            "UnauthorizedOperation.NoPermission",
            "UnsupportedOperation.AssumeRoleFailed",
        ],
    ),
];

/// An operation: the action's page, its name in faults, and the fields of a ticket for it.
pub(crate) struct Operation {
    page: &'static str,
    fault: &'static str,
    action: &'static str,
    image: &'static str,
    pub(crate) lighthouse: bool,
    classes: &'static [Class],
}

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        page: "lighthouse/ShareBlueprintAcrossAccounts",
        fault: "ShareBlueprintAcrossAccounts",
        action: "share",
        image: BLUEPRINT,
        lighthouse: false,
        classes: SHARE_BLUEPRINT,
    },
    Operation {
        page: "lighthouse/CancelShareBlueprintAcrossAccounts",
        fault: "CancelShareBlueprintAcrossAccounts",
        action: "cancel",
        image: BLUEPRINT,
        lighthouse: false,
        classes: CANCEL_BLUEPRINT,
    },
    Operation {
        page: "cvm/ModifyImageSharePermission",
        fault: "cvm.ModifyImageSharePermission",
        action: "share",
        image: IMAGE,
        lighthouse: false,
        classes: SHARE_IMAGE,
    },
    Operation {
        page: "lighthouse/ModifyImageSharePermission",
        fault: "lighthouse.ModifyImageSharePermission",
        action: "share",
        image: IMAGE,
        lighthouse: true,
        classes: PUBLISH,
    },
];

#[test]
fn the_table_has_every_code_of_the_five_pages() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/api-codes.json")).unwrap();
    let pages: BTreeMap<String, BTreeSet<String>> =
        serde_json::from_value(vectors["codes"].clone()).unwrap();
    assert_eq!(pages.values().map(BTreeSet::len).sum::<usize>(), 79);
    let mut table: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for operation in &OPERATIONS {
        let codes = operation.classes.iter().flat_map(|class| class.codes);
        table.insert(
            operation.page.to_owned(),
            codes.map(|code| (*code).to_owned()).collect(),
        );
    }
    let read = IMAGES_TO_SHARE
        .iter()
        .flat_map(|(_, codes)| *codes)
        .map(|code| (*code).to_owned())
        .collect();
    table.insert("lighthouse/DescribeImagesToShare".to_owned(), read);
    assert_eq!(table, pages);
}

pub(crate) fn inject(setup: &Setup, fault: &str) {
    setup.cloud.clear_faults();
    let fault: Fault = format!("{fault}@500").parse().unwrap();
    assert!(setup.cloud.inject(fault));
}

fn messages(answer: &Value) -> String {
    let texts = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["message"].as_str().unwrap_or_default());
    texts
        .chain([answer["message"].as_str().unwrap_or_default()])
        .collect::<Vec<_>>()
        .join("\n")
}

fn check(answer: &Value, end: End, code: &str, case: &str) {
    let results = answer["results"].as_array().unwrap();
    let status = match end {
        End::Settled(_) => "completed",
        End::Final => "failed",
        End::Later => "pending",
    };
    assert_eq!(answer["status"], status, "{case}: {answer}");
    for result in results {
        match end {
            End::Settled(name) => assert_eq!(result["result"], name, "{case}: {answer}"),
            End::Final => {
                assert_eq!(result["result"], "failed", "{case}: {answer}");
                assert_eq!(result["code"], code, "{case}: {answer}");
                assert_eq!(result["retryable"], false, "{case}: {answer}");
                assert!(result["request_id"].is_string(), "{case}: {answer}");
            }
            End::Later => assert_eq!(result["result"], "pending", "{case}: {answer}"),
        }
    }
    if !matches!(end, End::Settled(_)) {
        let text = messages(answer);
        let (_, remedy) = text
            .split_once(" — ")
            .unwrap_or_else(|| panic!("{case}: no next action in {text}"));
        assert!(
            remedy.len() > 20 && !remedy.contains("this program does not know the code"),
            "{case}: {text}"
        );
        assert!(
            matches!(end, End::Final) || text.contains(code),
            "{case}: {text}"
        );
    }
}

/// Returns whether the error code contradicts the cloud's list of accounts. In that case, sharehook
/// repeats the call as after a temporary failure.
fn contradicts(setup: &Setup, operation: &Operation, end: End) -> bool {
    let says_so = matches!(end, End::Settled("already_shared" | "not_shared"));
    says_so && (operation.image == IMAGE || setup.site == Site::Cn)
}

/// The expected result on the site of `setup`. The international site does not list a blueprint's
/// accounts. An account of a halved batch may then have its share from an earlier call for the
/// larger batch, so "already shared" counts as this ticket's share.
fn end_on(setup: &Setup, operation: &Operation, end: End, accounts: &[&str]) -> End {
    let halved = accounts.len() > 1 && operation.image == BLUEPRINT && setup.site == Site::Intl;
    match end {
        end if contradicts(setup, operation, end) => End::Later,
        End::Settled("already_shared") if halved => End::Settled("shared"),
        End::Settled("not_shared") if halved => End::Settled("cancelled"),
        end => end,
    }
}

/// Tests each code of a class with one account, and with ten if the operation names accounts.
/// Result and number of calls must be those of the class, and nothing may be carried out.
pub(crate) async fn ends_as_documented(setup: &Setup, operation: &Operation, class: &Class) {
    for code in class.codes {
        let alone: &[&str] = if operation.lighthouse { &[] } else { &TEN[..1] };
        let calls = match contradicts(setup, operation, class.end) {
            // Three calls for each account, after nine for larger batches.
            true => [3, 39],
            false => [class.calls, class.calls_for_ten],
        };
        let cases = [(alone, calls[0]), (&TEN[..], calls[1])];
        for (accounts, calls) in cases.into_iter().filter(|(_, calls)| *calls > 0) {
            let case = format!("{} {code} × {}", operation.page, accounts.len());
            setup.reset(if operation.action == "cancel" {
                accounts
            } else {
                &[]
            });
            let before = setup.has(operation.image);
            inject(setup, &format!("{}:error-before:{code}", operation.fault));
            let from = setup.cloud.calls().len();
            let request = ticket(
                &case,
                operation.action,
                operation.image,
                accounts,
                operation.lighthouse,
            );
            let answer = setup.send(&request).await;
            check(
                &answer,
                end_on(setup, operation, class.end, accounts),
                code,
                &case,
            );
            assert_eq!(setup.writes(from).len(), calls, "{case}: {answer}");
            assert_eq!(
                setup.has(operation.image),
                before,
                "{case}: nothing was carried out"
            );
            assert_eq!(
                setup.cloud.state().published(REGION, IMAGE),
                None,
                "{case}: nothing was carried out"
            );
        }
    }
}

#[tokio::test]
async fn each_code_ends_in_the_documented_result() {
    for site in [Site::Intl, Site::Cn] {
        let setup = Setup::new(unlimited_on(site), "memory:").await;
        for operation in &OPERATIONS {
            for class in operation.classes {
                ends_as_documented(&setup, operation, class).await;
            }
        }
    }
}

#[tokio::test]
async fn an_unreadable_list_is_reported_and_stops_no_share() {
    let setup = Setup::new(unlimited(), "memory:").await;
    for (again, code) in IMAGES_TO_SHARE
        .iter()
        .flat_map(|(again, codes)| codes.iter().map(move |c| (again, c)))
    {
        setup.reset(&[]);
        inject(
            &setup,
            &format!("DescribeImagesToShare:error-before:{code}"),
        );
        let from = setup.cloud.calls().len();
        let region = REGION.parse().unwrap();
        let error = setup
            .app
            .images(&region, ImagesQuery::All, setup.app.budget())
            .await
            .unwrap_err();
        assert_eq!(error.code, **code);
        assert_eq!(
            error.class == sharehook::domain::ErrorClass::Transient,
            *again,
            "{code}: {error:?}"
        );
        assert!(
            error.remedy.len() > 20 && error.request_id.is_some(),
            "{code}: {error:?}"
        );
        let ask_again = error.remedy.contains("ask for it again");
        assert_eq!(ask_again, *again, "{code}: {error:?}");
        assert_eq!(
            setup.cloud.calls().len() - from,
            1,
            "{code}: a list is asked for once"
        );
        let answer = setup
            .send(&ticket(
                &format!("precheck {code}"),
                "share",
                IMAGE,
                &[],
                true,
            ))
            .await;
        assert_eq!(answer["status"], "completed", "{code}: {answer}");
        assert_eq!(setup.writes(from).len(), 1, "{code}");
    }
}

#[tokio::test]
async fn an_unlisted_code_does_not_fail_the_other_accounts() {
    const FROZEN: &str = "555000000001";
    for image in [BLUEPRINT, IMAGE] {
        for site in [Site::Intl, Site::Cn] {
            let setup = Setup::new(unlimited_on(site), "memory:").await;
            let accounts = [TEN[0], FROZEN, TEN[1]];
            let answer = setup
                .send(&ticket("frozen", "share", image, &accounts, false))
                .await;
            assert_eq!(answer["status"], "partial", "{image}: {answer}");
            assert_eq!(setup.has(image), [TEN[0], TEN[1]], "{image}");
            let result = &answer["results"][1];
            assert_eq!(
                (
                    &result["account"],
                    &result["result"],
                    &result["code"],
                    &result["retryable"]
                ),
                (
                    &json!(FROZEN),
                    &json!("failed"),
                    &json!("InvalidParameterValue.AccountFrozen"),
                    &json!(false)
                ),
                "{image}: {answer}"
            );
        }
    }
}
