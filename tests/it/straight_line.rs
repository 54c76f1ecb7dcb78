//! Tests that a signed ticket becomes a share. Runs every operation over HTTP, both sharing and
//! cancelling, and compares the answers with the journal.

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;
use sharehook_sandbox::{SandboxOptions, Site};

use crate::support::http::Answer;
use crate::support::process::{Finish as _, program, signed};
use crate::support::service::{
    GITHUB_SECRET, JIRA_SECRET, NATIVE_SECRET, STRANGER, Service, request,
};

fn event(name: &str) -> String {
    std::fs::read_to_string(format!("{}/events/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Asserts that the answer says `completed`. Returns its results as `account or image: result`.
fn results(answer: &Answer) -> Vec<String> {
    assert_eq!(
        (answer.status, &answer.body["status"]),
        (200, &json!("completed")),
        "{answer:?}"
    );
    assert!(
        answer.body["record"].as_str().unwrap().contains(" sha256:"),
        "{answer:?}"
    );
    let line = |r: &Value| {
        let item = r.get("account").or(r.get("image")).unwrap();
        format!(
            "{}: {}",
            item.as_str().unwrap(),
            r["result"].as_str().unwrap()
        )
    };
    answer.body["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect()
}

#[tokio::test]
async fn a_blueprint_is_shared_with_accounts_and_taken_back() {
    // A site that cannot list a blueprint's accounts cancels even for accounts that never had it.
    for (site, never_shared) in [(Site::Intl, "cancelled"), (Site::Cn, "not_shared")] {
        shared_and_taken_back(site, never_shared).await;
    }
}

async fn shared_and_taken_back(site: Site, never_shared: &str) {
    let options = SandboxOptions::seeded(sharehook::clock::system_now).on(site);
    let service = Service::with(options).await;
    let shared = service.native(&request("B-1", json!({}))).await;
    assert_eq!(
        results(&shared),
        ["700000164995: shared", "1038493875: shared"]
    );
    assert_eq!(shared.body["policy"], json!(["golden-images-to-staging"]));
    assert_eq!(
        service.blueprint_accounts("lhbp-6jc6l8yb"),
        ["1038493875", "700000164995"]
    );
    let cancelled = service
        .native(&request(
            "B-2",
            json!({"action": "cancel", "accounts": ["1038493875", "909619400"]}),
        ))
        .await;
    assert_eq!(
        results(&cancelled),
        [
            "1038493875: cancelled".to_owned(),
            format!("909619400: {never_shared}")
        ]
    );
    assert_eq!(
        service.blueprint_accounts("lhbp-6jc6l8yb"),
        ["700000164995"]
    );
    assert!(
        service.called("DescribeBlueprintsShareAcrossAccountInfos"),
        "who has it now was not asked"
    );
}

#[tokio::test]
async fn a_cvm_image_is_shared_with_accounts_and_taken_back() {
    let service = Service::start().await;
    let shared = service
        .native(&request("C-1", json!({"image": "img-6pb6lrmy"})))
        .await;
    assert_eq!(
        results(&shared),
        ["700000164995: shared", "1038493875: shared"]
    );
    assert_eq!(
        service.image_accounts("img-6pb6lrmy"),
        ["1038493875", "700000164995"]
    );
    let more = json!({"image": "img-6pb6lrmy", "accounts": ["700000164995", "909619400"]});
    assert_eq!(
        results(&service.native(&request("C-2", more)).await),
        ["700000164995: already_shared", "909619400: shared"]
    );
    let cancelled = service
        .native(&request(
            "C-3",
            json!({"action": "cancel", "image": "img-6pb6lrmy"}),
        ))
        .await;
    assert_eq!(
        results(&cancelled),
        ["700000164995: cancelled", "1038493875: cancelled"]
    );
    assert_eq!(service.image_accounts("img-6pb6lrmy"), ["909619400"]);
    assert!(
        service.called("DescribeImageSharePermission"),
        "who has it now was not asked"
    );
}

#[tokio::test]
async fn a_cvm_image_is_made_available_in_lighthouse_and_taken_back() {
    let service = Service::start().await;
    let only = |id, action| {
        request(
            id,
            json!({"action": action, "image": "img-xkd784jw", "accounts": [], "lighthouse": true}),
        )
    };
    let shared = service.native(&only("L-1", "share")).await;
    assert_eq!(results(&shared), ["img-xkd784jw: available"]);
    assert_eq!(shared.body["results"][0]["blueprint"], "lhbp-su83x02a");
    assert!(
        service.called("DescribeImagesToShare"),
        "the check before sharing to Lighthouse was not made"
    );
    assert_eq!(
        results(&service.native(&only("L-2", "share")).await),
        ["img-xkd784jw: available"]
    );
    assert_eq!(
        service.carried_out("ModifyImageSharePermission"),
        1,
        "an available image is not shared again"
    );
    assert_eq!(
        results(&service.native(&only("L-3", "cancel")).await),
        ["img-xkd784jw: cancelled"]
    );
    assert_eq!(
        results(&service.native(&only("L-4", "cancel")).await),
        ["img-xkd784jw: not_shared"]
    );
}

#[tokio::test]
async fn the_chain_shares_the_blueprint_that_comes_of_the_image() {
    let service = Service::start().await;
    let chain = |id, action| {
        request(
            id,
            json!({"action": action, "image": "img-xkd784jw", "lighthouse": true}),
        )
    };
    let shared = service.native(&chain("K-1", "share")).await;
    assert_eq!(
        results(&shared),
        [
            "img-xkd784jw: available",
            "700000164995: shared",
            "1038493875: shared"
        ]
    );
    assert_eq!(
        service.blueprint_accounts("lhbp-su83x02a"),
        ["1038493875", "700000164995"]
    );
    let cancelled = service.native(&chain("K-2", "cancel")).await;
    assert_eq!(
        results(&cancelled),
        [
            "img-xkd784jw: cancelled",
            "700000164995: cancelled",
            "1038493875: cancelled"
        ]
    );
    assert!(service.blueprint_accounts("lhbp-su83x02a").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_shared_is_listed() {
    let service = Service::start().await;
    let output = service.run(&["images", "--region", "ap-singapore", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let images: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let shareable = |id: &str| {
        images
            .iter()
            .find(|i| i["image_id"] == id)
            .unwrap_or_else(|| panic!("{id}"))["is_shareable"]
            .clone()
    };
    assert_eq!(shareable("img-xkd784jw"), true);
    assert!(
        images.iter().any(|image| image["is_shareable"] == false),
        "the seed has images that cannot be shared"
    );
    for (filter, problem) in [
        ("colour=red", "image-id, image-name, image-type"),
        ("image-name=", "the value is empty"),
        (
            "image-type=PRIVATE",
            "PRIVATE_IMAGE, PUBLIC_IMAGE, SHARED_IMAGE",
        ),
    ] {
        let wrong = service.run(&["images", "--region", "ap-singapore", "--filter", filter]);
        assert_eq!(wrong.status.code(), Some(64));
        assert!(
            String::from_utf8_lossy(&wrong.stderr).contains(problem),
            "{wrong:?}"
        );
    }
    let id = "img-xkd784jw";
    let twice = ["--image", id, "--image", id];
    let twice = service.run(&[&["images", "--region", "ap-singapore"], &twice[..]].concat());
    assert_eq!(twice.status.code(), Some(0), "{twice:?}");
}

#[tokio::test]
async fn one_bad_account_of_ten_does_not_cost_the_nine_others() {
    let service = Service::start().await;
    for (id, image) in [("T-1", "lhbp-6jc6l8yb"), ("T-2", "img-6pb6lrmy")] {
        let mut accounts: Vec<String> = (1..10).map(|n| format!("7000000000{n:02}")).collect();
        accounts.insert(4, STRANGER.to_owned());
        let answer = service
            .native(&request(id, json!({"image": image, "accounts": accounts})))
            .await;
        assert_eq!(
            (answer.status, &answer.body["status"]),
            (200, &json!("partial")),
            "{answer:?}"
        );
        let results = answer.body["results"].as_array().unwrap();
        let failed: Vec<&Value> = results.iter().filter(|r| r["result"] == "failed").collect();
        assert_eq!((results.len(), failed.len()), (10, 1), "{answer:?}");
        assert_eq!(
            (&failed[0]["account"], &failed[0]["retryable"]),
            (&json!(STRANGER), &json!(false))
        );
        assert!(
            failed[0]["code"].as_str().unwrap().contains("Account"),
            "{failed:?}"
        );
    }
    assert_eq!(service.blueprint_accounts("lhbp-6jc6l8yb").len(), 9);
    assert_eq!(service.image_accounts("img-6pb6lrmy").len(), 9);
}

#[tokio::test]
async fn a_jira_ticket_is_shared_once_however_often_it_comes() {
    let service = Service::start().await;
    let body = event("body-jira-approved.json");
    let headers = signed(SchemeName::Jira, JIRA_SECRET, "1", &body);
    let first = service
        .post("/hooks/jira", &headers, body.clone().into_bytes())
        .await;
    assert_eq!(
        results(&first),
        ["700000164995: shared", "1038493875: shared"]
    );
    assert_eq!(
        first.body["id"], "SHARE-101/31001",
        "the id names the approval, not the ticket"
    );
    let calls = service.cloud.calls().len();
    let records = service.records();
    for _ in 0..3 {
        let again = service
            .post("/hooks/jira", &headers, body.clone().into_bytes())
            .await;
        assert_eq!(
            (again.status, &again.body["duplicate"]),
            (200, &json!(true))
        );
        assert_eq!(again.body["results"], first.body["results"]);
    }
    assert_eq!(
        service.cloud.calls().len(),
        calls,
        "a duplicate calls nothing"
    );
    assert_eq!(service.records(), records, "and writes nothing");
    let edited = event("body-jira-edited.json");
    let headers = signed(SchemeName::Jira, JIRA_SECRET, "2", &edited);
    let ignored = service
        .post("/hooks/jira", &headers, edited.into_bytes())
        .await;
    assert_eq!(
        (ignored.status, &ignored.body["status"]),
        (200, &json!("ignored"))
    );
}

#[tokio::test]
async fn a_github_issue_labelled_approved_is_shared() {
    let service = Service::start().await;
    let body = event("body-github-approved.json");
    let headers = signed(SchemeName::Github, GITHUB_SECRET, "1", &body);
    let answer = service
        .post("/hooks/github", &headers, body.into_bytes())
        .await;
    assert_eq!(
        results(&answer),
        ["700000164995: shared", "909619400: shared"]
    );
}

#[tokio::test]
async fn a_replayed_ticket_does_not_share_again_after_its_share_was_cancelled() {
    let service = Service::start().await;
    let share = request("R-1", json!({}));
    results(&service.native(&share).await);
    results(
        &service
            .native(&request("R-2", json!({"action": "cancel"})))
            .await,
    );
    let replayed = service.native_as("msg_another", &share).await;
    assert_eq!(
        (replayed.status, &replayed.body["duplicate"]),
        (200, &json!(true))
    );
    assert!(service.blueprint_accounts("lhbp-6jc6l8yb").is_empty());
}

#[tokio::test]
async fn the_same_id_with_other_content_is_a_journalled_conflict() {
    let service = Service::start().await;
    results(&service.native(&request("X-1", json!({}))).await);
    let records = service.records();
    let other = service
        .native(&request("X-1", json!({"accounts": ["909619400"]})))
        .await;
    assert_eq!(other.status, 422);
    assert_eq!(other.body["problems"][0]["field"], "id");
    assert_eq!(
        service.records(),
        records + 1,
        "the conflict is on record, once"
    );
    service
        .native(&request("X-1", json!({"accounts": ["909619400"]})))
        .await;
    assert_eq!(service.records(), records + 1);
    assert_eq!(service.blueprint_accounts("lhbp-6jc6l8yb").len(), 2);
}

#[tokio::test]
async fn an_old_secret_works_while_both_are_configured() {
    let service = Service::start().await;
    let body = request("O-1", json!({})).to_string();
    let old = signed(
        SchemeName::StandardWebhooks,
        "whsec_dGVzdC1vbmx5LW9sZC1zZWNyZXQtMDEyMzQ1Njc4OTA=",
        "m1",
        &body,
    );
    results(
        &service
            .post("/hooks/native", &old, body.clone().into_bytes())
            .await,
    );
    let new = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, "m2", &body);
    assert_eq!(
        service
            .post("/hooks/native", &new, body.into_bytes())
            .await
            .body["duplicate"],
        true
    );
}

#[tokio::test]
async fn the_journal_shows_and_proves_what_happened() {
    let service = Service::start().await;
    results(
        &service
            .native(&request(
                "J-1",
                json!({"expires_in": "30d", "ticket": "CHG1"}),
            ))
            .await,
    );
    let shown: Value =
        serde_json::from_slice(&service.run(&["requests", "J-1", "--json"]).stdout).unwrap();
    assert_eq!(shown["status"], "completed");
    let table = String::from_utf8(service.run(&["requests"]).stdout).unwrap();
    assert!(
        table.contains("native/J-1") && table.contains("completed"),
        "{table}"
    );
    let grants = String::from_utf8(service.run(&["grants"]).stdout).unwrap();
    assert!(
        grants
            .lines()
            .filter(|line| line.contains("CHG1") && line.contains("golden-images-to-staging"))
            .count()
            == 2,
        "{grants}"
    );
    let verified = service.run(&["audit", "verify"]);
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    let record = shown["record"]
        .as_str()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    let file = service.folder.path().join("journal").join(&record);
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let found = service.run(&["audit", "verify"]);
    assert_eq!(found.status.code(), Some(1));
    assert!(String::from_utf8(found.stdout).unwrap().contains(&record));
}

/// Uses the official vector of the Standard Webhooks libraries, without a configuration file.
#[test]
fn a_signature_is_explained_and_its_secret_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("body"), "{\"test\": 2432232314}").unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let run = |signature: &str, now: &str| {
        let headers = [
            "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp: 1614265330",
            &format!("webhook-signature: {signature}"),
        ]
        .map(str::to_owned);
        let mut command = program(folder.path());
        command.args([
            "verify",
            "--scheme",
            "standard-webhooks",
            "--secret",
            secret,
            "--body",
            "body",
            "--now",
            now,
        ]);
        for header in headers {
            command.args(["--header", &header]);
        }
        command.finish()
    };
    let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    for (signature, now, code, word) in [
        (good, "1614265330", 0, "accepted"),
        (good, "2021-02-25T15:07:11Z", 2, "refused"),
        (
            "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "1614265330",
            2,
            "computed",
        ),
    ] {
        let output = run(signature, now);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(
            text.contains(word) && text.contains("signed bytes"),
            "{text}"
        );
        assert!(
            !text.contains("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
            "the secret is shown: {text}"
        );
    }
}

/// Tests the senders that put the signature into the query, with their vectors.
#[test]
fn a_signature_in_the_query_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let text = include_str!("../vectors/approval-systems.json");
    let vectors: Vec<Value> = serde_json::from_str(text).unwrap();
    for (id, names, extra) in [
        (
            "wecom-sys-approved",
            ["token", "encoding_aes_key", "receive_id"],
            "",
        ),
        (
            "dingtalk-approved",
            ["token", "aes_key", "owner_key"],
            "https://hooks.example.com/hooks/a?",
        ),
    ] {
        let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
        let [token, key, from] = names.map(|name| vector["secrets"][name].as_str().unwrap());
        std::fs::write(folder.path().join("body"), vector["body"].as_str().unwrap()).unwrap();
        let encoded =
            |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02x}")).collect() };
        let fields = vector["query"].as_object().unwrap().iter();
        let fields =
            fields.map(|(name, value)| format!("{name}={}", encoded(value.as_str().unwrap())));
        let query = format!("{extra}{}", fields.collect::<Vec<_>>().join("&"));
        let run = |query: &str, from: &str| {
            let secret = format!("{token}:{key}");
            let scheme = vector["system"].as_str().unwrap();
            let now = vector["now"].to_string();
            let mut command = program(folder.path());
            command.args([
                "verify", "--scheme", scheme, "--secret", &secret, "--from", from,
            ]);
            command.args(["--query", query, "--body", "body", "--now", &now]);
            command.args(["--header", "content-type: application/json"]);
            let output = command.finish();
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            (output.status.code(), text)
        };
        let (code, text) = run(&query, from);
        assert_eq!(code, Some(0), "{id}: {text}");
        assert!(
            text.contains("receiver") && text.contains("accepted"),
            "{text}"
        );
        let (code, text) = run(&query, "another");
        assert_eq!(code, Some(2), "{id}: {text}");
        let (code, text) = run(&query.replace("nonce=", "nonce=0"), from);
        assert_eq!(code, Some(2), "{id}: {text}");
    }
}
