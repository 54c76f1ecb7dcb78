//! Runs `sharehook demo` on both sites. The stand-in cloud and the configuration must belong to the
//! chosen site.

use serde_json::Value;

use crate::support::process::run;

#[test]
fn the_demo_observes_everything_on_both_sites() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--site", "intl"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("All checks above passed."), "{printed}");
    assert!(
        printed.contains("SHARE-101  Shared lhbp-6jc6l8yb"),
        "{printed}"
    );
    for line in printed.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let output = run(folder.path(), &["demo", "--site", "moon"]);
    assert_eq!(output.status.code(), Some(64));
    let refusal = String::from_utf8_lossy(&output.stderr);
    assert!(refusal.contains("one of intl, cn"), "{refusal}");
}

#[test]
fn as_json_the_demo_is_a_line_for_each_observation() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["demo", "--site", "cn", "--json"]);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}");
    let lines: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps = lines.iter().filter(|line| line["title"].is_string());
    assert_eq!(steps.count(), 5, "{printed}");
    let checks: Vec<_> = lines
        .iter()
        .filter(|line| line["check"].is_string())
        .collect();
    assert!(
        checks.len() > 12 && checks.iter().all(|line| line["ok"] == true),
        "{printed}"
    );
    assert_eq!(lines.last().unwrap()["failed"], 0);
}
