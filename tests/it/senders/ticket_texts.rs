//! Applies the maps that read Markdown to texts whose source differs from what the page shows.
//! Applies the other maps to fields that people fill in carelessly.

use serde_json::{Value, json};

use super::maps::{ASKED, apply, event, markdown_events, one, with};

/// Returns an event for each map that reads Markdown. Its text is the usual request followed by
/// `lines`, which may name the accounts.
fn events_with(lines: &str) -> [(&'static str, Value); 3] {
    let asked = match lines.contains("accounts:") {
        true => "image: lhbp-6jc6l8yb\nregion: ap-singapore\n",
        false => ASKED,
    };
    markdown_events(&format!("{asked}{lines}\n"))
}

/// Fails unless every map refuses each of these texts with the expected words.
#[track_caller]
fn all_refused<'a>(lines: impl IntoIterator<Item = (String, &'a str)>) {
    let mut wrong = String::new();
    for (lines, says) in lines {
        for (map, event) in events_with(&lines) {
            match apply(map, &event) {
                Err(refusal) if refusal.to_string().contains(says) => {}
                outcome => wrong += &format!("{map}: {lines:?}: {outcome:?}\n"),
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Fails unless every map reads the expected action in each of these texts, and an expiry if the
/// flag is `true`.
#[track_caller]
fn all_read(lines: &[(&str, &str, bool)]) {
    let mut wrong = String::new();
    for (lines, action, ends) in lines {
        for (map, event) in events_with(lines) {
            let outcome = apply(map, &event).map(|requests| json!(requests[0]));
            let as_wanted = outcome.as_ref().is_ok_and(|request| {
                request["action"] == *action && request["expires"].is_null() != *ends
            });
            if !as_wanted {
                wrong += &format!("{map}: {lines:?}: {outcome:?}\n");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_line_that_the_page_shows_and_that_names_a_field_is_read_or_refused() {
    for (key, value) in [
        ("action", "cancel"),
        ("expires", "7d"),
        ("lighthouse", "yes"),
    ] {
        let (first, rest) = key.split_at(1);
        let lines = [
            // Characters that the page does not show.
            format!("\u{200b}{key}: {value}"),
            format!("\u{200f}{key}: {value}"),
            format!("{first}\u{ad}{rest}: {value}"),
            format!("{first}\u{3164}{rest}: {value}"),
            format!("{first}&shy;{rest}: {value}"),
            format!("{first}&#8203;{rest}: {value}"),
            // Characters that look like others.
            format!("\\{key}: {value}"),
            format!("{key}∶ {value}"),
            format!("{key}&ratio; {value}"),
            format!("{}: {value}", key.replace(['a', 'e', 'o'], "\u{430}")),
            format!("{}: {value}", key.replace('i', "1")),
            format!("{}: {value}", key.replace('i', "ı")),
            // What people write.
            format!("- [x] {key}: {value}"),
            format!("- [ ] {key}: {value}"),
            format!("✅ {key}: {value}"),
            format!(":white_check_mark: {key}: {value}"),
            format!("a) {key}: {value}"),
            format!("2026-11-02 {key}: {value}"),
            format!("{key} = {value}"),
            format!("{key} -> {value}"),
            format!("{key} → {value}"),
            format!("{key} at: {value}"),
            format!("{key} (if any): {value}"),
            format!("{key}/操作：{value}"),
            format!("操作 {key}: {value}"),
            format!("操作（{key}）：{value}"),
            format!("操作{key}：{value}"),
            format!("{key}s: {value}"),
            format!("<{key}:{value}>"),
            format!("| {key} | {value} |\n|---|---|"),
            format!("\n### {key}\n\n{value}"),
            format!("\n<table><tr><td>{key}</td><td>{value}</td></tr></table>"),
            format!("| a | {key}: {value} |\n|---|---|\n| b | c |"),
            // Lines that one page shows, but another page hides or shows differently.
            format!("\nreason: as in [1\n{key}: {value}"),
            format!("\nperiod: [0, 5)\n{key}: {value}"),
            format!("\nreason: $HOME\\bin is full\n{key}: {value}\ncost: 5$"),
            format!("\n$$\n{key}: {value}\n$$"),
            format!("\n<p class=\"a\">{key}: {value}</p>"),
            format!("\n<details open>\n\n{key}: {value}\n\n</details>"),
            format!("\n> <details>\n\n{key}: {value}\n\n</details>"),
            format!("\n```d2\n{key}: {value}\n```"),
            format!("\n```\n<!--\n{key}: {value}\n-->\n```"),
            format!("\n`a\n{key}: {value}\nb`"),
            format!("\n[^1]: {key}: {value}"),
            format!("\n[a][\n{key}: {value}\n]"),
            format!("\n<title><!--\n{key}: {value}\n--></title>"),
            format!("\n<div title=\"\n\n<!-- \">{key}: {value} -->"),
            format!("\n<title>\n<a {key}：{value}>\n</title>"),
            format!("\n<title>\n<a {key} = {value}>\n</title>"),
            format!(
                "\n<p>\n&#{}{rest}: {value}\n</p>",
                u32::from(first.as_bytes()[0])
            ),
            format!("\n<p>\n{first}&shy{rest}: {value}\n</p>"),
        ];
        all_refused(lines.map(|line| (line, key)));
        all_refused([(format!("\n\u{202e}{value} :{key}"), "U+202E")]);
    }
    let ends = [
        "Expiration: 30d",
        "Expiry date: 30d",
        "Expire on: 2026-12-31",
        "有效期 expires: 30d",
        "到期/expires：7d",
    ];
    all_refused(ends.map(|line| (line.to_owned(), "expires")));
}

#[test]
fn a_value_that_may_go_on_in_the_next_line_is_refused() {
    let lines = [
        "accounts: 700000164995,\n700000200007",
        "accounts: 700000164995;\n- 700000200007",
        "accounts: 700000164995、\n\n<!-- a -->\nplease",
        "expires:\n30d",
        "expires:\n- 30d",
        "### Expires:\n\n30d",
        "**Expires:**\n\n30d",
    ];
    all_refused(lines.map(|lines| (lines.to_owned(), "next line")));
    all_read(&[
        ("accounts: 700000164995,", "share", false),
        ("expires:\nlighthouse:", "share", false),
        ("expires:\n\nPlease share it soon.", "share", false),
        ("**expires:**\n**lighthouse:**", "share", false),
        (
            "lighthouse: <!-- yes or no -->\n<!-- 30d, or a date -->\nexpires: 30d",
            "share",
            true,
        ),
    ]);
}

#[test]
fn a_line_is_read_as_the_page_shows_it() {
    all_read(&[
        ("&#97;ction: cancel", "cancel", false),
        ("action&colon; cancel", "cancel", false),
        ("action\\: cancel", "cancel", false),
        ("action：cancel", "cancel", false),
        ("expires：30d", "share", true),
        ("`action`: cancel", "cancel", false),
        ("1. action: cancel", "cancel", false),
        ("a<b></b>ction: cancel", "cancel", false),
        ("reason: x<br>action: cancel", "cancel", false),
        ("<p>reason: x</p><p>action: cancel</p>", "cancel", false),
        ("expires: 30&#x64;", "share", true),
        (
            "\n<img alt=\"open ticket\" src=\"https://example.com/hidden.png\">\n\nexpires: 30d",
            "share",
            true,
        ),
        ("```\nexpires:   30d\n```", "share", true),
    ]);
}

/// Prose and the usual text of issue templates must not make a map refuse a ticket.
#[test]
fn a_text_for_people_stays_free() {
    let lines = [
        "This action: foo",
        "Please note: the action is a share.",
        "Actions speak louder. See: https://wiki.example/a",
        "Image https://wiki.example/image",
        "action required",
        "image-builder: packer",
        "lighthouse.example.com: up",
        "Reason: x",
        "Version: 3",
        "Section: 4",
        "Usage: load tests",
        "Image size: 20 GB",
        "Region code: 7",
        "Amounts: 3",
        "Option: b",
        "R12345: title",
        "2026-11-02 10:30 started",
        "✅ reviewed: yes",
        "- [ ] reviewed: yes",
        "需要的镜像：见附件",
        "VPC网络: 测试",
        "Регион: Сингапур",
        "Ошибка: нет",
        "می\u{200c}خواهم: x",
        "| Owner | Region | Cost |\n|---|---|---|\n| a | b | c |",
        "| Owner | Cost |\n|---|---|\n| a | b: c |",
        "![Action: a menu](u)",
        "~~old text~~ new: text",
        "R&amp;D: x, see [1",
        "<!-- action: share or cancel -->",
        "<!--\naction: cancel\nexpires: 7d\n-->",
        "<!-- a -->\n\n- <!-- action: cancel -->\n\n> <!--\n> expires: 7d\n> -->",
        "a <!-- action: cancel --> b",
        "[//]: # (action: cancel)",
        "share ~~it with staging~~ now, <del>please</del>",
    ];
    let lines = lines.map(|lines| format!("\n{lines}"));
    let as_share = |lines| (lines, "share", false);
    let read: Vec<_> = lines.iter().map(String::as_str).map(as_share).collect();
    all_read(&read);
}

/// Each of these texts takes minutes if the search for a key reads the rest of the line again at
/// each word.
#[test]
fn a_long_line_is_searched_once() {
    let words = ["a-", "1-", ":a-", "a "];
    let words = words.map(|words| format!("\n{}", words.repeat(60_000)));
    let tags = [
        format!("\n\n<p>\n{}\"\n>", "<a ".repeat(60_000)),
        format!("\n\n<p>\n{}--!> -->", "<!--".repeat(45_000)),
    ];
    for lines in words.into_iter().chain(tags) {
        all_read(&[(&lines, "share", false)]);
    }
}

#[test]
fn text_that_is_struck_out_does_not_count_and_a_field_in_it_is_refused() {
    for (lines, names) in [
        ("accounts: 700000164995, <del>1038493875</del>", "accounts"),
        ("accounts: <s>700000164995</s> 1038493875", "accounts"),
        ("accounts: 700000164995 ~~1038493875~~", "accounts"),
        ("<del>\naction: cancel\n</del>", "action"),
        ("<strike>action: cancel</strike>", "action"),
        ("~~no longer:\naction: cancel\nor later~~", "action"),
        ("~~action: cancel~~", "action"),
        ("expires: ~~7d~~ 30d", "expires"),
    ] {
        let lines = format!("\n{lines}");
        all_refused([(lines.clone(), names), (lines, "struck out")]);
    }
}

/// A code block does not wrap its lines, so text after a wide gap is beyond the right edge of the
/// page.
#[test]
fn a_field_after_a_gap_that_hides_it_in_a_code_block_is_refused() {
    for (lines, names) in [
        (
            format!("accounts: 700000164995{}, 1038493875", " ".repeat(500)),
            "accounts",
        ),
        (
            format!("accounts: 700000164995{}1038493875", "\u{3000}".repeat(99)),
            "accounts",
        ),
        (format!("{}lighthouse: yes", " ".repeat(500)), "lighthouse"),
        (format!("{}expires: 30d", "\t".repeat(40)), "expires"),
    ] {
        let lines = format!("\n```\n{lines}\n```");
        all_refused([(lines.clone(), names), (lines, "gap")]);
    }
}

#[test]
fn accounts_may_be_separated_as_in_chinese() {
    let accounts = json!("700000000011，700000000012、700000000013；700000000014");
    let request = one(
        "zendesk",
        &with(&event("zendesk-approved"), "/ticket/accounts", accounts),
    );
    assert_eq!(
        request["target"]["accounts"],
        json!([
            "700000000011",
            "700000000012",
            "700000000013",
            "700000000014"
        ])
    );
}

#[test]
fn a_title_may_contain_what_looks_like_a_placeholder() {
    let title = json!("Image for {{cookiecutter}} tests");
    for (map, name, pointer) in [
        ("zendesk", "zendesk-approved", "/ticket/title"),
        (
            "freshservice",
            "freshservice-approved",
            "/freshdesk_webhook/ticket_subject",
        ),
    ] {
        let request = one(map, &with(&event(name), pointer, title.clone()));
        assert_eq!(request["reason"], title, "{map}");
    }
}

/// The ticket that shared an image is approved again to cancel the share. Its expiry field still
/// has the old value.
#[test]
fn a_cancel_ignores_the_expiry_that_a_field_still_holds() {
    let mut feishu = event("feishu-approved");
    let form = feishu["instance"]["form"].as_str().unwrap();
    feishu["instance"]["form"] = serde_json::from_str(form).unwrap();
    for (map, approved, pointer, value) in [
        (
            "jira",
            event("jira-approved"),
            "/issue/fields/customfield_10106",
            json!({"value": "Cancel"}),
        ),
        (
            "servicenow",
            event("servicenow-approved"),
            "/record/variables/action",
            json!("cancel"),
        ),
        (
            "zendesk",
            event("zendesk-approved"),
            "/ticket/action",
            json!("cancel"),
        ),
        (
            "freshservice",
            event("freshservice-approved"),
            "/freshdesk_webhook/ticket_cf_action",
            json!("Cancel"),
        ),
        (
            "pagerduty",
            event("pagerduty-approved"),
            "/event/data/custom_fields/5",
            json!({"name": "action", "value": "cancel"}),
        ),
        (
            "opsgenie",
            event("opsgenie-approved"),
            "/alert/tags/5",
            json!("action:cancel"),
        ),
        (
            "feishu",
            feishu,
            "/instance/form/4",
            json!({"custom_id": "action", "value": "cancel"}),
        ),
        (
            "dingtalk",
            event("dingtalk-approved"),
            "/instance/formComponentValues/6/value",
            json!("cancel"),
        ),
        (
            "wecom",
            event("wecom-approved"),
            "/instance/apply_data/contents/6",
            json!({"control": "Text", "id": "Selector-1793601000006", "value": {"text": "cancel"}}),
        ),
    ] {
        assert!(!one(map, &approved)["expires"].is_null(), "{map}");
        let cancel = one(map, &with(&approved, pointer, value));
        assert_eq!(cancel["action"], "cancel", "{map}");
        assert!(cancel["expires"].is_null(), "{map}: {cancel}");
    }
}
