//! Compares the pages in docs/zh/ with the English ones: commands, settings, values and code blocks
//! must agree, except for comments in code. Also runs the commands of README.zh-CN.md.

use std::collections::BTreeSet;

use crate::doc_commands::run_page;
use crate::support::docs::{blocks, pages};

/// A page of docs/zh/ that is not a translation.
const OWN: &str = "docs/zh/index.md";

/// Returns the code blocks without their comments, and the code spans in the text.
fn code(text: &str) -> (Vec<String>, BTreeSet<String>) {
    let parts: Vec<&str> = text.split("```").collect();
    let blocks = parts.iter().skip(1).step_by(2);
    let uncommented = |block: &&str| {
        let lines = block.lines().map(|line| match line.split_once('#') {
            Some((before, _)) if before.is_empty() || before.ends_with(' ') => before.trim_end(),
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    let prose: String = parts.iter().copied().step_by(2).collect();
    let spans = prose.split('`').skip(1).step_by(2);
    let spans = spans.map(|span| span.split_whitespace().collect::<Vec<_>>().join(" "));
    (blocks.map(uncommented).collect(), spans.collect())
}

#[test]
fn each_chinese_page_has_the_code_of_its_english_page() {
    let all = pages("docs/zh");
    assert!(all.len() > 2);
    for page in all.iter().filter(|page| page.path != OWN) {
        let english = &pages(&page.path.replace("docs/zh/", "docs/"))[0];
        let ((blocks, spans), (english_blocks, english_spans)) =
            (code(&page.text), code(&english.text));
        assert_eq!(blocks, english_blocks, "{} and {}", page.path, english.path);
        let differ: Vec<_> = spans.symmetric_difference(&english_spans).collect();
        assert!(
            differ.is_empty(),
            "{} and {} differ in {differ:?}",
            page.path,
            english.path
        );
    }
}

#[test]
fn the_index_in_chinese_names_every_chinese_page() {
    let index = &pages(OWN)[0].text;
    for page in pages("docs/zh").iter().filter(|page| page.path != OWN) {
        let link = page.path.replace("docs/zh/", "](") + ")";
        assert!(index.contains(&link), "{OWN} lacks {}", page.path);
    }
}

/// Runs the page's commands, from an approval to a share and a report in Chinese: once for Feishu,
/// and once for each of the other two systems that the page names.
#[test]
fn the_readme_in_chinese_leads_from_an_approval_to_a_share() {
    let page = &pages("README.zh-CN.md")[0];
    // The program fetches the instance after it has answered the event, so the script waits.
    let look = "for _ in $(seq 100); do command sharehook grants --sandbox | grep -q active && break; sleep 0.1; done\n\
                command sharehook grants --sandbox\ngrep -o '<html lang=\"zh\">' report.html\n";
    let all = blocks(&page.text, "sh");
    // Only the run for Feishu includes the first block, the demo.
    for (system, from) in [("feishu", 0), ("dingtalk", 1), ("wecom", 1)] {
        let commands = all[from..].concat() + look;
        let text = run_page(&page.path, &commands.replace("feishu", system));
        for said in [
            "allow by golden-images-to-staging",
            "700000000011  active",
            "every record is whole and in its place",
            "<html lang=\"zh\">",
        ] {
            assert!(text.contains(said), "{system}: no {said:?} in\n{text}");
        }
    }
}
