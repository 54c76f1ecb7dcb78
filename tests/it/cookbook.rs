//! Adds each recipe of docs/policy-cookbook.md to the sample policy, and runs `sharehook test` with
//! the cases in the recipe's table. Without the recipe, at least one of these cases must fail.

use std::path::Path;

use serde_json::{Value, json};
use sharehook::inbound::Map;

use crate::support::copy_policy;
use crate::support::docs::blocks;
use crate::support::process::run;

const PAGE: &str = include_str!("../../docs/policy-cookbook.md");

/// Returns the request at the top of the page, and the sections with the recipes. The table of each
/// recipe lists changes to that request.
fn recipes() -> (serde_json::Map<String, Value>, Vec<&'static str>) {
    let mut parts = PAGE.split("\n## ");
    let request = &blocks(parts.next().unwrap(), "json")[0];
    (serde_json::from_str(request).unwrap(), parts.collect())
}

/// A row of a recipe's table: changes to the request, the expected decision, and its policies.
struct Row<'a> {
    differs: &'a str,
    decision: &'a str,
    policies: Vec<&'a str>,
}

fn rows(recipe: &str) -> Vec<Row<'_>> {
    // A line of jq can begin like a row.
    let is_row = |line: &&str| line.starts_with("| ") && line.ends_with('|');
    let lines = recipe.lines().filter(is_row);
    let cells = lines.map(|line| line.split(" | ").collect());
    let cells = cells.filter(|cells: &Vec<&str>| cells.len() == 3);
    let rows = cells.map(|cells| Row {
        differs: cells[0].trim_start_matches("| "),
        decision: cells[1],
        policies: cells[2].split('`').skip(1).step_by(2).collect(),
    });
    rows.skip(1).collect() // skip the table's header
}

fn write_cases(folder: &Path, request: &serde_json::Map<String, Value>, rows: &[Row<'_>]) {
    let cases = folder.join("policy/cases");
    std::fs::create_dir_all(&cases).unwrap();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut event = request.clone();
        if row.differs != "as above" {
            let differs: serde_json::Map<String, Value> =
                serde_json::from_str(row.differs.trim_matches('`')).unwrap();
            event.extend(differs);
        }
        let (source, now) = (
            event.remove("source").unwrap(),
            event.remove("now").unwrap(),
        );
        let file = format!("{number}.json");
        std::fs::write(cases.join(&file), Value::Object(event).to_string()).unwrap();
        text += &format!(
            "[[case]]\nname = {:?}\nsource = {source}\nevent = {file:?}\nnow = {now}\n\
             [case.expect]\ndecision = {:?}\n",
            row.differs, row.decision
        );
        if !row.policies.is_empty() {
            text += &format!("policies = {:?}\n", row.policies);
        }
    }
    std::fs::write(cases.join("recipe.toml"), text).unwrap();
}

/// Writes the sample policy, and sources that send native requests.
fn write_sample(folder: &Path, policy: &str) {
    copy_policy(folder);
    std::fs::create_dir_all(folder.join("maps")).unwrap();
    let shipped = Map::builtin_text("native").unwrap();
    std::fs::write(folder.join("maps/native.jq"), shipped).unwrap();
    let mut text = format!("journal = \"file:journal\"\n{policy}\n[cloud]\nsite = \"intl\"\n");
    for (name, scheme, variable) in [
        ("native", "standard-webhooks", "NATIVE_WEBHOOK_SECRET"),
        ("jira", "jira", "JIRA_WEBHOOK_SECRET"),
    ] {
        text += &format!(
            "[[source]]\nname = {name:?}\nscheme = {scheme:?}\nsecrets = [\"env:{variable}\"]\n\
             map = \"maps/native.jq\"\n"
        );
    }
    std::fs::write(folder.join("sharehook.toml"), text).unwrap();
}

/// Writes the files and entities of a recipe. The first line of each block names its file, or the
/// map at whose end the block belongs.
fn write_recipe(folder: &Path, recipe: &str) {
    for (language, comment) in [("cedar", "// "), ("jq", "# at the end of ")] {
        for block in blocks(recipe, language) {
            let file = block.lines().next().unwrap().strip_prefix(comment);
            let file = folder.join(file.unwrap());
            let before = match language {
                "jq" => std::fs::read_to_string(&file).unwrap(),
                _ => String::new(),
            };
            std::fs::write(file, before + &block).unwrap();
        }
    }
    let file = folder.join("policy/entities.json");
    let mut entities: Vec<Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for block in blocks(recipe, "json") {
        for line in block.lines() {
            let added: Value = serde_json::from_str(line).unwrap();
            entities.retain(|entity| entity["uid"] != added["uid"]);
            entities.push(added);
        }
    }
    std::fs::write(file, json!(entities).to_string()).unwrap();
}

fn tested(folder: &Path) -> (Option<i32>, String) {
    let output = run(folder, &["test"]);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn every_recipe_decides_as_its_table_says_and_changes_something() {
    let (request, recipes) = recipes();
    assert!(recipes.len() > 10, "{}", recipes.len());
    for recipe in recipes {
        let name = recipe.lines().next().unwrap();
        let rows = rows(recipe);
        assert!(rows.len() > 1, "{name}");
        let policy = blocks(recipe, "toml").pop();
        let sample = "policy = \"policy\"".to_owned();
        let folder = tempfile::tempdir().unwrap();
        write_sample(folder.path(), &sample);
        write_cases(folder.path(), &request, &rows);
        let (code, out) = tested(folder.path());
        assert_eq!(code, Some(1), "{name} changes nothing: {out}");

        write_sample(folder.path(), &policy.unwrap_or(sample));
        write_recipe(folder.path(), recipe);
        let (code, out) = tested(folder.path());
        let passed = format!("{} passed, 0 failed", rows.len());
        assert!(code == Some(0) && out.contains(&passed), "{name}: {out}");
        let checked = run(folder.path(), &["check", "--json"]);
        let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
        for warning in ["unlisted-group", "odd-policy"] {
            let found = checked["warnings"].as_array().unwrap().iter();
            let found = found.filter(|found| found["name"] == warning);
            assert_eq!(found.count(), 0, "{name}: {checked}");
        }
    }
}
