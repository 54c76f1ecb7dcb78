//! `audit`: is the journal what was written? Verification, seals, and the key that checks them.

use std::path::Path;

use serde_json::json;

use crate::app::{open_journal, seal_journal, signer, signer_or_new};
use crate::clock;
use crate::config::Config;
use crate::domain::Problem;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::journal::seal::VerifierKey;
use crate::journal::{Access, Journal, JournalLocation, Report};

use super::args::{Audit, AuditVerifyOptions};
use super::{Context, audit_archive, audit_export, audit_proof, cannot_start};

/// A checkpoint or a proof is never larger.
pub(super) const MOST_BYTES: u64 = 8 * 1024 * 1024;

pub(super) async fn run(context: &Context, what: Audit) -> Exit {
    match what {
        Audit::Verify(options) => verify(context, &options).await,
        Audit::Seal => seal(context).await,
        Audit::Key => key(context).await,
        Audit::Export(options) => audit_export::run(context, &options).await,
        Audit::Prove { id, seq, archives } => {
            audit_proof::prove(context, &id, seq, &archives).await
        }
        Audit::Archive(options) => audit_archive::run(context, &options).await,
        Audit::CheckProof { file, key } => audit_proof::check(context, &file, &key),
    }
}

/// The configuration and its journal.
pub(super) fn opened(context: &Context) -> Result<(Config, Journal), Exit> {
    let config = context.load().map_err(|error| cannot_start(&error))?;
    let journal = open_journal(&config, &context.vars).map_err(|error| cannot_start(&error))?;
    Ok((config, journal))
}

/// The file's text, when it is not too large.
pub(super) fn text_of(path: &Path) -> Result<String, Exit> {
    let read = std::fs::metadata(path).and_then(|found| {
        if found.len() > MOST_BYTES {
            return Err(std::io::Error::other("it is too large"));
        }
        std::fs::read_to_string(path)
    });
    read.map_err(|error| failed(&format!("{} cannot be read: {error}", path.display())))
}

pub(super) fn failed(error: &str) -> Exit {
    eprintln!("sharehook: {error}");
    Exit::Failed
}

async fn verify(context: &Context, options: &AuditVerifyOptions) -> Exit {
    match try_verify(context, options).await {
        Ok((report, sealed)) => shown(context, &report, sealed, !options.archives.is_empty()),
        Err(exit) => exit,
    }
}

/// [`verify`] of the configured journal, for others to show.
pub(super) async fn examined(context: &Context) -> Result<(Report, bool), Exit> {
    try_verify(context, &AuditVerifyOptions::default()).await
}

/// The report, and whether the seals could be looked at.
async fn try_verify(
    context: &Context,
    options: &AuditVerifyOptions,
) -> Result<(Report, bool), Exit> {
    let wrong = |problem: Problem| failed(&problem.to_string());
    let given = options
        .key
        .as_deref()
        .map(str::parse::<VerifierKey>)
        .transpose()
        .map_err(|problem| {
            eprintln!("sharehook: {problem}");
            Exit::Usage
        })?;
    let (journal, configured) = match &options.journal {
        Some(place) => (open_at(context, "--journal", place)?, None),
        None => {
            let (config, journal) = opened(context)?;
            let configured = match given {
                Some(_) => None,
                None => signer(&config)
                    .map_err(wrong)?
                    .map(|signer| signer.verifier().clone()),
            };
            (journal, configured)
        }
    };
    let unreadable = |error| failed(&format!("the journal cannot be read: {error}"));
    let kept = options.checkpoint.as_deref().map(text_of).transpose()?;
    let archives = open_archives(context, &options.archives)?;
    let Some(key) = given.or(configured) else {
        if !archives.is_empty() {
            return Err(failed(
                "copies are checked by the seals, and those by their public key; give it with --key",
            ));
        }
        if kept.is_some() || journal.has_seals().await.map_err(unreadable)? {
            return Err(failed(
                "the seals cannot be checked without their public key; give it with --key",
            ));
        }
        return Ok((journal.verify().await.map_err(unreadable)?, false));
    };
    let report = journal
        .verify_archived(&key, kept.as_deref(), &archives)
        .await
        .map_err(unreadable)?;
    Ok((report, true))
}

/// The archives that `--archive` names.
pub(super) fn open_archives(context: &Context, places: &[String]) -> Result<Vec<Journal>, Exit> {
    places
        .iter()
        .map(|place| open_at(context, "--archive", place))
        .collect()
}

/// A journal without a configuration: an auditor has neither the senders' secrets nor the cloud's.
fn open_at(context: &Context, option: &str, place: &str) -> Result<Journal, Exit> {
    let location: JournalLocation = place.parse().map_err(|problem: Problem| {
        eprintln!("sharehook: {option}: {problem}");
        Exit::Usage
    })?;
    if let JournalLocation::Directory(dir) = &location
        && !dir.is_dir()
    {
        return Err(failed(&format!(
            "{} is not a directory; name one that holds a journal",
            dir.display()
        )));
    }
    let http = crate::app::http_client().map_err(|problem| failed(&problem.to_string()))?;
    let opened = Journal::open(&location, &Access::of(&context.vars, http));
    opened.map_err(|error| failed(&error.to_string()))
}

/// `sealed`: the seals were looked at; `copies`: the archives too.
fn shown(context: &Context, report: &Report, sealed: bool, copies: bool) -> Exit {
    let whole = report.clean();
    if context.json {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|f| json!({ "path": f.path, "stream": f.stream, "seq": f.seq, "flaw": f.flaw.name(), "what": f.flaw.to_string(), "remedy": f.flaw.remedy() }))
            .collect();
        let counts = json!({
            "streams": report.streams, "records": report.records, "left_off": report.left_off,
            "seals": report.seals, "sealed": report.sealed, "archived": report.archived,
        });
        outln!(
            "{}",
            json!({ "whole": whole, "counts": counts, "findings": findings })
        );
    } else if whole {
        outln!(
            "{} records of {} requests: every record is whole and in its place",
            report.records,
            report.streams
        );
        if sealed {
            let covered = report.sealed.saturating_sub(report.archived);
            let newer = report.records.saturating_sub(covered);
            outln!(
                "{} seals cover {covered} of them; {newer} are newer than the last seal",
                report.seals
            );
            if report.archived > 0 && copies {
                outln!(
                    "{} more are archived, and their copies are what was sealed",
                    report.archived
                );
            } else if report.archived > 0 {
                outln!(
                    "{} more are archived and not here; --archive PLACE checks their copies",
                    report.archived
                );
            }
            outln!(
                "(what no seal covers can be removed from its stream's end unseen; --checkpoint FILE shows whether seals were removed)"
            );
        } else {
            outln!(
                "(not sealed: the chain cannot see that the newest record of a request was removed)"
            );
        }
    } else {
        for finding in &report.findings {
            outln!("{finding}");
        }
        let all = report.left_off.saturating_add(report.findings.len() as u64);
        outln!("{all} findings; {} records are whole", report.records);
    }
    if whole { Exit::Done } else { Exit::Failed }
}

async fn seal(context: &Context) -> Exit {
    let (config, journal) = match opened(context) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let sealing = match seal_journal(&config, &journal, clock::system_now()).await {
        Ok(sealing) => sealing,
        Err(error) => return failed(&error.to_string()),
    };
    for finding in &sealing.left_out {
        eprintln!("not sealed, nor what follows it: {finding}");
    }
    if sealing.overtaken {
        eprintln!("another process was sealing at the same time; what it left is in the next seal");
    }
    if context.json {
        outln!(
            "{}",
            json!({ "sealed": sealing.sealed, "size": sealing.size, "checkpoint": sealing.checkpoint })
        );
    } else {
        eprintln!(
            "{} records sealed now, {} in all; the checkpoint:",
            sealing.sealed, sealing.size
        );
        outln!("{}", sealing.checkpoint.unwrap_or_default().trim_end());
    }
    if sealing.left_out.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    }
}

async fn key(context: &Context) -> Exit {
    let (config, journal) = match opened(context) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    match signer_or_new(&config, &journal).await {
        Ok(signer) if context.json => outln!("{}", json!({ "key": signer.verifier().to_string() })),
        Ok(signer) => outln!("{}", signer.verifier()),
        Err(error) => return failed(&error.to_string()),
    }
    Exit::Done
}
