//! Runs the real binary as an operator starts it. `Site` is a sandbox and a folder with a
//! configuration for it; `Service` runs `serve` there. Tests examine HTTP answers, the sandbox's
//! calls and state, and the journal's folder.

use std::ops::Deref;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};
use sharehook::clock::system_now;
use sharehook::domain::Timestamp;
use sharehook::inbound::SchemeName;
use sharehook_sandbox::{Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions};
use tempfile::TempDir;

use super::http::{Answer, send};
use super::process::{Finish as _, Process, program, signed};
use super::{REGION, configure_site, copy_policy};

/// Secrets of the test's sources. Each has the length that a production source requires.
pub(crate) const NATIVE_SECRET: &str = "whsec_dGVzdC1vbmx5LW5hdGl2ZS1zZWNyZXQtMDEyMzQ1Njc=";
pub(crate) const JIRA_SECRET: &str = "test-only-jira-secret-0123456789";
pub(crate) const GITHUB_SECRET: &str = "test-only-github-secret-0123456789";
pub(crate) const HELPDESK_TOKEN: &str = "test-only-helpdesk-token-0123456789abcdef";
pub(crate) const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:share-requests";
/// An account that the test's policy allows and that the sandbox does not have.
pub(crate) const STRANGER: &str = "999000000001";

/// A sandbox, and a folder with a configuration for it. Dropping the value ends both.
pub(crate) struct Site {
    pub(crate) cloud: Running,
    pub(crate) folder: TempDir,
}

/// A running `serve` with the configuration of a site.
pub(crate) struct Service {
    site: Site,
    pub(crate) process: Process,
    pub(crate) url: String,
}

pub(crate) fn now() -> Timestamp {
    system_now()
}

/// Writes configuration, policy and maps of the repository's samples to `folder`.
pub(crate) fn write_folder(folder: &Path, endpoint: &str) {
    copy_policy(folder);
    let entities = folder.join("policy").join("entities.json");
    let text = std::fs::read_to_string(&entities).unwrap();
    let line = text
        .lines()
        .find(|line| line.contains("700000000012"))
        .expect("a staging account");
    std::fs::write(
        entities,
        text.replacen(
            line,
            &format!("{}\n{line}", line.replace("700000000012", STRANGER)),
            1,
        ),
    )
    .unwrap();
    let text = format!(
        r#"journal = "file:journal"
policy = "policy"
[cloud]
site = "intl"
endpoint = "{endpoint}"
[[source]]
name = "native"
scheme = "standard-webhooks"
secrets = ["env:NATIVE_SECRET", "env:OLD_NATIVE_SECRET"]
[[source]]
name = "jira"
scheme = "jira"
secrets = ["env:JIRA_SECRET"]
map = "jira"
[[source]]
name = "github"
scheme = "github"
secrets = ["env:GITHUB_SECRET"]
map = "github"
[[source]]
name = "helpdesk"
scheme = "token"
secrets = ["env:HELPDESK_TOKEN"]
[[source]]
name = "queue"
scheme = "trusted"
from = ["{QUEUE_ARN}"]
[[source]]
name = "invoke"
scheme = "trusted"
from = ["invoke"]
"#
    );
    std::fs::write(folder.join("sharehook.toml"), text).unwrap();
}

/// The binary with the test's environment variables and no others.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = program(folder);
    command.envs([
        ("NATIVE_SECRET", NATIVE_SECRET),
        (
            "OLD_NATIVE_SECRET",
            "whsec_dGVzdC1vbmx5LW9sZC1zZWNyZXQtMDEyMzQ1Njc4OTA=",
        ),
        ("JIRA_SECRET", JIRA_SECRET),
        ("GITHUB_SECRET", GITHUB_SECRET),
        ("HELPDESK_TOKEN", HELPDESK_TOKEN),
        ("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID),
        ("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY),
    ]);
    command
}

impl Site {
    pub(crate) async fn new(options: SandboxOptions, prepare: impl Fn(&Path)) -> Self {
        let site = options.behaviour.site;
        let cloud = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_folder(folder.path(), &cloud.url());
        configure_site(folder.path(), site);
        prepare(folder.path());
        Self { cloud, folder }
    }

    /// A site whose sources `queue` and `bus` trust these origins.
    pub(crate) async fn trusting(queue: &[&str], bus: &[&str]) -> Self {
        let prepare = |folder: &Path| trust(folder, queue, bus);
        Self::new(SandboxOptions::seeded(system_now), prepare).await
    }

    pub(crate) fn command(&self) -> Command {
        command(self.folder.path())
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).finish()
    }

    /// Runs `sharehook invoke`. Returns its exit code and its output.
    pub(crate) fn invoke(&self, event: &Value) -> (i32, String) {
        std::fs::write(self.folder.path().join("event.json"), event.to_string()).unwrap();
        let done = self
            .command()
            .env("JIRA_SECRET", "local-jira-secret-for-a-laptop-only")
            .args(["invoke", "event.json", "--json"])
            .finish();
        let text = String::from_utf8(done.stdout).unwrap();
        (done.status.code().unwrap(), text.trim().to_owned())
    }

    pub(crate) fn answered(&self, event: &Value) -> Value {
        let (code, text) = self.invoke(event);
        assert_eq!(code, 0, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) fn carried_out(&self, action: &str) -> usize {
        let calls = self.cloud.calls();
        let carried_out = calls.iter().filter(|call| call.carried_out);
        carried_out.filter(|call| call.action == action).count()
    }

    pub(crate) fn called(&self, action: &str) -> bool {
        self.cloud.calls().iter().any(|call| call.action == action)
    }

    pub(crate) fn blueprint_accounts(&self, id: &str) -> Vec<String> {
        self.cloud.state().blueprint_accounts(REGION, id)
    }

    pub(crate) fn image_accounts(&self, id: &str) -> Vec<String> {
        self.cloud.state().image_accounts(REGION, id)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        super::search_what_stayed(self.folder.path(), &self.cloud);
    }
}

impl Deref for Service {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(SandboxOptions::seeded(system_now)).await
    }

    pub(crate) async fn with(options: SandboxOptions) -> Self {
        Self::on(Site::new(options, |_| {}).await)
    }

    /// Starts a service after `prepare` has edited its folder.
    pub(crate) async fn prepared(prepare: impl Fn(&Path)) -> Self {
        Self::on(Site::new(SandboxOptions::seeded(system_now), prepare).await)
    }

    fn on(site: Site) -> Self {
        let mut command = site.command();
        let process = Process::serving(command.args(["serve", "--listen", "127.0.0.1:0"]));
        let url = process.url.clone();
        Self { site, process, url }
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Answer {
        self.try_post(path, headers, body).await.unwrap()
    }

    /// Sends one delivery over HTTP. Returns an error if the connection closes before the answer is
    /// read.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        send(&self.url, "POST", path, headers, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = send(&self.url, "GET", path, &[], Vec::new()).await.unwrap();
        let text = answer.body.as_str().map(str::to_owned);
        (
            answer.status,
            text.unwrap_or_else(|| answer.body.to_string()),
        )
    }

    /// Sends a native request, signed as the source `native`.
    pub(crate) async fn native(&self, request: &Value) -> Answer {
        self.native_as(
            &format!("msg_{}", request["id"].as_str().unwrap_or("none")),
            request,
        )
        .await
    }

    pub(crate) async fn native_as(&self, delivery: &str, request: &Value) -> Answer {
        let body = request.to_string();
        let headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, delivery, &body);
        self.post("/hooks/native", &headers, body.into_bytes())
            .await
    }

    /// Counts the files in the folders of all requests of the journal.
    pub(crate) fn records(&self) -> usize {
        let requests = self.folder.path().join("journal").join("requests");
        let Ok(streams) = std::fs::read_dir(requests) else {
            return 0;
        };
        streams
            .map(|stream| std::fs::read_dir(stream.unwrap().path()).unwrap().count())
            .sum()
    }
}

/// Lets the origins `queue` send native requests, and the origins `bus` send events to a map that
/// reads `detail` or `data`.
pub(crate) fn trust(folder: &Path, queue: &[&str], bus: &[&str]) {
    let config = folder.join("sharehook.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace(
        &format!("from = [\"{QUEUE_ARN}\"]"),
        &format!("from = {queue:?}"),
    );
    let bus = format!(
        "[[source]]\nname = \"bus\"\nscheme = \"trusted\"\nfrom = {bus:?}\nmap = \"bus.jq\"\n"
    );
    std::fs::write(&config, text + &bus).unwrap();
    std::fs::write(folder.join("bus.jq"), ".detail // .data").unwrap();
    like_the_queue(folder, "bus", "trusted");
}

/// Gives the source `name` the entities that the sample policy has for the source `queue`.
pub(crate) fn like_the_queue(folder: &Path, name: &str, scheme: &str) {
    let path = folder.join("policy/entities.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<String> = text
        .lines()
        .flat_map(|line| {
            let copy = (line.contains("\"queue\"") || line.contains("\"queue/")).then(|| {
                line.replace("\"queue", &format!("\"{name}"))
                    .replace("\"trusted\"", &format!("{scheme:?}"))
            });
            [Some(line.to_owned()), copy].into_iter().flatten()
        })
        .collect();
    std::fs::write(path, lines.join("\n")).unwrap();
}

pub(crate) fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A share request that the sample policy allows. The fields of `changes` replace its fields.
pub(crate) fn request(id: &str, changes: Value) -> Value {
    let mut request = json!({
        "id": id, "action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
        "accounts": ["700000164995", "1038493875"], "requester": "alice@example.com", "approvers": ["bob@example.com"]
    });
    for (name, value) in changes.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}
