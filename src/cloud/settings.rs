//! Settings of the cloud client. In: the operator's configuration. Out: checked settings, or every
//! problem with them.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::throttle::WaitObserver;
use crate::domain::{Problem, Site, Timestamp};

/// Reads the system's clock.
pub type Clock = fn() -> Timestamp;

/// Settings of the cloud client.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// The site: mainland or international.
    pub site: Site,
    /// One address for all products, for tests and gateways. Plain `http` is for loopback only.
    pub endpoint: Option<String>,
    /// A proxy for all calls. The client ignores the process's proxy variables.
    pub proxy: Option<String>,
    /// The rate of each Lighthouse action in each region.
    pub lighthouse_per_second: f64,
    /// The rate of each CVM action in each region.
    pub cvm_per_second: f64,
    /// Maximum number of accounts in one CVM call. The documentation publishes no limit.
    pub cvm_accounts_per_call: usize,
    /// Time limit of one call, including its answer.
    pub call_timeout: Duration,
    /// The clock.
    pub clock: Clock,
    /// Learns of each wait for the rate limit.
    pub waits: Option<WaitObserver>,
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
            waits: None,
        }
    }

    /// The address of a product's API.
    ///
    /// # Errors
    /// As [`Endpoint::of`].
    pub(super) fn endpoint_of(&self, product: &str) -> Result<Endpoint, Problem> {
        Endpoint::of(self.endpoint.as_deref(), self.site, product)
    }

    /// Every problem with the settings.
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
        problems.extend(self.endpoint_of("lighthouse").err());
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
    fn all_problems_are_reported_together() {
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
