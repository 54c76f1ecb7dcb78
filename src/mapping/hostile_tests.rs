//! Runs maps that do a lot of work on events that an attacker could send: each map on each event.
//! Every run must end. `measure` prints how long the slowest runs take:
//! `cargo test --release --lib -- --ignored --nocapture mapping::hostile_tests::measure`

use std::time::Instant;

use serde_json::{Value, json};

use super::Program;

/// Maps that the linter accepts but that do much work, grouped by the kind of work.
const MAPS: [&str; 66] = [
    // nested loops
    "[.. as $a | .. as $b | .. as $c | 1] | length",
    "[.. | .. | ..] | length",
    "[.[]? as $a | .[]? as $b | [$a, $b]] | length",
    "first(.. as $a | .. as $b | select($a == 1 and $b == 2 and false))",
    "any(.. as $a | .. as $b | false; .)",
    "all(.. as $a | .. as $b | $a; true)",
    "label $f | .. as $a | .. as $b | if false then break $f else empty end",
    "[.., .., .. | [.., ..]] | length",
    "{a: .[]?, b: .[]?, c: .[]?} | select(.a == .b)",
    "[foreach .. as $x (0; . + 1; [$x, .])] | length",
    ". as [$a, $b, [$c]] | [$a, $b, $c]",
    ". as [[[[[[[[$a]]]]]]]] | $a",
    // growing values
    "reduce .. as $x (\"xx\"; . + .) | length",
    "reduce .. as $x ([1]; . + .) | length",
    "reduce .. as $x ([]; [., .]) | tojson | length",
    "reduce .. as $x (1; [., .]) | . == .",
    "reduce .. as $x ({}; {a: ., b: .}) | unique_by(.a)",
    "reduce .. as $x (1; [.]) | length",
    "reduce .. as $x (1; {a: .}) | [paths] | length",
    "reduce .. as $x (.; del(.[0]?)) | length",
    "reduce .. as $x ([..]; .[1:] + [$x]) | length",
    "reduce .. as $x (null; .[1000000] = $x) | length",
    "reduce .. as $x ({}; .[$x | tojson] = $x) | length",
    "reduce .. as $x (\"\"; . + ($x | tojson)) | length",
    "[.. | tojson] | add | length",
    "[.. | tojson] | join(tojson) | length",
    "[.. | [., .] | tojson | fromjson] | length",
    "[..] | map(tojson) | map(.[0:10] + .[-10:]) | length",
    "{} | .[\"a\"].b.c.d[9999999] = 1",
    "[.] | [., .] | [., .] | [., .] | [., .] | [., .] | [., .] | [., .] | flatten | length",
    // sorting and searching
    "[..] | sort | length",
    "[..] | group_by(tojson) | length",
    "[..] | unique | length",
    "[.. as $x | [..] | sort] | length",
    "[..] | min_by(tojson), max_by(tojson) | tojson | length",
    "[..] - [..] | length",
    "[.. as $x | select($x == ..)] | length",
    "[..] | map(. as $x | IN(.[]?; $x)) | length",
    "[..] | contains([..]) | tojson",
    "[..] | inside([..]) | tojson",
    "[..] | index([..]) | tojson",
    "[..] | indices(1) | length",
    // texts
    "[.. | strings | explode | implode] | length",
    "[.. | strings | test(\"(a*)*b\")] | length",
    "[.. | strings | match(\"(a|a)*\"; \"g\")] | length",
    "[.. | strings | scan(\"a{1,100}.{1,100}b\")] | length",
    "[.. | strings | gsub(\"\"; \"xxxxxxxxxxxxxxxx\")] | length",
    "[.. | strings | [splits(\"a\")]] | length",
    "[.. | strings | split(\"\") | join(\"--------\")] | length",
    "[.. | strings | sub(\"(?<x>a*)\"; .x + .x + .x)] | length",
    "[.. | strings | capture(\"(?<a>.)(?<b>.)(?<c>.*)\")] | length",
    "[.. | strings | . as $s | test($s)?] | length",
    "[.. | tojson | test(\"[\\\\p{L}\\\\p{N}]{5}\")] | length",
    "[.. | strings | indices(\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\")] | length",
    "[.. | strings | ltrimstr(\"a\") | rtrimstr(\"a\") | ascii_upcase | trim] | length",
    "[.. | @json, @text, @uri, @base64 | length] | add",
    "[.. | @html | length] | add",
    "[.. | arrays | (@csv?, @tsv?, @sh?) | length] | add",
    "[.. | strings | visible_text | length] | add",
    "[.. | strings | ticket_fields([\"a\"])] | length",
    "[.. | strings | (fromjson?, tonumber?, fromdate?, strptime(\"%Y\")?)] | length",
    "[.. | numbers | (todate?, gmtime?, strftime(\"%c%c%c\")?, floor, pow(.; .), . * 1e308 * 1e308)] | length",
    // paths
    "[paths] | length",
    "[path(..)] | map(tojson) | add | length",
    "[leaf_paths as $p | getpath($p)] | length",
    "del(..) , del(.[]?) , to_entries, with_entries(.value = [.]) , walk(.) , walk([.]) | tojson | length",
];

/// Returns events that are wide, deep or long, or that contain many keys or large numbers. A larger
/// `scale` makes most of them larger.
fn events(scale: usize) -> Vec<(&'static str, Value)> {
    let keys = (0..scale)
        .map(|at| (format!("key-{at}"), json!(at)))
        .collect();
    let rows = |at: usize| json!({"name": format!("n{at}"), "value": [at, "a, b", null]});
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    vec![
        ("wide", json!((0..scale).collect::<Vec<_>>())),
        ("equal", json!(vec![1; scale])),
        ("deep", deep.clone()),
        ("deep and wide", json!(vec![deep; scale / 100])),
        ("long text", json!("a".repeat(10 * scale))),
        ("lines", json!("a: b <i>c</i> [d](e)\n".repeat(scale / 2))),
        ("texts", json!(vec!["a,b\u{e9}"; scale / 2])),
        ("keys", Value::Object(keys)),
        ("rows", json!((0..scale / 10).map(rows).collect::<Vec<_>>())),
        (
            "numbers",
            json!(vec![1e300, -1e300, 1.5, 9e18, 253_402_300_800_f64]),
        ),
    ]
}

/// Runs each map on each event. Returns the milliseconds and the end of each run.
fn run_all(scale: usize, units: u64) -> Vec<(u128, String)> {
    let events = events(scale);
    let mut runs = Vec::new();
    for map in MAPS {
        let program = Program::compile(map, "m.jq").unwrap_or_else(|why| panic!("{map}: {why}"));
        for (name, event) in &events {
            let start = Instant::now();
            let end = match program.run_within(event, 0, units) {
                Ok(outputs) => format!("{} outputs", outputs.len()),
                Err(why) => why,
            };
            runs.push((
                start.elapsed().as_millis(),
                format!("{map}  on {name}: {end}"),
            ));
        }
    }
    runs
}

#[test]
fn every_hostile_map_ends_on_every_event() {
    let runs = run_all(300, 20_000);
    let stopped = runs
        .iter()
        .filter(|(_, end)| end.contains("it takes too many steps"))
        .count();
    assert_eq!(runs.len(), MAPS.len() * events(0).len());
    assert!(
        stopped > 100,
        "only {stopped} exceed their units: the table is not hostile"
    );
}

/// Prints the slowest runs on events of about a megabyte, and the peak memory of this process.
#[test]
#[ignore = "prints figures; takes minutes without optimisation"]
fn measure() {
    let mut runs = run_all(100_000, super::bound::UNITS);
    runs.sort_by(|one, other| other.cmp(one));
    for (milliseconds, end) in runs.iter().take(25) {
        println!("{milliseconds:>6} ms  {end}");
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    println!("{} pairs, {}", runs.len(), peak.unwrap_or("peak unknown"));
}
