//! Proofs that need no journal, and requests whose records are only in the log.

use super::*;
use crate::domain::NoticeKind;

#[tokio::test]
async fn a_proof_of_every_request_holds_offline_and_no_altered_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    for stream in journal.streams().await.unwrap() {
        let proof = journal.prove(&key(), stream).await.unwrap().unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        assert!(text.contains(&serde_json::to_string(&kept).unwrap()));
        let read = Proof::read(&text).unwrap();
        assert_eq!(read.check(&key()).unwrap().size, 10);
        let files = journal.files(stream).await.unwrap();
        assert_eq!((read.stream(), read.files().count()), (stream, files.len()));
        assert!(matches!(
            read.check(signer(8).verifier()),
            Err(ProofFlaw::Checkpoint(_))
        ));
    }
    let stream = StreamId::of(&identity("first"));
    let proof = journal.prove(&key(), stream).await.unwrap().unwrap();
    for (pointer, change) in [
        ("/records/1/index", json!(0)),
        ("/records/1/record", json!("{}\n")),
        ("/records/1/path", json!([])),
        ("/records/1", json!(null)),
        ("/stream", json!(StreamId::of(&identity("second")))),
        ("/checkpoint", json!("x\n\n— acme/journal AAAA\n")),
        ("/format", json!("other")),
        ("/keys", json!(["x"])),
    ] {
        let mut value = serde_json::to_value(&proof).unwrap();
        *value.pointer_mut(pointer).unwrap() = change;
        let checked = Proof::read(&value.to_string()).and_then(|proof| proof.check(&key()));
        assert!(checked.is_err(), "{pointer}");
    }
    finished(&journal, "fourth").await;
    let fourth = StreamId::of(&identity("fourth"));
    assert_eq!(journal.prove(&key(), fourth).await.unwrap(), None);
}

#[tokio::test]
async fn the_newest_checkpoint_is_proven_to_continue_each_older_one() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, newest) = sealed(dir.path()).await;
    let first = fs::read_to_string(dir.path().join("log/checkpoints/000001")).unwrap();
    for old in [&first, &newest] {
        let proof = journal
            .prove_consistency(&key(), old)
            .await
            .unwrap()
            .unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        let (old, new) = ConsistencyProof::read(&text)
            .unwrap()
            .check(&key())
            .unwrap();
        assert!(old.size <= new.size && new.size == 10);
    }
    let mut forged = Checkpoint::unverified(&first).unwrap();
    forged.root = [9; 32];
    let forged = signer(7).sign(&forged.to_string());
    assert_eq!(
        journal.prove_consistency(&key(), &forged).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn segments_alone_show_that_each_sealed_record_is_what_was_signed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    fs::remove_dir_all(dir.path().join("requests")).unwrap();
    let report = journal.verify_segments(&key(), Some(&kept)).await.unwrap();
    assert_eq!(
        (report.findings, report.records, report.seals),
        (vec![], 10, 2)
    );
    let path = dir.path().join("log/segments/000001");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("CHG0030192", "CHG0030193", 1)).unwrap();
    let report = journal.verify_segments(&key(), None).await.unwrap();
    assert_eq!(report.findings[0].path, "log/segments/000001");
}

/// A retired request keeps record 0, and its other records are read from their segments. Every
/// alteration of these files must be found.
#[tokio::test]
async fn a_retired_request_is_read_from_its_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    let before = journal.files(stream).await.unwrap();
    assert_eq!(journal.not_retired().await.unwrap().len(), 4);
    // Retire it twice, like a process that repeats an interrupted retirement.
    for removed in [2, 0] {
        let retirement = journal.retire(stream, &log, false).await.unwrap();
        assert_eq!(retirement, Retirement::Removed(removed));
    }
    assert_eq!(journal.files(stream).await.unwrap(), before);
    assert_eq!(journal.not_retired().await.unwrap().len(), 3);
    assert_eq!(found(&journal, Some(&kept)).await, []);
    let again = deliver(&journal, plain("first", 5)).await.unwrap();
    assert!(matches!(again, Opened::Existing(_)), "{again:?}");
    let read = journal.read(stream).await.unwrap().unwrap();
    assert_eq!(
        read.state().unwrap().status(),
        Status::Completed,
        "a duplicate gets the recorded answer"
    );
    assert_eq!(
        files(dir.path()).len(),
        9,
        "record 0, what names the segments, and the others"
    );
    let all = everything(dir.path());
    for (path, good) in &all {
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        for altered in [true, false] {
            match altered {
                true => fs::write(path, [good.as_slice(), b"x"].concat()).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
            let findings = found(&journal, Some(&kept)).await;
            assert!(!findings.is_empty(), "{shown}");
            fs::write(path, good).unwrap();
        }
    }
    finished(&journal, "fourth").await;
    let fourth = StreamId::of(&identity("fourth"));
    assert_eq!(
        journal.retire(fourth, &log, false).await.unwrap(),
        Retirement::Unsealed
    );
}

/// A notification that is sent again, or a withdrawal, adds a record to a retired request.
#[tokio::test]
async fn a_record_after_those_of_a_retired_request_is_sealed_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    journal.retire(stream, &log, false).await.unwrap();
    let state = journal.read(stream).await.unwrap().unwrap().stream_state;
    let event = notified("desk", NoticeKind::Completed, 2, 1);
    journal
        .record_notification(state, at(300), &worker(3), event)
        .await
        .unwrap();
    let counts = async || {
        let report = journal.verify_sealed(&key(), None).await.unwrap();
        assert_eq!(report.findings, []);
        (report.records, report.sealed, report.retired)
    };
    assert_eq!(counts().await, (9, 10, 2), "one is newer than the seals");
    let sealing = journal.seal(&signer(7), at(400)).await.unwrap();
    assert_eq!((sealing.sealed, sealing.left_out), (1, vec![]));
    assert_eq!(counts().await, (9, 11, 2));
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let again = journal.retire(stream, &log, false).await.unwrap();
    assert_eq!(again, Retirement::Removed(0));
    assert_eq!(counts().await, (9, 11, 2));
    assert_eq!(journal.files(stream).await.unwrap().len(), 4);
    let path = format!("requests/{stream}/000003.json");
    fs::remove_file(dir.path().join(&path)).unwrap();
    assert_eq!(found(&journal, None).await, [(path, "dropped")]);
}

/// Without the key, it is unknown which segments contain a retired request's records.
#[tokio::test]
async fn without_the_key_a_retired_request_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    journal.retire(stream, &log, false).await.unwrap();
    let paths = async || {
        let findings = journal.verify().await.unwrap().findings;
        let paths = findings.into_iter().map(|finding| finding.path);
        paths.collect::<Vec<_>>()
    };
    assert_eq!(paths().await, [""; 0]);
    for name in ["retired", "000000.json"] {
        let path = format!("requests/{stream}/{name}");
        let file = dir.path().join(&path);
        let good = fs::read(&file).unwrap();
        fs::write(&file, "x").unwrap();
        assert_eq!(paths().await, [path], "it is altered");
        fs::write(&file, good).unwrap();
    }
    let path = format!("requests/{stream}/000000.json");
    fs::remove_file(dir.path().join(&path)).unwrap();
    assert!(paths().await.contains(&path), "it is missing");
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    let path = format!("requests/{stream}/retired");
    assert!(paths().await.contains(&path), "nothing is sealed");
}

#[tokio::test]
async fn a_damaged_request_is_not_retired() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    let path = dir.path().join(format!("requests/{stream}/000002.json"));
    fs::write(&path, "x").unwrap();
    let error = journal.retire(stream, &log, false).await.unwrap_err();
    assert!(error.to_string().contains("000002.json"), "{error}");
    assert_eq!(files(dir.path()).len(), 10);
}

/// Index entries are written before their records, and deleted once the records are sealed.
#[tokio::test]
async fn the_index_names_what_is_unsealed_until_it_is_sealed() {
    let journal = memory();
    let names = || async {
        let entries = journal.unsealed_entries().await.unwrap();
        let first = StreamId::of(&identity("first"));
        let name = |entry: &UnsealedEntry| (entry.stream == first, entry.seq);
        entries.iter().map(name).collect::<Vec<_>>()
    };
    let mut claim = claim(&journal, "first").await;
    assert_eq!(names().await, [(true, 0)]);
    claim
        .record(&journal, at(1), progress(all(Shared)))
        .await
        .unwrap();
    assert_eq!(names().await, [(true, 0)], "one entry serves a whole turn");
    // The turn continues after the seal, so there must be an entry for the record after the sealed
    // ones.
    journal.seal(&signer(7), at(10)).await.unwrap();
    assert_eq!(names().await, [(true, 2)]);
    claim
        .record(&journal, at(20), closed(Status::Completed, all(Shared)))
        .await
        .unwrap();
    journal.seal(&signer(7), at(30)).await.unwrap();
    assert_eq!(names().await, []);
    let other = opening("first", request(json!({"reason": "another"})), 9);
    journal.record_conflict(other).await.unwrap();
    assert_eq!(names().await, [(false, 0)]);
    journal.seal(&signer(7), at(40)).await.unwrap();
    assert_eq!(names().await, []);
    // A slow writer leaves an entry for a record that is sealed already. The next seal deletes it.
    let stream = StreamId::of(&identity("first"));
    journal
        .touch(&journal.unsealed_path(stream, 1))
        .await
        .unwrap();
    journal.seal(&signer(7), at(50)).await.unwrap();
    assert_eq!(names().await, []);
    journal.verify_sealed(&key(), None).await.unwrap();
}
