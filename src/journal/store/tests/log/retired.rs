//! Tests two concurrent retirements, and a retirement during a verification.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::journal::LogPart;

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
    let verifying = journal.verify_against(Some(Arc::new(log)), LogPart::Whole);
    let report = verifying.await.unwrap();
    assert_eq!((report.findings, report.retired), (vec![], 2));
}
