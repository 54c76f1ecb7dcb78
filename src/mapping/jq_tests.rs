//! Programs and the outputs that jq has for them (`tests/vectors/jq-1.7.json`, written by release
//! 1.8.0 of PyPI's package `jq`; null where jq fails).

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

/// What jq 1.7 documents and the package above does not have.
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

/// Examples with numbers that no double and no 64-bit integer holds.
const NUMBERS_AS_WRITTEN: [&str; 3] = [
    "[., tojson]",
    "map([., . == 1]) | tojson",
    ". as $big | [$big, $big + 1] | map(. > 10000000000000000000000000000000)",
];

/// The examples of jq 1.7.1's manual (`tests/vectors/jq-manual.json`, outputs written as above): each
/// has jq's outputs here, or is refused before it runs, or is a documented difference.
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
            // jq keeps the digits of a number as written until something computes with it.
            _ if NUMBERS_AS_WRITTEN.contains(&filter) => {}
            (outcome, _) => wrong.push_str(&format!("{case}\n    {outcome:?}\n")),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert_eq!((same, refused), (203, 35), "of {} examples", cases.len());
}
