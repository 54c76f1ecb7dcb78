//! Regions, and the lists of regions where Lighthouse and CVM are known to run. An operator can add
//! newer regions to the configuration. Does not ask the cloud for its regions.

use std::collections::BTreeSet;

use super::ids::identifier;
use super::problem::{Problem, shown};
use super::site::Site;

/// The Lighthouse regions, in the same order as on the five Lighthouse pages of the international
/// site.
const LIGHTHOUSE_REGIONS: [&str; 15] = [
    "ap-bangkok",
    "ap-beijing",
    "ap-chengdu",
    "ap-guangzhou",
    "ap-hongkong",
    "ap-jakarta",
    "ap-nanjing",
    "ap-seoul",
    "ap-shanghai",
    "ap-singapore",
    "ap-tokyo",
    "eu-frankfurt",
    "na-ashburn",
    "na-siliconvalley",
    "sa-saopaulo",
];

/// Regions outside [`LIGHTHOUSE_REGIONS`] where CVM is known to run. CVM's own page does not list
/// regions.
const OTHER_CVM_REGIONS: [&str; 8] = [
    "ap-beijing-fsi",
    "ap-chongqing",
    "ap-mumbai",
    "ap-shanghai-fsi",
    "ap-shenzhen-fsi",
    "ap-taipei",
    "me-saudi-arabia",
    "na-toronto",
];

identifier! {
    /// A well-formed region name. [`ServedRegions`] checks whether a product is known to run in the
    /// region.
    Region,
    |text: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let word = |word: &str| !word.is_empty() && word.bytes().all(plain);
        text.len() <= 32 && text.contains('-') && text.split('-').all(word)
    },
    "region",
    "is not a region",
    "write a region's name, as in \"ap-singapore\"",
}

/// The regions that requests may name.
#[derive(Debug, Clone, Default)]
pub struct ServedRegions {
    /// The configured site (`cloud.site`).
    pub site: Site,
    /// Regions that the operator added because this program does not know them (`cloud.regions`).
    pub added: BTreeSet<String>,
}

impl ServedRegions {
    /// Returns an error if the region is neither a known Lighthouse region nor added by the
    /// operator. On the Chinese site, accepts every region and leaves the check to the cloud,
    /// because only the pages of the international site list the regions of Lighthouse.
    pub fn check_lighthouse(&self, region: &Region) -> Result<(), Problem> {
        if self.site == Site::Cn || self.knows_lighthouse(region) {
            return Ok(());
        }
        Err(Problem::new(
            "region",
            format!(
                "{} is not a known Lighthouse region",
                shown(region.as_str())
            ),
            format!(
                "use one of {}, or let the operator add a new region to cloud.regions",
                LIGHTHOUSE_REGIONS.join(", ")
            ),
        ))
    }

    /// Whether the region is a known Lighthouse region or was added by the operator.
    pub fn knows_lighthouse(&self, region: &Region) -> bool {
        LIGHTHOUSE_REGIONS.contains(&region.as_str()) || self.added.contains(region.as_str())
    }

    /// Returns an error if CVM is not known to run in the region and the operator did not add the
    /// region. This catches typing mistakes.
    pub fn check_cvm(&self, region: &Region) -> Result<(), Problem> {
        let known = [&LIGHTHOUSE_REGIONS[..], &OTHER_CVM_REGIONS[..]].concat();
        if known.contains(&region.as_str()) || self.added.contains(region.as_str()) {
            return Ok(());
        }
        Err(Problem::new(
            "region",
            format!("{} is not a known CVM region", shown(region.as_str())),
            "correct it, or let the operator add a new region to cloud.regions",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        text.parse().unwrap()
    }

    #[test]
    fn the_list_of_lighthouse_regions_is_that_of_the_international_site() {
        let served = |site| ServedRegions {
            site,
            added: BTreeSet::new(),
        };
        let (intl, cn) = (served(Site::Intl), served(Site::Cn));
        assert!(intl.check_lighthouse(&region("ap-singapore")).is_ok());
        let refused = intl.check_lighthouse(&region("na-toronto")).unwrap_err();
        assert!(refused.remedy.contains("cloud.regions"), "{refused}");
        assert!(cn.check_lighthouse(&region("na-toronto")).is_ok());
        for served in [intl, cn] {
            assert!(served.check_cvm(&region("na-toronto")).is_ok());
            assert!(served.check_cvm(&region("ap-osaka")).is_err());
        }
    }

    #[test]
    fn an_added_region_is_served_by_both_products() {
        let served = ServedRegions {
            site: Site::Intl,
            added: ["ap-osaka".to_owned()].into(),
        };
        assert!(served.check_lighthouse(&region("ap-osaka")).is_ok());
        assert!(served.check_cvm(&region("ap-osaka")).is_ok());
        assert!(served.check_lighthouse(&region("ap-osaka-2")).is_err());
    }
}
