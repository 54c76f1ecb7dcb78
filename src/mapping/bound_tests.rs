//! Tests the limits of a run. Programs that do too much work must be stopped, and ordinary programs
//! must succeed on large events.

use serde_json::{Value, json};

use super::Program;

fn list(length: usize) -> Value {
    json!(vec![1; length])
}

fn told(map: &str, event: &Value) -> Result<Vec<Value>, String> {
    Program::compile(map, "m.jq").unwrap().run(event, 0)
}

/// Programs that exceed a budget of 100,000 units on a list of 1,000 numbers. Without a budget,
/// some of them would run for years or use all memory.
const ENDLESS: [&str; 25] = [
    "[.[] as $a | .[] as $b | .[] as $c | 1]",
    "[. as $r | .[] | $r[] | $r[] | $r[]] | length",
    "first(.. as $a | .. as $b | .. as $c | select(false))",
    "[.[] as $a | $a as $x | .[] as $b | empty]",
    "{a: .[], b: .[], c: .[]} | select(.a == 2)",
    "[.[] as $a | .[] as $b | .[] as $c | $a + $b + $c]",
    "[\"\\(.[])\\(.[])\\(.[])\"]",
    "[.[] as $a | try error($a) catch .[]?, (.[] | try error(1) catch empty)]",
    "[.[] as $a | .[] | try error(1) catch empty]",
    "reduce .[] as $x (\"xx\"; . + .)",
    "reduce .[] as $x (1; [., .]) | tojson",
    "reduce .[] as $x (1; [.]) | 1",
    "reduce .[] as $x (1; {a: .}) | 1",
    "reduce .[] as $x ([1]; . + .) | length",
    "[foreach .[] as $x (0; .[]?, 1; .)] | [.[] as $x | .[] as $y | $x]",
    "def d: [., .]; d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|tojson|length",
    "def d: (., .); [d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d]",
    "def d: tojson; d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d|d",
    "[.[] as $x | contains([$x + 1])] | length",
    "to_entries | map(.key) | contains(.)",
    "[.[] as $x | . == map(1)]",
    "[.[] as $x | tojson | length] | length",
    "[.[] as $x | unique | length] | length",
    "join(\"x\" + tojson) | length",
    "to_entries | map(\"\\(.key)+\" as $pattern | \"1\" | test($pattern))",
];

#[test]
fn what_would_not_end_is_stopped() {
    let event = list(1_000);
    for map in ENDLESS {
        let program = Program::compile(map, "m.jq").unwrap();
        let why = program.run_within(&event, 0, 100_000).expect_err(map);
        assert!(
            ["too many steps", "too large", "too deep"]
                .iter()
                .any(|word| why.contains(word)),
            "{map}: {why}"
        );
    }
}

#[test]
fn honest_work_on_a_large_event_is_done() {
    for (map, length) in [
        ("length", 16_384),
        ("map(. + 1) | length", 16_384),
        ("[.. | numbers] | length", 16_384),
        ("[.[] | select(. == 1)] | length", 16_384),
        (
            "walk(if type == \"object\" then 1 else . end) | length",
            16_384,
        ),
        ("[to_entries[] | {a: .value, b: .key}] | length", 16_384),
        ("unique | length", 1),
        ("add", 16_384),
        ("tojson | length", 32_769),
        ("[paths] | length", 16_384),
        ("[tojson | splits(\",\")] | length", 16_384),
        ("flatten | length", 16_384),
        ("reduce .[] as $x (0; . + $x)", 16_384),
    ] {
        assert_eq!(
            told(map, &list(16_384)).as_deref(),
            Ok(&[json!(length)][..]),
            "{map}"
        );
    }
}

#[test]
fn a_map_means_the_same_with_its_meter() {
    for (map, event, outputs) in [
        (".a |= . + 1", json!({"a": 1}), vec![json!({"a": 2})]),
        (
            "(.a, .b) += 1",
            json!({"a": 1, "b": 2}),
            vec![json!({"a": 2, "b": 3})],
        ),
        (
            "(.[] | select(. > 1)) |= empty",
            json!([1, 2]),
            vec![json!([1])],
        ),
        ("[paths]", json!({"a": [1]}), vec![json!([["a"], ["a", 0]])]),
        (
            "path(.a[0] // .b)",
            json!({"a": [null]}),
            vec![json!(["b"])],
        ),
        (
            "del(.a, .b)",
            json!({"a": 1, "b": 2, "c": 3}),
            vec![json!({"c": 3})],
        ),
        (
            "{a, \"b\": 2, (.k): 3, $now}",
            json!({"a": 1, "k": "c"}),
            vec![json!({"a": 1, "b": 2, "c": 3, "now": 0})],
        ),
        (
            ". as {a: [$x, {$y}]} | [$x, $y]",
            json!({"a": [1, {"y": 2}]}),
            vec![json!([1, 2])],
        ),
        (
            "label $f | .[] | ., break $f",
            json!([1, 2]),
            vec![json!(1)],
        ),
        (
            "first(.[] | select(. > 1))",
            json!([1, 2, 3]),
            vec![json!(2)],
        ),
        (
            "contains(\"a\", \"c\")",
            json!("ab"),
            vec![json!(true), json!(false)],
        ),
        (
            "[.[] | inside([1, 2])?], (index(\",\")? | values)",
            json!([[1], [3]]),
            vec![json!([true, false])],
        ),
        (
            "if .a then 1 elif .b then 2 else 3 end, -.b, .c[1:][0]",
            json!({"b": 4, "c": [5, 6]}),
            vec![json!(2), json!(-4), json!(6)],
        ),
        (
            "\"\\(.a)-\\(.b)\", @base64 \"\\(.a)\"",
            json!({"a": 1, "b": "x"}),
            vec![json!("1-x"), json!("MQ==")],
        ),
        (
            "def f(g; $x): g + $x; f(.a; 1, 2)",
            json!({"a": 1}),
            vec![json!(2), json!(3)],
        ),
        (
            "gsub(\"a\"; \"b\"), [match(\"a\"; \"g\").offset], ascii_downcase",
            json!("aXa"),
            vec![json!("bXb"), json!([0, 2]), json!("axa")],
        ),
        (
            "try error(\"x\") catch ., (.a? // 1), ([.[] | tonumber?])",
            json!(["1", "y"]),
            vec![json!("x"), json!(1), json!([1])],
        ),
    ] {
        assert_eq!(told(map, &event), Ok(outputs), "{map}");
    }
}

#[test]
fn each_run_has_its_own_budget() {
    let program = Program::compile("[.[] as $x | .[] | $x] | length", "m.jq").unwrap();
    for _ in 0..3 {
        assert!(program.run_within(&list(50), 0, 100_000).is_ok());
        assert!(program.run_within(&list(1_000), 0, 100_000).is_err());
    }
}

/// The engine's libraries overflow on some of these values. `defs.jq` must refuse such values.
#[test]
fn dates_and_numbers_that_no_calendar_has_are_errors() {
    for month in [
        json!(127),
        json!(-129),
        json!("x"),
        json!(1e300),
        json!(null),
    ] {
        for map in ["strftime(\"%Y\")", "todate"] {
            let date = json!([2020, month, 1, 0, 0, 0, 0, 0]);
            assert!(told(map, &date).is_err(), "{map} on {date}");
        }
    }
    for map in ["strftime(\"%Y\")", "gmtime", "todate"] {
        assert!(
            told(map, &json!(9_000_000_000_000_000_000_u64)).is_err(),
            "{map}"
        );
    }
    let date = json!([2020, 11, 1, 0, 0, 0, 0, 0]);
    assert_eq!(told("strftime(\"%m\")", &date), Ok(vec![json!("12")]));
    assert_eq!(
        told("todate", &date),
        Ok(vec![json!("2020-12-01T00:00:00Z")])
    );
    // Whole numbers are exact only below 1e30. Both sums are larger, so both are the same double.
    let large = "[1e29 * 20 + 1, 1e29 * 20 + 2] | unique | length";
    assert_eq!(told(large, &json!(null)), Ok(vec![json!(1)]));
}
