//! Renders the page. In: grants, requests, findings. Out: HTML without scripts, images or links.
//! Escapes every text that comes from a ticket.

use std::fmt::{self, Display, Formatter};

use serde_json::json;

use crate::app::{GrantEntry, RequestEntry, Standing};
use crate::domain::{Status, Timestamp, is_invisible};

/// Maximum number of requests on the page. It gives only the number of further ones.
const MAX_REQUESTS: usize = 1_000;
/// Maximum number of accounts shown for one request.
const MAX_ACCOUNTS: usize = 3;
/// Maximum number of findings on the page.
const MAX_FINDINGS: usize = 100;
const STYLE: &str = include_str!("page.css");

/// The content of the page.
pub(super) struct Page {
    pub(super) journal: String,
    pub(super) at: Timestamp,
    pub(super) grants: Vec<GrantEntry>,
    /// The newest first.
    pub(super) requests: Vec<RequestEntry>,
    /// The unreadable streams, with the reason.
    pub(super) unreadable: Vec<String>,
    pub(super) whole: Whole,
}

/// The result of the verification.
pub(super) struct Whole {
    pub(super) records: u64,
    /// Number of sealed records; `None` without seals.
    pub(super) sealed: Option<u64>,
    pub(super) findings: Vec<String>,
    /// Number of further findings.
    pub(super) more: u64,
}

/// Escapes text for HTML, also in attributes.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if is_invisible(c) => write!(f, "\\u{{{:x}}}", u32::from(c)),
            c => write!(f, "{c}"),
        })
    }
}

impl Page {
    /// Summarizes the page in one line.
    pub(super) fn summary(&self) -> String {
        let [grants, overdue, open, denied] = self.figures().map(|(count, _)| count);
        let findings = self.whole.findings.len() as u64 + self.whole.more;
        format!(
            "{grants} active grants ({overdue} overdue), {open} unfinished requests, {denied} denied; \
             {} records, {findings} findings",
            self.whole.records
        )
    }

    /// Summarizes the page as JSON.
    pub(super) fn counts(&self, file: &std::path::Path) -> serde_json::Value {
        let [grants, overdue, open, denied] = self.figures().map(|(count, _)| count);
        let findings = self.whole.findings.len() as u64 + self.whole.more;
        json!({
            "file": file, "grants": grants, "overdue": overdue, "unfinished": open, "denied": denied,
            "records": self.whole.records, "findings": findings, "unreadable": self.unreadable,
        })
    }

    fn figures(&self) -> [(usize, &'static str); 4] {
        let requests = |status| {
            self.requests
                .iter()
                .filter(|r| r.answer.status == status)
                .count()
        };
        [
            (self.grants.len(), "active grants"),
            (
                self.grants
                    .iter()
                    .filter(|grant| grant.state == Standing::Overdue)
                    .count(),
                "overdue",
            ),
            (requests(Status::Pending), "unfinished requests"),
            (requests(Status::Denied), "denied requests"),
        ]
    }

    fn evidence(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Whole {
            records,
            sealed,
            findings,
            more,
        } = &self.whole;
        let class = if findings.is_empty() { "good" } else { "bad" };
        write!(f, "<section class=\"{class}\"><h2>Journal</h2>")?;
        if findings.is_empty() {
            write!(f, "<p>{records} records: all are intact and in order.</p>")?;
        } else {
            let all = findings.len() as u64 + more;
            write!(
                f,
                "<p>{all} findings; {records} records are intact.</p><ul>"
            )?;
            for finding in findings.iter().take(MAX_FINDINGS) {
                write!(f, "<li>{}</li>", Text(finding))?;
            }
            f.write_str("</ul>")?;
        }
        match sealed {
            Some(sealed) => write!(f, "<p>{sealed} of them are sealed.</p>")?,
            None => f.write_str(
                "<p>Not sealed: the removal of a request's newest records cannot be detected.</p>",
            )?,
        }
        f.write_str("</section>")
    }

    fn open(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let overdue = self
            .grants
            .iter()
            .filter(|grant| grant.state == Standing::Overdue)
            .map(|grant| {
                let until = grant
                    .until
                    .map(|until| until.to_string())
                    .unwrap_or_default();
                format!(
                    "{} is still shared with {}, although the share ended at {until}",
                    grant.image, grant.to
                )
            });
        let open = self
            .requests
            .iter()
            .filter(|request| request.answer.status == Status::Pending);
        let open = open.map(|r| {
            format!(
                "{}: {}",
                r.identity,
                r.answer.message.as_deref().unwrap_or(r.state.as_str())
            )
        });
        let all: Vec<String> = overdue
            .chain(open)
            .chain(self.unreadable.iter().cloned())
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        f.write_str("<section><h2>Open</h2><ul>")?;
        all.iter()
            .try_for_each(|line| write!(f, "<li>{}</li>", Text(line)))?;
        f.write_str("</ul></section>")
    }

    fn grants(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = [
            "Image",
            "Region",
            "Given to",
            "Since",
            "Until",
            "Ticket",
            "Asked by",
            "Approved by",
            "Policy",
        ];
        let rows = self.grants.iter().map(|grant| {
            let until = grant.until.map_or_else(|| "no end".to_owned(), short);
            let class = if grant.state == Standing::Overdue {
                "bad"
            } else {
                ""
            };
            let image = match &grant.blueprint {
                Some(blueprint) => format!("{} → {blueprint}", grant.image),
                None => grant.image.clone(),
            };
            let cells = [
                image,
                grant.region.clone(),
                grant.to.clone(),
                short(grant.since),
                until,
                grant.ticket.clone(),
                grant.requester.clone(),
                grant.approvers.join(", "),
                grant.policies.join(", "),
            ];
            (class, cells.to_vec())
        });
        table(f, "Active grants", &header, rows.collect())
    }

    fn requests(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let header = [
            "Request", "Approved", "Asked by", "Action", "Image", "Region", "Accounts", "State",
            "Policy",
        ];
        let rows = self.requests.iter().take(MAX_REQUESTS).map(|request| {
            let class = match request.answer.status {
                Status::Completed => "good",
                Status::Denied | Status::Failed | Status::Partial => "bad",
                _ => "",
            };
            let cells = [
                request.identity.clone(),
                short(request.at),
                request.requester.clone(),
                request.action.clone(),
                request.image.clone(),
                request.region.clone(),
                some(&request.accounts),
                request.state.to_string(),
                request.answer.policy.join(", "),
            ];
            (class, cells.to_vec())
        });
        let title = match self.requests.len() {
            all if all > MAX_REQUESTS => format!("Requests (the newest {MAX_REQUESTS} of {all})"),
            _ => "Requests".to_owned(),
        };
        table(f, &title, &header, rows.collect())
    }
}

/// Shortens a long list of accounts.
fn some(accounts: &[String]) -> String {
    let first = accounts
        .iter()
        .take(MAX_ACCOUNTS)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    match accounts.len().saturating_sub(MAX_ACCOUNTS) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Formats a time to the minute. The journal has the exact times.
fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

fn table(
    f: &mut Formatter<'_>,
    title: &str,
    header: &[&str],
    rows: Vec<(&str, Vec<String>)>,
) -> fmt::Result {
    write!(f, "<section><h2>{}</h2>", Text(title))?;
    if rows.is_empty() {
        return f.write_str("<p>None.</p></section>");
    }
    f.write_str("<div class=\"wide\"><table><thead><tr>")?;
    header
        .iter()
        .try_for_each(|name| write!(f, "<th scope=\"col\">{name}</th>"))?;
    f.write_str("</tr></thead><tbody>\n")?;
    for (class, cells) in rows {
        write!(f, "<tr class=\"{class}\">")?;
        cells
            .iter()
            .try_for_each(|cell| write!(f, "<td>{}</td>", Text(cell)))?;
        f.write_str("</tr>\n")?;
    }
    f.write_str("</tbody></table></div></section>")
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
        f.write_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">")?;
        f.write_str(
            "<meta name=\"viewport\" content=\"width=device-width\"><title>Image shares</title>",
        )?;
        write!(
            f,
            "<style>{STYLE}</style></head><body><header><h1>Image shares</h1>"
        )?;
        write!(
            f,
            "<p>sharehook, journal {}, as of {} UTC</p></header><main>",
            Text(&self.journal),
            short(self.at)
        )?;
        f.write_str("<section class=\"figures\">")?;
        for (count, what) in self.figures() {
            write!(f, "<p><b>{count}</b> {what}</p>")?;
        }
        f.write_str("</section>")?;
        self.open(f)?;
        self.grants(f)?;
        self.requests(f)?;
        self.evidence(f)?;
        f.write_str("</main></body></html>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(requester: &str, findings: &[&str]) -> Page {
        let at: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let grant = GrantEntry {
            image: "lhbp-6jc6l8yb".to_owned(),
            blueprint: None,
            region: "ap-singapore".to_owned(),
            to: "700000164995".to_owned(),
            since: at,
            until: Some(at),
            state: Standing::Overdue,
            ticket: "CHG0030192".to_owned(),
            request: "jira/CHG0030192".to_owned(),
            requester: requester.to_owned(),
            approvers: vec!["bob@example.com".to_owned()],
            policies: vec!["golden-images-to-staging".to_owned()],
        };
        let findings: Vec<String> = findings.iter().map(|text| (*text).to_owned()).collect();
        let whole = Whole {
            records: 4,
            sealed: None,
            findings,
            more: 0,
        };
        let journal = "file:journal".to_owned();
        Page {
            journal,
            at,
            grants: vec![grant],
            requests: vec![],
            unreadable: vec![],
            whole,
        }
    }

    #[test]
    fn what_a_ticket_says_is_only_ever_text() {
        let html = page(
            "<script>alert('x')</script>&\"\u{202e}\u{7}",
            &["<b>altered</b>"],
        )
        .to_string();
        assert!(
            !html.contains("<script") && !html.contains("<b>altered") && !html.contains('\u{202e}'),
            "{html}"
        );
        assert!(
            html.contains(
                "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;\\u{202e}\\u{7}"
            )
        );
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let html = page("alice@example.com", &[]).to_string();
        for outside in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_is_overdue_or_wrong_stands_out() {
        let good = page("alice@example.com", &[]);
        assert!(good.to_string().contains(
            "lhbp-6jc6l8yb is still shared with 700000164995, although the share ended at"
        ));
        let wanted =
            "1 active grants (1 overdue), 0 unfinished requests, 0 denied; 4 records, 0 findings";
        assert_eq!(good.summary(), wanted);
        let bad = page("alice@example.com", &["requests/x: altered"]).to_string();
        assert!(bad.contains("<section class=\"bad\"><h2>Journal</h2><p>1 findings;"));
    }
}
