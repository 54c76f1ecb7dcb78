//! Exports a record as a row of CSV (RFC 4180) for spreadsheets. The cells contain text from
//! tickets, so a cell that a spreadsheet would run as a formula gets a leading apostrophe, and
//! invisible characters are escaped.

use std::collections::BTreeSet;

use super::entry::Entry;
use super::meaning::joined;
use crate::domain::{Verdict, visible};
use crate::journal::record::{CallNote, Event};

/// The first row: the names of the columns.
pub const HEADER: &str = "at,request,record,event,outcome,action,image,region,accounts,requester,approvers,ticket,reason,\
                          expires_at,policies,results,calls,stream,sha256,policy_digest,body_digest,map_digest,\
                          config_digest,version,owner,accepted_approvers";

impl Entry<'_> {
    /// Returns the record as a row of the table under [`HEADER`], without a line feed at its end.
    pub fn csv(&self) -> String {
        let cells = cells(self);
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        cells.join(",")
    }
}

fn cells(entry: &Entry<'_>) -> [String; 26] {
    let record = &entry.stored.record;
    let (results, calls) = record.event.parts();
    let meaning = entry.meaning();
    let identity = match (&record.event, entry.intent) {
        (Event::Conflict(conflict), _) => conflict.identity.to_string(),
        (Event::Rejected(rejection), _) => rejection.source.to_string(),
        (Event::Drifted(_), _) => "drift".to_owned(),
        (_, Some(intent)) => intent.identity.to_string(),
        (_, None) => match entry.announcement {
            Some(named) => format!("{}/{}", named.source, named.delivery_id),
            None => String::new(),
        },
    };
    let received = entry.received();
    let request = entry.intent.map(|intent| &intent.request);
    let expires_at = entry.intent.and_then(|intent| intent.expires_at);
    let text = |of: Option<String>| of.unwrap_or_default();
    let accounts = request.map(|r| {
        let lighthouse = r.target.lighthouse().then(|| "Lighthouse".to_owned());
        let accounts = r.target.accounts().iter().map(ToString::to_string);
        accounts.chain(lighthouse).collect::<Vec<_>>().join(" ")
    });
    [
        record.at.to_string(),
        identity,
        record.seq.to_string(),
        meaning.name.to_owned(),
        meaning.outcome,
        text(entry.action().map(|action| action.as_str().to_owned())),
        text(request.map(|r| r.target.image().to_string())),
        text(request.map(|r| r.region.to_string())),
        text(accounts),
        text(request.map(|r| r.requester.clone())),
        text(request.map(|r| r.approvers.join(" "))),
        text(request.and_then(|r| r.ticket.clone())),
        text(request.and_then(|r| r.reason.clone())),
        text(expires_at.map(|at| at.to_string())),
        text(entry.verdict().map(|verdict| verdict.policies.join(" "))),
        joined(results, "; "),
        calls.iter().map(call).collect::<Vec<_>>().join("; "),
        record.stream.to_string(),
        entry.stored.hash.clone(),
        text(entry.verdict().map(|verdict| verdict.policy_digest.clone())),
        text(received.map(|received| received.body_digest.clone())),
        text(received.map(|received| received.map_digest.clone())),
        text(received.map(|received| received.config_digest.clone())),
        text(received.map(|received| received.version.clone())),
        text(record.owner.as_ref().map(ToString::to_string)),
        text(entry.verdict().map(accepted)),
    ]
}

fn accepted(verdict: &Verdict) -> String {
    let approvers = verdict.approvals.iter().map(|one| one.approver.as_str());
    let approvers: BTreeSet<&str> = approvers.collect();
    approvers.into_iter().collect::<Vec<_>>().join(" ")
}

fn call(call: &CallNote) -> String {
    let end = call.code.as_deref().unwrap_or("ok");
    let request = match &call.request_id {
        _ if call.is_unsent() => "unsent",
        Some(id) => id,
        None => "-",
    };
    format!("{} {end} {request}", call.action)
}

/// Quotes a cell if necessary. A leading apostrophe keeps spreadsheets from running the cell as a
/// formula (<https://owasp.org/www-community/attacks/CSV_Injection>).
pub(super) fn quoted(cell: &str) -> String {
    let cell = visible(cell, &['\n', '\r', '\t']);
    // Some spreadsheets also take the full-width forms of these characters.
    let formula = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r', '\n'];
    let guard = if cell.starts_with(formula) { "'" } else { "" };
    if cell.contains(['"', ',', '\n', '\r', ';', '\t']) || cell.starts_with(' ') {
        format!("\"{guard}{}\"", cell.replace('"', "\"\""))
    } else {
        format!("{guard}{cell}")
    }
}
