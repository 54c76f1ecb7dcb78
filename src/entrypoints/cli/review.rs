//! Formats the grants for `grants --review`, as blocks to confirm or to revoke. In: entries, the
//! oldest first. Out: text that fits 80 columns.

use crate::app::{ReviewEntry, Standing};

use super::terminal::text::lines;

/// Maximum number of account ids on one line.
const ON_A_LINE: usize = 4;
/// The width of the texts to the right of the labels.
const WIDTH: usize = 80 - 12;

pub(super) fn text(entries: &[ReviewEntry]) -> String {
    let mut text: String = entries.iter().map(block).collect();
    text.push_str(
        "Confirm each grant with its owner, or revoke it:\n  \
         sharehook revoke --image ID --as SOURCE/REQUESTER --reason TEXT",
    );
    text
}

fn block(entry: &ReviewEntry) -> String {
    let unit = if entry.days == 1 { "day" } else { "days" };
    let end = match entry.until {
        Some(until) => format!("ends {until:.0}"),
        None => "never ends".to_owned(),
    };
    let state = match entry.state {
        Standing::Active => String::new(),
        Standing::Covered | Standing::Overdue => format!(", {}", entry.state.as_str()),
    };
    let accounts = entry.to.chunks(ON_A_LINE).map(|some| some.join(", "));
    let accounts: Vec<String> = accounts.collect();
    let mut text = format!(
        "{} {unit}: {} in {}\n",
        entry.days, entry.image, entry.region
    );
    for (name, values) in [
        ("with", accounts),
        ("since", vec![format!("{:.0}, {end}{state}", entry.since)]),
        ("owner", vec![entry.requester.clone()]),
        ("approved", entry.approvers.clone()),
        ("policy", entry.policies.clone()),
        ("ticket", vec![entry.ticket.clone()]),
    ] {
        let values = values.iter().flat_map(|value| lines(value, WIDTH));
        for (number, line) in values.enumerate() {
            let name = if number == 0 { name } else { "" };
            text.push_str(&format!("  {name:<9} {line}\n"));
        }
    }
    text.push('\n');
    text
}
