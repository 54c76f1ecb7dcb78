//! `explain`: prints what happened to one request, in a text that fits a screen of 24 lines. If the
//! text is too long, its parts are folded to one line each, the least important part first. With
//! `--json`, prints everything.

use serde_json::json;

use crate::app::{
    CancelledEntry, DecisionEntry, Explanation, NotificationEntry, RequestState,
    find_requests_or_ticket,
};
use crate::domain::{Action, Item, ItemResult, ResultKind, is_plain_word};
use crate::entrypoints::outcome::Exit;
use crate::journal::State;

use super::by_text::{ByText, first_names};
use super::list_args::ExplainOptions;
use super::print::{out, outln, seconds};
use super::reading::{ReadJournal, only, warned};
use super::requests::tone;
use super::terminal::text;
use super::terminal::{Screen, Tone};
use super::{Context, Failure};

/// The width of the labels to the left of the texts.
const MARGIN: usize = 10;
/// Maximum number of entries that a part shows, and of lines that an entry takes.
const MAX_LINES: usize = 3;
/// Parts are folded until the text has at most this number of lines. One line of the screen is left
/// for the prompt.
const MAX_PAGE_LINES: usize = 23;
/// The parts that may be folded to one line, in the order in which they are folded.
const FOLDED_FIRST: [&str; 12] = [
    "source",
    "calls",
    "notified",
    "approved",
    "reason",
    "decision",
    "revoked",
    "cancelled",
    "results",
    "asked",
    "evidence",
    "what",
];

pub(super) async fn run(context: &Context, options: &ExplainOptions) -> Result<Exit, Failure> {
    let journal = ReadJournal::open(context, &options.place)?;
    let finding = find_requests_or_ticket(&journal.journal, &options.id, journal.now);
    let found = journal.during(finding).await?;
    let exit = warned(&found);
    let name = |state: &State| state.identity().to_string();
    let state = only(&found, &options.id, name, &journal)?;
    let explained = journal.reader().explain(state.stream()).await?;
    // `audit retire` keeps record 0 of each request. So if there is no record, the request's folder
    // was removed in another way. The log may still have the records.
    let explained = explained.ok_or_else(|| {
        Failure::Failed(format!(
            "the records of {} are gone from requests/{}; `sharehook audit verify` lists what is missing: restore it from a backup",
            state.identity(),
            state.stream()
        ))
    })?;
    if context.json {
        out(json!(explained));
    } else {
        outln!("{}", page(&explained, Screen::of_stdout(&context.vars)));
    }
    Ok(exit)
}

/// One part of the text, such as the calls.
struct Part {
    label: &'static str,
    entries: Vec<(Tone, String)>,
    folded: bool,
}

impl Part {
    fn new(label: &'static str, entries: Vec<(Tone, String)>) -> Self {
        Self {
            label,
            entries,
            folded: false,
        }
    }

    fn of(label: &'static str, said: String) -> Self {
        Self::new(label, vec![(Tone::Plain, said)])
    }

    /// Returns the part's lines, each at most `width` columns wide, and whether something was left
    /// out.
    fn lines(&self, width: usize) -> (Vec<(Tone, String)>, bool) {
        let all = self.entries.len();
        let (shown, most) = match (self.folded, all > MAX_LINES) {
            (true, _) => (1, 1),
            (false, true) => (MAX_LINES - 1, MAX_LINES),
            (false, false) => (all, MAX_LINES),
        };
        let more = all.saturating_sub(shown);
        let tail = match (self.folded, more) {
            (true, 1..) => format!(" … and {more} more"),
            _ => String::new(),
        };
        let (mut lines, mut cut) = (Vec::new(), more > 0);
        for (tone, said) in self.entries.iter().take(shown) {
            let mut said = text::lines(said, width.saturating_sub(text::width(&tail)));
            if said.len() > most {
                cut = true;
                let rest = said.split_off(most.saturating_sub(1)).join(" ");
                let room = width.saturating_sub(text::width(&tail).max(2));
                let dots = if tail.is_empty() { " …" } else { "" };
                said.push(shortened(&rest, room) + dots);
            }
            lines.extend(said.into_iter().map(|line| (*tone, line + &tail)));
        }
        if more > 0 && !self.folded {
            lines.push((Tone::Quiet, format!("and {more} more")));
        }
        (lines, cut)
    }
}

fn page(explained: &Explanation, screen: Screen) -> String {
    let state = explained.entry.state;
    let after = state.as_str().len() + 2;
    let heading = text::lines(
        &explained.entry.identity,
        screen.width.saturating_sub(after),
    );
    let width = screen.width.saturating_sub(MARGIN);
    let mut parts = parts(explained);
    let mut foldable = FOLDED_FIRST.iter();
    let (mut lines, mut cut) = laid_out(&parts, width);
    while heading.len() + lines.len() + usize::from(cut) > MAX_PAGE_LINES
        && let Some(label) = foldable.next()
    {
        for part in parts.iter_mut().filter(|part| part.label == *label) {
            part.folded = true;
        }
        (lines, cut) = laid_out(&parts, width);
    }
    let heading = screen.paint(Tone::Heading, &heading.join("\n"));
    let mut text = format!("{heading}  {}\n", screen.paint(tone(state), state.as_str()));
    for (label, tone, line) in lines {
        let label = screen.paint(Tone::Quiet, &format!("{label:<MARGIN$}"));
        text.push_str(&format!("{label}{}\n", screen.paint(tone, &line)));
    }
    if cut {
        text.push_str(&screen.paint(Tone::Quiet, "This is shortened; --json prints everything."));
    }
    text.truncate(text.trim_end().len());
    text
}

/// Returns the lines of all parts with their labels, and whether something was left out.
fn laid_out(parts: &[Part], width: usize) -> (Vec<(&'static str, Tone, String)>, bool) {
    let (mut lines, mut cut) = (Vec::new(), false);
    for part in parts {
        let (own, own_cut) = part.lines(width);
        cut |= own_cut;
        let labels = std::iter::once(part.label).chain(std::iter::repeat(""));
        let own = labels.zip(own);
        lines.extend(own.map(|(label, (tone, line))| (label, tone, line)));
    }
    (lines, cut)
}

fn parts(explained: &Explanation) -> Vec<Part> {
    let entry = &explained.entry;
    let mut parts = vec![
        Part::of("what", what(explained)),
        Part::of("asked", asked(explained)),
    ];
    if let Some(reason) = &explained.reason {
        parts.push(Part::of("reason", format!("“{reason}”")));
    }
    parts.push(Part::of("approved", approved(explained)));
    parts.push(Part::of("source", delivered(explained)));
    let decisions = explained.decisions.iter().flat_map(decision);
    parts.push(Part::new("decision", decisions.collect()));
    parts.push(Part::new("calls", calls(explained)));
    // If the request was denied and made no call, its results only repeat the reasons.
    if entry.state != RequestState::Denied || !explained.calls.is_empty() {
        parts.push(Part::new("results", results(&entry.answer.results)));
    }
    parts.push(Part::new("revoked", results(&explained.revoked)));
    let cancelled = explained.cancelled.iter().map(cancelled);
    parts.push(Part::new("cancelled", cancelled.collect()));
    let notified = explained.notifications.iter().map(notification);
    parts.push(Part::new("notified", notified.collect()));
    let end = entry.answer.expires_at;
    if let Some(end) = end.filter(|_| explained.expires_at.is_some()) {
        parts.push(Part::of("expires", seconds(end)));
    }
    parts.push(Part::of("next", explained.next.clone()));
    parts.push(Part::new("evidence", evidence(explained)));
    parts
}

fn what(explained: &Explanation) -> String {
    let entry = &explained.entry;
    let preposition = match entry.action {
        Action::Cancel => "from",
        Action::Share => "with",
    };
    let chain = explained.blueprint.as_ref();
    let chain = chain.map_or_else(String::new, |blueprint| format!(" (blueprint {blueprint})"));
    let owner = explained.owner.as_ref();
    let owner = owner.map_or_else(String::new, |owner| format!(" of account {owner}"));
    format!(
        "{} {}{chain}{owner} in {} {preposition} {}",
        entry.action,
        entry.image,
        entry.region,
        first_names(&entry.receivers())
    )
}

fn asked(explained: &Explanation) -> String {
    let entry = &explained.entry;
    let ticket = entry.ticket.as_ref();
    let ticket = ticket.map_or_else(String::new, |ticket| format!(", ticket {ticket}"));
    let mut text = format!("{} at {}{ticket}", entry.requester, seconds(entry.at));
    if let Some(start) = explained.not_before {
        text.push_str(&format!(", not before {}", seconds(start)));
    }
    text
}

fn approved(explained: &Explanation) -> String {
    let counted: Vec<String> = (explained.entry.answer.approvals.iter())
        .map(|approval| match approval.policies.as_slice() {
            [] => approval.approver.clone(),
            policies => format!("{} (policy {})", approval.approver, policies.join(", ")),
        })
        .collect();
    match (counted.as_slice(), explained.approvers.as_slice()) {
        ([], []) => "by none: the request names no approver".to_owned(),
        ([], approvers) => format!("by {}, as the ticket says", first_names(approvers)),
        (counted, _) => format!("by {}", first_names(counted)),
    }
}

fn delivered(explained: &Explanation) -> String {
    let delivery = &explained.delivery;
    let source = explained.entry.identity.split_once('/');
    let source = source.map_or("", |(source, _)| source);
    let id = delivery.id.as_ref();
    let id = id.map_or_else(String::new, |id| format!(", delivery {id}"));
    format!("{source}, authenticated by scheme {}{id}", delivery.scheme)
}

fn decision(entry: &DecisionEntry) -> Vec<(Tone, String)> {
    let verdict = &entry.verdict;
    let (tone, word) = match verdict.allowed {
        true => (Tone::Good, "allowed"),
        false => (Tone::Bad, "denied"),
    };
    let by = match verdict.policies.as_slice() {
        [] => String::new(),
        policies => format!(" by {}", policies.join(", ")),
    };
    let mut text = format!("{word}{by} at {}", seconds(entry.at));
    if let (Some(by), Some(reason)) = (&entry.by, &entry.reason) {
        text.push_str(&format!(", reopened by {by}: “{reason}”"));
    }
    let mut alike = ByText::default();
    for refused in &verdict.refused {
        let item = refused.item.as_ref();
        let item = item.map_or("the request".to_owned(), receiver);
        alike.push(tone, refused.why.clone(), item);
    }
    std::iter::once((tone, text)).chain(alike.lines()).collect()
}

fn receiver(item: &Item) -> String {
    match item {
        Item::Account(account) => account.to_string(),
        Item::Lighthouse(_) => "Lighthouse".to_owned(),
    }
}

fn calls(explained: &Explanation) -> Vec<(Tone, String)> {
    let calls = explained.calls.iter().map(|entry| {
        let answer = match &entry.call.request_id {
            _ if entry.call.is_unsent() => "not sent".to_owned(),
            Some(id) => format!("request {id}"),
            None => "no request id".to_owned(),
        };
        let at = entry.at.strftime("%H:%M:%SZ");
        let action = &entry.call.action;
        match &entry.call.code {
            Some(code) => (Tone::Bad, format!("{at} {action}: {code}, {answer}")),
            None => (Tone::Plain, format!("{at} {action}, {answer}")),
        }
    });
    calls.collect()
}

fn results(results: &[ItemResult]) -> Vec<(Tone, String)> {
    let mut alike = ByText::default();
    for result in results {
        let (tone, said) = result_words(result);
        alike.push(tone, said, receiver(&result.item));
    }
    alike.lines().collect()
}

fn result_words(result: &ItemResult) -> (Tone, String) {
    let tone = match &result.kind {
        ResultKind::Failed { .. } => Tone::Bad,
        ResultKind::Pending => Tone::Open,
        _ => Tone::Good,
    };
    let mut words = result.in_words();
    if let ResultKind::Failed { code, message, .. } = &result.kind {
        words.push_str(&format!(": {message} ({code})"));
    }
    if let Some(cancel) = &result.called_off_by {
        words.push_str(&format!(", called off by {cancel}"));
    }
    (tone, words)
}

fn cancelled(entry: &CancelledEntry) -> (Tone, String) {
    let items: Vec<String> = entry.items.iter().map(receiver).collect();
    let (items, at, by) = (first_names(&items), seconds(entry.at), &entry.by);
    let ticket = entry.ticket.as_ref();
    let ticket = ticket.map_or_else(String::new, |ticket| format!(", ticket {ticket}"));
    (Tone::Plain, format!("{items} at {at} by {by}{ticket}"))
}

fn notification(entry: &NotificationEntry) -> (Tone, String) {
    use crate::app::NotificationStatus::{GivenUp, Owed, Sent, TargetRemoved};
    let at = seconds(entry.at);
    let why = entry.why.clone().unwrap_or_default();
    let (notify, on) = (&entry.notify, &entry.on);
    match entry.state {
        Sent => (Tone::Good, format!("{notify}: {on}, sent at {at}")),
        Owed if entry.attempts == 0 => (Tone::Plain, format!("{notify}: {on}, due at {at}")),
        Owed => (
            Tone::Open,
            format!("{notify}: {on}, next attempt at {at}; {why}"),
        ),
        GivenUp => (
            Tone::Bad,
            format!("{notify}: {on}, given up at {at}; {why}"),
        ),
        TargetRemoved => (
            Tone::Bad,
            format!("{notify}: {on}, not sent: this target was removed; {why}"),
        ),
    }
}

fn evidence(explained: &Explanation) -> Vec<(Tone, String)> {
    let evidence = &explained.evidence;
    let (records, stream) = (evidence.records, evidence.stream);
    let (sealed, proof) = match evidence.sealed {
        None => ("not sealed: the journal has no seal".to_owned(), None),
        Some(sealed) if sealed == records => ("all sealed;".to_owned(), Some(proof(explained))),
        Some(sealed) => (format!("{sealed} of them sealed"), None),
    };
    let plural = if records == 1 { "" } else { "s" };
    let kept = format!("{records} record{plural} in requests/{stream}, {sealed}");
    let entries = [kept].into_iter().chain(proof);
    entries.map(|said| (Tone::Plain, said)).collect()
}

/// The command that prints the proof, on a line of its own. Names the stream if the sender's id does
/// not fit that line of 80 columns, or could do something in a shell.
fn proof(explained: &Explanation) -> String {
    const COMMAND: &str = "proof: sharehook audit prove";
    let (id, stream) = (&explained.entry.identity, explained.evidence.stream);
    let fits = MARGIN + COMMAND.len() + 1 + text::width(id) <= 80;
    match fits && is_plain_word(id) {
        true => format!("{COMMAND} {id}"),
        false => format!("{COMMAND} {stream}"),
    }
}

/// Cuts a text after at most `columns` columns.
fn shortened(text: &str, columns: usize) -> String {
    let mut kept = text.to_owned();
    while text::width(&kept) > columns && kept.pop().is_some() {}
    kept.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{
        Answer, CallEntry, DeliveryFacts, Evidence, NotificationStatus, RequestEntry,
    };
    use crate::domain::{Approval, NoticeKind, Refused, Status, Timestamp, Verdict};
    use crate::journal::{CallNote, Received};

    fn failed(number: usize) -> ItemResult {
        let item = Item::Account(format!("7000001{number:05}").parse().unwrap());
        let kind = ResultKind::Failed {
            code: "FailedOperation.AccountNotFound".to_owned(),
            message: format!("the cloud knows no root account of this number, attempt {number}"),
            retryable: false,
        };
        ItemResult::new(item, kind, None)
    }

    fn verdict(number: usize, refused_items: usize) -> Verdict {
        let refused = |account: usize| Refused {
            item: Some(failed(account).item),
            why: format!("no policy allows it; nearest: golden-images-{number}-{account}"),
            kind: None,
        };
        Verdict {
            allowed: number.is_multiple_of(2),
            policies: vec!["golden-images-to-staging".to_owned(); 3],
            approvals: Vec::new(),
            refused: (0..refused_items).map(refused).collect(),
            policy_digest: "0".repeat(64),
        }
    }

    /// Returns an explanation with `times` accounts, decisions, calls, revocations and
    /// notifications.
    fn explanation(times: usize) -> Explanation {
        let at: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
        let all = 0..times;
        let results: Vec<ItemResult> = all.clone().map(failed).collect();
        let approval = |number| Approval {
            approver: format!("jira/approver-number-{number}@example.com"),
            policies: vec!["approve-for-own-accounts".to_owned()],
            items: Vec::new(),
        };
        let answer = Answer {
            results: results.clone(),
            approvals: all.clone().map(approval).collect(),
            expires_at: Some(at),
            ..Answer::new("x", Status::Failed)
        };
        Explanation {
            entry: RequestEntry {
                identity: format!("jira/{}", "SHARE-101/".repeat(times)),
                state: RequestState::Revoking,
                due: None,
                action: Action::Share,
                image: "img-xkd784jw".to_owned(),
                region: "ap-singapore".to_owned(),
                accounts: Vec::new(),
                requester: "alice@example.com".to_owned(),
                ticket: Some("SHARE-101".to_owned()),
                at,
                answer,
            },
            blueprint: Some("lhbp-su83x02a".to_owned()),
            owner: Some("100000000001".to_owned()),
            approvers: Vec::new(),
            reason: Some("预发布环境需要七月的基础镜像。".repeat(times)),
            delivery: DeliveryFacts {
                at,
                scheme: "jira".to_owned(),
                id: Some("delivery-".repeat(times)),
                secret_fingerprint: None,
                received: Received {
                    body_digest: String::new(),
                    map_digest: String::new(),
                    config_digest: String::new(),
                    version: String::new(),
                },
            },
            decisions: all
                .clone()
                .map(|number| DecisionEntry {
                    at,
                    by: Some("invoke/bob@example.com".to_owned()),
                    reason: Some("the group was wrong".repeat(times)),
                    verdict: verdict(number, times.min(4)),
                })
                .collect(),
            calls: all
                .clone()
                .map(|_| CallEntry {
                    at,
                    call: CallNote {
                        action: "lighthouse ShareBlueprintAcrossAccounts lhbp-su83x02a".to_owned(),
                        request_id: Some("6f1a2b3c-0000-4000-8000-000000000000".to_owned()),
                        code: Some("InternalError".to_owned()),
                    },
                })
                .collect(),
            revoked: results,
            cancelled: (all.clone())
                .map(|number| CancelledEntry {
                    at,
                    by: format!("jira/SHARE-{number}"),
                    ticket: Some("SHARE-102/".repeat(times)),
                    items: vec![failed(number).item],
                })
                .collect(),
            notifications: all
                .map(|_| NotificationEntry {
                    notify: "desk".parse().unwrap(),
                    request: String::new(),
                    on: NoticeKind::Failed,
                    state: NotificationStatus::GivenUp,
                    attempts: 9,
                    at,
                    why: Some("503: the service desk is down for maintenance".repeat(times)),
                })
                .collect(),
            not_before: None,
            expires_at: Some(at),
            next: "tried again from 2026-11-21T08:00:00Z on: the cloud refused it".repeat(times),
            evidence: Evidence {
                stream: "3be1910e1d912828faa7655a554cabba".parse().unwrap(),
                records: 40,
                sealed: Some(40),
                newest: String::new(),
            },
        }
    }

    #[test]
    fn the_longest_story_fits_a_screen_and_keeps_every_part() {
        for times in [2, 4, 12, 60] {
            let text = page(&explanation(times), Screen::of_width(80, false));
            let lines: Vec<&str> = text.lines().collect();
            // The request's name is never shortened, so a long name adds lines.
            let name = explanation(times).entry.identity.len() / 80;
            assert!(
                lines.len() <= MAX_PAGE_LINES + name,
                "{times}: {} lines:\n{text}",
                lines.len()
            );
            for line in &lines {
                assert!(text::width(line) <= 80, "{line}");
            }
            for label in [
                "what",
                "asked",
                "reason",
                "approved",
                "source",
                "decision",
                "calls",
                "results",
                "revoked",
                "cancelled",
                "notified",
                "expires",
                "next",
                "evidence",
            ] {
                let there = lines.iter().any(|line| line.starts_with(label));
                assert!(there, "{times}: {label} is missing in\n{text}");
            }
            assert!(text.ends_with("--json prints everything."), "{text}");
        }
    }

    #[test]
    fn the_proof_is_a_command_that_does_only_what_it_says() {
        let stream = "3be1910e1d912828faa7655a554cabba";
        let long = "jira/".to_owned() + &"9".repeat(40);
        for (id, named) in [
            ("jira/SHARE-101", "jira/SHARE-101"),
            ("gitlab/a#23/2026-11-02 06:53:58 UTC", stream),
            ("native/x; rm -rf ~", stream),
            ("native/$(id)", stream),
            ("native/a\u{200d}b", stream),
            (&long, stream),
        ] {
            let mut one = explanation(1);
            one.entry.identity = id.to_owned();
            let text = page(&one, Screen::of_width(80, false));
            let command = format!("proof: sharehook audit prove {named}");
            assert!(text.lines().any(|line| line.trim() == command), "{text}");
        }
    }

    #[test]
    fn a_call_that_was_not_sent_is_shown_as_such() {
        let mut one = explanation(1);
        one.calls[0].call.request_id = None;
        for (code, says) in [("NoCredentials", "not sent"), ("Timeout", "no request id")] {
            one.calls[0].call.code = Some(code.to_owned());
            let text = &calls(&one)[0].1;
            assert!(text.ends_with(&format!("{code}, {says}")), "{text}");
        }
    }

    #[test]
    fn a_short_story_is_told_in_full() {
        let mut short = explanation(1);
        short.revoked.clear();
        short.cancelled.clear();
        short.notifications.clear();
        let text = page(&short, Screen::of_width(80, false));
        assert!(!text.contains("shortened") && !text.contains('…'), "{text}");
    }
}
