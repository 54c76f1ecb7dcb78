//! The content of the page, which the template renders. Built from an overview of the journal and
//! the result of its verification.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::domain::{Language, Status, Timestamp};
use crate::journal::log::VerifierKey;
use crate::journal::{JournalError, Standing};

use super::super::reader::{JournalReader, Overview};
use super::evidence::{Depth, Evidence, Seals};
use super::table::{Note, Part, Table, Text, Tone};
use super::texts::Texts;
use super::{attention, sections};

const STYLE: &str = include_str!("../../../templates/report.css");
const SCRIPT: &str = include_str!("../../../templates/report.js");

/// The content of the page.
#[derive(Debug)]
pub struct Report {
    texts: Texts,
    journal: String,
    at: Timestamp,
    grants: usize,
    overdue: usize,
    unfinished: usize,
    denied: usize,
    unreadable: Vec<String>,
    records: u64,
    findings: u64,
    seals: Seals,
    attention: Vec<Note>,
    tables: Vec<Table>,
    evidence: Vec<Note>,
    sources: Vec<Text>,
    states: Vec<&'static str>,
}

/// A number at the head of the page.
struct Figure {
    section: &'static str,
    count: usize,
    what: &'static str,
    tone: Tone,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    style: &'static str,
    script: &'static str,
    style_hash: String,
    script_hash: String,
}

impl Report {
    /// The page's media type.
    pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

    /// Reads and verifies the journal of `reader`.
    ///
    /// # Errors
    /// Returns an error if the journal's store failed. Damaged streams are not an error: the report
    /// lists them.
    pub async fn compile(
        reader: JournalReader<'_>,
        key: Option<&VerifierKey>,
        depth: Depth,
        language: Language,
    ) -> Result<Self, JournalError> {
        let (journal, now) = (reader.journal, reader.now);
        let overview = reader.overview().await?;
        let evidence = Evidence::of(journal, key, depth).await?;
        let place = journal.place().to_string();
        Ok(Self::of(place, &overview, &evidence, Texts(language), now))
    }

    fn of(
        journal: String,
        overview: &Overview,
        evidence: &Evidence,
        texts: Texts,
        now: Timestamp,
    ) -> Self {
        let requests = |wanted: Status| {
            let requests = overview.requests.iter();
            requests.filter(|one| one.answer.status == wanted).count()
        };
        let overdue = overview.grants.iter();
        let overdue = overdue.filter(|grant| grant.state == Standing::Overdue);
        let tables = sections::tables(texts, overview, now);
        let (sources, states) = sections::filters(&tables);
        Self {
            texts,
            journal,
            at: now,
            grants: overview.grants.len(),
            overdue: overdue.count(),
            unfinished: requests(Status::Pending),
            denied: requests(Status::Denied),
            unreadable: overview.flaws.clone(),
            records: evidence.found.records,
            findings: evidence.findings(),
            seals: evidence.seals,
            attention: attention::notes(texts, overview, evidence, now),
            tables,
            evidence: evidence.notes(texts),
            sources,
            states,
        }
    }

    /// Whether the whole journal could be read, its verification found nothing wrong, and the key,
    /// if one was given, is one of the journal's.
    pub fn is_clean(&self) -> bool {
        self.findings == 0 && self.unreadable.is_empty() && self.seals != Seals::OtherKey
    }

    /// Whether a share is overdue.
    pub fn has_overdue(&self) -> bool {
        self.overdue > 0
    }

    /// Renders the page.
    pub fn html(&self) -> String {
        let hash = |text: &str| format!("sha256-{}", STANDARD.encode(Sha256::digest(text)));
        let page = Page {
            report: self,
            style: STYLE,
            script: SCRIPT,
            style_hash: hash(STYLE),
            script_hash: hash(SCRIPT),
        };
        page.to_string()
    }

    /// Summarises the page in one line.
    pub fn summary(&self) -> String {
        let seals = match self.seals {
            Seals::NoKey => "; the seals were not verified: give --key",
            Seals::OtherKey => "; the seals were not verified: they are of another key",
            Seals::Verified | Seals::Absent => "",
        };
        format!(
            "active grants: {} (overdue: {}), unfinished requests: {}, denied: {}; records: {}, findings: {}{seals}",
            self.grants, self.overdue, self.unfinished, self.denied, self.records, self.findings
        )
    }

    /// Returns the numbers of the page as JSON.
    pub fn counts(&self) -> Value {
        json!({
            "grants": self.grants, "overdue": self.overdue, "unfinished": self.unfinished, "denied": self.denied,
            "records": self.records, "findings": self.findings, "unreadable": self.unreadable,
        })
    }

    fn as_of(&self) -> Text {
        let minute = sections::minute(self.at);
        self.texts.journal_as_of(&self.journal, minute).into()
    }

    fn footer(&self) -> Text {
        self.texts.footer().into()
    }

    fn figures(&self) -> [Figure; 5] {
        let figure = |section, count, what, tone| {
            let tone = if count > 0 { tone } else { Tone::Plain };
            Figure {
                section,
                count,
                what,
                tone,
            }
        };
        let (texts, to_look_at) = (self.texts, self.attention.len());
        let (grants, overdue) = (texts.active_grants(), texts.overdue_grants());
        let (unfinished, denied) = (texts.unfinished_requests(), texts.denied_requests());
        [
            figure("attention", to_look_at, texts.to_look_at(), Tone::Open),
            figure("grants", self.grants, grants, Tone::Plain),
            figure("grants", self.overdue, overdue, Tone::Bad),
            figure("requests", self.unfinished, unfinished, Tone::Open),
            figure("refusals", self.denied, denied, Tone::Plain),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{GrantEntry, NotificationEntry, NotificationStatus};
    use crate::domain::NoticeKind;
    use crate::journal;

    const NOW: &str = "2026-11-21T08:00:00Z";

    fn grant(requester: &str) -> GrantEntry {
        let at: Timestamp = NOW.parse().unwrap();
        GrantEntry {
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
        }
    }

    fn report(overview: &Overview, seals: Seals) -> Report {
        report_in(Language::En, overview, seals)
    }

    fn report_in(language: Language, overview: &Overview, seals: Seals) -> Report {
        let evidence = Evidence {
            depth: Depth::Whole,
            seals,
            found: journal::Report {
                records: 4,
                ..journal::Report::default()
            },
        };
        let (journal, now) = ("file:journal".to_owned(), NOW.parse().unwrap());
        Report::of(journal, overview, &evidence, Texts(language), now)
    }

    fn overdue(requester: &str) -> Report {
        let overview = Overview {
            grants: vec![grant(requester)],
            flaws: vec!["requests/x: <b>altered</b>".to_owned()],
            ..Overview::default()
        };
        report(&overview, Seals::Absent)
    }

    #[test]
    fn what_a_ticket_says_is_only_ever_text() {
        let html = overdue("<script>alert('x')</script>&\"\u{202e}\u{7}").html();
        let scripts = html.matches("<script").count();
        assert!(scripts == 1 && !html.contains("<b>altered") && !html.contains('\u{202e}'));
        assert!(html.contains(
            "&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;&#38;&#34;\\u{202e}\\u{7}"
        ));
    }

    #[test]
    fn the_page_loads_nothing_and_runs_only_its_own_script() {
        let html = overdue("alice@example.com").html();
        for outside in [
            "http:", "https:", "src=", "url(", "@import", "style=\"", "onclick",
        ] {
            assert!(!html.contains(outside), "{outside}");
        }
        let links = html.matches("href=\"").count();
        assert_eq!(
            links,
            html.matches("href=\"#").count(),
            "a link leads elsewhere"
        );
        let inner = |tag: &str| {
            let (_, rest) = html.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once(&format!("</{tag}>")).unwrap().0
        };
        for tag in ["style", "script"] {
            let hash = STANDARD.encode(Sha256::digest(inner(tag)));
            assert!(
                html.contains(&format!("{tag}-src 'sha256-{hash}'")),
                "{tag}"
            );
        }
    }

    #[test]
    fn a_command_to_copy_quotes_what_a_sender_wrote() {
        let given_up = NotificationEntry {
            notify: "desk".parse().unwrap(),
            request: "jira/a`;$(id) 'b'".to_owned(),
            on: NoticeKind::Completed,
            state: NotificationStatus::GivenUp,
            attempts: 8,
            at: NOW.parse().unwrap(),
            why: None,
        };
        let overview = Overview {
            notifications: vec![given_up],
            ..Overview::default()
        };
        let html = report(&overview, Seals::Absent).html();
        let quoted = r"'desk/jira/a`;$(id) '\''b'\'''".replace('\'', "&#39;");
        let command = format!("<code>sharehook notify --retry {quoted}</code> delivers it again.");
        assert!(html.contains(&command), "{command} is missing in\n{html}");
    }

    #[test]
    fn what_needs_attention_comes_first_with_its_remedy() {
        let bad = overdue("alice@example.com");
        let html = bad.html();
        let said = "lhbp-6jc6l8yb is still shared with 700000164995, although the share ended at 2026-11-21T08:00:00Z.";
        assert!(
            html.contains(said) && html.contains("<code>sharehook sweep</code> revokes it"),
            "{html}"
        );
        assert!(html.find(said) < html.find("<table"));
        assert_eq!(
            bad.summary(),
            "active grants: 1 (overdue: 1), unfinished requests: 0, denied: 0; records: 4, findings: 0"
        );
        assert!(!bad.is_clean(), "a stream could not be read");
        let nothing = report(&Overview::default(), Seals::Verified);
        assert!(nothing.html().contains("<p class=\"good\">Nothing.</p>") && nothing.is_clean());
    }

    #[test]
    fn seals_without_a_key_are_not_said_to_be_good() {
        let html = report(&Overview::default(), Seals::NoKey).html();
        for said in [
            "so its seals were not verified",
            "<code>sharehook audit verify --key KEY</code>",
            "The journal&#39;s seals were not verified.",
        ] {
            assert!(html.contains(said), "{said}: {html}");
        }
    }
}
