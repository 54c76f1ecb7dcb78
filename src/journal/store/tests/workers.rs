//! Workers of a journal in a directory: a dead worker is detected before its lease ends, and a live
//! worker is never taken for dead.

use super::*;

fn workers(dir: &Path) -> Vec<(PathBuf, String)> {
    let found = fs::read_dir(dir.join("workers")).unwrap();
    let paths = found.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

async fn read(journal: &Journal, stream: StreamId) -> State {
    let history = journal.read(stream).await.unwrap();
    history.unwrap().into_state().unwrap()
}

#[tokio::test]
async fn only_a_worker_that_is_gone_loses_its_request_before_its_lease_ends() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (directory(dir.path()), directory(dir.path()));
    let first = claim(&one, "first").await;
    let stream = first.state().stream();
    let living = read(&two, stream).await;
    assert!(!living.holder_gone());
    assert_eq!(two.abandoned().await.unwrap(), []);
    let early = two.take(living, lease(1, 2), None, false).await.unwrap();
    assert!(early.is_none(), "its lease runs until 60");

    drop(first);
    assert_eq!(two.abandoned().await.unwrap(), [stream]);
    let orphan = read(&two, stream).await;
    assert_eq!(orphan.needs_work(at(1)), Some(Work::Finish));
    let taken = two.take(orphan, lease(1, 2), None, false).await.unwrap();
    let (mut second, _) = taken.unwrap();
    let history = one.read(stream).await.unwrap().unwrap();
    let event = &history.records[1].record.event;
    assert!(matches!(
        event,
        Event::Taken {
            holder_gone: true,
            ..
        }
    ));
    assert!(!history.state().unwrap().holder_gone());
    assert_eq!(one.abandoned().await.unwrap(), []);
    assert_eq!(workers(dir.path()).len(), 1, "the first one's file is gone");

    let end = closed(Status::Completed, all(Shared));
    second.record(&two, at(2), end).await.unwrap();
    drop(second);
    assert_eq!(workers(dir.path()), []);
    assert!(one.verify().await.unwrap().clean());
}

#[tokio::test]
async fn a_worker_of_another_boot_is_not_known_to_be_gone() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let stream = claim(&journal, "first").await.state().stream();
    assert!(read(&journal, stream).await.holder_gone());
    let (path, text) = workers(dir.path()).remove(0);
    let (_, of) = text.split_once('\n').unwrap();
    fs::write(path, format!("another boot\n{of}")).unwrap();
    assert!(!read(&journal, stream).await.holder_gone());
    assert_eq!(journal.abandoned().await.unwrap(), []);
}

#[tokio::test]
async fn without_its_folder_a_worker_has_no_lock_and_the_lease_counts() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    assert!(journal.lacks_locks(worker(7)).await.is_none());
    fs::remove_dir(dir.path().join("workers")).unwrap();
    fs::write(dir.path().join("workers"), "no folder").unwrap();
    assert!(journal.lacks_locks(worker(7)).await.is_some());
    let stream = claim(&journal, "first").await.state().stream();
    assert!(!read(&journal, stream).await.holder_gone());
    assert!(memory().lacks_locks(worker(7)).await.is_none());
}
