//! Amazon SNS over HTTPS: which certificates are accepted for which topics, and how a subscription
//! is answered.

use rustls::pki_types::{CertificateDer, TrustAnchor, pem::PemObject as _};
use serde_json::{Value, json};
use sharehook::app::{App, Deadline, Prepared, Reply};
use sharehook::clock::Clock;
use sharehook::config::{AwsSecrets, Config, Vars};
use sharehook::domain::Timestamp;
use sharehook::inbound::{
    Certificate, Delivery, HandshakeReply, Headers, Issuers, SchemeName, SchemeSpec, Subscription,
    Verifier, Via,
};

const TOPIC: &str = "arn:aws:sns:us-west-2:123456789012:share-requests";
const URL: &str = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-testcert.pem";

fn now() -> Timestamp {
    "2026-09-10T00:27:00Z".parse().unwrap()
}

fn delivery(body: &str) -> Delivery {
    let headers = Headers::new([("content-type", "text/plain; charset=UTF-8")]);
    Delivery {
        source: "topic".parse().unwrap(),
        via: Via::Http(headers),
        body: body.to_owned().into(),
    }
}

fn verifier(topic: &str) -> Verifier {
    Verifier::new(
        SchemeSpec::preset(SchemeName::Sns),
        Vec::new(),
        vec![topic.to_owned()],
    )
    .unwrap()
}

fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem)
        .map(Result::unwrap)
        .collect()
}

/// Verifies a vector of SNS as the application does: first the address rule, then the certificate,
/// then the signature. The vector's certificate is self-signed, so the test trusts it as an issuer.
pub(super) fn verified(vector: &Value, file: &Value) -> Result<(), String> {
    let pem = file["shared"]["sns_cert_pem"].as_str().unwrap().as_bytes();
    let issuers = Issuers::new(Vec::new(), certificates(pem)).unwrap();
    let delivery = delivery(vector["body"].as_str().unwrap());
    let verifier = verifier(TOPIC);
    let url = verifier
        .certificate_url(&delivery)
        .map_err(|refusal| refusal.to_string())?;
    let certificate = Certificate::check(
        pem,
        &url.unwrap(),
        &issuers,
        "2026-11-22T00:00:00Z".parse().unwrap(),
    );
    let certificate = certificate.map_err(|refusal| refusal.to_string())?;
    verifier
        .verify_certified(delivery, &certificate, now())
        .map(drop)
        .map_err(|refusal| refusal.to_string())
}

pub(super) fn file() -> Value {
    serde_json::from_str(include_str!("../../vectors/webhooks.json")).unwrap()
}

fn vector(id: &str) -> Value {
    let file = file();
    let found = file["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|vector| vector["id"] == id);
    serde_json::from_str(found.unwrap()["body"].as_str().unwrap()).unwrap()
}

#[test]
fn a_certificate_is_only_ever_fetched_from_sns_for_a_listed_topic() {
    let asked = |url: &str, topic: &str| {
        let body =
            json!({"TopicArn": topic, "SigningCertURL": url, "Type": "Notification"}).to_string();
        verifier(TOPIC)
            .certificate_url(&delivery(&body))
            .ok()
            .flatten()
    };
    assert_eq!(asked(URL, TOPIC).as_deref(), Some(URL));
    let name = "SimpleNotificationService-a1.pem";
    for url in [
        format!("http://sns.us-west-2.amazonaws.com/{name}"),
        format!("https://sns.us-west-2.amazonaws.com.evil.example/{name}"),
        format!("https://sns.us-west-2.amazonaws.com:8443/{name}"),
        format!("https://sns.us-west-2.amazonaws.com@evil.example/{name}"),
        format!("https://u:p@sns.us-west-2.amazonaws.com/{name}"),
        format!("https://sns.evil.example/.amazonaws.com/{name}"),
        format!("https://sns-attacker.s3.amazonaws.com/{name}"),
        format!("https://sns.us-east-1.amazonaws.com/{name}"),
        format!("https://sns.us-west-2.amazonaws.com/../{name}"),
        format!("https://sns.us-west-2.amazonaws.com/{name}?x=1"),
        format!("https://sns.us-west-2.amazonaws.com/{name}#.pem"),
        format!("https://sns.us-west-2.s3.amazonaws.com/{name}"),
        "https://sns.us-west-2.amazonaws.com/other.pem".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        String::new(),
    ] {
        assert_eq!(asked(&url, TOPIC), None, "{url}");
    }
    assert_eq!(
        asked(URL, "arn:aws:sns:us-west-2:123456789012:another-topic"),
        None
    );
}

#[test]
fn a_chain_must_lead_to_a_root_and_name_sns() {
    let chain: Value = serde_json::from_str(include_str!("../../vectors/sns-chain.json")).unwrap();
    let pem = |name: &str| chain[name].as_str().unwrap().to_owned();
    let root = CertificateDer::from_pem_slice(pem("root").as_bytes()).unwrap();
    let anchors = || -> Vec<TrustAnchor<'static>> {
        vec![webpki::anchor_from_trusted_cert(&root).unwrap().to_owned()]
    };
    let check = |file: &str, roots, added: &str, at: &str| {
        let issuers = Issuers::new(roots, certificates(added.as_bytes())).unwrap();
        Certificate::check(file.as_bytes(), URL, &issuers, at.parse().unwrap())
            .map(drop)
            .map_err(|r| r.to_string())
    };
    let (leaf, between) = (pem("leaf"), pem("intermediate"));
    let today = "2027-01-01T00:00:00Z";
    assert_eq!(
        check(&format!("{leaf}{between}"), anchors(), "", today),
        Ok(())
    );
    // If the certificate file has only the leaf, the operator must configure the intermediate
    // certificates.
    assert!(
        check(&leaf, anchors(), "", today)
            .unwrap_err()
            .contains("issuers")
    );
    assert_eq!(check(&leaf, anchors(), &between, today), Ok(()));
    assert!(
        check(&format!("{leaf}{between}"), Vec::new(), "", today)
            .unwrap_err()
            .contains("root")
    );
    assert!(
        check(
            &format!("{}{between}", pem("foreign")),
            anchors(),
            "",
            today
        )
        .unwrap_err()
        .contains("host")
    );
    assert!(
        check(
            &format!("{leaf}{between}"),
            anchors(),
            "",
            "2200-01-01T00:00:00Z"
        )
        .is_err(),
        "after its end"
    );
    assert!(
        check(
            &format!("{leaf}{between}"),
            anchors(),
            "",
            "2001-01-01T00:00:00Z"
        )
        .is_err(),
        "before its begin"
    );
    for nonsense in [
        "",
        "not PEM",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ] {
        assert!(
            check(nonsense, anchors(), "", today).is_err(),
            "{nonsense:?}"
        );
    }
    let own = file()["shared"]["sns_cert_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(check(&own, anchors(), "", today).is_err(), "self-signed");
}

#[test]
fn a_subscription_is_confirmed_at_sns_in_the_topics_region_only() {
    let pem = file()["shared"]["sns_cert_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    let certificate = Issuers::new(Vec::new(), certificates(pem.as_bytes()))
        .unwrap()
        .pinned()
        .next()
        .unwrap();
    let verifier = verifier(TOPIC);
    let asked = |body: &Value| {
        let verified = verifier
            .verify_certified(delivery(&body.to_string()), &certificate, now())
            .ok()?;
        verifier.subscription(&verified)
    };
    let confirmation = vector("sns-04-subscription-confirmation");
    let url = confirmation["SubscribeURL"].as_str().unwrap();
    assert_eq!(
        asked(&confirmation),
        Some(Subscription::Confirm(url.to_owned()))
    );
    assert_eq!(asked(&vector("sns-01-v2-notification")), None);
    // The signature covers the address, so a message with another address is refused.
    let mut changed = confirmation.clone();
    changed["SubscribeURL"] = json!("https://evil.example/?Action=ConfirmSubscription");
    let refused = verifier.verify_certified(delivery(&changed.to_string()), &certificate, now());
    assert!(refused.is_err());
}

/// Confirming a subscription needs a request to SNS. A dry run makes no such request.
#[tokio::test]
async fn a_plan_does_not_confirm_a_subscription() {
    let folder = tempfile::tempdir().unwrap();
    let planning = prepared(folder.path()).planning();
    let app = planning.open(&Vars::new(), Clock::at(now())).await.unwrap();
    let body = vector("sns-04-subscription-confirmation").to_string();
    let soon = Deadline::after(std::time::Duration::from_secs(5));
    let reply = app.receive(delivery(&body), soon).await;
    let unconfirmed = HandshakeReply::json(json!({"confirmed": false}));
    assert_eq!(reply, Reply::Handshake(unconfirmed));
}

fn prepared(folder: &std::path::Path) -> Prepared {
    let pem = file()["shared"]["sns_cert_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    std::fs::write(folder.join("pinned.pem"), pem).unwrap();
    let text = format!(
        "journal = \"memory:\"\npolicy = \"{}/policy\"\n[cloud]\nsite = \"intl\"\n[[source]]\nname = \"topic\"\n\
         scheme = \"sns\"\nfrom = [\"{TOPIC}\"]\nissuers = \"pinned.pem\"\n",
        env!("CARGO_MANIFEST_DIR")
    );
    let path = folder.join("sharehook.toml");
    let config = Config::read(
        path.to_str().unwrap(),
        &text,
        &Vars::new(),
        &AwsSecrets::new(),
    )
    .unwrap();
    Prepared::new(config).unwrap()
}

async fn app(folder: &std::path::Path, now: Timestamp) -> App {
    let prepared = prepared(folder);
    prepared.open(&Vars::new(), Clock::at(now)).await.unwrap()
}

#[tokio::test]
async fn the_application_believes_a_pinned_certificate_without_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let app = app(folder.path(), now()).await;
    let reply = async |body: &Value| {
        app.receive(
            delivery(&body.to_string()),
            Deadline::after(std::time::Duration::from_secs(5)),
        )
        .await
    };
    let good = vector("sns-01-v2-notification");
    // The answer is an error of the map about the content of `Message`, so the delivery was
    // verified and unwrapped.
    let Reply::Invalid(problems) = reply(&good).await else {
        panic!("not verified")
    };
    assert!(problems.to_string().contains("state"), "{problems}");
    let changed = |name: &str, value: &str| {
        let mut body = good.clone();
        body[name] = json!(value);
        body
    };
    for body in [
        changed(
            "TopicArn",
            "arn:aws:sns:us-west-2:123456789012:another-topic",
        ),
        changed(
            "SigningCertURL",
            "https://sns.us-west-2.amazonaws.com.evil.example/c.pem",
        ),
        json!({}),
        json!([]),
        json!("x"),
    ] {
        assert_eq!(reply(&body).await, Reply::Unauthorised, "{body}");
    }
}

/// The certificate is pinned, so the program does not fetch it.
#[tokio::test]
async fn an_old_message_of_a_pinned_certificate_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let later = now() + jiff::SignedDuration::from_hours(2);
    let app = app(folder.path(), later).await;
    let body = vector("sns-01-v2-notification").to_string();
    let soon = Deadline::after(std::time::Duration::from_secs(5));
    let reply = app.receive(delivery(&body), soon).await;
    assert_eq!(reply, Reply::Unauthorised);
}

#[test]
fn a_wrong_signature_is_explained_by_the_certificate() {
    let pem = file()["shared"]["sns_cert_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    let issuers = Issuers::new(Vec::new(), certificates(pem.as_bytes())).unwrap();
    let certificate = issuers.pinned().next().unwrap();
    let mut changed = vector("sns-01-v2-notification");
    changed["Message"] = json!("another");
    let delivery = delivery(&changed.to_string());
    let refused = verifier(TOPIC).verify_certified(delivery, &certificate, now());
    let why = refused.unwrap_err().to_string();
    assert!(
        why.contains("certificate") && !why.contains("secret"),
        "{why}"
    );
}

#[test]
fn the_configuration_of_a_topic_is_checked() {
    let read = |lines: &str| {
        let text = format!(
            "journal = \"memory:\"\npolicy = \"{}/policy\"\n[cloud]\nsite = \"intl\"\n[[source]]\nname = \"t\"\n{lines}",
            env!("CARGO_MANIFEST_DIR")
        );
        Config::read("c.toml", &text, &Vars::new(), &AwsSecrets::new())
            .and_then(Prepared::new)
            .map(drop)
            .map_err(|p| p.to_string())
    };
    assert_eq!(
        read(&format!("scheme = \"sns\"\nfrom = [\"{TOPIC}\"]\n")),
        Ok(())
    );
    for (lines, says) in [
        ("scheme = \"sns\"\n".to_owned(), "from"),
        (format!("scheme = \"sns\"\nfrom = [\"{TOPIC}\"]\nissuers = \"none.pem\"\n"), "none.pem"),
        ("scheme = \"trusted\"\nfrom = [\"x\"]\nissuers = \"none.pem\"\n".to_owned(), "issuers"),
        ("scheme = \"trusted\"\nfrom = [\"x\"]\nhandshake = \"slack\"\n".to_owned(), "handshake"),
        (
            "scheme = \"trusted\"\nfrom = [\"x\"]\nhandshake = { cloudevents = { origins = [] } }\n"
                .to_owned(),
            "handshake",
        ),
    ] {
        let error = read(&lines).unwrap_err();
        assert!(error.contains(says), "{lines}: {error}");
    }
}

#[test]
fn a_file_without_a_certificate_is_a_problem_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let notify = "[[notify]]\nname = \"n\"\npreset = \"webhook\"\nurl = \"https://n.example.com\"\n\
                  secret = \"env:SECRET\"\nca_file = \"c.pem\"\n";
    let topic = format!("[[source]]\nname = \"t\"\nscheme = \"sns\"\nfrom = [\"{TOPIC}\"]\n");
    let issuers = format!("{topic}issuers = \"c.pem\"\n");
    let secret = "whsec_c2hhcmVob29rLXRlc3Qtc2VjcmV0LTAwMDAwMDAx".to_owned();
    let vars = Vars::from([("SECRET".to_owned(), secret)]);
    let read = |pem: &[u8], lines: &str| {
        std::fs::write(folder.path().join("c.pem"), pem).unwrap();
        let text = format!(
            "journal = \"memory:\"\npolicy = \"{}/policy\"\n[cloud]\nsite = \"intl\"\n{lines}",
            env!("CARGO_MANIFEST_DIR")
        );
        Config::read(path.to_str().unwrap(), &text, &vars, &AwsSecrets::new())
            .and_then(Prepared::new)
            .map(drop)
            .map_err(|p| p.to_string())
    };
    let good = file()["shared"]["sns_cert_pem"]
        .as_str()
        .unwrap()
        .to_owned();
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    let second_broken = format!("{good}{broken}");
    let ca_file = format!("{topic}{notify}");
    for lines in [&issuers, &ca_file] {
        assert_eq!(read(good.as_bytes(), lines), Ok(()));
        for pem in [
            &b""[..],
            &[0x30, 0x82, 0x03, 0xff],
            b"no PEM",
            broken.as_bytes(),
            second_broken.as_bytes(),
        ] {
            let error = read(pem, lines).unwrap_err();
            assert!(error.contains("c.pem"), "{lines}: {error}");
        }
    }
    // The file is PEM, but its content is no certificate.
    let no_certificate = broken.replace('!', "AAAA");
    let error = read(no_certificate.as_bytes(), &ca_file).unwrap_err();
    assert!(error.contains("c.pem"), "{error}");
    let error = read(good.repeat(9).as_bytes(), &issuers).unwrap_err();
    assert!(error.contains("more than 8 certificates"), "{error}");
}
