//! Common parts of the benchmarks: a sandbox with the published rates, the application that uses
//! it, and tickets.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{App, Deadline, Prepared, Reply};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{AwsSecrets, Config};
use sharehook::domain::Status;
use sharehook_sandbox::{Behaviour, Blueprint, Call, Running, Sandbox, SandboxOptions, World};

// The helpers of the integration tests.
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unused_imports
)]
#[path = "../../tests/it/support/mod.rs"]
mod support;

pub(crate) const REGION: &str = support::REGION;
/// The API action whose calls `batching` and `pacing` count.
pub(crate) const SHARE: &str = "ShareBlueprintAcrossAccounts";

pub(crate) struct Setup {
    pub(crate) app: Arc<App>,
    /// The stand-in cloud. It refuses the 21st call of [`SHARE`] within one second.
    pub(crate) cloud: Running,
}

pub(crate) fn blueprint(n: usize) -> String {
    format!("lhbp-bench{n:03}")
}

pub(crate) fn account(n: usize) -> String {
    format!("{}", 700_000_000_000 + n)
}

#[allow(unused_imports)] // Only the benchmarks `journal` and `instructions` use this.
pub(crate) use support::history;
pub(crate) use support::sandbox_keys as vars;

impl Setup {
    /// Creates a cloud with `images` additional blueprints, and an application with a journal in
    /// memory and a policy that allows everything.
    pub(crate) async fn new(images: usize) -> Self {
        Self::with(images, "memory:", Clock::System).await
    }

    /// Like [`Setup::new`], but with this journal and this clock.
    pub(crate) async fn with(images: usize, journal: &str, clock: Clock) -> Self {
        let mut world = World::seeded();
        if let Some(stock) = world.regions.get_mut(REGION) {
            stock
                .blueprints
                .extend((0..images).map(|n| (blueprint(n), Blueprint::custom("bench"))));
        }
        let behaviour = Behaviour {
            lighthouse_accounts_per_image: 10_000,
            ..Behaviour::default()
        };
        let options = SandboxOptions {
            world,
            behaviour,
            ..SandboxOptions::seeded(system_now)
        };
        let cloud = Sandbox::start(options)
            .await
            .expect("a free port on loopback");
        let folder = tempfile::tempdir().expect("a scratch folder");
        let cloud_text = format!("endpoint = {:?}", cloud.url());
        let file = support::write_open_configuration(folder.path(), journal, &cloud_text);
        let config =
            Config::load(&file, &vars(), &AwsSecrets::new()).expect("a valid configuration");
        let prepared = Prepared::new(config).expect("a valid policy");
        let app = Arc::new(prepared.open(&vars(), clock).await.expect("an application"));
        Self { app, cloud }
    }

    /// Sends a ticket for each `(image, account)`, all concurrently. Returns how many were
    /// completed.
    pub(crate) async fn send(&self, tickets: Vec<(String, String)>) -> usize {
        self.send_for(tickets, None).await
    }

    /// Sends tickets as [`Setup::send`] does, for shares that expire after `life`, such as `24h`.
    pub(crate) async fn send_for(
        &self,
        tickets: Vec<(String, String)>,
        life: Option<&'static str>,
    ) -> usize {
        let mut running = tokio::task::JoinSet::new();
        for (n, (image, account)) in tickets.into_iter().enumerate() {
            let app = Arc::clone(&self.app);
            running.spawn(async move { completed(&app, n, &image, &account, life).await });
        }
        running
            .join_all()
            .await
            .into_iter()
            .filter(|done| *done)
            .count()
    }

    pub(crate) fn calls(&self, action: &str) -> Vec<Call> {
        self.cloud
            .calls()
            .into_iter()
            .filter(|call| call.action == action)
            .collect()
    }
}

/// Writes `benches/results/NAME.json`.
pub(crate) fn write_results(name: &str, found: &Value) {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/results");
    std::fs::create_dir_all(&results).expect("a folder");
    let text = format!("{found:#}\n");
    std::fs::write(results.join(name).with_extension("json"), text).expect("a file");
}

/// Returns the number of calls that were refused for their rate.
pub(crate) fn refused(calls: &[Call]) -> usize {
    calls
        .iter()
        .filter(|c| {
            c.code
                .as_deref()
                .is_some_and(|code| code.starts_with("RequestLimitExceeded"))
        })
        .count()
}

async fn completed(app: &App, n: usize, image: &str, account: &str, life: Option<&str>) -> bool {
    let ticket = json!({
        "id": format!("bench-{n}"), "action": "share", "image": image, "region": REGION, "accounts": [account],
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "expires_in": life,
    });
    let delivery = support::invocation(&ticket);
    match app
        .receive(delivery, Deadline::after(Duration::from_secs(300)))
        .await
    {
        Reply::Answers(answers) => answers
            .iter()
            .all(|(_, answer)| answer.status == Status::Completed),
        _ => false,
    }
}
