//! Sealers of one journal: several at once, interrupted ones, and the rotation of the key.

use super::*;
use crate::journal::LogPart;

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
async fn a_seal_during_the_verification_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    journal.seal(&signer(7), at(100)).await.unwrap();
    let log = Arc::new(journal.verified_log(&key()).await.unwrap().0);
    finished(&journal, "third").await;
    journal.seal(&signer(7), at(200)).await.unwrap();
    let report = journal
        .verify_against(Some(log), LogPart::Whole, None)
        .await
        .unwrap();
    assert!(report.clean(), "{:?}", report.findings);
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
    // A copy of an earlier segment does not continue the log.
    let path = dir.path().join("log/segments/000003");
    fs::copy(dir.path().join("log/segments/000001"), &path).unwrap();
    assert_eq!(
        found(&journal, None).await,
        [("log/segments/000003".to_owned(), "broken_log")]
    );
}

/// A sealer may die after any of its writes. The next sealer must then complete the seal with
/// exactly the same bytes.
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
        // `log/checkpoint` is that of the first seal, or is missing.
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
            .contains("log/segments/000002: broken log: its checkpoint differs"),
        "{error}"
    );
    assert_eq!(journal.newest_seal().await.unwrap(), 1);
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
    let stranger = signer(6).verifier().clone();
    assert!(journal.verify_sealed(&stranger, None).await.is_err());
    // `rotate-key` was interrupted after it created the segment. Only the same command can complete
    // this seal.
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
