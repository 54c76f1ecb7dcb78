//! Every error code that the documentation lists for the actions used here, what it means for the
//! work, and the operator's next action. Data only: `error` looks codes up. Sources: the pages of
//! the nine actions, the common error codes, the official SDKs.

use super::actions::Purpose;
use crate::domain::ErrorClass;

/// What a group of codes means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The same whatever the call was for.
    Always(ErrorClass),
    /// The state that this purpose wanted may be there already; for any other purpose a refusal.
    WantedBy(Purpose),
}

/// Codes with one meaning and one remedy.
pub(super) struct Group {
    pub(super) meaning: Meaning,
    pub(super) remedy: &'static str,
    pub(super) codes: &'static [&'static str],
}

const fn always(class: ErrorClass, remedy: &'static str, codes: &'static [&'static str]) -> Group {
    Group {
        meaning: Meaning::Always(class),
        remedy,
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
        codes,
    }
}

use ErrorClass::{Account, Clock, Operator, Permanent, Quota, Refresh, Throttled, Transient};

/// The table. A code stands in it once; one that does not is looked up by its part before the first
/// dot.
pub(super) const TABLE: &[Group] = &[
    // The state may already be as wanted.
    wanted_by(
        Purpose::Share,
        "none if reading back shows the share; else repeat without the accounts that have the image",
        &[
            "FailedOperation.AccountAlreadyExists",
            "UnsupportedOperation.BlueprintAlreadyShared",
            "UnsupportedOperation.ImageAlreadyShared",
        ],
    ),
    wanted_by(
        Purpose::Cancel,
        "none if reading back shows no share; else repeat for the accounts that still have the image",
        &["UnsupportedOperation.BlueprintHasNotShared"],
    ),
    // One of the accounts.
    always(
        Account,
        "correct the account id: it must be the id of an existing root account, not a sub-account, an AppID or a QQ number",
        &[
            "FailedOperation.NotMasterAccount",
            "InvalidAccountId",
            "InvalidAccountId.NotFound",
            "InvalidAccountIs",
            "InvalidParameterValue.AccountIdsNotExist",
            "InvalidParameterValue.AccountIdsNotOwnerAccount",
            "InvalidParameterValue.InvalidAppIdFormat",
        ],
    ),
    always(
        Account,
        "remove the account that owns the image: it has it already",
        &[
            "FailedOperation.AccountIsYourSelf",
            "InvalidAccountIs.YourSelf",
            "InvalidParameterValue.AccountIdSameWithUin",
        ],
    ),
    always(
        Account,
        "name an account of the same site: images are not shared between the mainland and the international site",
        &["InvalidParameterValue.AccountIdInvalidAccountArea"],
    ),
    // It will pass.
    always(
        Transient,
        "none at once: it is repeated; if it persists, give the request id to the provider",
        &[
            "FailedOperation",
            "FailedOperation.DescribeBlueprintsFailed",
            "FailedOperation.DescribeImagesFailed",
            "FailedOperation.ImageOperationFailed",
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
    always(
        Transient,
        "none at once: another operation on the image must end first, then it is repeated",
        &[
            // "The image is busy, try again later" (comment of the SDK).
            "FailedOperation.InvalidImageState",
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
        Transient,
        "look at the image's state: it must be NORMAL; while it is being created or synchronized, waiting helps",
        &[
            "InvalidImageId.IncorrectState",
            "UnsupportedOperation.BlueprintCurStateInvalid",
        ],
    ),
    always(
        Throttled,
        "none at once: calls slow down; if it persists, lower lighthouse_per_second or cvm_per_second, other users of the account count too",
        &[
            "RequestLimitExceeded",
            "RequestLimitExceeded.GlobalRegionUinLimitExceeded",
            "RequestLimitExceeded.IPLimitExceeded",
            "RequestLimitExceeded.UinLimitExceeded",
        ],
    ),
    // Quotas.
    always(
        Quota,
        "cancel shares that are no longer needed, or ask the provider for a larger quota",
        &[
            "LimitExceeded",
            "LimitExceeded.ShareBlueprintAcrossAccountQuotaLimitExceeded",
            "OverQuota",
        ],
    ),
    // An operator must act.
    always(
        Operator,
        "grant the key or role in use the action on this image (CAM policy)",
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
        "check the configured secret id and key: whole, without blanks, enabled, and a cloud API key",
        &[
            "AuthFailure",
            "AuthFailure.InvalidHeaderUin",
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
        "set this machine's clock: it differs from the cloud's by more than five minutes",
        &["AuthFailure.SignatureExpire"],
    ),
    // It will never succeed as it stands.
    always(
        Permanent,
        "correct the image id and the region: the cloud does not know this image there",
        &[
            "InvalidImageId",
            "InvalidImageId.Malformed",
            "InvalidImageId.NotFound",
            "InvalidParameterValue.BlueprintIdMalformed",
            "InvalidParameterValue.InvalidBlueprintId",
            "InvalidParameterValue.InvalidImageIdMalformed",
            "ResourceNotFound",
            "ResourceNotFound.BlueprintIdNotFound",
            "ResourceNotFound.BlueprintNotFound",
            "ResourceNotFound.ImageIdNotFound",
            "ResourceNotFound.PrivateBlueprintNotFound",
        ],
    ),
    always(
        Permanent,
        "choose another image: this one cannot be shared (encrypted, imported, whole-instance, market, foreign or not custom)",
        &[
            "FailedOperation.BYOLImageShareFailed",
            "FailedOperation.QImageShareFailed",
            "FailedOperation.RImageShareFailed",
            "InvalidImageId.InShared",
            "InvalidParameter.InstanceImageNotSupport",
            "InvalidParameterValue.InvalidBlueprintState",
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
    ),
    always(
        Permanent,
        "send fewer values in one request (cvm_accounts_per_call)",
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
        "update this program, or report it: the cloud no longer takes the request as documented",
        &[
            "ActionOffline",
            "AuthFailure.InvalidAuthorization",
            "DryRunOperation",
            "InvalidAction",
            "InvalidParameter",
            "InvalidParameter.InvalidFilter",
            "InvalidParameter.InvalidParameterCoexistImageIdsFilters",
            "InvalidParameter.ParameterConflict",
            "InvalidParameterValue",
            "InvalidParameterValue.Duplicated",
            "InvalidParameterValue.Negative",
            "InvalidParameterValue.OutOfRange",
            "InvalidParameterValue.TooLong",
            "InvalidRequest",
            "MissingParameter",
            "NoSuchProduct",
            "NoSuchVersion",
            "OperationDenied",
            "UnknownParameter",
            "UnsupportedOperation",
            "UnsupportedProtocol",
        ],
    ),
];
