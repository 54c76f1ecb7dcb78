//! Groups receivers that have the same text, such as the same failure. In: texts with their
//! receivers. Out: a line for each different text, which names the first of its receivers.

use super::terminal::Tone;

/// Maximum number of receivers or approvers that a line names.
const MAX_NAMED: usize = 4;

/// Returns the first `MAX_NAMED` names, and how many more there are.
pub(super) fn first_names(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(MAX_NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(MAX_NAMED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The texts, each with its tone and the receivers that have it.
#[derive(Default)]
pub(super) struct ByText(Vec<(Tone, String, Vec<String>)>);

impl ByText {
    pub(super) fn push(&mut self, tone: Tone, said: String, receiver: String) {
        match self.0.iter_mut().find(|(_, known, _)| *known == said) {
            Some((.., receivers)) => receivers.push(receiver),
            None => self.0.push((tone, said, vec![receiver])),
        }
    }

    /// Returns a line for each text, with its receivers. Lines with [`Tone::Bad`] come first.
    pub(super) fn lines(mut self) -> impl Iterator<Item = (Tone, String)> {
        self.0.sort_by_key(|(tone, ..)| *tone != Tone::Bad);
        let lines = self.0.into_iter();
        lines.map(|(tone, said, receivers)| (tone, format!("{}: {said}", first_names(&receivers))))
    }
}
