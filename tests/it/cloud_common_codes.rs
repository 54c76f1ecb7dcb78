//! The sandbox returns each of the 38 error codes that every action may return, for each operation.
//! Checks the result, the number of calls, and that the answer names the next action.

use std::collections::BTreeSet;

use serde_json::Value;
use sharehook::app::ImagesQuery;
use sharehook::domain::{ErrorClass, Family};

use crate::cloud_codes::{Class, End, OPERATIONS, ends_as_documented, inject};
use crate::support::cloud::{IMAGE, REGION, Setup, ticket, unlimited};

/// The expectation for `images`: the error's class, and the number of calls.
type Listed = (ErrorClass, usize);

/// The common codes by class. A call is tried three times, so a temporary failure costs three
/// calls. A refusal because of the clock is repeated once, with the cloud's time. After a quota
/// error, the batch is halved.
const CLASSES: [(Class, Listed); 9] = [
    (
        Class {
            end: End::Later,
            calls: 1,
            calls_for_ten: 1, // the cause is the key, its rights, or its allowed places
            codes: &[
                "AuthFailure.MFAFailure",
                "AuthFailure.UnauthorizedOperation",
                "IpInBlacklist",
                "IpNotInWhitelist",
                "UnauthorizedOperation",
            ],
        },
        (ErrorClass::Operator, 1),
    ),
    (
        // The program would repeat the call once with new credentials, but it has none here.
        Class {
            end: End::Later,
            calls: 1,
            calls_for_ten: 1,
            codes: &[
                "AuthFailure.InvalidSecretId",
                "AuthFailure.SecretIdNotFound",
                "AuthFailure.SignatureFailure",
                "AuthFailure.TokenFailure",
            ],
        },
        (ErrorClass::Refresh, 1),
    ),
    (
        Class {
            end: End::Later,
            calls: 2,
            calls_for_ten: 2,
            codes: &["AuthFailure.SignatureExpire"],
        },
        (ErrorClass::Clock, 2),
    ),
    (
        Class {
            end: End::Final,
            calls: 1,
            calls_for_ten: 19,
            codes: &["LimitExceeded"],
        },
        (ErrorClass::Quota, 1),
    ),
    (
        Class {
            end: End::Final,
            calls: 1,
            calls_for_ten: 1, // the cause is the request itself
            codes: &[
                "ActionOffline",
                "AuthFailure.InvalidAuthorization",
                "DryRunOperation",
                "InvalidAction",
                "InvalidRequest",
                "NoSuchProduct",
                "NoSuchVersion",
                "RequestSizeLimitExceeded",
                "ResponseSizeLimitExceeded",
                "UnknownParameter",
                "UnsupportedProtocol",
                "UnsupportedRegion",
            ],
        },
        (ErrorClass::Permanent, 1),
    ),
    (
        Class {
            end: End::Final,
            calls: 1,
            calls_for_ten: 19, // the cause may be one account
            codes: &[
                "InvalidParameter",
                "InvalidParameterValue",
                "MissingParameter",
                "ResourceNotFound",
                "UnsupportedOperation",
            ],
        },
        (ErrorClass::Unlisted(Family::Final), 1),
    ),
    (
        Class {
            end: End::Later,
            calls: 3,
            calls_for_ten: 3,
            codes: &[
                "FailedOperation",
                "InternalError",
                "ResourceInsufficient",
                "ResourceUnavailable",
                "ServiceUnavailable",
            ],
        },
        (ErrorClass::Transient, 1),
    ),
    (
        Class {
            end: End::Later,
            calls: 3,
            calls_for_ten: 3,
            codes: &["ResourceInUse"],
        },
        (ErrorClass::Busy, 1),
    ),
    (
        Class {
            end: End::Later,
            calls: 3,
            calls_for_ten: 3,
            codes: &[
                "RequestLimitExceeded",
                "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
                "RequestLimitExceeded.IPLimitExceeded",
                "RequestLimitExceeded.UinLimitExceeded",
            ],
        },
        (ErrorClass::Throttled, 1),
    ),
];

#[test]
fn the_table_has_every_common_code() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/api-codes.json")).unwrap();
    let common: BTreeSet<&str> = vectors["common"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let table: Vec<&str> = CLASSES
        .iter()
        .flat_map(|(class, _)| class.codes)
        .copied()
        .collect();
    assert_eq!((common.len(), table.len()), (38, 38));
    assert_eq!(table.into_iter().collect::<BTreeSet<_>>(), common);
}

/// Each operation and class has an application of its own, because a throttled call slows down all
/// later ones.
#[tokio::test(flavor = "multi_thread")]
async fn each_common_code_ends_the_same_way_for_each_operation() {
    let mut running = tokio::task::JoinSet::new();
    for operation in &OPERATIONS {
        for (class, _) in &CLASSES {
            running.spawn(async move {
                let setup = Setup::new(unlimited(), "memory:").await;
                let calls_for_ten = if operation.lighthouse {
                    0
                } else {
                    class.calls_for_ten
                };
                ends_as_documented(
                    &setup,
                    operation,
                    &Class {
                        calls_for_ten,
                        ..*class
                    },
                )
                .await;
            });
        }
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_tells_each_common_code_and_stops_no_share() {
    for (class, (expected, calls)) in &CLASSES {
        let setup = Setup::new(unlimited(), "memory:").await;
        for code in class.codes {
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
            assert_eq!((error.code.as_str(), error.class), (*code, *expected));
            assert!(
                error.remedy.len() > 20 && error.request_id.is_some(),
                "{code}: {error:?}"
            );
            assert_eq!(setup.cloud.calls().len() - from, *calls, "{code}");
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
}
