//! Directories and memory as places: what survives the process, and the error when a place cannot
//! be used.

use super::*;
use crate::domain::Timestamp;

#[tokio::test]
async fn the_story_is_there_after_the_process_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("a/b/journal");
    let written = finished(&directory(&below), "first").await;
    let again = directory(&below);
    let history = again.read(written.stream()).await.unwrap().unwrap();
    assert_eq!(history.records.len(), 3);
    assert_eq!(history.state().unwrap().head(), written.head());
    assert_eq!(history.into_state().unwrap().phase(), &Phase::Closed);
    let lines = fs::read_to_string(files(&below)[0].clone()).unwrap();
    assert_eq!(lines.lines().count(), 2);
    assert_eq!(again.streams().await.unwrap(), [written.stream()]);
    assert_eq!(again.files(written.stream()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_stream_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let stream = StreamId::of(&identity("nobody"));
        assert!(journal.read(stream).await.unwrap().is_none());
        assert!(journal.files(stream).await.unwrap().is_empty());
        assert!(journal.streams().await.unwrap().is_empty());
        assert_eq!(journal.verify().await.unwrap(), Report::default());
        journal.check([7; 8]).await.unwrap();
    }
}

#[tokio::test]
async fn two_journals_on_one_directory_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (directory(dir.path()), directory(dir.path()));
    let mut claim = claim(&one, "first").await;
    assert!(matches!(
        deliver(&two, plain("first", 2)).await.unwrap(),
        Opened::Existing(_)
    ));
    claim.record(&one, at(1), deferred(9)).await.unwrap();
    let state = two
        .read(claim.state().stream())
        .await
        .unwrap()
        .unwrap()
        .into_state()
        .unwrap();
    let (mut taken, _) = two
        .take(state, lease(9, 2), None, false)
        .await
        .unwrap()
        .unwrap();
    taken
        .record(&two, at(10), closed(Status::Completed, all(Shared)))
        .await
        .unwrap();
    let seen = one.read(taken.state().stream()).await.unwrap().unwrap();
    assert_eq!(seen.state().unwrap().status(), Status::Completed);
}

#[tokio::test]
async fn two_memories_are_two_journals() {
    let (one, two) = (memory(), memory());
    claim(&one, "first").await;
    assert!(matches!(
        deliver(&two, plain("first", 2)).await.unwrap(),
        Opened::New(_, _)
    ));
}

#[tokio::test]
async fn a_place_that_cannot_be_made_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for bad in [
        dir.path().join("file"),
        dir.path().join("file/journal"),
        PathBuf::from("/proc/none/journal"),
    ] {
        let location = JournalLocation::Directory(bad.clone());
        let error = Journal::open(&location, &Access::default()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, JournalError::Place(_)), "{text}");
        assert!(
            text.contains(bad.to_str().unwrap()) && text.contains("name a directory"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told_and_nothing_is_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    // A file in the place of the folder stops every writer, even root.
    fs::write(dir.path().join("requests"), "").unwrap();
    let error = deliver(&journal, plain("first", 1)).await.unwrap_err();
    let JournalError::Store { doing, path, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        ["read", "create"].contains(doing) && path.starts_with("requests/"),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_directory_is_a_clear_error_and_can_still_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = finished(&directory(dir.path()), "first").await;
    let mode = |mode| {
        for path in [dir.path().to_owned(), dir.path().join("requests")] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    mode(0o555);
    // Root can write in spite of the mode. Then there is no error to check.
    let bound = fs::write(dir.path().join("probe"), "").is_err();
    let journal = directory(dir.path());
    let opened = deliver(&journal, plain("second", 1)).await;
    let read = journal.read(state.stream()).await;
    mode(0o755);
    assert!(read.unwrap().is_some());
    if bound {
        let error = opened.unwrap_err().to_string();
        assert!(
            error.contains("create requests/") && error.contains("let this process"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_directory_that_went_away_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    journal.check([7; 8]).await.unwrap();
    dir.close().unwrap();
    assert!(
        journal
            .check([7; 8])
            .await
            .unwrap_err()
            .to_string()
            .contains("gone or was replaced")
    );
}

#[tokio::test]
async fn nothing_of_a_claim_is_shown_that_should_not_be() {
    let journal = memory();
    assert_eq!(format!("{journal:?}"), "Journal { place: Memory, .. }");
    let access = Access {
        variables: vec![(
            "AWS_SECRET_ACCESS_KEY".into(),
            "very-secret-value".to_owned().into(),
        )],
        http: None,
    };
    assert!(!format!("{access:?}").contains("very-secret-value"));
    assert_eq!(Worker::from_random([0xab; 8]).as_str(), "abababababababab");
}

#[tokio::test]
async fn each_stored_record_is_told_once_as_its_line_and_nothing_else_is() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let to = told.clone();
    let journal = memory().echoing(move |line| to.lock().unwrap().push(line.to_owned()));
    let state = finished(&journal, "first").await;
    let known = deliver(&journal, plain("first", 2)).await.unwrap();
    assert!(
        matches!(known, Opened::Existing(_)),
        "a duplicate writes nothing"
    );
    let files = journal.files(state.stream()).await.unwrap();
    let line = |bytes: &bytes::Bytes| {
        String::from_utf8_lossy(bytes)
            .lines()
            .next()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        *told.lock().unwrap(),
        files.iter().map(line).collect::<Vec<_>>()
    );
}

/// A place that ignores the condition of a write and overwrites, as some proxies do.
#[derive(Debug)]
struct Forgetful(object_store::memory::InMemory);

impl std::fmt::Display for Forgetful {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("forgetful")
    }
}

#[async_trait::async_trait]
impl object_store::ObjectStore for Forgetful {
    async fn put_opts(
        &self,
        at: &object_store::path::Path,
        payload: object_store::PutPayload,
        _: object_store::PutOptions,
    ) -> object_store::Result<object_store::PutResult> {
        let overwrite = object_store::PutMode::Overwrite.into();
        self.0.put_opts(at, payload, overwrite).await
    }

    async fn put_multipart_opts(
        &self,
        at: &object_store::path::Path,
        options: object_store::PutMultipartOptions,
    ) -> object_store::Result<Box<dyn object_store::MultipartUpload>> {
        self.0.put_multipart_opts(at, options).await
    }

    async fn get_opts(
        &self,
        at: &object_store::path::Path,
        options: object_store::GetOptions,
    ) -> object_store::Result<object_store::GetResult> {
        self.0.get_opts(at, options).await
    }

    fn delete_stream(
        &self,
        paths: futures_util::stream::BoxStream<
            'static,
            object_store::Result<object_store::path::Path>,
        >,
    ) -> futures_util::stream::BoxStream<'static, object_store::Result<object_store::path::Path>>
    {
        self.0.delete_stream(paths)
    }

    fn list(
        &self,
        prefix: Option<&object_store::path::Path>,
    ) -> futures_util::stream::BoxStream<'static, object_store::Result<object_store::ObjectMeta>>
    {
        self.0.list(prefix)
    }

    async fn list_with_delimiter(
        &self,
        prefix: Option<&object_store::path::Path>,
    ) -> object_store::Result<object_store::ListResult> {
        self.0.list_with_delimiter(prefix).await
    }

    async fn copy_opts(
        &self,
        from: &object_store::path::Path,
        to: &object_store::path::Path,
        options: object_store::CopyOptions,
    ) -> object_store::Result<()> {
        self.0.copy_opts(from, to, options).await
    }
}

#[tokio::test]
async fn a_place_that_creates_twice_is_refused_and_others_keep_no_probe() {
    let forgetful = Journal {
        tested: std::sync::Arc::default(),
        ..Journal::over(std::sync::Arc::new(Forgetful(Default::default())))
    };
    let error = forgetful.test_place([1; 8]).await.unwrap_err();
    assert!(error.to_string().contains("created twice"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    for journal in [memory(), directory(dir.path())] {
        journal.test_place([1; 8]).await.unwrap();
        let left = journal.list_index(&["probe"]).await.unwrap();
        let left: Vec<_> = left.iter().map(|file| file.location.as_ref()).collect();
        assert_eq!(left, ["index/probe/journal"]);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_disappears_is_noticed_before_the_next_record() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("journal");
    let journal = directory(&dir);
    finished(&journal, "first").await;
    fs::rename(&dir, outer.path().join("elsewhere")).unwrap();
    for _ in 0..2 {
        let error = deliver(&journal, plain("first", 2)).await.unwrap_err();
        assert!(
            error.to_string().contains("gone or was replaced"),
            "{error}"
        );
        assert!(journal.check([7; 8]).await.is_err());
        // The second round finds another folder at the same path.
        fs::create_dir_all(&dir).unwrap();
    }
    assert!(!dir.join("requests").exists());
}

#[tokio::test]
async fn temporary_files_are_removed_once_their_processes_are_surely_dead() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let live = claim(&journal, "third").await;
    let beside = files(dir.path())[0].with_extension("json#1");
    let old = [
        beside.clone(),
        dir.path().join("index/due/x#2"),
        dir.path().join("workers/0123456789abcdef.new"),
        dir.path().join("workers/0123456789abcdef"),
    ];
    let young = beside.with_extension("json#3");
    for file in old.iter().chain([&young]) {
        fs::write(file, "another boot\nof a request\n").unwrap();
    }
    let now = Timestamp::try_from(fs::metadata(&young).unwrap().modified().unwrap()).unwrap();
    assert_eq!(journal.remove_leftovers(now).await.unwrap(), [""; 0]);
    let day = std::time::Duration::from_secs(24 * 3_600);
    let written = std::time::SystemTime::from(now) - day;
    for entry in fs::read_dir(dir.path().join("workers")).unwrap() {
        let file = fs::File::open(entry.unwrap().path()).unwrap();
        file.set_modified(written).unwrap();
    }
    for file in &old {
        fs::File::open(file).unwrap().set_modified(written).unwrap();
    }
    let removed = journal.remove_leftovers(now).await.unwrap();
    assert_eq!(removed.len(), old.len(), "{removed:?}");
    assert!(young.exists() && old.iter().all(|file| !file.exists()));
    assert_eq!(fs::read_dir(dir.path().join("workers")).unwrap().count(), 1);
    drop(live);
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn a_journal_that_was_opened_to_read_refuses_every_write() {
    let dir = tempfile::tempdir().unwrap();
    let left = claim(&directory(dir.path()), "first").await.state().clone();
    let location = JournalLocation::Directory(dir.path().to_owned());
    let journal = Journal::open_to_read(&location, None, &Access::default()).unwrap();
    let path = journal.path(&["index", "due", "x"]);
    let before = files(dir.path());
    let ends = [
        deliver(&journal, plain("second", 2)).await.map(drop),
        journal
            .take(left, lease(400, 2), None, true)
            .await
            .map(drop),
        journal.test_place([7; 8]).await,
        journal.check([7; 8]).await,
        journal.remove_leftovers(at(0)).await.map(drop),
        journal.overwrite(&path, b"x").await,
        journal.remove_at(&path).await,
        journal.delete_entries(vec![path]).await,
    ];
    for (index, end) in ends.iter().enumerate() {
        assert!(
            matches!(end, Err(JournalError::ReadOnly { .. })),
            "{index}: {end:?}"
        );
    }
    assert!(journal.abandoned().await.unwrap().is_empty());
    assert_eq!(files(dir.path()), before);
    let workers = fs::read_dir(dir.path().join("workers")).unwrap();
    assert_eq!(workers.count(), 1);
    assert_eq!(journal.streams().await.unwrap().len(), 1);
}
