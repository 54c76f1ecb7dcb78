//! Handles a chain whose blueprint the cloud refuses to share.
//!
//! A chain publishes a CVM image to Lighthouse and shares the resulting blueprint with accounts.
//! The API page of `ShareBlueprintAcrossAccounts` allows "custom images only", but does not say
//! whether such a blueprint is one. If the cloud refuses the blueprint for this reason, the chain
//! cannot succeed. The program then tries to undo its own publication, and the result of each
//! refused account says what became of the publication. [`RefusedChain`] decides from the results
//! of a request whether its chain was refused, and returns the final results.

use crate::domain::{
    Action, BlueprintId, CvmImageId, Item, ItemResult, ResultCode, ResultKind, ShareRequest, Target,
};

/// Codes that mean "not a custom image of yours": one from the API page, two from the SDK.
const NOT_CUSTOM: [&str; 3] = [
    "ResourceNotFound.PrivateBlueprintNotFound",
    "UnsupportedOperation.BlueprintTypeNotSupportOperation",
    "UnsupportedOperation.NotSupportSharedBlueprint",
];

/// Codes that mean that the blueprint does not exist. They count as a refusal if this request
/// published the image: an interrupted turn may have undone the publication without recording it.
const GONE: [&str; 2] = [
    "ResourceNotFound.BlueprintIdNotFound",
    "ResourceNotFound.BlueprintNotFound",
];

/// A chain whose accounts cannot get the blueprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedChain {
    image: CvmImageId,
    blueprint: Option<BlueprintId>,
    code: String,
    published_here: bool,
}

/// What became of the image's publication to Lighthouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publication {
    /// The program undid the publication.
    TakenBack,
    /// The image was in Lighthouse before this request.
    FoundThere,
    /// Another request needs the image in Lighthouse.
    NeededByOthers,
    /// The publication could not be undone.
    Stands {
        /// The reason.
        why: String,
        /// Whether a later attempt may succeed.
        retryable: bool,
    },
}

/// Sets the blueprint in the result for Lighthouse to the one that the accounts of a chain get. A
/// revocation needs this blueprint, but the call that published the image may have returned none,
/// or one that no longer exists. If that call failed, its result becomes `Available`.
pub fn name_blueprint(results: &mut [ItemResult], blueprint: &BlueprintId) {
    for result in results {
        if !matches!(result.item, Item::Lighthouse(_)) {
            continue;
        }
        match &mut result.kind {
            ResultKind::Available {
                blueprint: named, ..
            } => *named = Some(blueprint.clone()),
            // The image is in Lighthouse, although the call failed.
            ResultKind::Failed { .. } => {
                result.kind = ResultKind::Available {
                    blueprint: Some(blueprint.clone()),
                    already: !std::mem::take(&mut result.maybe_done),
                };
            }
            _ => {}
        }
    }
}

impl RefusedChain {
    /// Returns the chain of `request` if the cloud refused to share its blueprint and no account
    /// got the blueprint. Otherwise returns `None`.
    pub fn of(request: &ShareRequest, results: &[ItemResult]) -> Option<Self> {
        let (Target::Chain { image, .. }, Action::Share) = (&request.target, request.action) else {
            return None;
        };
        let available = results.iter().find_map(|result| match &result.kind {
            ResultKind::Available { blueprint, already } => Some((blueprint.clone(), !already)),
            _ => None,
        });
        let (blueprint, published_here) = available.unwrap_or_default();
        let code = results
            .iter()
            .find_map(|result| refusing_code(&result.kind, published_here))?;
        let shared = |result: &ItemResult| {
            matches!(result.kind, ResultKind::Shared | ResultKind::AlreadyShared)
        };
        if results.iter().any(shared) {
            return None;
        }
        Some(Self {
            image: image.clone(),
            blueprint,
            code: code.to_owned(),
            published_here,
        })
    }

    /// Returns the image to take out of Lighthouse, or `None` if this request did not put the image
    /// there.
    pub fn published(&self) -> Option<&CvmImageId> {
        self.published_here.then_some(&self.image)
    }

    /// Returns the results with the reason for each refused account, and with what became of the
    /// publication.
    pub fn explain(&self, results: Vec<ItemResult>, publication: &Publication) -> Vec<ItemResult> {
        let explain = |result: ItemResult| match (&result.item, &result.kind) {
            (Item::Account(_), kind) if refusing_code(kind, self.published_here).is_some() => {
                ItemResult {
                    kind: self.refusal(publication),
                    // If the publication was undone, the blueprint is gone, so no account has it.
                    maybe_done: result.maybe_done && *publication != Publication::TakenBack,
                    ..result
                }
            }
            (Item::Lighthouse(_), _) if *publication == Publication::TakenBack => ItemResult {
                kind: ResultKind::Cancelled,
                ..result
            },
            _ => result,
        };
        results.into_iter().map(explain).collect()
    }

    fn refusal(&self, publication: &Publication) -> ResultKind {
        let blueprint = match &self.blueprint {
            Some(id) => format!("the blueprint {id} of {}", self.image),
            None => format!("the blueprint of {}", self.image),
        };
        let (publication, retryable) = match publication {
            Publication::TakenBack => (
                "the image, which this request had put in Lighthouse, was removed from there"
                    .to_owned(),
                false,
            ),
            Publication::FoundThere => (
                "the image stays in Lighthouse, where it was before this request".to_owned(),
                false,
            ),
            Publication::NeededByOthers => (
                "the image stays in Lighthouse, because another request needs it there".to_owned(),
                false,
            ),
            Publication::Stands { why, retryable } => (
                format!("the image is still in Lighthouse, because it could not be removed: {why}"),
                *retryable,
            ),
        };
        refusal(
            &format!(
                "the cloud refuses to share {blueprint} with accounts ({}); {publication}",
                self.code
            ),
            retryable,
        )
    }
}

/// Returns the code of an account's failure if this code refuses the whole chain.
fn refusing_code(kind: &ResultKind, published_here: bool) -> Option<&str> {
    match kind {
        ResultKind::Failed { code, .. }
            if NOT_CUSTOM.contains(&code.as_str())
                || published_here && GONE.contains(&code.as_str()) =>
        {
            Some(code)
        }
        _ => None,
    }
}

/// Returns the result for an account of a chain whose publication an interrupted turn has already
/// undone.
pub(super) fn taken_back_before(image: &CvmImageId) -> ResultKind {
    refusal(
        &format!(
            "the cloud refuses to share the blueprint of {image} with accounts; the image, which this request had put in Lighthouse, was removed from there"
        ),
        false,
    )
}

fn refusal(message: &str, retryable: bool) -> ResultKind {
    ResultKind::Failed {
        code: ResultCode::ChainRefused.into(),
        message: format!(
            "{message} — approve a new request: either share the CVM image itself with \"lighthouse\": false, or make a custom image in Lighthouse and share its lhbp-… id"
        ),
        retryable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::AccountId;

    fn request(action: Action) -> ShareRequest {
        ShareRequest {
            id: None,
            action,
            target: Target::Chain {
                image: "img-6pb6lrmy".parse().unwrap(),
                accounts: vec![account(1), account(2)],
            },
            region: "ap-singapore".parse().unwrap(),
            requester: "alice@example.com".into(),
            approvers: Vec::new(),
            ticket: None,
            reason: None,
            not_before: None,
            expires: None,
        }
    }

    fn account(n: u8) -> AccountId {
        format!("70000000000{n}").parse().unwrap()
    }

    fn of_account(n: u8, kind: ResultKind) -> ItemResult {
        ItemResult::new(Item::Account(account(n)), kind, None)
    }

    fn available(already: bool) -> ItemResult {
        let kind = ResultKind::Available {
            blueprint: "lhbp-su83x02a".parse().ok(),
            already,
        };
        ItemResult::new(
            Item::Lighthouse("img-6pb6lrmy".parse().unwrap()),
            kind,
            None,
        )
    }

    fn failed(code: &str) -> ResultKind {
        ResultKind::Failed {
            code: code.into(),
            message: "m".into(),
            retryable: false,
        }
    }

    #[test]
    fn only_a_code_that_says_no_custom_image_refuses_the_chain() {
        for code in NOT_CUSTOM {
            let results = [available(false), of_account(1, failed(code))];
            let refused = RefusedChain::of(&request(Action::Share), &results).unwrap();
            assert!(refused.published().is_some(), "{code}");
            assert_eq!(RefusedChain::of(&request(Action::Cancel), &results), None);
        }
        for code in GONE {
            let gone = |already| [available(already), of_account(1, failed(code))];
            let of = |already| RefusedChain::of(&request(Action::Share), &gone(already));
            assert!(of(false).is_some(), "{code}: an earlier turn took it back");
            assert_eq!(of(true), None, "{code}: it was never ours");
        }
        let other = of_account(1, failed("InvalidParameterValue.AccountIdsNotExist"));
        let results = [available(false), other];
        assert_eq!(RefusedChain::of(&request(Action::Share), &results), None);
        let results = [
            available(false),
            of_account(1, failed(NOT_CUSTOM[0])),
            of_account(2, ResultKind::Shared),
        ];
        assert_eq!(
            RefusedChain::of(&request(Action::Share), &results),
            None,
            "an account got it, so the cloud does share it"
        );
    }

    #[test]
    fn the_blueprint_that_the_accounts_get_is_the_one_on_record() {
        let gone = ResultKind::Available {
            blueprint: "lhbp-0000gone".parse().ok(),
            already: true,
        };
        let item = Item::Lighthouse("img-6pb6lrmy".parse().unwrap());
        let mut results = [ItemResult::new(item, gone, None)];
        name_blueprint(&mut results, &"lhbp-su83x02a".parse().unwrap());
        assert_eq!(results, [available(true)]);
    }

    #[test]
    fn what_was_there_before_is_not_taken_back() {
        let results = [available(true), of_account(1, failed(NOT_CUSTOM[0]))];
        let refused = RefusedChain::of(&request(Action::Share), &results).unwrap();
        assert_eq!(refused.published(), None);
    }

    #[test]
    fn each_account_learns_the_reason_and_what_became_of_the_publication() {
        let results = vec![
            available(false),
            ItemResult {
                maybe_done: true,
                ..of_account(1, failed(NOT_CUSTOM[0]))
            },
            of_account(2, failed("InvalidParameterValue.AccountIdsNotExist")),
        ];
        let refused = RefusedChain::of(&request(Action::Share), &results).unwrap();
        for (publication, part) in [
            (Publication::TakenBack, "was removed from there"),
            (Publication::FoundThere, "before this request"),
            (Publication::NeededByOthers, "another request needs it"),
            (
                Publication::Stands {
                    why: "ResourceInUse.ImageInUse".into(),
                    retryable: true,
                },
                "could not be removed: ResourceInUse.ImageInUse",
            ),
        ] {
            let settled = refused.explain(results.clone(), &publication);
            let ResultKind::Failed { code, message, .. } = &settled[1].kind else {
                panic!("{settled:?}")
            };
            assert_eq!(code, "ChainRefused");
            for part in [part, NOT_CUSTOM[0], "lhbp-su83x02a", "img-6pb6lrmy", " — "] {
                assert!(message.contains(part), "{part} in {message}");
            }
            assert_eq!(settled[2], results[2], "its own reason stays");
            let taken_back = publication == Publication::TakenBack;
            assert_eq!(settled[0].kind == ResultKind::Cancelled, taken_back);
            assert_eq!(settled[1].maybe_done, !taken_back);
        }
    }
}
