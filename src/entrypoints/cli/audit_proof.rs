//! `audit prove` and `audit check-proof`: one record's place in the sealed journal, shown to
//! somebody who has only the public key.

use std::path::Path;

use serde_json::json;

use crate::app::signer;
use crate::domain::Identity;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::journal::seal::{Proof, VerifierKey};
use crate::journal::{Event, Journal, JournalError, StreamId};

use super::Context;
use super::audit::{failed, open_archives, opened, text_of};

pub(super) async fn prove(
    context: &Context,
    id: &str,
    seq: Option<u64>,
    archives: &[String],
) -> Exit {
    let (config, journal) = match opened(context) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let signer = match signer(&config) {
        Ok(Some(signer)) => signer,
        Ok(None) => {
            return failed("nothing is sealed yet: run `sharehook audit seal`");
        }
        Err(problem) => return failed(&problem.to_string()),
    };
    let streams = match named(&journal, id).await {
        Ok(streams) => streams,
        Err(error) => return failed(&error.to_string()),
    };
    let stream = match streams.as_slice() {
        [] => {
            return failed(&format!(
                "the journal holds no request {id:?}; `sharehook requests` lists them"
            ));
        }
        [one] => *one,
        _ => {
            eprintln!("sharehook: {id:?} is the id of several requests; write it as source/id");
            return Exit::Usage;
        }
    };
    let archives = match open_archives(context, archives) {
        Ok(archives) => archives,
        Err(exit) => return exit,
    };
    match journal
        .prove_archived(signer.verifier(), stream, seq, &archives)
        .await
    {
        Ok(Some(proof)) => {
            outln!("{:#}", json!(proof));
            Exit::Done
        }
        Ok(None) if let Some(place) = archived_to(&journal, stream, seq).await => failed(&format!(
            "that record was archived to {place} and removed from the journal; give --archive {place}"
        )),
        Ok(None) => failed(
            "no seal covers that record as it is now; run `sharehook audit seal`, then `sharehook audit verify`",
        ),
        Err(error) => failed(&error.to_string()),
    }
}

/// Where a record was copied to that is not in the journal any more.
async fn archived_to(journal: &Journal, stream: StreamId, seq: Option<u64>) -> Option<String> {
    let history = journal.read(stream).await.ok()??;
    let first = &history.records.first()?.record;
    match &first.event {
        Event::Archived(archive) if seq? < first.seq => Some(archive.copied_to.clone()),
        _ => None,
    }
}

/// The streams that a person may mean: by stream, by source and id, by id alone.
async fn named(journal: &Journal, id: &str) -> Result<Vec<StreamId>, JournalError> {
    if let Ok(stream) = id.parse::<StreamId>() {
        return Ok(vec![stream]);
    }
    if let Some((source, id)) = id.split_once('/')
        && let Ok(source) = source.parse()
    {
        let stream = StreamId::of(&Identity {
            source,
            id: id.to_owned(),
        });
        if journal.read(stream).await?.is_some() {
            return Ok(vec![stream]);
        }
    }
    let mut found = Vec::new();
    for stream in journal.streams().await? {
        let history = journal.read(stream).await?;
        if history
            .as_ref()
            .and_then(|history| history.state())
            .is_some_and(|s| s.identity().id == id)
        {
            found.push(stream);
        }
    }
    Ok(found)
}

pub(super) fn check(context: &Context, file: &Path, key: &str) -> Exit {
    let key: VerifierKey = match key.parse() {
        Ok(key) => key,
        Err(problem) => {
            eprintln!("sharehook: --key: {problem}");
            return Exit::Usage;
        }
    };
    let text = match text_of(file) {
        Ok(text) => text,
        Err(exit) => return exit,
    };
    let checked = Proof::read(&text)
        .and_then(|proof| proof.check(&key).map(|checkpoint| (proof, checkpoint)));
    match checked {
        Ok((proof, checkpoint)) => {
            let (stream, seq) = proof.about();
            if context.json {
                outln!(
                    "{}",
                    json!({ "proven": true, "stream": stream, "seq": seq, "sealed_at": checkpoint.at, "size": checkpoint.size })
                );
            } else {
                outln!(
                    "proven: record {seq} of stream {stream} is one of {} records that {} sealed, the last at {}",
                    checkpoint.size,
                    key.name(),
                    checkpoint.at
                );
                outln!("{}", proof.record());
            }
            Exit::Done
        }
        Err(flaw) => {
            if context.json {
                outln!("{}", json!({ "proven": false, "why": flaw.to_string() }));
            }
            eprintln!("sharehook: not proven: {flaw}");
            Exit::Refused
        }
    }
}
