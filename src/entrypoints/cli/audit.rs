//! `audit`: verifies and seals the journal, and prints the public key that checks the seals.

use serde_json::json;

use crate::app::{seal_journal, signer, signer_or_new};
use crate::clock;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::outcome::Exit;
use crate::journal::Report;
use crate::journal::seal::VerifierKey;

use super::args::{Audit, AuditVerifyOptions};
use super::audit_input::{open_archives, open_at, opened, text_of};
use super::{Context, Failure, audit_archive, audit_export, audit_proof};

pub(super) async fn run(context: &Context, what: Audit) -> Result<Exit, Failure> {
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

async fn verify(context: &Context, options: &AuditVerifyOptions) -> Result<Exit, Failure> {
    let (report, sealed) = verified(context, options).await?;
    Ok(shown(
        context,
        &report,
        sealed,
        !options.archives.is_empty(),
    ))
}

/// Verifies the configured journal, for other commands that show the result.
pub(super) async fn examined(context: &Context) -> Result<(Report, bool), Failure> {
    verified(context, &AuditVerifyOptions::default()).await
}

/// Returns the report, and whether it includes the seals.
async fn verified(
    context: &Context,
    options: &AuditVerifyOptions,
) -> Result<(Report, bool), Failure> {
    let given = options.key.as_deref().map(str::parse::<VerifierKey>);
    let given = given.transpose().map_err(Failure::usage)?;
    let (journal, configured) = match &options.journal {
        Some(place) => (open_at(context, "--journal", place)?, None),
        None => {
            let (config, journal) = opened(context)?;
            let configured = match given {
                Some(_) => None,
                None => signer(&config)?.map(|signer| signer.verifier().clone()),
            };
            (journal, configured)
        }
    };
    let kept = options.checkpoint.as_deref().map(text_of).transpose()?;
    let archives = open_archives(context, &options.archives)?;
    let Some(key) = given.or(configured) else {
        if !archives.is_empty() {
            return Err(Failure::failed(
                "archived copies can only be checked with the public key of the seals; give it with --key",
            ));
        }
        if kept.is_some() || journal.has_seals().await? {
            return Err(Failure::failed(
                "the seals can only be checked with their public key; give it with --key",
            ));
        }
        return Ok((journal.verify().await?, false));
    };
    let report = journal
        .verify_archived(&key, kept.as_deref(), &archives)
        .await?;
    Ok((report, true))
}

/// Prints the report. `sealed`: it includes the seals; `copies`: it includes the archives.
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
            "{} records of {} requests: all records are intact and in order",
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
                    "{} more are archived; their copies match the seals",
                    report.archived
                );
            } else if report.archived > 0 {
                outln!(
                    "{} more are only in an archive; --archive PLACE checks them",
                    report.archived
                );
            }
            outln!(
                "(the removal of a request's newest unsealed records cannot be detected;\n --checkpoint FILE shows whether seals were removed)"
            );
        } else {
            outln!("(not sealed: the removal of a request's newest records cannot be detected)");
        }
    } else {
        for finding in &report.findings {
            outln!("{finding}");
        }
        let all = report.left_off.saturating_add(report.findings.len() as u64);
        outln!("{all} findings; {} records are intact", report.records);
    }
    if whole { Exit::Done } else { Exit::Failed }
}

async fn seal(context: &Context) -> Result<Exit, Failure> {
    let (config, journal) = opened(context)?;
    let sealing = seal_journal(&config, &journal, clock::system_now()).await?;
    for finding in &sealing.left_out {
        eprintln!("not sealed, nor are the later records of its request: {finding}");
    }
    if sealing.overtaken {
        eprintln!(
            "another process sealed at the same time; the next seal covers the remaining records"
        );
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
    Ok(if sealing.left_out.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

async fn key(context: &Context) -> Result<Exit, Failure> {
    let (config, journal) = opened(context)?;
    let signer = signer_or_new(&config, &journal).await?;
    if context.json {
        outln!("{}", json!({ "key": signer.verifier().to_string() }));
    } else {
        outln!("{}", signer.verifier());
    }
    Ok(Exit::Done)
}
