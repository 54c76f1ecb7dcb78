//! The error codes that the documentation lists for the nine actions, each with its class and the
//! operator's next step. Data only: `error` looks codes up. Sources: the pages of the nine actions,
//! the common error codes, the official SDKs.

use super::actions::Purpose;
use crate::domain::{ErrorClass, Family};

/// How the class of a code depends on the purpose of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The class is the same for every purpose.
    Always(ErrorClass),
    /// For a call of this purpose, the wanted state may exist already. For any other call, the code
    /// is a refusal.
    WantedBy(Purpose),
}

/// The error codes that share a meaning and a remedy.
pub(super) struct Group {
    pub(super) meaning: Meaning,
    pub(super) remedy: &'static str,
    /// The remedy for a call that cancels shares, if it differs.
    pub(super) cancel_remedy: Option<&'static str>,
    pub(super) codes: &'static [&'static str],
}

const fn always(class: ErrorClass, remedy: &'static str, codes: &'static [&'static str]) -> Group {
    Group {
        meaning: Meaning::Always(class),
        remedy,
        cancel_remedy: None,
        codes,
    }
}

const fn wanted_by(
    purpose: Purpose,
    remedy: &'static str,
    codes: &'static [&'static str],
) -> Group {
    Group {
        meaning: Meaning::WantedBy(purpose),
        remedy,
        cancel_remedy: None,
        codes,
    }
}

/// Adds a separate remedy for calls that cancel shares, because the remedy for sharing does not
/// help them.
const fn kept_shares(group: Group) -> Group {
    Group {
        cancel_remedy: Some(
            "look in the console which accounts still have the image; for a share that has ended, then run `sharehook sweep`",
        ),
        ..group
    }
}

/// The class of a code without details. Like an unlisted code, such a code may concern a single
/// account of the call.
const BARE: ErrorClass = ErrorClass::Unlisted(Family::Final);

use ErrorClass::{Account, Busy, Clock, Operator, Permanent, Quota, Refresh, Throttled, Transient};

/// Lists each code once. For a code that is not listed, `error::classify` looks up the part before
/// the first dot.
pub(super) const TABLE: &[Group] = &[
    // The wanted state may exist already.
    wanted_by(
        Purpose::Share,
        "nothing to do if the share exists; otherwise repeat the request without the accounts that already have the image",
        &[
            "FailedOperation.AccountAlreadyExists",
            "UnsupportedOperation.BlueprintAlreadyShared",
            "UnsupportedOperation.ImageAlreadyShared",
        ],
    ),
    wanted_by(
        Purpose::Cancel,
        "nothing to do if the share is gone; otherwise repeat the request for the accounts that still have the image",
        &["UnsupportedOperation.BlueprintHasNotShared"],
    ),
    // An account in the request is wrong.
    kept_shares(always(
        Account,
        "correct the account id: it must belong to an existing root account; sub-accounts, AppIDs and QQ numbers do not work",
        &[
            "FailedOperation.NotMasterAccount",
            "InvalidAccountId",
            "InvalidAccountId.NotFound",
            "InvalidAccountIs",
            "InvalidParameterValue.AccountIdsNotExist",
            "InvalidParameterValue.AccountIdsNotOwnerAccount",
            "InvalidParameterValue.InvalidAppIdFormat",
        ],
    )),
    kept_shares(always(
        Account,
        "remove the account that owns the image from the request",
        &[
            "FailedOperation.AccountIsYourSelf",
            "InvalidAccountIs.YourSelf",
            "InvalidParameterValue.AccountIdSameWithUin",
        ],
    )),
    kept_shares(always(
        Account,
        "name an account of the same site: images are not shared between the mainland and the international site",
        &["InvalidParameterValue.AccountIdInvalidAccountArea"],
    )),
    always(
        Transient,
        "nothing to do for a request, which is tried again; repeat any other command; if the error persists, give the request id to the provider",
        &[
            "FailedOperation",
            "FailedOperation.DescribeBlueprintsFailed",
            "FailedOperation.DescribeImagesFailed",
            "FailedOperation.ImageOperationFailed",
            // The SDK describes this code as "the image is busy, try again later". No documentation
            // page says that the failed operation changed nothing, so the code is not `Busy`.
            "FailedOperation.InvalidImageState",
            "FailedOperation.RequestError",
            "FailedOperation.ShareBlueprintAcrossAccountFailed",
            "InternalError",
            "InternalError.RequestError",
            "InternalServerError",
            "ResourceInsufficient",
            "ResourceUnavailable",
            "ServiceUnavailable",
            "UnsupportedOperation.SystemBusy",
        ],
    ),
    // According to the documentation, the cloud refused the operation, the parameter or the image's
    // state. So it changed nothing.
    always(
        Busy,
        "wait for the other operation on the image; a request is then tried again; repeat any other command",
        &[
            "InvalidParameterValue.InvalidImageState",
            "OperationDenied.BlueprintOperationInProgress",
            "ResourceInUse",
            "ResourceInUse.BlueprintModifyingSharePermission",
            "ResourceInUse.ImageInUse",
            "UnsupportedOperation.BlueprintLatestOperationUnfinished",
            "UnsupportedOperation.BlueprintOccupied",
            "UnsupportedOperation.ImageOccupied",
        ],
    ),
    always(
        Busy,
        "check the image's state: it must be NORMAL; wait while the image is being created or synchronized",
        &[
            "InvalidImageId.IncorrectState",
            "InvalidParameterValue.InvalidBlueprintState",
            "UnsupportedOperation.BlueprintCurStateInvalid",
        ],
    ),
    always(
        Throttled,
        "the program slows its calls down; a request is tried again; repeat any other command; if the error persists, lower lighthouse_per_second or cvm_per_second, because other users of the account share the limit",
        &[
            "RequestLimitExceeded",
            "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
            "RequestLimitExceeded.IPLimitExceeded",
            "RequestLimitExceeded.UinLimitExceeded",
        ],
    ),
    kept_shares(always(
        Quota,
        "cancel shares that are no longer needed, or ask the provider for a larger quota",
        &[
            "LimitExceeded",
            "LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded",
            "OverQuota",
        ],
    )),
    always(
        Operator,
        "allow the key or role in use to call the action on this image (CAM policy)",
        &[
            "AuthFailure.UnauthorizedOperation",
            "UnauthorizedOperation",
            "UnauthorizedOperation.NoPermission",
            "UnauthorizedOperation.PermissionDenied",
        ],
    ),
    always(
        Operator,
        "as the root account or a CAM administrator, approve the role Lighthouse_QCSLinkedRoleInBasic once in the console",
        &[
            "ResourceNotFound.RoleNotFound",
            "UnsupportedOperation.AssumeRoleFailed",
            "UnsupportedOperation.ServiceRoleNotExist",
        ],
    ),
    always(
        Operator,
        "check the configured secret id and key: they must be complete, without blanks, enabled, and a cloud API key",
        &["AuthFailure", "AuthFailure.InvalidHeaderUin"],
    ),
    // An operator may have replaced the key in its file.
    always(
        Refresh,
        "check the secret id and key in use: they must be complete, without blanks, enabled, and a cloud API key; a replaced key is used once it is read again (docs/credentials.md)",
        &[
            "AuthFailure.InvalidSecretId",
            "AuthFailure.SecretIdNotFound",
            "AuthFailure.SignatureFailure",
        ],
    ),
    always(
        Operator,
        "let the key call without multi-factor authentication, or use another key",
        &[
            "AuthFailure.MFAFailure",
            "UnauthorizedOperation.MFAExpired",
            "UnauthorizedOperation.MFANotFound",
        ],
    ),
    always(
        Operator,
        "allow this machine's address in the account's access policy",
        &["IpInBlacklist", "IpNotInWhitelist"],
    ),
    always(
        Refresh,
        "renew the temporary credentials: the token is wrong or has expired",
        &[
            "AuthFailure.TokenFailure",
            "UnauthorizedOperation.InvalidToken",
            "UnauthorizedOperation.TokenInvalid",
        ],
    ),
    always(
        Clock,
        "correct this machine's clock: it differs from the cloud's by more than five minutes",
        &["AuthFailure.SignatureExpire"],
    ),
    // The same call can never succeed.
    always(
        Permanent,
        "correct the image id or the region: the cloud finds no such image in this region",
        &[
            "InvalidImageId",
            "InvalidImageId.Malformed",
            "InvalidImageId.NotFound",
            "InvalidParameterValue.BlueprintIdMalformed",
            "InvalidParameterValue.InvalidBlueprintId",
            "InvalidParameterValue.InvalidImageIdMalformed",
            "ResourceNotFound.BlueprintIdNotFound",
            "ResourceNotFound.BlueprintNotFound",
            "ResourceNotFound.ImageIdNotFound",
            "ResourceNotFound.PrivateBlueprintNotFound",
        ],
    ),
    kept_shares(always(
        Permanent,
        "choose another image: this one cannot be shared (encrypted, imported, whole-instance, market, foreign or not custom)",
        &[
            "FailedOperation.BYOLImageShareFailed",
            "FailedOperation.QImageShareFailed",
            "FailedOperation.RImageShareFailed",
            "InvalidImageId.InShared",
            "InvalidParameter.InstanceImageNotSupport",
            "InvalidParameterValue.InvalidImageId",
            "InvalidParameterValue.InvalidImageIdIsShared",
            "UnauthorizedOperation.ImageNotBelongToAccount",
            "UnsupportedOperation.BlueprintTypeNotSupportOperation",
            "UnsupportedOperation.EncryptedImagesNotSupported",
            "UnsupportedOperation.ImageUnableToShare",
            "UnsupportedOperation.LocationImageNotSupported",
            "UnsupportedOperation.NotSupportSharedBlueprint",
            "UnsupportedOperation.SharedImageModifyUnsupported",
        ],
    )),
    always(
        Permanent,
        "name fewer accounts in one request, or lower cvm_accounts_per_call",
        &[
            "InvalidParameterValue.LimitExceeded",
            "RequestSizeLimitExceeded",
            "ResponseSizeLimitExceeded",
        ],
    ),
    always(
        Permanent,
        "use a region and site that serve this product",
        &[
            "AuthFailure.InvalidRegion",
            "UnsupportedOperation.OperationNotSupportedInIntlSite",
            "UnsupportedOperation.UnsupportedInternationalUser",
            "UnsupportedRegion",
        ],
    ),
    always(
        Permanent,
        "update this program or report a bug: the cloud no longer accepts the documented request",
        &[
            "ActionOffline",
            "AuthFailure.InvalidAuthorization",
            "DryRunOperation",
            "InvalidAction",
            "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
            "InvalidParameter.ParameterConflict",
            "InvalidParameterValue.Negative",
            "InvalidParameterValue.OutOfRange",
            "InvalidRequest",
            "NoSuchProduct",
            "NoSuchVersion",
            "UnknownParameter",
            "UnsupportedProtocol",
        ],
    ),
    always(
        Permanent,
        "correct the filter or the image ids: the cloud does not accept them",
        &[
            "InvalidParameter.InvalidFilter",
            "InvalidParameterValue.Duplicated",
            "InvalidParameterValue.TooLong",
        ],
    ),
    // The same call for fewer accounts may succeed.
    always(
        BARE,
        "correct the image id, the region or the account: the cloud does not know one of them",
        &["ResourceNotFound"],
    ),
    always(
        BARE,
        "read the cloud's message and correct what it names; if it names nothing, give the request id to the provider",
        &[
            "InvalidParameter",
            "InvalidParameterValue",
            "MissingParameter",
            "OperationDenied",
            "UnsupportedOperation",
        ],
    ),
];
