//! Seals that were removed, files that are in the wrong place, and keys that are not the journal's.

use super::*;
use crate::journal::{Flaw, LogPart};

/// The findings of `verify_sealed` and of `verify_segments`, which must be the same.
async fn both(journal: &Journal, kept: Option<&str>) -> Vec<(String, &'static str)> {
    let found = found(journal, kept).await;
    let segments = journal.verify_segments(&key(), kept).await.unwrap();
    let segments = segments.findings.into_iter();
    let segments: Vec<_> = segments
        .map(|finding| (finding.path, finding.flaw.name()))
        .collect();
    assert_eq!(found, segments);
    found
}

fn one(path: &str, flaw: &'static str) -> Vec<(String, &'static str)> {
    vec![(path.to_owned(), flaw)]
}

/// A seal that introduces a key has the size and the root of the seal before it.
#[tokio::test]
async fn a_removed_key_change_contradicts_its_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, second) = sealed(dir.path()).await;
    let (old, new) = (signer(7), signer(8));
    let kept = journal.rotate_key(&old, &new, at(300)).await.unwrap();
    assert_eq!(both(&journal, Some(&kept)).await, []);
    let proof = journal.prove_consistency(&key(), &second).await.unwrap();
    let mut proof = serde_json::to_value(proof.unwrap()).unwrap();
    let check = |proof: &serde_json::Value| {
        let read = ConsistencyProof::read(&proof.to_string()).unwrap();
        read.check(&key())
    };
    assert!(check(&proof).is_ok());
    (proof["old"], proof["new"]) = (proof["new"].clone(), proof["old"].clone());
    assert_eq!(check(&proof).unwrap_err(), ProofFlaw::Removed);

    let log = dir.path().join("log");
    for gone in ["segments/000003", "checkpoints/000003", "keys/000003"] {
        fs::remove_file(log.join(gone)).unwrap();
    }
    fs::copy(log.join("checkpoints/000002"), log.join("checkpoint")).unwrap();
    for id in ["fourth", "fifth"] {
        let expected = one("log/checkpoints/000003", "broken_log");
        assert_eq!(both(&journal, Some(&kept)).await, expected);
        assert_eq!(both(&journal, None).await, [], "nothing else shows it");
        let proof = journal.prove_consistency(&key(), &kept).await.unwrap();
        assert_eq!(proof, None);
        // The old key, which somebody else may have, seals on.
        finished(&journal, id).await;
        journal.seal(&old, at(400)).await.unwrap();
    }
}

#[tokio::test]
async fn log_checkpoint_shows_that_newer_seals_were_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = dir.path().join("log");
    for gone in [
        "segments/000002",
        "tile/0/000.p/10",
        "tile/entries/000.p/10",
    ] {
        fs::remove_file(log.join(gone)).unwrap();
    }
    fs::remove_file(log.join("checkpoints/000002")).unwrap();
    let expected = one("log/checkpoints/000002", "broken_log");
    assert_eq!(both(&journal, None).await, expected);
    // No finding about the index advises to write the entries that would hide the removal.
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    assert_eq!(report.findings.len(), 1, "{report:?}");
    assert_eq!(report.log_part, LogPart::FirstSeals);
    fs::copy(log.join("checkpoints/000001"), log.join("checkpoint")).unwrap();
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    let flaws: Vec<_> = report.findings.iter().map(|found| &found.flaw).collect();
    assert_eq!(flaws, [&Flaw::NotListedAsUnsealed]);
    assert!(
        flaws[0]
            .remedy()
            .starts_with("first verify with a checkpoint")
    );
}

/// An older key is enough to follow the seals to the key that signed `log/checkpoint`.
#[tokio::test]
async fn a_removed_note_of_a_key_hides_no_removed_seal() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    for (old, new, when) in [(7, 8, 300), (8, 9, 400)] {
        let (old, new) = (signer(old), signer(new));
        journal.rotate_key(&old, &new, at(when)).await.unwrap();
    }
    finished(&journal, "fourth").await;
    let kept = journal.seal(&signer(9), at(500)).await.unwrap();
    let kept = kept.checkpoint.unwrap();
    assert_eq!(both(&journal, Some(&kept)).await, []);
    let log = dir.path().join("log");
    let note = log.join("keys/000004");
    fs::remove_file(&note).unwrap();
    let dropped = one("log/keys/000004", "dropped");
    assert_eq!(both(&journal, Some(&kept)).await, dropped);
    for gone in ["segments/000005", "checkpoints/000005"] {
        fs::remove_file(log.join(gone)).unwrap();
    }
    // The tiles of the removed seal are not called foreign: with the seal they belong there.
    let removed = one("log/checkpoints/000005", "broken_log");
    let expected = [removed.clone(), dropped].concat();
    assert_eq!(both(&journal, None).await, expected);
    assert_eq!(both(&journal, Some(&kept)).await, expected);
    assert!(journal.verified_log(&key()).await.is_err());
    fs::copy(log.join("checkpoints/000004"), note).unwrap();
    assert_eq!(both(&journal, None).await, removed);
    let error = journal.verified_log(&key()).await.unwrap_err().to_string();
    assert!(error.contains("the newest seals were removed"), "{error}");
}

#[tokio::test]
async fn a_note_of_a_key_shows_that_its_seal_was_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (old, new) = (signer(7), signer(8));
    journal.rotate_key(&old, &new, at(300)).await.unwrap();
    let log = dir.path().join("log");
    for gone in ["segments/000003", "checkpoints/000003"] {
        fs::remove_file(log.join(gone)).unwrap();
    }
    fs::copy(log.join("checkpoints/000002"), log.join("checkpoint")).unwrap();
    let expected = one("log/checkpoints/000003", "broken_log");
    assert_eq!(both(&journal, None).await, expected);
}

#[tokio::test]
async fn a_wrong_log_checkpoint_is_found_and_the_next_seal_writes_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let path = dir.path().join("log/checkpoint");
    let foreign = signer(9).sign(&format!("{}\n", kept.rsplit_once("\n\n").unwrap().0));
    let long = "x".repeat(1 << 23);
    for wrong in [
        "",
        "evil",
        &kept.replace("seal 2", "seal 3"),
        &foreign,
        &long,
    ] {
        fs::write(&path, wrong).unwrap();
        assert_eq!(
            both(&journal, None).await,
            one("log/checkpoint", "broken_log")
        );
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(
        both(&journal, None).await,
        one("log/checkpoint", "broken_log")
    );
    let error = journal.check_sealing(&key()).await.unwrap_err().to_string();
    let remedy = "run `sharehook audit seal`, which writes this file again";
    assert!(
        error.ends_with(remedy) && !error.contains("restore"),
        "{error}"
    );
    fs::create_dir(&path).unwrap();
    assert_eq!(
        both(&journal, None).await,
        one("log/checkpoint", "broken_log")
    );
    fs::remove_dir(&path).unwrap();
    journal.seal(&signer(7), at(300)).await.unwrap();
    assert_eq!(both(&journal, None).await, []);
    // A sealer that died last leaves the checkpoint before the newest one.
    fs::copy(dir.path().join("log/checkpoints/000001"), &path).unwrap();
    assert_eq!(both(&journal, None).await, []);
    assert_eq!(journal.check_sealing(&key()).await.unwrap(), Some(at(100)));
}

#[tokio::test]
async fn a_copy_under_another_number_is_named_and_no_seal_is() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = dir.path().join("log");
    for (folder, number) in [
        ("segments", "999999"),
        ("checkpoints", "999999"),
        ("checkpoints", "18446744073709551615"),
        ("checkpoints", "000003"),
    ] {
        let path = log.join(folder).join(number);
        fs::copy(log.join(folder).join("000002"), &path).unwrap();
        let expected = one(&format!("log/{folder}/{number}"), "foreign");
        assert_eq!(both(&journal, None).await, expected);
        assert_eq!(journal.newest_seal().await.unwrap(), 2);
        fs::remove_file(&path).unwrap();
    }
    let both_of = ["000001", "000002"].map(|name| log.join("checkpoints").join(name));
    let [first, second] = both_of.each_ref().map(|path| fs::read(path).unwrap());
    fs::write(&both_of[0], second).unwrap();
    fs::write(&both_of[1], first).unwrap();
    assert_eq!(
        both(&journal, None).await,
        one("log/checkpoints/000001", "broken_log")
    );
}

#[tokio::test]
async fn a_bad_segment_makes_no_file_of_a_later_seal_look_altered() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    for id in ["first", "third"] {
        let stream = StreamId::of(&identity(id));
        journal.retire(stream, &log, false).await.unwrap();
    }
    let path = dir.path().join("log/segments/000002");
    let good = fs::read(&path).unwrap();
    fs::write(&path, [good.as_slice(), b"x"].concat()).unwrap();
    assert_eq!(
        both(&journal, None).await,
        one("log/segments/000002", "broken_log")
    );
    fs::write(&path, good).unwrap();
    let path = dir.path().join("log/checkpoints/000002");
    fs::write(&path, "x".repeat(1 << 23)).unwrap();
    assert_eq!(
        both(&journal, None).await,
        one("log/checkpoints/000002", "too_large")
    );
}

#[tokio::test]
async fn a_bad_note_of_a_key_is_named_and_the_rest_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = dir.path().join("log");
    fs::create_dir(log.join("keys")).unwrap();
    for text in ["hi\n", &"x".repeat(1 << 23)] {
        fs::write(log.join("keys/000003"), text).unwrap();
        let report = journal.verify_sealed(&key(), None).await.unwrap();
        let paths: Vec<_> = report.findings.iter().map(|found| &found.path).collect();
        assert_eq!(paths, ["log/keys/000003"]);
        assert_eq!((report.records, report.seals), (10, 2));
    }
}

#[tokio::test]
async fn a_key_of_another_journal_is_no_finding_about_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let other = signer(9).verifier().clone();
    let refused = async || {
        let errors = [
            journal.verify_sealed(&other, None).await.unwrap_err(),
            journal
                .verify_segments(&other, Some(&kept))
                .await
                .unwrap_err(),
            journal.verified_log(&other).await.unwrap_err(),
        ];
        for error in errors {
            let text = error.to_string();
            assert!(text.contains("key: is not a key of this journal"), "{text}");
            assert!(text.contains("acme/journal+"), "{text}");
        }
    };
    refused().await;
    journal
        .rotate_key(&signer(7), &signer(8), at(300))
        .await
        .unwrap();
    refused().await;
}

/// Nothing shows that a journal was never sealed if its index lists no record as unsealed.
#[tokio::test]
async fn segments_that_are_all_gone_are_a_finding() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let report = journal.verify_segments(&key(), None).await.unwrap();
    assert!(report.clean(), "{report:?}");
    journal.seal(&signer(7), at(100)).await.unwrap();
    let segment = dir.path().join("log/segments/000001");
    let bytes = fs::read(&segment).unwrap();
    fs::remove_dir_all(dir.path().join("log")).unwrap();
    assert_eq!(both(&journal, None).await, one("log", "no_seal"));
    // A segment without its checkpoint is no seal.
    fs::create_dir_all(segment.parent().unwrap()).unwrap();
    fs::write(segment, bytes).unwrap();
    assert_eq!(both(&journal, None).await, one("log", "no_seal"));
}

/// Otherwise the rest of the log would look like that of a journal that was never sealed, and the
/// next seal would be made in the place of the first one.
#[tokio::test]
async fn a_log_without_its_first_segment_is_still_a_sealed_log() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    let log = dir.path().join("log");
    let first = log.join("segments/000001");
    let kept = fs::read(&first).unwrap();
    fs::remove_file(&first).unwrap();
    fs::remove_file(log.join("checkpoint")).unwrap();
    assert!(journal.has_seals().await.unwrap());
    let all = everything(dir.path());
    for error in [
        journal.seal(&signer(7), at(300)).await.unwrap_err(),
        journal.check_sealing(&key()).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("log/segments/000001: dropped"), "{text}");
    }
    assert_eq!(everything(dir.path()), all);
    fs::write(&first, kept).unwrap();
    assert_eq!(journal.seal(&signer(7), at(300)).await.unwrap().sealed, 3);
    assert_eq!(both(&journal, None).await, []);
}

/// A slow sealer, or a restored backup, may have put an older checkpoint into `log/checkpoint`.
#[tokio::test]
async fn no_seal_takes_the_place_of_one_whose_segment_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    finished(&journal, "fourth").await;
    journal.seal(&signer(7), at(300)).await.unwrap();
    finished(&journal, "fifth").await;
    let log = dir.path().join("log");
    for (number, lost) in [
        (2, &["segments/000002"][..]),
        (2, &["segments/000002", "checkpoints/000002"]),
        // The newest one: only its checkpoint shows that it was made.
        (3, &["segments/000003"]),
    ] {
        let before = log.join(format!("checkpoints/{:06}", number - 1));
        fs::copy(before, log.join("checkpoint")).unwrap();
        let lost = lost.iter().map(|name| log.join(name));
        let kept: Vec<_> = lost.map(|path| (fs::read(&path).unwrap(), path)).collect();
        for (_, path) in &kept {
            fs::remove_file(path).unwrap();
        }
        let all = everything(dir.path());
        for error in [
            journal.seal(&signer(7), at(400)).await.unwrap_err(),
            journal.check_sealing(&key()).await.unwrap_err(),
            (journal.rotate_key(&signer(7), &signer(8), at(400)).await).unwrap_err(),
        ] {
            let text = error.to_string();
            let dropped = format!("log/segments/{number:06}: dropped");
            assert!(text.contains(&dropped), "{text}");
        }
        assert_eq!(everything(dir.path()), all);
        for (bytes, path) in kept {
            fs::write(path, bytes).unwrap();
        }
    }
    // A copy of another segment is no proof that the seal before it was made, and is named itself.
    let stray = log.join("segments/000005");
    fs::copy(log.join("segments/000002"), &stray).unwrap();
    let error = journal.seal(&signer(7), at(400)).await.unwrap_err();
    assert!(error.to_string().contains("log/segments/000005"), "{error}");
    fs::remove_file(stray).unwrap();
    assert_eq!(journal.seal(&signer(7), at(400)).await.unwrap().sealed, 3);
    assert_eq!(both(&journal, None).await, []);
}

/// A request whose newest records were sealed in them would look unfinished, and its records would
/// look unsealed.
#[tokio::test]
async fn nothing_is_compared_with_a_log_that_lacks_its_newest_seals() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let stream = StreamId::of(&identity("third"));
    let log = dir.path().join("log");
    for gone in ["segments/000002", "checkpoints/000002"] {
        fs::remove_file(log.join(gone)).unwrap();
    }
    fs::remove_file(dir.path().join(format!("requests/{stream}/000002.json"))).unwrap();
    let history = journal.read(stream).await.unwrap().unwrap();
    let pass = journal.pass(at(400)).await.unwrap();
    for error in [
        journal
            .require_newest(history.stream_state.head())
            .await
            .unwrap_err(),
        journal.index_to_mend(&pass, true).await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("the newest seals were removed"), "{text}");
    }
}

/// The request is read from `requests/`, because it may have an unsealed record.
#[tokio::test]
async fn a_list_names_a_request_that_only_the_index_knows() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let mut pass = journal.pass(at(300)).await.unwrap();
    journal.note_pass(&mut pass, None).await.unwrap();
    let stream = StreamId::of(&identity("third"));
    let never_written = StreamId::of(&identity("fourth"));
    for (stream, seq) in [(stream, 3), (never_written, 0)] {
        let entry = journal.unsealed_path(stream, seq);
        journal.touch(&entry).await.unwrap();
    }
    fs::remove_dir_all(dir.path().join(format!("requests/{stream}"))).unwrap();
    let mut all = journal.newest_first(at(300)).await.unwrap();
    let (mut flaws, mut requests) = (Vec::new(), 0);
    while let Some(batch) = all.next().await.unwrap() {
        flaws.extend(batch.flaws.iter().map(ToString::to_string));
        requests += batch.requests.len();
    }
    assert_eq!((flaws.len(), requests), (1, 3), "{flaws:?}");
    let lost = format!("requests/{stream}/000000.json");
    assert!(flaws[0].contains(&lost), "{flaws:?}");
}
