//! The real binary as processes: each listens on a free port and is killed by its own id when the
//! test ends.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::Value;
use sharehook::clock;
use sharehook::inbound::{SchemeName, SchemeSpec, sign};

use super::http::{Headers, send};
use super::variables;

/// A process of the binary; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// The address that it printed; empty when it was not waited for.
    pub(crate) url: String,
    /// Output that nobody reads.
    unread: Option<Lines<BufReader<ChildStdout>>>,
}

impl Process {
    /// `sharehook sandbox`, of the site that can tell who has a blueprint.
    pub(crate) fn sandbox() -> Self {
        let arguments = ["sandbox", "--site", "cn", "--listen", "127.0.0.1:0"];
        let mut command = command(Path::new("."), &arguments);
        Self::listening(&mut command, "stand-in cloud on ").0
    }

    /// `sharehook serve` with the configuration in `folder` and a laptop's variables.
    pub(crate) fn serve(folder: &Path) -> Self {
        Self::serving(&mut command(folder, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// A command that serves. The rest of its output is thrown away, or a full pipe would stop it.
    pub(crate) fn serving(command: &mut Command) -> Self {
        let (process, lines) = Self::listening(command, "listening on ");
        std::thread::spawn(move || lines.for_each(drop));
        process
    }

    /// The same with its log in `file`.
    pub(crate) fn logging_to(command: &mut Command, file: std::fs::File) -> Self {
        let (process, lines) = Self::piped(command, file.into(), "listening on ");
        std::thread::spawn(move || lines.for_each(drop));
        process
    }

    /// A command that prints its address behind `before`, and the rest of what it prints.
    pub(crate) fn listening(
        command: &mut Command,
        before: &str,
    ) -> (Self, Lines<BufReader<ChildStdout>>) {
        Self::piped(command, Stdio::null(), before)
    }

    fn piped(
        command: &mut Command,
        stderr: Stdio,
        before: &str,
    ) -> (Self, Lines<BufReader<ChildStdout>>) {
        command.stdout(Stdio::piped()).stderr(stderr);
        let mut process = Self::start(command);
        let mut lines = BufReader::new(process.child.stdout.take().unwrap()).lines();
        process.url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(before).map(|url| url.trim().to_owned()))
            .expect("it prints its address");
        (process, lines)
    }

    /// A command that serves, and whose output is not read from its address on.
    pub(crate) fn unread(command: &mut Command) -> Self {
        let (mut process, lines) = Self::piped(command, Stdio::piped(), "listening on ");
        process.unread = Some(lines);
        process
    }

    /// A command that is not waited for.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self {
            child: command.spawn().expect("the binary starts"),
            url: String::new(),
            unread: None,
        }
    }

    /// The process's id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: nothing in it runs any more when this returns.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        let id = self.id().to_string();
        let done = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(done.success());
    }

    /// Waits for the end of the process: its exit code, and how long it took.
    pub(crate) async fn ended(&mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status.code(), began.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the process does not end");
    }

    /// The JSON behind a path of its address.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = send(&self.url, "GET", path, &[], Vec::new()).await;
        answer.unwrap().body
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process is this test's own.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary in `folder`, without variables.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    command
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).envs(variables());
    command
}

/// A command of the binary that is killed after so long, if it runs as long; whether it did.
pub(crate) fn run_and_kill(folder: &Path, arguments: &[&str], after: Duration) -> bool {
    let mut command = command(folder, arguments);
    let mut process = Process::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    std::thread::sleep(after);
    process.child.kill().unwrap();
    !process.child.wait().unwrap().success()
}

/// A command of the binary to its end, with the configuration in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// A signed delivery over HTTP: the status and the body, or nothing when no answer came.
pub(crate) async fn post(url: &str, request: &Value) -> Option<(u16, Value)> {
    let body = request.to_string();
    let (secret, id) = (
        &variables()["NATIVE_WEBHOOK_SECRET"],
        request["id"].as_str().unwrap(),
    );
    let headers = signed(SchemeName::StandardWebhooks, secret, id, &body);
    let answer = send(url, "POST", "/hooks/native", &headers, body)
        .await
        .ok()?;
    answer
        .body
        .is_object()
        .then_some((answer.status, answer.body))
}

/// The headers with which `body` is a delivery of this scheme.
pub(crate) fn signed(scheme: SchemeName, secret: &str, id: &str, body: &str) -> Headers {
    let (spec, secret) = (SchemeSpec::preset(scheme), SecretString::from(secret));
    sign(&spec, &secret, body.as_bytes(), id, clock::system_now()).unwrap()
}
