//! S3 against a stand-in on loopback that knows create-only writes, reads and listings, and counts
//! what it is asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};

use base64::Engine as _;
use sha2::{Digest as _, Sha256};

use super::super::remote::settings;
use super::S3;
use crate::domain::Status;
use crate::journal::log::NoteSigner;
use crate::journal::testing::*;
use crate::journal::{
    Access, Journal, JournalError, JournalLocation, Opened, Opening, WorkerLease,
};

mod variables;

const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";

#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Bytes>,
    /// Store the next write and answer 503, as a proxy that loses the answer does.
    lose_answers: u32,
    refuse: bool,
    writes: u32,
}

type Stand = Arc<Mutex<Bucket>>;

async fn answer(Shared(stand): Shared<Stand>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let mut bucket = stand.lock().unwrap();
    assert!(
        parts.headers.contains_key("authorization"),
        "every request is signed"
    );
    if bucket.refuse {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code><Message>No match.</Message>\
             <CanonicalRequest>x-amz-security-token:{TOKEN}</CanonicalRequest></Error>"
        );
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    let key = parts
        .uri
        .path()
        .trim_start_matches("/acme-journal")
        .trim_start_matches('/')
        .to_owned();
    match parts.method {
        Method::PUT => {
            // Of the log, the copy of the newest checkpoint is overwritten, and nothing else is.
            let created = !key.ends_with("log/checkpoint");
            let given = parts.headers.get("if-none-match");
            assert_eq!(given.is_some_and(|given| given == "*"), created, "{key}");
            // A bucket with Object Lock wants it:
            // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
            let checksum = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&bytes));
            assert_eq!(parts.headers["x-amz-checksum-sha256"], checksum);
            bucket.writes += 1;
            if created && bucket.objects.contains_key(&key) {
                return (StatusCode::PRECONDITION_FAILED, "").into_response();
            }
            bucket.objects.insert(key, bytes);
            if bucket.lose_answers > 0 {
                bucket.lose_answers -= 1;
                return (StatusCode::SERVICE_UNAVAILABLE, "").into_response();
            }
            (StatusCode::OK, [("etag", "\"1\"")], "").into_response()
        }
        Method::GET if key.is_empty() => list(&bucket, parts.uri.query().unwrap_or_default()),
        Method::GET => match bucket.objects.get(&key) {
            Some(bytes) => {
                let headers = [
                    ("etag", "\"1\""),
                    ("last-modified", "Sat, 21 Nov 2026 08:00:00 GMT"),
                ];
                (StatusCode::OK, headers, bytes.clone()).into_response()
            }
            None => (StatusCode::NOT_FOUND, "").into_response(),
        },
        Method::POST if parts.uri.query() == Some("delete") => {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let keys = text.split("<Key>").skip(1);
            let mut deleted = String::new();
            for key in keys.filter_map(|rest| rest.split("</Key>").next()) {
                assert!(key.contains("/index/"), "{key}: evidence is never deleted");
                bucket.objects.remove(key);
                deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            format!("<?xml version=\"1.0\"?><DeleteResult>{deleted}</DeleteResult>").into_response()
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "").into_response(),
    }
}

fn list(bucket: &Bucket, query: &str) -> Response {
    let url = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    let prefix = url
        .query_pairs()
        .find(|(name, _)| name == "prefix")
        .unwrap()
        .1
        .into_owned();
    let delimited = url.query_pairs().any(|(name, _)| name == "delimiter");
    let mut xml = String::new();
    let mut folders = std::collections::BTreeSet::new();
    for (key, bytes) in bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
    {
        match key[prefix.len()..].split_once('/').filter(|_| delimited) {
            Some((folder, _)) => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            None => xml.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-21T08:00:00.000Z</LastModified>\
                 <ETag>\"1\"</ETag><Size>{}</Size></Contents>",
                bytes.len()
            )),
        }
    }
    for folder in folders {
        xml.push_str(&format!(
            "<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
        ));
    }
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated>{xml}</ListBucketResult>"
    )
    .into_response()
}

async fn stand_in() -> (Stand, String) {
    let stand = Stand::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(stand.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (stand, address)
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn access(variables: &[(&str, &str)]) -> Access {
    let base = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        ),
        ("AWS_SESSION_TOKEN", TOKEN),
        ("AWS_REGION", "ap-southeast-1"),
    ];
    let all = base.iter().chain(variables);
    let variables = all
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into()))
        .collect();
    Access {
        variables,
        http: Some(client()),
    }
}

fn journal(address: &str) -> Journal {
    let location: JournalLocation = "s3://acme-journal/prod/eu".parse().unwrap();
    Journal::open(&location, &access(&[("AWS_ENDPOINT_URL_S3", address)])).unwrap()
}

fn opening(who: u64) -> Opening {
    Opening {
        identity: identity("first"),
        delivery_id: None,
        secret_fingerprint: None,
        scheme: "jira".into(),
        received: crate::journal::testing::received(),
        request: request(serde_json::json!({})),
        verdict: verdict(true),
        absent: false,
        lease: WorkerLease {
            now: at(0),
            until: at(60),
            worker: worker(who),
        },
    }
}

fn every_result() -> Vec<crate::domain::ItemResult> {
    let mut results: Vec<_> = (0..3)
        .map(|n| result(account(n), crate::domain::ResultKind::Shared))
        .collect();
    results.push(result(lighthouse(), available()));
    results
}

#[tokio::test]
async fn a_request_lives_its_life_in_a_bucket() {
    let (stand, address) = stand_in().await;
    let journal = journal(&address);
    journal.check([7; 8]).await.unwrap();
    let Opened::New(mut claim, _) = deliver(&journal, opening(1)).await.unwrap() else {
        panic!()
    };
    assert!(matches!(
        deliver(&journal, opening(2)).await.unwrap(),
        Opened::Existing(_)
    ));
    claim
        .record(&journal, at(1), closed(Status::Completed, every_result()))
        .await
        .unwrap();
    let stream = claim.state().stream();
    let keys: Vec<String> = stand
        .lock()
        .unwrap()
        .objects
        .keys()
        .filter(|key| key.contains("/requests/"))
        .cloned()
        .collect();
    assert_eq!(
        keys,
        [0, 1].map(|n| format!("prod/eu/requests/{stream}/00000{n}.json"))
    );
    assert_eq!(journal.streams().await.unwrap(), [stream]);
    assert_eq!(
        journal
            .read(stream)
            .await
            .unwrap()
            .unwrap()
            .state()
            .unwrap()
            .status(),
        Status::Completed
    );
    let report = journal.verify().await.unwrap();
    assert_eq!(
        (report.streams, report.records, report.clean()),
        (1, 2, true)
    );
    stand.lock().unwrap().objects.remove(&keys[0]);
    let report = journal.verify().await.unwrap();
    assert_eq!(
        report.findings[0].path,
        format!("requests/{stream}/000000.json")
    );
}

#[tokio::test]
async fn a_bucket_is_sealed_and_checked() {
    let (stand, address) = stand_in().await;
    let journal = journal(&address);
    let Opened::New(mut claim, _) = deliver(&journal, opening(1)).await.unwrap() else {
        panic!()
    };
    claim
        .record(&journal, at(1), closed(Status::Completed, every_result()))
        .await
        .unwrap();
    let signer = NoteSigner::read("acme", &NoteSigner::pem(&[7; 32])).unwrap();
    stand.lock().unwrap().lose_answers = 1;
    let sealing = journal.seal(&signer, at(100)).await.unwrap();
    assert_eq!(sealing.sealed, 2, "a lost answer is known as our own seal");
    assert!(
        stand
            .lock()
            .unwrap()
            .objects
            .contains_key("prod/eu/log/segments/000001")
    );
    assert_eq!(
        journal.sealed_at(signer.verifier()).await.unwrap(),
        Some(at(100))
    );
    let newest = format!("prod/eu/requests/{}/000001.json", claim.state().stream());
    stand.lock().unwrap().objects.remove(&newest);
    let report = journal
        .verify_sealed(signer.verifier(), None)
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].flaw.name(), "dropped");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_repeated_and_known_as_our_own() {
    let (stand, address) = stand_in().await;
    let journal = journal(&address);
    stand.lock().unwrap().lose_answers = 1;
    let opened = deliver(&journal, opening(1)).await.unwrap();
    assert!(matches!(opened, Opened::New(_, _)), "{opened:?}");
    // A hint, an entry and a record, and the one whose answer was lost once more.
    assert_eq!(stand.lock().unwrap().writes, 5);
}

#[tokio::test]
async fn an_error_of_the_bucket_shows_no_credential() {
    let (stand, address) = stand_in().await;
    stand.lock().unwrap().refuse = true;
    let error = deliver(&journal(&address), opening(1)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("SignatureDoesNotMatch: No match."), "{text}");
    assert!(
        text.contains("let this process list, read and create"),
        "{text}"
    );
    let mut all = format!("{error:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        all.push_str(&inner.to_string());
        source = inner.source();
    }
    for secret in [TOKEN, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI"] {
        assert!(!all.contains(secret), "{all}");
    }
}
