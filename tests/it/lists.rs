//! Tests what `requests`, `grants` and `explain` print at 80 columns, with names and reasons of
//! every width. Also tests their filters, and what these commands do without secrets, configuration
//! or journal.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};

use crate::support::process::{Finish as _, program};
use crate::support::{ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, World, request};

/// Writes a journal with a share that has a long reason, a share with a long id, and a denial.
async fn journal(folder: &Path) -> String {
    let place = format!("file:{}", folder.join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let reason =
        "预发布环境需要七月的基础镜像，请在本周五之前共享给测试账号；否则演练会推迟到下个月";
    let share = json!({"ticket": "变更-1126", "reason": reason});
    world.deliver(&request("变更-2026-1126", share)).await;
    world.advance(3_600);
    let long = format!("example/image-requests/{}", "subfolder/".repeat(4));
    let other = json!({"image": CVM_IMAGE});
    world.deliver(&request(&long, other)).await;
    world.advance(3_600);
    // The expiry is ten years ahead, because `explain` reads the real clock and offers `retry` only
    // before the expiry.
    let refused = json!({"requester": "mallory@example.com", "expires_in": "3650d"});
    world.deliver(&request("CHG0099001", refused)).await;
    world.app.seal_when_due().await;
    place
}

/// The folder of the request is gone, but a segment of the log still has the request's records. So
/// `explain` knows the id.
#[tokio::test]
async fn the_story_of_a_request_whose_folder_is_gone_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    world.deliver(&request("CHG1", json!({}))).await;
    world.sweep().await;
    world.app.seal_when_due().await;
    let explain = ["explain", "CHG1", "--json", "--journal", &place];
    let (_, told, _) = run(folder.path(), &explain);
    let told: Value = serde_json::from_str(&told).unwrap();
    let lost = format!("requests/{}", told["evidence"]["stream"].as_str().unwrap());
    std::fs::remove_dir_all(folder.path().join("journal").join(&lost)).unwrap();
    let (code, _, error) = run(folder.path(), &explain);
    assert_eq!(code, Some(1), "{error}");
    let names = format!("the records of invoke/CHG1 are gone from {lost};");
    assert!(
        error.contains(&names) && error.contains("`sharehook audit verify`"),
        "{error}"
    );
}

/// A person knows the ticket; only the sender knows the id of its approval.
#[tokio::test]
async fn a_ticket_with_one_request_is_explained_and_one_with_several_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    for (id, ticket) in [
        ("one/31001", "ONE"),
        ("two/1", "TWO"),
        ("two/2", "TWO"),
        ("TWO-ID", "ONE-ID"),
        ("ONE-ID", "TWO-ID"),
    ] {
        world.deliver(&request(id, json!({"ticket": ticket}))).await;
        world.advance(1);
    }
    let explain = |name: &str| {
        run(
            folder.path(),
            &["explain", name, "--json", "--journal", &place],
        )
    };
    // An id counts before a ticket.
    for (name, id) in [
        ("ONE", "invoke/one/31001"),
        ("two/2", "invoke/two/2"),
        ("ONE-ID", "invoke/ONE-ID"),
    ] {
        let (code, text, error) = explain(name);
        assert_eq!(code, Some(0), "{name}: {error}");
        let explained: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(explained["identity"], id, "{name}");
    }
    let (code, _, error) = explain("TWO");
    assert_eq!(code, Some(64), "{error}");
    assert!(
        error.contains("\"TWO\" names several requests; name one of invoke/two/2, invoke/two/1"),
        "{error}"
    );
    let (code, _, error) = explain("THREE");
    assert!(
        code == Some(1) && error.contains("with --ticket those of a ticket"),
        "{error}"
    );
}

/// The search by id cannot know the id of a request whose record 0 is damaged, so it must not say
/// that the request does not exist.
#[tokio::test]
async fn an_id_that_a_damaged_request_may_have_is_not_called_missing() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    world.deliver(&request("CHG1", json!({}))).await;
    let requests = folder.path().join("journal/requests");
    let stream = std::fs::read_dir(requests).unwrap().next().unwrap();
    let record = stream.unwrap().path().join("000000.json");
    std::fs::write(record, "{}").unwrap();
    for command in ["requests", "explain"] {
        let (code, _, error) = run(folder.path(), &[command, "CHG1", "--journal", &place]);
        assert!(
            code == Some(1) && error.contains("one of them may have the id \"CHG1\""),
            "{command}: {error}"
        );
    }
}

/// A share with two accounts is cancelled by two later requests, one account each. `explain` names
/// each cancel. After the second one it shows no expiry.
#[tokio::test]
async fn the_story_of_a_share_names_the_cancels_that_took_it_away() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    let share = json!({"accounts": &ACCOUNTS[..2], "expires_in": "30d"});
    world.deliver(&request("CHG1", share)).await;
    let mut told = Vec::new();
    for (id, account) in [("CHG2", ACCOUNTS[0]), ("CHG3", ACCOUNTS[1])] {
        world.advance(60);
        let cancel = json!({"action": "cancel", "accounts": [account], "ticket": "OTHER-7"});
        world.deliver(&request(id, cancel)).await;
        let (_, text, _) = run(folder.path(), &["explain", "CHG1", "--journal", &place]);
        told.push(text);
    }
    let line = |text: &str, label: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(label));
        lines.next().map(str::to_owned)
    };
    let cancelled = format!(
        "cancelled {} at 2026-11-21T08:01:00Z by invoke/CHG2, ticket OTHER-7",
        ACCOUNTS[0]
    );
    assert_eq!(line(&told[0], "cancelled"), Some(cancelled), "{}", told[0]);
    assert!(line(&told[0], "expires").is_some(), "{}", told[0]);
    let next = "next      nothing: invoke/CHG3 cancelled the share";
    assert_eq!(line(&told[1], "next").as_deref(), Some(next), "{}", told[1]);
    assert_eq!(line(&told[1], "expires"), None, "{}", told[1]);
    let explain = ["explain", "CHG1", "--json", "--journal", &place];
    let story: Value = serde_json::from_str(&run(folder.path(), &explain).1).unwrap();
    let last = &story["cancelled"][1];
    assert_eq!(
        (&last["by"], &last["ticket"]),
        (&json!("invoke/CHG3"), &json!("OTHER-7"))
    );
    assert_eq!(last["items"], json!([{"account": ACCOUNTS[1]}]));
    assert!(story.get("expires_at").is_none(), "{story}");
}

/// Runs a command without environment variables or configuration. Returns its exit code, output and
/// error output.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = program(folder).args(args).finish();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// Replaces the cloud's request ids, which differ from run to run.
fn masked(text: &str) -> String {
    let is_id = |word: &str| word.len() == 36 && word.split('-').count() == 5;
    let mask = |word: &str| match is_id(word.trim_end_matches(',')) {
        true => "<request id>".to_owned(),
        false => word.to_owned(),
    };
    let line = |line: &str| line.split(' ').map(mask).collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn lists_and_the_story_of_a_request_fit_eighty_columns() {
    let folder = tempfile::tempdir().unwrap();
    let place = journal(folder.path()).await;
    let shown = |args: &[&str]| {
        let (code, text, error) = run(folder.path(), &[args, &["--journal", &place]].concat());
        assert_eq!((code, error.as_str()), (Some(0), ""), "{args:?}");
        for line in text.lines() {
            assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
        }
        assert!(!text.contains('\u{1b}'), "only terminals have colours");
        masked(&text)
    };
    let mut captured = String::new();
    for args in [
        &["requests"][..],
        &["grants", "--image", BLUEPRINT],
        &["explain", "变更-2026-1126"],
        &["explain", "invoke/CHG0099001"],
    ] {
        captured.push_str(&format!(
            "$ sharehook {}\n{}\n\n",
            args.join(" "),
            shown(args)
        ));
    }
    let wanted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/captures/lists.txt");
    assert_eq!(
        captured,
        std::fs::read_to_string(wanted).unwrap(),
        "\n{captured}"
    );
    let story = run(
        folder.path(),
        &["explain", "CHG0099001", "--json", "--journal", &place],
    )
    .1;
    let story: Value = serde_json::from_str(&story).unwrap();
    assert_eq!(story["state"], "denied");
    assert_eq!(story["decisions"][0]["verdict"]["allowed"], false);
    assert_eq!(story["evidence"]["records"], story["evidence"]["sealed"]);
}

#[tokio::test]
async fn filters_narrow_lists_and_an_empty_list_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let place = journal(folder.path()).await;
    let list = |args: &[&str]| run(folder.path(), &[args, &["--journal", &place]].concat());
    for (filter, count) in [
        (&["--state", "denied,completed"][..], 3),
        (&["--state", "denied"], 1),
        (&["--source", "invoke"], 3),
        (&["--source", "jira"], 0),
        (&["--image", CVM_IMAGE], 1),
        (&["--account", "1038493875"], 3),
        (&["--account", "Lighthouse"], 0),
        (&["--ticket", "变更-1126"], 1),
        (&["--since", "2026-11-21T09:00:00Z"], 2),
        (&["--limit", "2"], 2),
        (&["--state", "completed", "--limit", "1"], 1),
    ] {
        let (code, text, _) = list(&[&["requests", "--json"], filter].concat());
        let listed: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!((code, listed.len()), (Some(0), count), "{filter:?}");
    }
    for (args, why) in [
        (
            &["requests", "--source", "jira"][..],
            "the filters leave out 3",
        ),
        (&["grants", "--state", "overdue"], "the filters leave out 6"),
        (&["grants", "--ticket", "CHG7"], "the filters leave out 6"),
        (
            &["requests", "--rejected"],
            "no rejected deliveries in file:",
        ),
        (&["notify"], "no notifications in file:"),
    ] {
        let (code, text, _) = list(args);
        assert!(code == Some(0) && text.contains(why), "{args:?}: {text}");
    }
    for (filter, why) in [
        (
            ["--state", "done"],
            "write one of waiting, working, unfinished, blocked",
        ),
        (["--account", "alice"], "is not an account id"),
        (["--image", "ami-1"], "is not an image id"),
        (["--since", "yesterday"], "as in 7d"),
        (["--source", "no spaces"], "'--source <NAME>'"),
        (["--limit", "0"], "--limit"),
    ] {
        let (code, _, error) = list(&[&["requests"][..], &filter].concat());
        assert!(
            code == Some(64) && error.contains(why),
            "{filter:?}: {error}"
        );
    }
    let (code, _, error) = list(&["grants", "--state", "denied"]);
    assert!(
        code == Some(64) && error.contains("active, covered, overdue"),
        "{error}"
    );
}

#[test]
fn a_journal_that_does_not_exist_is_empty_and_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    for place in ["file:journal", "memory:"] {
        for args in [
            &["requests"][..],
            &["requests", "--rejected"],
            &["grants"],
            &["notify"],
            &["audit", "verify"],
            &["audit", "export", "--format", "jsonl"],
            &["report", "--html", "page.html"],
        ] {
            let (code, text, error) = run(folder.path(), &[args, &["--journal", place]].concat());
            assert_eq!(code, Some(0), "{args:?}: {error}");
            let silent = args.contains(&"export") || args.contains(&"report");
            let said = [text, error].concat();
            let why = said.contains("does not exist yet") || said.contains("`memory:` journal");
            assert!(silent || why, "{args:?}: {said}");
        }
        let (code, _, error) = run(folder.path(), &["explain", "CHG1", "--journal", place]);
        assert!(
            code == Some(1) && error.contains("no request \"CHG1\""),
            "{error}"
        );
    }
    assert!(!folder.path().join("journal").exists());
    std::fs::write(folder.path().join("journal"), "a file").unwrap();
    // A place that cannot be read is an error, and not an empty journal.
    for place in ["file:journal", "file:journal/below"] {
        let (code, _, error) = run(folder.path(), &["requests", "--journal", place]);
        assert!(
            code == Some(1) && error.contains("name a directory"),
            "{error}"
        );
    }
}

#[test]
fn reading_needs_no_secret_of_a_sender() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(
        root.join("sharehook.local.toml"),
        folder.path().join("sharehook.toml"),
    )
    .unwrap();
    // These commands read only the journal, so they do not need the policies either.
    for args in [
        &["requests"][..],
        &["grants"],
        &["notify"],
        &["audit", "verify"],
        &["audit", "export", "--format", "ocsf"],
        &["report", "--html", "page.html"],
    ] {
        let (code, _, error) = run(folder.path(), args);
        assert_eq!(code, Some(0), "{args:?}: {error}");
    }
    let (code, _, error) = run(folder.path(), &["requests", "--source", "jria"]);
    assert!(
        code == Some(64) && error.contains("has jira, github"),
        "{error}"
    );
    let (code, _, error) = run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    assert!(code == Some(3) && error.contains("is not set"), "{error}");
    // `drift` also reads the policies. It makes no call here, because the journal has no grant.
    std::fs::create_dir(folder.path().join("policy")).unwrap();
    for file in ["allow-list.cedar", "entities.json", "schema.cedarschema"] {
        let from = root.join("policy").join(file);
        std::fs::copy(from, folder.path().join("policy").join(file)).unwrap();
    }
    let (code, text, error) = run(folder.path(), &["drift"]);
    assert_eq!(code, Some(0), "{error}");
    assert!(
        text.contains("images compared: 0, differences: 0"),
        "{text}"
    );
    // `images` always calls the cloud, so it needs the cloud's keys, but no secret of a sender.
    let mut images = program(folder.path());
    images.env("SHAREHOOK_METADATA_ENDPOINT", "off");
    let output = images.args(["images", "--region", "ap-singapore"]).finish();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.starts_with("sharehook: NoCredentials: "), "{error}");
}
