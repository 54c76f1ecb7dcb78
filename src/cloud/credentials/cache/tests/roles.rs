//! Tests roles that are assumed by a signed call, by a pod, or by a function.

use super::*;
use crate::domain::AccountId;

#[tokio::test]
async fn a_role_is_assumed_with_a_signed_call_and_kept() {
    let sts = StandIn::start(&[(200, sts_answer("tmp", NOW + 7_200))]).await;
    let cache = CredentialCache::new(
        keyed().assuming(ROLE.parse().unwrap()),
        remote(&sts.url(), clock),
    );
    let got = cache.current(never()).await.unwrap();
    assert_eq!(
        (got.secret_id.as_str(), got.source),
        ("tmp", CredentialSource::AssumedRole)
    );
    assert_eq!(got.token.as_ref().unwrap().expose_secret(), "HUSH-token");
    assert_eq!(
        cache.known_owner().as_ref().map(AccountId::as_str),
        Some("100000000001")
    );
    cache.current(never()).await.unwrap();
    assert!(!format!("{cache:?} {got:?}").contains("HUSH"), "{cache:?}");
    let seen = sts.seen.lock();
    assert_eq!(seen.len(), 1);
    let (_, headers, body) = &seen[0];
    assert_eq!(
        (
            headers["x-tc-action"].as_str(),
            headers["x-tc-version"].as_str()
        ),
        ("AssumeRole", "2018-08-13")
    );
    assert_signed(headers, body, NOW);
    let body: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(
        body,
        json!({ "RoleArn": ROLE, "RoleSessionName": "sharehook", "DurationSeconds": 7200 })
    );
}

#[tokio::test]
async fn a_pods_token_is_exchanged_unsigned_and_its_file_read_anew() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let sts = StandIn::start(&[
        (200, sts_answer("a", NOW + 100)),
        (200, sts_answer("b", NOW + 7_200)),
    ])
    .await;
    let name = file.display().to_string();
    let vars = variables(&[
        ("TKE_REGION", "ap-singapore"),
        ("TKE_PROVIDER_ID", "cls-1"),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", &name),
        ("TKE_ROLE_ARN", ROLE),
        ("SHAREHOOK_METADATA_ENDPOINT", "off"),
    ]);
    let cache = CredentialCache::new(
        CredentialChain::from_disk(&vars, None),
        remote(&sts.url(), clock),
    );
    std::fs::write(&file, "jwt-one\n").unwrap();
    let a = cache.current(never()).await.unwrap();
    std::fs::write(&file, "jwt-two\n").unwrap();
    let b = cache.renew(&a, never()).await.unwrap().unwrap();
    assert_eq!(
        (a.secret_id.as_str(), b.secret_id.as_str(), b.source),
        ("a", "b", CredentialSource::TkeIdentity)
    );
    assert_eq!(
        cache.known_owner().as_ref().map(AccountId::as_str),
        Some("100000000001")
    );
    let seen = sts.seen.lock();
    for ((_, headers, body), token) in seen.iter().zip(["jwt-one", "jwt-two"]) {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(
            (
                headers["authorization"].as_str(),
                headers["x-tc-region"].as_str()
            ),
            ("SKIP", "ap-singapore")
        );
        assert_eq!(
            (&body["WebIdentityToken"], &body["ProviderId"]),
            (&json!(token), &json!("cls-1"))
        );
    }
}

#[tokio::test]
async fn a_pods_token_does_not_appear_in_an_error_that_quotes_it() {
    const TOKEN: &str = "HUSH.0123456789abcdef.HUSH";
    let quoted = r#"{"Response":{"Error":{"Code":"InvalidParameter.WebIdentityTokenError","Message":"bad token HUSH.0123456789abcdef.HUSH"},"RequestId":"r"}}"#;
    let sts = StandIn::start(&[(200, quoted.to_owned())]).await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let vars = variables(&[
        ("TKE_REGION", "ap-singapore"),
        ("TKE_PROVIDER_ID", "cls-1"),
        ("TKE_WEB_IDENTITY_TOKEN_FILE", &file.display().to_string()),
        ("TKE_ROLE_ARN", ROLE),
    ]);
    let chain = CredentialChain::from_disk(&vars, None);
    let cache = CredentialCache::new(chain, remote(&sts.url(), clock));
    let error = cache.current(never()).await.unwrap_err().to_string();
    assert!(
        error.contains("bad token ***") && !error.contains("HUSH"),
        "{error}"
    );
}

#[tokio::test]
async fn a_role_is_assumed_with_what_invocations_bring_once_the_environment_is_stale() {
    let refused = r#"{"Response":{"Error":{"Code":"AuthFailure.TokenFailure","Message":"m"},"RequestId":"r"}}"#;
    let sts = StandIn::start(&[
        (200, refused.to_owned()),
        (200, sts_answer("tmp", NOW + 7_200)),
    ])
    .await;
    let vars = variables(&[
        ("TENCENTCLOUD_RUNENV", "SCF"),
        ("TENCENTCLOUD_SECRETID", "stale"),
        ("TENCENTCLOUD_SECRETKEY", "HUSH"),
        ("TENCENTCLOUD_SESSIONTOKEN", "HUSH"),
    ]);
    let chain = CredentialChain::from_disk(&vars, None);
    chain
        .invocation_credentials()
        .take(Some("brought"), Some("HUSH-2"), Some("HUSH-3"))
        .unwrap();
    let cache = CredentialCache::new(
        chain.assuming(ROLE.parse().unwrap()),
        remote(&sts.url(), clock),
    );
    assert_eq!(cache.current(never()).await.unwrap().secret_id, "tmp");
    let seen = sts.seen.lock();
    let signers: Vec<String> = seen
        .iter()
        .map(|(_, headers, _)| {
            parse_authorization(&headers["authorization"])
                .unwrap()
                .secret_id
        })
        .collect();
    assert_eq!(signers, ["stale", "brought"]);
}
