//! Tests which key signs each call. The sandbox reports the key of each call.

use std::path::Path;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Uri};
use serde_json::json;
use sharehook::app::{App, Deadline, Prepared, Reply, http_client};
use sharehook::clock::{self, Clock};
use sharehook::config::{AwsSecret, AwsSecrets, AwsStore, Config, FetchedSecret, Vars};
use sharehook::domain::Status;
use sharehook_sandbox::{Running, Sandbox, SandboxKey, SandboxOptions};
use tokio::net::TcpListener;

use crate::support::files::text_below;
use crate::support::{invocation, write_open_configuration};

async fn sandbox(keys: Vec<SandboxKey>) -> Running {
    Sandbox::start(SandboxOptions {
        keys,
        ..SandboxOptions::seeded(clock::system_now)
    })
    .await
    .unwrap()
}

/// Creates a folder whose policy allows everything, and adds `accounts` to its configuration.
fn folder(accounts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_open_configuration(folder.path(), "file:journal", accounts);
    folder
}

async fn app(folder: &Path, vars: &Vars, plan: bool) -> App {
    let config = Config::load(&folder.join("sharehook.toml"), vars, &AwsSecrets::new()).unwrap();
    let prepared = Prepared::new(config).unwrap();
    let prepared = if plan { prepared.planning() } else { prepared };
    prepared.open(vars, Clock::System).await.unwrap()
}

fn vars(url: &str, pairs: &[(&str, &str)]) -> Vars {
    let own = [("SHAREHOOK_CLOUD_ENDPOINT", url)];
    own.iter()
        .chain(pairs)
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect()
}

fn ticket(id: &str, image: &str, region: &str) -> serde_json::Value {
    json!({
        "id": id, "action": "share", "image": image, "region": region, "accounts": ["700000164995"],
        "requester": "alice@example.com", "approvers": ["bob@example.com"], "ticket": id,
    })
}

/// Delivers a ticket. Returns the status of its answer, and the lines of its plan.
async fn send(app: &App, ticket: &serde_json::Value) -> (Status, Vec<String>) {
    let Reply::Answers(mut answers) = app.receive(invocation(ticket), Deadline::NEVER).await else {
        panic!("refused")
    };
    let (_, answer) = answers.pop().unwrap();
    (answer.status, answer.plan)
}

fn journal(folder: &Path) -> String {
    text_below(&folder.join("journal"))
}

const ACCOUNTS: &str = "
[cloud.accounts.mainland]
secret_id  = \"env:MAINLAND_ID\"
secret_key = \"env:MAINLAND_KEY\"
regions    = [\"ap-guangzhou\"]

[cloud.accounts.golden]
secret_id  = \"env:GOLDEN_ID\"
secret_key = \"env:GOLDEN_KEY\"
images     = [\"img-6pb\"]
";

const KEYS: [(&str, &str); 6] = [
    ("TENCENTCLOUD_SECRET_ID", "AKIDdefault"),
    ("TENCENTCLOUD_SECRET_KEY", "HUSH-default"),
    ("MAINLAND_ID", "AKIDmainland"),
    ("MAINLAND_KEY", "HUSH-mainland"),
    ("GOLDEN_ID", "AKIDgolden"),
    ("GOLDEN_KEY", "HUSH-golden"),
];

#[tokio::test]
async fn tickets_of_different_regions_and_images_are_signed_by_different_keys() {
    let keys = ["default", "mainland", "golden"];
    let keys = keys.map(|name| SandboxKey::new(format!("AKID{name}"), format!("HUSH-{name}")));
    let sandbox = sandbox(keys.into()).await;
    let folder = folder(ACCOUNTS);
    let vars = vars(&sandbox.url(), &KEYS);
    let cases = [
        ("CHG-1", "lhbp-6jc6l8yb", "ap-singapore", "default"),
        ("CHG-2", "lhbp-6jc6l8yb", "ap-guangzhou", "mainland"),
        ("CHG-3", "img-6pb6lrmy", "ap-guangzhou", "golden"),
        ("CHG-4", "img-gvbnzy6f", "ap-singapore", "default"),
    ];
    let planning = app(folder.path(), &vars, true).await;
    for (id, image, region, account) in cases {
        let (status, plan) = send(&planning, &ticket(id, image, region)).await;
        assert_eq!(
            (status, plan[0].as_str()),
            (
                Status::Planned,
                format!("calls are made as account {account}").as_str()
            )
        );
    }
    let app = app(folder.path(), &vars, false).await;
    for (id, image, region, account) in cases {
        let before = sandbox.calls().len();
        assert_eq!(
            send(&app, &ticket(id, image, region)).await.0,
            Status::Completed,
            "{id}"
        );
        let calls = sandbox.calls();
        assert!(calls.len() > before);
        for call in &calls[before..] {
            assert_eq!(call.key_id, format!("AKID{account}"), "{id}: {call:?}");
        }
        let written = journal(folder.path());
        assert!(written.contains(&format!(" as {account}\"")), "{written}");
        assert!(!written.contains("HUSH"));
    }
    assert!(!format!("{app:?}").contains("HUSH"));
}

#[tokio::test]
async fn one_accounts_wrong_key_does_not_stop_the_others() {
    let sandbox = sandbox(vec![SandboxKey::new("AKIDdefault", "HUSH-default")]).await;
    let folder = folder(ACCOUNTS);
    let app = app(folder.path(), &vars(&sandbox.url(), &KEYS), false).await;
    assert_eq!(
        send(&app, &ticket("CHG-1", "lhbp-6jc6l8yb", "ap-guangzhou"))
            .await
            .0,
        Status::Pending
    );
    assert_eq!(
        send(&app, &ticket("CHG-2", "lhbp-6jc6l8yb", "ap-singapore"))
            .await
            .0,
        Status::Completed
    );
}

#[tokio::test]
async fn without_accounts_nothing_names_one_and_the_machines_role_will_do() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metadata = format!("http://{}", listener.local_addr().unwrap());
    let answer = |uri: Uri| async move {
        if uri.path().ends_with("/sharehook-role") {
            json!({ "TmpSecretId": "AKIDrole", "TmpSecretKey": "HUSH-role", "Token": "HUSH-token",
                    "ExpiredTime": 4_000_000_000_i64, "Code": "Success" })
            .to_string()
        } else {
            "sharehook-role".to_owned()
        }
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    let sandbox = sandbox(vec![
        SandboxKey::new("AKIDrole", "HUSH-role").with_token("HUSH-token"),
    ])
    .await;
    let folder = folder("");
    let vars = vars(
        &sandbox.url(),
        &[("SHAREHOOK_METADATA_ENDPOINT", &metadata)],
    );
    let app = app(folder.path(), &vars, false).await;
    assert_eq!(
        send(&app, &ticket("CHG-1", "img-6pb6lrmy", "ap-singapore"))
            .await
            .0,
        Status::Completed
    );
    assert!(sandbox.calls().iter().all(|call| call.key_id == "AKIDrole"));
    assert!(!journal(folder.path()).contains(" as "));
}

/// Starts a proxy in front of the sandbox, and returns its URL. The proxy itself answers calls to
/// the token service. It forwards all other calls unchanged, including the signed header `Host`.
async fn with_sts(sandbox: &Running) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (client, behind) = (http_client().unwrap(), sandbox.url());
    let answer = move |headers: HeaderMap, body: Bytes| async move {
        if headers["x-tc-action"] == "AssumeRole" {
            let keys = json!({ "TmpSecretId": "AKIDassumed", "TmpSecretKey": "HUSH-assumed", "Token": "HUSH-token" });
            return json!({ "Response": { "Credentials": keys, "ExpiredTime": 4_000_000_000_i64, "RequestId": "r" } })
                .to_string();
        }
        client
            .post(behind)
            .headers(headers)
            .body(body)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    url
}

#[tokio::test]
async fn a_roles_account_is_served_with_its_keys_and_its_owner_is_never_asked_for() {
    let key = SandboxKey::new("AKIDassumed", "HUSH-assumed").with_token("HUSH-token");
    let sandbox = sandbox(vec![key]).await;
    let role = "role_arn = \"qcs::cam::uin/100000000001:roleName/sharehook\"";
    let folder = folder(&format!(
        "[cloud.accounts.golden]\n{role}\nimages = [\"img-\"]\n"
    ));
    let app = app(
        folder.path(),
        &vars(&with_sts(&sandbox).await, &KEYS),
        false,
    )
    .await;
    let mut ticket = ticket("CHG-1", "img-6pb6lrmy", "ap-singapore");
    ticket["accounts"] = json!(["100000000001", "700000164995"]);
    assert_eq!(send(&app, &ticket).await.0, Status::Partial);
    let writes: Vec<_> = sandbox
        .calls()
        .into_iter()
        .filter(|call| call.action == "ModifyImageSharePermission")
        .collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!(
        (writes[0].key_id.as_str(), writes[0].accounts.as_slice()),
        ("AKIDassumed", ["700000164995".to_owned()].as_slice())
    );
    let written = journal(folder.path());
    assert!(
        written.contains("OwnAccount")
            && written.contains(" as golden\"")
            && !written.contains("HUSH")
    );
}

/// `TENCENTCLOUD_SECRET_ID` and `TENCENTCLOUD_SECRET_KEY` refer to secrets in AWS. The variables
/// for a token and a role work as they do if the key itself is in the variables.
#[tokio::test]
async fn a_key_in_aws_is_used_with_the_token_and_the_role_in_variables() {
    let sandbox = sandbox(vec![
        SandboxKey::new("AKIDassumed", "HUSH-assumed").with_token("HUSH-token"),
        SandboxKey::new("AKIDtemporary", "HUSH-temporary").with_token("HUSH-own-token"),
    ])
    .await;
    let url = with_sts(&sandbox).await;
    let secret = |id: &str, text: &str| {
        let (store, id, field) = (AwsStore::ParameterStore, id.to_owned(), None);
        let (text, version) = (text.to_owned().into(), None);
        let fetched = FetchedSecret { text, version };
        (AwsSecret { store, id, field }, Ok(fetched))
    };
    let fetched = AwsSecrets::from([
        secret("/id", "AKIDtemporary"),
        secret("/key", "HUSH-temporary"),
    ]);
    let token = ("TENCENTCLOUD_TOKEN", "HUSH-own-token");
    let role = "qcs::cam::uin/100000000001:roleName/sharehook";
    let role = ("TENCENTCLOUD_ROLE_ARN", role);
    let session = ("TENCENTCLOUD_ROLE_SESSION_NAME", "alice");
    for (beside, signer) in [
        (&[token][..], Some("AKIDtemporary")),
        (&[token, role, session], Some("AKIDassumed")),
        // A role without a session name is an error, as it is if the key itself is in the
        // variables.
        (&[token, role], None),
    ] {
        let key = [
            ("TENCENTCLOUD_SECRET_ID", "aws-ssm:/id"),
            ("TENCENTCLOUD_SECRET_KEY", "aws-ssm:/key"),
        ];
        let vars = vars(&url, &[&key[..], beside].concat());
        let folder = folder("");
        let file = folder.path().join("sharehook.toml");
        let config = Config::load(&file, &vars, &fetched).unwrap();
        let prepared = Prepared::new(config).unwrap();
        let app = prepared.open(&vars, Clock::System).await.unwrap();
        let from = sandbox.calls().len();
        let (status, _) = send(&app, &ticket("CHG-1", "img-6pb6lrmy", "ap-singapore")).await;
        assert_eq!(status == Status::Completed, signer.is_some(), "{beside:?}");
        let calls = sandbox.calls().split_off(from);
        assert_eq!(calls.is_empty(), signer.is_none(), "{beside:?}");
        assert!(
            calls
                .iter()
                .all(|call| Some(call.key_id.as_str()) == signer)
        );
    }
}

#[tokio::test]
async fn a_wrong_role_or_key_is_a_configuration_error_with_its_line() {
    for (accounts, line, expected) in [
        (
            "[cloud.accounts.a]\nregions = [\"ap-tokyo\"]\nrole_arn = \"arn:aws:iam::1:role/x\"",
            6,
            "not the ARN of a role",
        ),
        (
            "[cloud.accounts.a]\nregions = [\"ap-tokyo\"]\nsecret_id = \"env:A\"\nsecret_key = \"env:B\"",
            4,
            "blanks",
        ),
    ] {
        let folder = folder(accounts);
        let path = folder.path().join("sharehook.toml");
        let config = Config::load(
            &path,
            &vars("http://127.0.0.1:1", &[("A", "id"), ("B", "HU SH")]),
            &AwsSecrets::new(),
        )
        .unwrap();
        let problems = Prepared::new(config).unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems:?}");
        assert_eq!(problems.0[0].field, format!("{}:{line}", path.display()));
        assert!(
            problems.to_string().contains(expected) && !problems.to_string().contains("HU SH"),
            "{problems}"
        );
    }
}
