//! The world of the sandbox: images and blueprints per region, and additional accounts that can
//! receive them. Plain data that tests read and edit; `actions` has the rules of the APIs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The images of each region, and additional accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// The images of each region; a region without an entry is empty.
    pub regions: BTreeMap<String, Stock>,
    /// Root accounts that can receive images even if [`AccountKind`](crate::AccountKind) says
    /// otherwise.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub accounts: BTreeSet<String>,
    /// If a call names one of these accounts, the whole call fails with `InternalError`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub broken: BTreeSet<String>,
}

/// The images of one region.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stock {
    /// Lighthouse images by `BlueprintId`.
    pub blueprints: BTreeMap<String, Blueprint>,
    /// CVM images by `ImageId`.
    pub images: BTreeMap<String, CvmImage>,
}

/// The accounts that an image is shared with, each with the instant at which it was added.
pub type Shares = BTreeMap<String, Timestamp>;

/// Declares an enum with the API's spelling of its values.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Returns the API's spelling.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

spelled! {
    /// `BlueprintType`.
    BlueprintKind {
        /// A custom image made in Lighthouse.
        Private = "PRIVATE",
        /// A CVM custom image that was shared to Lighthouse.
        Shared = "SHARED",
        /// An application image of the vendor.
        AppOs = "APP_OS",
        /// A plain system image of the vendor.
        PureOs = "PURE_OS",
    }
}

spelled! {
    /// `BlueprintState`; only `Normal` can be shared.
    BlueprintState {
        /// Ready.
        Normal = "NORMAL",
        /// Still being made or copied.
        Syncing = "SYNCING",
        /// Withdrawn.
        Offline = "OFFLINE",
        /// Could not be made.
        CreateFailed = "CREATEFAILED",
        /// Held back, for example because its account has not paid.
        Isolated = "ISOLATED",
    }
}

spelled! {
    /// Another operation on a blueprint. Each variant is named after the error code with which
    /// sharing fails during the operation.
    Busy {
        /// `OperationDenied.BlueprintOperationInProgress`.
        InOperation = "IN_OPERATION",
        /// `UnsupportedOperation.BlueprintLatestOperationUnfinished`.
        LatestUnfinished = "LATEST_UNFINISHED",
        /// `UnsupportedOperation.BlueprintOccupied`.
        Occupied = "OCCUPIED",
    }
}

spelled! {
    /// `ImageType` of a CVM image.
    ImageType {
        /// An image that the account made.
        Private = "PRIVATE_IMAGE",
        /// An image of the vendor.
        Public = "PUBLIC_IMAGE",
        /// An image of another account, shared with this one.
        Shared = "SHARED_IMAGE",
    }
}

spelled! {
    /// `ImageState` of a CVM image; only `Normal` can be shared.
    ImageState {
        /// Ready.
        Normal = "NORMAL",
        /// Being made.
        Creating = "CREATING",
        /// Could not be made.
        CreateFailed = "CREATEFAILED",
        /// In use by another task.
        Using = "USING",
        /// Being copied.
        Syncing = "SYNCING",
        /// Being imported.
        Importing = "IMPORTING",
        /// Could not be imported.
        ImportFailed = "IMPORTFAILED",
    }
}

spelled! {
    /// `ImageSource` of a CVM image.
    ImageSource {
        /// Made from an instance.
        Created = "CREATE_IMAGE",
        /// Imported.
        Imported = "EXTERNAL_IMPORT",
        /// Provided by the vendor.
        Official = "OFFICIAL",
    }
}

spelled! {
    /// `ImageClass` of a CVM image.
    ImageClass {
        /// The system disk only.
        System = "SystemImage",
        /// The whole instance with its data disks.
        Instance = "InstanceImage",
    }
}

/// A Lighthouse image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blueprint {
    /// `BlueprintName`.
    pub name: String,
    /// `BlueprintType`; `Private` and `Shared` are custom images of the account.
    pub kind: BlueprintKind,
    /// `BlueprintState` as last set; read it through [`Blueprint::state_at`].
    pub state: BlueprintState,
    /// When a `Syncing` blueprint becomes `Normal`, or `None` if it never does.
    pub normal_at: Option<Timestamp>,
    /// The CVM image from which a `Shared` blueprint was made; empty for other blueprints.
    pub image_id: String,
    /// `OsName`.
    pub os_name: String,
    /// The API's `Platform`, such as `UBUNTU`.
    pub platform: String,
    /// `RequiredSystemDiskSize`, GB.
    pub size: u32,
    /// `CreatedTime`.
    pub created: Timestamp,
    /// Another operation on the blueprint that is in progress.
    pub busy: Option<Busy>,
    /// When the last change of the shares is complete. Until then, further changes are refused.
    pub modifying_until: Option<Timestamp>,
    /// The accounts that the blueprint is shared with.
    pub shares: Shares,
}

impl Blueprint {
    /// Returns the state at `now`. A `Syncing` blueprint becomes `Normal` at `normal_at`.
    pub fn state_at(&self, now: Timestamp) -> BlueprintState {
        match (self.state, self.normal_at) {
            (BlueprintState::Syncing, Some(at)) if at <= now => BlueprintState::Normal,
            (state, _) => state,
        }
    }

    /// Whether the blueprint is a custom image of the caller.
    pub fn is_custom(&self) -> bool {
        matches!(self.kind, BlueprintKind::Private | BlueprintKind::Shared)
    }
}

/// A CVM image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CvmImage {
    /// `ImageName`.
    pub name: String,
    /// `ImageType`.
    pub kind: ImageType,
    /// `ImageState`.
    pub state: ImageState,
    /// `ImageSource`.
    pub source: ImageSource,
    /// `ImageClass`.
    pub class: ImageClass,
    /// `IsSupportCloudinit`.
    pub cloud_init: bool,
    /// Whether the image's disk is encrypted.
    pub encrypted: bool,
    /// Whether the owner brings the licence (`LicenseType` `BYOL`).
    pub byol: bool,
    /// Whether another operation uses the image while its state is `NORMAL`.
    pub occupied: bool,
    /// `OsName`.
    pub os_name: String,
    /// The API's `Platform`, such as `Ubuntu`.
    pub platform: String,
    /// `ImageSize`, GB.
    pub size: u32,
    /// `CreatedTime`.
    pub created: Timestamp,
    /// The id of the blueprint that was made from the image for Lighthouse.
    pub published: Option<String>,
    /// The accounts that the image is shared with.
    pub shares: Shares,
}

impl World {
    /// Returns the accounts that a blueprint is shared with, sorted; empty if there is no such
    /// blueprint.
    pub fn blueprint_accounts(&self, region: &str, blueprint: &str) -> Vec<String> {
        let found = self
            .regions
            .get(region)
            .and_then(|stock| stock.blueprints.get(blueprint));
        found
            .map(|blueprint| blueprint.shares.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the accounts that a CVM image is shared with, sorted; empty if there is no such
    /// image.
    pub fn image_accounts(&self, region: &str, image: &str) -> Vec<String> {
        let found = self
            .regions
            .get(region)
            .and_then(|stock| stock.images.get(image));
        found
            .map(|image| image.shares.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the id of the blueprint that was made from a CVM image, if Lighthouse has one.
    pub fn published(&self, region: &str, image: &str) -> Option<String> {
        self.regions
            .get(region)?
            .images
            .get(image)?
            .published
            .clone()
    }
}

/// Whether `text` is `prefix` followed by 6 to 16 characters of `[0-9a-z]`. All image ids in the
/// API's examples have this form.
pub(super) fn is_image_id(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|rest| {
        (6..=16).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
    })
}

/// Writes a time as the API does: in UTC, in whole seconds.
pub(super) fn api_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_in_utc() {
        let at: Timestamp = "2021-07-23T16:49:36.75+08:00".parse().unwrap();
        assert_eq!(api_time(at), "2021-07-23T08:49:36Z");
    }

    #[test]
    fn image_ids_have_one_shape() {
        assert!(is_image_id("img-gvbnzy6f", "img-") && is_image_id("img-dw8adx", "img-"));
        for bad in [
            "",
            "img-",
            "img-12345",
            "img-UPPER123",
            "lhbp-6jc6l8yb",
            "img-12345678901234567",
            "img-é23456",
        ] {
            assert!(!is_image_id(bad, "img-"), "{bad}");
        }
    }
}
