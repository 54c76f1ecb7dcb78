//! The three object stores, each against a stand-in on loopback, and the variables that configure
//! them.

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;

use super::super::remote::{Service, scrub, settings};
use super::lives::{a_refusal_shows_no_credential, a_request_lives_its_life};
use super::stand_in::{Cloud, Fault, Stand, client, stand_in};
use crate::journal::{Access, FilePlace, Journal, JournalError, JournalLocation};

/// An object store, and the values to test it with.
struct Store {
    cloud: Cloud,
    location: &'static str,
    /// The variables that are needed to open the store.
    variables: &'static [(&'static str, &'static str)],
    /// The variables that set the store's endpoints. The first one is for the journal itself.
    endpoints: &'static [&'static str],
    /// Parts of the variables that no text may show.
    secrets: &'static [&'static str],
    /// Variables that the store ignores, because they would weaken it or belong to something else.
    ignored: &'static [&'static str],
    /// Variables that the store uses besides `variables`.
    used: &'static [&'static str],
    names: fn(&Access) -> Vec<String>,
}

const STORES: [Store; 3] = [
    Store {
        cloud: Cloud::Amazon,
        location: "s3://acme-journal/prod/eu",
        variables: &[
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            (
                "AWS_SECRET_ACCESS_KEY",
                "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            ),
            ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLETOKEN"),
            ("AWS_REGION", "ap-southeast-1"),
        ],
        endpoints: &[
            "AWS_ENDPOINT_URL_S3",
            "AWS_ENDPOINT_URL",
            "AWS_ENDPOINT_URL_STS",
        ],
        secrets: &[
            "IQoJb3JpZ2luX2VjEXAMPLETOKEN",
            "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
            "AKIAIOSFODNN7EXAMPLE",
        ],
        ignored: &[
            "AWS_SKIP_SIGNATURE",
            "AWS_ALLOW_HTTP",
            "AWS_CONDITIONAL_PUT",
            "AWS_BUCKET",
            "PATH",
            "region",
            "AWS_LAMBDA_FUNCTION_NAME",
        ],
        used: &["AWS_SERVER_SIDE_ENCRYPTION"],
        names: names::<AmazonS3Builder>,
    },
    Store {
        cloud: Cloud::Google,
        location: "gs://acme-journal/prod/eu",
        variables: &[("GOOGLE_BEARER_TOKEN", "ya29.EXAMPLE-TOKEN-OF-NOBODY")],
        endpoints: &["GOOGLE_BASE_URL"],
        secrets: &["ya29.EXAMPLE-TOKEN-OF-NOBODY"],
        ignored: &[
            "GOOGLE_SKIP_SIGNATURE",
            "GOOGLE_BUCKET",
            "GOOGLE_ALLOW_HTTP",
            "GOOGLE_CLOUD_PROJECT",
            "bearer_token",
            "AWS_ACCESS_KEY_ID",
        ],
        used: &["GOOGLE_SERVICE_ACCOUNT"],
        names: names::<GoogleCloudStorageBuilder>,
    },
    Store {
        cloud: Cloud::Azure,
        location: "az://acme-journal/prod/eu",
        variables: &[
            ("AZURE_STORAGE_ACCOUNT_NAME", "acme"),
            // Base64 of `not-a-real-account-key`.
            (
                "AZURE_STORAGE_ACCOUNT_KEY",
                "bm90LWEtcmVhbC1hY2NvdW50LWtleQ==",
            ),
        ],
        endpoints: &[
            "AZURE_STORAGE_ENDPOINT",
            "AZURE_ENDPOINT",
            "AZURE_AUTHORITY_HOST",
        ],
        secrets: &["bm90LWEtcmVhbC1hY2NvdW50LWtleQ=="],
        ignored: &[
            "AZURE_SKIP_SIGNATURE",
            "AZURE_STORAGE_USE_EMULATOR",
            "AZURE_USE_AZURE_CLI",
            "AZURE_CONTAINER_NAME",
            "AZURE_ALLOW_HTTP",
            "AZURE_FUNCTIONS_ENVIRONMENT",
            "token",
        ],
        used: &["AZURE_CLIENT_ID", "IDENTITY_ENDPOINT"],
        names: names::<MicrosoftAzureBuilder>,
    },
];

fn names<S: Service>(access: &Access) -> Vec<String> {
    let used = settings::<S>(access).map(|(_, name, _)| name.to_owned());
    used.collect()
}

fn access(variables: &[(&str, &str)]) -> Access {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned().into()));
    Access {
        variables: variables.collect(),
        http: Some(client()),
    }
}

fn open(location: &str, variables: &[(&str, &str)]) -> Result<Journal, JournalError> {
    let location: JournalLocation = location.parse().unwrap();
    Journal::open(&location, &access(variables))
}

impl Store {
    fn open_with(&self, name: &str, value: &str) -> Result<Journal, JournalError> {
        open(self.location, &[self.variables, &[(name, value)]].concat())
    }

    async fn bucket(&self) -> (Stand, Journal) {
        let (stand, address) = stand_in(self.cloud).await;
        let journal = self.open_with(self.endpoints[0], &format!("{address}/"));
        (stand, journal.unwrap())
    }
}

#[tokio::test]
async fn a_request_lives_its_life_in_each_store() {
    for store in STORES {
        let (stand, journal) = store.bucket().await;
        a_request_lives_its_life(&stand, &journal).await;
    }
}

#[tokio::test]
async fn an_error_of_a_store_shows_no_credential() {
    for store in STORES {
        let (stand, journal) = store.bucket().await;
        a_refusal_shows_no_credential(&stand, &journal, store.secrets).await;
    }
}

/// An index in another place can be written although the records cannot.
#[tokio::test]
async fn a_bucket_that_refuses_writes_is_not_ready_although_the_index_is_elsewhere() {
    for store in STORES {
        let (stand, journal) = store.bucket().await;
        let journal = journal
            .with_index(&JournalLocation::Memory, &Access::default())
            .unwrap();
        journal.test_place([1; 8]).await.unwrap();
        for nonce in [2, 3] {
            journal.check([nonce; 8]).await.unwrap();
        }
        let objects = stand.lock().unwrap().objects.len();
        assert_eq!(objects, 1, "the probe that stays");
        stand.lock().unwrap().refuse = Some(String::new());
        let error = journal.check([4; 8]).await.unwrap_err().to_string();
        assert!(error.contains(store.location), "{error}");
    }
}

#[tokio::test]
async fn an_unfit_bucket_is_refused_with_its_remedy() {
    let faults = [
        (Fault::DeniesLists, "let this process list files"),
        (Fault::LagsLists, "as soon as it is written"),
        (Fault::CutsLists, "ends a list after its first page"),
        (Fault::NoConditions, "supports create-only writes"),
        (Fault::NoEtag, "supports create-only writes"),
    ];
    for (store, (fault, says)) in STORES.iter().flat_map(|store| faults.map(|it| (store, it))) {
        // Only S3 and Azure name an ETag that must be there.
        if fault == Fault::NoEtag && store.cloud == Cloud::Google {
            continue;
        }
        let (stand, journal) = store.bucket().await;
        stand.lock().unwrap().fault = Some(fault);
        let error = journal.test_place([1; 8]).await.unwrap_err().to_string();
        let named = error.contains(store.location) && error.contains(says);
        assert!(named && !error.contains("try again"), "{error}");
        stand.lock().unwrap().fault = None;
        journal.test_place([2; 8]).await.unwrap();
        // Readiness notices a bucket that becomes unfit.
        if matches!(fault, Fault::DeniesLists | Fault::LagsLists) {
            stand.lock().unwrap().fault = Some(fault);
            let error = journal.check([3; 8]).await.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}

#[tokio::test]
async fn a_probe_that_cannot_be_deleted_is_named_and_stays_one_file() {
    for store in STORES {
        let (stand, journal) = store.bucket().await;
        stand.lock().unwrap().fault = Some(Fault::DeniesDeletions);
        journal.test_place([1; 8]).await.unwrap();
        let objects = stand.lock().unwrap().objects.len();
        for nonce in [2, 3] {
            journal.check([nonce; 8]).await.unwrap();
            let why = journal.cannot_delete().unwrap();
            assert!(why.contains(store.location), "{why}");
            assert!(why.contains("s3:DeleteObject"), "{why}");
        }
        assert_eq!(stand.lock().unwrap().objects.len(), objects);
        stand.lock().unwrap().fault = None;
        journal.check([4; 8]).await.unwrap();
        assert_eq!(journal.cannot_delete(), None);
        assert_eq!(stand.lock().unwrap().objects.len(), objects - 1);
    }
}

#[test]
fn an_error_of_an_index_in_a_bucket_shows_no_credential() {
    for store in STORES {
        let index = store.location.parse().unwrap();
        let journal = Journal::open(&JournalLocation::Memory, &Access::default()).unwrap();
        let journal = journal
            .with_index(&index, &access(store.variables))
            .unwrap();
        let told = std::io::Error::other(store.secrets.join(" "));
        let error = journal.failed("create", "index/due/x", &told);
        let all = format!("{error:?} {error}");
        assert!(all.contains(store.location), "{all}");
        for secret in store.secrets {
            assert!(!all.contains(secret), "{all}");
        }
    }
}

#[test]
fn plain_http_is_for_loopback_only() {
    for store in STORES {
        for name in store.endpoints {
            for good in [
                "https://store.example.com",
                "http://localhost:4566",
                "http://127.0.0.1:10000/acme",
                "http://127.8.8.8",
                "http://[::1]:9000",
                "",
            ] {
                store.open_with(name, good).unwrap();
            }
            for bad in [
                "http://store.example.com",
                "http://127.0.0.1.example.com",
                "http://localhost.example.com",
                "http://10.0.0.1",
                "http://169.254.1.1",
                "ftp://localhost",
                "localhost:9000",
                "https://user:password@store.example.com",
            ] {
                let error = store.open_with(name, bad).unwrap_err();
                let text = error.to_string();
                let placed = matches!(error, JournalError::Place(_)) && text.starts_with(name);
                assert!(placed && !text.contains(":password"), "{text}");
            }
        }
    }
}

#[test]
fn variables_that_would_weaken_a_store_are_not_taken() {
    for store in STORES {
        let set = |name: &&'static str| (*name, "true");
        let more: Vec<_> = store.ignored.iter().chain(store.used).map(set).collect();
        let own = store.variables.iter().map(|(name, _)| *name);
        let expected: Vec<_> = own.chain(store.used.iter().copied()).collect();
        let found = (store.names)(&access(&[store.variables, &more].concat()));
        assert_eq!(found, expected);
    }
    assert!(Access::takes("IDENTITY_ENDPOINT") && !Access::takes("TENCENTCLOUD_SECRET_KEY"));
}

#[tokio::test]
async fn half_a_key_pair_and_a_missing_client_are_told() {
    let location = "s3://acme-journal";
    let half = &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")];
    let page: FilePlace = "s3://acme-journal/page.html".parse().unwrap();
    let text = page
        .written_at(&access(half))
        .await
        .unwrap_err()
        .to_string();
    assert!(text.starts_with("report: s3://acme-journal"), "{text}");
    let text = open(location, half).unwrap_err().to_string();
    let told = text.contains("cannot be opened") && text.contains("AWS_ environment variables");
    assert!(told, "{text}");
    let none = Journal::open(&location.parse().unwrap(), &Access::default());
    let text = none.unwrap_err().to_string();
    assert!(text.contains("needs an HTTP client"), "{text}");
}

#[test]
fn a_key_that_cannot_be_read_is_told_without_it() {
    let key = "{\"client_email\": \"a@b.c\", \"private_key_id\": \"a1b2c3d4e5f6\", \"private_key\": \"-----BEGIN SECRET\"}";
    for bad in [key, "\"-----BEGIN SECRET\"", "-----BEGIN SECRET", "{}"] {
        let error = open("gs://acme-journal", &[("GOOGLE_SERVICE_ACCOUNT_KEY", bad)]).unwrap_err();
        let text = format!("{error} {error:?}");
        let told = text.contains("correct the place or the GOOGLE_ environment variables");
        let clean = !text.contains("SECRET\"") && !text.contains("a1b2c3d4e5f6");
        assert!(told && clean, "{text}");
    }
}

#[test]
fn a_missing_account_and_a_bad_key_are_told_without_it() {
    let (location, bad) = ("az://acme-journal", "this-is-not-base64!");
    let key = ("AZURE_STORAGE_ACCOUNT_KEY", bad);
    let text = open(location, &[key]).unwrap_err().to_string();
    let told = text.contains("AZURE_STORAGE_ACCOUNT_NAME must be among them");
    assert!(told, "{text}");
    let error = open(location, &[("AZURE_STORAGE_ACCOUNT_NAME", "acme"), key]).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(bad), "{error:?}");
}

#[test]
fn of_a_shared_access_signature_no_form_is_shown() {
    let access = access(&[(
        "AZURE_STORAGE_SAS_TOKEN",
        "?sv=2024-11-04&sp=rcl&sig=abcdef%2Bghijkl%3D",
    )]);
    let told = std::io::Error::other("at sig=abcdef%2Bghijkl%3D and abcdef+ghijkl= it ended");
    let text = scrub::<MicrosoftAzureBuilder>(&access).fault(&told);
    let clean = "at sig=[secret] and [secret] it ended";
    assert_eq!(text.to_string(), clean);
}
