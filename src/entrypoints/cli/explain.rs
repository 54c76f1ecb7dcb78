//! `explain`: one request as a story on one screen of 24 lines. What does not fit there is counted;
//! `--json` has all of it.

use serde_json::json;

use crate::app::{DecisionEntry, Explanation, NotificationEntry, RequestState, find_requests};
use crate::domain::{Item, ItemResult, ResultKind};
use crate::entrypoints::outcome::Exit;
use crate::journal::State;

use super::list_args::ExplainOptions;
use super::print::{outln, seconds};
use super::reading::{ReadJournal, only, warned};
use super::requests::tone;
use super::terminal::during;
use super::terminal::text;
use super::terminal::{Screen, Tone};
use super::{Context, Failure};

/// The column of the texts, behind their labels.
const MARGIN: usize = 10;
/// Lines for one part of the story.
const MAX_LINES: usize = 3;
/// Receivers that a line names.
const MAX_NAMED: usize = 4;

pub(super) async fn run(context: &Context, options: &ExplainOptions) -> Result<Exit, Failure> {
    let journal = ReadJournal::open(context, &options.place)?;
    let finding = find_requests(&journal.journal, &options.id, journal.now);
    let found = during("reading the journal", finding).await?;
    let exit = warned(&found);
    let names: Vec<String> = (found.entries.iter())
        .map(|state| state.identity().to_string())
        .collect();
    let stream = only(&found.entries, &options.id, &names, &journal).map(State::stream)?;
    let explained = journal.reader().explain(stream).await?;
    let explained = explained.ok_or_else(|| Failure::failed("the request is gone"))?;
    if context.json {
        outln!("{}", json!(explained));
    } else {
        outln!("{}", story(&explained, Screen::of_stdout(&context.vars)));
    }
    Ok(exit)
}

/// The story, with a label before each part.
struct Story {
    screen: Screen,
    text: String,
}

impl Story {
    fn part(&mut self, label: &str, tone: Tone, said: &str) {
        let lines = text::lines(said, self.screen.width.saturating_sub(MARGIN));
        let more = lines.len().saturating_sub(MAX_LINES);
        for (number, line) in lines.iter().take(MAX_LINES).enumerate() {
            let label = if number == 0 { label } else { "" };
            let cut = more > 0 && number + 1 == MAX_LINES;
            let label = self.screen.paint(Tone::Quiet, &format!("{label:<MARGIN$}"));
            let line = if cut {
                format!("{} …", shortened(line, 2))
            } else {
                line.clone()
            };
            self.text.push_str(label.as_str());
            self.text.push_str(&self.screen.paint(tone, &line));
            self.text.push('\n');
        }
    }

    /// One part of several entries, the last of which count the others.
    fn parts(&mut self, label: &str, entries: &[(Tone, String)]) {
        let shown = match entries.len() {
            all if all > MAX_LINES => MAX_LINES - 1,
            all => all,
        };
        for (number, (tone, said)) in entries.iter().take(shown).enumerate() {
            self.part(if number == 0 { label } else { "" }, *tone, said);
        }
        if shown < entries.len() {
            let more = format!("and {} more; --json shows them", entries.len() - shown);
            self.part("", Tone::Quiet, &more);
        }
    }
}

fn story(explained: &Explanation, screen: Screen) -> String {
    let entry = &explained.entry;
    let heading = screen.paint(
        Tone::Heading,
        &text::lines(&entry.identity, screen.width).join("\n"),
    );
    let state = screen.paint(tone(entry.state), entry.state.as_str());
    let text = format!("{heading}  {state}\n");
    let mut story = Story { screen, text };
    story.part("what", Tone::Plain, &what(explained));
    story.part("asked", Tone::Plain, &asked(explained));
    if let Some(reason) = &explained.reason {
        story.part("", Tone::Plain, &format!("“{reason}”"));
    }
    story.part("approved", Tone::Plain, &approved(explained));
    story.part("source", Tone::Plain, &delivered(explained));
    let decisions: Vec<_> = explained.decisions.iter().flat_map(decision).collect();
    story.parts("decision", &decisions);
    story.parts("calls", &calls(explained));
    // Without a call, the results of a denial repeat its reasons.
    if entry.state != RequestState::Denied || !explained.calls.is_empty() {
        story.parts("results", &results(&entry.answer.results));
    }
    story.parts("revoked", &results(&explained.revoked));
    let notified: Vec<_> = explained.notifications.iter().map(notification).collect();
    story.parts("notified", &notified);
    if let Some(end) = entry.answer.expires_at {
        story.part("expires", Tone::Plain, &seconds(end));
    }
    story.part("next", Tone::Plain, &explained.next);
    story.part("evidence", Tone::Plain, &evidence(explained));
    story.text.truncate(story.text.trim_end().len());
    story.text
}

fn what(explained: &Explanation) -> String {
    let entry = &explained.entry;
    let preposition = match entry.action.as_str() {
        "cancel" => "from",
        _ => "with",
    };
    let chain = explained.blueprint.as_ref();
    let chain = chain.map_or_else(String::new, |blueprint| format!(" (blueprint {blueprint})"));
    format!(
        "{} {}{chain} in {} {preposition} {}",
        entry.action,
        entry.image,
        entry.region,
        named(&entry.receivers())
    )
}

/// Some names, and how many more there are.
fn named(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
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
        ([], []) => "by nobody: the request names no approver".to_owned(),
        ([], approvers) => format!("by {}, as the ticket says", named(approvers)),
        (counted, _) => format!("by {}", named(counted)),
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
    let mut alike = Alike::default();
    for refused in &verdict.refused {
        let item = refused
            .item
            .as_ref()
            .map_or("the request".to_owned(), receiver);
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

/// Receivers of which the same is said.
#[derive(Default)]
struct Alike(Vec<(Tone, String, Vec<String>)>);

impl Alike {
    fn push(&mut self, tone: Tone, said: String, receiver: String) {
        match self.0.iter_mut().find(|(_, known, _)| *known == said) {
            Some((.., receivers)) => receivers.push(receiver),
            None => self.0.push((tone, said, vec![receiver])),
        }
    }

    /// One line each, failures first.
    fn lines(mut self) -> impl Iterator<Item = (Tone, String)> {
        self.0.sort_by_key(|(tone, ..)| *tone != Tone::Bad);
        let lines = self.0.into_iter();
        lines.map(|(tone, said, receivers)| (tone, format!("{}: {said}", named(&receivers))))
    }
}

fn calls(explained: &Explanation) -> Vec<(Tone, String)> {
    let calls = explained.calls.iter().map(|entry| {
        let answer = entry.call.request_id.as_ref();
        let answer = answer.map_or_else(|| "no answer".to_owned(), |id| format!("request {id}"));
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
    let mut alike = Alike::default();
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
    let mut words = result.kind.in_words().to_owned();
    if let ResultKind::Failed { code, message, .. } = &result.kind {
        words.push_str(&format!(": {message} ({code})"));
    }
    if let Some(cancel) = &result.called_off_by {
        words.push_str(&format!(", called off by {cancel}"));
    }
    (tone, words)
}

fn notification(entry: &NotificationEntry) -> (Tone, String) {
    use crate::app::NotificationStatus::{GivenUp, Owed, Sent};
    let at = seconds(entry.at);
    let why = entry.why.clone().unwrap_or_default();
    let (notify, on) = (&entry.notify, &entry.on);
    match entry.state {
        Sent => (Tone::Good, format!("{notify}: {on}, sent at {at}")),
        Owed if entry.attempts == 0 => (Tone::Plain, format!("{notify}: {on}, due at {at}")),
        Owed => (
            Tone::Open,
            format!("{notify}: {on}, tried again at {at}; {why}"),
        ),
        GivenUp => (
            Tone::Bad,
            format!("{notify}: {on}, given up at {at}; {why}"),
        ),
    }
}

fn evidence(explained: &Explanation) -> String {
    let evidence = &explained.evidence;
    let (records, stream) = (evidence.records, evidence.stream);
    let sealed = match evidence.sealed {
        None => "not sealed: the journal has no seal".to_owned(),
        Some(sealed) if sealed == records => format!(
            "all sealed; proof: sharehook audit prove {}",
            explained.entry.identity
        ),
        Some(sealed) => format!("{sealed} of them sealed"),
    };
    let plural = if records == 1 { "" } else { "s" };
    format!("{records} record{plural} in requests/{stream}, {sealed}")
}

/// The text without its last columns.
fn shortened(text: &str, columns: usize) -> String {
    let mut kept = text.to_owned();
    while text::width(text) - text::width(&kept) < columns && kept.pop().is_some() {}
    kept.trim_end().to_owned()
}
