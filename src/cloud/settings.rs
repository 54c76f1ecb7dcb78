//! How the cloud is reached. In: what the operator configured. Out: settings that are whole, or
//! every problem with them.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::actions::Service;
use super::endpoint::Endpoint;
use super::error::shown;
use crate::domain::{Problem, Timestamp};

/// The cloud's two sites. They share no accounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The international site.
    #[default]
    Intl,
    /// The Chinese site.
    Cn,
}

impl Site {
    /// The host of a product.
    pub fn host(self, service: Service) -> String {
        self.host_of(service.name())
    }

    /// The host of any product by its short name.
    pub(super) fn host_of(self, name: &str) -> String {
        match self {
            Self::Intl => format!("{name}.intl.tencentcloudapi.com"),
            Self::Cn => format!("{name}.tencentcloudapi.com"),
        }
    }
}

impl FromStr for Site {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        match text {
            "intl" => Ok(Self::Intl),
            "cn" => Ok(Self::Cn),
            other => {
                let problem = format!("{} is not a site", shown(other));
                Err(Problem::new(
                    "cloud.site",
                    problem,
                    "write \"intl\" or \"cn\"",
                ))
            }
        }
    }
}

/// The reader of the system's clock, handed in by whoever is allowed to read it.
pub type Clock = fn() -> Timestamp;

/// How the cloud is reached.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// Which site.
    pub site: Site,
    /// One address for all products, for tests and proxies; plain `http` on loopback only.
    pub endpoint: Option<String>,
    /// A proxy for all calls. The process's proxy variables are not read.
    pub proxy: Option<String>,
    /// The rate of each Lighthouse action in each region.
    pub lighthouse_per_second: f64,
    /// The rate of each CVM action in each region.
    pub cvm_per_second: f64,
    /// The most accounts in one CVM call; the documentation publishes no number.
    pub cvm_accounts_per_call: usize,
    /// The longest that one call may take, its answer included.
    pub call_timeout: Duration,
    /// What time it is.
    pub clock: Clock,
}

impl CloudSettings {
    /// The published rates: 20 calls a second for the Lighthouse actions, 10 for those of CVM.
    pub fn new(clock: Clock) -> Self {
        Self {
            site: Site::default(),
            endpoint: None,
            proxy: None,
            lighthouse_per_second: 20.0,
            cvm_per_second: 10.0,
            cvm_accounts_per_call: 10,
            call_timeout: Duration::from_secs(10),
            clock,
        }
    }

    /// Everything wrong with the settings.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let rates = [
            ("lighthouse_per_second", self.lighthouse_per_second),
            ("cvm_per_second", self.cvm_per_second),
        ];
        for (name, rate) in rates {
            if !(0.01..=1000.0).contains(&rate) {
                let remedy =
                    "write calls a second, from 0.01 to 1000; the published rates are 20 and 10";
                problems.push(Problem::new(
                    format!("cloud.{name}"),
                    format!("is {rate}"),
                    remedy,
                ));
            }
        }
        if !(1..=500).contains(&self.cvm_accounts_per_call) {
            let problem = format!("is {}", self.cvm_accounts_per_call);
            let remedy = "write 1 to 500: an image can be shared with 500 accounts";
            problems.push(Problem::new("cloud.cvm_accounts_per_call", problem, remedy));
        }
        problems.extend(Endpoint::of(self, Service::Lighthouse).err());
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> CloudSettings {
        CloudSettings::new(|| Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn hosts_follow_site_and_product() {
        assert_eq!(
            Site::Intl.host(Service::Lighthouse),
            "lighthouse.intl.tencentcloudapi.com"
        );
        assert_eq!(
            Site::Intl.host(Service::Cvm),
            "cvm.intl.tencentcloudapi.com"
        );
        assert_eq!(
            Site::Cn.host(Service::Lighthouse),
            "lighthouse.tencentcloudapi.com"
        );
        assert_eq!(Site::Cn.host(Service::Cvm), "cvm.tencentcloudapi.com");
        assert!("int".parse::<Site>().is_err());
    }

    #[test]
    fn every_problem_is_told_at_once() {
        assert_eq!(settings().problems(), []);
        let wrong = CloudSettings {
            lighthouse_per_second: f64::NAN,
            cvm_per_second: 0.0,
            cvm_accounts_per_call: 0,
            endpoint: Some("http://example.com".into()),
            ..settings()
        };
        let fields: Vec<String> = wrong.problems().into_iter().map(|p| p.field).collect();
        let all = [
            "lighthouse_per_second",
            "cvm_per_second",
            "cvm_accounts_per_call",
            "endpoint",
        ];
        assert_eq!(fields, all.map(|name| format!("cloud.{name}")));
        for rate in [-1.0, f64::INFINITY, 1e300, f64::MIN_POSITIVE] {
            assert_eq!(
                CloudSettings {
                    cvm_per_second: rate,
                    ..settings()
                }
                .problems()
                .len(),
                1,
                "{rate}"
            );
        }
    }
}
