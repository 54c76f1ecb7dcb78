//! The world that a sandbox starts with. Examples, events and tests use its ids. Both seeded
//! regions have the same ids; every other region is empty.

use std::collections::{BTreeMap, BTreeSet};
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
/// The regions that are not empty.
pub const SANDBOX_REGIONS: [&str; 2] = ["ap-singapore", "ap-guangzhou"];

/// Creation time of every seeded image: 2026-06-01T08:00:00Z.
const MADE: Timestamp = Timestamp::constant(1_780_300_800, 0);

impl World {
    /// The seeded world.
    ///
    /// | blueprint | is |
    /// |---|---|
    /// | `lhbp-6jc6l8yb` | custom, `NORMAL`: can be shared |
    /// | `lhbp-syncing0` | custom, `SYNCING` for ever |
    /// | `lhbp-isolated` | custom, `ISOLATED` |
    /// | `lhbp-appimage` | not custom (`APP_OS`) |
    /// | `lhbp-operated`, `lhbp-unfinish`, `lhbp-occupied` | custom, busy with another operation |
    ///
    /// | CVM image | is |
    /// |---|---|
    /// | `img-6pb6lrmy`, `img-gvbnzy6f`, `img-xkd784jw`, `img-cs2rrmp0` | can be shared with accounts and to Lighthouse; `img-xkd784jw` becomes `lhbp-su83x02a` there |
    /// | `img-imported`, `img-nocloudi`, `img-centos65` | imported, without cloud-init, too old a system: accounts only |
    /// | `img-wholeins`, `img-encryptd`, `img-byol0000` | whole instance, encrypted, own licence: neither |
    /// | `img-creating`, `img-inuse000`, `img-occupied` | `CREATING`, `USING`, busy with another operation: neither, for now |
    /// | `img-received`, `img-public00` | another account's, the vendor's: the caller cannot share them |
    pub fn seeded() -> Self {
        let stock = Stock {
            blueprints: blueprints(),
            images: images(),
        };
        Self {
            regions: SANDBOX_REGIONS
                .iter()
                .map(|region| ((*region).to_owned(), stock.clone()))
                .collect(),
            accounts: BTreeSet::new(),
        }
    }
}

/// An image that a user adds to the seeded world: a CVM or Lighthouse custom image, ready and not
/// shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedImage {
    /// `lhbp-…` or `img-…`.
    pub id: String,
    /// Its region; without one it is in each of [`SANDBOX_REGIONS`].
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
    /// Adds an image. One that is there stays as it is.
    pub fn add(&mut self, image: &AddedImage) {
        let regions: Vec<&str> = match &image.region {
            Some(region) => vec![region],
            None => SANDBOX_REGIONS.to_vec(),
        };
        for region in regions {
            let stock = self.regions.entry(region.to_owned()).or_default();
            let (id, name) = (image.id.clone(), "added");
            if id.starts_with("lhbp-") {
                (stock.blueprints.entry(id)).or_insert_with(|| Blueprint::custom(name));
            } else {
                (stock.images.entry(id)).or_insert_with(|| CvmImage::custom(name));
            }
        }
    }
}

impl Blueprint {
    /// A custom image made in Lighthouse, ready and not shared. Tests start their own world from it.
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
    /// A custom system image, ready and not shared. Tests start their own world from it.
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

/// A custom blueprint with a change.
fn blueprint(name: &str, change: impl FnOnce(&mut Blueprint)) -> Blueprint {
    let mut blueprint = Blueprint::custom(name);
    change(&mut blueprint);
    blueprint
}

/// A custom image with a change.
fn image(name: &str, change: impl FnOnce(&mut CvmImage)) -> CvmImage {
    let mut image = CvmImage::custom(name);
    change(&mut image);
    image
}

fn blueprints() -> BTreeMap<String, Blueprint> {
    let seeds = [
        ("lhbp-6jc6l8yb", Blueprint::custom("golden-base")),
        (
            "lhbp-syncing0",
            blueprint("being-copied", |b| b.state = BlueprintState::Syncing),
        ),
        (
            "lhbp-isolated",
            blueprint("held-back", |b| b.state = BlueprintState::Isolated),
        ),
        (
            "lhbp-appimage",
            blueprint("WordPress", |b| b.kind = BlueprintKind::AppOs),
        ),
        (
            "lhbp-operated",
            blueprint("in-operation", |b| b.busy = Some(Busy::InOperation)),
        ),
        (
            "lhbp-unfinish",
            blueprint("unfinished", |b| b.busy = Some(Busy::LatestUnfinished)),
        ),
        (
            "lhbp-occupied",
            blueprint("occupied", |b| b.busy = Some(Busy::Occupied)),
        ),
    ];
    seeds.map(|(id, seed)| (id.to_owned(), seed)).into()
}

fn images() -> BTreeMap<String, CvmImage> {
    let seeds = [
        // For accounts and for Lighthouse.
        ("img-6pb6lrmy", CvmImage::custom("web-2026-06")),
        ("img-gvbnzy6f", CvmImage::custom("batch-2026-06")),
        ("img-xkd784jw", CvmImage::custom("build-agent")),
        ("img-cs2rrmp0", CvmImage::custom("ubuntu")),
        // For accounts only.
        (
            "img-imported",
            image("imported", |i| i.source = ImageSource::Imported),
        ),
        (
            "img-nocloudi",
            image("without-cloud-init", |i| i.cloud_init = false),
        ),
        (
            "img-centos65",
            image("old-system", |i| {
                i.os_name = "CentOS 6.5 64bit".into();
                i.platform = "CentOS".into();
            }),
        ),
        // For neither.
        (
            "img-wholeins",
            image("whole-instance", |i| i.class = ImageClass::Instance),
        ),
        ("img-encryptd", image("encrypted", |i| i.encrypted = true)),
        ("img-byol0000", image("own-licence", |i| i.byol = true)),
        (
            "img-creating",
            image("being-made", |i| i.state = ImageState::Creating),
        ),
        (
            "img-inuse000",
            image("in-use", |i| i.state = ImageState::Using),
        ),
        ("img-occupied", image("occupied", |i| i.occupied = true)),
        (
            "img-received",
            image("from-another-account", |i| i.kind = ImageType::Shared),
        ),
        (
            "img-public00",
            image("CentOS 7.9", |i| {
                i.kind = ImageType::Public;
                i.source = ImageSource::Official;
            }),
        ),
    ];
    seeds.map(|(id, seed)| (id.to_owned(), seed)).into()
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
