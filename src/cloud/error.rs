//! Classifies failed calls. Takes the cloud's error code and the purpose of the call, or the
//! failure that prevented an answer. Returns a `CloudError` with a class and a remedy. `codes` has
//! the table of the cloud's codes.

use super::actions::{Limit, Purpose};
use super::codes::{Meaning, TABLE};
use crate::domain::{CloudError, ErrorClass, Family, Fault, ResultCode};

const MAX_MESSAGE_CHARS: usize = 600;
pub(super) const MAX_CODE_CHARS: usize = 120;

/// Returns the class and the remedy of an error code. Looks up the full code. If it is not listed,
/// looks up its prefix, the part before the first dot. If the prefix is not listed either, compares
/// the beginning of the code with known words.
///
/// An unlisted code gets the class of its prefix if that class means an account, a quota, the call
/// rate or the key. If its prefix or its first word means that the failure is temporary, the code
/// is [`ErrorClass::Transient`]. Any other unlisted code may concern a single account of the call,
/// so it becomes [`ErrorClass::Unlisted`].
pub(crate) fn classify(code: &str, purpose: Purpose) -> (ErrorClass, &'static str) {
    if let Some(listed) = lookup(code, purpose) {
        return listed;
    }
    let prefix = code.split('.').next().unwrap_or_default();
    let Some((class, remedy)) = lookup(prefix, purpose) else {
        let passing = [
            "Internal",
            "ResourceInUse",
            "RequestLimit",
            "FailedOperation",
            "UnknownError",
        ]
        .iter()
        .any(|word| code.starts_with(word));
        let class = match passing {
            true => ErrorClass::Transient,
            false => ErrorClass::Unlisted(Family::Final),
        };
        return (
            class,
            "this program does not know the code: look it up in the API's documentation",
        );
    };
    let class = match class {
        ErrorClass::Busy => ErrorClass::Transient,
        ErrorClass::Permanent => ErrorClass::Unlisted(Family::Final),
        ErrorClass::Operator if prefix != "AuthFailure" => ErrorClass::Unlisted(Family::Operator),
        other => other,
    };
    (class, remedy)
}

/// Returns who must act on a result with this code, which is a code of the cloud or a
/// [`ResultCode`].
pub(crate) fn fault_of(code: &str) -> Fault {
    match ResultCode::read(code) {
        Some(own) => own.fault(),
        None => classify(code, Purpose::Share).0.fault(),
    }
}

/// Returns the code if it is a listed code of the cloud or a [`ResultCode`]. These are a closed
/// set, as labels of metrics must be.
pub(crate) fn known_code(code: &str) -> Option<&'static str> {
    let listed = TABLE.iter().flat_map(|group| group.codes.iter().copied());
    let own = ResultCode::ALL.iter().map(|own| own.as_str());
    listed.chain(own).find(|known| *known == code)
}

fn lookup(code: &str, purpose: Purpose) -> Option<(ErrorClass, &'static str)> {
    let group = TABLE.iter().find(|group| group.codes.contains(&code))?;
    let class = match group.meaning {
        Meaning::Always(class) => class,
        Meaning::WantedBy(wanting) if wanting == purpose => ErrorClass::AsWanted,
        Meaning::WantedBy(_) => ErrorClass::Permanent,
    };
    let cancel = group.cancel_remedy.filter(|_| purpose == Purpose::Cancel);
    Some((class, cancel.unwrap_or(group.remedy)))
}

/// Whether the code means that the site does not offer the action, so that repeating the call is
/// pointless.
pub(crate) fn action_is_missing(code: &str) -> bool {
    const MISSING: [&str; 4] = [
        "InvalidAction",
        "ActionOffline",
        "NoSuchVersion",
        "UnsupportedOperation.OperationNotSupportedInIntlSite",
    ];
    MISSING.contains(&code)
}

/// Whether the code means that the account cannot get the image: the account is wrong, or it owns
/// the image.
pub(crate) fn refuses_account(code: &str) -> bool {
    classify(code, Purpose::Share).0 == ErrorClass::Account
}

pub(crate) fn image_is_missing(code: &str) -> bool {
    const MISSING: [&str; 5] = [
        "InvalidImageId.NotFound",
        "ResourceNotFound.BlueprintIdNotFound",
        "ResourceNotFound.BlueprintNotFound",
        "ResourceNotFound.ImageIdNotFound",
        "ResourceNotFound.PrivateBlueprintNotFound",
    ];
    MISSING.contains(&code)
}

/// The error for a refusal by the cloud.
pub(super) fn answered(
    code: &str,
    message: &str,
    purpose: Purpose,
    request_id: Option<String>,
) -> CloudError {
    let (class, remedy) = classify(code, purpose);
    CloudError {
        code: code.to_owned(),
        message: clip(message, MAX_MESSAGE_CHARS),
        class,
        remedy: remedy.to_owned(),
        request_id,
    }
}

pub(crate) fn not_sent(code: ResultCode, message: String, remedy: &str) -> CloudError {
    CloudError::own(code, ErrorClass::NotSent, message, remedy)
}

/// The error for a call that was not sent because its caller's deadline had passed.
pub(super) fn deadline_passed(call: &str) -> CloudError {
    not_sent(
        ResultCode::DeadlinePassed,
        format!("{call} was not sent: the deadline has passed"),
        TRY_LATER,
    )
}

/// The error for a call that exceeds a published limit. Repeating the same call is pointless.
pub(super) fn over_limit(action: &str, limit: &Limit) -> CloudError {
    not_sent(
        ResultCode::PublishedLimit,
        format!("{action} was not sent: {limit}"),
        "send a request within the limit",
    )
}

/// The remedy for a temporary error. The text must be true for a request, which is tried again, and
/// for a command such as `doctor` or `drift`, which does not repeat its reads.
pub(super) const TRY_LATER: &str =
    "nothing to do for a request, which is tried again; repeat any other command";

/// The remedy for a write that the cloud may have carried out.
pub(crate) const MAYBE_DONE: &str = "the cloud may have carried it out, and the program repeats it without harm; if no attempt is left, look at the image's shares in the console";

/// The error for a call that may have reached the cloud, but got no usable answer. The cloud may
/// have carried out a write; a read can be repeated safely.
pub(super) fn unanswered(code: ResultCode, message: &str, purpose: Purpose) -> CloudError {
    let (class, remedy) = if purpose.writes() {
        (ErrorClass::Ambiguous, MAYBE_DONE)
    } else {
        (
            ErrorClass::Transient,
            "nothing to do for a request, which is tried again; repeat any other command; if the error persists, check the network between this machine and the cloud",
        )
    };
    CloudError::own(code, class, clip(message, MAX_MESSAGE_CHARS), remedy)
}

/// Shortens text from outside to `most` characters and replaces its control characters.
pub(super) fn clip(text: &str, most: usize) -> String {
    let mut clean: String = text
        .chars()
        .take(most)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(most).is_some() {
        clean.push('…');
    }
    clean
}

/// Quotes, escapes and shortens an operator's value for an error message.
pub(super) fn shown(text: &str) -> String {
    format!("{:?}", clip(text, 40))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use ErrorClass::*;

    fn listed() -> BTreeSet<&'static str> {
        TABLE
            .iter()
            .flat_map(|group| group.codes)
            .copied()
            .collect()
    }

    #[test]
    fn every_code_of_the_five_pages_is_listed() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/api-codes.json")).unwrap();
        let mut counts = Vec::new();
        for (operation, codes) in file["codes"].as_object().unwrap() {
            let codes: Vec<&str> = codes
                .as_array()
                .unwrap()
                .iter()
                .map(|c| c.as_str().unwrap())
                .collect();
            counts.push(codes.len());
            for code in codes {
                assert!(listed().contains(code), "{operation}: {code}");
            }
        }
        counts.sort_unstable();
        assert_eq!(counts, [12, 13, 14, 20, 20], "79 codes on five pages");
    }

    #[test]
    fn every_common_code_is_listed() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/api-codes.json")).unwrap();
        let common = file["common"].as_array().unwrap();
        assert_eq!(common.len(), 38);
        for code in common {
            assert!(listed().contains(code.as_str().unwrap()), "{code}");
        }
    }

    #[test]
    fn no_code_is_listed_twice_and_every_remedy_says_something() {
        let count: usize = TABLE.iter().map(|group| group.codes.len()).sum();
        assert_eq!(count, listed().len());
        assert!(TABLE.iter().all(|group| group.remedy.len() > 10));
    }

    /// Commands also print these remedies, and commands do not repeat their reads.
    #[test]
    fn no_remedy_says_that_every_call_is_repeated() {
        let errors = [
            deadline_passed("x"),
            unanswered(ResultCode::Timeout, "", Purpose::Read),
        ];
        let of_errors = errors.iter().map(|error| error.remedy.as_str());
        for remedy in TABLE.iter().map(|group| group.remedy).chain(of_errors) {
            assert!(!remedy.contains("program repeats"), "{remedy}");
        }
    }

    #[test]
    fn classes_that_the_work_depends_on() {
        use Purpose::{Cancel, Read, Share};
        for (code, purpose, class) in [
            ("FailedOperation.AccountAlreadyExists", Share, AsWanted),
            ("FailedOperation.AccountAlreadyExists", Cancel, Permanent),
            (
                "UnsupportedOperation.BlueprintAlreadyShared",
                Share,
                AsWanted,
            ),
            ("UnsupportedOperation.ImageAlreadyShared", Share, AsWanted),
            (
                "UnsupportedOperation.BlueprintHasNotShared",
                Cancel,
                AsWanted,
            ),
            (
                "UnsupportedOperation.BlueprintHasNotShared",
                Share,
                Permanent,
            ),
            ("InvalidAccountIs.YourSelf", Share, Account),
            (
                "InvalidParameterValue.AccountIdsNotOwnerAccount",
                Share,
                Account,
            ),
            ("InvalidParameterValue.InvalidImageState", Share, Busy),
            ("InvalidParameterValue.InvalidBlueprintState", Share, Busy),
            ("OperationDenied.BlueprintOperationInProgress", Cancel, Busy),
            ("ResourceInUse", Share, Busy),
            ("ResourceInUse.ImageInUse", Cancel, Busy),
            ("UnsupportedOperation.BlueprintCurStateInvalid", Share, Busy),
            ("UnsupportedOperation.ImageOccupied", Share, Busy),
            ("InvalidImageId.IncorrectState", Share, Busy),
            ("FailedOperation.BYOLImageShareFailed", Share, Permanent),
            ("FailedOperation.InvalidImageState", Share, Transient),
            ("OverQuota", Share, Quota),
            ("UnauthorizedOperation.InvalidToken", Share, Refresh),
            ("UnauthorizedOperation.TokenInvalid", Cancel, Refresh),
            ("AuthFailure.TokenFailure", Read, Refresh),
            ("AuthFailure.SecretIdNotFound", Share, Refresh),
            ("AuthFailure.SignatureFailure", Share, Refresh),
            ("AuthFailure.SignatureExpire", Read, Clock),
            ("ResourceNotFound.RoleNotFound", Read, Operator),
            ("ResourceNotFound.BlueprintIdNotFound", Read, Permanent),
            ("RequestLimitExceeded.IPLimitExceeded", Read, Throttled),
            ("InternalError.RequestError", Share, Transient),
            // One account of the call may be the cause.
            ("InvalidParameterValue", Share, Unlisted(Family::Final)),
            ("InvalidParameter", Share, Unlisted(Family::Final)),
            ("MissingParameter", Cancel, Unlisted(Family::Final)),
            ("OperationDenied", Share, Unlisted(Family::Final)),
            ("ResourceNotFound", Share, Unlisted(Family::Final)),
            ("UnsupportedOperation", Cancel, Unlisted(Family::Final)),
            // The image is the cause.
            ("InvalidImageId", Share, Permanent),
        ] {
            assert_eq!(classify(code, purpose).0, class, "{code} for {purpose:?}");
        }
    }

    /// The remedies for sharing, such as to choose another image, do not help an operator who wants
    /// to end a share.
    #[test]
    fn a_refused_cancel_has_a_remedy_of_its_own() {
        for code in [
            "FailedOperation.AccountIsYourSelf",
            "InvalidParameterValue.AccountIdInvalidAccountArea",
            "InvalidParameterValue.AccountIdsNotExist",
            "LimitExceeded",
            "OverQuota",
            "UnauthorizedOperation.ImageNotBelongToAccount",
        ] {
            let (share, cancel) = (Purpose::Share, Purpose::Cancel);
            assert_eq!(classify(code, share).0, classify(code, cancel).0, "{code}");
            assert!(classify(code, cancel).1.contains("sharehook sweep"));
            assert!(!classify(code, share).1.contains("sharehook sweep"));
        }
    }

    #[test]
    fn unlisted_codes_go_by_their_prefix_and_may_be_one_account_s() {
        for (code, class) in [
            (
                "InvalidParameterValue.AccountFrozen",
                Unlisted(Family::Final),
            ),
            ("UnauthorizedOperation.Novel", Unlisted(Family::Operator)),
            ("Novel", Unlisted(Family::Final)),
            ("", Unlisted(Family::Final)),
            (".", Unlisted(Family::Final)),
            (
                "unsupportedoperation.imagealreadyshared",
                Unlisted(Family::Final),
            ),
        ] {
            assert_eq!(classify(code, Purpose::Share).0, class, "{code:?}");
            assert!(class.may_be_one_account(), "{code:?}");
        }
        for (code, class) in [
            ("AuthFailure.Novel", Operator),
            ("RequestLimitExceeded.Novel", Throttled),
            ("LimitExceeded.Novel", Quota),
            ("InvalidAccountId.Novel", Account),
            ("FailedOperation.Novel", Transient),
            ("ResourceInUse.Novel", Transient),
            ("InternalError.Novel", Transient),
            ("InternalServerError", Transient),
            ("FailedOperationNovel.X", Transient),
            ("UnknownError", Transient),
        ] {
            assert_eq!(classify(code, Purpose::Share).0, class, "{code:?}");
        }
    }

    #[test]
    fn text_from_outside_is_bounded_and_printable() {
        let error = answered(
            "InternalError",
            &"line\n\u{1b}[31m".repeat(9_000),
            Purpose::Read,
            None,
        );
        assert!(error.to_string().chars().count() < 1_000);
        assert!(!error.to_string().contains(char::is_control));
    }

    #[test]
    fn only_a_write_without_an_answer_is_ambiguous() {
        assert_eq!(
            unanswered(ResultCode::Timeout, "", Purpose::Share).class,
            Ambiguous
        );
        assert_eq!(
            unanswered(ResultCode::Timeout, "", Purpose::Cancel).class,
            Ambiguous
        );
        assert_eq!(
            unanswered(ResultCode::Timeout, "", Purpose::Read).class,
            Transient
        );
    }
}
