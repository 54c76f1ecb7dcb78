//! Runs the commands of the documentation's tutorial one after the other, in an empty folder.

use crate::doc_commands::run_page;
use crate::support::docs::blocks;

const PAGE: &str = include_str!("../../docs/tutorial.md");

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let text = run_page("docs/tutorial.md", &blocks(PAGE, "sh").concat());
    for said in [
        "no policy allows it",
        "allow by desk-shares-the-base-image",
        "4 passed, 0 failed",
        r#""status":"completed""#,
        r#""approver":"desk/frank@example.com""#,
        "DESK-41",
        "every record is whole and in its place",
    ] {
        assert!(text.contains(said), "{said:?} is missing in\n{text}");
    }
    // A policy names the desk's people, who are not in entities.json.
    assert!(!text.contains("unmentioned-source"), "{text}");
}
