//! `audit prove` and `audit check-proof`: prove that a record is in the sealed journal, to a person
//! who has only the public key.

use std::path::Path;

use serde_json::json;

use crate::app::signer;
use crate::domain::Identity;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;
use crate::journal::seal::{Proof, VerifierKey};
use crate::journal::{Event, Journal, JournalError, StreamId};

use super::audit_input::{open_archives, opened, text_of};
use super::{Context, Failure};

pub(super) async fn prove(
    context: &Context,
    id: &str,
    seq: Option<u64>,
    archives: &[String],
) -> Result<Exit, Failure> {
    let (config, journal) = opened(context)?;
    let Some(signer) = signer(&config)? else {
        return Err(Failure::failed(
            "the journal has no seals yet: run `sharehook audit seal`",
        ));
    };
    let stream = match named(&journal, id).await?.as_slice() {
        [] => {
            return Err(Failure::Failed(format!(
                "the journal has no request {id:?}; `sharehook requests` lists them"
            )));
        }
        [one] => *one,
        _ => {
            return Err(Failure::Usage(format!(
                "several requests have the id {id:?}; write it as source/id"
            )));
        }
    };
    let archives = open_archives(context, archives)?;
    let proof = journal
        .prove_archived(signer.verifier(), stream, seq, &archives)
        .await?;
    if let Some(proof) = proof {
        outln!("{:#}", json!(proof));
        return Ok(Exit::Done);
    }
    Err(match archived_to(&journal, stream, seq).await {
        Some(place) => Failure::Failed(format!(
            "the record was moved to the archive {place}; repeat the command with --archive {place}"
        )),
        None => Failure::failed(
            "no seal covers the current content of the record; run `sharehook audit seal`, then `sharehook audit verify`",
        ),
    })
}

/// The archive of a record that was removed from the journal.
async fn archived_to(journal: &Journal, stream: StreamId, seq: Option<u64>) -> Option<String> {
    let history = journal.read(stream).await.ok()??;
    let first = &history.records.first()?.record;
    match &first.event {
        Event::Archived(archive) if seq? < first.seq => Some(archive.copied_to.clone()),
        _ => None,
    }
}

/// The streams with this name, with this source and request id, or with this request id.
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

pub(super) fn check(context: &Context, file: &Path, key: &str) -> Result<Exit, Failure> {
    let key: VerifierKey = key
        .parse()
        .map_err(|problem| Failure::Usage(format!("--key: {problem}")))?;
    let text = text_of(file)?;
    let checked = Proof::read(&text)
        .and_then(|proof| proof.check(&key).map(|checkpoint| (proof, checkpoint)));
    let (proof, checkpoint) = checked.map_err(|flaw| {
        if context.json {
            outln!("{}", json!({ "proven": false, "why": flaw.to_string() }));
        }
        Failure::Refused(format!("not proven: {flaw}"))
    })?;
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
    Ok(Exit::Done)
}
