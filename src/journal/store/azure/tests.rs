//! Azure Blob Storage against a stand-in on loopback.

use super::super::remote::{scrub, settings};
use super::super::tests::lives::{a_refusal_shows_no_credential, a_request_lives_its_life};
use super::super::tests::stand_in::{Cloud, Stand, client, stand_in};
use super::Azure;
use crate::journal::{Access, Journal, JournalError, JournalLocation};

/// Base64 of a text that says so.
const KEY: &str = "bm90LWEtcmVhbC1hY2NvdW50LWtleQ==";

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
    let location: JournalLocation = "az://acme-journal/prod/eu".parse().unwrap();
    Journal::open(&location, &access(variables))
}

async fn container() -> (Stand, Journal) {
    let (stand, address) = stand_in(Cloud::Azure).await;
    let journal = open(&[
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
        ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
        ("AZURE_STORAGE_ENDPOINT", &address),
    ]);
    (stand, journal.unwrap())
}

#[tokio::test]
async fn a_request_lives_its_life_in_a_container() {
    let (stand, journal) = container().await;
    a_request_lives_its_life(&stand, &journal).await;
}

#[tokio::test]
async fn an_error_of_the_container_shows_no_credential() {
    let (stand, journal) = container().await;
    a_refusal_shows_no_credential(&stand, &journal, &[KEY]).await;
}

#[test]
fn plain_http_is_for_loopback_only() {
    let at = |name: &str, url: &str| {
        open(&[
            ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
            ("AZURE_STORAGE_ACCOUNT_KEY", KEY),
            (name, url),
        ])
    };
    for name in [
        "AZURE_STORAGE_ENDPOINT",
        "AZURE_ENDPOINT",
        "AZURE_AUTHORITY_HOST",
    ] {
        for good in [
            "https://acme.blob.example.com",
            "http://127.0.0.1:10000/acme",
            "",
        ] {
            at(name, good).unwrap();
        }
        for bad in [
            "http://acme.blob.example.com",
            "http://169.254.1.1",
            "https://u:password@example.com",
        ] {
            let text = at(name, bad).unwrap_err().to_string();
            assert!(
                text.starts_with(name) && !text.contains("password"),
                "{text}"
            );
        }
    }
}

#[test]
fn a_missing_account_and_a_bad_key_are_told_without_it() {
    let text = open(&[("AZURE_STORAGE_ACCOUNT_KEY", KEY)])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("AZURE_STORAGE_ACCOUNT_NAME must be among them"),
        "{text}"
    );
    let bad = "this-is-not-base64!";
    let error = open(&[
        ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
        ("AZURE_STORAGE_ACCOUNT_KEY", bad),
    ])
    .unwrap_err();
    assert!(!format!("{error} {error:?}").contains(bad), "{error:?}");
}

#[test]
fn of_a_shared_access_signature_no_form_is_shown() {
    let access = access(&[(
        "AZURE_STORAGE_SAS_TOKEN",
        "?sv=2024-11-04&sp=rcl&sig=abcdef%2Bghijkl%3D",
    )]);
    let told = std::io::Error::other("at sig=abcdef%2Bghijkl%3D and abcdef+ghijkl= it ended");
    let text = scrub::<Azure>(&access).fault(&told).to_string();
    assert_eq!(text, "at sig=[secret] and [secret] it ended");
}

#[test]
fn variables_that_would_weaken_it_are_not_taken() {
    let access = access(&[
        ("AZURE_SKIP_SIGNATURE", "true"),
        ("AZURE_STORAGE_USE_EMULATOR", "true"),
        ("AZURE_USE_AZURE_CLI", "true"),
        ("AZURE_CONTAINER_NAME", "another"),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_FUNCTIONS_ENVIRONMENT", "x"),
        ("token", "x"),
        ("AZURE_CLIENT_ID", "0"),
        ("IDENTITY_ENDPOINT", "http://169.254.129.2:8081/msi/token"),
    ]);
    let names: Vec<&str> = settings::<Azure>(&access)
        .map(|(_, name, _)| name)
        .collect();
    assert_eq!(names, ["AZURE_CLIENT_ID", "IDENTITY_ENDPOINT"]);
    assert!(Access::takes("IDENTITY_ENDPOINT") && !Access::takes("TENCENTCLOUD_SECRET_KEY"));
}
