//! `audit`: verifies and seals the journal, prints its public key, and introduces a new key. The
//! files `audit_*.rs` have the other subcommands of `audit`.

use serde_json::json;

use crate::app::{SealKeyRotation, fetch_secret, rotate_seal_key, seal_journal, signer_or_new};
use crate::clock;
use crate::entrypoints::cli::print::{errln, out, outln};
use crate::entrypoints::outcome::Exit;
use crate::journal::{LogPart, Report};

use super::audit_args::{Audit, AuditVerifyOptions};
use super::audit_input::{checkpoint_of, opened, opened_to_read, verifier};
use super::reading::ReadJournal;
use super::terminal::{counting, during};
use super::{Context, Failure, audit_export, audit_proof, audit_retire};

pub(super) async fn run(context: &Context, what: Audit) -> Result<Exit, Failure> {
    match what {
        Audit::Verify(options) => verify(context, &options).await,
        Audit::Seal => seal(context).await,
        Audit::Key => key(context).await,
        Audit::Export(options) => audit_export::run(context, &options).await,
        Audit::Prove(options) => audit_proof::prove(context, &options).await,
        Audit::Retire(options) => audit_retire::run(context, &options).await,
        Audit::RotateKey { to } => rotate_key(context, &to).await,
        Audit::CheckProof { file, key } => audit_proof::check(context, &file, &key),
    }
}

async fn verify(context: &Context, options: &AuditVerifyOptions) -> Result<Exit, Failure> {
    let read = ReadJournal::open(context, &options.place)?;
    match read.why_empty() {
        // A key is that of an existing journal, so the place is wrong.
        Some(why) if options.key.is_some() => return Err(Failure::Failed(why)),
        why => why.iter().for_each(|why| errln!("{why}")),
    }
    let (report, sealed) = verified(&read, options).await?;
    Ok(shown(context, &report, sealed, options))
}

/// Verifies the journal. Returns the report, and whether the seals were also verified.
async fn verified(
    read: &ReadJournal,
    options: &AuditVerifyOptions,
) -> Result<(Report, bool), Failure> {
    let key = verifier(&options.key, read)?;
    let kept = options
        .checkpoint
        .as_deref()
        .map(checkpoint_of)
        .transpose()?;
    let journal = &read.journal;
    let Some(key) = key else {
        if options.sealed || kept.is_some() || journal.has_seals().await? {
            return Err(Failure::failed(
                "the seals can only be checked with their public key; give it with --key",
            ));
        }
        let verifying = counting("verifying", journal.work_done(), journal.verify());
        return Ok((verifying.await?, false));
    };
    let report = if options.sealed {
        during("verifying", journal.verify_segments(&key, kept.as_deref())).await?
    } else {
        let verifying = journal.verify_sealed(&key, kept.as_deref());
        counting("verifying", journal.work_done(), verifying).await?
    };
    Ok((report, true))
}

/// Prints the report. `sealed` says whether the seals were verified. If the user gave the option
/// `--sealed`, only the log's segments were verified, not the files below `requests/`.
fn shown(context: &Context, report: &Report, sealed: bool, options: &AuditVerifyOptions) -> Exit {
    let whole = report.clean();
    if context.json {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|f| json!({ "path": f.path, "stream": f.stream, "seq": f.seq, "flaw": f.flaw.name(), "what": f.flaw.to_string(), "remedy": f.flaw.remedy() }))
            .collect();
        let counts = json!({
            "streams": report.streams, "records": report.records, "left_off": report.left_off,
            "seals": report.seals, "sealed": report.sealed, "retired": report.retired,
        });
        let compared = report.log_part != LogPart::FirstSeals;
        out(
            json!({ "whole": whole, "all_seals_compared": compared, "counts": counts, "findings": findings }),
        );
    } else if whole {
        let (records, streams) = (report.records, report.streams);
        if options.sealed {
            outln!(
                "sealed records: {records}, requests: {streams}; each record matches what was signed"
            );
        } else {
            outln!(
                "records: {records}, requests: {streams}; every record is whole and in its place"
            );
        }
        if sealed {
            let covered = report.sealed.saturating_sub(report.retired);
            let newer = records.saturating_sub(covered);
            outln!(
                "seals: {}; records that they cover: {covered}; newer records: {newer}",
                report.seals
            );
            if report.retired > 0 {
                outln!(
                    "records of retired requests: {}; the segments have them as they were sealed",
                    report.retired
                );
            }
            let hint = match options.checkpoint {
                None => ";\n --checkpoint FILE shows whether seals were removed",
                Some(_) => "",
            };
            outln!("(the removal of a request's newest unsealed records cannot be detected{hint})");
        } else {
            outln!("(not sealed: the removal of a request's newest records cannot be detected)");
        }
    } else {
        for finding in &report.findings {
            outln!("{finding}");
        }
        let all = report.left_off.saturating_add(report.findings.len() as u64);
        outln!("findings: {all}; intact records: {}", report.records);
        if report.log_part == LogPart::FirstSeals {
            outln!(
                "(compared with the log only up to seal {}: restore the log and verify again)",
                report.seals
            );
        }
    }
    Exit::done_if(whole)
}

async fn seal(context: &Context) -> Result<Exit, Failure> {
    let (config, journal) = opened(context)?;
    let sealing = Box::pin(seal_journal(&config, &journal, clock::system_now()));
    let sealing = during("sealing", sealing).await?;
    for finding in &sealing.left_out {
        errln!("a record was not sealed, nor were the later records of its stream: {finding}");
    }
    if context.json {
        out(
            json!({ "sealed": sealing.sealed, "size": sealing.size, "checkpoint": sealing.checkpoint }),
        );
    } else {
        errln!(
            "records sealed now: {}, in all: {}; the checkpoint:",
            sealing.sealed,
            sealing.size
        );
        outln!("{}", sealing.checkpoint.unwrap_or_default().trim_end());
    }
    Ok(Exit::done_if(sealing.left_out.is_empty()))
}

async fn key(context: &Context) -> Result<Exit, Failure> {
    let (config, journal) = opened_to_read(context)?;
    let signer = signer_or_new(&config, &journal).await?;
    if context.json {
        out(json!({ "key": signer.verifier().to_string() }));
    } else {
        outln!("{}", signer.verifier());
    }
    Ok(Exit::Done)
}

async fn rotate_key(context: &Context, to: &str) -> Result<Exit, Failure> {
    let (config, journal) = opened(context)?;
    let vars = &context.vars;
    let fetched = fetch_secret(to, vars).await;
    let rotation = rotate_seal_key(&config, &journal, vars, &fetched, to).await?;
    let SealKeyRotation { key, checkpoint } = rotation;
    if context.json {
        out(json!({ "key": key.to_string(), "checkpoint": checkpoint }));
    } else {
        errln!("signed by the old key; set [seal] key to the new one, whose public key is:");
        outln!("{key}");
    }
    Ok(Exit::Done)
}
