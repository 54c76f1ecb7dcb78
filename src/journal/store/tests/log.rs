//! The log of a small journal: what it covers, how it grows, and which kinds of tampering with a
//! sealed journal it detects.

use secrecy::SecretString;

use super::*;
use crate::journal::Finding;
use crate::journal::log::{
    Checkpoint, ConsistencyProof, NoteSigner, Proof, ProofFlaw, VerifierKey,
};
use crate::journal::record::StreamId;
use crate::journal::store::index::unsealed::UnsealedEntry;

mod keys;
mod pending;
mod proofs;
mod removed;
mod retired;
mod sealing;

fn signer(n: u8) -> NoteSigner {
    NoteSigner::read(
        "acme/journal",
        &SecretString::from(NoteSigner::pem(&[n; 32])),
    )
    .unwrap()
}

fn key() -> VerifierKey {
    signer(7).verifier().clone()
}

/// Returns every file of the evidence with its bytes: the records, and the log without
/// `log/checkpoint`.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = all_below(dir);
    found.retain(|path, _| {
        ["requests", "log"]
            .iter()
            .any(|name| path.starts_with(dir.join(name)))
    });
    found.remove(&dir.join("log/checkpoint"));
    found
}

fn all_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// Makes the small journal and seals it, then adds a third request and seals again. Also returns
/// the newest checkpoint.
async fn sealed(dir: &Path) -> (Journal, String) {
    let journal = small(dir).await;
    journal.seal(&signer(7), at(100)).await.unwrap();
    finished(&journal, "third").await;
    let sealing = journal.seal(&signer(7), at(200)).await.unwrap();
    assert_eq!((sealing.sealed, sealing.size), (3, 10));
    (journal, sealing.checkpoint.unwrap())
}

async fn found(journal: &Journal, kept: Option<&str>) -> Vec<(String, &'static str)> {
    let report = journal.verify_sealed(&key(), kept).await.unwrap();
    let of_index = |finding: &&Finding| finding.path.starts_with("index/");
    report
        .findings
        .iter()
        .filter(|finding| !of_index(finding))
        .map(|finding| (finding.path.clone(), finding.flaw.name()))
        .collect()
}

#[tokio::test]
async fn an_untouched_sealed_journal_is_clean_and_says_what_is_covered() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    let report = journal.verify_sealed(&key(), Some(&kept)).await.unwrap();
    assert_eq!(
        (report.clean(), report.records, report.seals, report.sealed),
        (true, 13, 2, 10)
    );
    let again = journal.seal(&signer(7), at(300)).await.unwrap();
    assert_eq!((again.sealed, again.size), (3, 13));
    let idle = journal.seal(&signer(7), at(400)).await.unwrap();
    assert_eq!(
        (idle.sealed, idle.size, idle.checkpoint),
        (0, 13, again.checkpoint),
        "nothing new, no new seal"
    );
    assert_eq!(journal.sealed_at(&key()).await.unwrap(), Some(at(300)));
}

#[tokio::test]
async fn every_single_file_removed_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let all = everything(dir.path());
    assert_eq!(all.len(), 18);
    for (path, good) in &all {
        fs::remove_file(path).unwrap();
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        let findings = found(&journal, Some(&kept)).await;
        let [(named, flaw)] = findings.as_slice() else {
            panic!("{shown}: {findings:?}")
        };
        if shown == "log/checkpoints/000002" {
            assert_eq!(*flaw, "broken_log", "only other checkpoints show that");
            assert_eq!(found(&journal, None).await, findings, "log/checkpoint");
            let newest = dir.path().join("log/checkpoint");
            fs::copy(dir.path().join("log/checkpoints/000001"), &newest).unwrap();
            assert_eq!(found(&journal, None).await, []);
            fs::write(newest, good).unwrap();
        } else {
            assert_eq!(named, shown);
            assert!(["missing", "dropped"].contains(flaw), "{flaw}");
        }
        fs::write(path, good).unwrap();
    }
    assert_eq!(found(&journal, Some(&kept)).await, []);
}

#[tokio::test]
async fn every_altered_byte_of_every_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    for (path, good) in everything(dir.path()) {
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        // Alter every byte of a short file, and about one byte in a hundred of a longer one.
        let step = if good.len() < 400 { 1 } else { 97 };
        for index in (0..good.len()).step_by(step) {
            let mut bytes = good.clone();
            bytes[index] ^= 1 << (index % 8);
            fs::write(&path, &bytes).unwrap();
            let findings = found(&journal, Some(&kept)).await;
            assert_eq!(
                findings[0].0, shown,
                "byte {index} of {shown}: {findings:?}"
            );
        }
        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..cut]).unwrap();
            assert_eq!(
                found(&journal, Some(&kept)).await[0].0,
                shown,
                "{shown} cut to {cut} bytes"
            );
        }
        fs::write(&path, &good).unwrap();
    }
}

#[tokio::test]
async fn a_newest_record_rewritten_with_its_checksum_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    for path in files(dir.path()) {
        let good = fs::read(&path).unwrap();
        let mut record = Stored::read(&good).unwrap().record;
        record.at += jiff::SignedDuration::from_secs(1);
        fs::write(&path, Stored::write(record).unwrap().1).unwrap();
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        let findings = found(&journal, None).await;
        assert_eq!(
            findings,
            [(shown.to_owned(), "altered_since_sealed")],
            "that one and no other"
        );
        fs::write(&path, good).unwrap();
    }
}

#[tokio::test]
async fn a_whole_stream_removed_or_exchanged_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let stream = StreamId::of(&identity("second"));
    let folder = dir.path().join(format!("requests/{stream}"));
    fs::remove_dir_all(&folder).unwrap();
    let expected: Vec<_> = (0..3)
        .map(|seq| (format!("requests/{stream}/00000{seq}.json"), "dropped"))
        .collect();
    assert_eq!(found(&journal, None).await, expected);
    // The same request is recorded again, with a valid hash chain.
    let mut claim = claim(&journal, "second").await;
    claim
        .record(
            &journal,
            at(5),
            closed(Status::Completed, all(AlreadyShared)),
        )
        .await
        .unwrap();
    let expected = [
        (
            format!("requests/{stream}/000001.json"),
            "altered_since_sealed",
        ),
        (format!("requests/{stream}/000002.json"), "dropped"),
    ];
    assert_eq!(found(&journal, None).await, expected);
}

#[tokio::test]
async fn seals_of_another_key_are_not_believed_and_not_built_upon() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let error = journal
        .seal(&signer(8), at(300))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("signs the log now"), "{error}");
    assert!(
        journal
            .verify_sealed(signer(8).verifier(), Some(&kept))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_history_that_was_rewritten_and_sealed_anew_contradicts_a_kept_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    // An attacker with the key removes a request and seals the rest of the journal again.
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    fs::remove_dir_all(
        dir.path()
            .join(format!("requests/{}", StreamId::of(&identity("second")))),
    )
    .unwrap();
    for stream in journal.streams().await.unwrap() {
        let entry = journal.unsealed_path(stream, 0);
        journal.touch(&entry).await.unwrap();
    }
    finished(&journal, "fourth").await;
    finished(&journal, "fifth").await;
    journal.seal(&signer(7), at(300)).await.unwrap();
    assert_eq!(
        found(&journal, None).await,
        [],
        "the key's holder can do that"
    );
    assert_eq!(
        found(&journal, Some(&kept)).await,
        [("log/checkpoints/000002".to_owned(), "broken_log")]
    );
}
