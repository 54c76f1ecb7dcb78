//! Prints the results of `test`: a line for each case, the differences, the policies that decided
//! no case, and the counts.

use serde_json::{Value, json};

use super::case::{CaseResult, Difference, Ran};
use crate::entrypoints::cli::print::{out, outln};
use crate::entrypoints::cli::terminal::text::wrapped;
use crate::entrypoints::outcome::Exit;

pub(super) fn report(as_json: bool, cases: &[Ran], untouched: &[String]) -> Exit {
    let count =
        |wanted: fn(&CaseResult) -> bool| cases.iter().filter(|ran| wanted(&ran.ended)).count();
    let passed = count(|ended| matches!(ended, CaseResult::Passed));
    let skipped = count(|ended| matches!(ended, CaseResult::Skipped(_)));
    let failed = cases.len() - passed - skipped;
    if as_json {
        let list: Vec<Value> = cases.iter().map(as_value).collect();
        out(
            json!({ "cases": list, "passed": passed, "failed": failed, "skipped": skipped, "untouched_policies": untouched }),
        );
    } else {
        cases.iter().for_each(print);
        if !untouched.is_empty() {
            let text = format!("policies that decided no case: {}", untouched.join(", "));
            outln!("\n{}", wrapped(0, &text));
        }
        if cases.len() == skipped {
            let text = "no case ran: name configured sources in `source` of the cases";
            outln!("\n{text}");
        }
        match skipped {
            0 => outln!("{passed} passed, {failed} failed"),
            _ => outln!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }
    Exit::done_if(failed == 0 && passed > 0)
}

fn print(ran: &Ran) {
    let name = wrapped(8, &ran.name);
    match &ran.ended {
        CaseResult::Passed => outln!("ok      {name}"),
        CaseResult::Skipped(why) => outln!("skipped {name}\n        {}", wrapped(8, why)),
        CaseResult::Failed(differences) => {
            outln!("FAILED  {name}\n        {}", ran.place);
            differences.iter().for_each(print_difference);
        }
    }
}

/// Prints the field, then each expected value that is missing (`-`) and each value that was not
/// expected (`+`). If both lists have the same values, and differ only in their order or in
/// repetitions, prints both lists whole.
fn print_difference(difference: &Difference) {
    let Difference {
        field,
        expected,
        got,
        why,
    } = difference;
    outln!("        {field}");
    let alone = |values: &[String], others: &[String]| values.iter().any(|v| !others.contains(v));
    let same_values = !alone(expected, got) && !alone(got, expected);
    for (sign, values, others) in [('-', expected, got), ('+', got, expected)] {
        let shown = |value: &&String| same_values || !others.contains(value);
        for value in values.iter().filter(shown) {
            outln!("        {sign} {}", wrapped(10, value));
        }
    }
    for why in why {
        outln!("          {}", wrapped(10, why));
    }
}

fn as_value(ran: &Ran) -> Value {
    let (name, place) = (&ran.name, &ran.place);
    match &ran.ended {
        CaseResult::Passed => json!({ "case": name, "place": place, "ok": true }),
        CaseResult::Skipped(why) => {
            json!({ "case": name, "place": place, "ok": null, "skipped": why })
        }
        CaseResult::Failed(found) => {
            let lines: Vec<String> = found.iter().map(Difference::line).collect();
            json!({ "case": name, "place": place, "ok": false, "differences": lines })
        }
    }
}
