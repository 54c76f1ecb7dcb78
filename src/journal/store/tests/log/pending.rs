//! Tests segments that no checkpoint signs: those that a killed sealer left, and those that a person
//! put into the log.

use super::*;
use crate::journal::log::Segment;

fn rewritten(file: &[u8]) -> Vec<u8> {
    let mut record = Stored::read(file).unwrap().record;
    record.at += jiff::SignedDuration::from_secs(1);
    Stored::write(record).unwrap().1
}

#[tokio::test]
async fn a_segment_that_no_sealer_began_is_found_and_never_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    let file = |id: &str, seq: u64| {
        let stream = StreamId::of(&identity(id));
        let path = format!("requests/{stream}/{seq:06}.json");
        (stream, seq, fs::read(dir.path().join(path)).unwrap())
    };
    let segment = |start: u64, (stream, seq, bytes): (StreamId, u64, Vec<u8>)| {
        let mut segment = Segment::new(3, start, at(300));
        segment.push(stream, seq, bytes.into());
        segment
    };
    let (sealed, seq, bytes) = file("first", 1);
    let of_none = StreamId::of(&identity("nobody"));
    let (fourth, _, first_bytes) = file("fourth", 0);
    let mut change = Segment::new(3, 10, at(300));
    change.key_change = Some(crate::journal::log::KeyChange {
        old: signer(8).verifier().clone(),
        new: signer(9).verifier().clone(),
    });
    let path = dir.path().join("log/segments/000003");
    let begun = segment(10, file("fourth", 0));
    for forged in [
        segment(10, (sealed, seq, rewritten(&bytes))),
        segment(10, (fourth, 0, rewritten(&first_bytes))),
        segment(10, (fourth, 3, first_bytes)),
        segment(10, (of_none, 0, bytes.clone())),
        segment(739, file("fourth", 0)),
        change,
    ] {
        fs::write(&path, forged.write()).unwrap();
        let expected = [("log/segments/000003".to_owned(), "foreign")];
        assert_eq!(found(&journal, None).await, expected);
        let sealing = journal.seal(&signer(7), at(400)).await;
        let checking = journal.check_sealing(&key()).await;
        for error in [sealing.unwrap_err(), checking.unwrap_err()] {
            assert!(error.to_string().contains("move it out"), "{error}");
        }
        let rotating = journal.rotate_key(&signer(7), &signer(9), at(400)).await;
        assert!(rotating.is_err());
        assert!(!dir.path().join("log/checkpoints/000003").exists());
    }
    // That of a sealer that died is completed.
    fs::write(&path, begun.write()).unwrap();
    assert_eq!(found(&journal, None).await, []);
    assert_eq!(journal.check_sealing(&key()).await.unwrap(), Some(at(200)));
    assert_eq!(journal.seal(&signer(7), at(400)).await.unwrap().sealed, 2);
    assert_eq!(found(&journal, None).await, []);
}

/// The tiles of such a segment would be in the way of those of the next seal.
#[tokio::test]
async fn a_segment_with_a_wrong_checkpoint_gets_no_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    let log = dir.path().join("log");
    let record = |id: &str, seq: u64| {
        let stream = StreamId::of(&identity(id));
        (
            stream,
            dir.path().join(format!("requests/{stream}/{seq:06}.json")),
        )
    };
    let (stream, path) = record("fourth", 0);
    let mut segment = Segment::new(3, 10, at(300));
    segment.push(stream, 0, rewritten(&fs::read(path).unwrap()).into());
    fs::write(log.join("segments/000003"), segment.write()).unwrap();
    let (first, newest) = record("first", 2);
    let kept = fs::read(&newest).unwrap();
    let second = fs::read_to_string(log.join("checkpoints/000002")).unwrap();
    for note in ["x", &second, &second.replace("seal 2", "seal 3")] {
        fs::write(log.join("checkpoints/000003"), note).unwrap();
        let all = everything(dir.path());
        let checking = journal.check_sealing(&key()).await.unwrap_err();
        let sealing = journal.seal(&signer(7), at(400)).await.unwrap_err();
        for error in [checking, sealing] {
            let text = error.to_string();
            assert!(text.contains("log/checkpoints/000003"), "{text}");
        }
        assert_eq!(everything(dir.path()), all);
        // Nor does it hide that a request has lost its newest record.
        fs::remove_file(&newest).unwrap();
        let history = journal.read(first).await.unwrap().unwrap();
        let head = history.stream_state.head();
        assert!(journal.require_newest(head).await.is_err(), "{note}");
        fs::write(&newest, &kept).unwrap();
    }
    for folder in ["segments", "checkpoints"] {
        fs::remove_file(log.join(folder).join("000003")).unwrap();
    }
    assert_eq!(journal.seal(&signer(7), at(400)).await.unwrap().sealed, 3);
    assert_eq!(found(&journal, None).await, []);
}

/// A sealer may die after its seal is complete and before it has deleted the entries of the index.
#[tokio::test]
async fn entries_of_sealed_records_seal_nothing_again() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let entries = journal.unsealed_entries().await.unwrap();
    let again = async || {
        for entry in &entries {
            let path = journal.unsealed_path(entry.stream, entry.seq);
            journal.touch(&path).await.unwrap();
        }
        journal.seal(&signer(7), at(300)).await.unwrap()
    };
    journal.seal(&signer(7), at(100)).await.unwrap();
    let sealing = again().await;
    assert_eq!((sealing.sealed, sealing.size), (0, 7));
    assert_eq!(journal.unsealed_entries().await.unwrap(), []);
    // The same after a later seal, for requests that are retired.
    finished(&journal, "third").await;
    journal.seal(&signer(7), at(200)).await.unwrap();
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    for id in ["first", "second"] {
        let stream = StreamId::of(&identity(id));
        journal.retire(stream, &log, false).await.unwrap();
    }
    let sealing = again().await;
    assert_eq!(sealing.left_out, []);
    assert_eq!(
        (sealing.sealed, sealing.size),
        (1, 11),
        "the conflict, which is not retired"
    );
    assert_eq!(journal.unsealed_entries().await.unwrap(), []);
    assert_eq!(found(&journal, None).await, []);
}

/// `rotate-key` may die between the checkpoint, which both keys have signed, and its copies.
#[tokio::test]
async fn the_new_key_completes_an_exchange_that_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (old, new) = (signer(7), signer(8));
    journal.rotate_key(&old, &new, at(300)).await.unwrap();
    let log = dir.path().join("log");
    let note = fs::read(log.join("keys/000003")).unwrap();
    fs::remove_file(log.join("keys/000003")).unwrap();
    // It looks like tampering if `log/checkpoint`, which is written last, is that of the new key.
    let gone = [("log/keys/000003".to_owned(), "dropped")];
    assert_eq!(found(&journal, None).await, gone);
    fs::copy(log.join("checkpoints/000002"), log.join("checkpoint")).unwrap();
    let stream = StreamId::of(&identity("first"));
    for n in [7, 8] {
        let key = signer(n).verifier().clone();
        let report = journal.verify_sealed(&key, None).await.unwrap();
        assert_eq!((report.findings, report.seals), (vec![], 3), "key {n}");
        let proof = journal.prove(&key, stream).await.unwrap().unwrap();
        assert!(proof.check(&key).is_ok(), "key {n}");
    }
    let stranger = signer(9).verifier().clone();
    assert!(journal.verify_sealed(&stranger, None).await.is_err());
    finished(&journal, "fourth").await;
    assert!(journal.seal(&signer(9), at(400)).await.is_err());
    assert_eq!(journal.seal(&new, at(400)).await.unwrap().sealed, 3);
    assert_eq!(fs::read(log.join("keys/000003")).unwrap(), note);
    assert_eq!(found(&journal, None).await, []);
    // Before that checkpoint, only `rotate-key` can complete it.
    journal.rotate_key(&new, &old, at(500)).await.unwrap();
    fs::remove_file(log.join("checkpoints/000005")).unwrap();
    fs::remove_file(log.join("keys/000005")).unwrap();
    fs::copy(log.join("checkpoints/000004"), log.join("checkpoint")).unwrap();
    let error = journal.check_sealing(new.verifier()).await.unwrap_err();
    assert!(error.to_string().contains("rotate-key"), "{error}");
}
