//! Places that differ: an index elsewhere, a directory that cannot be examined, a store that
//! deletes slowly.

use super::*;

/// A path that cannot be examined, for example without permission, must not look like an empty
/// journal. Here a file is in the place of a folder, which even root cannot examine.
#[tokio::test]
async fn a_directory_that_cannot_be_looked_at_is_not_read_as_an_empty_journal() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let place = |path: &str| JournalLocation::Directory(dir.path().join(path));
    let (missing, hidden) = (place("none/journal"), place("file/journal"));
    let open = |location, index| Journal::open_to_read(location, index, &Access::default());
    let journal = open(&missing, Some(&missing)).unwrap();
    assert_eq!(journal.streams().await.unwrap(), []);
    for (location, index) in [(&hidden, None), (&missing, Some(&hidden))] {
        let text = open(location, index).unwrap_err().to_string();
        assert!(text.contains("file/journal cannot be opened"), "{text}");
    }
}

#[tokio::test]
async fn an_error_of_the_index_names_the_place_of_the_index() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name| JournalLocation::Directory(dir.path().join(name));
    let journal = directory(&dir.path().join("records"))
        .with_index(&place("other"), &Access::default())
        .unwrap();
    fs::write(dir.path().join("other/index"), "").unwrap();
    let path = journal.index_path(&["probe", "x"]);
    let error = journal.touch(&path).await.unwrap_err().to_string();
    assert!(error.contains("other: create index/probe/x"), "{error}");
    fs::write(dir.path().join("records/requests"), "").unwrap();
    let stream = StreamId::of(&identity("first"));
    let error = journal.look_up(stream).await.unwrap_err().to_string();
    assert!(error.contains("records: read requests/"), "{error}");
}

/// Two journals with one index would delete each other's entries.
#[tokio::test]
async fn an_index_serves_one_journal() {
    let dir = tempfile::tempdir().unwrap();
    let index = JournalLocation::Directory(dir.path().join("index"));
    let open = |name: &str| {
        let journal = directory(&dir.path().join(name));
        journal.with_index(&index, &Access::default()).unwrap()
    };
    for nonce in [1, 2] {
        open("one").test_place([nonce; 8]).await.unwrap();
    }
    let refused = async |name| {
        let error = open(name).test_place([3; 8]).await.unwrap_err().to_string();
        assert!(error.contains("is the index of another journal"), "{error}");
        assert!(error.contains("remove index/probe/journal"), "{error}");
    };
    refused("two").await;
    // The journal may move.
    fs::rename(dir.path().join("one"), dir.path().join("moved")).unwrap();
    let moved = open("moved");
    moved.test_place([4; 8]).await.unwrap();
    assert!(moved.verify().await.unwrap().clean());
    fs::remove_file(dir.path().join("moved/probe")).unwrap();
    refused("moved").await;
    fs::remove_file(dir.path().join("index/index/probe/journal")).unwrap();
    open("moved").test_place([5; 8]).await.unwrap();
}

/// The other journal may keep its own index at that place, and may be first or second.
#[tokio::test]
async fn an_index_beside_the_records_serves_one_journal() {
    let access = Access::default();
    for owner_first in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let (place, other) = (dir.path().join("one"), dir.path().join("two"));
        let root = JournalLocation::Directory(place.clone());
        let owner = || directory(&place);
        let named = || directory(&place).with_index(&root, &access).unwrap();
        let guest = || directory(&other).with_index(&root, &access).unwrap();
        let (first, second): (&dyn Fn() -> Journal, &dyn Fn() -> Journal) = match owner_first {
            true => (&owner, &guest),
            false => (&guest, &owner),
        };
        first().test_place([1; 8]).await.unwrap();
        first().test_place([2; 8]).await.unwrap();
        let error = second().test_place([3; 8]).await.unwrap_err().to_string();
        assert!(error.contains("the index of another journal"), "{error}");
        if owner_first {
            // The setting may name the journal's own place, and may be removed again.
            named().test_place([4; 8]).await.unwrap();
            fs::remove_file(place.join("index/probe/journal")).unwrap();
            named().test_place([5; 8]).await.unwrap();
            owner().test_place([6; 8]).await.unwrap();
            assert!(guest().test_place([7; 8]).await.is_err());
        }
    }
}

/// Google Cloud Storage deletes one file per call, so many deletions would not end within one time
/// limit.
#[tokio::test]
async fn a_time_limit_covers_no_more_than_some_hundred_deletions() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(0));
    let count = seen.clone();
    let journal =
        memory().observed(move |doing, _| *count.lock().unwrap() += i32::from(doing == "delete"));
    let path = |n: u32| journal.index_path(&["probe", &n.to_string()]);
    journal.touch(&path(1_200)).await.unwrap();
    journal
        .delete_entries((0..1_201).map(path).collect())
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), 3);
    assert_eq!(journal.list_index(&[]).await.unwrap(), []);
    journal.delete_entries(Vec::new()).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), 3);
}

#[tokio::test]
async fn old_probes_are_removed_but_not_the_mark_of_the_index() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [memory(), directory(dir.path())] {
        let path = |name| journal.index_path(&["probe", name]);
        for name in ["journal", "0123456789abcdef", "0123456789abcdef-2"] {
            journal.touch(&path(name)).await.unwrap();
        }
        assert_eq!(
            journal.remove_leftovers(at(-1_000_000_000)).await.unwrap(),
            [""; 0]
        );
        let removed = journal.remove_leftovers(at(1_000_000_000)).await.unwrap();
        assert_eq!(removed.len(), 2, "{removed:?}");
        let left = journal.list_index(&["probe"]).await.unwrap();
        let left: Vec<_> = left.iter().map(|one| one.location.clone()).collect();
        assert_eq!(left, [path("journal")]);
    }
}
