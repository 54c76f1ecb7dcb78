//! Tests two concurrent retirements, and a retirement during a verification.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::journal::LogPart;
use crate::journal::log::KeyChain;

/// A journal with one request, which another process retires after the listing with this number.
async fn retired_after(dir: &Path, listing: usize) -> (Journal, StreamId) {
    let journal = directory(dir);
    finished(&journal, "first").await;
    journal.seal(&signer(7), at(100)).await.unwrap();
    let (log, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("first"));
    let folder = dir.join(format!("requests/{stream}"));
    let records = [1, 2].map(|seq| folder.join(format!("{seq:06}.json")));
    let kept = records.each_ref().map(|path| fs::read(path).unwrap());
    journal.retire(stream, &log, false).await.unwrap();
    let retired = fs::read(folder.join("retired")).unwrap();
    fs::remove_file(folder.join("retired")).unwrap();
    for (path, bytes) in records.iter().zip(kept) {
        fs::write(path, bytes).unwrap();
    }
    let listings = AtomicUsize::new(0);
    let journal = directory(dir).observed(move |doing, _| {
        if doing == "list" && listings.fetch_add(1, Ordering::Relaxed) + 1 == listing {
            fs::write(folder.join("retired"), &retired).unwrap();
            records
                .iter()
                .for_each(|path| fs::remove_file(path).unwrap());
        }
    });
    (journal, stream)
}

#[tokio::test]
async fn a_request_that_another_process_retires_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, stream) = retired_after(dir.path(), 1).await;
    let (log, _) = directory(dir.path()).verified_log(&key()).await.unwrap();
    let retirement = journal.retire(stream, &log, false).await.unwrap();
    assert_eq!(retirement, Retirement::Removed(0));
    assert!(
        !dir.path()
            .join(format!("requests/{stream}/000001.json"))
            .exists()
    );
}

#[tokio::test]
async fn a_retirement_during_a_verification_is_no_finding() {
    let dir = tempfile::tempdir().unwrap();
    // The first listing is that of the streams.
    let (journal, _) = retired_after(dir.path(), 2).await;
    let (log, _) = directory(dir.path()).verified_log(&key()).await.unwrap();
    let verifying = journal.verify_against(Some(Arc::new(log)), LogPart::Whole, None);
    let report = verifying.await.unwrap();
    assert_eq!((report.findings, report.retired), (vec![], 2));
}

/// Makes `files` the files below `dir`. Other threads see each file whole.
fn replace_all(dir: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    let present = all_below(dir);
    for (path, bytes) in files {
        if present.get(path) != Some(bytes) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let new = tempfile::NamedTempFile::new().unwrap();
            fs::write(new.path(), bytes).unwrap();
            new.persist(path).unwrap();
        }
    }
    for path in present.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(path).unwrap();
    }
}

/// At any moment of a verification, another process may seal a request and retire it.
#[tokio::test]
async fn a_seal_and_its_retirement_during_a_verification_are_no_finding() {
    for seals in [0, 2] {
        let dir = tempfile::tempdir().unwrap();
        let journal = match seals {
            0 => small(dir.path()).await,
            _ => sealed(dir.path()).await.0,
        };
        finished(&journal, "fourth").await;
        let before = all_below(dir.path());
        journal.seal(&signer(7), at(300)).await.unwrap();
        let (log, _) = journal.verified_log(&key()).await.unwrap();
        let stream = StreamId::of(&identity("fourth"));
        let retirement = journal.retire(stream, &log, false).await.unwrap();
        assert_eq!(retirement, Retirement::Removed(2));
        let after = Arc::new(all_below(dir.path()));
        for part in ["chains", "segments", "everything"] {
            for moment in 1.. {
                replace_all(dir.path(), &before);
                let operations = Arc::new(AtomicUsize::new(0));
                let (done, files) = (Arc::clone(&operations), Arc::clone(&after));
                let root = dir.path().to_owned();
                let journal = directory(dir.path()).observed(move |_, _| {
                    if done.fetch_add(1, Ordering::Relaxed) + 1 == moment {
                        replace_all(&root, &files);
                    }
                });
                let report = match part {
                    "chains" => journal.verify().await,
                    "segments" => journal.verify_segments(&key(), None).await,
                    _ => journal.verify_sealed(&key(), None).await,
                };
                let report = report.unwrap();
                assert_eq!(report.findings, [], "{part}, {seals} seals, {moment}");
                assert_eq!(report.left_off, 0);
                if operations.load(Ordering::Relaxed) < moment {
                    break;
                }
            }
        }
    }
}

/// Such a retirement must not hide what is wrong: here, the new segment lacks a record.
#[tokio::test]
async fn a_bad_seal_during_a_verification_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = sealed(dir.path()).await;
    let log = Arc::new(journal.verified_log(&key()).await.unwrap().0);
    finished(&journal, "fourth").await;
    journal.seal(&signer(7), at(300)).await.unwrap();
    let (newer, _) = journal.verified_log(&key()).await.unwrap();
    let stream = StreamId::of(&identity("fourth"));
    journal.retire(stream, &newer, false).await.unwrap();
    let verified = async || {
        let keys = Some(KeyChain::from(key()));
        let verifying = journal.verify_against(Some(Arc::clone(&log)), LogPart::Whole, keys);
        verifying.await.unwrap()
    };
    let names = async || {
        let findings = verified().await.findings.into_iter();
        findings.map(|finding| finding.path).collect::<Vec<_>>()
    };
    assert_eq!(names().await, [""; 0]);
    let retired = dir.path().join(format!("requests/{stream}/retired"));
    let good = fs::read_to_string(&retired).unwrap();
    fs::write(&retired, good.replace("segments 3", "segments 2")).unwrap();
    assert_eq!(names().await, [format!("requests/{stream}/retired")]);
    fs::write(&retired, good).unwrap();
    let segment = dir.path().join("log/segments/000003");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("CHG0030192", "CHG0030193", 1)).unwrap();
    assert_eq!(names().await, ["log/segments/000003"]);
    assert_eq!(verified().await.log_part, LogPart::FirstSeals);
}
