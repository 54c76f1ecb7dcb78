//! The settings of the cloud client. `config` has already checked their values.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::throttle::WaitObserver;
use crate::domain::{Problem, Site, Timestamp};

/// A function that returns the current time.
pub(crate) type Clock = fn() -> Timestamp;

/// Settings of the cloud client.
#[derive(Debug, Clone)]
pub struct CloudSettings {
    /// The site: mainland or international.
    pub site: Site,
    /// One address for all products, for tests and gateways. Plain `http` is allowed only for
    /// loopback.
    pub endpoint: Option<String>,
    /// The maximum rate of each Lighthouse action in each region, in calls a second.
    /// `DescribeBlueprints` may have a lower one.
    pub lighthouse_per_second: f64,
    /// The maximum rate of each CVM action in each region, in calls a second.
    pub cvm_per_second: f64,
    /// Maximum number of accounts in one CVM call. The documentation publishes no limit.
    pub cvm_accounts_per_call: usize,
    /// Time limit of one call, including its answer.
    pub call_timeout: Duration,
    /// The function that returns the current time.
    pub clock: Clock,
    /// A function that is called with the waits for the rate limit.
    pub waits: Option<WaitObserver>,
}

impl CloudSettings {
    /// Creates default settings. The rates are the published ones: 20 calls a second for the
    /// Lighthouse actions, 10 for the CVM actions.
    pub fn new(clock: Clock) -> Self {
        Self {
            site: Site::default(),
            endpoint: None,
            lighthouse_per_second: 20.0,
            cvm_per_second: 10.0,
            cvm_accounts_per_call: 10,
            call_timeout: Duration::from_secs(10),
            clock,
            waits: None,
        }
    }

    pub(super) fn endpoint_of(&self, product: &str) -> Result<Endpoint, Problem> {
        Endpoint::of(self.endpoint.as_deref(), self.site, product)
    }
}
