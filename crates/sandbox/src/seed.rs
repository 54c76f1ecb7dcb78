//! The world that a sandbox starts with. Examples, events and tests use its ids. Both seeded
//! regions have the same ids; every other region is empty.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;

use super::world::{
    Blueprint, BlueprintKind, BlueprintState, Busy, CvmImage, ImageClass, ImageSource, ImageState,
    ImageType, Shares, Stock, World, is_image_id,
};

/// The id of the key pair that a sandbox accepts by default. The pair is valid nowhere else.
pub const SANDBOX_SECRET_ID: &str = "AKIDSANDBOX0000000000000000000000000";
/// The key of the default key pair.
pub const SANDBOX_SECRET_KEY: &str = "sandboxSecretKEY0123456789abcdef";
/// The root account that owns every private image, as decimal text.
pub const SANDBOX_OWNER: &str = "100000000001";
/// The regions with seeded images.
pub const SANDBOX_REGIONS: [&str; 2] = ["ap-singapore", "ap-guangzhou"];

/// Creation time of every seeded image: 2026-06-01T08:00:00Z.
const MADE: Timestamp = Timestamp::constant(1_780_300_800, 0);

impl World {
    /// The seeded world.
    ///
    /// | blueprint | is |
    /// |---|---|
    /// | `lhbp-6jc6l8yb` | custom, `NORMAL`: can be shared |
    /// | `lhbp-syncing0` | custom, always `SYNCING` |
    /// | `lhbp-isolated` | custom, `ISOLATED` |
    /// | `lhbp-appimage` | not custom (`APP_OS`) |
    /// | `lhbp-operated`, `lhbp-unfinish`, `lhbp-occupied` | custom, busy with another operation |
    ///
    /// | CVM image | is |
    /// |---|---|
    /// | `img-6pb6lrmy`, `img-gvbnzy6f`, `img-xkd784jw`, `img-cs2rrmp0` | can be shared with accounts and made available in Lighthouse; there `img-xkd784jw` becomes `lhbp-su83x02a` |
    /// | `img-imported`, `img-nocloudi`, `img-centos65` | imported, without cloud-init, with too old a system: can be shared with accounts only |
    /// | `img-wholeins`, `img-encryptd`, `img-byol0000` | whole instance, encrypted, own licence: cannot be shared |
    /// | `img-creating`, `img-inuse000`, `img-occupied` | `CREATING`, `USING`, busy with another operation: cannot be shared |
    /// | `img-received`, `img-public00` | an image of another account, an image of the vendor: the caller cannot share them |
    pub fn seeded() -> Self {
        let seeded = |region: &str| (region.to_owned(), Stock::seeded());
        Self {
            regions: SANDBOX_REGIONS.map(seeded).into(),
            accounts: BTreeSet::new(),
            broken: BTreeSet::new(),
        }
    }
}

/// An image that a user adds to the world at the start: a CVM or Lighthouse custom image, ready and
/// not shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedImage {
    /// `lhbp-…` or `img-…`.
    pub id: String,
    /// The image's region. If `None`, the image is added to each of [`SANDBOX_REGIONS`].
    pub region: Option<String>,
}

impl FromStr for AddedImage {
    type Err = String;

    /// Reads `ID[:REGION]`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (id, region) = match text.split_once(':') {
            Some((id, region)) => (id, Some(region)),
            None => (text, None),
        };
        let is_region = |region: &str| {
            !region.is_empty()
                && region
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let right =
            (is_image_id(id, "lhbp-") || is_image_id(id, "img-")) && region.is_none_or(is_region);
        if !right {
            return Err(
                "write ID or ID:REGION, as in lhbp-6jc6l8yb or img-6pb6lrmy:eu-frankfurt"
                    .to_owned(),
            );
        }
        Ok(Self {
            id: id.to_owned(),
            region: region.map(str::to_owned),
        })
    }
}

impl World {
    /// Adds an image, unless the region already has an image with this id.
    pub fn add(&mut self, image: &AddedImage) {
        let regions: Vec<&str> = match &image.region {
            Some(region) => vec![region],
            None => SANDBOX_REGIONS.to_vec(),
        };
        for region in regions {
            let stock = self.regions.entry(region.to_owned()).or_default();
            if image.id.starts_with("lhbp-") {
                stock.blueprint(&image.id, "added");
            } else {
                stock.image(&image.id, "added");
            }
        }
    }
}

impl Blueprint {
    /// Creates a custom image of Lighthouse that is ready and not shared. Tests use it to build
    /// their own worlds.
    pub fn custom(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: BlueprintKind::Private,
            state: BlueprintState::Normal,
            normal_at: None,
            image_id: String::new(),
            os_name: "Ubuntu Server 22.04 LTS 64bit".to_owned(),
            platform: "UBUNTU".to_owned(),
            size: 20,
            created: MADE,
            busy: None,
            modifying_until: None,
            shares: Shares::new(),
        }
    }
}

impl CvmImage {
    /// Creates a custom system image that is ready and not shared. Tests use it to build their own
    /// worlds.
    pub fn custom(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: ImageType::Private,
            state: ImageState::Normal,
            source: ImageSource::Created,
            class: ImageClass::System,
            cloud_init: true,
            encrypted: false,
            byol: false,
            occupied: false,
            os_name: "Ubuntu Server 20.04 LTS 64bit".to_owned(),
            platform: "Ubuntu".to_owned(),
            size: 50,
            created: MADE,
            published: None,
            shares: Shares::new(),
        }
    }
}

impl Stock {
    fn seeded() -> Self {
        let mut stock = Self::default();
        stock.blueprint("lhbp-6jc6l8yb", "golden-base");
        stock.blueprint("lhbp-syncing0", "being-copied").state = BlueprintState::Syncing;
        stock.blueprint("lhbp-isolated", "held-back").state = BlueprintState::Isolated;
        stock.blueprint("lhbp-appimage", "WordPress").kind = BlueprintKind::AppOs;
        stock.blueprint("lhbp-operated", "in-operation").busy = Some(Busy::InOperation);
        stock.blueprint("lhbp-unfinish", "unfinished").busy = Some(Busy::LatestUnfinished);
        stock.blueprint("lhbp-occupied", "occupied").busy = Some(Busy::Occupied);
        // These can be shared with accounts and made available in Lighthouse.
        stock.image("img-6pb6lrmy", "web-2026-06");
        stock.image("img-gvbnzy6f", "batch-2026-06");
        stock.image("img-xkd784jw", "build-agent");
        stock.image("img-cs2rrmp0", "ubuntu");
        // These can be shared with accounts only.
        stock.image("img-imported", "imported").source = ImageSource::Imported;
        stock.image("img-nocloudi", "without-cloud-init").cloud_init = false;
        let old = stock.image("img-centos65", "old-system");
        old.os_name = "CentOS 6.5 64bit".into();
        old.platform = "CentOS".into();
        // These cannot be shared.
        stock.image("img-wholeins", "whole-instance").class = ImageClass::Instance;
        stock.image("img-encryptd", "encrypted").encrypted = true;
        stock.image("img-byol0000", "own-licence").byol = true;
        stock.image("img-creating", "being-made").state = ImageState::Creating;
        stock.image("img-inuse000", "in-use").state = ImageState::Using;
        stock.image("img-occupied", "occupied").occupied = true;
        stock.image("img-received", "from-another-account").kind = ImageType::Shared;
        let public = stock.image("img-public00", "CentOS 7.9");
        public.kind = ImageType::Public;
        public.source = ImageSource::Official;
        stock
    }

    /// Returns the blueprint with this id. If there is none, first adds a custom image with this
    /// id.
    fn blueprint(&mut self, id: &str, name: &str) -> &mut Blueprint {
        let place = self.blueprints.entry(id.to_owned());
        place.or_insert_with(|| Blueprint::custom(name))
    }

    /// Returns the CVM image with this id. If there is none, first adds a custom image with this
    /// id.
    fn image(&mut self, id: &str, name: &str) -> &mut CvmImage {
        let place = self.images.entry(id.to_owned());
        place.or_insert_with(|| CvmImage::custom(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seeded_id_is_well_formed_and_shared_with_nobody() {
        let world = World::seeded();
        assert_eq!(
            world.regions.keys().map(String::as_str).collect::<Vec<_>>(),
            ["ap-guangzhou", "ap-singapore"]
        );
        for stock in world.regions.values() {
            assert!(stock.blueprints.keys().all(|id| is_image_id(id, "lhbp-")));
            assert!(stock.images.keys().all(|id| is_image_id(id, "img-")));
            assert!(stock.blueprints.values().all(|b| b.shares.is_empty()));
            assert!(
                stock
                    .images
                    .values()
                    .all(|i| i.shares.is_empty() && i.published.is_none())
            );
        }
        assert_eq!(MADE.to_string(), "2026-06-01T08:00:00Z");
    }
}
