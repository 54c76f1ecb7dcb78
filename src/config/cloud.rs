//! Reads `[cloud]`: site, endpoint, call rates and the other settings. Takes the raw table and the
//! variables, returns a [`CloudConfig`], and reports mistakes. `accounts.rs` reads the owner
//! accounts.

use crate::domain::Site;

use super::raw::RawCloud;
use super::reader::{Reader, set};
use super::valid::CloudConfig;

pub(super) const ENDPOINT_VAR: &str = "SHAREHOOK_CLOUD_ENDPOINT";
const SITE_VAR: &str = "SHAREHOOK_CLOUD_SITE";

impl Reader<'_> {
    pub(super) fn cloud(&mut self, raw: &RawCloud) -> CloudConfig {
        let endpoint = match set(self.vars, ENDPOINT_VAR) {
            Some(url) => Some(url.clone()),
            None => raw.endpoint.as_ref().map(|e| e.get_ref().clone()),
        };
        let site = match (set(self.vars, SITE_VAR), raw.site) {
            (Some(text), _) => text.parse().unwrap_or_else(|problem| {
                self.wrong_variable(SITE_VAR, problem);
                Site::default()
            }),
            (None, Some(site)) => site,
            (None, None) => {
                if endpoint.is_none() {
                    let remedy = "write site = \"intl\" or \"cn\" under [cloud]; the sites share no accounts";
                    self.missing("cloud.site", remedy);
                }
                Site::default()
            }
        };
        let (lighthouse, cvm) = (&raw.lighthouse_per_second, &raw.cvm_per_second);
        let lighthouse = self.within("cloud.lighthouse_per_second", lighthouse, 0.1..=20.0, 20.0);
        let cvm = self.within("cloud.cvm_per_second", cvm, 0.1..=10.0, 10.0);
        let (call, image) = (&raw.cvm_accounts_per_call, &raw.cvm_accounts_per_image);
        let per_call = self.within("cloud.cvm_accounts_per_call", call, 1..=500, 10);
        let per_image = self.within("cloud.cvm_accounts_per_image", image, 1..=100_000, 500);
        CloudConfig {
            site,
            endpoint,
            lighthouse_per_second: lighthouse,
            cvm_per_second: cvm,
            cvm_accounts_per_call: per_call,
            cvm_accounts_per_image: per_image,
            regions: self.regions(&raw.regions),
            key: self.process_key(),
            accounts: self.accounts(&raw.accounts),
        }
    }
}
