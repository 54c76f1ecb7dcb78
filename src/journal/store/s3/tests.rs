//! S3 against a stand-in on loopback.

use super::super::remote::settings;
use super::super::tests::lives::{a_refusal_shows_no_credential, a_request_lives_its_life};
use super::super::tests::stand_in::{Cloud, Stand, client, stand_in};
use super::S3;
use crate::journal::{Access, Journal, JournalError, JournalLocation};

mod variables;

const TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLETOKEN";
const KEY: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";

fn access(variables: &[(&str, &str)]) -> Access {
    let base = [
        ("AWS_ACCESS_KEY_ID", KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", KEY),
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

async fn bucket() -> (Stand, Journal) {
    let (stand, address) = stand_in(Cloud::Amazon).await;
    let location: JournalLocation = "s3://acme-journal/prod/eu".parse().unwrap();
    let journal = Journal::open(&location, &access(&[("AWS_ENDPOINT_URL_S3", &address)]));
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
    a_refusal_shows_no_credential(&stand, &journal, &[TOKEN, KEY, KEY_ID]).await;
}
