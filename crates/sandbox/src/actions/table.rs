//! The table of the API actions. Each action has a name, a service, parameters, a rate limit, and
//! the function that runs it.

use super::context::{ActionContext, Answer};
use super::service::Service;
use crate::behaviour::RateLimits;
use crate::params::{Field, Kind, optional, required};

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
    CallerIdentity,
}

const BLUEPRINT: Field = required("BlueprintId", Kind::Text);
const BLUEPRINTS: Field = optional("BlueprintIds", Kind::Texts);
const REQUIRED_BLUEPRINTS: Field = required("BlueprintIds", Kind::Texts);
const IMAGE: Field = required("ImageId", Kind::Text);
const IMAGES: Field = optional("ImageIds", Kind::Texts);
const ACCOUNTS: Field = required("AccountIds", Kind::Texts);
const PERMISSION: Field = required("Permission", Kind::Text);
const INSTANCE_TYPE: Field = optional("InstanceType", Kind::Text);
const OFFSET: Field = optional("Offset", Kind::Integer);
const LIMIT: Field = optional("Limit", Kind::Integer);
const FILTERS: Field = optional("Filters", Kind::Filters);

impl Action {
    pub(crate) const ALL: [Self; 10] = [
        Self::ShareBlueprint,
        Self::CancelBlueprint,
        Self::PublishImage,
        Self::ImagesToShare,
        Self::BlueprintShares,
        Self::Blueprints,
        Self::ShareImage,
        Self::ImageShares,
        Self::Images,
        Self::CallerIdentity,
    ];

    pub(crate) fn find(service: Service, name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| action.service() == service && action.name() == name)
    }

    pub(crate) fn service(self) -> Service {
        match self {
            Self::ShareImage | Self::ImageShares | Self::Images => Service::Cvm,
            Self::CallerIdentity => Service::Sts,
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
            Self::CallerIdentity => "GetCallerIdentity",
        }
    }

    /// Returns the parameters that the action's API page lists.
    pub(crate) fn fields(self) -> &'static [Field] {
        match self {
            Self::ShareBlueprint | Self::CancelBlueprint => &[BLUEPRINT, ACCOUNTS],
            Self::PublishImage => &[IMAGE, PERMISSION],
            Self::ShareImage => &[IMAGE, ACCOUNTS, PERMISSION],
            Self::ImageShares => &[IMAGE],
            Self::ImagesToShare => &[IMAGES, OFFSET, LIMIT, FILTERS],
            Self::Blueprints => &[BLUEPRINTS, OFFSET, LIMIT, FILTERS],
            Self::BlueprintShares => &[REQUIRED_BLUEPRINTS, OFFSET, LIMIT, FILTERS],
            Self::Images => &[IMAGES, OFFSET, LIMIT, FILTERS, INSTANCE_TYPE],
            Self::CallerIdentity => &[],
        }
    }

    /// Returns the number of calls allowed per second, or `None` if the action is not limited.
    pub(crate) fn per_second(self, limits: RateLimits) -> Option<u32> {
        match self {
            Self::ShareImage => limits.cvm_modify,
            Self::Blueprints => limits.lighthouse.map(|most| most.min(10)),
            Self::ImageShares | Self::Images | Self::CallerIdentity => None,
            _ => limits.lighthouse,
        }
    }

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
            Self::CallerIdentity => Ok(super::caller_identity::run(&context)),
        }
    }
}
