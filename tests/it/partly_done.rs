//! Commands that can do only a part of what the operator wants. They must print what they did and
//! what they left, and then fail.

use std::fs;

use serde_json::{Value, json};
use sharehook::domain::Identity;
use sharehook::journal::StreamId;
use sharehook_sandbox::World as Cloud;

use crate::notify::SECRET;
use crate::support::process::run;
use crate::support::{
    ACCOUNTS, BLUEPRINT, CVM_IMAGE, Place, REGION, STRANGER, World, request, secrets,
};

struct Case {
    world: World,
    journal: tempfile::TempDir,
}

impl Case {
    async fn new() -> Self {
        let journal = tempfile::tempdir().unwrap();
        let place = format!("file:{}", journal.path().join("journal").display());
        let world = World::with(Place::At(&place), |_| ()).await;
        Self { world, journal }
    }

    /// Runs a command. Returns its exit code, its output and its log.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let done = run(self.world.folder.path(), arguments);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code(), text(done.stdout), text(done.stderr))
    }

    async fn share(&self, id: &str, account: &str) {
        let (_, answer) = self
            .world
            .deliver(&request(id, json!({"accounts": [account]})))
            .await;
        assert_eq!(answer.status.as_str(), "completed");
    }

    fn configure(&mut self, text: &str) {
        let file = self.world.folder.path().join("sharehook.toml");
        let before = fs::read_to_string(&file).unwrap();
        fs::write(file, format!("{before}\n{text}")).unwrap();
        self.world.configure("");
    }

    /// Makes the records of a request unreadable.
    fn damage(&self, id: &str) {
        let (source, id) = ("invoke".parse().unwrap(), id.to_owned());
        let stream = StreamId::of(&Identity { source, id }).to_string();
        let folder = self.journal.path().join("journal/requests").join(stream);
        fs::write(folder.join("000000.json"), "{}\n").unwrap();
    }
}

const AS: [&str; 4] = ["--as", "invoke/alice@example.com", "--reason", "leaked"];

// The commands call the sandbox, which runs in this process. It needs a second thread while the
// test waits for a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoke_says_which_account_has_nothing_and_what_it_could_not_read() {
    let case = Case::new().await;
    for (id, account) in ["CHG1", "CHG2", "CHG3"].into_iter().zip(ACCOUNTS) {
        case.share(id, account).await;
    }
    let one = ["revoke", "--image", BLUEPRINT, "--account", ACCOUNTS[0]];
    let (code, shown, log) = case.run(&[&one[..], &["--account", STRANGER], &AS].concat());
    assert!(shown.contains("\"completed\""), "{shown}{log}");
    assert!(
        code == Some(1) && log.contains(&format!("{BLUEPRINT} to {STRANGER}")),
        "{code:?} {log}"
    );
    case.damage("CHG3");
    let (code, shown, log) = case.run(&[&["revoke", "--image", BLUEPRINT][..], &AS].concat());
    assert!(shown.contains(ACCOUNTS[1]), "{shown}{log}");
    assert!(
        code == Some(1) && log.contains("requests/"),
        "{code:?} {log}"
    );
    // Only the request that cannot be read is left.
    let (code, _, log) = case.run(&[&["revoke", "--image", BLUEPRINT][..], &AS].concat());
    assert!(
        code == Some(1) && log.contains("requests/") && log.contains("no active grant"),
        "{code:?} {log}"
    );
    let reasons = log.lines().filter(|line| line.starts_with("sharehook: "));
    assert_eq!(reasons.count(), 2, "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_cannot_be_read_is_not_said_to_be_missing() {
    let case = Case::new().await;
    case.share("CHG1", ACCOUNTS[0]).await;
    case.share("CHG2", ACCOUNTS[1]).await;
    case.damage("CHG2");
    let (code, _, log) = case.run(&[&["retry", "CHG2"][..], &AS].concat());
    assert!(
        code == Some(1) && log.contains("requests/") && !log.contains("has no request"),
        "{code:?} {log}"
    );
    let key = case.run(&["audit", "key"]).1;
    let prove = ["audit", "prove", "CHG2", "--key", key.trim()];
    let (code, _, log) = case.run(&prove);
    assert!(
        code == Some(1) && log.contains("warning: "),
        "{code:?} {log}"
    );
    // The unreadable request may have the id CHG1 too, from another source. So the list may be
    // incomplete.
    let (code, shown, _) = case.run(&["requests", "CHG1", "--json"]);
    assert!(
        code == Some(1) && shown.contains("\"completed\""),
        "{shown}"
    );
    let (code, shown, _) = case.run(&["requests", "invoke/CHG1", "--json"]);
    assert!(
        code == Some(0) && shown.contains("\"completed\""),
        "{shown}"
    );
}

/// The source was removed from the configuration. Its requests are still in the journal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_a_removed_source_can_be_filtered() {
    let mut case = Case::new().await;
    case.share("CHG1", ACCOUNTS[0]).await;
    case.world
        .keep_sources(|source| !source.contains("\"invoke\""));
    for (state, lists) in [("failed", "requests"), ("overdue", "grants")] {
        let of_source = [lists, "--source", "invoke", "--state", state];
        let (code, shown, log) = case.run(&of_source);
        assert!(
            code == Some(0) && shown.contains("match"),
            "{lists}: {code:?} {shown}{log}"
        );
        let (code, _, log) = case.run(&[lists, "--source", "unknown", "--state", state]);
        assert!(
            code == Some(64) && log.contains("no source has the name"),
            "{lists}: {log}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_and_revoke_notify_before_they_end() {
    let mut case = Case::new().await;
    secrets::write(&case.world.folder.path().join("notify.secret"), SECRET);
    let url = case.world.cloud.url();
    case.configure(&format!(
        "[[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{url}/inbox\"\n\
         secret = \"file:notify.secret\"\n"
    ));
    case.world
        .change_entities(|text| text.replace(ACCOUNTS[0], "700000000099"));
    let share = request("CHG1", json!({"accounts": [ACCOUNTS[0]]}));
    let (_, answer) = case.world.deliver(&share).await;
    assert_eq!(answer.status.as_str(), "denied");
    case.world.restore_entities();
    for arguments in [&["retry", "CHG1"][..], &["revoke", "--image", BLUEPRINT]] {
        let before = case.world.cloud.letters().len();
        let (code, _, log) = case.run(&[arguments, &AS].concat());
        assert_eq!(code, Some(0), "{arguments:?}: {log}");
        let after = case.world.cloud.letters().len();
        assert!(after > before, "{arguments:?}");
    }
}

fn by_hand(cloud: &mut Cloud) {
    let stock = cloud.regions.get_mut(REGION).unwrap();
    let (account, since) = (ACCOUNTS[0].to_owned(), jiff::Timestamp::UNIX_EPOCH);
    let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
    blueprint.shares.insert(account.clone(), since);
    let image = stock.images.get_mut(CVM_IMAGE).unwrap();
    image.shares.insert(account, since);
}

/// The map of the source `picky` refuses blueprints. `drift` cancels the CVM image first, so the
/// error comes after a cancel that succeeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_drift_cancelled_before_an_error_is_shown() {
    let mut case = Case::new().await;
    let folder = case.world.folder.path().to_owned();
    let all = "@id(\"all\") permit (principal, action, resource);\n";
    fs::write(folder.join("policy/all.cedar"), all).unwrap();
    let map = "if .image | startswith(\"lhbp-\") then error(\"no blueprints\") else . end";
    fs::write(folder.join("picky.jq"), map).unwrap();
    case.configure(
        "[[source]]\nname = \"picky\"\nscheme = \"trusted\"\nfrom = [\"azure:picky\"]\nmap = \"picky.jq\"\n",
    );
    case.world.cloud.edit(by_hand);
    let (code, shown, log) = case.run(&[
        "drift",
        "--image",
        CVM_IMAGE,
        "--image",
        BLUEPRINT,
        "--region",
        REGION,
        "--revoke-unknown",
        "--as",
        "picky/alice@example.com",
        "--json",
    ]);
    assert!(log.contains("source picky refused the request"), "{log}");
    let report: Value = serde_json::from_str(&shown).expect(&log);
    assert_eq!(report["cancels"][0]["status"], "completed", "{report}");
    assert_eq!(report["cancels"].as_array().unwrap().len(), 1);
    assert_eq!(code, Some(64));
    assert!(case.world.has_image(CVM_IMAGE).is_empty());
}

/// The records of CHG2 cannot be read, but the cloud still has its share. `drift` must revoke only
/// the share with `STRANGER`, which was made by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_does_not_revoke_what_an_unreadable_request_may_have_shared() {
    let case = Case::new().await;
    case.share("CHG1", ACCOUNTS[0]).await;
    case.share("CHG2", ACCOUNTS[1]).await;
    case.damage("CHG2");
    case.world.cloud.edit(|cloud| {
        let stock = cloud.regions.get_mut(REGION).unwrap();
        let since = jiff::Timestamp::UNIX_EPOCH;
        let blueprint = stock.blueprints.get_mut(BLUEPRINT).unwrap();
        blueprint.shares.insert(STRANGER.to_owned(), since);
    });
    let as_alice = ["--as", "invoke/alice@example.com"];
    let (code, shown, log) = case.run(&[&["drift", "--revoke-unknown"][..], &as_alice].concat());
    assert!(
        code == Some(1) && shown.contains("left out") && log.contains("requests/"),
        "{code:?} {shown}{log}"
    );
    let has = case.world.has(BLUEPRINT);
    assert!(has.iter().any(|account| account == ACCOUNTS[1]), "{has:?}");
    assert!(!has.iter().any(|account| account == STRANGER), "{has:?}");
}
