//! Tests failures of a look-up: bad answers, invalid settings, an expired deadline.

use super::*;
use crate::domain::{CloudError, ErrorClass, Fault, ResultCode};

#[tokio::test]
async fn errors_do_not_quote_a_bad_answer() {
    let cut = sts_answer("tmp", NOW).replace("\"ExpiredTime\"", "\"Other\"");
    for (status, answer, expected) in [
        (200, cut.as_str(), "no ExpiredTime"),
        (
            200,
            "{\"Response\":{\"Credentials\":{\"Token\":\"HUSH",
            "format",
        ),
        (502, "HUSH", "format"),
        (
            200,
            r#"{"Response":{"Error":{"Code":"InvalidParameter.RoleNotExist","Message":"no role"}}}"#,
            "RoleNotExist",
        ),
    ] {
        let sts = StandIn::start(&[(status, answer.to_owned())]).await;
        let cache = CredentialCache::new(
            keyed().assuming(ROLE.parse().unwrap()),
            remote(&sts.url(), clock),
        );
        let error = cache.current(never()).await.unwrap_err().to_string();
        assert!(
            error.contains(expected) && !error.contains("HUSH"),
            "{error}"
        );
        let base = "assumed with the account's own key";
        assert!(error.contains(base), "{error}");
    }
    for (body, expected) in [
        ("{\"Code\":\"Failed\"}", "Success"),
        ("HUSH", "not JSON"),
        ("{\"Code\":\"Success\"}", "ExpiredTime"),
    ] {
        let machine = StandIn::start(&[(200, "role".into()), (200, body.into())]).await;
        let vars = variables(&[("SHAREHOOK_METADATA_ENDPOINT", &machine.url())]);
        let cache =
            CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
        let error = cache.current(never()).await.unwrap_err().to_string();
        assert!(
            error.contains(expected) && !error.contains("HUSH"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn invalid_settings_are_refused_before_any_request() {
    for endpoint in [
        "http://metadata.example.com",
        "https://127.0.0.1:1",
        "ftp://127.0.0.1",
        "nonsense",
    ] {
        let vars = variables(&[("SHAREHOOK_METADATA_ENDPOINT", endpoint)]);
        let cache =
            CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
        let error = cache.current(never()).await.unwrap_err().to_string();
        assert!(error.contains("loopback"), "{endpoint}: {error}");
    }
    let vars = variables(&[
        ("TKE_ROLE_ARN", ROLE),
        ("SHAREHOOK_METADATA_ENDPOINT", "off"),
    ]);
    let cache = CredentialCache::new(CredentialChain::from_disk(&vars, None), Remote::nowhere());
    assert!(
        cache
            .current(never())
            .await
            .unwrap_err()
            .to_string()
            .contains("TKE_PROVIDER_ID")
    );
    for role in [
        "",
        "arn:aws:iam::1:role/x",
        "qcs::cam::uin/:roleName/x",
        "qcs::cam::uin/1:roleName/",
        "qcs::cam::uin/1:x/y",
    ] {
        assert!(
            role.parse::<crate::cloud::credentials::RoleArn>().is_err(),
            "{role}"
        );
    }
}

#[tokio::test]
async fn the_deadline_ends_a_look() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok(connection) = listener.accept().await {
            ASKED.fetch_add(1, Ordering::Relaxed);
            held.push(connection);
        }
    });
    let cache = CredentialCache::new(keyed().assuming(ROLE.parse().unwrap()), remote(&url, clock));
    // The second caller waits for the look-up of the first.
    let soon = Deadline::after(Duration::from_millis(100));
    let (first, second) = tokio::join!(cache.current(soon), cache.current(soon));
    let host = url.strip_prefix("http://").unwrap();
    for end in [first, second] {
        let error = end.unwrap_err();
        assert!(matches!(error, CredentialsError::OutOfTime { .. }));
        assert!(
            error
                .to_string()
                .ends_with(&format!("before {host} answered"))
        );
    }
    assert_eq!(ASKED.load(Ordering::Relaxed), 1);
    // A caller whose time has already run out asks the machine's metadata service. The error names
    // the service.
    let metadata = [("SHAREHOOK_METADATA_ENDPOINT", url.as_str())];
    let chain = CredentialChain::from_disk(&variables(&metadata), None);
    let cache = CredentialCache::new(chain, Remote::nowhere());
    let error = cache.current(Deadline::after(Duration::ZERO)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(host), "{error}");
}

/// HTTP 500 proves that the service is there, so a later look-up may succeed. HTTP 404 means that
/// the machine has no role.
#[tokio::test]
async fn a_metadata_service_that_fails_is_asked_again_later() {
    for (status, class, code, fault) in [
        (
            500,
            ErrorClass::NotSent,
            ResultCode::CredentialsUnreachable,
            Fault::Cloud,
        ),
        (
            404,
            ErrorClass::Operator,
            ResultCode::NoCredentials,
            Fault::Operator,
        ),
    ] {
        let machine = StandIn::start(&[(status, String::new())]).await;
        let vars = variables(&[("SHAREHOOK_METADATA_ENDPOINT", &machine.url())]);
        let chain = CredentialChain::from_disk(&vars, None);
        let cache = CredentialCache::new(chain, Remote::nowhere());
        let error = CloudError::from(cache.current(never()).await.unwrap_err());
        assert_eq!(
            (error.class, error.own_code()),
            (class, Some(code)),
            "{error}"
        );
        assert_eq!(code.fault(), fault);
        assert!(error.message.contains(&status.to_string()), "{error}");
    }
}

/// If there is no connection, the operator must act: the address is wrong, the network is down, or
/// this machine is not a CVM.
#[tokio::test]
async fn a_service_without_a_connection_is_the_operators_fault() {
    let closed = "http://127.0.0.1:9";
    let vars = variables(&[
        ("SHAREHOOK_METADATA_ENDPOINT", closed),
        ("TENCENTCLOUD_CAM_ROLE_NAME", "sharer"),
    ]);
    let machine = CredentialChain::from_disk(&vars, None);
    let assuming = keyed().assuming(ROLE.parse().unwrap());
    for (chain, place) in [(machine, closed), (assuming, ROLE)] {
        let cache = CredentialCache::new(chain, remote(closed, clock));
        let error = CloudError::from(cache.current(never()).await.unwrap_err());
        assert_eq!(
            (error.class, error.own_code()),
            (ErrorClass::NotSent, Some(ResultCode::ConnectFailed)),
            "{error}"
        );
        assert!(error.message.contains(place), "{error}");
    }
    assert_eq!(ResultCode::ConnectFailed.fault(), Fault::Operator);
}

/// The key is replaced while a look-up with the old key is running. The look-up must not store its
/// result.
#[tokio::test]
async fn a_key_that_is_replaced_during_a_look_up_is_used_by_the_next_call() {
    let answers = ["old", "new"].map(|name| (200, sts_answer(name, NOW + 7_200)));
    let sts = StandIn::start(&answers).await;
    let chain = keyed().assuming(ROLE.parse().unwrap());
    let cache = CredentialCache::new(chain, remote(&sts.url(), clock));
    let replace = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let key = ["id-2", "another-key"].map(SecretString::from);
        cache.replace_key("prod", &key.into()).unwrap();
    };
    let (looked, ()) = tokio::join!(cache.current(never()), replace);
    looked.unwrap();
    let used = cache.current(never()).await.unwrap();
    assert_eq!((used.secret_id.as_str(), sts.count()), ("new", 2));
}
