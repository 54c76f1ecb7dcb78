//! The real binary as processes: sandbox and service, each on a free port, ended by their own id.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use secrecy::SecretString;
use serde_json::Value;
use sharehook::clock;
use sharehook::inbound::{SchemeSpec, sign};

use super::variables;

/// A process of the binary; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// The first address that it printed.
    pub(crate) url: String,
}

impl Process {
    /// `sharehook sandbox`, of the site that can tell who has a blueprint.
    pub(crate) fn sandbox() -> Self {
        Self::start(
            &["sandbox", "--site", "cn", "--listen", "127.0.0.1:0"],
            Path::new("."),
            "stand-in cloud on ",
        )
    }

    /// `sharehook serve` with the configuration in `folder`.
    pub(crate) fn serve(folder: &Path) -> Self {
        Self::start(
            &["serve", "--listen", "127.0.0.1:0"],
            folder,
            "listening on ",
        )
    }

    fn start(arguments: &[&str], folder: &Path, before: &str) -> Self {
        let mut child = command(folder, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.starts_with(before));
        let url = line.expect("it prints its address")[before.len()..]
            .trim()
            .to_owned();
        // The rest of its output must go somewhere, or a full pipe stops it.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// SIGKILL: nothing in it runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The JSON behind an address of its own.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let client = sharehook::app::http_client().unwrap();
        let answer = client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs(variables())
        .stdin(Stdio::null());
    command
}

/// A command of the binary that is killed after so long, if it runs as long; whether it did.
pub(crate) fn run_and_kill(folder: &Path, arguments: &[&str], after: std::time::Duration) -> bool {
    let mut command = command(folder, arguments);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// A command of the binary to its end, with the configuration in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// A signed delivery over HTTP: the status and the body, or nothing when no answer came.
pub(crate) async fn post(
    client: &reqwest::Client,
    url: &str,
    request: &Value,
) -> Option<(u16, Value)> {
    let body = request.to_string();
    let scheme: SchemeSpec = serde_json::from_value(Value::from("standard-webhooks")).unwrap();
    let secret = SecretString::from(variables()["NATIVE_WEBHOOK_SECRET"].clone());
    let id = request["id"].as_str().unwrap();
    let headers = sign(&scheme, &secret, body.as_bytes(), id, clock::system_now()).unwrap();
    let mut post = client.post(format!("{url}/hooks/native")).body(body);
    for (name, value) in headers {
        post = post.header(name, value);
    }
    let answer = post.send().await.ok()?;
    let status = answer.status().as_u16();
    let body = serde_json::from_slice(&answer.bytes().await.ok()?).ok()?;
    Some((status, body))
}
