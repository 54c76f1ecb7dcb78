//! The rows of the CSV export: a cell for every column, and no cell that runs as a formula.

use super::*;

/// Splits a row into its cells, as RFC 4180 says.
fn cells(row: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            other => cell.push(other),
        }
    }
    cells.push(cell);
    cells
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    let columns = cells(CSV_HEADER);
    for records in streams() {
        for entry in Entry::all(&records) {
            let row = cells(&entry.csv());
            assert_eq!(row.len(), columns.len());
            let cell = |name: &str| row[columns.iter().position(|c| c == name).unwrap()].as_str();
            assert_eq!(cell("sha256"), entry.stored.hash);
            assert_eq!(cell("record"), entry.stored.record.seq.to_string());
            assert!(!cell("request").is_empty() && !cell("event").is_empty());
        }
    }
}

#[test]
fn invisible_characters_of_a_ticket_are_written_out() {
    let reason = "\u{202e}\\u{5}\n\u{200b}";
    let mut intent = intent(identity("x"), request(json!({"reason": reason})), None);
    intent.identity.id = "a\u{2066}".to_owned();
    let opened = Event::Opened(Box::new(intent));
    let records = StreamBuilder::empty(&identity("x"))
        .then(0, 1, opened)
        .records;
    let entry = &Entry::all(&records)[0];
    let ocsf = entry.ocsf(&origin());
    serde_json::from_str::<Value>(&ocsf).unwrap();
    for (text, shown) in [
        (entry.csv(), "\\u{202e}\\u{5}\n\\u{200b}"),
        (entry.csv(), "a\\u{2066}"),
        (ocsf.clone(), r"\\u{202e}\\u{5}\n\\u{200b}"),
        (ocsf, r"a\\u{2066}"),
    ] {
        assert!(text.contains(shown), "{text}");
        assert!(
            !text.contains(['\u{202e}', '\u{200b}', '\u{2066}']),
            "{text}"
        );
    }
}

#[test]
fn a_cell_never_becomes_a_formula_and_never_breaks_its_row() {
    for evil in [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(A1)",
        "=cmd|'/c calc'!A1",
        "=\"a\",\"b\"",
    ] {
        let cell = csv::quoted(evil);
        assert_eq!(cells(&cell), [format!("'{evil}")], "{evil:?}");
    }
    for plain in [
        "",
        "a",
        "a,b",
        "say \"hi\"",
        "two\nlines",
        "a;b",
        " lead",
        "1=1",
    ] {
        assert_eq!(cells(&csv::quoted(plain)), [plain]);
    }
    let request = request(json!({"reason": "=HYPERLINK(\"http://x\",\"y\")", "requester": "=eve"}));
    let builder = StreamBuilder::empty(&identity("x")).then(
        0,
        1,
        Event::Opened(Box::new(intent(identity("x"), request, Some(60)))),
    );
    let row = Entry::all(&builder.records)[0].csv();
    assert!(
        cells(&row).contains(&"'=eve".to_owned()) && row.contains("\"'=HYPERLINK(\"\"http://x\"\""),
        "{row}"
    );
}
