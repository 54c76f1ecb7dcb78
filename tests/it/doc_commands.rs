//! Runs the commands of README.md, README.zh-CN.md and docs/. The `sh` blocks of a page are one
//! script, which runs after `prelude.sh`, in a fresh folder and on loopback. Also checks that each
//! command in the text parses.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::docs::{Page, blocks, pages};
use crate::support::process::Finish as _;

const PRELUDE: &str = include_str!("doc_commands/prelude.sh");
const DEPLOYMENT: &str = include_str!("doc_commands/deployment.sh");
/// The files of the checkout that a script can use.
const CHECKOUT: [&str; 4] = ["events", "maps", "policy", "sharehook.local.toml"];
/// The time limit of a page's script, in seconds. No page needs that long.
const SCRIPT_TIMEOUT_SECONDS: &str = "120";

/// The pages whose scripts start with the deployment that `deployment.sh` makes.
const ON_A_DEPLOYMENT: [&str; 8] = [
    "docs/configuration.md",
    "docs/hosts/container.md",
    "docs/hosts/lambda.md",
    "docs/evidence.md",
    "docs/journal.md",
    "docs/operations.md",
    "docs/policy.md",
    "docs/sweep-and-drift.md",
];

/// The pages that tutorial.rs and chinese_pages.rs run. Those tests also check the output.
const RUN_ELSEWHERE: [&str; 2] = ["docs/tutorial.md", "README.zh-CN.md"];

/// The programs that are replaced by stubs, and why. `cargo` is a function of the prelude.
const NOT_RUN: [(&str, &str); 7] = [
    ("scripts/test", "runs this test too"),
    (
        "scripts/package",
        "builds for a release; scripts/test runs it",
    ),
    ("scripts/real-cloud", "calls Tencent Cloud"),
    (
        "sam",
        "deploys to AWS; tests/peers/ministack.py deploys the template to a local AWS",
    ),
    ("cedar", "a program of its own"),
    ("kubectl", "needs a cluster"),
    ("terraform", "needs a cloud"),
];

/// The commands that exit with a code other than 0, by page.
const EXITS: [(&str, &str, i32); 3] = [
    ("docs/operations.md", "retry", 2), // the request is completed
    ("docs/sweep-and-drift.md", "retry", 2), // the request is completed
    ("docs/tutorial.md", "try", 2),     // no policy allows the request yet
];

fn free_port() -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port().to_string()
}

#[allow(clippy::disallowed_methods)] // The shell's own commands are found through PATH.
fn search_path() -> String {
    std::env::var("PATH").unwrap()
}

/// Writes programs that only print why they are not run.
fn write_stubs(folder: &Path) {
    for (name, why) in NOT_RUN {
        let file = match name.contains('/') {
            true => folder.join(name),
            false => folder.join("bin").join(name),
        };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, format!("#!/bin/sh\necho 'not run here: {why}'\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The file that `scripts/package` makes.
    fs::create_dir_all(folder.join("target/package")).unwrap();
    fs::write(folder.join("target/package/bootstrap.zip"), "").unwrap();
}

/// Runs a script in `folder`, with the built program in its search path.
fn run_script(folder: &Path, script: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_sharehook"));
    let (stubs, built) = (folder.join("bin"), program.parent().unwrap());
    let path = format!("{}:{}:{}", stubs.display(), built.display(), search_path());
    Command::new("timeout")
        .args([
            "--kill-after=5",
            SCRIPT_TIMEOUT_SECONDS,
            "bash",
            "-c",
            script,
        ])
        .current_dir(folder)
        .env_clear()
        .env("PATH", path)
        .env("PORT", free_port())
        .env("CLOUD", free_port())
        .env("CALLS", folder.join("calls"))
        .stdin(Stdio::null())
        .finish()
}

fn link_checkout(folder: &Path) {
    for name in CHECKOUT {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        std::os::unix::fs::symlink(from, folder.join(name)).unwrap();
    }
    fs::create_dir_all(folder.join("target/debug")).unwrap();
    let program = env!("CARGO_BIN_EXE_sharehook");
    std::os::unix::fs::symlink(program, folder.join("target/debug/sharehook")).unwrap();
}

/// Runs commands of a page, and returns their output. Panics if one exits with an unexpected code.
pub(crate) fn run_page(page: &str, commands: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_stubs(folder.path());
    // A Chinese page has the same commands as its English page (chinese_pages.rs).
    let like = page.replace("docs/zh/", "docs/");
    let begin = match ON_A_DEPLOYMENT.contains(&like.as_str()) {
        true => DEPLOYMENT,
        false => "",
    };
    let more = match like.as_str() {
        "docs/configuration.md" => "sharehook serve\n",
        "docs/cloud-calls.md" => "echo '{\"site\": \"intl\"}' >reading.json\n",
        _ => "",
    };
    if like == "docs/laptop.md" {
        link_checkout(folder.path());
    }
    let script = format!("{PRELUDE}\n{begin}\n{more}{commands}");
    let output = run_script(folder.path(), &script);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{page}: {text}");
    let calls = fs::read_to_string(folder.path().join("calls")).unwrap_or_default();
    for call in calls.lines() {
        let (code, arguments) = call.split_once(' ').unwrap();
        let expected = EXITS.iter().filter(|(at, command, _)| {
            *at == like && arguments.split(' ').any(|word| word == *command)
        });
        let mut allowed = expected.map(|(_, _, code)| code.to_string());
        assert!(
            code == "0" || allowed.any(|allowed| allowed == code),
            "{page}: `sharehook {arguments}` exits {code}\n{text}"
        );
    }
    text
}

fn run_pages() -> Vec<Page> {
    let all = ["README.md", "README.zh-CN.md", "docs"].into_iter();
    all.flat_map(pages).collect()
}

/// The pages whose commands run, and the pages of `deploy/`. The latter need hosts' own programs,
/// so they do not run.
fn all_pages() -> Vec<Page> {
    let mut all = run_pages();
    all.extend(pages("deploy"));
    all
}

#[test]
fn the_commands_of_every_page_run() {
    let mut ran = 0;
    for page in run_pages() {
        let commands = blocks(&page.text, "sh").concat();
        if !commands.is_empty() && !RUN_ELSEWHERE.contains(&page.path.as_str()) {
            run_page(&page.path, &commands);
            ran += 1;
        }
    }
    assert!(ran > 10, "{ran}");
}

/// Runs the steps of the overview for each sender that posts webhooks.
#[test]
fn each_senders_sample_event_can_be_tried_and_sent() {
    let page = &pages("docs/senders.md")[0];
    for sender in [
        "github",
        "gitlab",
        "servicenow",
        "zendesk",
        "freshservice",
        "slack",
        "pagerduty",
        "opsgenie",
    ] {
        let commands = blocks(&page.text, "sh").concat().replace("jira", sender);
        let commands = match sender {
            "slack" => commands.replace("approved.json", "approved.form"),
            _ => commands,
        };
        let text = run_page(&page.path, &commands);
        assert!(text.contains(r#""status":"completed""#), "{sender}: {text}");
    }
}

/// The first line of a segment of the log. It looks like a command, but is not one.
const NO_COMMAND: &str = "sharehook segment 1";

/// Checks code spans that begin with `sharehook`. Words in capitals are values, and `…` means more
/// values.
#[test]
fn every_command_that_a_text_mentions_parses() {
    let mut script =
        "sharehook() { command sharehook \"$@\" --help >help || echo \"BAD $*\"; }\n".to_owned();
    for page in all_pages() {
        let prose = page.text.split("```").step_by(2);
        let spans = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
        for span in spans.filter(|span| span.starts_with("sharehook ") && *span != NO_COMMAND) {
            let command = span.replace('…', "").replace(" SHELL", " bash");
            let command = command.replace("--region R", "--region ap-singapore");
            script += &format!("{}\n", command.replace('\n', " "));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let output = run_script(folder.path(), &script);
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(!text.contains("BAD") && output.status.success(), "{text}");
}

/// Finds commands outside `sh` blocks, which no test would run.
#[test]
fn commands_are_in_blocks_that_run() {
    for page in all_pages() {
        for (at, text) in page.text.split("```").enumerate() {
            let command = match at % 2 {
                0 => "    sharehook ",
                _ if text.starts_with("sh\n") => continue,
                _ => "sharehook ",
            };
            let hidden = text.lines().find(|line| line.starts_with(command));
            assert_eq!(hidden, None, "{}", page.path);
        }
    }
}
