//! The table of the API actions: name, service, parameters, rate, and the function of each.

use super::context::{ActionContext, Answer};
use super::service::Service;
use crate::behaviour::RateLimits;
use crate::params::{Field, Kind, optional, required};

/// The actions that the sandbox knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    ShareBlueprint,
    CancelBlueprint,
    PublishImage,
    ImagesToShare,
    BlueprintShares,
    Blueprints,
    ShareImage,
    ImageShares,
    Images,
}

const OFFSET: Field = optional("Offset", Kind::Integer);
const LIMIT: Field = optional("Limit", Kind::Integer);
const FILTERS: Field = optional("Filters", Kind::Filters);

impl Action {
    /// Every action.
    pub(crate) const ALL: [Self; 9] = [
        Self::ShareBlueprint,
        Self::CancelBlueprint,
        Self::PublishImage,
        Self::ImagesToShare,
        Self::BlueprintShares,
        Self::Blueprints,
        Self::ShareImage,
        Self::ImageShares,
        Self::Images,
    ];

    /// Finds an action of a service by its name.
    pub(crate) fn find(service: Service, name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.service() == service && action.name() == name)
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Self::ShareImage | Self::ImageShares | Self::Images => Service::Cvm,
            _ => Service::Lighthouse,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ShareBlueprint => "ShareBlueprintAcrossAccounts",
            Self::CancelBlueprint => "CancelShareBlueprintAcrossAccounts",
            Self::PublishImage | Self::ShareImage => "ModifyImageSharePermission",
            Self::ImagesToShare => "DescribeImagesToShare",
            Self::BlueprintShares => "DescribeBlueprintsShareAcrossAccountInfos",
            Self::Blueprints => "DescribeBlueprints",
            Self::ImageShares => "DescribeImageSharePermission",
            Self::Images => "DescribeImages",
        }
    }

    /// The page's parameter table.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::ShareBlueprint | Self::CancelBlueprint => {
                const {
                    &[
                        required("BlueprintId", Kind::Text),
                        required("AccountIds", Kind::Texts),
                    ]
                }
            }
            Self::PublishImage => {
                const {
                    &[
                        required("ImageId", Kind::Text),
                        required("Permission", Kind::Text),
                    ]
                }
            }
            Self::ShareImage => {
                const {
                    &[
                        required("ImageId", Kind::Text),
                        required("AccountIds", Kind::Texts),
                        required("Permission", Kind::Text),
                    ]
                }
            }
            Self::ImageShares => const { &[required("ImageId", Kind::Text)] },
            Self::ImagesToShare => {
                const { &[optional("ImageIds", Kind::Texts), OFFSET, LIMIT, FILTERS] }
            }
            Self::Blueprints => {
                const {
                    &[
                        optional("BlueprintIds", Kind::Texts),
                        OFFSET,
                        LIMIT,
                        FILTERS,
                    ]
                }
            }
            Self::BlueprintShares => {
                const {
                    &[
                        required("BlueprintIds", Kind::Texts),
                        OFFSET,
                        LIMIT,
                        FILTERS,
                    ]
                }
            }
            Self::Images => {
                const {
                    &[
                        optional("ImageIds", Kind::Texts),
                        OFFSET,
                        LIMIT,
                        FILTERS,
                        optional("InstanceType", Kind::Text),
                    ]
                }
            }
        }
    }

    /// Calls per second under these limits; `None` does not limit.
    pub(crate) fn per_second(self, limits: RateLimits) -> Option<u32> {
        match self {
            Self::ShareImage => limits.cvm_modify,
            Self::ImageShares | Self::Images => None,
            _ => limits.lighthouse,
        }
    }

    /// Carries the action out.
    pub(crate) fn run(self, context: ActionContext<'_>) -> Answer {
        match self {
            Self::ShareBlueprint => super::share_blueprint::run(context),
            Self::CancelBlueprint => super::cancel_blueprint::run(context),
            Self::PublishImage => super::publish_image::run(context),
            Self::ImagesToShare => super::images_to_share::run(context),
            Self::BlueprintShares => super::blueprint_shares::run(context),
            Self::Blueprints => super::blueprints::run(context),
            Self::ShareImage => super::share_image::run(context),
            Self::ImageShares => super::image_shares::run(context),
            Self::Images => super::images::run(context),
        }
    }
}
