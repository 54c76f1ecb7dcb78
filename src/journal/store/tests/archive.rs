//! Archived streams: copies, the record that stands for what was removed, and every way to tamper
//! with either.

use secrecy::SecretString;

use super::*;
use crate::journal::record::{Event, Flaw};
use crate::journal::seal::{NoteSigner, Proof, VerifierKey};

const LATE: i64 = EXPIRY * 9;

fn signer() -> NoteSigner {
    NoteSigner::read(
        "acme/journal",
        &SecretString::from(NoteSigner::pem(&[7; 32])),
    )
    .unwrap()
}

fn key() -> VerifierKey {
    signer().verifier().clone()
}

fn stream(id: &str) -> StreamId {
    StreamId::of(&identity(id))
}

fn cancel() -> ShareRequest {
    request(
        json!({"action": "cancel", "image": "lhbp-6jc6l8yb", "lighthouse": false, "expires_at": null}),
    )
}

fn gone() -> Vec<ItemResult> {
    (0..3).map(|n| result(account(n), Cancelled)).collect()
}

/// A cancel that was carried out: three records, and finished.
async fn cancelled(journal: &Journal, id: &str) {
    let Opened::New(mut claim) = journal
        .open_request(opening(id, cancel(), 1))
        .await
        .unwrap()
    else {
        panic!()
    };
    claim
        .record(journal, at(1), progress(gone()))
        .await
        .unwrap();
    claim
        .record(journal, at(2), closed(Status::Completed, gone()))
        .await
        .unwrap();
}

async fn denied(journal: &Journal, id: &str) {
    let denied = Opening {
        verdict: verdict(false),
        ..plain(id, 1)
    };
    assert!(matches!(
        journal.open_request(denied).await.unwrap(),
        Opened::Kept(_)
    ));
}

/// `one` is a cancel, `two` a denial, `three` another cancel; `open` a share that stands; one
/// conflict.
async fn begun(dir: &Path) -> (Journal, Journal) {
    let (journal, to) = (
        directory(&dir.join("journal")),
        directory(&dir.join("archive")),
    );
    cancelled(&journal, "one").await;
    denied(&journal, "two").await;
    cancelled(&journal, "three").await;
    finished(&journal, "open").await;
    let other = opening("one", request(json!({"reason": "another"})), 9);
    assert!(matches!(
        journal.open_request(other).await.unwrap(),
        Opened::Conflict(_)
    ));
    (journal, to)
}

async fn file(journal: &Journal, to: &Journal, id: &str) -> Filed {
    journal
        .archive(stream(id), to, at(LATE), worker(99))
        .await
        .unwrap()
}

async fn remove(journal: &Journal, to: &Journal, id: &str) -> Result<Removal, JournalError> {
    let log = journal.whole_log(&key()).await.unwrap();
    journal.remove_archived(stream(id), to, &log).await
}

/// All three archived and sealed, `one` also removed; the newest checkpoint.
async fn archived(dir: &Path) -> (Journal, Journal, String) {
    let (journal, to) = begun(dir).await;
    journal.seal(&signer(), at(100)).await.unwrap();
    for (id, records) in [("one", 3), ("two", 1), ("three", 3)] {
        assert_eq!(file(&journal, &to, id).await, Filed::Now(records));
        assert_eq!(file(&journal, &to, id).await, Filed::Before);
    }
    let kept = journal
        .seal(&signer(), at(LATE + 1))
        .await
        .unwrap()
        .checkpoint
        .unwrap();
    assert_eq!(journal.copy_seals(&to).await.unwrap(), 2);
    assert_eq!(journal.copy_seals(&to).await.unwrap(), 0);
    assert_eq!(
        remove(&journal, &to, "one").await.unwrap(),
        Removal::Removed(3)
    );
    assert_eq!(
        remove(&journal, &to, "one").await.unwrap(),
        Removal::Removed(0)
    );
    (journal, to, kept)
}

/// Every file of journal and archive, as findings name it, with its bytes.
fn everything(dir: &Path) -> Vec<(PathBuf, String, Vec<u8>)> {
    let mut found = Vec::new();
    for (inner, name) in [
        ("journal", String::new()),
        ("archive", format!("file:{}/archive/", dir.display())),
    ] {
        let root = dir.join(inner);
        let mut paths = files(&root);
        paths.extend(
            fs::read_dir(root.join("seals"))
                .unwrap()
                .map(|file| file.unwrap().path()),
        );
        for path in paths {
            let shown = format!("{name}{}", path.strip_prefix(&root).unwrap().display());
            found.push((path.clone(), shown, fs::read(path).unwrap()));
        }
    }
    found
}

async fn found(journal: &Journal, to: &[Journal], kept: &str) -> Vec<(String, &'static str)> {
    let report = journal
        .verify_archived(&key(), Some(kept), to)
        .await
        .unwrap();
    report
        .findings
        .iter()
        .map(|finding| (finding.path.clone(), finding.flaw.name()))
        .collect()
}

#[tokio::test]
async fn an_archived_journal_is_whole_and_says_how_much_of_it_is_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, kept) = archived(dir.path()).await;
    for archives in [&[][..], &[to]] {
        let report = journal
            .verify_archived(&key(), Some(&kept), archives)
            .await
            .unwrap();
        assert_eq!(
            (report.clean(), report.records, report.archived),
            (true, 11, 3),
            "{:?}",
            report.findings
        );
        assert_eq!((report.streams, report.seals, report.sealed), (5, 2, 14));
    }
    let folder = dir
        .path()
        .join(format!("journal/requests/{}", stream("one")));
    assert_eq!(
        fs::read_dir(folder).unwrap().count(),
        1,
        "the archived record alone"
    );
    assert_eq!(
        names(&journal).await,
        ["missing"; 3],
        "without seals nothing may be missing"
    );
}

#[tokio::test]
async fn every_file_of_journal_and_archive_altered_or_removed_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, kept) = archived(dir.path()).await;
    let archives = [to];
    let all = everything(dir.path());
    assert_eq!(all.len(), 11 + 2 + 7 + 2);
    for (path, shown, good) in &all {
        fs::remove_file(path).unwrap();
        let findings = found(&journal, &archives, &kept).await;
        let stood_for = [stream("two"), stream("three")].iter().any(|id| {
            shown.starts_with(&format!("requests/{id}"))
                && !shown.ends_with(&file_name(if *id == stream("two") { 1 } else { 3 }))
        });
        if shown == "seals/000002.seal" {
            assert!(
                findings.iter().any(|(_, flaw)| *flaw == "broken_seal"),
                "only the kept checkpoint shows it"
            );
        } else if stood_for {
            // It is not lost: a sealed record says what it said, and its copy is whole.
            let report = journal
                .verify_archived(&key(), Some(&kept), &archives)
                .await
                .unwrap();
            assert_eq!((report.clean(), report.archived), (true, 4), "{shown}");
        } else {
            assert!(
                findings.iter().any(|(named, _)| named == shown),
                "{shown} removed: {findings:?}"
            );
        }
        let step = if shown.contains("seals/") { 7 } else { 61 };
        for index in (0..good.len()).step_by(step) {
            let mut bytes = good.clone();
            bytes[index] ^= 1 << (index % 8);
            fs::write(path, &bytes).unwrap();
            let findings = found(&journal, &archives, &kept).await;
            assert!(
                findings.iter().any(|(named, _)| named == shown),
                "byte {index} of {shown}: {findings:?}"
            );
        }
        for cut in [0, good.len() / 2, good.len() - 1] {
            fs::write(path, &good[..cut]).unwrap();
            let findings = found(&journal, &archives, &kept).await;
            assert!(
                findings.iter().any(|(named, _)| named == shown),
                "{shown} cut: {findings:?}"
            );
        }
        fs::write(path, good).unwrap();
    }
    assert_eq!(found(&journal, &archives, &kept).await, []);
}

#[tokio::test]
async fn any_two_files_of_journal_and_archive_swapped_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, kept) = archived(dir.path()).await;
    let archives = [to];
    let all = everything(dir.path());
    for (one, shown, a) in &all {
        for (two, other, b) in &all {
            if one < two && a != b {
                fs::write(one, b).unwrap();
                fs::write(two, a).unwrap();
                let findings = found(&journal, &archives, &kept).await;
                // Without the archived record its copies are not known to be such.
                let named = findings
                    .iter()
                    .any(|(named, _)| named == shown || named == other);
                assert!(named, "{one:?} and {two:?}: {findings:?}");
                fs::write(one, a).unwrap();
                fs::write(two, b).unwrap();
            }
        }
    }
    assert_eq!(found(&journal, &archives, &kept).await, []);
}

#[tokio::test]
async fn whichever_records_are_gone_the_request_is_known_and_acts_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, kept) = archived(dir.path()).await;
    let folder = dir
        .path()
        .join(format!("journal/requests/{}", stream("three")));
    let whole = journal
        .read(stream("three"))
        .await
        .unwrap()
        .unwrap()
        .into_state()
        .unwrap();
    for subset in 0..8_u32 {
        for seq in (0..3).filter(|seq| subset & (1 << seq) != 0) {
            fs::remove_file(folder.join(file_name(seq))).unwrap();
        }
        let state = journal
            .read(stream("three"))
            .await
            .unwrap()
            .unwrap()
            .into_state()
            .unwrap();
        assert_eq!(state.archive(String::new()), whole.archive(String::new()));
        assert_eq!((state.head(), state.archived()), (whole.head(), true));
        let again = journal
            .open_request(opening("three", cancel(), 5))
            .await
            .unwrap();
        assert!(matches!(again, Opened::Existing(_)), "{again:?}");
        let other = journal.open_request(plain("three", 5)).await.unwrap();
        assert!(matches!(other, Opened::Conflict(_)), "{other:?}");
        assert!(
            journal
                .take(state, lease(LATE * 2, 6))
                .await
                .unwrap()
                .is_none()
        );
        let gone = u64::from(subset.count_ones());
        for archives in [&[][..], std::slice::from_ref(&to)] {
            let report = journal
                .verify_archived(&key(), Some(&kept), archives)
                .await
                .unwrap();
            assert_eq!(
                (report.findings.len(), report.archived),
                (0, 3 + gone),
                "{:?}",
                report.findings
            );
        }
        assert_eq!(file(&journal, &to, "three").await, Filed::Before);
        let removed = remove(&journal, &to, "three").await.unwrap();
        assert_eq!(removed, Removal::Removed(3 - gone), "what was left");
        for seq in 0..3 {
            let copy = format!("archive/requests/{}/{}", stream("three"), file_name(seq));
            fs::copy(dir.path().join(copy), folder.join(file_name(seq))).unwrap();
        }
    }
}

#[tokio::test]
async fn a_worker_of_the_past_finds_its_request_archived() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to) = begun(dir.path()).await;
    let state = finished(&journal, "late").await;
    let Ok(Some((mut claim, _))) = journal.take(state.clone(), lease(EXPIRY, 4)).await else {
        panic!()
    };
    let copy = Journal::open(journal.place(), &Access::default()).unwrap();
    let mut slow = Claim::won(claim.state().clone(), lease(EXPIRY, 4), true);
    let taken: Vec<ItemResult> = (0..3).map(|n| result(account(n), Cancelled)).collect();
    let taken: Vec<ItemResult> = taken
        .into_iter()
        .chain([result(lighthouse(), Cancelled)])
        .collect();
    claim
        .record(
            &journal,
            at(EXPIRY + 1),
            Event::Revoked {
                results: taken.clone(),
                calls: vec![],
            },
        )
        .await
        .unwrap();
    assert_eq!(file(&journal, &to, "late").await, Filed::Now(5));
    let stale = claim.state().clone();
    assert!(stale.needs_work(at(LATE)).is_none());
    journal.seal(&signer(), at(LATE)).await.unwrap();
    assert_eq!(
        remove(&journal, &to, "late").await.unwrap(),
        Removal::Removed(5)
    );
    // One that stood still all the time tries to write number 4, which is gone from the journal:
    // number 5 stays.
    let again = slow
        .record(
            &copy,
            at(EXPIRY + 86_400),
            Event::Revoked {
                results: taken,
                calls: vec![],
            },
        )
        .await;
    let state = journal
        .read(stream("late"))
        .await
        .unwrap()
        .unwrap()
        .into_state()
        .unwrap();
    assert!(matches!(again, Err(AppendError::Lost)), "{again:?}");
    assert!(state.archived() && state.head().next_seq == 6);
}

#[tokio::test]
async fn nothing_is_removed_before_the_archived_record_is_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to) = begun(dir.path()).await;
    assert_eq!(file(&journal, &to, "one").await, Filed::Now(3));
    assert_eq!(
        remove(&journal, &to, "one").await.unwrap(),
        Removal::Unsealed,
        "nothing is sealed"
    );
    let (other, log) = (
        directory(&dir.path().join("other")),
        journal.whole_log(&key()).await.unwrap(),
    );
    cancelled(&other, "one").await;
    assert_eq!(
        other
            .remove_archived(stream("one"), &to, &log)
            .await
            .unwrap(),
        Removal::Unsealed
    );
    // By hand: what no sealed record stands for is missing.
    let path = dir
        .path()
        .join(format!("journal/requests/{}/000000.json", stream("one")));
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let report = journal.verify_sealed(&key(), None).await.unwrap();
    assert_eq!(
        (report.findings[0].flaw.name(), report.archived),
        ("missing", 0)
    );
    let sealing = journal.seal(&signer(), at(LATE)).await.unwrap();
    let missing = format!("requests/{}/000000.json", stream("one"));
    assert!(
        sealing
            .left_out
            .iter()
            .any(|f| f.path == missing && f.flaw == Flaw::Missing),
        "{sealing:?}"
    );
    fs::write(&path, good).unwrap();
    journal.seal(&signer(), at(LATE + 1)).await.unwrap();
    assert_eq!(
        remove(&journal, &to, "one").await.unwrap(),
        Removal::Removed(3)
    );
}

#[tokio::test]
async fn an_archived_record_that_tells_something_else_is_not_sealed() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to) = begun(dir.path()).await;
    file(&journal, &to, "one").await;
    let path = dir
        .path()
        .join(format!("journal/requests/{}/000003.json", stream("one")));
    let mut record = Stored::read(&fs::read(&path).unwrap()).unwrap().record;
    let Event::Archived(archive) = &mut record.event else {
        panic!()
    };
    archive.results[0].kind = crate::domain::ResultKind::NotShared;
    fs::write(&path, Stored::write(record).unwrap().1).unwrap();
    let sealing = journal.seal(&signer(), at(LATE)).await.unwrap();
    assert_eq!(
        sealing.sealed,
        3 + 1 + 3 + 3 + 1,
        "the records before it are"
    );
    assert_eq!(sealing.left_out[0].flaw.name(), "impossible");
    assert!(
        sealing.left_out[0].to_string().contains("something else"),
        "{}",
        sealing.left_out[0]
    );
    assert_eq!(
        remove(&journal, &to, "one").await.unwrap(),
        Removal::Unsealed
    );
    assert_eq!(names(&journal).await, ["impossible"]);
}

#[tokio::test]
async fn nothing_is_removed_that_was_not_found_whole_in_both_places() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, _) = archived(dir.path()).await;
    let inner = format!("requests/{}", stream("three"));
    let count = || {
        fs::read_dir(dir.path().join("journal").join(&inner))
            .unwrap()
            .count()
    };
    for (place, flaw) in [
        ("archive", "copy_altered"),
        ("journal", "altered_since_sealed"),
    ] {
        for seq in 0..3 {
            let path = dir.path().join(place).join(&inner).join(file_name(seq));
            let good = fs::read(&path).unwrap();
            fs::write(&path, "x").unwrap();
            let error = remove(&journal, &to, "three").await.unwrap_err();
            let JournalError::Damaged { finding, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((finding.seq, finding.flaw.name()), (Some(seq), flaw));
            fs::write(&path, good).unwrap();
            assert_eq!(count(), 4);
        }
    }
    // A record in neither place, and one in the journal alone: that one is copied now.
    fs::remove_file(dir.path().join("journal").join(&inner).join(file_name(0))).unwrap();
    fs::remove_file(dir.path().join("archive").join(&inner).join(file_name(0))).unwrap();
    assert!(
        remove(&journal, &to, "three")
            .await
            .unwrap_err()
            .to_string()
            .contains("is gone")
    );
    let other = directory(&dir.path().join("other"));
    assert!(
        remove(&journal, &other, "three").await.is_err(),
        "it has not even the first"
    );
    assert_eq!(count(), 3);
    assert_eq!(
        remove(&journal, &other, "two").await.unwrap(),
        Removal::Removed(1)
    );
    assert_eq!(
        fs::read_dir(dir.path().join(format!("other/requests/{}", stream("two"))))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_place_with_other_files_takes_no_copies() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to) = begun(dir.path()).await;
    denied(&to, "three").await;
    let error = journal
        .archive(stream("three"), &to, at(LATE), worker(99))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not the copy"), "{error}");
    assert!(
        !journal
            .read(stream("three"))
            .await
            .unwrap()
            .unwrap()
            .state()
            .unwrap()
            .archived()
    );
    let refused = journal
        .archive(stream("open"), &to, at(LATE), worker(99))
        .await
        .unwrap_err();
    assert!(refused.to_string().contains("is not finished"), "{refused}");
    // Another journal's archive has other seals.
    to.seal(&signer(), at(50)).await.unwrap();
    journal.seal(&signer(), at(100)).await.unwrap();
    let error = journal.copy_seals(&to).await.unwrap_err();
    assert!(error.to_string().contains("seals/000001.seal"), "{error}");
}

#[tokio::test]
async fn a_removed_record_is_proven_from_its_copy() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, _) = archived(dir.path()).await;
    let archives = [to];
    for seq in 0..4 {
        let here = journal
            .prove(&key(), stream("one"), Some(seq))
            .await
            .unwrap();
        assert_eq!(here.is_some(), seq == 3);
        let there = journal
            .prove_archived(&key(), stream("one"), Some(seq), &archives)
            .await
            .unwrap()
            .unwrap();
        let read = Proof::read(&serde_json::to_string(&there).unwrap()).unwrap();
        let alone = archives[0]
            .prove(&key(), stream("one"), Some(seq))
            .await
            .unwrap();
        assert_eq!(
            alone,
            (seq < 3).then(|| there.clone()),
            "the archive proves its copies by itself"
        );
        assert_eq!(
            (read.check(&key()).unwrap().size, read.about()),
            (14, (stream("one"), seq))
        );
    }
    let newest = journal
        .prove(&key(), stream("one"), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(newest.about(), (stream("one"), 3));
    fs::write(
        dir.path()
            .join(format!("archive/requests/{}/000001.json", stream("one"))),
        "x",
    )
    .unwrap();
    assert_eq!(
        journal
            .prove_archived(&key(), stream("one"), Some(1), &archives)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn copies_may_lie_in_several_archives() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, to, kept) = archived(dir.path()).await;
    let second = directory(&dir.path().join("second"));
    cancelled(&journal, "four").await;
    assert_eq!(file(&journal, &second, "four").await, Filed::Now(3));
    journal.seal(&signer(), at(LATE + 2)).await.unwrap();
    assert_eq!(journal.copy_seals(&second).await.unwrap(), 3);
    assert_eq!(
        remove(&journal, &second, "four").await.unwrap(),
        Removal::Removed(3)
    );
    let both = [to, second];
    assert_eq!(found(&journal, &both, &kept).await, []);
    let copy = dir
        .path()
        .join(format!("archive/requests/{}/000001.json", stream("one")));
    fs::remove_file(&copy).unwrap();
    let findings = found(&journal, &both, &kept).await;
    assert_eq!(
        findings,
        [(format!("file:{}", copy.display()), "copy_missing")]
    );
    assert_eq!(
        found(&journal, &both[1..], &kept).await.len(),
        3 + 1 + 3,
        "the first archive's requests"
    );
}
