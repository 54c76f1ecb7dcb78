//! Helpers for the tests of the journal on directories and in memory.

mod claims;
pub(super) mod lives;
mod log;
mod notices;
mod other_places;
mod places;
mod remote;
pub(super) mod stand_in;
mod tampering;
mod workers;

use std::collections::BTreeMap;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::follow::write;
use super::objects::Created;
use super::*;
use crate::domain::ResultKind::{AlreadyShared, Cancelled, Shared};
use crate::domain::{ItemResult, ShareRequest, Status};
use crate::journal::record::{Event, Intent, Record, Stored, StreamId, VERSION, Worker, file_name};
use crate::journal::state::{Phase, State, StreamState, Subject, Work};
use crate::journal::testing::*;

fn directory(dir: &Path) -> Journal {
    Journal::open(
        &JournalLocation::Directory(dir.to_owned()),
        &Access::default(),
    )
    .unwrap()
}

fn memory() -> Journal {
    Journal::open(&JournalLocation::Memory, &Access::default()).unwrap()
}

fn lease(seconds: i64, who: u64) -> WorkerLease {
    WorkerLease {
        now: at(seconds),
        until: at(seconds + 60),
        worker: worker(who),
        owner: None,
    }
}

fn opening(id: &str, request: ShareRequest, who: u64) -> Opening {
    let intent = Intent {
        delivery_id: Some(format!("d-{who}")),
        ..intent(identity(id), request, None)
    };
    Opening {
        intent,
        lease: lease(0, who),
    }
}

fn plain(id: &str, who: u64) -> Opening {
    opening(id, request(json!({})), who)
}

/// Opens a request unless it is known, as the application does, but without reading the cloud.
pub(in super::super) async fn deliver(
    journal: &Journal,
    opening: Opening,
) -> Result<Opened, JournalError> {
    let stream = StreamId::of(&opening.intent.identity);
    match journal.look_up(stream).await? {
        Some(StreamState::Request(state)) => Ok(Opened::Existing(state)),
        Some(StreamState::Incident(_)) => Err(JournalError::NotARequest { stream }),
        None => journal.open_request(opening, true, ready(Ok(None))).await,
    }
}

async fn claim(journal: &Journal, id: &str) -> Claim {
    match deliver(journal, plain(id, 1)).await.unwrap() {
        Opened::New(claim, _) => *claim,
        other => panic!("{other:?}"),
    }
}

async fn take(journal: &Journal, state: State, seconds: i64, who: u64) -> Option<(Claim, Work)> {
    let taken = journal.take(state, lease(seconds, who), None, false);
    taken.await.unwrap()
}

fn all(kind: crate::domain::ResultKind) -> Vec<ItemResult> {
    let mut results: Vec<ItemResult> = (0..3).map(|n| result(account(n), kind.clone())).collect();
    results.insert(0, result(lighthouse(), available()));
    results
}

/// Carries a request out and closes it, which writes three records.
async fn finished(journal: &Journal, id: &str) -> State {
    let mut claim = claim(journal, id).await;
    claim
        .record(journal, at(1), progress(all(Shared)))
        .await
        .unwrap();
    claim
        .record(journal, at(2), closed(Status::Completed, all(Shared)))
        .await
        .unwrap();
    claim.state().clone()
}

/// Makes a journal with two requests and a conflict.
async fn small(dir: &Path) -> Journal {
    let journal = directory(dir);
    finished(&journal, "first").await;
    finished(&journal, "second").await;
    let other = opening("first", request(json!({"reason": "another"})), 9);
    journal.record_conflict(other).await.unwrap();
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
    journal
        .verify()
        .await
        .unwrap()
        .findings
        .iter()
        .map(|finding| finding.flaw.name())
        .collect()
}
