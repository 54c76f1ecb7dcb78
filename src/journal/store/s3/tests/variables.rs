//! The variables that S3 is configured by, and the refusals of bad ones.

use super::*;

#[test]
fn plain_http_is_for_loopback_only() {
    let location: JournalLocation = "s3://acme-journal".parse().unwrap();
    let open = |name: &str, endpoint: &str| Journal::open(&location, &access(&[(name, endpoint)]));
    for good in [
        "https://s3.example.com",
        "http://localhost:4566",
        "http://127.0.0.1:9000",
        "http://127.8.8.8",
        "http://[::1]:9000",
        "",
    ] {
        open("AWS_ENDPOINT_URL", good).unwrap();
    }
    for bad in [
        "http://s3.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://10.0.0.1",
        "ftp://localhost",
        "localhost:9000",
        "https://user:password@s3.example.com",
    ] {
        for name in [
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL_STS",
        ] {
            let error = open(name, bad).unwrap_err();
            let text = error.to_string();
            assert!(
                matches!(error, JournalError::Place(_)) && text.starts_with(name),
                "{text}"
            );
            assert!(!text.contains("password"), "{text}");
        }
    }
}

#[test]
fn variables_that_would_weaken_it_are_not_taken() {
    let access = access(&[
        ("AWS_SKIP_SIGNATURE", "true"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_CONDITIONAL_PUT", "disabled"),
        ("AWS_BUCKET", "another"),
        ("PATH", "/bin"),
        ("region", "elsewhere"),
        ("AWS_LAMBDA_FUNCTION_NAME", "x"),
        ("AWS_SERVER_SIDE_ENCRYPTION", "aws:kms"),
    ]);
    let names: Vec<&str> = settings::<S3>(&access).map(|(_, name, _)| name).collect();
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_REGION",
            "AWS_SERVER_SIDE_ENCRYPTION"
        ]
    );
}

#[test]
fn half_a_key_pair_and_a_missing_client_are_told() {
    let location: JournalLocation = "s3://acme-journal".parse().unwrap();
    let half = Access {
        variables: vec![(
            "AWS_ACCESS_KEY_ID".into(),
            "AKIAIOSFODNN7EXAMPLE".to_owned().into(),
        )],
        http: Some(client()),
    };
    let text = Journal::open(&location, &half).unwrap_err().to_string();
    assert!(
        text.contains("cannot be opened") && text.contains("AWS_ variables"),
        "{text}"
    );
    let text = Journal::open(&location, &Access::default())
        .unwrap_err()
        .to_string();
    assert!(text.contains("needs an HTTP client"), "{text}");
}
