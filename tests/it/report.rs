//! The report of a real journal: its content with and without the seal key, who may read `/report`,
//! and its publication by sweeps. `tests/peers/report.py` tests it in a browser.

use std::collections::BTreeSet;
use std::fs::{File, read_to_string, write};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sharehook::app::{Depth, JournalReader, Report, signer};
use sharehook::domain::{Language, NoticeRules};

use crate::incidents::share_by_hand;
use crate::notify::world;
use crate::support::http::send;
use crate::support::process::{Finish as _, program};
use crate::support::service::Service;
use crate::support::{ACCOUNTS, Place, World, deadline, invocation, request};

const TOKEN: &str = "test-only-report-token-0123456789";
const DAY: i64 = 86_400;

/// Runs `report --html page.html`. Returns the exit code, the output, and the page.
fn report(folder: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let args = [&["report", "--html", "page.html"], more].concat();
    let output = program(folder).args(args).finish();
    let said = [output.stdout, output.stderr].concat();
    let page = read_to_string(folder.join("page.html")).unwrap_or_default();
    (output.status.code(), String::from_utf8(said).unwrap(), page)
}

#[tokio::test]
async fn the_page_says_what_was_given_refused_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let place = format!("file:{}", folder.path().join("journal").display());
    let world = World::with(Place::At(&place), |_| ()).await;
    world
        .deliver(&request("CHG1", json!({"expires_in": "30d"})))
        .await;
    let refused = json!({"requester": "mallory@example.com", "expires_in": "30d"});
    world.deliver(&request("CHG2", refused)).await;
    world
        .app
        .receive(invocation(&json!({"image": "none"})), deadline())
        .await;
    // Other content under a used id is a conflict.
    let used = json!({"accounts": [ACCOUNTS[0]], "expires_in": "30d"});
    world.deliver(&request("CHG1", used)).await;
    world.app.seal_when_due().await;

    let at = ["--journal", place.as_str()];
    let (code, said, page) = report(folder.path(), &at);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("active grants: 3 (overdue: 0), unfinished requests: 0, denied: 1"),
        "{said}"
    );
    let said: Vec<&str> = said.split_whitespace().collect();
    assert!(said.join(" ").contains("the seals were not verified"));
    assert!(!page.contains("Every record is whole"));
    for part in [
        "so its seals were not verified",
        "<h2 id=\"grants-title\">Active grants <span class=\"count\">3</span></h2>",
        "<rect class=\"good\"",
        "golden-images-to-staging",
        "<span>2026-11-16</span>",
        "no policy allows it; nearest: golden-images-to-staging",
        "mallory@example.com",
        "not understood",
        "id used before",
        "id: CHG1 was used before, for other content",
    ] {
        assert!(page.contains(part), "{part:?} is missing in\n{page}");
    }

    let key = signer(world.app.config()).unwrap().unwrap();
    let key = key.verifier().to_string();
    let (code, said, page) = report(
        folder.path(),
        &[&at[..], &["--key", &key, "--json"]].concat(),
    );
    assert_eq!(code, Some(0), "{said}");
    let counts: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&counts["grants"], &counts["findings"]),
        (&json!(3), &json!(0))
    );
    assert!(
        page.contains("Every record is whole and in its place")
            && page.contains("Records that they cover: ")
    );

    let nowhere = ["--html", "no-such-folder/page.html", "--journal", &place];
    let output = program(folder.path()).arg("report").args(nowhere).finish();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("name a file in a folder that this process may write to"),
        "{error}"
    );
    for (args, why) in [
        (&["report"][..], "--html <FILE>"),
        (
            &["report", "--to", "s3://acme-reports"],
            "a bucket without a key names no file",
        ),
        (
            &["report", "--html", "page.html", "--language", "de"],
            "write one of en, zh",
        ),
        (
            &["report", "--to", "https://acme.example/x"],
            "https:// is not supported",
        ),
    ] {
        let output = program(folder.path()).args(args).finish();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(
            output.status.code() == Some(64) && error.contains(why),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_shows_the_report_only_with_its_token() {
    let off = Service::start().await;
    assert_eq!(off.get("/report").await.0, 404);
    let guarded = Service::prepared(|folder| {
        let file = folder.join("sharehook.toml");
        let text = read_to_string(&file).unwrap();
        write(
            file,
            format!("{text}\n[http]\nreport = \"file:report.token\"\n"),
        )
        .unwrap();
        write(folder.join("report.token"), TOKEN).unwrap();
    })
    .await;
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("anyone:{password}")));
    for (authorization, status) in [
        (None, 401),
        (Some("Bearer wrong".to_owned()), 401),
        (Some(basic("wrong")), 401),
        (Some(format!("Bearer {TOKEN}")), 200),
        (Some(basic(TOKEN)), 200),
    ] {
        let header = authorization.map(|value| ("authorization".to_owned(), value));
        let headers: Vec<_> = header.into_iter().collect();
        let answer = send(&guarded.url, "GET", "/report", &headers, "")
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{headers:?}");
        let asks = answer
            .header("www-authenticate")
            .is_some_and(|asks| asks.starts_with("Basic "));
        assert_eq!(asks, status == 401, "a browser asks for the password");
        if status == 200 {
            assert_eq!(
                answer.header("content-type"),
                Some("text/html; charset=utf-8")
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(answer.header("x-frame-options"), Some("DENY"));
            let page = answer.body.as_str().unwrap();
            assert!(page.contains("<title>Image shares</title>") && !page.contains(TOKEN));
        }
    }
    let answer = send(&guarded.url, "POST", "/report", &[], "")
        .await
        .unwrap();
    assert_eq!(answer.status, 405);
}

#[tokio::test]
async fn a_sweep_publishes_the_report_when_the_published_one_is_old() {
    let mut world = World::new().await;
    world.deliver(&request("CHG1", json!({}))).await;
    world.configure("[report]\nto = \"page.html\"\n");
    let page = world.folder.path().join("page.html");
    assert!(!world.sweep().await.failed());
    assert!(read_to_string(&page).unwrap().contains("CHG1"));

    // Set the file's time by the test's clock.
    let publish = |text: &str| {
        write(&page, text).unwrap();
        let now =
            SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(world.now().as_second() as u64);
        File::options()
            .write(true)
            .open(&page)
            .unwrap()
            .set_modified(now)
            .unwrap();
    };
    publish("published before");
    world.advance(DAY - 60);
    world.sweep().await;
    assert_eq!(read_to_string(&page).unwrap(), "published before");
    world.advance(120);
    world.sweep().await;
    assert!(read_to_string(&page).unwrap().contains("CHG1"));
}

#[tokio::test]
async fn a_place_that_refuses_the_report_is_tried_again_after_an_hour() {
    let mut world = World::new().await;
    world.configure("[report]\nto = \"missing/page.html\"\nevery = \"1h\"\n");
    let folder = world.folder.path().join("missing");
    let failure = async |world: &World| {
        let swept = world.sweep().await;
        let [failure] = &swept.failures[..] else {
            panic!("{swept}")
        };
        failure.clone()
    };
    let first = failure(&world).await;
    let again = "this process tries again in a sweep after 2026-11-21T09:00:00Z";
    for part in ["the report was not published", "name a file", again] {
        assert!(first.contains(part), "{part:?} is missing in {first}");
    }
    std::fs::create_dir(&folder).unwrap();
    world.advance(3_500);
    assert_eq!(failure(&world).await, first);
    assert!(!folder.join("page.html").exists());
    world.advance(200);
    assert!(!world.sweep().await.failed());
    assert!(folder.join("page.html").exists());

    // A new process does not know about the failure, so it publishes without waiting.
    std::fs::remove_dir_all(&folder).unwrap();
    failure(&world).await;
    std::fs::create_dir(&folder).unwrap();
    world.restart();
    assert!(!world.sweep().await.failed());
}

/// `report` refuses to write into the journal, its index or the policies, and over the
/// configuration, the key of the seals or a file that the configuration names.
#[test]
fn the_report_overwrites_neither_evidence_nor_keys_nor_rules() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("policy")).unwrap();
    let text = "journal = { place = \"file:journal\", index = \"file:index\" }\n[cloud]\nsite = \"intl\"\n\
                [http]\nreport = \"file:report.token\"\n";
    write(at("sharehook.toml"), text).unwrap();
    write(at("report.token"), TOKEN).unwrap();
    let journal = ["--journal", "file:journal", "--index", "file:index"];
    for (args, why) in [
        (
            &["--to", "journal/requests/x"][..],
            "lies inside the journal,",
        ),
        (
            &["--html", "journal/checkpoint"],
            "lies inside the journal,",
        ),
        (&["--to", "index/due/x"], "lies inside the journal's index"),
        (&["--to", "seal.key"], "is the key of the seals"),
        (&["--to", "policy/allow.cedar"], "lies inside the policy"),
        (&["--html", "sharehook.toml"], "is the configuration"),
        (
            &["--to", "report.token"],
            "is a file that the configuration names",
        ),
        (
            &[&["--to", "./journal/x"], &journal[..]].concat(),
            "lies inside the journal,",
        ),
        (
            &[&["--html", "index/x"], &journal[..]].concat(),
            "journal's index",
        ),
    ] {
        let output = program(folder.path()).arg("report").args(args).finish();
        let error = String::from_utf8(output.stderr).unwrap();
        let said = error.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            output.status.code() == Some(64) && said.contains(why) && said.contains(args[0]),
            "{args:?}: {error}"
        );
        let left = args[1] != "sharehook.toml" && args[1] != "report.token";
        assert!(!left || !at(args[1]).exists(), "{args:?}");
    }
    assert_eq!(read_to_string(at("sharehook.toml")).unwrap(), text);
    assert_eq!(read_to_string(at("report.token")).unwrap(), TOKEN);
}

/// The page and `explain` offer `retry` only as long as `retry` would reopen the request.
#[tokio::test]
async fn a_failure_that_cannot_be_retried_is_not_offered_for_a_retry() {
    let world = world(Place::Sealed, "").await;
    let refused =
        "ShareBlueprintAcrossAccounts:error-before:InvalidParameterValue.AccountIdsNotExist";
    world.cloud.inject(refused.parse().unwrap());
    let share = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1h"});
    world.deliver(&request("CHG1", share)).await;
    let offers = async || {
        let reader = world.app.reader();
        let report = Report::compile(reader, None, Depth::Whole, Language::En);
        let page = report.await.unwrap().html();
        let offered = page.contains("sharehook retry &#39;invoke/CHG1&#39;");
        let new_ticket = page.contains("It cannot be decided again now");
        assert_ne!(offered, new_ticket, "{page}");
        offered
    };
    assert!(offers().await);
    world.advance(7_200);
    assert!(!offers().await);
}

#[tokio::test]
async fn drift_notifications_and_overdue_shares_are_on_the_page() {
    let world = world(Place::Sealed, "").await;
    let page = async || {
        let rules = NoticeRules::default();
        let (now, language) = (world.now(), Language::En);
        let reader = JournalReader::new(&world.journal, &rules, now);
        let compiling = Report::compile(reader, None, Depth::Whole, language);
        compiling.await.unwrap().html()
    };
    let share = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1h"});
    world.deliver(&request("CHG1", share)).await;
    world.notify().await;
    let good = page().await;
    for part in [
        "One share ends within seven days",
        "<b class=\"good\">sent</b>",
        "No scheduled comparison of cloud and journal has found a difference.",
    ] {
        assert!(good.contains(part), "{part:?} is missing in\n{good}");
    }
    assert!(
        !good.contains("Differences between") && !good.contains("still shared"),
        "{good}"
    );
    share_by_hand(&world, ACCOUNTS[1]);
    world.app.drift_task(deadline()).await.unwrap();
    world.advance(DAY + 3_600);
    let bad = page().await;
    for part in [
        "Differences between cloud and journal: 1, found at",
        "shared, but no request names this receiver",
        "<code>drift --adopt</code> keeps it under a ticket",
        "is still shared with 700000164995, although the share ended at 2026-11-21T09:00:00Z",
        "<b class=\"bad\">overdue</b>",
        "<rect class=\"bad\"",
    ] {
        assert!(bad.contains(part), "{part:?} is missing in\n{bad}");
    }
}

/// The texts of the page that a reader sees or hears, except code and texts that the script writes.
fn texts(page: &str) -> BTreeSet<String> {
    let mut page = page.to_owned();
    for tag in ["style", "script", "code"] {
        let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let pieces = page.split(&begin).map(|piece| {
            piece
                .split_once(&end)
                .map_or(piece, |(_, rest)| rest)
                .to_owned()
        });
        page = pieces.collect();
    }
    let attributes = [
        "aria-label=\"",
        "placeholder=\"",
        "data-column=\"",
        "data-match=\"",
        "data-shown=\"",
    ];
    let attributes = attributes.iter().flat_map(|name| page.split(name).skip(1));
    let attributes = attributes.map(|rest| rest.split('"').next().unwrap());
    let nodes = page
        .split('<')
        .map(|node| node.split_once('>').map_or(node, |(_, text)| text));
    let all = attributes.chain(nodes).map(|text| text.trim().to_owned());
    all.filter(|text| text.contains(|c: char| c.is_ascii_alphabetic()))
        .collect()
}

#[tokio::test]
async fn the_page_in_chinese_has_no_english_text_but_what_was_recorded() {
    let world = world(Place::Sealed, "").await;
    let share = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1h"});
    world.deliver(&request("CHG1", share)).await;
    let refused = json!({"requester": "mallory@example.com", "ticket": "OPS-2"});
    world.deliver(&request("CHG2", refused)).await;
    let bad = invocation(&request("CHG3", json!({"image": "none"})));
    world.app.receive(bad, deadline()).await;
    world.notify().await;
    share_by_hand(&world, ACCOUNTS[1]);
    world.app.drift_task(deadline()).await.unwrap();
    world.advance(DAY + 3_600);
    let page = async |language| {
        let rules = NoticeRules::default();
        let reader = JournalReader::new(&world.journal, &rules, world.now());
        let compiling = Report::compile(reader, None, Depth::Whole, language);
        compiling.await.unwrap().html()
    };
    let (english, chinese) = (page(Language::En).await, page(Language::Zh).await);
    assert!(
        chinese.contains("<html lang=\"zh\">") && chinese.contains("仍然共享给"),
        "{chinese}"
    );
    const RECORDED: [&str; 11] = [
        "CHG1",
        "OPS-2",
        "alice@example.com",
        "ap-singapore",
        "desk",
        "golden-images-to-staging",
        "invoke",
        "invoke/CHG1",
        "invoke/CHG2",
        "lhbp-6jc6l8yb",
        "mallory@example.com",
    ];
    let reasons = [
        "image: &#34;none&#34; is not",
        "no policy allows it; nearest: ",
    ];
    for text in texts(&english).intersection(&texts(&chinese)) {
        let stream = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let reason = reasons.iter().any(|reason| text.starts_with(reason));
        assert!(
            stream || reason || RECORDED.contains(&text.as_str()),
            "{text:?} is in both pages"
        );
    }
}

#[cfg(unix)]
#[test]
fn the_report_keeps_the_mode_of_its_file_and_replaces_only_plain_files() {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

    let folder = tempfile::tempdir().unwrap();
    let [page, real] = ["page.html", "real.html"].map(|name| folder.path().join(name));
    let run = || {
        let args = ["report", "--html", "page.html", "--journal", "file:none"];
        let output = program(folder.path()).args(args).finish();
        let log = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), log)
    };
    let is_report = |path: &Path| read_to_string(path).unwrap().starts_with("<!");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;

    write(&page, "old").unwrap();
    std::fs::set_permissions(&page, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(run().0, Some(0));
    assert_eq!((is_report(&page), mode(&page)), (true, 0o600));

    std::fs::rename(&page, &real).unwrap();
    symlink("real.html", &page).unwrap();
    write(&real, "old").unwrap();
    assert_eq!(run().0, Some(0));
    assert!(page.is_symlink() && is_report(&real));
    assert_eq!(mode(&real), 0o600);

    std::fs::remove_file(&real).unwrap();
    let (code, log) = run();
    assert_eq!(code, Some(1), "{log}");
    assert!(page.is_symlink(), "the link names no file");

    std::fs::remove_file(&page).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&page).status();
    assert!(made.unwrap().success());
    let (code, log) = run();
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("page.html cannot be written: it is not a plain file"),
        "{log}"
    );
    assert!(page.metadata().unwrap().file_type().is_fifo());
    assert_eq!(
        folder.path().read_dir().unwrap().count(),
        1,
        "no temporary file is left"
    );
}
