//! The world that a sandbox starts with. Examples, events and tests use its ids. Both seeded
//! regions have the same ids; every other region is empty.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::world::{
    Blueprint, BlueprintKind, BlueprintState, Busy, CvmImage, ImageClass, ImageSource, ImageState,
    ImageType, Shares, Stock, World,
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

fn blueprints() -> BTreeMap<String, Blueprint> {
    let custom = Blueprint::custom;
    let seeds = [
        ("lhbp-6jc6l8yb", custom("golden-base")),
        (
            "lhbp-syncing0",
            Blueprint {
                state: BlueprintState::Syncing,
                ..custom("being-copied")
            },
        ),
        (
            "lhbp-isolated",
            Blueprint {
                state: BlueprintState::Isolated,
                ..custom("held-back")
            },
        ),
        (
            "lhbp-appimage",
            Blueprint {
                kind: BlueprintKind::AppOs,
                ..custom("WordPress")
            },
        ),
        (
            "lhbp-operated",
            Blueprint {
                busy: Some(Busy::InOperation),
                ..custom("in-operation")
            },
        ),
        (
            "lhbp-unfinish",
            Blueprint {
                busy: Some(Busy::LatestUnfinished),
                ..custom("unfinished")
            },
        ),
        (
            "lhbp-occupied",
            Blueprint {
                busy: Some(Busy::Occupied),
                ..custom("occupied")
            },
        ),
    ];
    seeds
        .into_iter()
        .map(|(id, blueprint)| (id.to_owned(), blueprint))
        .collect()
}

fn images() -> BTreeMap<String, CvmImage> {
    let seeds = shareable_images()
        .into_iter()
        .chain(images_for_accounts_only())
        .chain(images_that_cannot_be_shared());
    seeds.map(|(id, image)| (id.to_owned(), image)).collect()
}

fn shareable_images() -> [(&'static str, CvmImage); 4] {
    let custom = CvmImage::custom;
    [
        ("img-6pb6lrmy", custom("web-2026-06")),
        ("img-gvbnzy6f", custom("batch-2026-06")),
        ("img-xkd784jw", custom("build-agent")),
        ("img-cs2rrmp0", custom("ubuntu")),
    ]
}

fn images_for_accounts_only() -> [(&'static str, CvmImage); 3] {
    let custom = CvmImage::custom;
    [
        (
            "img-imported",
            CvmImage {
                source: ImageSource::Imported,
                ..custom("imported")
            },
        ),
        (
            "img-nocloudi",
            CvmImage {
                cloud_init: false,
                ..custom("without-cloud-init")
            },
        ),
        (
            "img-centos65",
            CvmImage {
                os_name: "CentOS 6.5 64bit".into(),
                platform: "CentOS".into(),
                ..custom("old-system")
            },
        ),
    ]
}

fn images_that_cannot_be_shared() -> [(&'static str, CvmImage); 8] {
    let custom = CvmImage::custom;
    [
        (
            "img-wholeins",
            CvmImage {
                class: ImageClass::Instance,
                ..custom("whole-instance")
            },
        ),
        (
            "img-encryptd",
            CvmImage {
                encrypted: true,
                ..custom("encrypted")
            },
        ),
        (
            "img-byol0000",
            CvmImage {
                byol: true,
                ..custom("own-licence")
            },
        ),
        (
            "img-creating",
            CvmImage {
                state: ImageState::Creating,
                ..custom("being-made")
            },
        ),
        (
            "img-inuse000",
            CvmImage {
                state: ImageState::Using,
                ..custom("in-use")
            },
        ),
        (
            "img-occupied",
            CvmImage {
                occupied: true,
                ..custom("occupied")
            },
        ),
        (
            "img-received",
            CvmImage {
                kind: ImageType::Shared,
                ..custom("from-another-account")
            },
        ),
        (
            "img-public00",
            CvmImage {
                kind: ImageType::Public,
                source: ImageSource::Official,
                ..custom("CentOS 7.9")
            },
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::world::is_image_id;
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
