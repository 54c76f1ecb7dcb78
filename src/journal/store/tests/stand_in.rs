//! A stand-in on loopback for S3, Google Cloud Storage and Azure Blob Storage: create-only writes,
//! reads, deletions and listings in each service's protocol. Checks that each write has the right
//! condition. Requires a signature but does not verify it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State as Shared};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use sha2::{Digest as _, Sha256};

#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum Cloud {
    Amazon,
    Google,
    Azure,
}

/// How a bucket differs from one that can have a journal.
#[derive(Clone, Copy, PartialEq)]
pub(in super::super) enum Fault {
    DeniesLists,
    DeniesDeletions,
    /// A list does not show a new object.
    LagsLists,
    /// A list ends after one object, without the token of the next page.
    CutsLists,
    /// A write with a condition is answered with 501.
    NoConditions,
    /// The answer to a write has no ETag.
    NoEtag,
}

#[derive(Default)]
pub(in super::super) struct Bucket {
    pub(in super::super) objects: BTreeMap<String, Bytes>,
    /// The number of further writes that are stored but answered with 503, as if a proxy had lost
    /// the answer.
    pub(in super::super) lose_answers: u32,
    /// If set, every request is refused with this text in the answer.
    pub(in super::super) refuse: Option<String>,
    pub(in super::super) fault: Option<Fault>,
}

impl Bucket {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

pub(in super::super) type Stand = Arc<Mutex<Bucket>>;

/// Starts a stand-in for the bucket `acme-journal`. Returns it and its address.
pub(in super::super) async fn stand_in(cloud: Cloud) -> (Stand, String) {
    let stand = Stand::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .fallback(answer)
        .with_state((cloud, stand.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (stand, address)
}

pub(in super::super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Decodes the percent escapes of a path by parsing it as a query.
fn decoded(path: &str) -> String {
    let url = Url::parse(&format!("http://x/?k={}", path.replace('+', "%2B"))).unwrap();
    url.query_pairs().next().unwrap().1.into_owned()
}

async fn answer(Shared((cloud, stand)): Shared<(Cloud, Stand)>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 10_000_000).await.unwrap();
    let mut bucket = stand.lock().unwrap();
    let signed = parts.headers["authorization"].to_str().unwrap();
    assert!(signed.starts_with(match cloud {
        Cloud::Amazon => "AWS4-HMAC-SHA256 ",
        Cloud::Google => "Bearer ",
        Cloud::Azure => "SharedKey acme:",
    }));
    if let Some(told) = &bucket.refuse {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>No match.</Message>\
             <AuthenticationErrorDetail>{told}</AuthenticationErrorDetail></Error>"
        );
        return (StatusCode::FORBIDDEN, body).into_response();
    }
    let path = decoded(parts.uri.path());
    let key = path
        .strip_prefix("/acme-journal")
        .unwrap()
        .trim_start_matches('/')
        .to_owned();
    let found = [
        ("etag", "\"1\""),
        ("last-modified", "Sat, 21 Nov 2026 08:00:00 GMT"),
    ];
    let denied = match parts.method {
        Method::DELETE | Method::POST => bucket.has(Fault::DeniesDeletions),
        Method::GET => key.is_empty() && bucket.has(Fault::DeniesLists),
        _ => false,
    };
    if denied {
        return (StatusCode::FORBIDDEN, "").into_response();
    }
    match parts.method {
        Method::PUT if bucket.has(Fault::NoConditions) => {
            (StatusCode::NOT_IMPLEMENTED, "").into_response()
        }
        Method::PUT => {
            let (condition, wanted) = match cloud {
                Cloud::Google => ("x-goog-if-generation-match", "0"),
                Cloud::Amazon | Cloud::Azure => ("if-none-match", "*"),
            };
            // Only the copy of the newest checkpoint may be overwritten.
            let created = !key.ends_with("log/checkpoint");
            let given = parts.headers.get(condition);
            assert_eq!(given.is_some_and(|given| given == wanted), created, "{key}");
            if cloud == Cloud::Amazon {
                // A bucket with Object Lock requires a checksum:
                // https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
                let checksum = STANDARD.encode(Sha256::digest(&bytes));
                assert_eq!(parts.headers["x-amz-checksum-sha256"], checksum);
            }
            if created && bucket.objects.contains_key(&key) {
                let status = match cloud {
                    Cloud::Amazon | Cloud::Google => StatusCode::PRECONDITION_FAILED,
                    Cloud::Azure => StatusCode::CONFLICT,
                };
                return (status, "").into_response();
            }
            bucket.objects.insert(key, bytes);
            if bucket.has(Fault::NoEtag) {
                return StatusCode::CREATED.into_response();
            }
            if bucket.lose_answers > 0 {
                bucket.lose_answers -= 1;
                return (StatusCode::SERVICE_UNAVAILABLE, "").into_response();
            }
            (StatusCode::CREATED, found, [("x-goog-generation", "1")], "").into_response()
        }
        Method::GET if key.is_empty() => {
            list(cloud, &bucket, parts.uri.query().unwrap_or_default())
        }
        Method::GET => match bucket.objects.get(&key) {
            Some(bytes) => (StatusCode::OK, found, bytes.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, "").into_response(),
        },
        Method::DELETE => {
            assert!(key.contains("/index/"), "{key}: evidence is never deleted");
            match bucket.objects.remove(&key) {
                Some(_) => (StatusCode::NO_CONTENT, "").into_response(),
                None => (StatusCode::NOT_FOUND, "").into_response(),
            }
        }
        Method::POST => {
            let body = String::from_utf8(bytes.to_vec()).unwrap();
            match parts.uri.query().unwrap_or_default() {
                "delete" => delete_objects(&mut bucket, &body),
                query if query.contains("batch") => delete_batch(&mut bucket, &body),
                _ => (StatusCode::METHOD_NOT_ALLOWED, "").into_response(),
            }
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, "").into_response(),
    }
}

/// Answers S3's deletion of many objects:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>.
fn delete_objects(bucket: &mut Bucket, body: &str) -> Response {
    let mut deleted = String::new();
    for rest in body.split("<Key>").skip(1) {
        let key = rest.split("</Key>").next().unwrap();
        assert!(key.contains("/index/"), "{key}: evidence is never deleted");
        bucket.objects.remove(key);
        deleted.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
    }
    format!("<?xml version=\"1.0\"?><DeleteResult>{deleted}</DeleteResult>").into_response()
}

/// Answers Azure's batch of deletions:
/// <https://learn.microsoft.com/en-us/rest/api/storageservices/blob-batch>.
fn delete_batch(bucket: &mut Bucket, body: &str) -> Response {
    let mut answer = String::new();
    for (id, line) in body
        .lines()
        .filter(|line| line.starts_with("DELETE "))
        .enumerate()
    {
        let path = decoded(line.split(' ').nth(1).unwrap());
        let key = path.strip_prefix("/acme-journal/").unwrap();
        assert!(key.contains("/index/"), "{key}: evidence is never deleted");
        let status = match bucket.objects.remove(key) {
            Some(_) => "202 Accepted",
            None => "404 Not Found",
        };
        answer.push_str(&format!(
            "--b\r\nContent-Type: application/http\r\nContent-ID: {id}\r\n\r\n\
             HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n\r\n"
        ));
    }
    answer.push_str("--b--\r\n");
    let kind = [("content-type", "multipart/mixed; boundary=b")];
    (StatusCode::ACCEPTED, kind, answer).into_response()
}

fn list(cloud: Cloud, bucket: &Bucket, query: &str) -> Response {
    let url = Url::parse(&format!("http://x/?{query}")).unwrap();
    let parameter = |names: [&str; 2]| {
        let mut pairs = url.query_pairs();
        let found = pairs.find(|(name, _)| names.contains(&&**name));
        found.map(|(_, value)| value.into_owned())
    };
    let prefix = parameter(["prefix"; 2]).unwrap();
    let delimited = parameter(["delimiter"; 2]).is_some();
    let after = parameter(["continuation-token", "marker"]).unwrap_or_default();
    let most = parameter(["max-keys", "maxresults"]).map(|most| most.parse().unwrap());
    let most = match bucket.has(Fault::CutsLists) {
        true => 1,
        false => most.unwrap_or(usize::MAX),
    };
    let mut files = String::new();
    let mut folders = BTreeSet::new();
    let mut found: Vec<_> = (bucket.objects.iter())
        .filter(|(key, _)| key.starts_with(&prefix) && **key > after)
        .filter(|_| !bucket.has(Fault::LagsLists))
        .collect();
    let truncated = found.len() > most;
    found.truncate(most);
    let next = found.last().map_or("", |(key, _)| key.as_str());
    let next = match truncated && !bucket.has(Fault::CutsLists) {
        true => next,
        false => "",
    };
    for (key, bytes) in found {
        let size = bytes.len();
        match (key[prefix.len()..].split_once('/').filter(|_| delimited), cloud) {
            (Some((folder, _)), _) => {
                folders.insert(format!("{prefix}{folder}/"));
            }
            (None, Cloud::Amazon | Cloud::Google) => files.push_str(&format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-21T08:00:00.000Z</LastModified>\
                 <ETag>\"1\"</ETag><Size>{size}</Size></Contents>"
            )),
            (None, Cloud::Azure) => files.push_str(&format!(
                "<Blob><Name>{key}</Name><Properties><Last-Modified>Sat, 21 Nov 2026 08:00:00 GMT</Last-Modified>\
                 <Etag>1</Etag><Content-Length>{size}</Content-Length>\
                 <Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
            )),
        }
    }
    let folders = folders.iter();
    let body = match cloud {
        Cloud::Amazon | Cloud::Google => {
            let folders =
                folders.map(|f| format!("<CommonPrefixes><Prefix>{f}</Prefix></CommonPrefixes>"));
            let folders: String = folders.collect();
            let token = match next {
                "" => String::new(),
                next => format!("<NextContinuationToken>{next}</NextContinuationToken>"),
            };
            format!(
                "<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{files}{folders}</ListBucketResult>"
            )
        }
        Cloud::Azure => {
            let folders: String = folders
                .map(|f| format!("<BlobPrefix><Name>{f}</Name></BlobPrefix>"))
                .collect();
            format!(
                "<EnumerationResults><Blobs>{files}{folders}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
            )
        }
    };
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{body}").into_response()
}
