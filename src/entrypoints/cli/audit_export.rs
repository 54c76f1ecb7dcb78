//! `audit export`: every record as OCSF events, as a table, or as it is. Stream by stream, each in
//! the order of its records, so its memory is one request's.

use std::io::{self, Write};

use crate::domain::{Problem, Timestamp};
use crate::entrypoints::reply::Exit;
use crate::journal::export::{CSV_HEADER, Entry, Origin};
use crate::journal::{File, Journal, Stored, StreamId};

use super::Context;
use super::args::{AuditExportOptions, ExportFormat};
use super::audit::{failed, opened};

/// The records that are wanted, by when they were written.
struct Span {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Span {
    fn of(options: &AuditExportOptions) -> Result<Self, Problem> {
        let read = |name: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
            let remedy = "write it as RFC 3339 does, as in 2026-11-21T08:00:00Z";
            parsed.map_err(|error| Problem::new(name, error.to_string(), remedy))
        };
        Ok(Self {
            since: read("--since", &options.since)?,
            until: read("--until", &options.until)?,
        })
    }

    fn holds(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

pub(super) async fn run(context: &Context, options: &AuditExportOptions) -> Exit {
    let span = match Span::of(options) {
        Ok(span) => span,
        Err(problem) => {
            eprintln!("sharehook: {problem}");
            return Exit::Usage;
        }
    };
    let (config, journal) = match opened(context) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let origin = Origin {
        site: config.cloud.site.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let streams = match journal.streams().await {
        Ok(streams) => streams,
        Err(error) => return failed(&error.to_string()),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut exit = Exit::Done;
    let mut elsewhere: u64 = 0;
    let begun = if options.format == ExportFormat::Csv {
        writeln!(out, "{CSV_HEADER}\r")
    } else {
        Ok(())
    };
    if begun.is_err() {
        return Exit::Failed;
    }
    for stream in streams {
        let (records, lines) = match read(&journal, stream).await {
            Ok((records, lines, None)) => (records, lines),
            Ok((records, lines, Some(why))) => {
                exit = failed(&format!("not all of this request is exported: {why}"));
                (records, lines)
            }
            Err(why) => {
                exit = failed(&format!("not exported: {why}"));
                continue;
            }
        };
        elsewhere = elsewhere.saturating_add(records.first().map_or(0, |stored| stored.record.seq));
        let wanted = Entry::all(&records).into_iter().zip(&lines);
        for (entry, line) in wanted.filter(|(entry, _)| span.holds(entry.stored.record.at)) {
            let written = match options.format {
                ExportFormat::Ocsf => writeln!(out, "{}", entry.ocsf(&origin)),
                ExportFormat::Csv => writeln!(out, "{}\r", entry.csv()),
                ExportFormat::Jsonl => writeln!(out, "{line}"),
            };
            // Whoever reads has had enough, or the disk is full.
            if let Err(error) = written {
                return failed(&format!("the export broke off: {error}"));
            }
        }
    }
    if elsewhere > 0 {
        eprintln!(
            "{elsewhere} records are archived and not here; an archive is exported as a journal: set `journal` to its place"
        );
    }
    match out.flush() {
        Ok(()) => exit,
        Err(error) => failed(&format!("the export broke off: {error}")),
    }
}

/// A stream's whole records with their lines, up to the first that is not what was written, and
/// what is wrong there.
async fn read(
    journal: &Journal,
    stream: StreamId,
) -> Result<(Vec<Stored>, Vec<String>, Option<String>), String> {
    let (mut chain, files) = journal
        .stored(stream)
        .await
        .map_err(|error| error.to_string())?;
    let (mut records, mut lines) = (Vec::new(), Vec::new());
    for bytes in &files {
        match chain.push(File::Bytes(bytes)) {
            Ok(stored) => records.push(stored),
            Err(finding) => return Ok((records, lines, Some(finding.to_string()))),
        }
        lines.push(
            String::from_utf8_lossy(bytes)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        );
    }
    Ok((records, lines, None))
}
