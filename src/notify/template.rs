//! A target's template. Takes an event and returns messages. It runs two jq programs in sequence:
//! the words of the target's language, such as `notify/words.jq`, add the lines for human readers,
//! and the target's template puts these lines into its markup.

use std::fmt;

use serde_json::Value;

use super::message::Message;
use crate::domain::{Language, Problem, Problems, Timestamp};
use crate::mapping::Program;

const fn words(language: Language) -> &'static str {
    match language {
        Language::En => include_str!("../../notify/words.jq"),
        Language::Zh => include_str!("../../notify/words.zh.jq"),
    }
}

const MAX_MESSAGES: usize = 4;

pub(crate) struct Template {
    words: Program,
    program: Program,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Template").finish_non_exhaustive()
    }
}

/// Why a template wrote no valid message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error("the template failed: {0}")]
    Failed(String),
    #[error("the template's output is not a valid message: {0}")]
    NoMessage(String),
    #[error("the template wrote {0} messages; it may write at most {MAX_MESSAGES}")]
    TooMany(usize),
}

impl Template {
    /// Compiles a template with the words of `language`. Problems mention the template as `name`,
    /// such as its path.
    ///
    /// # Errors
    /// The problems that [`Program::compile`] finds, with their lines where known.
    pub(crate) fn load(text: &str, name: &str, language: Language) -> Result<Self, Problems> {
        let here = |Problems(found): Problems| {
            let placed = |p: Problem| Problem {
                remedy: "see docs/notifications.md for how to write a template".to_owned(),
                ..p
            };
            Problems(found.into_iter().map(placed).collect())
        };
        Ok(Self {
            words: Program::compile(words(language), "words")?,
            program: Program::compile(text, name).map_err(here)?,
        })
    }

    /// Returns the messages of an event, in order. Returns none if the template does not notify of
    /// this event.
    pub(crate) fn messages(
        &self,
        event: &Value,
        now: Timestamp,
    ) -> Result<Vec<Message>, TemplateError> {
        let failed = TemplateError::Failed;
        let worded = self.words.run(event, now.as_second()).map_err(failed)?;
        let event = worded.into_iter().next().unwrap_or_default();
        let outputs = self.program.run(&event, now.as_second()).map_err(failed)?;
        if outputs.len() > MAX_MESSAGES {
            return Err(TemplateError::TooMany(outputs.len()));
        }
        let read = |output| {
            serde_json::from_value(output)
                .map_err(|error: serde_json::Error| TemplateError::NoMessage(error.to_string()))
        };
        outputs.into_iter().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{Difference, NoticeKind, RefusalKind};

    /// Words in Latin letters that the Chinese lines may contain, besides words of the event.
    const NAMES: [&str; 6] = [
        "sharehook",
        "requests",
        "--rejected",
        "drift",
        "UTC",
        "Lighthouse",
    ];

    fn event(on: NoticeKind, action: &str, ended: bool) -> Value {
        let end = ended.then_some("2026-12-31T16:30:00Z");
        let request = json!({"image": "img-6pb6lrmy", "region": "ap-singapore", "action": action, "lighthouse": ended,
            "accounts": (1..8).map(|n| format!("70000000000{n}")).collect::<Vec<_>>(), "ticket": ended.then_some("CHG-7"), "id": "R-1"});
        let incident = match on {
            NoticeKind::Rejected => {
                json!({"rejected": {"source": "desk-2", "problems": ["image: no-id"], "delivery_id": "D-4"}})
            }
            NoticeKind::Drifted => {
                json!({"drifted": {"count": 3, "differences": Difference::ALL.iter().map(|difference| json!({
                "difference": difference, "image": "lhbp-1", "region": "ap-1", "to": "700000000001"})).collect::<Vec<_>>()}})
            }
            _ => Value::Null,
        };
        let mut event = json!({"type": on, "request": request, "contact": ended.then_some("desk@example.com"), "expires_at": end,
            "policy": if ended { vec!["golden-images"] } else { vec![] },
            "refusals": if ended { RefusalKind::ALL.to_vec() } else { vec![] }, "why": ended.then_some("code-17"),
            "kept": [{"result": "already_shared", "account": "700000000003"}],
            "results": [{"result": "failed", "account": "700000000001", "code": "Internal-1"}, {"result": "shared", "account": "700000000002"},
            {"result": "already_shared", "account": "700000000003"}, {"result": "already_shared", "account": "700000000005", "renewed": true}, {"result": "cancelled", "account": "700000000004", "called_off_by": "CHG-9"}]});
        if let (Some(event), Value::Object(incident)) = (event.as_object_mut(), incident) {
            event.extend(incident);
        }
        event
    }

    fn lines(language: Language, event: &Value) -> String {
        let template = r#"{method: "POST", path: "", body: .lines}"#;
        let template = Template::load(template, "t", language).unwrap();
        let messages = template.messages(event, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(messages[0].body.as_array().unwrap().len(), 3, "{event}");
        messages[0].body.to_string()
    }

    /// Returns the words in Latin letters and the numbers.
    fn latin(text: &str) -> Vec<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"-_.@:".contains(c));
        let words = words.map(|word| word.trim_matches(['.', ':']));
        words.filter(|word| !word.is_empty()).collect()
    }

    #[test]
    fn a_message_says_how_many_differences_it_leaves_out() {
        let mut event = event(NoticeKind::Drifted, "share", true);
        assert!(!lines(Language::En, &event).contains("more"));
        let drifted = event.get_mut("drifted").unwrap();
        drifted["differences"] = vec![drifted["differences"][0].clone(); 9].into();
        drifted["count"] = json!(207);
        for (language, said) in [
            (Language::En, "; and 202 more"),
            (Language::Zh, "另有 202 处"),
        ] {
            let lines = lines(language, &event);
            assert!(lines.contains(said), "{lines}");
        }
    }

    #[test]
    fn a_cancel_that_found_nothing_and_a_request_that_was_called_off_are_said_to_be_so() {
        let mut idle = event(NoticeKind::Completed, "cancel", true);
        idle["results"] = json!([{"result": "not_shared", "account": "700000000001"}]);
        let mut off = event(NoticeKind::Failed, "share", true);
        off["results"] =
            json!([{"result": "cancelled", "account": "700000000001", "called_off_by": "CHG-9"}]);
        for (event, said) in [
            (&idle, "nothing had to be stopped"),
            (&off, "it was called off by CHG-9."),
        ] {
            let lines = lines(Language::En, event);
            assert!(lines.contains(said), "{lines}");
            assert!(!lines.contains("Ask "), "{lines}");
            assert!(!lines.contains("Stopped sharing"), "{lines}");
        }
    }

    #[test]
    fn no_line_has_a_link_or_an_invisible_character_of_a_ticket() {
        let mut event = event(NoticeKind::Completed, "share", true);
        event["request"]["id"] =
            json!("a\u{202e}b www.evil.example Mailto:x@evil.example\u{200b}c");
        let lines = lines(Language::En, &event);
        assert!(!lines.contains(['\u{202e}']), "{lines}");
        assert!(!lines.contains("\u{200b}c"), "{lines}");
        for link in ["www.evil", "to:x@"] {
            assert!(!lines.contains(link), "{lines}");
        }
    }

    #[test]
    fn chinese_lines_name_what_the_english_ones_name_and_hold_no_english() {
        for on in NoticeKind::ALL.iter().copied() {
            for (action, ended) in [
                ("share", true),
                ("share", false),
                ("cancel", true),
                ("cancel", false),
            ] {
                let event = event(on, action, ended);
                let (english, chinese) = (lines(Language::En, &event), lines(Language::Zh, &event));
                let known = event.to_string();
                let words = latin(&chinese).into_iter();
                for word in words.filter(|word| word.contains(|c: char| c.is_ascii_alphabetic())) {
                    assert!(
                        known.contains(word) || NAMES.contains(&word),
                        "{on}: {word:?} in {chinese}"
                    );
                }
                let values = latin(&english).into_iter();
                for value in values.filter(|word| word.contains(|c: char| c.is_ascii_digit())) {
                    assert!(
                        chinese.contains(value),
                        "{on}: {value:?} is not in {chinese}"
                    );
                }
            }
        }
    }
}
