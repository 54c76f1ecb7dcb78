//! The credentials that SCF writes into the headers of each request. The tests start the real
//! binary as SCF does. The sandbox reports which key signed each call, and the tests search output
//! and journal for secrets.

use std::fs::{self, File};
use std::net::TcpListener;
use std::ops::Deref;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use sharehook::inbound::SchemeName;
use sharehook_sandbox::{SandboxKey, SandboxOptions};

use crate::support::files::text_below;
use crate::support::http::send;
use crate::support::process::{Process, signed};
use crate::support::service::{NATIVE_SECRET, Site, request};

/// The variables that SCF sets in a function made from an image. They contain no key.
const IMAGE_FUNCTION: [(&str, &str); 2] = [
    ("SCF_FUNCTIONNAME", "sharehook"),
    ("TENCENTCLOUD_RUNENV", "SCF"),
];
/// The further variables that SCF sets in a function made from a package.
const ENVIRONMENT: [(&str, &str); 3] = [
    ("TENCENTCLOUD_SECRETID", "AKIDenvironment"),
    ("TENCENTCLOUD_SECRETKEY", "HUSH-key-environment"),
    ("TENCENTCLOUD_SESSIONTOKEN", "HUSH-token-environment"),
];

fn key(name: &str) -> SandboxKey {
    SandboxKey::new(format!("AKID{name}"), format!("HUSH-key-{name}"))
        .with_token(format!("HUSH-token-{name}"))
}

/// The function as a process, with its output in files. It is killed on drop.
struct Function {
    site: Site,
    _process: Process,
    url: String,
}

impl Deref for Function {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Function {
    async fn start(vars: &[(&str, &str)], keys: &[&str]) -> Self {
        let keys = keys.iter().map(|name| key(name)).collect();
        let options = SandboxOptions {
            keys,
            ..SandboxOptions::seeded(sharehook::clock::system_now)
        };
        let prepare = |folder: &Path| {
            let config = folder.join("sharehook.toml");
            let events = "name = \"native\"\nevents = [\"/signed\"]\nmap = \"data.jq\"\n";
            let text = fs::read_to_string(&config).unwrap();
            fs::write(config, text.replacen("name = \"native\"\n", events, 1)).unwrap();
            fs::write(folder.join("data.jq"), ".data // .").unwrap();
        };
        let site = Site::new(options, prepare).await;
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let output = |name: &str| Stdio::from(File::create(site.folder.path().join(name)).unwrap());
        let mut command = site.command();
        command
            .env_remove("TENCENTCLOUD_SECRET_ID")
            .env_remove("TENCENTCLOUD_SECRET_KEY")
            .envs([
                ("SHAREHOOK_METADATA_ENDPOINT", "off"),
                ("RUST_LOG", "debug"),
            ])
            .envs(vars.iter().copied())
            .env("PORT", port.to_string())
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        let function = Self {
            _process: Process::start(&mut command),
            site,
            url: format!("http://127.0.0.1:{port}"),
        };
        for _ in 0..400 {
            let probe = send(&function.url, "GET", "/healthz", &[], Vec::new());
            if probe.await.is_ok() {
                return function;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("it does not listen");
    }

    /// Sends a signed delivery for one account, with the headers `more`. Returns the status and the
    /// first result.
    async fn deliver(&self, id: &str, account: &str, more: &[(&str, String)]) -> (u16, Value) {
        let body = request(id, json!({ "accounts": [account] })).to_string();
        let signature = signed(
            SchemeName::StandardWebhooks,
            NATIVE_SECRET,
            &format!("msg_{id}"),
            &body,
        );
        self.post("/hooks/native", &signature, more, body).await
    }

    async fn post(
        &self,
        path: &str,
        signature: &[(String, String)],
        more: &[(&str, String)],
        body: String,
    ) -> (u16, Value) {
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()));
        let headers: Vec<_> = signature.iter().cloned().chain(more).collect();
        let answer = send(&self.url, "POST", path, &headers, body).await.unwrap();
        (answer.status, answer.body)
    }

    /// The keys that signed the calls after the first `from` calls. Each key is listed once.
    fn signers(&self, from: usize) -> Vec<String> {
        let mut keys: Vec<String> = self
            .cloud
            .calls()
            .into_iter()
            .skip(from)
            .map(|call| call.key_id)
            .collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// Delivers a request. Returns the keys that signed its calls.
    async fn signer(&self, id: &str, account: &str, more: &[(&str, String)]) -> Vec<String> {
        let from = self.cloud.calls().len();
        let (status, answer) = self.deliver(id, account, more).await;
        assert_eq!(status, 200, "{id}: {answer}");
        self.signers(from)
    }

    fn printed(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Asserts that output and journal contain neither a secret nor a header that carries one.
    fn keeps_secrets(&self) {
        let mut texts = vec![self.printed("stdout"), self.printed("stderr")];
        assert!(texts[0].contains("listening on"), "{texts:?}");
        texts.push(text_below(&self.folder.path().join("journal")));
        for text in texts {
            assert!(!text.contains("HUSH"), "{text}");
        }
    }
}

fn brings(name: &str) -> Vec<(&'static str, String)> {
    vec![
        ("X-Scf-Secret-Id", format!("AKID{name}")),
        ("X-Scf-Secret-Key", format!("HUSH-key-{name}")),
        ("X-Scf-Session-Token", format!("HUSH-token-{name}")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_invocation_of_an_image_function_is_signed_with_what_it_brought() {
    let function = Function::start(&IMAGE_FUNCTION, &["first", "second", "forged"]).await;
    let (status, answer) = function.deliver("T-0", "700000000001", &[]).await;
    assert_eq!(status, 202, "{answer}");
    let text = answer.to_string();
    assert!(
        text.contains("NoCredentials") && text.contains("headers of SCF's invocations"),
        "{text}"
    );
    assert!(
        text.contains(" — give the function an execution role"),
        "{text}"
    );
    assert!(function.cloud.calls().is_empty());

    assert_eq!(
        function
            .signer("T-1", "700000000002", &brings("first"))
            .await,
        ["AKIDfirst"]
    );
    assert_eq!(
        function
            .signer("T-2", "700000000003", &brings("second"))
            .await,
        ["AKIDsecond"]
    );
    // An invocation that brings no key, such as a sweep, signs its calls with the newest known key.
    assert_eq!(
        function.signer("T-3", "909619400", &[]).await,
        ["AKIDsecond"]
    );

    // The headers of an unauthenticated sender do not change the credentials.
    let body = request("T-4", json!({})).to_string();
    let wrong = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_T-4",
        "other bytes",
    );
    assert_eq!(
        function
            .post("/hooks/native", &wrong, &brings("forged"), body.clone())
            .await
            .0,
        401
    );
    assert_eq!(
        function
            .post("/hooks/native", &[], &brings("forged"), body)
            .await
            .0,
        401
    );
    assert_eq!(
        function.signer("T-5", "700000164995", &[]).await,
        ["AKIDsecond"]
    );

    // Incomplete or contradictory credentials are logged and ignored.
    let mut twice = brings("first");
    twice.push(("x-scf-secret-key", "HUSH-other".to_owned()));
    let blank = vec![
        brings("first")[0].clone(),
        brings("first")[1].clone(),
        ("x-scf-session-token", String::new()),
    ];
    let parts = [
        brings("first")[..2].to_vec(),
        brings("first")[1..].to_vec(),
        blank,
        twice,
    ];
    for (index, part) in parts.iter().enumerate() {
        let account = ["1038493875", "700000000004", "700000000005", "700000000006"][index];
        assert_eq!(
            function.signer(&format!("P-{index}"), account, part).await,
            ["AKIDsecond"],
            "{part:?}"
        );
    }
    let warnings = function
        .printed("stderr")
        .matches("an invocation's credentials are not used")
        .count();
    assert_eq!(warnings, parts.len(), "{}", function.printed("stderr"));
    assert_eq!(
        function
            .signer("T-6", "700000000007", &brings("first"))
            .await,
        ["AKIDfirst"]
    );
    function.keeps_secrets();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_set_for_the_process_comes_before_what_a_request_brings() {
    let package = [&IMAGE_FUNCTION[..], &ENVIRONMENT].concat();
    let function = Function::start(&package, &["environment", "brought"]).await;
    assert_eq!(
        function
            .signer("T-1", "700000000001", &brings("brought"))
            .await,
        ["AKIDenvironment"]
    );
    function.keeps_secrets();

    let named = [
        ("TENCENTCLOUD_SECRET_ID", "AKIDnamed"),
        ("TENCENTCLOUD_SECRET_KEY", "HUSH-key-named"),
    ];
    let token = [("TENCENTCLOUD_TOKEN", "HUSH-token-named")];
    let function = Function::start(
        &[&IMAGE_FUNCTION[..], &named, &token].concat(),
        &["named", "brought"],
    )
    .await;
    assert_eq!(
        function
            .signer("T-1", "700000000001", &brings("brought"))
            .await,
        ["AKIDnamed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_has_gone_stale_gives_way_to_what_invocations_bring() {
    let mut stale = ENVIRONMENT;
    stale[2].1 = "HUSH-token-of-yesterday";
    let function = Function::start(
        &[&IMAGE_FUNCTION[..], &stale].concat(),
        &["environment", "brought"],
    )
    .await;
    // The cloud refuses the token of the first call. The call is repeated with the key of this
    // invocation.
    let signers = function
        .signer("T-1", "700000000001", &brings("brought"))
        .await;
    assert_eq!(signers, ["AKIDbrought", "AKIDenvironment"]);
    assert_eq!(
        function.signer("T-2", "700000000002", &[]).await,
        ["AKIDbrought"]
    );

    let function = Function::start(
        &[&IMAGE_FUNCTION[..], &stale].concat(),
        &["environment", "brought"],
    )
    .await;
    let (_, answer) = function.deliver("T-1", "700000000001", &[]).await;
    assert!(
        answer.to_string().contains("AuthFailure.TokenFailure"),
        "{answer}"
    );
    assert_eq!(
        function
            .signer("T-2", "700000000002", &brings("brought"))
            .await,
        ["AKIDbrought"]
    );
    assert_eq!(
        function.signer("T-3", "700000000003", &[]).await,
        ["AKIDbrought"]
    );
    function.keeps_secrets();
}

#[tokio::test(flavor = "multi_thread")]
async fn on_any_other_host_the_headers_are_a_strangers_words() {
    for marks in [&IMAGE_FUNCTION[..1], &IMAGE_FUNCTION[1..], &[]] {
        let own = [
            ("TENCENTCLOUD_SECRETID", "AKIDown"),
            ("TENCENTCLOUD_SECRETKEY", "HUSH-key-own"),
        ];
        let token = [("TENCENTCLOUD_SESSIONTOKEN", "HUSH-token-own")];
        let function = Function::start(&[marks, &own, &token].concat(), &["own", "brought"]).await;
        assert_eq!(
            function
                .signer("T-1", "700000000001", &brings("brought"))
                .await,
            ["AKIDown"],
            "{marks:?}"
        );
        function.keeps_secrets();
        // The headers are ignored even if there are no other credentials.
        let function = Function::start(marks, &["brought"]).await;
        let (_, answer) = function
            .deliver("T-2", "700000000002", &brings("brought"))
            .await;
        assert!(
            answer.to_string().contains("NoCredentials"),
            "{marks:?}: {answer}"
        );
        assert!(function.cloud.calls().is_empty(), "{marks:?}");
        function.keeps_secrets();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_owner_is_never_asked_for() {
    let owner = [("TENCENTCLOUD_UIN", "700000000007")];
    let function = Function::start(&[&IMAGE_FUNCTION[..], &owner].concat(), &["brought"]).await;
    let body = request(
        "T-1",
        json!({ "accounts": ["700000000006", "700000000007"] }),
    )
    .to_string();
    let signature = signed(
        SchemeName::StandardWebhooks,
        NATIVE_SECRET,
        "msg_T-1",
        &body,
    );
    let (_, answer) = function
        .post("/hooks/native", &signature, &brings("brought"), body)
        .await;
    let results = &answer["results"];
    assert_eq!(
        (&results[0]["result"], &results[1]["code"]),
        (&json!("shared"), &json!("OwnAccount")),
        "{answer}"
    );
    let calls = function.cloud.calls();
    assert!(
        calls
            .iter()
            .all(|call| !call.accounts.contains(&"700000000007".to_owned())),
        "{calls:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cloudevent_brings_its_key_too_and_an_unsigned_one_none() {
    let function = Function::start(&IMAGE_FUNCTION, &["first", "forged"]).await;
    let event = |id: &str, account: &str| {
        let data = request(id, json!({ "accounts": [account] }));
        json!({ "specversion": "1.0", "id": id, "source": "/signed", "type": "t", "data": data })
            .to_string()
    };
    let sign = |id: &str, body: &str| {
        let mut headers = signed(SchemeName::StandardWebhooks, NATIVE_SECRET, id, body);
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        headers.push((
            "content-type".to_owned(),
            "application/cloudevents+json".to_owned(),
        ));
        headers
    };
    for (id, account, bytes, key, expected, signers) in [
        ("E-1", "700000000001", None, "first", 200, vec!["AKIDfirst"]),
        (
            "E-2",
            "700000000002",
            Some("other bytes"),
            "forged",
            401,
            vec![],
        ),
        ("E-3", "700000000003", None, "", 200, vec!["AKIDfirst"]),
    ] {
        let body = event(id, account);
        let signature = sign(id, bytes.unwrap_or(&body));
        let brought = if key.is_empty() {
            Vec::new()
        } else {
            brings(key)
        };
        let from = function.cloud.calls().len();
        let (status, answer) = function.post("/events", &signature, &brought, body).await;
        assert_eq!(
            (status, function.signers(from)),
            (expected, signers.iter().map(ToString::to_string).collect()),
            "{id}: {answer}"
        );
    }
    function.keeps_secrets();
}
