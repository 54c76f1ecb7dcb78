//! The real binary, as an operator starts it: `serve` on loopback against a sandbox of the test's
//! own. In: a configuration's sources. Out: HTTP answers, the sandbox's calls and state, the
//! journal's folder.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::domain::Timestamp;
use sharehook::inbound::{SchemeName, SchemeSpec, sign};
use sharehook_sandbox::{
    Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions, Site,
};
use tempfile::TempDir;

/// Secrets of the test's sources; each is long enough for a production source.
pub(crate) const NATIVE_SECRET: &str = "whsec_dGVzdC1vbmx5LW5hdGl2ZS1zZWNyZXQtMDEyMzQ1Njc=";
pub(crate) const JIRA_SECRET: &str = "test-only-jira-secret-0123456789";
pub(crate) const GITHUB_SECRET: &str = "test-only-github-secret-0123456789";
pub(crate) const HELPDESK_TOKEN: &str = "test-only-helpdesk-token-0123456789abcdef";
pub(crate) const QUEUE_ARN: &str = "arn:aws:sqs:us-east-1:000000000000:share-requests";
/// An account that the test's policy allows and the sandbox does not know.
pub(crate) const STRANGER: &str = "999000000001";

/// A started service. Everything ends with it.
pub(crate) struct Service {
    child: Child,
    pub(crate) url: String,
    pub(crate) folder: TempDir,
    pub(crate) cloud: Running,
    client: reqwest::Client,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

pub(crate) fn now() -> Timestamp {
    sharehook::clock::system_now()
}

/// Configuration, policy and maps of the repository's samples, in a folder of their own.
pub(crate) fn write_folder(folder: &Path, endpoint: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(folder.join("policy")).unwrap();
    for entry in std::fs::read_dir(root.join("policy")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, folder.join("policy").join(path.file_name().unwrap())).unwrap();
        }
    }
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

/// The binary with the test's variables and nothing else that it reads.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
    command.env_clear().current_dir(folder);
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

/// The headers with which `body` is a delivery of this scheme.
pub(crate) fn signed(
    scheme: SchemeName,
    secret: &str,
    id: &str,
    body: &str,
) -> Vec<(String, String)> {
    let secret = SecretString::from(secret.to_owned());
    sign(
        &SchemeSpec::preset(scheme),
        &secret,
        body.as_bytes(),
        id,
        now(),
    )
    .unwrap()
}

impl Service {
    pub(crate) async fn start() -> Self {
        Self::with(SandboxOptions::seeded(sharehook::clock::system_now)).await
    }

    pub(crate) async fn with(options: SandboxOptions) -> Self {
        Self::on(options, |_| {}).await
    }

    /// After `prepare` has changed what lies in the folder.
    pub(crate) async fn prepared(prepare: impl Fn(&Path)) -> Self {
        Self::on(
            SandboxOptions::seeded(sharehook::clock::system_now),
            prepare,
        )
        .await
    }

    async fn on(options: SandboxOptions, prepare: impl Fn(&Path)) -> Self {
        let site = options.behaviour.site;
        let cloud = Sandbox::start(options).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_folder(folder.path(), &cloud.url());
        if site == Site::Cn {
            let file = folder.path().join("sharehook.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, text.replace("\"intl\"", "\"cn\"")).unwrap();
        }
        prepare(folder.path());
        let mut child = command(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = "listening on ";
        let url = lines
            .find_map(|line| line.unwrap().strip_prefix(said).map(str::to_owned))
            .expect("an address");
        let client = sharehook::cloud::http_client().unwrap();
        Self {
            child,
            url,
            folder,
            cloud,
            client,
        }
    }

    /// One delivery over HTTP.
    pub(crate) async fn post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Answer {
        self.try_post(path, headers, body).await.unwrap()
    }

    /// The same where the connection may end before the answer is seen.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.post(format!("{}{path}", self.url)).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let retry_after = answer
            .headers()
            .get("retry-after")
            .map(|v| v.to_str().unwrap().to_owned());
        let text = answer.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            status,
            retry_after,
            body,
        })
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A native request, signed by the source `native`.
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

    /// A command of the same binary on the same folder.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        command(self.folder.path()).args(args).output().unwrap()
    }

    /// How many calls of `action` the sandbox has carried out.
    pub(crate) fn carried_out(&self, action: &str) -> usize {
        self.cloud
            .calls()
            .iter()
            .filter(|call| call.action == action && call.carried_out)
            .count()
    }

    pub(crate) fn called(&self, action: &str) -> bool {
        self.cloud.calls().iter().any(|call| call.action == action)
    }

    pub(crate) fn blueprint_accounts(&self, id: &str) -> Vec<String> {
        let world = self.cloud.state();
        let blueprint = world.regions["ap-singapore"].blueprints.get(id);
        blueprint
            .map(|b| b.shares.keys().cloned().collect())
            .unwrap_or_default()
    }

    pub(crate) fn image_accounts(&self, id: &str) -> Vec<String> {
        self.cloud.state().regions["ap-singapore"].images[id]
            .shares
            .keys()
            .cloned()
            .collect()
    }

    /// The processes of the files below the journal's `requests`.
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

impl Drop for Service {
    fn drop(&mut self) {
        // The process is this test's own.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A share request that the sample policy allows, with some fields changed.
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
