//! The products of the sandbox: their names, versions and regions.

use crate::behaviour::Site;

/// A product of the cloud, as named by the service in a request's credential scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Service {
    Lighthouse,
    Cvm,
    /// The token service, which returns the account of the key that signed a call.
    Sts,
}

/// The regions that every Lighthouse page of the international site lists.
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
/// Regions that have CVM but not Lighthouse. The API pages of CVM do not list regions.
const CVM_ONLY_REGIONS: [&str; 8] = [
    "ap-beijing-fsi",
    "ap-chongqing",
    "ap-mumbai",
    "ap-shanghai-fsi",
    "ap-shenzhen-fsi",
    "ap-taipei",
    "me-saudi-arabia",
    "na-toronto",
];

impl Service {
    pub(crate) fn find(name: &str) -> Option<Self> {
        [Self::Lighthouse, Self::Cvm, Self::Sts]
            .into_iter()
            .find(|service| service.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lighthouse => "lighthouse",
            Self::Cvm => "cvm",
            Self::Sts => "sts",
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Lighthouse => "2020-03-24",
            Self::Cvm => "2017-03-12",
            Self::Sts => "2018-08-13",
        }
    }

    /// Whether `site` offers this service in `region`. Only the Lighthouse pages of the
    /// international site list regions. In all other cases, every region of the two lists above is
    /// accepted.
    pub(crate) fn serves(self, site: Site, region: &str) -> bool {
        let listed_only = self == Self::Lighthouse && site == Site::Intl;
        LIGHTHOUSE_REGIONS.contains(&region) || (!listed_only && CVM_ONLY_REGIONS.contains(&region))
    }
}
