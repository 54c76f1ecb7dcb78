//! `audit export`: prints every record as OCSF, CSV or JSON lines. Reads one stream at a time, in
//! the order of its records, so it holds one request in memory.

use std::io::{self, Write};

use crate::domain::{Problem, Timestamp};
use crate::entrypoints::outcome::Exit;
use crate::journal::export::{CSV_HEADER, Entry, Origin};
use crate::journal::{Chain, File, Finding, Journal, JournalError, Stored, StreamId};

use super::args::{AuditExportOptions, ExportFormat};
use super::audit_input::opened;
use super::{Context, Failure};

/// The period whose records to export.
struct Span {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Span {
    fn of(options: &AuditExportOptions) -> Result<Self, Problem> {
        let read = |name: &str, text: &Option<String>| {
            let parsed = text.as_deref().map(str::parse::<Timestamp>).transpose();
            let remedy = "write the time in RFC 3339, as in 2026-11-21T08:00:00Z";
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

pub(super) async fn run(context: &Context, options: &AuditExportOptions) -> Result<Exit, Failure> {
    let span = Span::of(options).map_err(Failure::usage)?;
    let (config, journal) = opened(context)?;
    let origin = Origin {
        site: config.cloud.site.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    // The program that reads the output has closed the pipe, or the disk is full.
    let broken = |error: io::Error| Failure::Failed(format!("the export stopped: {error}"));
    let mut exit = Exit::Done;
    let streams = journal.streams().await?;
    if options.format == ExportFormat::Csv {
        writeln!(out, "{CSV_HEADER}\r").map_err(broken)?;
    }
    for stream in streams {
        let Lines {
            records,
            lines,
            flaw,
        } = match read(&journal, stream).await {
            Ok(read) => read,
            Err(error) => {
                eprintln!("sharehook: not exported: {error}");
                exit = Exit::Failed;
                continue;
            }
        };
        if let Some(flaw) = flaw {
            eprintln!("sharehook: the export lacks records of a request: {flaw}");
            exit = Exit::Failed;
        }
        let wanted = Entry::all(&records).into_iter().zip(&lines);
        for (entry, line) in wanted.filter(|(entry, _)| span.holds(entry.stored.record.at)) {
            match options.format {
                ExportFormat::Ocsf => writeln!(out, "{}", entry.ocsf(&origin)),
                ExportFormat::Csv => writeln!(out, "{}\r", entry.csv()),
                ExportFormat::Jsonl => writeln!(out, "{line}"),
            }
            .map_err(broken)?;
        }
    }
    out.flush().map_err(broken)?;
    Ok(exit)
}

/// The intact records of a stream with their lines, up to the first damaged one.
struct Lines {
    records: Vec<Stored>,
    lines: Vec<String>,
    flaw: Option<Finding>,
}

async fn read(journal: &Journal, stream: StreamId) -> Result<Lines, JournalError> {
    let files = journal.files(stream).await?;
    let mut chain = Chain::new(stream);
    let mut read = Lines {
        records: Vec::new(),
        lines: Vec::new(),
        flaw: None,
    };
    for bytes in &files {
        match chain.push(File::Bytes(bytes)) {
            Ok(stored) => read.records.push(stored),
            Err(finding) => {
                read.flaw = Some(finding);
                break;
            }
        }
        let text = String::from_utf8_lossy(bytes);
        let line = text.lines().next().unwrap_or_default();
        read.lines.push(line.to_owned());
    }
    Ok(read)
}
