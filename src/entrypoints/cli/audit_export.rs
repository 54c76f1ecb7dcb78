//! `audit export`: prints the journal's records, or those of a period, as OCSF, CSV or JSON lines.
//! Prints the requests in the order of `Journal::newest_first`, and the records of each request in
//! order. Keeps only a few segments in memory, and the records of requests that began in older
//! segments.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::domain::Timestamp;
use crate::entrypoints::outcome::Exit;
use crate::journal::export::{CSV_HEADER, Entry, Origin};
use crate::journal::{Chain, Finding, JournalError, RequestFiles, Stored};

use super::audit_args::{AuditExportOptions, ExportFormat};
use super::print::{errln, note};
use super::reading::ReadJournal;
use super::{Context, Failure};

#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The output cannot be written. For example, the disk is full, or the pipe was closed.
    #[error(transparent)]
    Output(#[from] io::Error),
}

pub(super) async fn run(context: &Context, options: &AuditExportOptions) -> Result<Exit, Failure> {
    let read = ReadJournal::open(context, &options.place)?;
    if let (Some(since), Some(until)) = (options.since, options.until)
        && until <= since
    {
        return Err(Failure::usage("--until must be later than --since"));
    }
    let mut exit = Exit::Done;
    match export(&read, options, &mut exit).await {
        Ok(()) => {}
        Err(Stopped::Journal(error)) => return Err(error.into()),
        Err(Stopped::Output(error)) => note(Err(error)),
    }
    Ok(exit)
}

/// Prints the records. Sets `exit` to [`Exit::Failed`] if some records cannot be read.
async fn export(
    read: &ReadJournal,
    options: &AuditExportOptions,
    exit: &mut Exit,
) -> Result<(), Stopped> {
    let (since, until) = (options.since, options.until);
    let in_span = |at: Timestamp| {
        since.is_none_or(|since| since <= at) && until.is_none_or(|until| at < until)
    };
    let origin = Origin {
        site: read.config.as_ref().map(|c| c.cloud.site.to_string()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut all = read.journal.newest_first(read.now).await?;
    if options.format == ExportFormat::Csv {
        writeln!(out, "{CSV_HEADER}\r")?;
    }
    while let Some(batch) = all.next().await? {
        for error in &batch.flaws {
            errln!("sharehook: not exported: {error}");
            *exit = Exit::Failed;
        }
        for request in &batch.requests {
            let (records, flaw) = intact(request);
            if let Some(flaw) = flaw {
                errln!("sharehook: the export lacks records of a request: {flaw}");
                *exit = Exit::Failed;
            }
            let wanted = Entry::all(&records).into_iter().zip(&request.files);
            for (entry, file) in wanted.filter(|(entry, _)| in_span(entry.stored.record.at)) {
                match options.format {
                    ExportFormat::Ocsf => writeln!(out, "{}", entry.ocsf(&origin)),
                    ExportFormat::Csv => writeln!(out, "{}\r", entry.csv()),
                    ExportFormat::Jsonl => writeln!(out, "{}", first_line(file)),
                }?;
            }
        }
    }
    Ok(out.flush()?)
}

/// Returns the records before the first damaged record, and what is wrong with that record.
fn intact(request: &RequestFiles) -> (Vec<Stored>, Option<Finding>) {
    let mut chain = Chain::new(request.stream);
    let mut records = Vec::new();
    for file in &request.files {
        match chain.push(Ok(file)) {
            Ok(stored) => records.push(stored),
            Err(finding) => return (records, Some(finding)),
        }
    }
    (records, None)
}

fn first_line(file: &[u8]) -> Cow<'_, str> {
    let line = file.split(|byte| *byte == b'\n').next();
    String::from_utf8_lossy(line.unwrap_or_default())
}
