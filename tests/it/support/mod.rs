//! The harness of the integration tests and benchmarks. `World` is a whole application over a
//! sandbox. The test controls its clock, its store and its cloud.
#![allow(dead_code)] // Each test file uses only a part of the harness.

pub(crate) mod approvals;
pub(crate) mod cloud;
pub(crate) mod docs;
pub(crate) mod feishu;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod http;
pub(crate) mod notification_receiver;
pub(crate) mod process;
pub(crate) mod secrets;
pub(crate) mod service;
pub(crate) mod stops;
pub(crate) mod store;
pub(crate) mod tickets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sharehook::app::{
    Answer, App, Backoff, Deadline, Delivery, Ending, Patience, Prepared, Reply, Via, open_journal,
    signer,
};
use sharehook::clock::{self, Clock};
use sharehook::config::{AwsSecrets, Config, Vars};
use sharehook::domain::Timestamp;
use sharehook::journal::Journal;
use sharehook::journal::log::NoteSigner;
use sharehook_sandbox::{
    Call, RateLimits, Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions, Site,
};

use store::{Brittle, Fuse};

pub(crate) const REGION: &str = "ap-singapore";
pub(crate) const BLUEPRINT: &str = "lhbp-6jc6l8yb";
/// The CVM image that becomes the blueprint `CHAINED` when it is made available in Lighthouse.
pub(crate) const CHAIN_IMAGE: &str = "img-xkd784jw";
pub(crate) const CHAINED: &str = "lhbp-su83x02a";
pub(crate) const CVM_IMAGE: &str = "img-6pb6lrmy";
pub(crate) const ACCOUNTS: [&str; 3] = ["700000164995", "1038493875", "909619400"];
/// An account in no group: the policy denies a share with it.
pub(crate) const STRANGER: &str = "123456789012";
/// The first instant of a world's clock.
pub(crate) const START: &str = "2026-11-21T08:00:00Z";

/// Where a world stores its journal.
pub(crate) enum Place<'a> {
    /// In memory. A [`Fuse`] can break the store. Nothing is sealed.
    Brittle,
    /// In memory, with a [`Fuse`]. A sweep seals when the last seal is an hour old.
    Sealed,
    /// At any place that the configuration accepts.
    At(&'a str),
}

/// An application with a sandbox of its own.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) cloud: Running,
    pub(crate) clock: Clock,
    pub(crate) fuse: Arc<Fuse>,
    pub(crate) journal: Journal,
    pub(crate) app: App,
    prepared: Arc<Prepared>,
    patience: Option<Patience>,
    vars: Vars,
}

impl World {
    /// A world with its journal in memory.
    pub(crate) async fn new() -> Self {
        Self::with(Place::Brittle, |_| ()).await
    }

    /// Creates a world with its journal in `place`. `change` edits the sandbox's options, except
    /// for the rate limits, which stay off.
    pub(crate) async fn with(place: Place<'_>, change: impl FnOnce(&mut SandboxOptions)) -> Self {
        // This site lists the accounts of a blueprint. Tests that need the other site change it.
        let mut options = SandboxOptions::seeded(clock::system_now).on(Site::Cn);
        change(&mut options);
        options.behaviour.rate_limits = RateLimits::OFF;
        let site = options.behaviour.site;
        let cloud = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let at = if let Place::At(text) = place {
            text.to_owned()
        } else {
            "memory:".to_owned()
        };
        write_configuration(folder.path(), site, &cloud.url(), &at);
        let vars = variables();
        secrets::hand_out_variables(
            vars.iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let mut config = Config::load(
            &folder.path().join("sharehook.toml"),
            &vars,
            &AwsSecrets::new(),
        )
        .unwrap();
        // Set rates above the published ones, so that tests need not wait. A configuration file
        // cannot do that.
        (
            config.cloud.lighthouse_per_second,
            config.cloud.cvm_per_second,
        ) = (1000.0, 1000.0);
        match place {
            Place::Brittle => config.seal = None,
            Place::Sealed => {
                let key = NoteSigner::pem(&[7; 32]);
                std::fs::write(folder.path().join("seal.key"), key.expose_secret()).unwrap();
            }
            Place::At(_) => {}
        }
        let fuse = Arc::new(Fuse::default());
        let journal = match place {
            Place::Brittle | Place::Sealed => {
                Journal::over(Arc::new(Brittle::new(Arc::clone(&fuse))))
            }
            Place::At(_) => open_journal(&config, &vars).unwrap(),
        };
        let prepared = Arc::new(Prepared::new(config).unwrap());
        let clock = Clock::at(START.parse().unwrap());
        let app = open(&prepared, &journal, &vars, &clock);
        Self {
            folder,
            cloud,
            clock,
            fuse,
            journal,
            app,
            prepared,
            patience: None,
            vars,
        }
    }

    /// Restores an empty journal in memory, the seeded cloud and the clock's first instant. Faster
    /// than building a new world.
    pub(crate) async fn reset(&mut self) {
        self.cloud
            .edit(|world| *world = sharehook_sandbox::World::seeded());
        self.clear_faults().await;
        self.cloud.forget_calls();
        self.fuse = Arc::new(Fuse::default());
        self.journal = Journal::over(Arc::new(Brittle::new(Arc::clone(&self.fuse))));
        self.clock.set(START.parse().unwrap());
        self.restart();
        // The first sweep of an empty journal begins the index. Later sweeps read the index only.
        self.sweep().await;
        self.fuse.arm(u64::MAX, store::Break::FailBefore);
    }

    pub(crate) async fn clear_faults(&self) {
        let client = sharehook::app::http_client().unwrap();
        // On a busy machine even a call over loopback may exceed the client's timeout.
        for attempt in 0..5 {
            let cleared = client
                .delete(format!("{}/sandbox/faults", self.cloud.url()))
                .send()
                .await;
            assert!(cleared.is_ok() || attempt < 4, "{cleared:?}");
            if cleared.is_ok() {
                break;
            }
        }
    }

    /// Replaces the application by a new process on the same journal and cloud.
    pub(crate) fn restart(&mut self) {
        self.app = self.another();
    }

    /// Edits `entities.json` with `change`, and restarts the application with the new policies.
    pub(crate) fn change_entities(&mut self, change: impl FnOnce(String) -> String) {
        let file = self.folder.path().join("policy/entities.json");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(text)).unwrap();
        self.prepare_again();
    }

    /// From now on retries and polls wait only a millisecond.
    pub(crate) fn hurry(&mut self) {
        let moment = Duration::from_millis(1);
        self.patience = Some(Patience {
            backoff: Backoff {
                base: moment,
                cap: moment,
                tries: 6,
            },
            normal_pause: moment,
            normal_polls: 2,
        });
        self.prepare_again();
    }

    /// Restarts the application with the configuration of the world's folder, followed by `text`.
    pub(crate) fn configure(&mut self, text: &str) {
        let file = self.folder.path().join("sharehook.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        let text = format!("{before}\n{text}");
        let shown = file.display().to_string();
        let read = Config::read(&shown, &text, &self.vars, &AwsSecrets::new()).unwrap();
        let old = self.prepared.config().clone();
        let config = Config {
            cloud: old.cloud,
            seal: old.seal,
            ..read
        };
        self.prepared = Arc::new(Prepared::new(config).unwrap());
        self.restart();
    }

    /// Replaces `from` by `to` in the configuration file, and restarts the application with it.
    pub(crate) fn rewrite_configuration(&mut self, from: &str, to: &str) {
        let file = self.folder.path().join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(file, text.replace(from, to)).unwrap();
        self.configure("");
    }

    /// Adds the laptop's source of this name to the configuration file.
    pub(crate) fn add_source(&mut self, name: &str) {
        let laptop = laptop_configuration();
        let named = |source: &&str| {
            let first = source.trim_start().lines().next();
            first.is_some_and(|line| line.contains(&format!("= \"{name}\"")))
        };
        let source = laptop.split("[[source]]").find(named).unwrap();
        let file = self.folder.path().join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, format!("{text}\n[[source]]{source}")).unwrap();
    }

    /// Removes the sources for which `keep` returns `false` from the configuration file.
    pub(crate) fn keep_sources(&mut self, keep: impl Fn(&str) -> bool) {
        let file = self.folder.path().join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let mut parts = text.split("[[source]]");
        let first = parts.next().unwrap();
        let kept: String = parts
            .filter(|source| keep(source))
            .map(|source| format!("[[source]]{source}"))
            .collect();
        std::fs::write(file, format!("{first}{kept}")).unwrap();
    }

    /// Sets an environment variable for the next [`World::configure`].
    pub(crate) fn set_variable(&mut self, name: &str, value: &str) {
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Delivers the notifications of this process's requests.
    pub(crate) async fn notify(&self) {
        self.app.notify_before_answer(deadline()).await;
    }

    fn prepare_again(&mut self) {
        let prepared = Prepared::new(self.prepared.config().clone()).unwrap();
        self.prepared = Arc::new(match self.patience {
            Some(patience) => prepared.with_patience(patience),
            None => prepared,
        });
        self.restart();
    }

    /// Restores the shipped `entities.json` after [`World::change_entities`].
    pub(crate) fn restore_entities(&mut self) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy/entities.json");
        let text = std::fs::read_to_string(shipped).unwrap();
        self.change_entities(|_| text);
    }

    /// Starts another process on the same journal and cloud, while the first one continues.
    pub(crate) fn another(&self) -> App {
        open(&self.prepared, &self.journal, &self.vars, &self.clock)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock
            .set(self.clock.now() + jiff::SignedDuration::from_secs(seconds));
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Delivers a request by a direct invocation.
    pub(crate) async fn deliver(&self, request: &Value) -> (Ending, Answer) {
        deliver(&self.app, request).await
    }

    pub(crate) async fn sweep(&self) -> sharehook::app::SweepReport {
        self.app.sweep(deadline()).await.unwrap()
    }

    /// The accounts that a blueprint is shared with.
    pub(crate) fn has(&self, blueprint: &str) -> Vec<String> {
        self.cloud.state().blueprint_accounts(REGION, blueprint)
    }

    /// The accounts that a CVM image is shared with.
    pub(crate) fn has_image(&self, image: &str) -> Vec<String> {
        self.cloud.state().image_accounts(REGION, image)
    }

    /// The accounts of each shared image and blueprint of the region, and what is in Lighthouse.
    pub(crate) fn shares(&self) -> BTreeMap<String, Vec<String>> {
        let state = self.cloud.state();
        let stock = &state.regions[REGION];
        let blueprints = stock.blueprints.iter().map(|(id, b)| (id, &b.shares));
        let images = stock.images.iter().map(|(id, i)| (id, &i.shares));
        let held = blueprints
            .chain(images)
            .filter(|(_, shares)| !shares.is_empty());
        let mut all: BTreeMap<String, Vec<String>> = held
            .map(|(id, shares)| (id.clone(), shares.keys().cloned().collect()))
            .collect();
        for (id, image) in &stock.images {
            if let Some(blueprint) = &image.published {
                all.insert(format!("{id} in Lighthouse"), vec![blueprint.clone()]);
            }
        }
        all
    }

    /// How often each change was carried out, by action, image and account.
    pub(crate) fn effects(&self) -> BTreeMap<String, usize> {
        effects(&self.cloud.calls())
    }

    /// Verifies the whole journal, and its seals if it is sealed.
    pub(crate) async fn verify(&self) -> Result<(), String> {
        let signer = signer(self.app.config()).map_err(|problem| problem.to_string())?;
        let report = match signer {
            Some(signer) => self.journal.verify_sealed(signer.verifier(), None).await,
            None => self.journal.verify().await,
        };
        let report = report.map_err(|error| error.to_string())?;
        if report.clean() {
            Ok(())
        } else {
            Err(format!("{:?}", report.findings))
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        search_what_stayed(self.folder.path(), &self.cloud);
    }
}

/// Searches the journal in `folder` and the notifications in `cloud` for secrets.
fn search_what_stayed(folder: &Path, cloud: &Running) {
    secrets::assert_none_below(&folder.join("journal"));
    for letter in cloud.letters() {
        secrets::assert_none_in("a notification", letter.body.as_bytes());
    }
}

fn open(prepared: &Arc<Prepared>, journal: &Journal, vars: &Vars, clock: &Clock) -> App {
    Prepared::open_over(Arc::clone(prepared), journal.clone(), vars, clock.clone()).unwrap()
}

/// A deadline that no step of a test reaches.
pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(40))
}

/// The delivery of a native request by a direct invocation.
pub(crate) fn invocation(request: &Value) -> Delivery {
    Delivery {
        source: "invoke".parse().unwrap(),
        via: Via::Host {
            origin: "invoke".to_owned(),
            id: None,
        },
        body: request.to_string().into_bytes().into(),
    }
}

/// Delivers a request to `app` by a direct invocation, and returns the only answer.
pub(crate) async fn deliver(app: &App, request: &Value) -> (Ending, Answer) {
    match app.receive(invocation(request), deadline()).await {
        Reply::Answers(mut answers) if answers.len() == 1 => answers.remove(0),
        other => panic!("not one answer: {other:?}"),
    }
}

/// Returns a request that the sample policy allows. `change` replaces fields. A field whose value
/// is null is removed.
pub(crate) fn request(id: &str, change: Value) -> Value {
    let mut value = json!({
        "id": id, "action": "share", "image": BLUEPRINT, "region": REGION, "accounts": ACCOUNTS,
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": id,
    });
    for (name, field) in change.as_object().unwrap() {
        if field.is_null() {
            value.as_object_mut().unwrap().remove(name);
        } else {
            value[name] = field.clone();
        }
    }
    value
}

/// How often each change in `calls` was carried out, by action, image and account.
pub(crate) fn effects(calls: &[Call]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls
        .iter()
        .filter(|call| call.carried_out && !call.action.starts_with("Describe"))
    {
        let what = format!(
            "{}.{} {} {}",
            call.service, call.action, call.permission, call.image
        );
        let nobody = ["-".to_owned()];
        let receivers: &[String] = if call.accounts.is_empty() {
            &nobody
        } else {
            &call.accounts
        };
        for account in receivers {
            *counts.entry(format!("{what} {account}")).or_default() += 1;
        }
    }
    counts
}

/// The environment variables of a process on a laptop, including the keys that the sandbox accepts.
pub(crate) fn variables() -> Vars {
    let text = include_str!("../../../events/local.env");
    let pairs = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='));
    let mut vars: Vars = pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    vars.extend(sandbox_keys());
    vars
}

/// The environment variables that hold the keys which the sandbox accepts.
pub(crate) fn sandbox_keys() -> Vars {
    let pairs = [
        ("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID),
        ("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY),
    ];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

pub(crate) fn copy_policy(folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policy");
    let to = folder.join("policy");
    std::fs::create_dir_all(&to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Writes a configuration with the source `invoke` and a policy that allows everything. `cloud` is
/// text for the section `[cloud]`. Returns the configuration's file.
pub(crate) fn write_open_configuration(folder: &Path, journal: &str, cloud: &str) -> PathBuf {
    let policy = folder.join("policy");
    std::fs::create_dir_all(&policy).unwrap();
    let everything = "@id(\"everything\") permit (principal, action, resource);\n";
    std::fs::write(policy.join("everything.cedar"), everything).unwrap();
    std::fs::write(policy.join("entities.json"), "[]").unwrap();
    let text = format!(
        "journal = {journal:?}\n[cloud]\nsite = \"intl\"\n{cloud}\n\
         [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\n"
    );
    let file = folder.join("sharehook.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// Replaces the international site in the folder's configuration by `site`.
pub(crate) fn configure_site(folder: &Path, site: Site) {
    if site == Site::Cn {
        let file = folder.join("sharehook.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, text.replacen("\"intl\"", "\"cn\"", 1)).unwrap();
    }
}

fn laptop_configuration() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(root.join("sharehook.local.toml")).unwrap()
}

/// Writes the laptop's configuration with this cloud and journal, and the sample policy beside it.
/// Leaves out the sources with `fetch`, because the first sweep of a process makes paced calls for
/// each of them.
pub(crate) fn write_configuration(folder: &Path, site: Site, cloud: &str, journal: &str) {
    let laptop = laptop_configuration();
    let parts = laptop.split("[[source]]");
    let kept: Vec<&str> = parts.filter(|part| !part.contains("\nfetch ")).collect();
    let text = kept
        .join("[[source]]")
        .replace("http://127.0.0.1:18300", cloud)
        .replace("\"file:journal\"", &format!("{journal:?}"));
    std::fs::write(folder.join("sharehook.toml"), text).unwrap();
    configure_site(folder, site);
    copy_policy(folder);
    // The sample forbids some actions to unsigned sources. These tests send everything by a direct
    // invocation, which is unsigned.
    std::fs::remove_file(folder.join("policy/unsigned-sources.cedar")).unwrap();
    // Permit shares of the chain's blueprint even if the request is not a chain.
    let chained = format!(
        "@id(\"chained\") permit (principal in Share::Team::\"platform\", \
         action in [Share::Action::\"share\", Share::Action::\"cancel\"], \
         resource == Share::Image::\"{CHAINED}\");\n\
         @id(\"approve-any\") permit (principal in Share::Team::\"approvers\", \
         action == Share::Action::\"approve\", resource);\n"
    );
    std::fs::write(folder.join("policy/chained.cedar"), chained).unwrap();
}
