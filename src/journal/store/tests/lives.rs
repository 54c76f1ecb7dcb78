//! Tests that every object store must pass: a request's life, seals, fifty claims at once, lost
//! answers, refusals.

use super::stand_in::Stand;
use super::{deliver, plain};
use crate::domain::{ResultKind, Status};
use crate::journal::log::NoteSigner;
use crate::journal::testing::*;
use crate::journal::{Journal, Opened};

/// Fifty workers claim one request, and the winner finishes it. The journal is sealed. Then a
/// record is removed, and the verification must find that.
pub(in super::super) async fn a_request_lives_its_life(stand: &Stand, journal: &Journal) {
    journal.check([7; 8]).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for who in 1..=50 {
        let journal = journal.clone();
        workers.spawn(async move { deliver(&journal, plain("first", who)).await.unwrap() });
    }
    let mut claims = Vec::new();
    while let Some(opened) = workers.join_next().await {
        match opened.unwrap() {
            Opened::New(claim, _) => claims.push(claim),
            other => assert!(matches!(other, Opened::Existing(_)), "{other:?}"),
        }
    }
    assert_eq!(claims.len(), 1, "one of fifty has the request");
    let mut claim = claims.pop().unwrap();
    let mut results: Vec<_> = (0..3)
        .map(|n| result(account(n), ResultKind::Shared))
        .collect();
    results.push(result(lighthouse(), available()));
    stand.lock().unwrap().lose_answers = 1;
    claim
        .record(journal, at(1), closed(Status::Completed, results))
        .await
        .unwrap();
    assert_eq!(
        stand.lock().unwrap().lose_answers,
        0,
        "a write whose answer was lost is known as our own"
    );
    let stream = claim.state().stream();
    let keys: Vec<String> = stand
        .lock()
        .unwrap()
        .objects
        .keys()
        .filter(|key| key.contains("/requests/"))
        .cloned()
        .collect();
    assert_eq!(
        keys,
        [0, 1].map(|n| format!("prod/eu/requests/{stream}/00000{n}.json"))
    );
    assert_eq!(journal.streams().await.unwrap(), [stream]);
    assert_eq!(
        journal
            .read(stream)
            .await
            .unwrap()
            .unwrap()
            .state()
            .unwrap()
            .status(),
        Status::Completed
    );

    let signer = NoteSigner::read("acme", &NoteSigner::pem(&[7; 32])).unwrap();
    stand.lock().unwrap().lose_answers = 1;
    let sealing = journal.seal(&signer, at(100)).await.unwrap();
    assert_eq!(sealing.sealed, 2);
    let report = journal
        .verify_sealed(signer.verifier(), None)
        .await
        .unwrap();
    assert_eq!(
        (report.streams, report.records, report.clean()),
        (1, 2, true)
    );
    stand.lock().unwrap().objects.remove(&keys[1]);
    let report = journal
        .verify_sealed(signer.verifier(), None)
        .await
        .unwrap();
    assert_eq!(
        report
            .findings
            .iter()
            .map(|f| f.flaw.name())
            .collect::<Vec<_>>(),
        ["dropped"]
    );
}

/// The store's answer repeats the credentials, as some stores do. The error must not show them.
pub(in super::super) async fn a_refusal_shows_no_credential(
    stand: &Stand,
    journal: &Journal,
    secrets: &[&str],
) {
    stand.lock().unwrap().refuse = Some(secrets.join(" "));
    let error = deliver(journal, plain("first", 1)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("AuthenticationFailed: No match."), "{text}");
    assert!(
        text.contains("let this process list, read and create"),
        "{text}"
    );
    let all = format!("{error:?} {error}");
    for secret in secrets {
        assert!(!all.contains(secret), "{all}");
    }
}
