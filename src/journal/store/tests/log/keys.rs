//! Sealers with the old key, the new key and foreign keys. A sealer whose key does not sign the log
//! now changes nothing, and its error names the key that does.

use std::sync::Mutex;

use super::*;

#[derive(Clone, Default)]
struct Operations(Arc<Mutex<Vec<&'static str>>>);

impl Operations {
    fn watch(&self, dir: &Path) -> Journal {
        let seen = Arc::clone(&self.0);
        directory(dir).observed(move |doing, _| seen.lock().unwrap().push(doing))
    }

    fn taken(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Seals with key `n`. This must fail with an error that names the key `present`, after a few reads
/// and listings and without any write.
async fn refused(dir: &Path, n: u8, present: &str) {
    let operations = Operations::default();
    let journal = operations.watch(dir);
    let error = journal.seal(&signer(n), at(900)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(present), "{text}");
    assert!(
        text.contains("configure that key") && text.contains("rotate-key"),
        "{text}"
    );
    let done = operations.taken();
    let writes = done
        .iter()
        .filter(|doing| !["read", "list"].contains(doing));
    assert_eq!((writes.count(), done.len() < 12), (0, true), "{done:?}");
}

fn of(n: u8) -> String {
    signer(n).verifier().to_string()
}

fn name_and_hash(n: u8) -> String {
    of(n).splitn(3, '+').take(2).collect::<Vec<_>>().join("+")
}

/// Makes a log of five seals: two of key 7, one that introduces key 8, and two of key 8.
async fn rotated(dir: &Path) -> Journal {
    let (journal, _) = sealed(dir).await;
    let (old, new) = (signer(7), signer(8));
    journal.rotate_key(&old, &new, at(300)).await.unwrap();
    for (id, when) in [("fourth", 400), ("fifth", 500)] {
        finished(&journal, id).await;
        journal.seal(&new, at(when)).await.unwrap();
    }
    journal
}

async fn clean(journal: &Journal) {
    let verifier = signer(7).verifier().clone();
    let report = journal.verify_sealed(&verifier, None).await.unwrap();
    assert_eq!((report.findings, report.seals), (vec![], 5));
}

#[tokio::test]
async fn an_old_or_foreign_key_is_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let journal = rotated(dir.path()).await;
    let log = dir.path().join("log");
    let newest = log.join("checkpoint");
    finished(&journal, "sixth").await;
    for n in [7, 9] {
        refused(dir.path(), n, &of(8)).await;
    }
    // The sealer of the fifth seal died before it created the checkpoint. `log/checkpoint` is that
    // of the fourth or the third seal, or is missing.
    let fifth = fs::read(log.join("checkpoints/000005")).unwrap();
    fs::remove_file(log.join("checkpoints/000005")).unwrap();
    for before in ["000004", "000003", ""] {
        match before {
            "" => fs::remove_file(&newest).unwrap(),
            before => drop(fs::copy(log.join("checkpoints").join(before), &newest).unwrap()),
        }
        for n in [7, 9] {
            refused(dir.path(), n, &of(8)).await;
        }
        assert!(!log.join("checkpoints/000005").exists());
    }
    fs::copy(log.join("checkpoints/000004"), &newest).unwrap();
    journal.seal(&signer(8), at(900)).await.unwrap();
    assert_eq!(fs::read(log.join("checkpoints/000005")).unwrap(), fifth);
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    assert_eq!((report.findings, report.seals), (vec![], 6));
}

#[tokio::test]
async fn a_foreign_key_is_refused_in_a_log_whose_key_was_never_exchanged() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    let name = name_and_hash(7);
    refused(dir.path(), 9, &name).await;
    fs::remove_file(dir.path().join("log/checkpoint")).unwrap();
    refused(dir.path(), 9, &name).await;
    let verifier = signer(9).verifier().clone();
    assert!(journal.sealed_at(&verifier).await.is_err());
    assert_eq!(journal.seal(&signer(7), at(900)).await.unwrap().sealed, 3);
    assert_eq!(found(&journal, None).await, []);
}

/// Only the checkpoint of the first seal shows which key made it. Here that checkpoint is lost, so
/// a sealer with another key completes the seal, and its key signs the log from then on.
#[tokio::test]
async fn the_first_checkpoint_decides_whose_the_log_is() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    journal.seal(&signer(7), at(100)).await.unwrap();
    let log = dir.path().join("log");
    fs::remove_file(log.join("checkpoint")).unwrap();
    fs::remove_file(log.join("checkpoints/000001")).unwrap();
    journal.seal(&signer(9), at(200)).await.unwrap();
    let name = name_and_hash(9);
    refused(dir.path(), 7, &name).await;
    let verifier = signer(9).verifier().clone();
    let report = journal.verify_sealed(&verifier, None).await.unwrap();
    assert_eq!((report.findings, report.seals), (vec![], 1));
}

#[tokio::test]
async fn a_checkpoint_that_the_key_of_its_seal_has_not_signed_is_not_built_upon() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let log = dir.path().join("log");
    let text = kept.rsplit_once("\n\n").unwrap().0.to_owned() + "\n";
    fs::write(log.join("checkpoints/000002"), signer(9).sign(&text)).unwrap();
    fs::copy(log.join("checkpoints/000001"), log.join("checkpoint")).unwrap();
    let error = journal.seal(&signer(7), at(900)).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("log/checkpoints/000002") && text.contains("not signed by"),
        "{text}"
    );
    assert_eq!(
        fs::read(log.join("checkpoint")).unwrap(),
        fs::read(log.join("checkpoints/000001")).unwrap()
    );
}

/// `log/checkpoint` may be of a seal before the exchange, or missing. A sealer with the new key
/// must then follow the notes that introduce the key, and must not sign a seal of the old key.
#[tokio::test]
async fn the_new_key_continues_a_log_whose_newest_checkpoint_is_of_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let journal = rotated(dir.path()).await;
    let log = dir.path().join("log");
    let all = everything(dir.path());
    let operations = Operations::default();
    let watched = operations.watch(dir.path());
    fs::copy(log.join("checkpoints/000002"), log.join("checkpoint")).unwrap();
    watched.seal(&signer(8), at(900)).await.unwrap();
    let written = operations.taken();
    let written = written.iter().filter(|doing| **doing == "write").count();
    assert_eq!(written, 3, "the third to the fifth, and not the whole log");
    fs::remove_file(log.join("checkpoint")).unwrap();
    watched.seal(&signer(8), at(900)).await.unwrap();
    assert_eq!(everything(dir.path()), all);
    clean(&journal).await;
    fs::remove_file(log.join("checkpoint")).unwrap();
    fs::remove_file(log.join("checkpoints/000002")).unwrap();
    let error = journal.seal(&signer(8), at(900)).await.unwrap_err();
    assert!(
        error.to_string().contains("log/checkpoints/000002"),
        "{error}"
    );
    assert!(!log.join("checkpoints/000002").exists());
}

/// A second exchange introduces the first key again. A sealer with this key must then continue the
/// log, whichever seal `log/checkpoint` belongs to, and also if it is missing.
#[tokio::test]
async fn a_key_that_returns_continues_from_any_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let journal = rotated(dir.path()).await;
    let (first, second) = (signer(7), signer(8));
    journal.rotate_key(&second, &first, at(600)).await.unwrap();
    finished(&journal, "sixth").await;
    journal.seal(&first, at(700)).await.unwrap();
    let all = everything(dir.path());
    let log = dir.path().join("log");
    let newest = log.join("checkpoint");
    for seal in 0..=7 {
        match seal {
            0 => fs::remove_file(&newest).unwrap(),
            seal => {
                let old = fs::read(log.join(format!("checkpoints/{seal:06}")));
                fs::write(&newest, old.unwrap()).unwrap();
            }
        }
        let sealing = journal.seal(&first, at(900)).await;
        assert!(sealing.is_ok(), "{seal}: {sealing:?}");
        assert_eq!(everything(dir.path()), all, "{seal}");
    }
    refused(dir.path(), 8, &of(7)).await;
    fs::copy(log.join("checkpoints/000001"), &newest).unwrap();
    journal
        .rotate_key(&first, &signer(9), at(950))
        .await
        .unwrap();
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    assert_eq!((report.findings, report.seals), (vec![], 8));
}

#[tokio::test]
async fn an_exchange_may_be_repeated_until_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let journal = rotated(dir.path()).await;
    let all = everything(dir.path());
    let exchange = async |old, new| {
        journal
            .rotate_key(&signer(old), &signer(new), at(900))
            .await
    };
    let third = fs::read_to_string(dir.path().join("log/checkpoints/000003")).unwrap();
    assert_eq!(exchange(7, 8).await.unwrap(), third);
    for (old, new) in [(7, 9), (9, 7), (9, 8)] {
        let text = exchange(old, new).await.unwrap_err().to_string();
        assert!(text.contains(&of(8)), "{text}");
    }
    let text = exchange(8, 8).await.unwrap_err().to_string();
    assert!(text.contains("is the configured key"), "{text}");
    assert_eq!(everything(dir.path()), all);
    clean(&journal).await;
}
