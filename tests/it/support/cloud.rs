//! The harness for tests of cloud calls. `Setup` is an application over a sandbox whose behaviour
//! the test chooses. Its policy allows everything, and its tickets are native requests.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{App, Backoff, Deadline, Patience, Prepared, Reply};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{AwsSecrets, Config};
use sharehook_sandbox::{
    Behaviour, Call, RateLimits, Running, Sandbox, SandboxOptions, Site, World,
};

pub(crate) use super::{BLUEPRINT, CVM_IMAGE as IMAGE, REGION};
use super::{configure_site, invocation, sandbox_keys, write_open_configuration};

/// The API actions that change a share.
const WRITES: [&str; 3] = [
    "ShareBlueprintAcrossAccounts",
    "CancelShareBlueprintAcrossAccounts",
    "ModifyImageSharePermission",
];

pub(crate) struct Setup {
    pub(crate) app: Arc<App>,
    pub(crate) cloud: Running,
    pub(crate) clock: Clock,
    folder: tempfile::TempDir,
    journal: &'static str,
    pub(crate) site: Site,
}

/// Three tries, at most 4 ms apart. Polls for the state NORMAL up to 20 times, every 20 ms.
pub(crate) fn short() -> Patience {
    let backoff = Backoff {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(4),
        tries: 3,
    };
    Patience {
        backoff,
        normal_pause: Duration::from_millis(20),
        normal_polls: 20,
    }
}

/// A sandbox without rate limits, of the site that lists the accounts of a blueprint.
pub(crate) fn unlimited() -> Behaviour {
    unlimited_on(Site::Cn)
}

/// The behaviour of a sandbox of `site`, without rate limits.
pub(crate) fn unlimited_on(site: Site) -> Behaviour {
    Behaviour {
        rate_limits: RateLimits::OFF,
        ..Behaviour::of(site)
    }
}

impl Setup {
    pub(crate) async fn new(behaviour: Behaviour, journal: &'static str) -> Self {
        let world = World::seeded();
        Self::with(behaviour, world, journal, (1000.0, 1000.0)).await
    }

    /// Sets the client's `rates`, in calls per second to Lighthouse and to CVM. The sandbox's own
    /// limits are in `behaviour`.
    pub(crate) async fn with(
        behaviour: Behaviour,
        world: World,
        journal: &'static str,
        rates: (f64, f64),
    ) -> Self {
        let site = behaviour.site;
        let options = SandboxOptions {
            behaviour,
            world,
            ..SandboxOptions::seeded(system_now)
        };
        let cloud = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::at("2026-11-21T10:00:00Z".parse().unwrap());
        let app = app(folder.path(), site, &cloud.url(), journal, &clock, rates).await;
        Self {
            app,
            cloud,
            clock,
            folder,
            journal,
            site,
        }
    }

    /// Replaces the application by a new process on the same journal.
    pub(crate) async fn restart(&mut self) {
        let (folder, url) = (self.folder.path(), self.cloud.url());
        let rates = (1000.0, 1000.0);
        self.app = app(folder, self.site, &url, self.journal, &self.clock, rates).await;
    }

    /// Moves the application's clock forward. Leases and waits in the journal use this clock.
    pub(crate) fn advance(&self, seconds: i64) {
        let step = jiff::SignedDuration::from_secs(seconds);
        self.clock.set(self.clock.now() + step);
    }

    pub(crate) async fn send(&self, request: &Value) -> Value {
        deliver(&self.app, request, Deadline::after(Duration::from_secs(20))).await
    }

    /// The calls that change a share, after the first `from` calls.
    pub(crate) fn writes(&self, from: usize) -> Vec<Call> {
        let calls = self.cloud.calls();
        calls
            .into_iter()
            .skip(from)
            .filter(|c| WRITES.contains(&c.action.as_str()))
            .collect()
    }

    pub(crate) fn has(&self, image: &str) -> Vec<String> {
        let world = self.cloud.state();
        match image.starts_with("lhbp-") {
            true => world.blueprint_accounts(REGION, image),
            false => world.image_accounts(REGION, image),
        }
    }

    /// Restores the seeded world, and shares `BLUEPRINT` and `IMAGE` with the accounts in `having`.
    pub(crate) fn reset(&self, having: &[&str]) {
        self.cloud.edit(|world| {
            *world = World::seeded();
            let stock = world.regions.get_mut(REGION).unwrap();
            let now = system_now();
            for account in having {
                stock
                    .blueprints
                    .get_mut(BLUEPRINT)
                    .unwrap()
                    .shares
                    .insert((*account).to_owned(), now);
                stock
                    .images
                    .get_mut(IMAGE)
                    .unwrap()
                    .shares
                    .insert((*account).to_owned(), now);
            }
        });
    }
}

/// Delivers a native request as a trusted trigger does, and returns the only answer as JSON.
pub(crate) async fn deliver(app: &App, request: &Value, deadline: Deadline) -> Value {
    match app.receive(invocation(request), deadline).await {
        Reply::Answers(answers) => json!(answers[0].1),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn ticket(
    id: &str,
    action: &str,
    image: &str,
    accounts: &[&str],
    lighthouse: bool,
) -> Value {
    json!({
        "id": id, "action": action, "image": image, "region": REGION, "accounts": accounts,
        "lighthouse": lighthouse, "requester": "alice@example.com", "approvers": ["bob@example.com"],
        "ticket": id
    })
}

async fn app(
    folder: &Path,
    site: Site,
    url: &str,
    journal: &str,
    clock: &Clock,
    rates: (f64, f64),
) -> Arc<App> {
    let file = write_open_configuration(folder, journal, &format!("endpoint = {url:?}"));
    configure_site(folder, site);
    let mut config = Config::load(&file, &sandbox_keys(), &AwsSecrets::new()).unwrap();
    // Set the rates here, because a configuration cannot exceed the published rates.
    (
        config.cloud.lighthouse_per_second,
        config.cloud.cvm_per_second,
    ) = rates;
    let prepared = Prepared::new(config).unwrap().with_patience(short());
    let app = prepared.open(&sandbox_keys(), clock.clone()).await;
    Arc::new(app.unwrap())
}
