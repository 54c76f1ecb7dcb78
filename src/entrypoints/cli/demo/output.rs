//! Prints what happens in the demo: steps, answers, comments on tickets, and checks. Prints each of
//! them as text that fits the screen, or as a line of JSON.

use serde_json::{Value, json};

use crate::entrypoints::cli::print::{out, outln, seconds};
use crate::entrypoints::cli::terminal::{Screen, Tone, text};

/// The width to which labels are padded.
const MARGIN: usize = 11;

pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answered {
    /// Returns a field of the body, or null if the body lacks it.
    pub(super) fn at(&self, name: &str) -> &Value {
        self.body.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.at(name).as_array().into_iter().flatten()
    }

    fn text(&self, name: &str) -> &str {
        text_of(&self.body, name)
    }
}

fn text_of<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Prints the demo's output, and counts the checks that failed.
pub(super) struct Output {
    screen: Screen,
    json: bool,
    step: u32,
    failed: u32,
}

impl Output {
    pub(super) fn new(screen: Screen, json: bool) -> Self {
        Self {
            screen,
            json,
            step: 0,
            failed: 0,
        }
    }

    /// Prints `value` if the output is JSON. Returns whether the output is JSON.
    fn in_json(&self, value: Value) -> bool {
        if self.json {
            out(value);
        }
        self.json
    }

    /// Prints the heading of the next step: what happens, and why.
    pub(super) fn step(&mut self, title: &str, about: &str) {
        self.step += 1;
        if self.in_json(json!({ "step": self.step, "title": title, "about": about })) {
            return;
        }
        let heading = format!("{} {title}", self.step);
        outln!("\n{}", self.screen.paint(Tone::Heading, &heading));
        outln!("  {}\n", text::indented(2, about, self.screen.width));
    }

    pub(super) fn fact(&self, label: &str, said: &str) {
        if self.in_json(json!({ "step": self.step, "fact": label, "text": said })) {
            return;
        }
        self.labelled(Tone::Plain, label, said);
    }

    fn labelled(&self, tone: Tone, label: &str, said: &str) {
        let room = self.screen.width.saturating_sub(MARGIN + 2);
        for (number, line) in text::lines(said, room).iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let label = self.screen.paint(Tone::Quiet, &format!("{label:<MARGIN$}"));
            outln!("  {label}{}", self.screen.paint(tone, line));
        }
    }

    pub(super) fn answer(&self, answer: &Answered) {
        if self.in_json(json!({ "step": self.step, "http": answer.status, "answer": answer.body }))
        {
            return;
        }
        let tone = match answer.status {
            200 => Tone::Good,
            _ => Tone::Bad,
        };
        let again = match answer.at("duplicate") == true {
            true => ", the recorded answer",
            false => "",
        };
        let said = [answer.text("status"), answer.text("error")].concat();
        let text = format!("HTTP {} {said}{again}", answer.status);
        self.labelled(tone, "answer", &text);
        for result in answer.all("results") {
            let (account, words) = (text_of(result, "account"), text_of(result, "result"));
            self.labelled(Tone::Plain, "", &format!("account {account}: {words}"));
        }
        for refused in answer.all("refused") {
            let why = text_of(refused, "why");
            self.labelled(Tone::Plain, "", &format!("because {why}"));
        }
        if let Ok(end) = answer.text("expires_at").parse() {
            self.labelled(Tone::Plain, "", &format!("until {}", seconds(end)));
        }
    }

    pub(super) fn comment(&self, ticket: &str, comment: &str) {
        if self.in_json(json!({ "step": self.step, "ticket": ticket, "comment": comment })) {
            return;
        }
        for (number, line) in comment.lines().enumerate() {
            let label = if number == 0 { ticket } else { "" };
            self.labelled(Tone::Open, label, line);
        }
    }

    /// Prints an expectation, and whether it was met.
    pub(super) fn check(&mut self, what: &str, seen: bool) {
        self.failed += u32::from(!seen);
        if self.in_json(json!({ "step": self.step, "check": what, "ok": seen })) {
            return;
        }
        let (tone, mark) = match seen {
            true => (Tone::Good, "ok"),
            false => (Tone::Bad, "NOT SEEN"),
        };
        let mark = self.screen.paint(tone, &format!("{mark:<MARGIN$}"));
        outln!(
            "  {mark}{}",
            text::indented(MARGIN + 2, what, self.screen.width)
        );
    }

    /// Prints whether all checks succeeded, and returns it.
    pub(super) fn end(&self) -> bool {
        let seen = self.failed == 0;
        if self.in_json(json!({ "ok": seen, "failed": self.failed })) {
            return seen;
        }
        outln!("");
        let (tone, text) = match self.failed {
            0 => (Tone::Good, "All checks above passed.".to_owned()),
            n => (Tone::Bad, format!("{n} of the checks above FAILED.")),
        };
        out(self.screen.paint(tone, &text));
        seen
    }
}
