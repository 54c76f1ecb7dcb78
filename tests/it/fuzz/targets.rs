//! The fuzz targets: each passes untrusted bytes to the code that reads them first, and asserts
//! what must be true for any bytes. `fuzz/` runs them under cargo-fuzz; `cargo test` runs them on
//! the seeds and on mutations.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use object_store::ObjectStoreExt as _;
use object_store::memory::InMemory;
use sharehook::app::{App, Deadline, Prepared};
use sharehook::clock::Clock;
use sharehook::cloud::actions::{self, Action, Paging, Purpose};
use sharehook::cloud::{Cloud, CloudSettings, CredentialChain, envelope};
use sharehook::config::{AwsSecrets, Config, Vars};
use sharehook::domain::{ServedRegions, ShareRequest, Timestamp, read_json};
use sharehook::entrypoints::fuzzing;
use sharehook::inbound::{
    Delivery, Headers, Map, SchemeName, SchemeSpec, VerifiedDelivery, Verifier, Via, cloudevents,
};
use sharehook::journal::export::{Entry, Origin};
use sharehook::journal::log::{
    Checkpoint, ConsistencyProof, Entry as SealedEntry, Hash, NoteSigner, Proof, VerifierKey,
    records_in_segment, root,
};
use sharehook::journal::{Journal, State, Stored};
use sharehook::policy::{PolicyFiles, PolicySet, SourceFacts, sample_files};

pub(crate) type Target = (&'static str, fn(&[u8]));

/// Each target under the name that `fuzz/` and the corpora use.
pub(crate) const TARGETS: [Target; 14] = [
    ("native", native),
    ("maps", maps),
    ("map_text", map_text),
    ("schemes", schemes),
    ("cloud_events", cloud_events),
    ("host_events", host_events),
    ("http_requests", http_requests),
    ("cloud_answers", cloud_answers),
    ("records", records),
    ("notes", notes),
    ("tiles", tiles),
    ("credential_files", credential_files),
    ("configuration", configuration),
    ("policies", policies),
];

const TOKEN: &str = "a-token-of-the-fuzz-targets-0123456789";

fn now() -> Timestamp {
    Timestamp::from_second(1_793_602_439).unwrap()
}

/// Reads a native request. A problem must name its field and a remedy. The digest must be stable.
pub(crate) fn native(data: &[u8]) {
    let Ok(value) = read_json(data) else { return };
    match ShareRequest::from_json(&value, &ServedRegions::default()) {
        Ok(request) => {
            let again = ShareRequest::from_json(&value, &ServedRegions::default()).unwrap();
            assert_eq!(request.digest(), again.digest());
            assert!(!request.target.items().is_empty(), "a request for nothing");
        }
        Err(problems) => {
            assert!(!problems.0.is_empty());
            for problem in &problems.0 {
                assert!(
                    !problem.field.is_empty() && !problem.remedy.is_empty(),
                    "{problem}"
                );
            }
        }
    }
}

fn delivered(body: &[u8]) -> VerifiedDelivery {
    let from = vec!["invoke".to_owned()];
    let spec = SchemeSpec::preset(SchemeName::Trusted);
    let verifier = Verifier::new(spec, Vec::new(), from).unwrap();
    let delivery = Delivery {
        source: "s".parse().unwrap(),
        via: Via::Host {
            origin: "invoke".to_owned(),
            id: None,
        },
        body: body.to_vec().into(),
    };
    verifier.verify(delivery, now()).unwrap()
}

/// Applies every shipped map to any body.
pub(crate) fn maps(data: &[u8]) {
    static MAPS: LazyLock<Vec<Map>> = LazyLock::new(|| {
        let load = |name| Map::builtin(name).unwrap();
        Map::builtin_names().map(load).collect()
    });
    let delivery = delivered(data);
    for map in MAPS.iter() {
        if let Ok(requests) = map.apply(&delivery, now(), &ServedRegions::default()) {
            assert!(requests.len() <= 20, "{map:?}");
        }
    }
}

/// Loads any text as a map, and applies it to one event.
pub(crate) fn map_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(map) = Map::load(text, "m.jq") {
        let event = br#"{"id":"1","list":[1,2.5,"a",null],"text":"a: b","object":{"k":[{}]}}"#;
        let _ = map.apply(&delivered(event), now(), &ServedRegions::default());
    }
}

/// Splits the input into headers and body: header lines, an empty line, the body.
fn request(data: &[u8]) -> (Headers, &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(at) => (&data[..at], &data[at + 2..]),
        None => (&data[..0], data),
    };
    let head = String::from_utf8_lossy(head);
    let pairs = head.lines().filter_map(|line| line.split_once(": "));
    (Headers::new(pairs), body)
}

/// Verifies a delivery under every preset. None may accept it without the secret.
pub(crate) fn schemes(data: &[u8]) {
    let (headers, body) = request(data);
    for &name in SchemeName::ALL {
        let secrets = match name {
            SchemeName::Trusted | SchemeName::Sns => Vec::new(),
            SchemeName::StandardWebhooks | SchemeName::Svix | SchemeName::Gitlab => {
                vec!["whsec_ZnV6ei10YXJnZXRzLXNlY3JldC0wMTIzNDU2Nzg5YWI=".into()]
            }
            SchemeName::Basic => vec!["fuzz:a-password-of-the-targets-01234".into()],
            SchemeName::Dingtalk | SchemeName::Wecom => {
                vec![format!("aTokenOfTheTargets01:{}", "k".repeat(43)).into()]
            }
            _ => vec![TOKEN.into()],
        };
        let from = match name {
            SchemeName::Trusted => vec!["invoke".to_owned()],
            SchemeName::Sns => vec!["arn:aws:sns:us-east-1:000000000000:share-requests".to_owned()],
            SchemeName::Dingtalk | SchemeName::Wecom => vec!["receiver".to_owned()],
            _ => Vec::new(),
        };
        let verifier = Verifier::new(SchemeSpec::preset(name), secrets, from).unwrap();
        let delivery = Delivery {
            source: "s".parse().unwrap(),
            via: Via::Http(headers.clone()),
            body: body.to_vec().into(),
        };
        let _ = verifier.certificate_url(&delivery);
        let explained = verifier.explain(delivery, now());
        let refusal = explained.outcome.expect_err("a stranger was believed");
        assert!(!refusal.to_string().is_empty());
    }
}

/// Opens CloudEvents in each mode, after verification by a token.
pub(crate) fn cloud_events(data: &[u8]) {
    let (headers, body) = request(data);
    let claimed = cloudevents::claimed_sources(&headers, body);
    let verified = delivered(body);
    if let Ok(events) = cloudevents::open(&verified, &headers) {
        assert_eq!(claimed.map(|sources| sources.len()), Ok(events.len()));
    }
}

/// An application with several kinds of sources. It only plans, so it changes nothing.
static APP: LazyLock<(tokio::runtime::Runtime, Arc<App>)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/policy");
    let policy = policy.replace("/fuzz/policy", "/policy");
    let text = format!(
        r#"
journal = "memory:"
policy = {policy:?}
[cloud]
site = "intl"
endpoint = "http://127.0.0.1:9"
[[source]]
name = "jira"
scheme = "jira"
secrets = ["env:SECRET"]
map = "jira"
[[source]]
name = "slack"
scheme = "slack"
secrets = ["env:SECRET"]
map = "slack"
handshake = "slack"
[[source]]
name = "desk"
scheme = "bearer"
secrets = ["env:SECRET"]
events = ["https://desk.example.com/approvals"]
[[source]]
name = "open"
scheme = "trusted"
from = ["invoke", "arn:aws:sqs:ap-southeast-1:000000000000:share-requests", "azure:F", "ckafka:t"]
"#
    );
    let vars = Vars::from([("SECRET".to_owned(), TOKEN.to_owned())]);
    let config = Config::read("fuzz.toml", &text, &vars, &AwsSecrets::new()).unwrap();
    let prepared = Prepared::new(config).unwrap().planning();
    let app = runtime
        .block_on(prepared.open(&vars, Clock::System))
        .unwrap();
    (runtime, Arc::new(app))
});

/// Handles an event of any function host.
pub(crate) fn host_events(data: &[u8]) {
    let (runtime, app) = &*APP;
    let answer = runtime.block_on(fuzzing::event(app, data));
    assert!(!answer.is_empty());
}

/// Handles an HTTP request. The first line of the input is its method and path.
pub(crate) fn http_requests(data: &[u8]) {
    let (runtime, app) = &*APP;
    let end = data.iter().position(|b| *b == b'\n').unwrap_or(data.len());
    let line = String::from_utf8_lossy(&data[..end]).into_owned();
    let (method, path) = line.split_once(' ').unwrap_or(("POST", "/hooks/slack"));
    let (_, body) = request(data.get(end + 1..).unwrap_or_default());
    let head = String::from_utf8_lossy(data).into_owned();
    let pairs: Vec<(String, String)> = head
        .lines()
        .skip(1)
        .map_while(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let status = runtime.block_on(fuzzing::request(app, method, path, pairs, body));
    assert!((200..600).contains(&status), "{status}");
}

/// Reads the input as the cloud's answer to every action.
pub(crate) fn cloud_answers(data: &[u8]) {
    fn open<A: Action>(data: &[u8]) {
        for status in [200, 400, 500] {
            for purpose in [Purpose::Read, Purpose::Share] {
                if let Err(error) = envelope::open::<A::Answer>(status, data, purpose) {
                    assert!(!error.message.is_empty());
                }
            }
        }
    }
    open::<actions::share_blueprint_across_accounts::Request>(data);
    open::<actions::lighthouse_modify_image_share_permission::Request>(data);
    open::<actions::cvm_modify_image_share_permission::Request>(data);
    open::<Paging<actions::describe_images_to_share::ImagesQuery>>(data);
    open::<Paging<actions::describe_blueprints_share_across_account_infos::Shares>>(data);
    open::<actions::describe_image_share_permission::Request>(data);
    open::<Paging<actions::describe_blueprints::Blueprints>>(data);
    open::<actions::describe_images::Request>(data);
}

/// Reads journal files, which zero bytes separate. Reading, applying and exporting them never
/// panics. Also reads or refuses the input as a segment.
pub(crate) fn records(data: &[u8]) {
    let _ = records_in_segment(data);
    let read = |file: &[u8]| Stored::read(file).ok();
    let records: Vec<Stored> = data.split(|b| *b == 0).filter_map(read).collect();
    let _ = State::from_records(&records);
    let origin = Origin {
        site: Some("intl".to_owned()),
        version: "0".to_owned(),
    };
    for entry in Entry::all(&records) {
        assert!(!entry.csv().contains('\u{202e}'));
        assert!(read_json(entry.ocsf(&origin).as_bytes()).is_ok());
    }
}

/// Reads keys, checkpoints and proofs.
pub(crate) fn notes(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let key = "sharehook-journal+5d3a6f8c+AQ==";
    let keys = [text.trim().parse::<VerifierKey>(), key.parse()];
    let _ = Checkpoint::unverified(text);
    for key in keys.into_iter().flatten() {
        assert!(Checkpoint::open(text, &key).is_err(), "it is not signed");
        if let Ok(proof) = Proof::read(text) {
            assert!(proof.check(&key).is_err(), "it is not signed");
        }
        if let Ok(proof) = ConsistencyProof::read(text) {
            assert!(proof.check(&key).is_err(), "it is not signed");
        }
    }
}

/// Reads the input as the last tile and entry bundle of a signed log. The signed root covers the
/// first 255 complete hashes of the input, so the next seal must succeed if and only if the input
/// does not have more of them.
pub(crate) fn tiles(data: &[u8]) {
    let hash = |bytes: &[u8]| Hash::try_from(bytes).unwrap();
    let hashes: Vec<Hash> = data.chunks_exact(32).take(255).map(hash).collect();
    if hashes.is_empty() {
        return;
    }
    let signer = NoteSigner::read("fuzz", &NoteSigner::pem(&[7; 32])).unwrap();
    let checkpoint = Checkpoint {
        origin: "fuzz".to_owned(),
        size: hashes.len() as u64,
        root: root(&hashes),
        number: 1,
        at: now(),
        key_change: None,
    };
    let note = signer.sign(&checkpoint.to_string()).into_bytes();
    let store = Arc::new(InMemory::new());
    let journal = Journal::over(Arc::clone(&store) as _);
    let (runtime, _) = &*APP;
    runtime.block_on(async {
        let width = hashes.len();
        for (path, bytes) in [
            ("log/checkpoint".to_owned(), note.clone()),
            ("log/checkpoints/000001".to_owned(), note),
            (format!("log/tile/0/000.p/{width}"), data.to_vec()),
            (format!("log/tile/entries/000.p/{width}"), data.to_vec()),
        ] {
            store
                .put(&path.as_str().into(), bytes.into())
                .await
                .unwrap();
        }
        let sealed = journal.seal(&signer, now()).await;
        let adds_up = data.len() / 32 == width;
        assert_eq!(sealed.is_ok(), adds_up, "{sealed:?}");
    });
    let mut read = Vec::new();
    for entry in SealedEntry::all(data) {
        let text = entry.to_string();
        read.extend_from_slice(&(text.len() as u16).to_be_bytes());
        read.extend_from_slice(text.as_bytes());
    }
    assert!(data.starts_with(&read), "an entry that was not written");
}

/// Reads credential files of the SDKs and of tccli. Any line may be a secret, so no error may
/// repeat one.
pub(crate) fn credential_files(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (runtime, _) = &*APP;
    let home = Some(PathBuf::from("home"));
    for (file, home, named) in [
        ("sdk", None, ("TENCENTCLOUD_CREDENTIALS_FILE", "sdk")),
        ("fuzz.credential", home, ("TCCLI_PROFILE", "fuzz")),
    ] {
        let variables = BTreeMap::from(
            [
                named,
                // Turn off the metadata service, which would have the role of a profile.
                ("SHAREHOOK_METADATA_ENDPOINT", "off"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let content = text.to_owned();
        let read = move |path: &Path| match path.ends_with(file) {
            true => Ok(content.clone()),
            false => Err(Error::from(ErrorKind::NotFound)),
        };
        let chain = CredentialChain::new(&variables, home, Arc::new(read));
        let settings = CloudSettings {
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            ..CloudSettings::new(now)
        };
        let cloud = Cloud::new(settings, chain).unwrap();
        if let Err(error) = runtime.block_on(cloud.find_credentials(Deadline::NEVER)) {
            let shown = error.to_string();
            let secret = |line: &&str| line.len() >= 12 && shown.contains(line.trim());
            assert_eq!(text.lines().find(secret), None, "{shown}");
        }
    }
}

/// Reads a configuration. Every problem must name its place.
pub(crate) fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // A target must not read files. Relative paths lead nowhere, so skip only inputs with an
    // absolute path.
    if text.contains(r#""/"#) || text.contains(":/") || text.contains("'/") {
        return;
    }
    let vars = Vars::from([("SECRET".to_owned(), TOKEN.to_owned())]);
    if let Err(problems) = Config::read("not-there/c.toml", text, &vars, &AwsSecrets::new()) {
        assert!(!problems.0.is_empty());
        for problem in &problems.0 {
            assert!(
                !problem.field.is_empty() && !problem.remedy.is_empty(),
                "{problem}"
            );
        }
    }
}

/// Reads the input as entities, and as a policy beside the sample policies.
pub(crate) fn policies(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let sources = [SourceFacts {
        name: "jira".parse().unwrap(),
        scheme: "jira".to_owned(),
        signed: true,
    }];
    let entities = PolicyFiles {
        entities: Some(text.to_owned()),
        ..sample_files()
    };
    let mut policy = sample_files();
    policy
        .policies
        .push(("own.cedar".to_owned(), text.to_owned()));
    for files in [entities, policy] {
        if let Err(problems) = PolicySet::load(&files, &sources, 1) {
            assert!(!problems.0.is_empty());
        }
    }
}
