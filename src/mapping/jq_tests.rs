//! Compares the outputs of programs with those of jq. The expected outputs are in
//! `tests/vectors/jq-1.7.json`. They were computed with release 1.8.0 of the package `jq` on PyPI,
//! and are null where jq fails.

use serde_json::Value;

use super::Program;

#[test]
fn a_program_has_the_outputs_that_jq_has() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/vectors/jq-1.7.json")).unwrap();
    let mut wrong = String::new();
    for case in &cases {
        let filter = case["filter"].as_str().unwrap();
        let wanted = case["outputs"].as_array();
        let told = match Program::compile(filter, "m.jq") {
            Err(problems) => format!("is refused: {problems}"),
            Ok(program) => match (program.run(&case["input"], 0), wanted) {
                (Ok(outputs), Some(wanted)) if outputs == *wanted => continue,
                (Err(_), None) => continue,
                (outcome, _) => format!("{outcome:?}"),
            },
        };
        wrong.push_str(&format!("{case}\n    {told}\n"));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// These outputs come from the manual of jq 1.7 and not from the package `jq` 1.8.0, because the
/// package lacks most of these filters or implements them differently.
#[test]
fn documented_filters_answer_as_documented() {
    use serde_json::json;
    for (filter, input, outputs) in [
        (
            "from_entries",
            json!([{"k": "a", "v": false}, {"Name": "n", "Value": 3}, {"K": "x"}, {"key": null}]),
            json!([{"a": false, "n": 3, "x": null, "null": null}]),
        ),
        (
            "@html",
            json!("<'\"&>"),
            json!(["&lt;&#39;&quot;&amp;&gt;"]),
        ),
        ("trim", json!(" a "), json!(["a"])),
        (
            "[nan, 1, infinite, \"nan\"] | map(isnan), (.[0] | isnormal)",
            json!(null),
            json!([[true, false, false, false], false]),
        ),
        // The bounds of these slices are too large for an index.
        (
            "[.[1e20:], .[:1e20], .[:infinite], .[-infinite:], .[-1e20:], .[:-1e20]]",
            json!([1]),
            json!([[[], [1], [1], [1], [1], []]]),
        ),
        ("[leaf_paths]", json!({"a": [1]}), json!([[["a", 0]]])),
        (
            "tostring",
            json!(700_000_164_995.0),
            json!(["700000164995"]),
        ),
    ] {
        let program = Program::compile(filter, "m.jq").unwrap();
        assert_eq!(json!(program.run(&input, 0).unwrap()), outputs, "{filter}");
    }
}

/// Examples from jq's manual with numbers that neither a double nor a 64-bit integer can represent.
const NUMBERS_AS_WRITTEN: [&str; 3] = [
    "[., tojson]",
    "map([., . == 1]) | tojson",
    ". as $big | [$big, $big + 1] | map(. > 10000000000000000000000000000000)",
];

/// Runs the examples of the manual of jq 1.7.1. They are in `tests/vectors/jq-manual.json`, with
/// outputs from the package `jq` 1.8.0. Each example must have these outputs or must not compile.
/// The examples in `NUMBERS_AS_WRITTEN` may have other outputs.
#[test]
fn the_manuals_examples_answer_as_jq_does_or_are_refused() {
    let cases: Vec<Value> =
        serde_json::from_str(include_str!("../../tests/vectors/jq-manual.json")).unwrap();
    let (mut same, mut refused, mut wrong) = (0, 0, String::new());
    for case in &cases {
        let filter = case["filter"].as_str().unwrap();
        let Ok(program) = Program::compile(filter, "m.jq") else {
            refused += 1;
            continue;
        };
        let wanted = case["outputs"].as_array();
        match (program.run(&case["input"], 0), wanted) {
            (Ok(outputs), Some(wanted)) if outputs == *wanted => same += 1,
            (Err(_), None) => same += 1,
            // jq keeps the digits of a number as they were written, until a program computes with
            // the number.
            _ if NUMBERS_AS_WRITTEN.contains(&filter) => {}
            (outcome, _) => wrong.push_str(&format!("{case}\n    {outcome:?}\n")),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!((same, refused), (203, 35), "of {} examples", cases.len());
}

const PAGE: &str = include_str!("../../docs/maps.md");

/// Checks every filter that jq 1.7.1 lists in the output of `jq -n builtins` (from the package `jq`
/// 1.8.0). Each filter must either be available here, or `docs/maps.md` must list it as not
/// available.
#[test]
fn a_filter_that_jq_has_is_here_or_is_named_on_the_page() {
    let (_, missing) = PAGE.split_once("\n| not available |").unwrap();
    let (missing, _) = missing.split_once("\n\n").unwrap();
    let cells = missing.lines().filter_map(|row| row.split(" | ").next());
    let names = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let named: Vec<&str> = names.collect();
    for filter in include_str!("../../tests/vectors/jq-builtins.txt").lines() {
        let (name, arity) = filter.split_once('/').unwrap();
        let call = match arity.parse::<usize>().unwrap() {
            0 => name.to_owned(),
            arity => format!("{name}({})", vec!["."; arity].join(";")),
        };
        let is_here = Program::compile(&call, "m.jq").is_ok();
        assert_eq!(is_here, !named.contains(&name), "{filter}");
    }
}

#[test]
fn the_examples_on_the_page_are_true() {
    let rows = PAGE.lines().map(|line| line.split("` | `").collect());
    let examples: Vec<Vec<&str>> = rows.filter(|cells: &Vec<&str>| cells.len() == 3).collect();
    assert!(examples.len() > 4, "{}", examples.len());
    for cells in examples {
        let filter = cells[0].trim_start_matches("| `");
        let input: Value = serde_json::from_str(cells[1]).unwrap();
        let output: Value = serde_json::from_str(cells[2].trim_end_matches("` |")).unwrap();
        let program = Program::compile(filter, "m.jq").unwrap();
        assert_eq!(program.run(&input, 0).unwrap(), [output], "{filter}");
    }
}
