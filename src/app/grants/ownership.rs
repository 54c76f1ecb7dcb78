//! Decides whether an image that the cloud does not show is gone. The key of another account does
//! not see the image even if it exists, so only a read with the owner's key proves that it is gone.
//! Compares the account on record with the account whose key was used ("asked"), and explains to an
//! operator what to do if they do not match.

use crate::cloud::error::image_is_missing;
use crate::config::DEFAULT_ACCOUNT;
use crate::domain::{
    AccountId, CloudError, ErrorClass, ImageRef, Item, ItemResult, ResultCode, ResultKind,
};

/// Whether the account whose key was used owns the image. A missing image counts as gone only if
/// this is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) enum Ownership {
    /// The account whose key was used also gave the share. If it does not see the image, the image
    /// is gone.
    Proven,
    /// Another account gave the share.
    Differs { given: AccountId, asked: AccountId },
    /// A record names the account that gave the share, but it is not known whose key was used now.
    Unknown { given: AccountId },
    /// No record names the account that gave the share.
    NotRecorded,
}

impl Ownership {
    /// Compares `given`, the account that gave the share if a record names it, with `asked`, the
    /// account whose key was used now if it is known.
    pub(in crate::app) fn of(given: Option<&AccountId>, asked: Option<&AccountId>) -> Self {
        match (given, asked) {
            (Some(given), Some(asked)) if given == asked => Self::Proven,
            (Some(given), Some(asked)) => Self::Differs {
                given: given.clone(),
                asked: asked.clone(),
            },
            (Some(given), None) => Self::Unknown {
                given: given.clone(),
            },
            (None, _) => Self::NotRecorded,
        }
    }

    /// Combines the ownership of several shares: `Differs` if one of them differs, `Proven` if all
    /// are proven, or else the first that is not proven.
    pub(in crate::app) fn of_all<'a>(
        given: impl IntoIterator<Item = Option<&'a AccountId>>,
        asked: Option<&AccountId>,
    ) -> Self {
        let each: Vec<Self> = given
            .into_iter()
            .map(|given| Self::of(given, asked))
            .collect();
        let open = each.iter().find(|ownership| ownership.differs());
        let open = open.or_else(|| each.iter().find(|ownership| !ownership.proven()));
        open.cloned().unwrap_or(Self::Proven)
    }

    /// Whether another account is known to have given the share.
    pub(in crate::app) fn differs(&self) -> bool {
        matches!(self, Self::Differs { .. })
    }

    /// Whether it is proven that a missing image is gone.
    pub(in crate::app) fn proven(&self) -> bool {
        *self == Self::Proven
    }

    /// Explains to an operator why a missing image may not be gone. Returns `None` if it is gone.
    /// `entry` is the configured account whose key was used.
    pub(in crate::app) fn why_unproven(
        &self,
        image: &ImageRef,
        entry: Option<&str>,
    ) -> Option<String> {
        let key = match entry {
            Some(DEFAULT_ACCOUNT) => {
                "the default key, or the images and regions of [cloud.accounts]".to_owned()
            }
            Some(entry) => {
                format!("the key of [cloud.accounts.{entry}], or its images and regions")
            }
            None => "the key in use".to_owned(),
        };
        Some(match self {
            Self::Proven => return None,
            Self::Differs { given, asked } => format!(
                "the key in use belongs to account {asked}, but account {given} shared {image}: correct {key}"
            ),
            Self::Unknown { given } => format!(
                "the cloud does not show {image}, which account {given} shared, and it is not known whose key is in use: allow the key to call sts:GetCallerIdentity"
            ),
            Self::NotRecorded => format!(
                "the cloud does not show {image} or its share, and no record says which account shared it: check {key}; if the image \
                 is deleted, confirm with `sharehook revoke --gone`"
            ),
        })
    }

    /// The result of an item whose image is missing but may not be gone; `None` if the image is
    /// gone.
    pub(in crate::app) fn open_result(
        &self,
        image: &ImageRef,
        entry: Option<&str>,
    ) -> Option<ResultKind> {
        let why = self.why_unproven(image, entry)?;
        Some(ResultKind::failed(ResultCode::OwnerUnproven, why, true))
    }

    /// Returns the error for a read if its key is known to belong to another account than the one
    /// that gave the share; otherwise `None`.
    pub(in crate::app) fn differing_error(
        &self,
        image: &ImageRef,
        entry: Option<&str>,
    ) -> Option<CloudError> {
        let Self::Differs { .. } = self else {
            return None;
        };
        let (code, class) = (ResultCode::OwnerUnproven, ErrorClass::Operator);
        let message = self.why_unproven(image, entry)?;
        Some(CloudError::own(code, class, message, ""))
    }

    /// Replaces the results that prove nothing: results that say the image is missing and, if
    /// another account's key was used, `NotShared` and `Cancelled`: that account may have an image
    /// of the same name, with shares of its own. Keeps the successes of earlier turns (`known`).
    ///
    /// Such results become `OwnerUnproven` unless the ownership is proven. There is one exception:
    /// if a result shows that the image is out of Lighthouse, no account can have it there. Results
    /// that say the image is missing then become `NotShared`, unless another account's key was
    /// used.
    pub(in crate::app) fn judge(
        &self,
        results: Vec<ItemResult>,
        known: &[ItemResult],
        image: &ImageRef,
        entry: Option<&str>,
    ) -> Vec<ItemResult> {
        let kind = match unpublished(&results) && !self.differs() {
            true => Some(ResultKind::NotShared),
            false => self.open_result(image, entry),
        };
        let before = |result: &ItemResult| {
            let mut known = known.iter().filter(|known| known.succeeded());
            known.any(|known| known.item == result.item)
        };
        let proves_nothing = |result: &ItemResult| {
            let elsewhere = match result.kind {
                ResultKind::NotShared => true,
                ResultKind::Cancelled => !before(result),
                _ => false,
            };
            image_missing(result) || self.differs() && elsewhere
        };
        let each = |result: ItemResult| match &kind {
            Some(kind) if proves_nothing(&result) => ItemResult {
                kind: kind.clone(),
                ..result
            },
            _ => result,
        };
        results.into_iter().map(each).collect()
    }
}

/// Whether one of the results, which are those of a cancel or a revocation, shows that the image is
/// out of Lighthouse. Then no account has it there. An item that another share inherited is not out.
pub(in crate::app) fn unpublished(results: &[ItemResult]) -> bool {
    let out = |r: &ItemResult| matches!(r.item, Item::Lighthouse(_)) && r.succeeded() && !r.found();
    results.iter().any(out)
}

/// Whether a result says that the account whose key was used has no such image, or has no blueprint
/// created from it.
pub(in crate::app) fn image_missing(result: &ItemResult) -> bool {
    let no_blueprint = |code: &str| code == ResultCode::ChainBroken.as_str();
    match &result.kind {
        ResultKind::Failed {
            code, retryable, ..
        } => image_is_missing(code) || !retryable && no_blueprint(code),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(text: &str) -> AccountId {
        text.parse().unwrap()
    }

    /// A missing image is gone only if the key of its owner was used. If another account's key was
    /// used, its answer "not shared" proves nothing.
    #[test]
    fn only_the_owners_answer_shows_that_an_image_is_gone() {
        let (a, b) = (account("100000000001"), account("200000000002"));
        let image: ImageRef = "img-6pb6lrmy".parse().unwrap();
        let accounts = [None, Some(&a), Some(&b)];
        let failed = |code: &str| ResultKind::Failed {
            code: code.to_owned(),
            message: "m".to_owned(),
            retryable: false,
        };
        let kinds = [
            ResultKind::Cancelled,
            ResultKind::NotShared,
            ResultKind::Pending,
            failed("UnauthorizedOperation"),
            failed("InvalidImageId.NotFound"),
            failed("ResourceNotFound.BlueprintIdNotFound"),
            failed("ChainBroken"),
        ];
        for given in accounts {
            for asked in accounts {
                let ownership = Ownership::of(given, asked);
                assert_eq!(ownership.proven(), given.is_some() && given == asked);
                for kind in &kinds {
                    let item = Item::Account(account("700000164995"));
                    let result = ItemResult::new(item, kind.clone(), None);
                    let elsewhere = [ResultKind::NotShared, ResultKind::Cancelled];
                    let elsewhere = ownership.differs() && elsewhere.contains(kind);
                    let missing = image_missing(&result) || elsewhere;
                    let judge = |known: &[ItemResult]| {
                        ownership.judge(vec![result.clone()], known, &image, Some("golden"))
                    };
                    let judged = judge(&[]);
                    let changed = missing && !ownership.proven();
                    assert_eq!(judged[0] != result, changed, "{given:?} {asked:?} {kind:?}");
                    if *kind == ResultKind::Cancelled {
                        let known = judge(std::slice::from_ref(&result));
                        assert_eq!(known, std::slice::from_ref(&result));
                    }
                    let ResultKind::Failed { message, .. } = &judged[0].kind else {
                        continue;
                    };
                    let entry = message.contains("[cloud.accounts.golden]");
                    let key = changed && (given.is_none() || asked.is_some());
                    assert_eq!(entry, key, "{message}");
                    let names = |account: &AccountId| message.contains(account.as_str());
                    assert!(!changed || given.is_none_or(names), "{message}");
                }
            }
        }
    }

    #[test]
    fn an_image_that_a_call_found_out_of_lighthouse_has_no_receivers_there() {
        let image: ImageRef = "img-6pb6lrmy".parse().unwrap();
        let missing = ResultKind::Failed {
            code: "ResourceNotFound.BlueprintIdNotFound".to_owned(),
            message: "m".to_owned(),
            retryable: false,
        };
        let of_account = ItemResult::new(Item::Account(account("700000164995")), missing, None);
        let lighthouse = |kind| {
            ItemResult::new(
                Item::Lighthouse("img-6pb6lrmy".parse().unwrap()),
                kind,
                None,
            )
        };
        for (kind, gone) in [(ResultKind::Cancelled, true), (ResultKind::Pending, false)] {
            let results = vec![of_account.clone(), lighthouse(kind)];
            let judged = Ownership::NotRecorded.judge(results.clone(), &[], &image, None);
            assert_eq!(judged[0].kind == ResultKind::NotShared, gone);
            let (given, asked) = (account("100000000001"), account("200000000002"));
            let judged = Ownership::Differs { given, asked }.judge(results, &[], &image, None);
            assert!(matches!(judged[0].kind, ResultKind::Failed { .. }));
        }
    }
}
