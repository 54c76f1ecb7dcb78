//! What every command prints at 80 columns. `tests/captures/commands.txt` is a session in one
//! folder, starting with `init`: this test runs its commands in order and compares their output.
//! With `SHAREHOOK_WRITE_CAPTURES=1` it writes the output to that file instead; review the
//! difference then.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use regex::{Captures, Regex};
use serde_json::json;
use sharehook::clock::system_now;
use sharehook_sandbox::{Sandbox, SandboxOptions};
use unicode_width::UnicodeWidthStr as _;

use crate::support::process::Finish as _;
use crate::support::{ACCOUNTS, request, sandbox_keys};

const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/commands.txt");
/// Commands whose output is meant for a shell or a program, such as code, arguments of `curl`,
/// records, signed notes and keys.
const FOR_PROGRAMS: [&str; 5] = [
    "completions",
    "sign",
    "audit export",
    "audit seal",
    "audit key",
];

/// Texts that differ from run to run. Their digits become zeros, or their letters and digits become
/// x. The width is unchanged, so that tables keep their columns.
const VOLATILE: [(&str, &str); 6] = [
    (
        r"\b20\d\d-\d\d-\d\d([T ]\d\d:\d\d(:\d\dZ)?)?|\b\d\d:\d\d:\d\dZ",
        "0",
    ),
    (r"127\.0\.0\.1:\d+|\bbyte \d+", "0"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "x"),
    (r"[0-9a-f]{16,64}", "x"),
    (r"\+[0-9a-f]{8}\+", "x"),
    // Keys, hashes and signatures in base64.
    (r"[A-Za-z0-9+/]{42,}", "x"),
];

fn masked(text: &str) -> String {
    let replaced = |text: &str, find: &str, by: &str| {
        let find = Regex::new(find).unwrap();
        find.replace_all(text, by).into_owned()
    };
    // Drop parts of a second: their number of digits differs, and only programs read them.
    let text = replaced(text, r"(:\d\d)\.\d+Z", "${1}Z");
    // The digest changes whenever a policy changes, even if nothing else in the output does.
    let mut text = replaced(&text, "digest [0-9a-f]{12}", "digest xxxxxxxxxxxx");
    for (find, stand_in) in VOLATILE {
        let volatile = |c: char| match stand_in {
            "0" => c.is_ascii_digit(),
            _ => c.is_ascii_alphanumeric() || c == '+' || c == '/',
        };
        let mask = |found: &Captures<'_>| found[0].replace(volatile, stand_in);
        let find = Regex::new(find).unwrap();
        text = find.replace_all(&text, mask).into_owned();
    }
    text
}

/// Returns whether a line is meant for people. JSON is not, and neither are error messages, which
/// logs contain too.
fn is_for_people(line: &str) -> bool {
    let json = line.trim_start().starts_with(['{', '}', '[', ']', '"']);
    !json && !line.starts_with("sharehook: ")
}

/// Writes the files that the commands need in addition to those of `init`.
fn prepare(folder: &Path) {
    let write = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    write("hello.txt", "Hello, World!".to_owned());
    let share = request(
        "CHG0030192",
        json!({"accounts": [ACCOUNTS[0]], "expires_in": "30d", "reason": "staging needs the July base image"}),
    );
    write("share.json", share.to_string());
    let denied =
        json!({"accounts": [ACCOUNTS[0]], "requester": "mallory@example.com", "expires_in": "30d"});
    write("denied.json", request("CHG0030193", denied).to_string());
    write(
        "unclear.json",
        json!({"id": "CHG0030194", "image": "the July image"}).to_string(),
    );
}

/// Builds a command of the capture. It runs in the folder that `init` creates, if that folder
/// exists already.
fn command(folder: &Path, line: &str, endpoint: &str) -> Command {
    let made = folder.join("shares");
    let (inside, env) = match made.is_dir() {
        true => (
            made.as_path(),
            std::fs::read_to_string(made.join(".env")).unwrap(),
        ),
        false => (folder, String::new()),
    };
    let program = Path::new(env!("CARGO_BIN_EXE_sharehook")).parent().unwrap();
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("exec {line}")])
        .current_dir(inside)
        .env_clear();
    command.envs(env.lines().filter_map(|line| line.split_once('=')));
    command
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .env("SHAREHOOK_CLOUD_ENDPOINT", endpoint)
        .env("RUST_LOG", "off")
        .envs(sandbox_keys())
        .stdin(Stdio::null());
    command
}

/// Returns a command's output, and its exit code if that is not 0. If the command is a server,
/// kills it when it listens.
fn printed(folder: &Path, line: &str, endpoint: &str) -> String {
    let mut command = command(folder, line, endpoint);
    if line.contains("--listen") {
        let mut server = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let mut said = String::new();
        for line in lines.map_while(Result::ok).take(20) {
            said.push_str(&format!("{line}\n"));
            if line.starts_with("listening on ")
                || line.starts_with("stand-in cloud") && !said.contains("serve")
            {
                break;
            }
        }
        server.kill().unwrap();
        server.wait().unwrap();
        return said;
    }
    let output = command.finish();
    let mut text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if let Some(code @ 1..) = output.status.code() {
        text.push_str(&format!("(exit {code})\n"));
    }
    text
}

/// The commands of the program and of `audit`, as `--help` lists them.
fn all_commands() -> BTreeSet<String> {
    let listed = |args: &[&str]| -> Vec<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_sharehook"))
            .args(args)
            .finish();
        let text = String::from_utf8(output.stdout).unwrap();
        let lines = text.lines().skip_while(|line| *line != "Commands:").skip(1);
        let lines = lines.take_while(|line| !line.is_empty());
        let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let names = names.filter(|name| !name.is_empty() && *name != "help");
        names.map(str::to_owned).collect()
    };
    let audit = listed(&["audit", "--help"])
        .into_iter()
        .map(|name| format!("audit {name}"));
    let mut all: BTreeSet<String> = listed(&["--help"]).into_iter().chain(audit).collect();
    all.remove("audit");
    assert!(all.len() > 30, "{all:?}");
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_what_its_capture_shows() {
    let capture = std::fs::read_to_string(CAPTURE).unwrap();
    let commands: Vec<&str> = capture
        .lines()
        .filter_map(|line| line.strip_prefix("$ "))
        .collect();
    for name in all_commands() {
        let shown = |line: &&str| {
            line.starts_with(&format!("sharehook {name} ")) || **line == format!("sharehook {name}")
        };
        let unheld = ["completions", "audit export"].contains(&name.as_str());
        assert!(unheld || commands.iter().any(shown), "no capture of {name}");
    }
    let cloud = Sandbox::start(SandboxOptions::seeded(system_now))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let finer = Regex::new(r"\d\d:\d\d:\d\d\.\d+Z").unwrap();
    // The id of a revocation contains its exact instant, and may be broken into two lines.
    let ids = Regex::new(r"/revoke \S+\s+\S+\s+\S+Z").unwrap();
    let mut now = String::new();
    for line in &commands {
        let text = printed(folder.path(), line, &cloud.url());
        let programs = FOR_PROGRAMS
            .iter()
            .any(|name| line.starts_with(&format!("sharehook {name}")));
        for printed in text.lines().filter(|line| !programs && is_for_people(line)) {
            assert!(
                printed.width() <= 80,
                "{line}: wider than 80 columns: {printed}"
            );
        }
        let without_ids = ids.replace_all(&text, "/revoke");
        for printed in without_ids
            .lines()
            .filter(|line| !programs && is_for_people(line))
        {
            assert!(
                !finer.is_match(printed),
                "{line} prints parts of seconds: {printed}"
            );
        }
        for debug in ["Some(", "None,", "Ok(", "\u{1b}"] {
            assert!(!text.contains(debug), "{line} prints {debug:?}:\n{text}");
        }
        now.push_str(&format!("$ {line}\n{}\n", masked(&text)));
    }
    #[allow(clippy::disallowed_methods)] // A switch of this test, not of the program.
    if std::env::var_os("SHAREHOOK_WRITE_CAPTURES").is_some() {
        std::fs::write(CAPTURE, now).unwrap();
        return;
    }
    let differs = now
        .lines()
        .zip(capture.lines())
        .find(|(now, then)| now != then);
    assert!(
        now == capture,
        "the first line that differs: {differs:?}\n{now}"
    );
}
