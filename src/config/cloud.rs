//! `[cloud]`: the site, the address, the call rates. `accounts` reads the owner accounts.

use crate::domain::{Problem, Region, Site};

use super::raw::RawCloud;
use super::reader::Reader;
use super::valid::CloudConfig;

pub(super) const ENDPOINT_VAR: &str = "SHAREHOOK_CLOUD_ENDPOINT";
const SITE_VAR: &str = "SHAREHOOK_CLOUD_SITE";

impl Reader<'_> {
    pub(super) fn cloud(&mut self, raw: &RawCloud) -> CloudConfig {
        let endpoint = match self.vars.get(ENDPOINT_VAR).filter(|v| !v.is_empty()) {
            Some(url) => Some(url.clone()),
            None => raw.endpoint.as_ref().map(|e| e.get_ref().clone()),
        };
        let site = match self.vars.get(SITE_VAR).filter(|v| !v.is_empty()) {
            None => raw.site.unwrap_or_default(),
            Some(text) => text.parse().unwrap_or_else(|problem| {
                self.problems.push(Problem {
                    field: SITE_VAR.to_owned(),
                    ..problem
                });
                Site::default()
            }),
        };
        if raw.site.is_none() && !self.vars.contains_key(SITE_VAR) && endpoint.is_none() {
            let remedy =
                "write site = \"intl\" or \"cn\" under [cloud]; the sites share no accounts";
            self.missing("cloud.site", remedy);
        }
        let lighthouse_per_second = self.within(
            "lighthouse_per_second",
            raw.lighthouse_per_second.as_ref(),
            0.1..=20.0,
            20.0,
        );
        let cvm_per_second = self.within(
            "cvm_per_second",
            raw.cvm_per_second.as_ref(),
            0.1..=10.0,
            10.0,
        );
        let cvm_accounts_per_call = self.within(
            "cvm_accounts_per_call",
            raw.cvm_accounts_per_call.as_ref(),
            1..=500,
            10,
        );
        let cvm_accounts_per_image = self.within(
            "cvm_accounts_per_image",
            raw.cvm_accounts_per_image.as_ref(),
            1..=100_000,
            500,
        );
        let regions = raw.regions.iter().map(|r| r.get_ref().clone()).collect();
        for region in &raw.regions {
            if let Err(problem) = region.get_ref().parse::<Region>() {
                self.problem(region, problem.problem, problem.remedy);
            }
        }
        CloudConfig {
            site,
            endpoint,
            lighthouse_per_second,
            cvm_per_second,
            cvm_accounts_per_call,
            cvm_accounts_per_image,
            regions,
            key: self.process_key(),
            accounts: self.accounts(&raw.accounts),
        }
    }
}
