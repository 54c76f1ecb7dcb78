//! Ways to tamper with the files of a small journal, and the findings for each of them.

use super::*;

/// The answer to a repeated delivery depends only on record 0 of the incident, so the look-up does
/// not read the later record, which is damaged here.
#[tokio::test]
async fn the_look_up_of_an_incident_reads_record_0_alone() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let conflict = opening("first", request(json!({"reason": "another"})), 9).intent;
    let stream = StreamId::of_conflict(&conflict.identity, &conflict.digest);
    let later = dir.path().join(format!("requests/{stream}/000001.json"));
    fs::write(later, "x").unwrap();
    assert!(journal.look_up(stream).await.unwrap().is_some());
}

#[tokio::test]
async fn every_altered_byte_of_every_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let report = journal.verify().await.unwrap();
    assert_eq!(
        (report.streams, report.records, report.clean()),
        (3, 7, true)
    );
    let stores: BTreeMap<PathBuf, Vec<u8>> = files(dir.path())
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    for (path, good) in &stores {
        let stream: StreamId = path
            .parent()
            .unwrap()
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        for index in 0..good.len() {
            let mut bytes = good.clone();
            bytes[index] ^= 1 << (index % 8);
            fs::write(path, &bytes).unwrap();
            // Verify the whole journal now and then. Otherwise verify only the stream, which is
            // faster and checks the same.
            let findings = if index % 97 == 0 {
                journal.verify().await.unwrap().findings
            } else {
                let error = journal.read(stream).await.unwrap_err();
                let JournalError::Damaged { finding, .. } = error else {
                    panic!("{error}")
                };
                vec![*finding]
            };
            assert_eq!(findings.len(), 1, "byte {index} of {shown}");
            assert_eq!(
                (findings[0].path.as_str(), findings[0].flaw.name()),
                (shown, "altered")
            );
        }
        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(path, &good[..cut]).unwrap();
            assert_eq!(
                names(&journal).await,
                ["altered"],
                "{shown} cut to {cut} bytes"
            );
        }
        fs::write(path, good).unwrap();
    }
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn every_removed_file_is_found_unless_it_was_the_newest_of_its_stream() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    for path in files(dir.path()) {
        let good = fs::read(&path).unwrap();
        let newest = !files(dir.path())
            .iter()
            .any(|p| p.parent() == path.parent() && *p > path);
        fs::remove_file(&path).unwrap();
        let report = journal.verify().await.unwrap();
        if newest {
            // The hash chain cannot show that the newest record was removed. If it was the only
            // record of its stream, the index may still name the stream.
            let gone = files(dir.path())
                .iter()
                .all(|p| p.parent() != path.parent());
            let names: Vec<_> = report.findings.iter().map(|f| f.flaw.name()).collect();
            assert_eq!(names, if gone { &["unrecorded"][..] } else { &[] });
        } else {
            let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
            assert_eq!(report.findings.len(), 1);
            assert_eq!(
                (
                    report.findings[0].path.as_str(),
                    report.findings[0].flaw.name()
                ),
                (shown, "missing")
            );
        }
        fs::write(&path, good).unwrap();
    }
}

/// A delivery reads record 0 first. If that is missing, the request looks unknown and is opened
/// again.
#[tokio::test]
async fn a_request_that_was_opened_again_over_its_old_records_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let stream = StreamId::of(&identity("first"));
    fs::remove_file(dir.path().join(format!("requests/{stream}/000000.json"))).unwrap();
    assert_eq!(names(&journal).await, ["missing"]);
    let Opened::New(mut claim, _) = deliver(&journal, plain("first", 2)).await.unwrap() else {
        panic!()
    };
    let end = closed(Status::Completed, all(Shared));
    assert!(claim.record(&journal, at(2), end).await.is_err());
    assert_eq!(names(&journal).await, ["unlinked"]);
    let error = deliver(&journal, plain("first", 3)).await.unwrap_err();
    assert!(matches!(error, JournalError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn swapped_files_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let paths = files(dir.path());
    for one in &paths {
        for two in &paths {
            if one < two {
                let (a, b) = (fs::read(one).unwrap(), fs::read(two).unwrap());
                fs::write(one, &b).unwrap();
                fs::write(two, &a).unwrap();
                let found = names(&journal).await;
                assert_eq!(found.len(), 2, "{one:?} and {two:?}: {found:?}");
                assert!(
                    found
                        .iter()
                        .all(|name| ["reordered", "foreign"].contains(name)),
                    "{found:?}"
                );
                fs::write(one, &a).unwrap();
                fs::write(two, &b).unwrap();
            }
        }
    }
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn foreign_files_are_reported_and_do_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let stream = StreamId::of(&identity("first"));
    let inside = dir.path().join(format!("requests/{stream}"));
    fs::write(dir.path().join("requests/README"), "hello").unwrap();
    fs::create_dir(dir.path().join("requests/not-a-stream")).unwrap();
    fs::write(inside.join("1.json"), "{}").unwrap();
    fs::write(inside.join("notes.txt"), "hello").unwrap();
    fs::create_dir(inside.join("folder")).unwrap();
    fs::write(inside.join("folder/000000.json"), "{}").unwrap();
    fs::write(dir.path().join("beside.txt"), "not ours to judge").unwrap();
    let report = journal.verify().await.unwrap();
    let paths: Vec<&str> = report
        .findings
        .iter()
        .map(|finding| finding.path.as_str())
        .collect();
    let wanted = [
        format!("requests/{stream}/1.json"),
        format!("requests/{stream}/folder"),
        format!("requests/{stream}/notes.txt"),
        "requests/README".to_owned(),
        "requests/not-a-stream".to_owned(),
    ];
    let mut sorted: Vec<String> = wanted.to_vec();
    sorted.sort();
    assert_eq!(paths, sorted);
    assert!(
        report
            .findings
            .iter()
            .all(|finding| finding.flaw.name() == "foreign")
    );
    assert_eq!(journal.streams().await.unwrap().len(), 3);
    assert!(journal.read(stream).await.unwrap().is_some());
}

#[tokio::test]
async fn a_record_0_of_garbage_is_an_error_that_names_the_file_and_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let stream = StreamId::of(&identity("first"));
    let folder = dir.path().join(format!("requests/{stream}"));
    fs::create_dir_all(&folder).unwrap();
    for garbage in [
        &b""[..],
        b"\n",
        b"{}\n{}\n",
        &[0xff; 64],
        &vec![b'['; 5_000_000],
    ] {
        fs::write(folder.join("000000.json"), garbage).unwrap();
        for error in [
            journal.read(stream).await.map(|_| ()).unwrap_err(),
            deliver(&journal, plain("first", 1))
                .await
                .map(|_| ())
                .unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(matches!(error, JournalError::Damaged { .. }), "{text}");
            assert!(
                text.contains(&format!("requests/{stream}/000000.json")),
                "{text}"
            );
            assert!(text.contains("restore it from a backup"), "{text}");
        }
        assert_eq!(names(&journal).await.len(), 1);
    }
}

#[tokio::test]
async fn garbage_at_the_next_number_is_damage_and_not_another_worker() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let mut claim = claim(&journal, "first").await;
    let state = claim.state().clone();
    let next = dir
        .path()
        .join(format!("requests/{}/{}", state.stream(), file_name(1)));
    fs::write(next, "garbage").unwrap();
    let error = claim
        .record(&journal, at(1), deferred(9))
        .await
        .unwrap_err();
    assert!(
        matches!(error, AppendError::Store(JournalError::Damaged { .. })),
        "{error}"
    );
    let error = journal
        .take(state, lease(60, 2), None, false)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("000001.json"), "{error}");
}

#[tokio::test]
async fn findings_are_kept_up_to_a_thousand_and_counted_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let requests = dir.path().join("requests");
    fs::create_dir(&requests).unwrap();
    for n in 0..1_005 {
        fs::write(requests.join(format!("x{n}")), "").unwrap();
    }
    let report = journal.verify().await.unwrap();
    assert_eq!(
        (report.findings.len(), report.left_off, report.clean()),
        (1_000, 5, false)
    );
}

#[tokio::test]
async fn a_stray_file_with_a_high_number_does_not_cost_a_million_reads() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let stream = StreamId::of(&identity("first"));
    fs::write(
        dir.path().join(format!("requests/{stream}/999999.json")),
        "",
    )
    .unwrap();
    let report = journal.verify().await.unwrap();
    assert!(
        !report.clean() && report.findings.len() < 200,
        "{}",
        report.findings.len()
    );
    assert_eq!(
        report.findings[0].path,
        format!("requests/{stream}/000003.json")
    );
    assert_eq!(
        report.records + report.findings.len() as u64 + report.left_off,
        1_000_000 + 4
    );
    assert!(
        journal
            .read(stream)
            .await
            .unwrap_err()
            .to_string()
            .contains("000003.json")
    );
}
