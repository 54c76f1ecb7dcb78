//! The log of a small journal: what it covers, how it grows, and every way to tamper with a sealed
//! journal.

use secrecy::SecretString;

use super::*;
use crate::journal::Finding;
use crate::journal::log::{
    Checkpoint, ConsistencyProof, NoteSigner, Proof, ProofFlaw, VerifierKey,
};
use crate::journal::record::StreamId;
use crate::journal::store::index::unsealed::UnsealedEntry;

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

/// Every file of the evidence with its bytes: the records, and the log but for `log/checkpoint`.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found: Vec<PathBuf> = files(dir);
    let mut folders = vec![dir.join("log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path != dir.join("log/checkpoint") {
                found.push(path);
            }
        }
    }
    found
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// The small journal, sealed twice: the second request came after the first seal.
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
            assert_eq!(*flaw, "broken_log", "only the kept checkpoint shows that");
            assert_eq!(found(&journal, None).await, []);
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
        // All bytes of the short ones; of the others one in a hundred.
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
    // The same request told anew, with a chain that is right in itself.
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
    let report = journal
        .verify_sealed(signer(8).verifier(), None)
        .await
        .unwrap();
    assert_eq!(report.findings[0].path, "log/checkpoints/000001");
    assert!(
        report.findings[0]
            .flaw
            .to_string()
            .contains("not signed by acme/journal+"),
        "{report:?}"
    );
    let error = journal
        .seal(&signer(8), at(300))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("log/checkpoints/000002"), "{error}");
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
    // Somebody with the key and the journal: all seals are made again over fewer records.
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

#[tokio::test]
async fn ten_sealers_at_once_seal_each_record_once() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let sealers = (0..10).map(|n| {
        let journal = directory(dir.path());
        tokio::spawn(async move { journal.seal(&signer(7), at(100 + n)).await.unwrap() })
    });
    let mut sealed = 0;
    for sealer in sealers.collect::<Vec<_>>() {
        sealed += sealer.await.unwrap().sealed;
    }
    assert_eq!(sealed, 7);
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    assert_eq!((report.clean(), report.sealed), (true, 7));
}

#[tokio::test]
async fn a_damaged_record_is_left_out_and_the_rest_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let stream = StreamId::of(&identity("first"));
    let path = dir.path().join(format!("requests/{stream}/000001.json"));
    fs::write(&path, "x").unwrap();
    let sealing = journal.seal(&signer(7), at(100)).await.unwrap();
    assert_eq!(sealing.sealed, 5, "record 0 of that stream, and the others");
    assert_eq!(sealing.left_out.len(), 1);
    assert_eq!(
        (sealing.left_out[0].seq, sealing.left_out[0].flaw.name()),
        (Some(1), "altered")
    );
}

#[tokio::test]
async fn a_file_that_no_segment_makes_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    for name in [
        "segments/x",
        "checkpoints/1",
        "tile/0/001",
        "tile/0/000.p/8",
        "keys/x",
        "y",
    ] {
        let path = dir.path().join("log").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        assert_eq!(
            found(&journal, None).await,
            [(format!("log/{name}"), "foreign")]
        );
        fs::remove_file(&path).unwrap();
    }
    // A copy of an earlier segment does not follow.
    let path = dir.path().join("log/segments/000003");
    fs::copy(dir.path().join("log/segments/000001"), &path).unwrap();
    assert_eq!(
        found(&journal, None).await,
        [("log/segments/000003".to_owned(), "broken_log")]
    );
}

/// A sealer may die after each of its writes: the next one completes the seal, and what it makes is
/// the same to the byte.
#[tokio::test]
async fn any_sealer_completes_what_another_began() {
    let dir = tempfile::tempdir().unwrap();
    let (_, kept) = sealed(dir.path()).await;
    let all = everything(dir.path());
    let newer = |path: &&PathBuf| {
        let shown = path.to_str().unwrap();
        shown.contains("/log/") && (shown.ends_with("/000002") || shown.ends_with("/10"))
    };
    let of_second: Vec<_> = all.keys().filter(newer).collect();
    assert_eq!(of_second.len(), 4, "{of_second:?}");
    let checkpoint = fs::read(dir.path().join("log/checkpoints/000001")).unwrap();
    for lost in 1..(1 << 3) {
        let journal = directory(dir.path());
        let others = of_second
            .iter()
            .filter(|path| !path.ends_with("segments/000002"));
        for (bit, path) in others.enumerate() {
            if lost & (1 << bit) != 0 {
                fs::remove_file(path).unwrap();
            }
        }
        // The copy is of the first seal, or was lost.
        match lost % 2 {
            0 => fs::write(dir.path().join("log/checkpoint"), &checkpoint).unwrap(),
            _ => fs::remove_file(dir.path().join("log/checkpoint")).unwrap(),
        }
        let sealing = journal.seal(&signer(7), at(900)).await.unwrap();
        assert_eq!((sealing.sealed, sealing.size), (0, 10));
        assert_eq!(sealing.checkpoint.as_ref(), Some(&kept), "{lost}");
        assert_eq!(everything(dir.path()), all, "{lost}");
        assert_eq!(found(&journal, Some(&kept)).await, []);
    }
}

#[tokio::test]
async fn a_segment_that_was_altered_before_its_seal_was_complete_is_not_built_upon() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = dir.path().join("log");
    fs::copy(log.join("checkpoints/000001"), log.join("checkpoint")).unwrap();
    let path = log.join("segments/000002");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("CHG0030192", "CHG0030193", 1)).unwrap();
    let error = journal.seal(&signer(7), at(900)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("not what its segment adds up to"),
        "{error}"
    );
}

#[tokio::test]
async fn the_key_is_exchanged_and_each_key_leads_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let note = journal
        .rotate_key(&signer(7), &signer(8), at(300))
        .await
        .unwrap();
    let again = journal
        .rotate_key(&signer(7), &signer(8), at(301))
        .await
        .unwrap();
    assert_eq!(again, note, "it may be repeated");
    finished(&journal, "fourth").await;
    let error = journal
        .seal(&signer(7), at(400))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("rotate-key"), "{error}");
    assert_eq!(journal.seal(&signer(8), at(400)).await.unwrap().sealed, 3);
    journal
        .rotate_key(&signer(8), &signer(9), at(500))
        .await
        .unwrap();
    for n in [7, 8, 9] {
        let verifier = signer(n).verifier().clone();
        let report = journal.verify_sealed(&verifier, Some(&kept)).await.unwrap();
        assert_eq!((report.findings, report.seals), (vec![], 5), "key {n}");
        let stream = StreamId::of(&identity("first"));
        let proof = journal.prove(&verifier, stream).await.unwrap().unwrap();
        for trusted in [7, 8, 9] {
            assert!(proof.check(signer(trusted).verifier()).is_ok());
        }
    }
    let stranger = journal
        .verify_sealed(signer(6).verifier(), None)
        .await
        .unwrap();
    assert_eq!(stranger.findings[0].path, "log/keys");
    // The segment alone: the command was interrupted, and only it can go on.
    fs::remove_file(dir.path().join("log/checkpoints/000005")).unwrap();
    fs::remove_file(dir.path().join("log/keys/000005")).unwrap();
    fs::copy(
        dir.path().join("log/checkpoints/000004"),
        dir.path().join("log/checkpoint"),
    )
    .unwrap();
    let error = journal
        .seal(&signer(8), at(600))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("rotate-key"), "{error}");
    journal
        .rotate_key(&signer(8), &signer(9), at(600))
        .await
        .unwrap();
    let report = journal
        .verify_sealed(signer(7).verifier(), None)
        .await
        .unwrap();
    assert!(report.clean(), "{report:?}");
}

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

/// A retired request keeps record 0; the rest is read from its segments, and every alteration is
/// found.
#[tokio::test]
async fn a_retired_request_is_read_from_its_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    let log = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    let before = journal.files(stream).await.unwrap();
    assert_eq!(journal.not_retired().await.unwrap().len(), 4);
    // Twice, as after an interruption.
    for removed in [2, 0] {
        let retirement = journal.retire(stream, &log).await.unwrap();
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
        journal.retire(fourth, &log).await.unwrap(),
        Retirement::Unsealed
    );
}

/// None is removed when one is not what was sealed.
#[tokio::test]
async fn a_damaged_request_is_not_retired() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    let path = dir.path().join(format!("requests/{stream}/000002.json"));
    fs::write(&path, "x").unwrap();
    let error = journal.retire(stream, &log).await.unwrap_err();
    assert!(error.to_string().contains("000002.json"), "{error}");
    assert_eq!(files(dir.path()).len(), 10);
}

/// Entries are written before the records that they name, and deleted once those are sealed.
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
    // The turn goes on after the seal, so the place behind what was sealed stays named.
    journal.seal(&signer(7), at(10)).await.unwrap();
    assert_eq!(names().await, [(true, 2)]);
    claim
        .record(&journal, at(20), closed(Status::Completed, all(Shared)))
        .await
        .unwrap();
    journal.seal(&signer(7), at(30)).await.unwrap();
    assert_eq!(names().await, []);
    // A conflict has a stream of its own.
    let other = opening("first", request(json!({"reason": "another"})), 9);
    journal.record_conflict(other).await.unwrap();
    assert_eq!(names().await, [(false, 0)]);
    journal.seal(&signer(7), at(40)).await.unwrap();
    assert_eq!(names().await, []);
    // One that a late writer left for a sealed record goes with the next seal.
    let stream = StreamId::of(&identity("first"));
    journal
        .touch(&journal.unsealed_path(stream, 1))
        .await
        .unwrap();
    journal.seal(&signer(7), at(50)).await.unwrap();
    assert_eq!(names().await, []);
    journal.verify_sealed(&key(), None).await.unwrap();
}
