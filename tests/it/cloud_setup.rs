//! What the tests of cloud calls share: a sandbox, the application in front of it, tickets as
//! native requests. In: how the cloud behaves. Out: answers, the sandbox's state and its log of
//! calls.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::app::{App, Backoff, Deadline, Delivery, Patience, Prepared, Reply, Via};
use sharehook::clock::{Clock, system_now};
use sharehook::config::{Config, Vars};
use sharehook::domain::Timestamp;
use sharehook_sandbox::{
    Behaviour, Call, RateLimits, Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox,
    SandboxOptions, Site, World,
};

pub(crate) const REGION: &str = "ap-singapore";
pub(crate) const BLUEPRINT: &str = "lhbp-6jc6l8yb";
pub(crate) const IMAGE: &str = "img-6pb6lrmy";

/// The actions that change something.
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

/// Three tries and waits of a few milliseconds.
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

/// A sandbox without rates, of the site that can tell who has a blueprint.
pub(crate) fn unlimited() -> Behaviour {
    unlimited_on(Site::Cn)
}

/// A sandbox of a site without rates.
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

    /// `rates`: calls a second of Lighthouse and CVM; the sandbox's own rates are the behaviour's.
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
        let app = Arc::new(
            app(
                folder.path().to_owned(),
                site,
                &cloud.url(),
                journal,
                &clock,
                rates,
            )
            .await,
        );
        Self {
            app,
            cloud,
            clock,
            folder,
            journal,
            site,
        }
    }

    /// Another process on the same journal.
    pub(crate) async fn restart(&mut self) {
        let folder = self.folder.path().to_owned();
        self.app = Arc::new(
            app(
                folder,
                self.site,
                &self.cloud.url(),
                self.journal,
                &self.clock,
                (1000.0, 1000.0),
            )
            .await,
        );
    }

    /// Moves the application's clock; leases and pauses of the journal are counted by it.
    pub(crate) fn wait(&self, seconds: i64) {
        let later: Timestamp = self.clock.now() + jiff::SignedDuration::from_secs(seconds);
        self.clock.set(later);
    }

    pub(crate) async fn send(&self, request: &Value) -> Value {
        deliver(&self.app, request, Deadline::after(Duration::from_secs(20))).await
    }

    /// The calls that would change something, since `from`.
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

    /// The seeded world again, with these accounts having the two images.
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

/// Hands a native request to the application as a trusted trigger does; the one answer as JSON.
pub(crate) async fn deliver(app: &App, request: &Value, deadline: Deadline) -> Value {
    let via = Via::Host {
        origin: "invoke".to_owned(),
        id: None,
    };
    let delivery = Delivery {
        source: "invoke".parse().unwrap(),
        via,
        body: request.to_string().into_bytes().into(),
    };
    match app.receive(delivery, deadline).await {
        Reply::Answers(answers) => json!(answers[0].1),
        other => panic!("{other:?}"),
    }
}

/// A ticket.
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
    folder: PathBuf,
    site: Site,
    url: &str,
    journal: &str,
    clock: &Clock,
    rates: (f64, f64),
) -> App {
    let policy = folder.join("policy");
    std::fs::create_dir_all(&policy).unwrap();
    std::fs::write(
        policy.join("all.cedar"),
        "@id(\"all\") permit (principal, action, resource);\n",
    )
    .unwrap();
    std::fs::write(policy.join("entities.json"), "[]").unwrap();
    let site = match site {
        Site::Intl => "intl",
        Site::Cn => "cn",
    };
    let text = format!(
        "journal = \"{journal}\"\npolicy = \"policy\"\n[cloud]\nsite = \"{site}\"\nendpoint = \"{url}\"\n\
         [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\n"
    );
    let file = folder.join("sharehook.toml");
    std::fs::write(&file, text).unwrap();
    let pairs = [
        ("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID),
        ("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY),
    ];
    let vars: Vars = pairs
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    let mut config = Config::load(&file, &vars).unwrap();
    // Beyond the published rates on purpose: the sandbox of most tests has none.
    (
        config.cloud.lighthouse_per_second,
        config.cloud.cvm_per_second,
    ) = rates;
    Prepared::new(config)
        .unwrap()
        .with_patience(short())
        .open(&vars, clock.clone())
        .await
        .unwrap()
}
