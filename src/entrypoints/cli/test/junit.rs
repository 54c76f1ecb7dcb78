//! Formats the results of `test` as a JUnit XML file, which build servers read. In: the cases that
//! ran. Out: text with one test suite. The class of a case is the name of its file.

use super::case::{CaseResult, Ran};
use crate::domain::visible;

pub(super) fn xml(cases: &[Ran]) -> String {
    let count =
        |wanted: fn(&CaseResult) -> bool| cases.iter().filter(|ran| wanted(&ran.ended)).count();
    let failed = count(|ended| matches!(ended, CaseResult::Failed(_)));
    let skipped = count(|ended| matches!(ended, CaseResult::Skipped(_)));
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"sharehook test\" \
         tests=\"{}\" failures=\"{failed}\" errors=\"0\" skipped=\"{skipped}\">\n",
        cases.len()
    );
    for ran in cases {
        let file = ran
            .place
            .rsplit_once(':')
            .map_or(ran.place.as_str(), |(file, _)| file);
        let case = format!(
            "    <testcase name=\"{}\" classname=\"{}\" time=\"0\"",
            escaped(&ran.name),
            escaped(file)
        );
        text += &match &ran.ended {
            CaseResult::Passed => format!("{case}/>\n"),
            CaseResult::Skipped(why) => {
                format!(
                    "{case}>\n      <skipped message=\"{}\"/>\n    </testcase>\n",
                    escaped(why)
                )
            }
            CaseResult::Failed(differences) => {
                let lines: Vec<String> = differences.iter().map(|one| one.line()).collect();
                format!(
                    "{case}>\n      <failure message=\"{}\">{}\n{}</failure>\n    </testcase>\n",
                    escaped(lines.first().map_or("", String::as_str)),
                    escaped(&ran.place),
                    escaped(&lines.join("\n"))
                )
            }
        };
    }
    text + "  </testsuite>\n</testsuites>\n"
}

/// Escapes a text for use as a content or an attribute of XML. Characters that XML forbids, such as
/// control characters, are written as visible escapes.
fn escaped(text: &str) -> String {
    visible(text, &['\n'])
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::case::Difference;
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        let difference = Difference {
            field: "decision".to_owned(),
            expected: vec!["deny".to_owned()],
            got: vec!["a<b>&\"\u{1}".to_owned()],
            why: Vec::new(),
        };
        let ran = |name: &str, ended| Ran {
            name: name.to_owned(),
            place: "cases/a.toml:3".to_owned(),
            ended,
            touched: Vec::new(),
        };
        let text = xml(&[
            ran("<x>", CaseResult::Failed(vec![difference])),
            ran("y", CaseResult::Passed),
            ran(
                "z",
                CaseResult::Skipped("source nix is not configured".to_owned()),
            ),
        ]);
        assert!(
            text.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\""),
            "{text}"
        );
        assert!(
            text.contains("name=\"&lt;x&gt;\" classname=\"cases/a.toml\""),
            "{text}"
        );
        assert!(text.contains("got a&lt;b&gt;&amp;&quot;\\u{1}"), "{text}");
    }
}
