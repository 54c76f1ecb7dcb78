//! `audit verify`: is the journal what was written?

use serde_json::json;

use crate::app::open_journal;
use crate::entrypoints::reply::Exit;

use super::{Context, cannot_start};

pub(super) async fn verify(context: &Context) -> Exit {
    let journal = match context.load().map(|config| open_journal(&config, &context.vars)) {
        Ok(Ok(journal)) => journal,
        Ok(Err(error)) | Err(error) => return cannot_start(&error),
    };
    let report = match journal.verify().await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("sharehook: the journal cannot be read: {error}");
            return Exit::Failed;
        }
    };
    let whole = report.clean();
    if context.json {
        let findings: Vec<_> = report
            .findings
            .iter()
            .map(|f| json!({ "path": f.path, "stream": f.stream, "seq": f.seq, "what": f.flaw.to_string(), "remedy": f.flaw.remedy() }))
            .collect();
        let counts =
            json!({ "streams": report.streams, "records": report.records, "left_off": report.left_off });
        println!("{}", json!({ "whole": whole, "counts": counts, "findings": findings }));
    } else if whole {
        println!(
            "{} records of {} requests: every record is whole and in its place",
            report.records, report.streams
        );
        println!("(the chain cannot see that the newest record of a request was removed)");
    } else {
        for finding in &report.findings {
            println!("{finding}");
        }
        let all = report.left_off.saturating_add(report.findings.len() as u64);
        println!("{all} findings; {} records are whole", report.records);
    }
    if whole { Exit::Done } else { Exit::Failed }
}
