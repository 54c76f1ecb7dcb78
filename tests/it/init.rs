//! Tests `init`. For each sample source the new folder passes `check` and `test`, and serves with
//! the stand-in cloud.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::http::send;
use crate::support::process::{Finish as _, Process, program};

/// The sources of the sample configuration.
const SOURCES: [&str; 20] = [
    "jira",
    "github",
    "native",
    "helpdesk",
    "queue",
    "invoke",
    "servicenow",
    "zendesk",
    "zendesk-ticket",
    "freshservice",
    "gitlab",
    "slack",
    "pagerduty",
    "linear",
    "opsgenie",
    "feishu",
    "dingtalk",
    "wecom",
    "stepfunctions",
    "eventbridge",
];

/// The variables in the folder's `.env`; empty if the file does not exist yet.
pub(crate) fn env_of(folder: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(folder.join(".env")).unwrap_or_default();
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = program(folder);
    let output = command.args(arguments).envs(env_of(folder)).finish();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// Whether `check` warns only that the folder still has the sample's ids.
fn warns_only_of_the_sample(said: &str) -> bool {
    said.matches("warning[").count() == 1 && said.contains("warning[sample-entity]")
}

/// Each host for which `init` writes files, and one of these files.
const HOSTS: [(&str, &str); 5] = [
    ("lambda", "template.yaml"),
    ("container", "Dockerfile"),
    ("knative", "service.yaml"),
    ("azure", "host.json"),
    ("scf", "scf_bootstrap"),
];

pub(crate) fn init(folder: &Path, sources: &[&str]) -> (Option<i32>, String) {
    let sources = sources.iter().flat_map(|name| ["--source", name]);
    let arguments: Vec<&str> = ["init", "new"].into_iter().chain(sources).collect();
    run(folder, &arguments)
}

fn works(folder: &Path, sources: &[&str]) {
    let (code, out) = init(folder, sources);
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let new = folder.join("new");
    let (code, out) = run(&new, &["check"]);
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let (code, out) = run(&new, &["test"]);
    let last = out.lines().last().unwrap_or_default();
    assert_eq!(code, Some(0), "{sources:?}: {out}");
    let passed: usize = last.split_once(' ').unwrap().0.parse().unwrap();
    assert!(passed >= sources.len(), "{sources:?}: {last}");
    assert!(last.ends_with(" 0 failed"), "{sources:?}: {last}");
}

#[test]
fn the_folder_of_each_source_passes_its_check_and_its_cases() {
    for source in SOURCES {
        let folder = tempfile::tempdir().unwrap();
        works(folder.path(), &[source]);
    }
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &SOURCES);
}

/// With the files of one host or of all, `check` has no warning. The README has the steps to
/// deploy.
#[test]
fn the_folder_of_each_host_passes_its_check_and_its_cases() {
    let all: Vec<&str> = HOSTS.iter().map(|(host, _)| *host).collect();
    let each = HOSTS.iter().map(|(host, _)| vec![*host]);
    for hosts in each.chain([all]) {
        let folder = tempfile::tempdir().unwrap();
        let named = hosts.iter().flat_map(|host| ["--host", host]);
        let arguments: Vec<&str> = ["init", "new", "--source", "github", "--source", "queue"]
            .into_iter()
            .chain(named)
            .collect();
        let (code, out) = run(folder.path(), &arguments);
        assert_eq!(code, Some(0), "{hosts:?}: {out}");
        let new = folder.path().join("new");
        let (code, out) = run(&new, &["check"]);
        assert!(
            code == Some(0) && warns_only_of_the_sample(&out),
            "{hosts:?}: {out}"
        );
        let (code, out) = run(&new, &["test"]);
        assert_eq!(code, Some(0), "{hosts:?}: {out}");
        let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
        assert!(readme.contains("\n## Deploy\n"), "{readme}");
        // `template.yaml` sets the variables itself.
        let listed = readme.contains("`SHAREHOOK_JOURNAL=s3://BUCKET/PREFIX`");
        assert_eq!(listed, hosts != ["lambda"], "{readme}");
        for (host, file) in HOSTS.iter().filter(|(host, _)| hosts.contains(host)) {
            assert!(new.join(file).is_file(), "{host}");
            let more: &[&str] = match *host {
                "azure" => &["Drift/function.json", ".funcignore"],
                "container" => &[".dockerignore"],
                _ => &[],
            };
            for file in more {
                let text = std::fs::read_to_string(new.join(file)).unwrap();
                let ignores = file.ends_with("ignore");
                assert!(
                    !ignores || text.contains("policy/cases\n"),
                    "{host}: {file}"
                );
            }
            // Damage to the files of each host except SCF causes a warning.
            let text = std::fs::read_to_string(new.join(file)).unwrap();
            let damaged = match *host {
                "lambda" => {
                    let names = text.split_once("- - TENCENT").unwrap().1;
                    let names = names.split_once("- ${Name}").unwrap().0;
                    let names: Vec<&str> = names.split("              - ").skip(1).collect();
                    assert_eq!(
                        names.iter().map(|name| name.trim()).collect::<Vec<_>>(),
                        [
                            "TENCENTCLOUD_SECRET_KEY",
                            "SHAREHOOK_SEAL_KEY",
                            "GITHUB_WEBHOOK_SECRET"
                        ],
                        "a parameter would keep its value in a stack that exists"
                    );
                    text.replace("- GITHUB_WEBHOOK_SECRET\n", "")
                }
                "container" => text.replace("COPY --chmod=555 maps /maps\n", ""),
                "knative" => text.replace("envFrom", "env"),
                "azure" => {
                    std::fs::remove_dir_all(new.join("Requests")).unwrap();
                    text.clone()
                }
                _ => continue,
            };
            std::fs::write(new.join(file), damaged).unwrap();
            let (code, out) = run(&new, &["check"]);
            assert_eq!(code, Some(0));
            assert!(
                out.contains(&format!("warning[deployment]: {file}:1")),
                "{host}: {out}"
            );
        }
    }
}

#[test]
fn the_queues_of_all_named_hosts_are_trusted() {
    let (arn, azure) = ("\"env:SHAREHOOK_QUEUE_ARN\"", "\"azure:Requests\"");
    for (hosts, has_arn, has_azure) in [
        (&[][..], true, false),
        (&["lambda"], true, false),
        (&["azure"], false, true),
        (&["lambda", "azure"], true, true),
        (&["azure", "container"], false, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let named = hosts.iter().flat_map(|host| ["--host", host]);
        let arguments = ["init", "new", "--source", "queue"]
            .into_iter()
            .chain(named);
        let (code, out) = run(folder.path(), &arguments.collect::<Vec<_>>());
        assert_eq!(code, Some(0), "{out}");
        let text = std::fs::read_to_string(folder.path().join("new/sharehook.toml")).unwrap();
        let found = (text.contains(arn), text.contains(azure));
        assert_eq!(found, (has_arn, has_azure), "{hosts:?}: {text}");
        let (code, out) = run(&folder.path().join("new"), &["check"]);
        assert!(
            code == Some(0) && warns_only_of_the_sample(&out),
            "{hosts:?}: {out}"
        );
    }
}

#[test]
fn the_readme_says_which_triggers_the_template_does_not_make() {
    let (rule, permission) = ("Type: EventBridgeRule\n", "`lambda:InvokeFunction`");
    for (source, has_rule, has_permission) in [
        ("eventbridge", true, false),
        ("stepfunctions", false, true),
        ("invoke", false, true),
        ("queue", false, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["init", "new", "--host", "lambda", "--source", source];
        let (code, out) = run(folder.path(), &arguments);
        assert_eq!(code, Some(0), "{out}");
        let read =
            |name: &str| std::fs::read_to_string(folder.path().join("new").join(name)).unwrap();
        let (readme, template) = (read("README.md"), read("template.yaml"));
        let found = (readme.contains(rule), readme.contains(permission));
        assert_eq!(found, (has_rule, has_permission), "{source}: {readme}");
        assert!(!template.contains(rule) && template.contains("\n  FunctionArn:\n"));
        if has_rule {
            let config = read("sharehook.toml");
            let named = "com.example.approvals";
            assert!(readme.contains(named) && config.contains(named), "{config}");
        }
    }
}

/// The program runs as another user in an image, and from the archive of a package.
#[cfg(unix)]
#[test]
fn every_user_may_read_a_bundle_and_the_files_of_an_image() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let script = "umask 077; \"$0\" init new --source jira --host container && cd new && exec \"$0\" bundle out";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_sharehook")]);
    let made = command.current_dir(folder.path()).env_clear().finish();
    assert!(made.status.success(), "{made:?}");
    let new = folder.path().join("new");
    let mode = |path: &str| {
        let file = std::fs::metadata(new.join(path)).unwrap();
        file.permissions().mode() & 0o777
    };
    // The umask had an effect.
    assert_eq!((mode("sharehook.toml"), mode(".env")), (0o600, 0o600));
    for file in ["sharehook.toml", "policy/validated", "maps/jira.jq"] {
        assert_eq!(mode(&format!("out/{file}")), 0o644, "{file}");
    }
    assert_eq!((mode("out/policy"), mode("out/maps")), (0o755, 0o755));
    let image = std::fs::read_to_string(new.join("Dockerfile")).unwrap();
    let copies = || image.lines().filter(|line| line.starts_with("COPY "));
    assert_eq!(copies().count(), 4, "{image}");
    assert!(
        copies().all(|line| line.starts_with("COPY --chmod=555 ")),
        "{image}"
    );
}

#[test]
fn a_bundle_holds_what_the_program_reads_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["jira", "queue"]);
    let new = folder.path().join("new");
    std::fs::rename(new.join("sharehook.toml"), new.join("prod.toml")).unwrap();
    let bundle = |arguments: &[&str]| run(&new, &[&["--config", "prod.toml"], arguments].concat());
    let (code, out) = bundle(&["bundle", "out", "--json"]);
    assert_eq!(code, Some(0), "{out}");
    let (said, warned) = out.split_once('\n').unwrap();
    assert!(
        warned.starts_with("warning[sample-entity]: policy/entities.json:1: "),
        "{out}"
    );
    assert_eq!(warned.matches("warning[").count(), 1, "{out}");
    let said: Value = serde_json::from_str(said).unwrap();
    let files: Vec<&str> = said["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f.as_str().unwrap())
        .collect();
    assert_eq!(files.len(), 11, "{files:?}");
    for name in [
        "sharehook.toml",
        "maps/jira.jq",
        "policy/entities.json",
        "policy/four-eyes.cedar",
        "policy/validated",
    ] {
        assert!(
            files.contains(&name) && new.join("out").join(name).is_file(),
            "{name}: {files:?}"
        );
    }
    assert!(!new.join("out/.env").exists() && !new.join("out/policy/cases").exists());
    let (code, out) = run(&new.join("out"), &["test", "../policy/cases"]);
    assert_eq!(code, Some(0), "{out}");
    // The start would refuse the policies in it, or an audit would report foreign files.
    for inside in ["policy/out", "policy/cases/out", "journal/out"] {
        let (code, out) = bundle(&["bundle", inside]);
        assert!(code == Some(64) && out.contains("lies inside the"), "{out}");
        assert!(!new.join(inside).exists());
    }
    let (code, out) = bundle(&["bundle", "out"]);
    assert!(code == Some(64) && out.contains("is not empty"), "{out}");
    let text = std::fs::read_to_string(new.join("prod.toml")).unwrap();
    std::fs::rename(new.join("maps"), folder.path().join("maps")).unwrap();
    std::fs::write(new.join("prod.toml"), text.replace("\"maps/", "\"../maps/")).unwrap();
    let (code, out) = bundle(&["bundle", "other"]);
    assert!(code == Some(64) && out.contains("is not below"), "{out}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_whose_name_is_not_utf_8_is_printed_or_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let above = tempfile::tempdir().unwrap();
    let folder = OsStr::from_bytes(b"bad\xffname");
    let run_with = |before: &[&str], path: &OsStr, after: &[&str]| {
        let mut command = program(above.path());
        let output = command.args(before).arg(path).args(after).finish();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };
    let (code, out) = run_with(&["--json", "init", "--source", "jira"], folder, &[]);
    assert_eq!(code, Some(0), "{out}");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(made["dir"], "bad\u{fffd}name");
    let new = above.path().join(folder);
    let (code, out) = run(&new, &["check"]);
    assert_eq!(code, Some(0), "{out}");
    let file = Path::new(folder).join("sharehook.toml");
    let (code, out) = run_with(&["--config"], file.as_os_str(), &["check"]);
    assert!(
        code == Some(3) && out.contains("the path is not UTF-8"),
        "{out}"
    );
    let good = above.path().join("good");
    std::fs::rename(&new, &good).unwrap();
    let config = ["--config", "good/sharehook.toml", "bundle"];
    let (code, out) = run_with(&config, folder, &[]);
    assert!(code == Some(64) && out.contains("is not UTF-8"), "{out}");
    assert!(!new.exists());
}

#[cfg(unix)]
#[test]
fn the_secrets_are_random_and_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let secrets: Vec<_> = (0..2)
        .map(|_| {
            let folder = tempfile::tempdir().unwrap();
            works(folder.path(), &["jira", "freshservice", "native"]);
            let path = folder.path().join("new/.env");
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            env_of(&folder.path().join("new"))
        })
        .collect();
    assert_eq!(secrets[0].len(), 3);
    assert!(secrets[0].values().all(|value| value.len() > 40));
    for (name, value) in &secrets[0] {
        assert_ne!(secrets[1].get(name), Some(value), "{name}");
    }
}

/// The files are those that the commands of the page write.
#[test]
fn what_the_operators_commands_write_is_ignored() {
    let page = include_str!("../../docs/operations.md");
    let folder = tempfile::tempdir().unwrap();
    let hosts = ["--host", "container", "--host", "azure"];
    let arguments = [&["init", "new", "--source", "jira"], &hosts[..]].concat();
    assert_eq!(run(folder.path(), &arguments).0, Some(0));
    for (list, root) in [
        (".gitignore", "/"),
        (".dockerignore", ""),
        (".funcignore", ""),
    ] {
        let text = std::fs::read_to_string(folder.path().join("new").join(list)).unwrap();
        let ignores = |name: &str| {
            let ending = name
                .rsplit_once('.')
                .map(|(_, ending)| format!("{root}*.{ending}"));
            let whole = format!("{root}{name}");
            text.lines()
                .any(|line| line == whole || Some(line) == ending.as_deref())
        };
        for name in [
            "new.key",
            "old.key",
            "desk.secret",
            "desk.old",
            "backup",
            "broken",
        ] {
            assert!(page.contains(&format!(" {name}")) || page.contains(&format!(":{name}")));
            assert!(ignores(name), "{list} lacks {name}: {text}");
        }
    }
}

/// In a folder of `init` an operator takes back an image, before anything was shared and after.
#[test]
fn an_operator_can_revoke_in_each_new_folder() {
    for source in ["jira", "queue", "invoke", "feishu"] {
        let folder = tempfile::tempdir().unwrap();
        works(folder.path(), &[source]);
        let new = folder.path().join("new");
        let mut command = program(&new);
        command.args(["sandbox", "--listen", "127.0.0.1:0"]);
        let (cloud, _lines) = Process::listening(&mut command, "stand-in cloud on ");
        let address = cloud.url.split(' ').next().unwrap().replace("http://", "");
        let sandbox = format!("--sandbox={address}");
        let revoke = |by: &str| {
            let arguments = [
                "revoke",
                "--image",
                "lhbp-6jc6l8yb",
                "--reason",
                "leaked",
                "--as",
                by,
            ];
            run(&new, &[&arguments[..], &[&sandbox]].concat())
        };
        let (code, out) = revoke("operators/alice@example.com");
        assert!(
            code == Some(64) && out.contains("no active grant"),
            "{source}: {out}"
        );
        // A signed source cannot be named. The error names those that can.
        if source == "jira" {
            let (code, out) = revoke("jira/alice@example.com");
            let said =
                "jira is not a source with scheme = \"trusted\"; name one that is: operators";
            assert!(code == Some(64) && out.contains(said), "{out}");
        }
        std::fs::write(new.join("cancel.json"), CANCEL).unwrap();
        let tried = ["try", "--source", "operators", "--body", "cancel.json"];
        let (code, out) = run(&new, &tried);
        assert!(
            code == Some(0) && out.contains("allow by take-back-golden-images"),
            "{out}"
        );
    }
}

/// A cancel that the sample's policies allow an operator.
const CANCEL: &str = r#"{"id": "trial", "action": "cancel", "image": "lhbp-6jc6l8yb", "region": "ap-singapore",
    "accounts": ["700000164995"], "requester": "alice@example.com"}"#;

/// Without a trusted source, the error has all that must be added: with its texts in the files, the
/// policies decide about the operator.
#[test]
fn without_a_trusted_source_the_error_says_what_to_add() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["jira"]);
    let new = folder.path().join("new");
    let (configuration, entities) = (new.join("sharehook.toml"), new.join("policy/entities.json"));
    let text = std::fs::read_to_string(&configuration).unwrap();
    let (without, _) = text
        .split_once("\n[[source]]\nname   = \"operators\"")
        .unwrap();
    std::fs::write(&configuration, without).unwrap();
    let text = std::fs::read_to_string(&entities).unwrap();
    let group = r#""Share::SourceGroup", "id": "operators"}, "attrs""#;
    let kept = text
        .lines()
        .filter(|line| line.contains(group) || !line.contains("\"operators"));
    let mut lines: Vec<String> = kept
        .map(|line| line.trim_end_matches(',').to_owned())
        .collect();
    lines.retain(|line| !matches!(line.as_str(), "[" | "]"));
    std::fs::write(&entities, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    let revoke = [
        "revoke",
        "--image",
        "lhbp-6jc6l8yb",
        "--as",
        "jira/alice@example.com",
        "--reason",
        "leaked",
    ];
    let (code, out) = run(&new, &revoke);
    assert_eq!(code, Some(64), "{out}");
    let part = |from: &str, to: &str| {
        let (_, rest) = out.split_once(from).unwrap();
        rest.split_once(to).unwrap().0.to_owned()
    };
    let source = part("add one to the configuration:\n", "\nand to entities.json");
    let added = part("such as:\n", "\n\nThen repeat").replace("NAME", "alice@example.com");
    std::fs::write(&configuration, format!("{without}\n{source}")).unwrap();
    lines.push(added);
    std::fs::write(&entities, format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    std::fs::write(new.join("cancel.json"), CANCEL).unwrap();
    let (code, out) = run(
        &new,
        &["try", "--source", "operators", "--body", "cancel.json"],
    );
    assert!(
        code == Some(0) && out.contains("allow by take-back-golden-images"),
        "{out}"
    );
}

#[test]
fn existing_files_and_unknown_sources_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out) = init(folder.path(), &["jira", "trello"]);
    assert_eq!(code, Some(64));
    assert!(
        out.contains("\"trello\"") && out.contains("zendesk"),
        "{out}"
    );
    assert!(!folder.path().join("new").exists());
    std::fs::create_dir(folder.path().join("new")).unwrap();
    std::fs::write(folder.path().join("new/policy"), "mine").unwrap();
    let (code, out) = init(folder.path(), &["jira"]);
    assert_eq!(code, Some(64));
    assert!(out.contains("is not empty"), "{out}");
    let kept = std::fs::read_to_string(folder.path().join("new/policy"));
    assert_eq!(kept.unwrap(), "mine");
}

#[tokio::test]
async fn the_steps_of_its_readme_end_in_a_share() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["jira", "servicenow"]);
    let new = folder.path().join("new");
    let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
    let body = "policy/cases/events/body-jira-approved.json";
    let tried = format!("sharehook try --source jira --body {body}");
    assert!(readme.contains(&tried), "{readme}");
    let arguments: Vec<&str> = tried.split(' ').skip(1).collect();
    let (code, out) = run(&new, &arguments);
    assert_eq!(code, Some(0), "{out}");

    let mut command = program(&new);
    command.args(["serve", "--sandbox=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let server = Process::serving(command.envs(env_of(&new)));
    let signed = ["sign", "--json", "--source", "jira", "--body", body];
    assert!(readme.contains(&format!("sharehook sign --source jira --body {body}")));
    let (_, headers) = run(&new, &signed);
    let headers: BTreeMap<String, String> = serde_json::from_str(&headers).unwrap();
    let headers: Vec<_> = headers.into_iter().collect();
    let sent = std::fs::read(new.join(body)).unwrap();
    let answer = send(&server.url, "POST", "/hooks/jira", &headers, sent).await;
    let answer: Value = answer.unwrap().body;
    assert_eq!(answer["status"], "completed", "{answer}");
}

/// Runs what the README of each source says. The event is allowed, and `sign` finds that its source
/// accepts it.
#[test]
fn the_first_steps_of_each_readme_work() {
    for source in SOURCES {
        let folder = tempfile::tempdir().unwrap();
        let (code, out) = init(folder.path(), &[source]);
        assert_eq!(code, Some(0), "{source}: {out}");
        let new = folder.path().join("new");
        let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
        let joined = readme.replace("\\\n", "");
        let lines = || joined.lines().map(str::trim);
        let tried = lines().find(|line| line.starts_with("sharehook try"));
        let arguments: Vec<&str> = tried.unwrap().split_whitespace().skip(1).collect();
        let (code, out) = run(&new, &arguments);
        assert_eq!(code, Some(0), "{source}: {out}");
        assert!(out.contains("allow by "), "{source}: {out}");
        if let Some(line) = lines().find(|line| line.starts_with("sed ")) {
            let made = Command::new("sh")
                .args(["-c", line])
                .current_dir(&new)
                .status();
            assert!(made.unwrap().success(), "{source}: {line}");
        }
        let Some((_, signed)) = joined.split_once("$(sharehook ") else {
            continue;
        };
        let (signed, _) = signed.split_once(')').unwrap();
        let arguments: Vec<&str> = signed.split_whitespace().collect();
        // Not `run`, which panics at a secret in the output: some headers are the secret itself.
        let mut command = program(&new);
        let output = command.args(arguments).envs(env_of(&new)).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{source}: {said}");
        assert!(!said.contains("warning"), "{source}: {said}");
    }
}

/// No source of these folders can be reached over HTTP.
#[test]
fn the_readme_of_a_trusted_source_processes_an_event_as_its_host_does() {
    for source in ["queue", "invoke", "stepfunctions", "eventbridge"] {
        let folder = tempfile::tempdir().unwrap();
        works(folder.path(), &[source]);
        let new = folder.path().join("new");
        let mut command = program(&new);
        command.args(["sandbox", "--listen", "127.0.0.1:0"]);
        let (cloud, _lines) = Process::listening(&mut command, "stand-in cloud on ");
        let address = cloud.url.split(' ').next().unwrap().replace("http://", "");
        let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
        let line = readme
            .lines()
            .find(|line| line.contains("sharehook invoke "));
        let line = line
            .unwrap()
            .replace("--sandbox", &format!("--sandbox={address}"));
        let arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
        let (code, out) = run(&new, &arguments);
        assert_eq!(code, Some(0), "{source}: {out}");
        assert!(readme.contains("Replace each `from`"), "{readme}");
        let (_, out) = run(&new, &["grants", "--sandbox"]);
        assert!(out.contains("700000164995"), "{source}: {out}");
        assert!(!new.join("journal").exists());
    }
}

/// The sample's ids may be those of strangers.
#[test]
fn check_asks_to_replace_the_samples_people_images_and_accounts() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["gitlab"]);
    let new = folder.path().join("new");
    let file = new.join("policy/entities.json");
    let text = std::fs::read_to_string(&file).unwrap();
    for (kept, unused) in [
        ("700000164995", "1038493875"),
        ("lhbp-6jc6l8yb", "img-gvbnzy6f"),
    ] {
        assert!(text.contains(kept) && !text.contains(unused), "{text}");
    }
    let warning = "warning[sample-entity]: policy/entities.json:1: ";
    let (_, out) = run(&new, &["check"]);
    assert!(out.contains(warning), "{out}");
    let entities: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of_kind = |kind: &str| {
        let named = format!("Share::{kind}");
        let is_other = |one: &&Value| {
            !["Share::Account", "Share::Image", "Share::Requester"]
                .contains(&one["uid"]["type"].as_str().unwrap())
        };
        let kept = entities
            .iter()
            .filter(|one| is_other(one) || one["uid"]["type"] == named.as_str());
        serde_json::to_string(&kept.collect::<Vec<_>>()).unwrap()
    };
    for (kind, warned) in [
        ("Account", true),
        ("Image", true),
        ("Requester", true),
        ("none", false),
    ] {
        std::fs::write(&file, of_kind(kind)).unwrap();
        let (_, out) = run(&new, &["check"]);
        assert_eq!(out.contains(warning), warned, "{kind}: {out}");
    }
}

#[test]
fn sign_warns_of_a_body_that_its_source_refuses() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["linear"]);
    let body = "policy/cases/events/body-linear-approved.json";
    let sign = ["sign", "--source", "linear", "--body", body];
    let (code, out) = run(&folder.path().join("new"), &sign);
    assert_eq!(code, Some(0), "{out}");
    let warning = "warning: source linear refuses this delivery: signed ";
    assert!(
        out.contains("-H 'Linear-Signature") && out.contains(warning),
        "{out}"
    );
}

#[test]
fn an_origin_that_one_source_lists_twice_is_refused_as_such() {
    let folder = tempfile::tempdir().unwrap();
    works(folder.path(), &["queue"]);
    let new = folder.path().join("new");
    let file = new.join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let twice = text.replace("[\"env:SHARE", "[\"env:SHAREHOOK_QUEUE_ARN\", \"env:SHARE");
    assert_ne!(twice, text);
    std::fs::write(&file, twice).unwrap();
    let (code, out) = run(&new, &["check"]);
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("list it once"), "{out}");
}

/// Follows the steps for sources that fetch: stores the instance at the stand-in, and sends the
/// request that `sign` prints.
#[tokio::test]
async fn the_steps_of_an_approval_systems_readme_end_in_a_share() {
    for (name, system, status) in [
        ("feishu", "feishu", 200),
        ("dingtalk", "dingtalk", 200),
        ("wecom", "wecom", 200),
        ("zendesk-ticket", "http", 202),
    ] {
        let folder = tempfile::tempdir().unwrap();
        works(folder.path(), &[name]);
        let new = folder.path().join("new");
        let mut command = program(&new);
        command.args(["serve", "--sandbox=127.0.0.1:0", "--listen", "127.0.0.1:0"]);
        command.envs(env_of(&new));
        let (server, mut lines) = Process::listening(&mut command, "stand-in cloud on ");
        let sandbox = server.url.split(' ').next().unwrap().to_owned();
        let url = lines
            .find_map(|line| Some(line.ok()?.strip_prefix("listening on ")?.to_owned()))
            .unwrap();
        let body = format!("policy/cases/events/body-{name}-approved.json");
        let readme = std::fs::read_to_string(new.join("README.md")).unwrap();
        let put = format!("/sandbox/approvals/{system}");
        let signed = format!("sharehook sign --source {name} --body {body}");
        assert!(
            readme.contains(&put) && readme.contains(&signed) && readme.contains("A moment later:"),
            "{readme}"
        );
        let json = vec![("content-type".to_owned(), "application/json".to_owned())];
        let instance = std::fs::read(new.join(&body)).unwrap();
        let kept = send(&sandbox, "POST", &put, &json, instance).await.unwrap();
        assert_eq!(kept.status, 200, "{}", kept.body);
        let (code, out) = run(&new, &["sign", "--json", "--source", name, "--body", &body]);
        assert_eq!(code, Some(0), "{out}");
        let request: Value = serde_json::from_str(&out).unwrap();
        let pairs = |part: &str| -> Vec<(String, String)> {
            let fields = request[part].as_object().unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            fields.iter().map(|(n, v)| (n.clone(), text(v))).collect()
        };
        let query: Vec<String> = pairs("query")
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let path = format!("/hooks/{name}?{}", query.join("&"));
        let sent = request["body"].as_str().unwrap().to_owned();
        let answer = send(&url, "POST", &path, &pairs("headers"), sent)
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        let shared = || {
            let (_, out) = run(&new, &["grants", "--sandbox"]);
            out.contains("700000000012")
        };
        // `verify` explains the delivery that `sign` made.
        std::fs::write(new.join("sent"), request["body"].as_str().unwrap()).unwrap();
        let query = query.join("&");
        let mut args = vec![
            "verify", "--source", name, "--query", &query, "--body", "sent",
        ];
        let headers: Vec<String> = pairs("headers")
            .iter()
            .map(|(n, v)| format!("{n}: {v}"))
            .collect();
        args.extend(headers.iter().flat_map(|header| ["--header", header]));
        let (code, out) = run(&new, &args);
        assert_eq!(code, Some(0), "{name}: {out}");
        let mut waited = 0;
        while !shared() {
            assert!(waited < 100, "{name} is not shared");
            waited += 1;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        // `sign` also prints arguments for curl.
        let (_, out) = run(&new, &["sign", "--source", name, "--body", &body]);
        let begins = if system == "http" {
            "ticket"
        } else {
            "encrypt"
        };
        let raw = format!("--data-raw '{{\"{begins}\":");
        assert!(out.contains(&raw), "{out}");
        let in_query = matches!(name, "dingtalk" | "wecom");
        assert_eq!(out.contains("--url-query"), in_query, "{out}");
        if system == "http" {
            std::fs::write(new.join("quote.json"), r#"{"ticket":"it's"}"#).unwrap();
            let (_, out) = run(&new, &["sign", "--source", name, "--body", "quote.json"]);
            assert!(out.contains(r#"'{"ticket":"it'\''s"}'"#), "{out}");
        }
    }
}

/// The README evaluates what `sign` prints as shell text.
#[test]
fn a_quote_in_a_token_is_escaped_for_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let token = "it's $(date) of-the-desk-0123456789abcdef";
    let text = "journal = \"memory:\"\npolicy = \"policy\"\n[cloud]\nsite = \"intl\"\n\
                [[source]]\nname = \"desk\"\nscheme = \"token\"\nsecrets = [\"file:token\"]\n";
    std::fs::write(folder.path().join("sharehook.toml"), text).unwrap();
    std::fs::write(folder.path().join("token"), token).unwrap();
    std::fs::write(folder.path().join("body.json"), "{}").unwrap();
    let sign = ["sign", "--source", "desk", "--body", "body.json"];
    let (code, out) = run(folder.path(), &sign);
    assert_eq!(code, Some(0), "{out}");
    let script = format!("printf '%s\\n' {out}");
    let evaluated = Command::new("sh").args(["-c", &script]).output().unwrap();
    let evaluated = String::from_utf8(evaluated.stdout).unwrap();
    assert!(evaluated.contains(&format!(": {token}\n")), "{evaluated}");
}

#[test]
fn completions_and_man_pages_name_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let (code, out) = run(folder.path(), &["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        for word in ["check", "rotate-key", "junit"] {
            assert!(out.contains(word), "{shell}: {word}");
        }
    }
    let (code, out) = run(folder.path(), &["man", "pages"]);
    assert_eq!(code, Some(0), "{out}");
    let page = |name: &str| {
        let path = folder.path().join(format!("pages/man1/{name}.1"));
        std::fs::read_to_string(path).unwrap()
    };
    assert!(page("sharehook").contains("sharehook\\-doctor"));
    assert!(page("sharehook-test").contains("JUnit"));
    assert!(page("sharehook-audit-prove").contains(".TH sharehook-audit-prove 1"));
}
