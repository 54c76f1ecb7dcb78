//! Google Cloud Storage against a stand-in on loopback.

use super::super::remote::settings;
use super::super::tests::lives::{a_refusal_shows_no_credential, a_request_lives_its_life};
use super::super::tests::stand_in::{Cloud, Stand, client, stand_in};
use super::Gcs;
use crate::journal::{Access, Journal, JournalError, JournalLocation};

const TOKEN: &str = "ya29.EXAMPLE-TOKEN-OF-NOBODY";

fn access(variables: &[(&str, &str)]) -> Access {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into()));
    Access {
        variables: variables.collect(),
        http: Some(client()),
    }
}

fn open(variables: &[(&str, &str)]) -> Result<Journal, JournalError> {
    let location: JournalLocation = "gs://acme-journal/prod/eu".parse().unwrap();
    Journal::open(&location, &access(variables))
}

async fn bucket() -> (Stand, Journal) {
    let (stand, address) = stand_in(Cloud::Google).await;
    let journal = open(&[
        ("GOOGLE_BEARER_TOKEN", TOKEN),
        ("GOOGLE_BASE_URL", &format!("{address}/")),
    ]);
    (stand, journal.unwrap())
}

#[tokio::test]
async fn a_request_lives_its_life_in_a_bucket() {
    let (stand, journal) = bucket().await;
    a_request_lives_its_life(&stand, &journal).await;
}

#[tokio::test]
async fn an_error_of_the_bucket_shows_no_credential() {
    let (stand, journal) = bucket().await;
    a_refusal_shows_no_credential(&stand, &journal, &[TOKEN]).await;
}

#[test]
fn plain_http_is_for_loopback_only() {
    let at = |url: &str| open(&[("GOOGLE_BEARER_TOKEN", TOKEN), ("GOOGLE_BASE_URL", url)]);
    for good in [
        "https://storage.example.com",
        "http://127.0.0.1:4443",
        "http://localhost:4443",
        "",
    ] {
        at(good).unwrap();
    }
    for bad in [
        "http://storage.example.com",
        "ftp://localhost",
        "localhost:1",
        "https://u:password@example.com",
    ] {
        let text = at(bad).unwrap_err().to_string();
        assert!(
            text.starts_with("GOOGLE_BASE_URL") && !text.contains("password"),
            "{text}"
        );
    }
}

#[test]
fn a_key_that_cannot_be_read_is_told_without_it() {
    let key = "{\"client_email\": \"a@b.c\", \"private_key_id\": \"a1b2c3d4e5f6\", \"private_key\": \"-----BEGIN SECRET\"}";
    for bad in [key, "\"-----BEGIN SECRET\"", "-----BEGIN SECRET", "{}"] {
        let error = open(&[("GOOGLE_SERVICE_ACCOUNT_KEY", bad)]).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("correct the place or the GOOGLE_ variables"),
            "{text}"
        );
        assert!(
            !text.contains("SECRET\"") && !text.contains("a1b2c3d4e5f6"),
            "{text}"
        );
    }
}

#[test]
fn variables_that_would_weaken_it_are_not_taken() {
    let access = access(&[
        ("GOOGLE_SKIP_SIGNATURE", "true"),
        ("GOOGLE_BUCKET", "another"),
        ("GOOGLE_ALLOW_HTTP", "true"),
        ("GOOGLE_CLOUD_PROJECT", "x"),
        ("bearer_token", "x"),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("GOOGLE_SERVICE_ACCOUNT", "/key.json"),
    ]);
    assert_eq!(
        settings::<Gcs>(&access)
            .map(|(_, name, _)| name)
            .collect::<Vec<_>>(),
        ["GOOGLE_SERVICE_ACCOUNT"]
    );
}
