//! Tests how the root account of the credentials is found: the token service is asked once for each
//! key.

use super::*;
use crate::domain::{AccountId, ErrorClass};

fn identity(account: &str) -> (u16, String) {
    let answer =
        json!({ "Response": { "AccountId": account, "Type": "CAMUser", "RequestId": "r" } });
    (200, answer.to_string())
}

fn refused(code: &str) -> (u16, String) {
    let error = json!({ "Code": code, "Message": "not allowed" });
    (
        200,
        json!({ "Response": { "Error": error, "RequestId": "r" } }).to_string(),
    )
}

fn account(text: &str) -> AccountId {
    text.parse().unwrap()
}

fn key(id: &str) -> (SecretString, SecretString) {
    (SecretString::from(id), SecretString::from("another-key"))
}

#[tokio::test]
async fn concurrent_callers_ask_once_and_another_key_is_asked_anew() {
    let sts = StandIn::start(&[identity("100000000001"), identity("200000000002")]).await;
    let cache = CredentialCache::new(keyed(), remote(&sts.url(), clock));
    assert_eq!(cache.known_owner(), None);
    let (one, other) = tokio::join!(cache.owner_account(never()), cache.owner_account(never()));
    assert_eq!(
        (one.unwrap(), other.unwrap()),
        (account("100000000001"), account("100000000001"))
    );
    cache.owner_account(never()).await.unwrap();
    assert_eq!(cache.known_owner(), Some(account("100000000001")));
    {
        let seen = sts.seen.lock();
        assert_eq!(seen.len(), 1);
        let (_, headers, body) = &seen[0];
        assert_eq!(headers["x-tc-action"], "GetCallerIdentity");
        assert_eq!(headers["x-tc-version"], "2018-08-13");
        assert_signed(headers, body, NOW);
    }
    cache.replace_key("prod", &key("id-2")).unwrap();
    assert_eq!(cache.known_owner(), None, "nothing is known of the new key");
    cache.current(never()).await.unwrap();
    assert_eq!(cache.known_owner(), None);
    let owner = cache.owner_account(never()).await.unwrap();
    assert_eq!((owner, sts.count()), (account("200000000002"), 2));
}

#[tokio::test]
async fn a_refusal_is_believed_for_five_minutes() {
    static LATER: AtomicI64 = AtomicI64::new(NOW);
    fn later() -> Timestamp {
        Timestamp::from_second(LATER.load(Ordering::Relaxed)).unwrap()
    }
    let sts = StandIn::start(&[refused("UnauthorizedOperation")]).await;
    let cache = CredentialCache::new(keyed(), remote(&sts.url(), later));
    for _ in 0..3 {
        let error = cache.owner_account(never()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Operator, "{error}");
    }
    assert_eq!((sts.count(), cache.known_owner()), (1, None));
    let (status, text) = identity("100000000001");
    sts.now_answers(status, text);
    LATER.fetch_add(301, Ordering::Relaxed);
    assert!(cache.owner_account(never()).await.is_ok());
}

#[tokio::test]
async fn an_answer_without_an_account_names_none() {
    for answer in [
        identity("not-a-number"),
        (200, "{}".to_owned()),
        (502, "<html>".to_owned()),
    ] {
        let sts = StandIn::start(&[answer]).await;
        let cache = CredentialCache::new(keyed(), remote(&sts.url(), clock));
        assert!(cache.owner_account(never()).await.is_err());
        assert_eq!(cache.known_owner(), None);
    }
}

/// The deadline of the first caller passes while the token service is being asked. The request must
/// continue, so that a later caller finds the answer.
#[tokio::test]
async fn a_short_deadline_does_not_end_the_question() {
    let sts = StandIn::start(&[identity("100000000001")]).await;
    let cache = CredentialCache::new(keyed(), remote(&sts.url(), clock));
    let soon = Deadline::after(Duration::from_millis(5));
    let error = cache.owner_account(soon).await.unwrap_err();
    assert_eq!(error.code, "DeadlinePassed", "{error}");
    let owner = cache.owner_account(never()).await.unwrap();
    assert_eq!((owner, sts.count()), (account("100000000001"), 1));
}
