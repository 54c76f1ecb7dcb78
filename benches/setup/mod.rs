//! What the benchmarks share: a sandbox with the published rates, the application in front of it,
//! tickets.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sharehook::app::{App, Deadline, Delivery, Prepared, Reply, Via};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{Config, Vars};
use sharehook::domain::Status;
use sharehook_sandbox::{
    Behaviour, Blueprint, Call, Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox,
    SandboxOptions, World,
};

/// Where everything happens.
pub(crate) const REGION: &str = "ap-singapore";
/// The action that is measured.
pub(crate) const SHARE: &str = "ShareBlueprintAcrossAccounts";

/// A sandbox and the application.
pub(crate) struct Setup {
    /// The application.
    pub(crate) app: Arc<App>,
    /// The stand-in cloud; it refuses the 21st call of an action within any second.
    pub(crate) cloud: Running,
}

/// The id of the nth blueprint.
pub(crate) fn blueprint(n: usize) -> String {
    format!("lhbp-bench{n:03}")
}

/// The nth account.
pub(crate) fn account(n: usize) -> String {
    format!("{}", 700_000_000_000 + n)
}

/// The variables of a process that calls the sandbox.
pub(crate) fn vars() -> Vars {
    let pairs = [
        ("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID),
        ("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY),
    ];
    pairs
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

impl Setup {
    /// With `images` blueprints, a journal in memory, and the configuration as it ships.
    pub(crate) async fn new(images: usize) -> Self {
        Self::with(images, "memory:", Clock::System).await
    }

    /// The same with the journal in another place, and another clock.
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
        let policy = folder.path().join("policy");
        std::fs::create_dir_all(&policy).expect("a policy folder");
        std::fs::write(
            policy.join("all.cedar"),
            "@id(\"all\") permit (principal, action, resource);\n",
        )
        .expect("a policy");
        let text = format!(
            "journal = {journal:?}\npolicy = \"policy\"\n[cloud]\nsite = \"intl\"\nendpoint = \"{}\"\n\
             [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\n",
            cloud.url()
        );
        let file = folder.path().join("sharehook.toml");
        std::fs::write(&file, text).expect("a configuration");
        let config = Config::load(&file, &vars()).expect("a valid configuration");
        let prepared = Prepared::new(config).expect("a valid policy");
        let app = Arc::new(prepared.open(&vars(), clock).await.expect("an application"));
        Self { app, cloud }
    }

    /// Sends tickets for one account each, all at once: `(image, account)`. How many were
    /// completed.
    pub(crate) async fn send(&self, tickets: Vec<(String, String)>) -> usize {
        self.send_for(tickets, None).await
    }

    /// The same for shares that end by themselves, as in `24h`.
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

    /// The calls of an action so far.
    pub(crate) fn calls(&self, action: &str) -> Vec<Call> {
        self.cloud
            .calls()
            .into_iter()
            .filter(|call| call.action == action)
            .collect()
    }
}

/// Calls that were refused for their rate.
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
    let via = Via::Host {
        origin: "invoke".to_owned(),
        id: None,
    };
    let source = "invoke".parse().expect("a source's name");
    let delivery = Delivery {
        source,
        via,
        body: ticket.to_string().into_bytes().into(),
    };
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
