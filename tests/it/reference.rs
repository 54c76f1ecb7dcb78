//! Compares the reference pages with the program. The options in docs/commands.md come from its
//! help (`SHAREHOOK_WRITE_OPTIONS=1` writes them). Every field of the configuration's schema and
//! every status of an answer is on a page.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sharehook::domain::Status;

use crate::support::docs::pages;
use crate::support::process::{Finish as _, program};

const COMMANDS: &str = "docs/commands.md";
const BEGIN: &str = "<!-- options: written by tests/it/reference.rs -->\n";

fn page(path: &str) -> String {
    pages(path).remove(0).text
}

fn help(command: &str) -> String {
    let output = program(Path::new("."))
        .args(command.split_whitespace())
        .arg("-h")
        .finish();
    String::from_utf8(output.stdout).unwrap()
}

fn commands(help: &str) -> Vec<String> {
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let (list, _) = list.split_once("\n\n").unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn all_commands() -> Vec<String> {
    let mut all = commands(&help(""));
    all.retain(|command| command != "audit");
    let audit = commands(&help("audit")).into_iter();
    all.extend(audit.map(|command| format!("audit {command}")));
    all
}

#[derive(PartialEq, Eq)]
struct Described {
    option: String,
    text: String,
}

/// Returns the options in a help text, except the options that every command has.
fn options(help: &str) -> Vec<Described> {
    let mut options: Vec<Described> = Vec::new();
    let (_, list) = help.split_once("Options:\n").unwrap();
    for line in list.lines().map(str::trim) {
        if line.starts_with('-') && !line.starts_with("- ") {
            let (option, text) = line.split_once("  ").unwrap_or((line, ""));
            let (option, text) = (option.to_owned(), text.trim().to_owned());
            options.push(Described { option, text });
        } else if let Some(last) = options.last_mut() {
            last.text = format!("{} {line}", last.text).trim().to_owned();
        }
    }
    let everywhere = ["--config", "--json", "-h, --help", "-V, --version"];
    options.retain(|one| !everywhere.iter().any(|name| one.option.starts_with(name)));
    options
}

/// Returns the table of options. It lists each option once, with the commands that have it.
fn options_table() -> String {
    let mut rows: Vec<(Described, Vec<String>)> = Vec::new();
    for command in all_commands() {
        for described in options(&help(&command)) {
            let known = rows.iter_mut().find(|(known, _)| *known == described);
            match known {
                Some((_, commands)) => commands.push(command.clone()),
                None => rows.push((described, vec![command.clone()])),
            }
        }
    }
    let head = "| option | of | is |\n|---|---|---|\n".to_owned();
    rows.iter().fold(head, |table, (described, commands)| {
        let Described { option, text } = described;
        let commands = commands.iter().map(|command| format!("`{command}`"));
        let commands = commands.collect::<Vec<_>>().join(", ");
        format!("{table}| `{option}` | {commands} | {text} |\n")
    })
}

#[test]
#[allow(clippy::disallowed_methods)] // A switch for the author of the page.
fn the_page_of_commands_has_every_command_and_option() {
    let text = page(COMMANDS);
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    for command in all_commands() {
        let name = command.trim_start_matches("audit ");
        let named = |row: &&&str| {
            let cell = row.split(" | ").next().unwrap();
            let words = cell.split(|c: char| !c.is_ascii_lowercase() && c != '-');
            words.filter(|word| *word == name).count() > 0
        };
        assert!(
            rows.iter().any(|row| named(&row)),
            "{COMMANDS} lacks `{command}`"
        );
    }
    let (before, after) = text.split_once(BEGIN).unwrap();
    let (_, after) = after.split_once("\n\n").unwrap();
    let written = format!("{before}{BEGIN}{}\n{after}", options_table());
    if std::env::var_os("SHAREHOOK_WRITE_OPTIONS").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(COMMANDS);
        return std::fs::write(file, written).unwrap();
    }
    assert!(
        text == written,
        "{COMMANDS} is not what the help says: run this test with SHAREHOOK_WRITE_OPTIONS=1"
    );
}

/// Parts of the schema whose fields are described on another page than docs/configuration.md.
const ELSEWHERE: [(&str, &str); 9] = [
    ("RawAccount", "docs/credentials.md"),
    ("SchemeTable", "docs/senders/custom.md"),
    ("Part", "docs/senders/custom.md"),
    ("TimeSource", "docs/senders/custom.md"),
    ("IdSource", "docs/senders/custom.md"),
    ("Handshake", "docs/senders.md"),
    ("RawFetch", "docs/senders/feishu.md"),
    ("RawNotify", "docs/notifications.md"),
    ("RawAuth", "docs/notifications.md"),
];

/// Adds the names of all fields in a part of the schema to `found`.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(parts) => {
            if let Some(Value::Object(properties)) = parts.get("properties") {
                found.extend(properties.keys().cloned());
            }
            for (_, part) in parts.iter().filter(|(name, _)| *name != "$defs") {
                fields(part, found);
            }
        }
        Value::Array(parts) => parts.iter().for_each(|part| fields(part, found)),
        _ => {}
    }
}

/// The words in the code spans and code blocks of a page.
fn code_words(text: &str) -> BTreeSet<&str> {
    let text = text.split('`').skip(1).step_by(2);
    text.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
        .collect()
}

#[test]
fn every_field_of_the_configuration_is_on_its_page() {
    let schema = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/sharehook.schema.json"
    ));
    let schema: Value = serde_json::from_str(&schema.unwrap()).unwrap();
    let parts = schema["$defs"].as_object().unwrap().iter();
    let parts = parts.map(|(name, part)| (name.as_str(), part));
    for (name, part) in parts.chain([("the top", &schema)]) {
        let elsewhere = ELSEWHERE.iter().find(|(part, _)| *part == name);
        let path = elsewhere.map_or("docs/configuration.md", |(_, path)| *path);
        let mut text = page(path);
        if name == "RawFetch" {
            text += &page("docs/senders/http.md");
        }
        let text = text.replace("```", "`");
        let known = code_words(&text);
        let mut found = BTreeSet::new();
        fields(part, &mut found);
        for field in found {
            assert!(
                known.contains(field.as_str()),
                "{path} lacks `{field}` of {name}"
            );
        }
    }
}

#[test]
fn every_status_of_an_answer_is_on_the_page_of_requests() {
    let text = page("docs/requests.md");
    for status in Status::ALL {
        assert!(text.contains(&format!("`{status}`")), "{status}");
    }
    let code = include_str!("../../src/entrypoints/outcome.rs");
    let (_, table) = code.split_once("fn row(self) -> Row {").unwrap();
    let (table, _) = table.split_once("\n        };\n").unwrap();
    let statuses = table.lines().filter_map(|line| line.split_once(" => ("));
    let statuses: Vec<&str> = statuses
        .filter_map(|(_, row)| row.split(',').next())
        .collect();
    assert!(statuses.len() > 10, "{statuses:?}");
    let (_, rows) = text.split_once("\n| HTTP | means |\n").unwrap();
    let listed: Vec<&str> = rows
        .lines()
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|cell| cell.split('·').map(str::trim))
        .collect();
    for status in statuses {
        assert!(listed.contains(&status), "docs/requests.md lacks {status}");
    }
}
