//! The journal on directories and in memory: claims, races, takeovers, and every way to tamper with its files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::claim::write;
use super::files::Created;
use super::*;
use crate::domain::ResultKind::{AlreadyShared, Cancelled, Shared};
use crate::domain::{ItemResult, ShareRequest, Status};
use crate::journal::record::{Event, Record, VERSION, Worker, file_name};
use crate::journal::state::{Phase, Work};
use crate::journal::testing::*;

fn directory(dir: &Path) -> Journal {
    Journal::open(&JournalLocation::Directory(dir.to_owned()), &Access::default()).unwrap()
}

fn memory() -> Journal {
    Journal::open(&JournalLocation::Memory, &Access::default()).unwrap()
}

fn turn(seconds: i64, who: u64) -> Turn {
    Turn { now: at(seconds), until: at(seconds + 60), worker: worker(who) }
}

fn opening(id: &str, request: ShareRequest, who: u64) -> Opening {
    Opening {
        identity: identity(id),
        delivery_id: Some(format!("d-{who}")),
        secret_fingerprint: None,
        scheme: "jira".into(),
        request,
        verdict: verdict(true),
        turn: turn(0, who),
    }
}

fn plain(id: &str, who: u64) -> Opening {
    opening(id, request(json!({})), who)
}

async fn claim(journal: &Journal, id: &str) -> Claim {
    match journal.open_request(plain(id, 1)).await.unwrap() {
        Opened::New(claim) => *claim,
        other => panic!("{other:?}"),
    }
}

fn all(kind: crate::domain::ResultKind) -> Vec<ItemResult> {
    let mut results: Vec<ItemResult> = (0..3).map(|n| result(account(n), kind.clone())).collect();
    results.insert(0, result(lighthouse(), available()));
    results
}

/// A request that was carried out and closed: three records.
async fn finished(journal: &Journal, id: &str) -> State {
    let mut claim = claim(journal, id).await;
    claim.record(journal, at(1), progress(all(Shared))).await.unwrap();
    claim.record(journal, at(2), closed(Status::Completed, all(Shared))).await.unwrap();
    claim.into_state()
}

/// Two requests and a conflict in a directory.
async fn small(dir: &Path) -> Journal {
    let journal = directory(dir);
    finished(&journal, "first").await;
    finished(&journal, "second").await;
    let other = opening("first", request(json!({"reason": "another"})), 9);
    assert!(matches!(journal.open_request(other).await.unwrap(), Opened::Conflict(_)));
    journal
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for stream in fs::read_dir(dir.join("requests")).unwrap() {
        for file in fs::read_dir(stream.unwrap().path()).unwrap() {
            found.push(file.unwrap().path());
        }
    }
    found.sort();
    found
}

async fn names(journal: &Journal) -> Vec<&'static str> {
    journal.verify().await.unwrap().findings.iter().map(|finding| finding.flaw.name()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_exactly_one_gets_the_claim() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let mut tasks = tokio::task::JoinSet::new();
        for who in 0..50 {
            let journal = journal.clone();
            tasks.spawn(async move { journal.open_request(plain("same", who)).await.unwrap() });
        }
        let (mut new, mut known) = (0, 0);
        while let Some(opened) = tasks.join_next().await {
            match opened.unwrap() {
                Opened::New(_) => new += 1,
                Opened::Existing(state) => {
                    known += 1;
                    assert_eq!(state.head().next_seq, 1);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((new, known), (1, 49));
        assert!(journal.verify().await.unwrap().clean());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_takeovers_exactly_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    let state = claim(&journal, "same").await.into_state();
    let mut tasks = tokio::task::JoinSet::new();
    for who in 100..150 {
        // Every second task has a journal of its own on the same directory, as another process would.
        let journal = if who % 2 == 0 { journal.clone() } else { directory(dir.path()) };
        let state = state.clone();
        tasks.spawn(async move { journal.take(state, turn(60, who)).await.unwrap().is_some() });
    }
    let won = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(won, 1);
}

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
    assert_eq!(again.stored(written.stream()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_unknown_stream_is_absent() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let stream = StreamId::of(&identity("nobody"));
        assert!(journal.read(stream).await.unwrap().is_none());
        assert!(journal.stored(stream).await.unwrap().is_empty());
        assert!(journal.streams().await.unwrap().is_empty());
        assert_eq!(journal.verify().await.unwrap(), Report::default());
        journal.check().await.unwrap();
    }
}

#[tokio::test]
async fn a_duplicate_finds_what_was_recorded() {
    let journal = memory();
    finished(&journal, "first").await;
    let Opened::Existing(state) = journal.open_request(plain("first", 2)).await.unwrap() else { panic!() };
    assert_eq!(state.status(), Status::Completed);
    assert_eq!(state.results().len(), 4);
    assert_eq!(state.intent().delivery_id.as_deref(), Some("d-1"), "the first delivery counts");
}

#[tokio::test]
async fn other_content_under_a_known_identity_is_a_conflict_and_is_noted_once() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    for who in 2..6 {
        let other = opening("first", request(json!({"reason": "another"})), who);
        let digest = other.request.digest();
        let Opened::Conflict(known) = journal.open_request(other).await.unwrap() else { panic!() };
        assert_eq!(known.head(), state.head(), "the request itself is untouched");
        let stream = StreamId::of_conflict(&identity("first"), &digest);
        let noted = journal.read(stream).await.unwrap().unwrap();
        let Story::Conflict(conflict) = &noted.story else { panic!() };
        assert_eq!(conflict.delivery_id.as_deref(), Some("d-2"));
        assert_eq!(noted.records.len(), 1);
    }
    let third = opening("first", request(json!({"reason": "a third"})), 7);
    assert!(matches!(journal.open_request(third).await.unwrap(), Opened::Conflict(_)));
    assert_eq!(journal.streams().await.unwrap().len(), 3);
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn a_denial_and_a_later_start_are_kept_without_a_claim() {
    let journal = memory();
    let denied = Opening { verdict: verdict(false), ..plain("denied", 1) };
    let Opened::Kept(state) = journal.open_request(denied).await.unwrap() else { panic!() };
    assert_eq!(state.status(), Status::Denied);
    let later = opening("later", request(json!({"not_before": at(500)})), 1);
    let Opened::Kept(state) = journal.open_request(later).await.unwrap() else { panic!() };
    assert!(journal.take((*state).clone(), turn(499, 2)).await.unwrap().is_none());
    let (claim, work) = journal.take(*state, turn(500, 2)).await.unwrap().unwrap();
    assert_eq!(work, Work::Start);
    assert_eq!(claim.state().head().next_seq, 2);
    let begun = opening("begun", request(json!({"not_before": at(0)})), 1);
    assert!(matches!(journal.open_request(begun).await.unwrap(), Opened::New(_)));
}

#[tokio::test]
async fn a_takeover_waits_for_the_end_of_the_lease_and_ends_the_old_turn() {
    let journal = memory();
    let mut old = claim(&journal, "first").await;
    let state = old.state().clone();
    assert!(journal.take(state.clone(), turn(59, 2)).await.unwrap().is_none());
    let (mut new, work) = journal.take(state.clone(), turn(60, 2)).await.unwrap().unwrap();
    assert_eq!(work, Work::Finish);
    let late = old.record(&journal, at(61), progress(all(Shared))).await;
    assert!(matches!(late, Err(AppendError::Lost)), "{late:?}");
    assert!(
        journal.take(state, turn(200, 3)).await.unwrap().is_none(),
        "from a state that is not the newest"
    );
    new.record(&journal, at(62), closed(Status::Completed, all(Shared))).await.unwrap();
    assert!(matches!(old.record(&journal, at(63), deferred(90)).await, Err(AppendError::Lost)));
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn an_expired_share_is_taken_back_step_by_step() {
    let journal = memory();
    let state = finished(&journal, "first").await;
    assert!(journal.take(state.clone(), turn(EXPIRY - 1, 2)).await.unwrap().is_none());
    let (mut first, work) = journal.take(state, turn(EXPIRY, 2)).await.unwrap().unwrap();
    let accounts = (0..3).map(account_id).collect();
    assert_eq!(work, Work::Revoke { accounts, lighthouse: true });
    first.record(&journal, at(EXPIRY + 1), progress(vec![result(account(0), Cancelled)])).await.unwrap();
    let crashed = first.into_state();
    let (mut second, work) = journal.take(crashed, turn(EXPIRY + 60, 3)).await.unwrap().unwrap();
    assert_eq!(work, Work::Revoke { accounts: vec![account_id(1), account_id(2)], lighthouse: true });
    let rest =
        vec![result(account(1), Cancelled), result(account(2), Cancelled), result(lighthouse(), Cancelled)];
    second.record(&journal, at(EXPIRY + 61), Event::Revoked { results: rest }).await.unwrap();
    assert!(second.state().grant(at(EXPIRY + 62)).is_none());
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn an_event_that_cannot_follow_is_refused_and_not_written() {
    let journal = memory();
    let mut claim = claim(&journal, "first").await;
    let pending = closed(Status::Completed, vec![result(account(0), Shared)]);
    let refused = claim.record(&journal, at(1), pending).await;
    assert!(matches!(refused, Err(AppendError::Store(JournalError::Refused(_)))), "{refused:?}");
    assert_eq!(journal.stored(claim.state().stream()).await.unwrap().len(), 1);
    let huge =
        crate::journal::record::Deferral { results: vec![], why: "x".repeat(5_000_000), not_before: at(1) };
    let refused = claim.record(&journal, at(1), Event::Deferred(huge)).await;
    assert!(matches!(refused, Err(AppendError::Store(JournalError::Refused(_)))));
    claim.record(&journal, at(2), deferred(9)).await.unwrap();
}

#[tokio::test]
async fn openings_and_turns_that_make_no_sense_are_refused() {
    let journal = memory();
    let zero = plain("a\0b", 1);
    assert!(matches!(journal.open_request(zero).await, Err(JournalError::Refused(_))));
    let ended = Opening { turn: Turn { until: at(0), ..turn(0, 1) }, ..plain("first", 1) };
    assert!(matches!(journal.open_request(ended).await, Err(JournalError::Refused(_))));
    assert!(journal.streams().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_write_that_is_repeated_after_a_lost_answer_is_our_own() {
    let dir = tempfile::tempdir().unwrap();
    for journal in [directory(dir.path()), memory()] {
        let stream = StreamId::of(&identity("first"));
        let record = |who| Record {
            v: VERSION,
            stream,
            seq: 0,
            prev: None,
            at: at(0),
            worker: worker(who),
            event: opened(identity("first")),
        };
        let (_, bytes) = write(record(1)).unwrap();
        assert!(matches!(journal.create(stream, 0, &bytes).await.unwrap(), Created::Ours));
        assert!(matches!(journal.create(stream, 0, &bytes).await.unwrap(), Created::Ours));
        let (_, others) = write(record(2)).unwrap();
        let Created::Theirs(found) = journal.create(stream, 0, &others).await.unwrap() else { panic!() };
        assert_eq!(found, bytes, "a record is never overwritten");
    }
}

#[tokio::test]
async fn a_claim_finds_its_own_record_whose_answer_was_lost() {
    let journal = memory();
    let mut claim = claim(&journal, "first").await;
    let stored = |event: Event, seconds: i64, head: &crate::journal::state::Head| {
        write(Record {
            v: VERSION,
            stream: head.stream,
            seq: head.next_seq,
            prev: Some(head.hash.clone()),
            at: at(seconds),
            worker: worker(1),
            event,
        })
        .unwrap()
        .1
    };
    // The store has it, the claim does not know; the event is recorded again, a moment later.
    let event = progress(vec![result(account(0), Shared)]);
    let head = claim.state().head().clone();
    journal.create(head.stream, 1, &stored(event.clone(), 1, &head)).await.unwrap();
    claim.record(&journal, at(2), event.clone()).await.unwrap();
    assert_eq!(claim.state().head().next_seq, 2, "it was not written twice");
    // The same, and then something else comes: it goes behind the unknown record.
    let head = claim.state().head().clone();
    journal.create(head.stream, 2, &stored(event, 3, &head)).await.unwrap();
    claim.record(&journal, at(4), closed(Status::Completed, all(AlreadyShared))).await.unwrap();
    assert_eq!(claim.state().head().next_seq, 4);
    assert!(journal.verify().await.unwrap().clean());
}

#[tokio::test]
async fn two_journals_on_one_directory_see_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (directory(dir.path()), directory(dir.path()));
    let mut claim = claim(&one, "first").await;
    assert!(matches!(two.open_request(plain("first", 2)).await.unwrap(), Opened::Existing(_)));
    claim.record(&one, at(1), deferred(9)).await.unwrap();
    let state = two.read(claim.state().stream()).await.unwrap().unwrap().into_state().unwrap();
    let (mut taken, _) = two.take(state, turn(9, 2)).await.unwrap().unwrap();
    taken.record(&two, at(10), closed(Status::Completed, all(Shared))).await.unwrap();
    let seen = one.read(taken.state().stream()).await.unwrap().unwrap();
    assert_eq!(seen.state().unwrap().status(), Status::Completed);
}

#[tokio::test]
async fn two_memories_are_two_journals() {
    let (one, two) = (memory(), memory());
    claim(&one, "first").await;
    assert!(matches!(two.open_request(plain("first", 2)).await.unwrap(), Opened::New(_)));
}

#[tokio::test]
async fn every_altered_byte_of_every_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let report = journal.verify().await.unwrap();
    assert_eq!((report.streams, report.records, report.clean()), (3, 7, true));
    let stores: BTreeMap<PathBuf, Vec<u8>> =
        files(dir.path()).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    for (path, good) in &stores {
        let stream: StreamId = path.parent().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap();
        let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
        for index in 0..good.len() {
            let mut bytes = good.clone();
            bytes[index] ^= 1 << (index % 8);
            fs::write(path, &bytes).unwrap();
            // The whole journal now and then, the stream each time: the walk is the same.
            let findings = if index % 97 == 0 {
                journal.verify().await.unwrap().findings
            } else {
                let error = journal.read(stream).await.unwrap_err();
                let JournalError::Damaged { finding, .. } = error else { panic!("{error}") };
                vec![*finding]
            };
            assert_eq!(findings.len(), 1, "byte {index} of {shown}");
            assert_eq!((findings[0].path.as_str(), findings[0].flaw.name()), (shown, "altered"));
        }
        for cut in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(path, &good[..cut]).unwrap();
            assert_eq!(names(&journal).await, ["altered"], "{shown} cut to {cut} bytes");
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
        let newest = !files(dir.path()).iter().any(|p| p.parent() == path.parent() && *p > path);
        fs::remove_file(&path).unwrap();
        let report = journal.verify().await.unwrap();
        if newest {
            assert!(report.clean(), "not detected by the chain alone: {:?}", report.findings);
        } else {
            let shown = path.strip_prefix(dir.path()).unwrap().to_str().unwrap();
            assert_eq!(report.findings.len(), 1);
            assert_eq!(
                (report.findings[0].path.as_str(), report.findings[0].flaw.name()),
                (shown, "missing")
            );
        }
        fs::write(&path, good).unwrap();
    }
}

#[tokio::test]
async fn a_removed_record_0_does_not_free_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let journal = small(dir.path()).await;
    let stream = StreamId::of(&identity("first"));
    let path = dir.path().join(format!("requests/{stream}/000000.json"));
    fs::remove_file(&path).unwrap();
    let error = journal.open_request(plain("first", 2)).await.unwrap_err();
    assert!(error.to_string().contains("000000.json (stream"), "{error}");
    assert!(!path.exists(), "nothing was written in its place");
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
                assert!(found.iter().all(|name| ["reordered", "foreign"].contains(name)), "{found:?}");
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
    let paths: Vec<&str> = report.findings.iter().map(|finding| finding.path.as_str()).collect();
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
    assert!(report.findings.iter().all(|finding| finding.flaw.name() == "foreign"));
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
    for garbage in [&b""[..], b"\n", b"{}\n{}\n", &[0xff; 64], &vec![b'['; 5_000_000]] {
        fs::write(folder.join("000000.json"), garbage).unwrap();
        for error in [
            journal.read(stream).await.map(|_| ()).unwrap_err(),
            journal.open_request(plain("first", 1)).await.map(|_| ()).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(matches!(error, JournalError::Damaged { .. }), "{text}");
            assert!(text.contains(&format!("requests/{stream}/000000.json")), "{text}");
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
    let next = dir.path().join(format!("requests/{}/{}", state.stream(), file_name(1)));
    fs::write(next, "garbage").unwrap();
    let error = claim.record(&journal, at(1), deferred(9)).await.unwrap_err();
    assert!(matches!(error, AppendError::Store(JournalError::Damaged { .. })), "{error}");
    let error = journal.take(state, turn(60, 2)).await.unwrap_err();
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
    assert_eq!((report.findings.len(), report.left_off, report.clean()), (1_000, 5, false));
}

#[tokio::test]
async fn a_place_that_cannot_be_made_is_refused_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for bad in [dir.path().join("file"), dir.path().join("file/journal"), PathBuf::from("/proc/none/journal")]
    {
        let location = JournalLocation::Directory(bad.clone());
        let error = Journal::open(&location, &Access::default()).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, JournalError::Place(_)), "{text}");
        assert!(text.contains(bad.to_str().unwrap()) && text.contains("name a directory"), "{text}");
    }
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_told_and_nothing_is_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    // A file where the folder would be refuses writers of every kind, also the system's administrator.
    fs::write(dir.path().join("requests"), "").unwrap();
    let error = journal.open_request(plain("first", 1)).await.unwrap_err();
    let JournalError::Store { doing, path, .. } = &error else { panic!("{error}") };
    assert!(["list", "create"].contains(doing) && path.starts_with("requests/"), "{error}");
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
    // The administrator may write all the same; then there is nothing to see here.
    let bound = fs::write(dir.path().join("probe"), "").is_err();
    let journal = directory(dir.path());
    let opened = journal.open_request(plain("second", 1)).await;
    let read = journal.read(state.stream()).await;
    mode(0o755);
    assert!(read.unwrap().is_some());
    if bound {
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("create requests/") && error.contains("let this process"), "{error}");
    }
}

#[tokio::test]
async fn a_directory_that_went_away_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let journal = directory(dir.path());
    journal.check().await.unwrap();
    dir.close().unwrap();
    assert!(journal.check().await.unwrap_err().to_string().contains("list requests failed"));
}

#[tokio::test]
async fn nothing_of_a_claim_is_shown_that_should_not_be() {
    let journal = memory();
    assert_eq!(format!("{journal:?}"), "Journal { place: Memory, .. }");
    let access = Access {
        variables: vec![("AWS_SECRET_ACCESS_KEY".into(), "very-secret-value".to_owned().into())],
        http: None,
    };
    assert!(!format!("{access:?}").contains("very-secret-value"));
    assert_eq!(Worker::from_random([0xab; 8]).as_str(), "abababababababab");
}
