//! Seals over a small journal: what they cover, how they grow, and every way to tamper with a
//! sealed journal.

use secrecy::SecretString;

use super::*;
use crate::journal::Finding;
use crate::journal::record::StreamId;
use crate::journal::seal::{NoteSigner, Proof, ProofFlaw, VerifierKey};
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

/// Every file of the journal, seals too, with its bytes.
fn everything(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found: Vec<PathBuf> = files(dir);
    found.extend(
        fs::read_dir(dir.join("seals"))
            .unwrap()
            .map(|file| file.unwrap().path()),
    );
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
    assert_eq!(
        (sealing.sealed, sealing.size, sealing.overtaken),
        (3, 10, false)
    );
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
    assert_eq!(all.len(), 12);
    for (path, good) in &all {
        fs::remove_file(path).unwrap();
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        let findings = found(&journal, Some(&kept)).await;
        let [(named, flaw)] = findings.as_slice() else {
            panic!("{shown}: {findings:?}")
        };
        if shown == "seals/000002.seal" {
            assert_eq!(*flaw, "broken_seal", "only the kept checkpoint shows that");
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
        // All bytes of the seals and of one short record; of the others one in a hundred.
        let step = if shown.starts_with("seals") || good.len() < 500 {
            1
        } else {
            97
        };
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
    assert_eq!(report.findings[0].path, "seals/000001.seal");
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
    assert!(error.contains("seals/000001.seal"), "{error}");
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
    fs::remove_dir_all(dir.path().join("seals")).unwrap();
    fs::remove_dir_all(
        dir.path()
            .join(format!("requests/{}", StreamId::of(&identity("second")))),
    )
    .unwrap();
    finished(&journal, "fourth").await;
    journal.seal(&signer(7), at(300)).await.unwrap();
    assert_eq!(
        found(&journal, None).await,
        [],
        "whoever has the key can do that"
    );
    assert_eq!(
        found(&journal, Some(&kept)).await,
        [("seals/000001.seal".to_owned(), "broken_seal")]
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
async fn a_file_that_is_no_seal_is_found_among_them() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    for name in ["000003.seal.bak", "3.seal", "000000.seal"] {
        let path = dir.path().join("seals").join(name);
        fs::write(&path, "x").unwrap();
        assert_eq!(
            found(&journal, None).await,
            [(format!("seals/{name}"), "foreign")]
        );
        fs::remove_file(&path).unwrap();
    }
    // A copy of an earlier seal, or one from nowhere, does not follow.
    for copied in ["000001.seal", "000002.seal"] {
        let path = dir.path().join("seals/000003.seal");
        fs::copy(dir.path().join("seals").join(copied), &path).unwrap();
        assert_eq!(
            found(&journal, None).await,
            [("seals/000003.seal".to_owned(), "broken_seal")]
        );
        fs::remove_file(&path).unwrap();
    }
}

#[tokio::test]
async fn a_proof_of_every_record_holds_offline_and_no_altered_one_does() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, kept) = sealed(dir.path()).await;
    for path in files(dir.path()) {
        let stored = Stored::read(&fs::read(&path).unwrap()).unwrap();
        let (stream, seq) = (stored.record.stream, stored.record.seq);
        let proof = journal
            .prove(&key(), stream, Some(seq))
            .await
            .unwrap()
            .unwrap();
        let text = serde_json::to_string(&proof).unwrap();
        assert!(text.contains(&serde_json::to_string(&kept).unwrap()));
        let read = Proof::read(&text).unwrap();
        assert_eq!(read.check(&key()).unwrap().size, 10);
        assert_eq!(read.about(), (stream, seq));
        assert!(matches!(
            read.check(signer(8).verifier()),
            Err(ProofFlaw::Checkpoint(_))
        ));
    }
    let stream = StreamId::of(&identity("first"));
    let newest = journal.prove(&key(), stream, None).await.unwrap().unwrap();
    assert_eq!(newest.about(), (stream, 2));
    for (field, change) in [
        ("seq", json!(1)),
        ("index", json!(0)),
        ("record", json!("{}\n")),
        ("sha256", json!("00")),
        ("path", json!([])),
        ("stream", json!(StreamId::of(&identity("second")))),
        ("checkpoint", json!("x\n\n— acme/journal AAAA\n")),
        ("format", json!("other")),
        ("more", json!(1)),
    ] {
        let mut value = serde_json::to_value(&newest).unwrap();
        value[field] = change;
        let checked = Proof::read(&value.to_string()).and_then(|proof| proof.check(&key()));
        assert!(checked.is_err(), "{field}");
    }
    assert_eq!(journal.prove(&key(), stream, Some(3)).await.unwrap(), None);
    finished(&journal, "fourth").await;
    assert_eq!(
        journal
            .prove(&key(), StreamId::of(&identity("fourth")), None)
            .await
            .unwrap(),
        None
    );
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
    journal.open_request(other).await.unwrap();
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
