//! Finds comparisons of a policy with a text that the attribute never has, as in
//! `resource.region == "AP-Singapore"`, and conditions on `context.ticket.status`, which no request
//! has: such a `forbid` would permit in silence. Of comparisons, reads only `==`, `!=` and
//! `contains` with the attributes whose possible texts are known.

use serde_json::Value;

use super::rules::Rules;
use crate::domain::{Danger, Mark, PersonName, Problem, Region, Warning};

/// Returns a warning for each policy that has such a comparison.
pub(super) fn warnings(rules: &Rules) -> Vec<Warning> {
    let found = rules.set.policies().filter_map(|policy| {
        let tree = policy.to_json().ok()?;
        let (does, remedy) = match impossible(tree.get("conditions")?) {
            Some((attribute, text, form)) => (
                format!("compares {attribute} with {text:?}, which it can never be"),
                format!("write {form}"),
            ),
            None if reads_status(&tree) => (
                "reads the ticket's status, which no request has".to_owned(),
                "remove the condition; let the map refuse tickets with a wrong status".to_owned(),
            ),
            None => return None,
        };
        let id = policy.id().to_string();
        let mark = rules.marks.get(&id).cloned();
        let mark = mark.unwrap_or_else(|| Mark::whole("policy"));
        let problem = format!("policy {id} {does}");
        Some(Danger::OddPolicy.at(Problem::at(mark, problem, remedy)))
    });
    let mut found: Vec<Warning> = found.collect();
    found.sort_by(|a, b| a.problem.field.cmp(&b.problem.field));
    found
}

/// An attribute, a text with which it is compared, and what it can be.
type Impossible = (&'static str, String, String);

/// Returns the first impossible comparison in a tree in Cedar's JSON format.
fn impossible(tree: &Value) -> Option<Impossible> {
    let fields = match tree {
        Value::Array(parts) => return parts.iter().find_map(impossible),
        Value::Object(fields) => fields,
        _ => return None,
    };
    fields.iter().find_map(|(operator, operands)| {
        let here = || {
            let (left, right) = (operands.get("left")?, operands.get("right")?);
            match operator.as_str() {
                "==" | "!=" => never(left, right).or_else(|| never(right, left)),
                "contains" => {
                    let texts = left.get("Set")?.as_array()?;
                    texts.iter().find_map(|text| never(right, text))
                }
                _ => None,
            }
        };
        here().or_else(|| impossible(operands))
    })
}

/// Whether the tree has `context.ticket.status` or `context.ticket has status`.
fn reads_status(tree: &Value) -> bool {
    match tree {
        Value::Array(parts) => parts.iter().any(reads_status),
        Value::Object(fields) => {
            let here = fields.get("attr").is_some_and(|attr| attr == "status")
                && tree.pointer("/left/./left/Var") == Some(&Value::from("context"))
                && tree.pointer("/left/./attr") == Some(&Value::from("ticket"));
            here || fields.values().any(reads_status)
        }
        _ => false,
    }
}

/// Returns the comparison if `attribute` is a known attribute that cannot have the literal `text`.
fn never(attribute: &Value, text: &Value) -> Option<Impossible> {
    let text = text.get("Value")?.as_str()?;
    let access = attribute.get(".")?;
    let owner = access.get("left")?;
    let name = access.get("attr")?.as_str()?;
    let of = |variable: &str| owner.get("Var").is_some_and(|var| var == variable);
    let one_of = |texts: [&str; 2]| {
        let [first, second] = texts;
        (!texts.contains(&text)).then(|| format!("{first:?} or {second:?}"))
    };
    let (attribute, form) = match name {
        "kind" if of("resource") => ("resource.kind", one_of(["blueprint", "cvm"])),
        "action" if of("context") => ("context.action", one_of(["share", "publish"])),
        "region" if of("resource") => {
            let wrong = text.parse::<Region>().err();
            ("resource.region", wrong.map(|_| region(text)))
        }
        "email" if of("principal") || owner.pointer("/./attr")? == "requester" => {
            ("an email", address(text))
        }
        _ => return None,
    };
    Some((attribute, text.to_owned(), form?))
}

fn region(text: &str) -> String {
    let near = text.trim().to_ascii_lowercase();
    match near.parse::<Region>() {
        Ok(region) => format!("{:?}", region.as_str()),
        Err(_) => "a region's name, as in \"ap-singapore\"".to_owned(),
    }
}

/// Returns what to write instead of `text`, if no request can have this address.
fn address(text: &str) -> Option<String> {
    let name = text.parse::<PersonName>();
    match name.as_ref().ok().and_then(PersonName::address) {
        Some(address) if address == text => None,
        Some(address) => Some(format!("{address:?}")),
        None => Some("an address, as in \"alice@example.com\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rules;
    use super::*;

    #[test]
    fn a_text_that_an_attribute_never_has_is_a_warning() {
        for (condition, form) in [
            (
                "resource.region == \"AP-Singapore\"",
                Some("\"ap-singapore\""),
            ),
            (
                "[\"ap-tokyo\", \"tokyo\"].contains(resource.region)",
                Some("a region's name"),
            ),
            (
                "true && \"Blueprint\" != resource.kind",
                Some("\"blueprint\" or \"cvm\""),
            ),
            ("context.action == \"Share\"", Some("\"share\" or")),
            (
                "principal has email && principal.email == \"Alice@example.com\"",
                Some("\"alice@example.com\""),
            ),
            ("context.requester.email == \"alice\"", Some("an address")),
            ("resource.name == \"Blueprint\"", None),
            ("resource.region == \"ap-tokyo\"", None),
            ("resource.region like \"AP-*\"", None),
            ("context.account.region == \"Asia\"", None),
            ("principal.email == \"alice@example.com\"", None),
        ] {
            let text =
                format!("@id(\"x\") forbid (principal, action, resource) when {{ {condition} }};");
            let rules = rules::read(&[("a.cedar".to_owned(), text)], None).unwrap();
            let found = warnings(&rules);
            assert_eq!(found.is_empty(), form.is_none(), "{condition}: {found:?}");
            if let (Some(warning), Some(form)) = (found.first(), form) {
                let Problem { field, remedy, .. } = &warning.problem;
                assert_eq!(field, "a.cedar:1");
                assert!(remedy.starts_with(&format!("write {form}")), "{remedy}");
            }
        }
    }

    #[test]
    fn the_status_of_a_ticket_is_never_there() {
        for (condition, count) in [
            ("context.ticket has status", 1),
            ("!(context.ticket.status like \"Done*\")", 1),
            ("context.ticket.id == \"status\"", 0),
        ] {
            let text = format!(
                "@id(\"x\") forbid (principal, action, resource) unless {{ {condition} }};"
            );
            let rules = rules::read(&[("a.cedar".to_owned(), text)], None).unwrap();
            assert_eq!(warnings(&rules).len(), count, "{condition}");
        }
    }
}
