//! `audit prove` prints a proof that a request is in the sealed journal, or that one checkpoint
//! continues another. `audit check-proof` checks such a proof with only the public key.

use std::path::Path;

use serde_json::json;

use crate::app::find_requests;
use crate::domain::Verdict;
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::outcome::Exit;
use crate::journal::log::{Checkpoint, ConsistencyProof, Proof, ProofFlaw, VerifierKey};
use crate::journal::{Event, History, State, StreamId};

use super::audit_args::AuditProveOptions;
use super::audit_input::{checkpoint_of, text_of, verifier};
use super::reading::{ReadJournal, only, warned};
use super::terminal::during;
use super::terminal::text::wrapped;
use super::{Context, Failure};

pub(super) async fn prove(context: &Context, options: &AuditProveOptions) -> Result<Exit, Failure> {
    let read = ReadJournal::open(context, &options.place)?;
    let key = verifier(&options.key, &read)?.ok_or_else(|| {
        Failure::failed(
            "a proof needs the public key of the seals: give it with --key; if nothing is sealed yet, run `sharehook audit seal`",
        )
    })?;
    match (&options.id, &options.since) {
        (_, Some(old)) => consistency(context, &read, &key, old).await,
        (Some(id), None) => request(context, &read, &key, id).await,
        (None, None) => Err(Failure::usage(
            "name a request, or a checkpoint with --since",
        )),
    }
}

async fn request(
    context: &Context,
    read: &ReadJournal,
    key: &VerifierKey,
    id: &str,
) -> Result<Exit, Failure> {
    let stream = match id.parse() {
        Ok(stream) => stream,
        Err(_) => stream_of(read, id).await?,
    };
    let proof = during("reading the log", read.journal.prove(key, stream)).await?;
    let Some(proof) = proof else {
        if read.journal.files(stream).await?.is_empty() {
            return Err(Failure::Failed(format!(
                "the journal has no stream {stream}; `sharehook explain ID` names the stream of a request"
            )));
        }
        return Err(Failure::failed(
            "no seal covers that request as it is now; run `sharehook audit seal`, then `sharehook audit verify`",
        ));
    };
    context.print(&json!(proof));
    Ok(Exit::Done)
}

async fn consistency(
    context: &Context,
    read: &ReadJournal,
    key: &VerifierKey,
    old: &Path,
) -> Result<Exit, Failure> {
    let old = checkpoint_of(old)?;
    let proof = read.journal.prove_consistency(key, &old).await?;
    let Some(proof) = proof else {
        return Err(Failure::failed(
            "the log does not continue that checkpoint: run `sharehook audit verify` with --checkpoint",
        ));
    };
    context.print(&json!(proof));
    Ok(Exit::Done)
}

async fn stream_of(read: &ReadJournal, id: &str) -> Result<StreamId, Failure> {
    let found = find_requests(&read.journal, id, read.now).await?;
    warned(&found);
    let name = |state: &State| state.identity().to_string();
    only(&found, id, name, read).map(State::stream)
}

pub(super) fn check(context: &Context, file: &Path, key: &VerifierKey) -> Result<Exit, Failure> {
    let text = text_of(file)?;
    // If the text is no consistency proof, treat it as the proof of a request. So if it is neither,
    // the error says that it is a malformed proof of a request.
    let shown = match ConsistencyProof::read(&text) {
        Ok(proof) => proof
            .check(key)
            .map(|(old, new)| Shown::of_consistency(&old, &new)),
        Err(_) => Proof::read(&text).and_then(|proof| Shown::of_request(&proof, key)),
    };
    let Shown { json, text } = shown.map_err(|flaw| {
        if context.json {
            out(json!({ "proven": false, "why": flaw.to_string() }));
        }
        Failure::Refused(format!("not proven: {flaw}"))
    })?;
    if context.json {
        outln!("{json}");
    } else {
        outln!("{text}");
    }
    Ok(Exit::Done)
}

/// A description of what was proven, as JSON for programs and as text for people.
struct Shown {
    json: serde_json::Value,
    text: String,
}

impl Shown {
    fn of_consistency(old: &Checkpoint, new: &Checkpoint) -> Self {
        Self {
            json: json!({ "proven": true, "old_size": old.size, "size": new.size, "sealed_at": new.at }),
            text: format!(
                "proven: the log of {} entries, sealed at {:.0}, continues that of {} entries, sealed at {:.0}",
                new.size, new.at, old.size, old.at
            ),
        }
    }

    /// Checks that the log's tree has the proof's records, and that the records follow each other
    /// without a gap from record 0 on.
    fn of_request(proof: &Proof, key: &VerifierKey) -> Result<Self, ProofFlaw> {
        let checkpoint = proof.check(key)?;
        let files: Vec<&str> = proof.files().collect();
        let history = History::of(proof.stream(), &files)
            .map_err(|finding| ProofFlaw::Malformed(finding.to_string()))?
            .ok_or_else(|| ProofFlaw::Malformed("it has no record".to_owned()))?;
        let (stream, records) = (proof.stream(), files.len());
        let (size, at) = (checkpoint.size, checkpoint.at);
        let sealed = format!(
            "{} sealed them; its log has {size} entries, sealed at {at:.0}",
            checkpoint.origin
        );
        let plural = if records == 1 { "" } else { "s" };
        let mut text = format!(
            "proven: {records} record{plural} of stream {stream}\n  {}",
            wrapped(2, &sealed)
        );
        if let Some(Event::Opened(intent)) = history.records.first().map(|one| &one.record.event) {
            let request = &intent.request;
            let decision = decision(&intent.verdict);
            let approvers = match request.approvers.as_slice() {
                [] => "none".to_owned(),
                approvers => approvers.join(", "),
            };
            let by = format!(
                "asked by {}, approved by {approvers}, {decision}",
                request.requester
            );
            text.push_str(&format!(
                "\n{}: {} {}\n  {}",
                intent.identity,
                request.action.as_str(),
                request.target.image(),
                wrapped(2, &by)
            ));
        }
        for stored in &history.records {
            if let Event::Reopened(reopening) = &stored.record.event {
                let (by, reason) = (&reopening.by, &reopening.reason);
                let decision = decision(&reopening.verdict);
                let reopened = format!("reopened by {by}: {reason}; {decision}");
                text.push_str(&format!("\n{}", wrapped(2, &reopened)));
            }
        }
        // Append the records themselves, one per line, so that programs can read them too.
        for line in files.iter().filter_map(|file| file.lines().next()) {
            text += &format!("\n{line}");
        }
        Ok(Self {
            json: json!({ "proven": true, "stream": stream, "records": records, "sealed_at": at, "size": size }),
            text,
        })
    }
}

fn decision(verdict: &Verdict) -> String {
    let word = if verdict.allowed { "allowed" } else { "denied" };
    match verdict.policies.as_slice() {
        [] => word.to_owned(),
        policies => format!("{word} by {}", policies.join(", ")),
    }
}
