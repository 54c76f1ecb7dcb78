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
