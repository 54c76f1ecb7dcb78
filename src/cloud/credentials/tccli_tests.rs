//! Tests tccli's file and its variables for roles, against stand-ins on loopback for the token
//! service and the machine's metadata service.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::super::chain::CredentialChain;
use super::*;
use crate::cloud::settings::CloudSettings;
use crate::domain::Timestamp;
use tc3::parse_authorization;

const ROLE: &str = "qcs::cam::uin/100000000001:roleName/deploy";
const OTHER: &str = "qcs::cam::uin/100000000002:roleName/other";

/// The signer and the body of each request that the token service received. The same server is also
/// the metadata service.
type Asked = Arc<Mutex<Vec<(String, Value)>>>;

type Pairs<'a> = &'a [(&'a str, &'a str)];

async fn stand_in() -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let log = Arc::clone(&asked);
    let answer = move |method: Method, headers: HeaderMap, body: Bytes| async move {
        let keys = json!({ "TmpSecretId": "assumed", "TmpSecretKey": "HUSH", "Token": "HUSH" });
        if method == Method::GET {
            let mut machines = keys;
            machines["ExpiredTime"] = json!(4_000_000_000_i64);
            machines["Code"] = json!("Success");
            return machines.to_string();
        }
        let signer = parse_authorization(headers["authorization"].to_str().unwrap())
            .unwrap()
            .secret_id;
        log.lock()
            .unwrap()
            .push((signer, serde_json::from_slice(&body).unwrap()));
        json!({ "Response": { "Credentials": keys, "ExpiredTime": 4_000_000_000_i64, "RequestId": "r" } })
            .to_string()
    };
    tokio::spawn(axum::serve(listener, Router::new().fallback(answer)).into_future());
    (url, asked)
}

/// Looks credentials up with these variables and this profile file. Returns the result, and the
/// signer, role and session name of each request to the token service.
async fn load(
    variables: Pairs<'_>,
    file: Option<Value>,
) -> (Result<Credentials, CredentialsError>, Vec<[String; 3]>) {
    let (url, asked) = stand_in().await;
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".tccli")).unwrap();
    if let Some(file) = file {
        std::fs::write(
            home.path().join(".tccli/default.credential"),
            file.to_string(),
        )
        .unwrap();
    }
    let own = [
        ("SHAREHOOK_METADATA_ENDPOINT", url.as_str()),
        ("TENCENTCLOUD_CAM_ROLE_NAME", "machine"),
    ];
    let variables: BTreeMap<String, String> = own
        .iter()
        .chain(variables)
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    let settings = CloudSettings {
        endpoint: Some(url),
        ..CloudSettings::new(|| Timestamp::UNIX_EPOCH)
    };
    let chain = CredentialChain::from_disk(&variables, Some(home.path().to_owned()));
    let found = chain.load(&Remote::new(&settings).unwrap()).await;
    let text = |body: &Value, field: &str| body[field].as_str().unwrap().to_owned();
    let asked = asked.lock().unwrap();
    let asked = asked
        .iter()
        .map(|(signer, body)| {
            [
                signer.clone(),
                text(body, "RoleArn"),
                text(body, "RoleSessionName"),
            ]
        })
        .collect();
    (found, asked)
}

fn roles(arn: &str, session: &str) -> Value {
    json!({ "secretId": "file-id", "secretKey": "HUSH", "role-arn": arn, "role-session-name": session })
}

const KEY: [(&str, &str); 2] = [
    ("TENCENTCLOUD_SECRET_ID", "id"),
    ("TENCENTCLOUD_SECRET_KEY", "HUSH"),
];
const VARIABLES: [(&str, &str); 2] = [
    ("TENCENTCLOUD_ROLE_ARN", ROLE),
    ("TENCENTCLOUD_ROLE_SESSION_NAME", "alice"),
];

#[tokio::test]
async fn the_role_of_the_file_or_of_the_variables_is_assumed_with_the_key_beside_it() {
    let with_key = [&KEY[..], &VARIABLES].concat();
    let cases: [(Pairs<'_>, Option<Value>, [&str; 3]); 4] = [
        (&[], Some(roles(ROLE, "alice")), ["file-id", ROLE, "alice"]),
        (
            &VARIABLES,
            Some(json!({ "secretId": "file-id", "secretKey": "HUSH" })),
            ["file-id", ROLE, "alice"],
        ),
        (
            &VARIABLES,
            Some(roles(OTHER, "bob")),
            ["file-id", ROLE, "alice"],
        ),
        (&with_key, Some(roles(OTHER, "bob")), ["id", ROLE, "alice"]),
    ];
    for (variables, file, expected) in cases {
        let (found, asked) = load(variables, file).await;
        let found = found.unwrap();
        assert_eq!(
            (found.secret_id.as_str(), found.source),
            ("assumed", CredentialSource::AssumedRole)
        );
        assert!(found.token.is_some() && found.expires.is_some());
        assert_eq!(found.owner.as_deref(), Some("100000000001"));
        assert_eq!(asked, [expected.map(str::to_owned)], "{variables:?}");
    }
    // If the key comes from the variables, the role in the file is ignored.
    let (found, asked) = load(&KEY, Some(roles(ROLE, "alice"))).await;
    assert_eq!((found.unwrap().secret_id.as_str(), asked.len()), ("id", 0));
}

#[tokio::test]
async fn a_profile_of_the_machines_role_is_the_machines_role() {
    let file = json!({ "type": "cvm-role", "secretId": "left-over", "secretKey": "HUSH" });
    let (found, asked) = load(&[], Some(file.clone())).await;
    let found = found.unwrap();
    assert_eq!(
        (found.secret_id.as_str(), found.source, asked.len()),
        ("assumed", CredentialSource::CvmRole, 0)
    );
    let (found, _) = load(&[("SHAREHOOK_METADATA_ENDPOINT", "off")], Some(file)).await;
    assert!(
        found
            .unwrap_err()
            .to_string()
            .contains("this machine has no role")
    );
    // tccli refreshes the credentials of type `sso`, so this program uses them as they are in the
    // file.
    let file = json!({ "type": "sso", "secretId": "sso-id", "secretKey": "HUSH", "token": "HUSH", "expiresAt": 1, "sso": {} });
    assert_eq!(load(&[], Some(file)).await.0.unwrap().secret_id, "sso-id");
}

#[tokio::test]
async fn half_a_role_is_an_error_and_no_call_uses_the_key_alone() {
    let long = "n".repeat(129);
    let cases: [(Pairs<'_>, Option<Value>, &str); 7] = [
        (
            &[KEY[0], KEY[1], VARIABLES[0]],
            None,
            "TENCENTCLOUD_ROLE_ARN is set without TENCENTCLOUD_ROLE_SESSION_NAME",
        ),
        (
            &[KEY[0], KEY[1], VARIABLES[1]],
            None,
            "TENCENTCLOUD_ROLE_SESSION_NAME is set without TENCENTCLOUD_ROLE_ARN",
        ),
        (
            &[],
            Some(roles(ROLE, "")),
            "role-arn is set without role-session-name",
        ),
        (
            &[],
            Some(roles("", "alice")),
            "role-session-name is set without role-arn",
        ),
        (
            &[],
            Some(roles("acs:ram::1:role/x", "alice")),
            "role-arn: \"acs:ram::1:role/x\" is not the ARN of a role",
        ),
        (
            &[],
            Some(roles(ROLE, &long)),
            "role-session-name is not the name of a session",
        ),
        (
            &[],
            Some(json!({ "role-arn": ROLE, "role-session-name": "alice" })),
            "the id or the key is missing",
        ),
    ];
    for (variables, file, expected) in cases {
        let (found, asked) = load(variables, file).await;
        let error = found.unwrap_err();
        assert!(
            matches!(error, CredentialsError::Unusable { .. }),
            "{error:?}"
        );
        let error = error.to_string();
        assert!(
            error.contains(expected) && !error.contains("HUSH"),
            "{expected}: {error}"
        );
        assert!(asked.is_empty());
    }
}
