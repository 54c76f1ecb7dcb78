//! Runs the real binary as processes. Each server listens on a free port, and each process is
//! killed when the test drops it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Lines, Read, Write as _};
use std::iter::Inspect;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use serde_json::Value;
use sharehook::clock;
use sharehook::inbound::{SchemeName, SchemeSpec, sign};

use super::http::{Headers, send};
use super::{secrets, variables};

/// The lines of a process's standard output. Reading a line that contains a secret panics.
pub(crate) type Printed = Inspect<Lines<BufReader<ChildStdout>>, fn(&io::Result<String>)>;

/// A process of the binary, killed on drop. The harness searches all output that it reads for
/// secrets.
pub(crate) struct Process {
    child: Child,
    /// The address that the process printed. It is empty if the harness did not wait for it.
    pub(crate) url: String,
    /// Keeps the pipe of unread standard output open.
    unread: Option<Printed>,
    /// Threads that read the output until the process ends. They panic when they read a secret.
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Runs `sharehook sandbox` of the site that lists the accounts of a blueprint.
    pub(crate) fn sandbox() -> Self {
        let arguments = ["sandbox", "--site", "cn", "--listen", "127.0.0.1:0"];
        let mut command = command(Path::new("."), &arguments);
        Self::listening(&mut command, "stand-in cloud on ").0
    }

    /// Runs `sharehook serve` with the configuration in `folder` and the environment variables of a
    /// laptop.
    pub(crate) fn serve(folder: &Path) -> Self {
        Self::serving(&mut command(folder, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Runs a command that serves. Reads all its output, because a full pipe would block the
    /// process.
    pub(crate) fn serving(command: &mut Command) -> Self {
        let (mut process, lines) = Self::listening(command, "listening on ");
        process
            .readers
            .push(std::thread::spawn(move || lines.for_each(drop)));
        process
    }

    /// Runs a command that serves, and copies its log to `file`.
    pub(crate) fn logging_to(command: &mut Command, file: File) -> Self {
        let (mut process, lines) = Self::piped(command, "listening on ");
        process.read_log(Some(file));
        process
            .readers
            .push(std::thread::spawn(move || lines.for_each(drop)));
        process
    }

    /// Starts a command, and waits until it prints `before` and its address. Returns the rest of
    /// its standard output.
    pub(crate) fn listening(command: &mut Command, before: &str) -> (Self, Printed) {
        let (mut process, lines) = Self::piped(command, before);
        process.read_log(None);
        (process, lines)
    }

    fn piped(command: &mut Command, before: &str) -> (Self, Printed) {
        let mut process = Self::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let lines = BufReader::new(process.child.stdout.take().unwrap()).lines();
        let search: fn(&io::Result<String>) = |line| {
            let line = line.as_deref().unwrap_or_default();
            secrets::assert_none_in("a process's output", line.as_bytes());
        };
        let mut lines = lines.inspect(search);
        process.url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix(before).map(|url| url.trim().to_owned()))
            .expect("it prints its address");
        (process, lines)
    }

    /// Runs a command that serves. Reads none of its output after the address.
    pub(crate) fn unread(command: &mut Command) -> Self {
        let (mut process, lines) = Self::piped(command, "listening on ");
        process.unread = Some(lines);
        process
    }

    /// Runs a command without waiting for output. Reads the streams that are piped.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut process = Self::spawn(command);
        let stdout = process.child.stdout.take();
        let stderr = process.child.stderr.take();
        let readers = [
            stdout.map(|s| searched(s, None)),
            stderr.map(|s| searched(s, None)),
        ];
        process.readers = readers.into_iter().flatten().collect();
        process
    }

    fn spawn(command: &mut Command) -> Self {
        secrets::hand_out_to(command);
        Self {
            child: command.spawn().expect("the binary starts"),
            url: String::new(),
            unread: None,
            readers: Vec::new(),
        }
    }

    fn read_log(&mut self, copy: Option<File>) {
        let stderr = self.child.stderr.take().unwrap();
        self.readers.push(searched(stderr, copy));
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn terminate(&self) {
        let id = self.id().to_string();
        let done = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(done.success());
    }

    /// Waits until the process ends. Returns its exit code and how long the wait took.
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

    /// Returns the JSON at `path` of the process's address.
    pub(crate) async fn ask(&self, path: &str) -> Value {
        let answer = send(&self.url, "GET", path, &[], Vec::new()).await;
        answer.unwrap().body
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process was started by this test.
        drop(self.child.kill());
        drop(self.child.wait());
        for reader in self.readers.drain(..) {
            let searched = reader.join();
            assert!(
                searched.is_ok() || std::thread::panicking(),
                "the output shows a secret"
            );
        }
    }
}

/// Reads a stream to its end, searches each line for secrets, and copies the lines to `copy`.
fn searched(stream: impl Read + Send + 'static, mut copy: Option<File>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if let Some(file) = &mut copy {
                file.write_all(&[line.as_slice(), b"\n"].concat()).unwrap();
            }
            secrets::assert_none_in("a process's output", &line);
        }
    })
}

/// Runs a command to its end, and searches its output for secrets.
pub(crate) trait Finish {
    fn finish(&mut self) -> Output;
}

impl Finish for Command {
    #[track_caller]
    fn finish(&mut self) -> Output {
        secrets::hand_out_to(self);
        let output = self.output().unwrap();
        secrets::assert_none_in("a command's output", &output.stdout);
        secrets::assert_none_in("a command's log", &output.stderr);
        output
    }
}

/// The binary with `folder` as its working directory and almost no environment variables.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
    command.current_dir(folder).env_clear().stdin(Stdio::null());
    // Sweeps ask approval systems for missed instances. Nothing listens on the discard port.
    command.env("SHAREHOOK_FETCH_ENDPOINT", "http://127.0.0.1:9");
    command
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(folder);
    command.args(arguments).envs(variables());
    command
}

/// Runs a command and kills it after `after`. Returns whether it was still running or had failed.
pub(crate) fn run_and_kill(folder: &Path, arguments: &[&str], after: Duration) -> bool {
    let mut command = command(folder, arguments);
    let mut process = Process::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    std::thread::sleep(after);
    process.child.kill().unwrap();
    !process.child.wait().unwrap().success()
}

/// Runs a command until it ends, with the configuration in `folder`.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).finish()
}

/// Sends a signed delivery over HTTP. Returns status and body, or `None` if there was no answer.
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

pub(crate) fn signed(scheme: SchemeName, secret: &str, id: &str, body: &str) -> Headers {
    let (spec, secret) = (SchemeSpec::preset(scheme), SecretString::from(secret));
    sign(&spec, &secret, body.as_bytes(), id, clock::system_now()).unwrap()
}
