//! Applies the shipped maps to events as senders post them, including events that are easily
//! misread.

use serde_json::{Value, json};
use sharehook::domain::{ServedRegions, ShareRequest, Timestamp};
use sharehook::inbound::{
    Delivery, Headers, Map, MapRefusal, SchemeSpec, VerifiedDelivery, Verifier, Via,
};

const TOKEN: &str = "a-token-for-tests-only-0123456789";

pub(super) fn event(name: &str) -> Value {
    let path = format!("{}/events/body-{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

pub(super) fn delivered(body: Vec<u8>, content_type: &str) -> VerifiedDelivery {
    let headers = [("x-token", TOKEN), ("content-type", content_type)];
    let scheme = if content_type.contains("form") {
        let record = SchemeSpec::preset(sharehook::inbound::SchemeName::Slack);
        let now = now();
        let signed = sharehook::inbound::sign(&record, &TOKEN.into(), &body, "case", now).unwrap();
        let delivery = Delivery {
            source: "s".parse().unwrap(),
            via: Via::Http(Headers::new(signed)),
            body: body.into(),
        };
        return Verifier::new(record, vec![TOKEN.into()], vec![])
            .unwrap()
            .verify(delivery, now)
            .unwrap();
    } else {
        super::vectors::token("x-token")
    };
    let delivery = Delivery {
        source: "s".parse().unwrap(),
        via: Via::Http(Headers::new(headers)),
        body: body.into(),
    };
    Verifier::new(scheme, vec![TOKEN.into()], vec![])
        .unwrap()
        .verify(delivery, now())
        .unwrap()
}

pub(super) fn now() -> Timestamp {
    "2026-11-02T08:00:00Z".parse().unwrap()
}

pub(super) fn apply(map: &str, event: &Value) -> Result<Vec<ShareRequest>, MapRefusal> {
    let map = Map::builtin(map).unwrap();
    map.apply(
        &delivered(event.to_string().into_bytes(), "application/json"),
        now(),
        &ServedRegions::default(),
    )
}

pub(super) fn one(map: &str, event: &Value) -> Value {
    let requests = apply(map, event).unwrap_or_else(|refusal| panic!("{map}: {refusal}"));
    assert_eq!(requests.len(), 1, "{map}");
    json!(requests[0])
}

pub(super) fn ignored(map: &str, event: &Value) {
    assert_eq!(apply(map, event).unwrap(), [], "{map}");
}

pub(super) fn refused(map: &str, event: &Value, says: &str) {
    let refusal = apply(map, event).unwrap_err().to_string();
    assert!(refusal.contains(says), "{map}: {refusal}");
}

/// The event with the value at `pointer` replaced or added.
pub(super) fn with(event: &Value, pointer: &str, value: Value) -> Value {
    let mut event = event.clone();
    match event.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            event.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    event
}

#[test]
fn every_map_that_ships_loads_and_has_an_event() {
    let names: Vec<_> = Map::builtin_names().collect();
    assert_eq!(names.len(), 17);
    for name in names {
        Map::load(Map::builtin_text(name).unwrap(), name)
            .unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let folder = format!("{}/events", env!("CARGO_MANIFEST_DIR"));
        let mut files = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap());
        assert!(
            files.any(|file| file.starts_with(&format!("body-{name}"))),
            "no event for {name}"
        );
    }
}

#[test]
fn a_later_edit_of_what_was_approved_asks_for_nothing() {
    ignored("jira", &event("jira-edited"));
    let gitlab = event("gitlab-approved");
    let label = gitlab["changes"]["labels"]["current"].clone();
    ignored("gitlab", &with(&gitlab, "/changes/labels/previous", label));
    ignored(
        "gitlab",
        &with(
            &gitlab,
            "/changes",
            json!({"title": {"previous": "a", "current": "b"}}),
        ),
    );
    let linear = event("linear-approved");
    ignored(
        "linear",
        &with(&linear, "/updatedFrom", json!({"title": "before"})),
    );
    let pagerduty = event("pagerduty-approved");
    let other = pagerduty["event"]["data"]["custom_fields"][0].clone();
    ignored(
        "pagerduty",
        &with(
            &pagerduty,
            "/event/data/changed_custom_fields",
            json!([other]),
        ),
    );
}

#[test]
fn approving_again_is_a_new_request_and_delivering_again_is_not() {
    for (map, name, pointer, later) in [
        ("jira", "jira-approved", "/changelog/id", json!("31999")),
        (
            "servicenow",
            "servicenow-approved",
            "/sys_id",
            json!("9d3c1b2f47a2021042f0ad2c3a1e9b78"),
        ),
        (
            "zendesk",
            "zendesk-approved",
            "/ticket/updated_at",
            json!("2026-12-01T00:00:00Z"),
        ),
        (
            "freshservice",
            "freshservice-approved",
            "/freshdesk_webhook/approved_at",
            json!("2026-12-01T00:00:00Z"),
        ),
        (
            "gitlab",
            "gitlab-approved",
            "/object_attributes/updated_at",
            json!("2026-12-01 00:00:00 UTC"),
        ),
        (
            "linear",
            "linear-approved",
            "/data/updatedAt",
            json!("2026-12-01T00:00:00.000Z"),
        ),
        (
            "pagerduty",
            "pagerduty-approved",
            "/event/id",
            json!("01DVUHQFQ9RS2FT2JPMV3Z7WUA"),
        ),
        (
            "opsgenie",
            "opsgenie-approved",
            "/alert/alertId",
            json!("152652ac-5d1c-464a-812a-7dd18bbfba8c"),
        ),
        (
            "eventbridge",
            "eventbridge-approved",
            "/id",
            json!("27793124-05d4-b198-2fde-7ededc63b103"),
        ),
        (
            "stepfunctions",
            "stepfunctions-approved",
            "/execution",
            json!("arn:aws:states:us-east-1:0:execution:m:other"),
        ),
    ] {
        let first = event(name);
        let id = one(map, &first)["id"].clone();
        assert_eq!(one(map, &first)["id"], id, "{map}");
        assert_ne!(one(map, &with(&first, pointer, later))["id"], id, "{map}");
    }
    // A field that changes with each edit of the record is not part of the request's id.
    let edited = with(&event("servicenow-approved"), "/sys_mod_count", json!("9"));
    assert_eq!(
        one("servicenow", &edited)["id"],
        one("servicenow", &event("servicenow-approved"))["id"]
    );
}

#[test]
fn servicenow_has_three_reference_forms_and_one_person_in_each() {
    let base = event("servicenow-approved");
    let bob = "46d44a23a9fe19810012d100cca80666";
    let link = format!("https://example.service-now.com/api/now/table/sys_user/{bob}");
    for form in [
        json!(bob),
        json!({"link": link, "value": bob}),
        json!({"display_value": "Bob", "value": bob}),
        json!({"display_value": "Bob", "link": link}),
    ] {
        assert_eq!(
            one("servicenow", &with(&base, "/approver", form.clone()))["approvers"],
            json!([bob]),
            "{form}"
        );
        // An approver who opened the item for somebody else does not count, in each form of the
        // value.
        let own = with(
            &with(&base, "/approver", form.clone()),
            "/record/opened_by",
            form.clone(),
        );
        let own = one("servicenow", &own);
        assert_eq!(own["approvers"], json!([]), "{form}");
    }
    refused(
        "servicenow",
        &with(&base, "/approver", json!("Bob Example")),
        "no sys_id",
    );
    refused(
        "servicenow",
        &with(&base, "/approver", json!({"display_value": "Bob"})),
        "no sys_id",
    );
}

#[test]
fn servicenow_writes_utc_without_a_zone_and_truth_as_text() {
    let base = event("servicenow-approved");
    assert!(
        one("servicenow", &base)["expires"]
            .to_string()
            .contains("2026-11-30T00:00:00Z"),
        "{}",
        one("servicenow", &base)
    );
    let lighthouse = with(&base, "/record/variables/image", json!("img-6pb6lrmy"));
    for (written, meant) in [("true", true), ("1", true), ("false", false), ("", false)] {
        let request = one(
            "servicenow",
            &with(&lighthouse, "/record/variables/lighthouse", json!(written)),
        );
        assert_eq!(
            request["target"]["kind"] == "chain",
            meant,
            "{written:?}: {request}"
        );
    }
    refused(
        "servicenow",
        &with(&base, "/record/variables/lighthouse", json!("maybe")),
        "lighthouse",
    );
    ignored("servicenow", &with(&base, "/state", json!("requested")));
    ignored(
        "servicenow",
        &with(&base, "/record/approval", json!("requested")),
    );
}

#[test]
fn zendesk_placeholders_are_text_whatever_they_stand_for() {
    let base = event("zendesk-approved");
    let lighthouse = with(&base, "/ticket/image", json!("img-6pb6lrmy"));
    let lighthouse = one(
        "zendesk",
        &with(&lighthouse, "/ticket/lighthouse", json!("true")),
    );
    assert!(lighthouse["target"]["kind"] == "chain", "{lighthouse}");
    // Zendesk sends an empty field as an empty string and does not leave it out.
    let bare = one(
        "zendesk",
        &with(
            &with(&base, "/ticket/expires", json!("")),
            "/ticket/title",
            json!(""),
        ),
    );
    assert!(
        bare["expires"].is_null() && bare["reason"].is_null(),
        "{bare}"
    );
    refused(
        "zendesk",
        &with(&base, "/ticket/accounts", json!("")),
        "accounts",
    );
    refused(
        "zendesk",
        &with(&base, "/ticket/image", json!("{{ticket.ticket_field_1}}")),
        "placeholder",
    );
    refused(
        "zendesk",
        &with(&base, "/ticket/updated_at", json!("")),
        "updated_at",
    );
    ignored("zendesk", &with(&base, "/approval", json!("")));
}

#[test]
fn freshservice_comes_with_and_without_its_wrapper() {
    let wrapped = event("freshservice-approved");
    assert_eq!(
        one("freshservice", &wrapped),
        one("freshservice", &wrapped["freshdesk_webhook"])
    );
    // The content may have no wrapper, and empty fields are "" or null.
    let mut empty = wrapped["freshdesk_webhook"].clone();
    for nothing in [json!(""), json!(null), json!("--")] {
        empty["ticket_cf_action"] = nothing.clone();
        empty["ticket_cf_expires"] = nothing;
        let request = one("freshservice", &empty);
        assert_eq!(request["action"], "share");
        assert_eq!(request["expires"], Value::Null);
    }
    empty.as_object_mut().unwrap().remove("ticket_cf_action");
    refused("freshservice", &empty, "the event lacks ticket_cf_action");
    ignored(
        "freshservice",
        &with(
            &wrapped,
            "/freshdesk_webhook/approval_status",
            json!("Requested"),
        ),
    );
    refused(
        "freshservice",
        &with(&wrapped, "/freshdesk_webhook/approved_at", json!("")),
        "approved_at",
    );
}

#[test]
fn slack_posts_a_form_and_the_button_holds_the_request() {
    let path = format!(
        "{}/events/body-slack-approved.form",
        env!("CARGO_MANIFEST_DIR")
    );
    let body = std::fs::read(path).unwrap();
    let map = Map::builtin("slack").unwrap();
    let form = delivered(body, "application/x-www-form-urlencoded");
    assert!(form.is_form());
    let request = json!(map.apply(&form, now(), &ServedRegions::default()).unwrap()[0]);
    assert_eq!(
        (&request["requester"], &request["approvers"]),
        (&json!("U061F7AUR"), &json!(["U061F1EUR"]))
    );
    let click = |ask: Value, action: &str| {
        json!({"type": "block_actions", "user": {"id": "U2222", "team_id": "T1"}, "team": {"id": "T1"},
            "container": {"message_ts": "1.2", "channel_id": "C1"}, "actions": [{"action_id": action, "value": ask.to_string()}]})
    };
    let ask = json!({"action": "share", "image": "lhbp-6jc6l8yb", "region": "ap-singapore", "accounts": ["700000164995"],
        "requester": "U1111", "approvers": ["U9999"], "id": "mine"});
    // The button's value cannot set the approvers or the id.
    let request = one("slack", &click(ask.clone(), "approve_share"));
    assert_eq!(
        (&request["id"], &request["approvers"]),
        (&json!("T1/C1/1.2/U2222"), &json!(["U2222"]))
    );
    ignored("slack", &click(ask.clone(), "deny_share"));
    refused(
        "slack",
        &click(
            with(&ask, "/requester", json!("alice@example.com")),
            "approve_share",
        ),
        "Slack user id",
    );
}

#[test]
fn a_topic_before_a_queue_encodes_twice() {
    let wrapped = event("sns-in-sqs");
    assert!(wrapped["Message"].is_string());
    assert_eq!(one("native", &wrapped)["id"], "REQ-77");
    assert_eq!(
        one("eventbridge", &event("eventbridge-by-sns")),
        one("eventbridge", &event("eventbridge-approved"))
    );
    refused(
        "native",
        &with(&wrapped, "/Message", json!("not json")),
        "map native",
    );
    // An event that only resembles an SNS envelope is a native request with unknown fields.
    refused(
        "native",
        &with(&wrapped, "/Type", json!("Other")),
        "MessageId",
    );
}

#[test]
fn an_account_that_only_looks_like_a_person_approves_nothing() {
    let linear = with(
        &event("linear-approved"),
        "/actor/type",
        json!("integration"),
    );
    assert_eq!(one("linear", &linear)["approvers"], json!([]));
    let pagerduty = with(&event("pagerduty-approved"), "/event/agent", Value::Null);
    assert_eq!(one("pagerduty", &pagerduty)["approvers"], json!([]));
    refused(
        "pagerduty",
        &with(
            &event("pagerduty-approved"),
            "/event/data/custom_fields/3/value",
            json!("alice@example.com"),
        ),
        "user id",
    );
}

#[test]
fn the_token_of_a_task_is_not_part_of_the_request() {
    let base = event("stepfunctions-approved");
    let other = with(&base, "/TaskToken", json!("BBBB"));
    assert_eq!(one("stepfunctions", &base), one("stepfunctions", &other));
    refused("stepfunctions", &json!({"TaskToken": "x"}), "request");
}

#[test]
fn a_map_that_fails_says_where_in_the_event() {
    let map = Map::load(".issue.fields.accounts | map(tostring)", "mine.jq").unwrap();
    let event = json!({"issue": {"fields": {"accounts": 700000164995_u64}}})
        .to_string()
        .into_bytes();
    let refusal = map
        .apply(
            &delivered(event, "application/json"),
            now(),
            &ServedRegions::default(),
        )
        .unwrap_err();
    assert!(
        refusal.to_string().contains("at .issue.fields.accounts"),
        "{refusal}"
    );
}

#[test]
fn no_map_breaks_on_a_foreign_event() {
    let odd = [
        json!(null),
        json!([]),
        json!("x"),
        json!(7),
        json!({}),
        json!({"event": []}),
        json!({"alert": 1, "action": "ApproveShare"}),
    ];
    for map in Map::builtin_names() {
        for event in &odd {
            assert!(
                apply(map, event).map_or(true, |requests| requests.is_empty()),
                "{map} {event}"
            );
        }
    }
}

fn github(body: &str) -> Value {
    with(&event("github-approved"), "/issue/body", json!(body))
}

pub(super) const ASKED: &str =
    "image: lhbp-6jc6l8yb\nregion: ap-singapore\naccounts: 700000164995\n";

/// An event for each map that reads Markdown, all with this text.
pub(super) fn markdown_events(text: &str) -> [(&'static str, Value); 3] {
    [
        ("github", github(text)),
        (
            "gitlab",
            with(
                &event("gitlab-approved"),
                "/object_attributes/description",
                json!(text),
            ),
        ),
        (
            "linear",
            with(&event("linear-approved"), "/data/description", json!(text)),
        ),
    ]
}

#[test]
fn only_the_known_keys_of_a_text_are_read_and_all_other_lines_are_for_people() {
    let request = one("github", &event("case-github-two-links"));
    assert_eq!(request["target"]["accounts"], json!(["700000164995"]));
    for prose in [
        "https://wiki.example.com/1\nhttps://wiki.example.com/2",
        "Note: a\nNote: b",
        "cc: @a\nCC: @b",
        "TODO: a\nTODO: b",
        "Reason: x\nreason: y",
    ] {
        for (map, event) in markdown_events(&format!("{prose}\n\n{ASKED}")) {
            one(map, &event);
        }
    }
    for (map, event) in markdown_events(&format!("{ASKED}accounts: 700000200007\n")) {
        refused(map, &event, "has two values for accounts");
    }
    for (map, event) in markdown_events(&format!("{ASKED}Accounts: 700000164995\n")) {
        one(map, &event);
    }
}

#[test]
fn text_that_the_rendered_page_does_not_show_does_not_count() {
    let request = one("github", &event("case-github-html-comment"));
    assert_eq!(request["target"]["accounts"], json!(["700000164995"]));
    let hidden = [
        ("action", "cancel"),
        ("image", "lhbp-aaaaaaaa"),
        ("region", "ap-tokyo"),
        ("accounts", "700000200007"),
        ("lighthouse", "yes"),
        ("expires", "1d"),
    ];
    for (key, value) in hidden {
        for wrapped in [
            format!("<!--\n{key}: {value}\n-->"),
            format!("<!-- {key}: {value} -->"),
            format!("[//]: # \"\n{key}: {value}\n\""),
            format!("![a\n{key}: {value}\nb](u)"),
            format!("<img alt=\"\n{key}: {value}\n\">"),
        ] {
            let visible = markdown_events(ASKED);
            let both = markdown_events(&format!("{ASKED}\n{wrapped}\n"));
            for ((map, visible), (_, both)) in visible.iter().zip(&both) {
                assert_eq!(one(map, both), one(map, visible), "{map}: {wrapped}");
            }
        }
        // The section is folded, but a reader can unfold it.
        let folded = format!("{ASKED}\n<details>\n\n{key}: {value}\n\n</details>\n");
        for (map, event) in markdown_events(&folded) {
            refused(map, &event, &format!("names {key}"));
        }
    }
    // A map reads only the visible part of a value.
    let part =
        "image: lhbp-6jc6l8yb\nregion: ap-singapore\naccounts: 700000164995<!--, 700000200007-->\n";
    for (map, event) in markdown_events(part) {
        assert_eq!(
            one(map, &event)["target"]["accounts"],
            json!(["700000164995"]),
            "{map}"
        );
    }
}

#[test]
fn no_identity_is_built_from_a_missing_value() {
    refused(
        "gitlab",
        &event("case-gitlab-group-work-item"),
        "project.path_with_namespace is missing",
    );
    for (map, name, pointers) in [
        (
            "jira",
            "jira-approved",
            &["/issue/key", "/changelog/id"][..],
        ),
        (
            "github",
            "github-approved",
            &[
                "/repository/full_name",
                "/issue/number",
                "/issue/updated_at",
            ],
        ),
        (
            "gitlab",
            "gitlab-approved",
            &[
                "/project/path_with_namespace",
                "/object_attributes/iid",
                "/object_attributes/updated_at",
            ],
        ),
        ("linear", "linear-approved", &["/data/identifier"]),
        (
            "servicenow",
            "servicenow-approved",
            &["/sys_id", "/record/number"],
        ),
        (
            "zendesk",
            "zendesk-approved",
            &["/ticket/id", "/ticket/updated_at"],
        ),
        (
            "freshservice",
            "freshservice-approved",
            &[
                "/freshdesk_webhook/ticket_id",
                "/freshdesk_webhook/approved_at",
            ],
        ),
        ("pagerduty", "pagerduty-approved", &["/event/id"]),
        (
            "opsgenie",
            "opsgenie-approved",
            &["/alert/alertId", "/alert/username"],
        ),
    ] {
        for pointer in pointers {
            let field = pointer.rsplit('/').next().unwrap();
            for missing in [json!(null), json!("")] {
                let event = with(&event(name), pointer, missing);
                refused(map, &event, &format!("{field} is missing"));
            }
        }
    }
}

#[test]
fn an_approval_names_the_actor_and_a_text_that_was_not_edited_since() {
    let github = event("github-approved");
    let sender = with(&github, "/sender/login", json!("carol"));
    assert_eq!(one("github", &sender)["approvers"], json!(["carol"]));
    let bot = with(&github, "/sender/type", json!("Bot"));
    assert_eq!(one("github", &bot)["approvers"], json!([]));
    let edited = with(&github, "/changes", json!({"body": {"from": "before"}}));
    refused("github", &edited, "edited");
    let pull = with(&github, "/pull_request", json!({"number": 12}));
    ignored("github", &pull);
    let gitlab = event("gitlab-approved");
    let actor = with(&gitlab, "/user/id", json!(1003));
    assert_eq!(one("gitlab", &actor)["approvers"], json!(["1003"]));
    for (pointer, value) in [
        (
            "/changes/description",
            json!({"previous": "a", "current": "b"}),
        ),
        (
            "/object_attributes/last_edited_at",
            json!("2026-11-02 06:54:00 UTC"),
        ),
        (
            "/object_attributes/last_edited_at",
            json!("2026-11-02T00:54:00-06:00"),
        ),
    ] {
        refused("gitlab", &with(&gitlab, pointer, value), "edited");
    }
    for before in [
        "2026-11-02 06:40:12 UTC",
        "2026-11-02 06:40:12 +0000",
        "2026-11-02T06:40:12+00:00",
        "2026-11-02T06:40:12.104Z",
    ] {
        let edited = with(&gitlab, "/object_attributes/last_edited_at", json!(before));
        one("gitlab", &edited);
    }
}

#[test]
fn a_number_field_is_an_account_id_however_it_is_written() {
    let fields = "/issue/fields/customfield_10103";
    for number in ["700000164995", "700000164995.0", "7.00000164995e11"] {
        let number: Value = serde_json::from_str(number).unwrap();
        let request = one("jira", &with(&event("jira-approved"), fields, number));
        assert_eq!(request["target"]["accounts"], json!(["700000164995"]));
    }
}

/// Feishu gives a person two ids. One is absent for guests, or if the app lacks a permission.
#[test]
fn one_person_of_a_feishu_instance_is_one_person_whatever_ids_are_left_out() {
    let mut approved = event("feishu-approved");
    let form = approved["instance"]["form"].as_str().unwrap();
    approved["instance"]["form"] = serde_json::from_str(form).unwrap();
    let step = |user: &str, open: &str| json!({"type": "PASS", "create_time": "2", "user_id": user, "open_id": open});
    let of = |applicant: [&str; 2], steps: Value| {
        let mut event = approved.clone();
        event["instance"]["user_id"] = applicant[0].into();
        event["instance"]["open_id"] = applicant[1].into();
        with(&event, "/instance/timeline", steps)
    };
    for (applicant, steps, requester, approvers) in [
        // Every person has both ids.
        (
            ["wu", "ou_wu"],
            json!([step("li", "ou_li")]),
            "wu",
            json!(["li"]),
        ),
        // A step with both ids and a step with one of them name the same approver.
        (
            ["wu", "ou_wu"],
            json!([step("li", "ou_li"), step("", "ou_li")]),
            "ou_wu",
            json!(["ou_li"]),
        ),
        // The applicant approves, and either the form or the step has only one id.
        (
            ["wu", "ou_wu"],
            json!([step("", "ou_wu")]),
            "ou_wu",
            json!(["ou_wu"]),
        ),
        (
            ["", "ou_wu"],
            json!([step("wu", "ou_wu")]),
            "ou_wu",
            json!(["ou_wu"]),
        ),
        (
            ["wu", ""],
            json!([step("wu", "ou_wu")]),
            "wu",
            json!(["wu"]),
        ),
        // A step without any id adds no approver.
        (["wu", "ou_wu"], json!([step("", "")]), "wu", json!([])),
    ] {
        let request = one("feishu", &of(applicant, steps.clone()));
        assert_eq!(request["requester"], requester, "{applicant:?} {steps}");
        assert_eq!(request["approvers"], approvers, "{applicant:?} {steps}");
    }
    for (applicant, steps) in [
        (["wu", ""], json!([step("", "ou_wu")])),
        (["", "ou_wu"], json!([step("wu", "")])),
        (["wu", "ou_wu"], json!([step("li", ""), step("", "ou_li")])),
        (["", ""], json!([step("li", "ou_li")])),
    ] {
        refused("feishu", &of(applicant, steps), "no kind of id in common");
    }
}

#[test]
fn a_dingtalk_form_is_read_by_ids_and_deputies_are_no_approvers() {
    let approved = event("dingtalk-approved");
    let fields = "/instance/formComponentValues";
    // The map finds a field without an alias by its id. The value of a choice is a list written as
    // a string. The string "null" means an empty value.
    let map = Map::builtin_text("dingtalk").unwrap();
    let map = map.replace("\"accounts\"", "\"TextareaField-K2AD4O52\"");
    let map = Map::load(&map, "dingtalk").unwrap();
    let mut other = with(&approved, &format!("{fields}/2/bizAlias"), json!(""));
    other = with(
        &other,
        &format!("{fields}/2/value"),
        json!("[\"700000000011\",\"700000000012\"]"),
    );
    other = with(&other, &format!("{fields}/3/value"), json!("null"));
    let delivered = delivered(other.to_string().into_bytes(), "application/json");
    let requests = map
        .apply(&delivered, now(), &ServedRegions::default())
        .unwrap();
    let request = json!(requests[0]);
    assert_eq!(
        request["target"]["accounts"],
        json!(["700000000011", "700000000012"]),
        "{request}"
    );
    assert_eq!(
        request.get("expires").filter(|end| !end.is_null()),
        None,
        "{request}"
    );
    let value = format!("{fields}/3/value");
    for (written, means) in [
        ("2026-12-20 10:00", "2026-12-20T02:00:00Z"),
        ("2026-12-20", "2026-12-20T00:00:00Z"),
    ] {
        let request = one("dingtalk", &with(&approved, &value, json!(written)));
        assert!(request.to_string().contains(means), "{request}");
    }
    let twice = with(&approved, &format!("{fields}/1/bizAlias"), json!("image"));
    refused("dingtalk", &twice, "two components with the id image");
    for (place, value) in [
        ("type", json!("EXECUTE_TASK_AGENT")),
        ("result", json!("REFUSE")),
    ] {
        let pointer = format!("/instance/operationRecords/1/{place}");
        let request = one("dingtalk", &with(&approved, &pointer, value));
        assert_eq!(request["approvers"], json!([]), "{place}");
    }
    let records = "/instance/operationRecords/1/date";
    let mut later = with(&approved, records, json!("2026-11-02T06:55Z"));
    let back = json!({"userId": "x", "date": "2026-11-02T06:54Z", "type": "REDIRECT_PROCESS", "result": "NONE"});
    later["instance"]["operationRecords"]
        .as_array_mut()
        .unwrap()
        .push(back);
    assert_eq!(
        one("dingtalk", &later)["approvers"],
        json!(["wangxiaoming"])
    );
}

#[test]
fn a_wecom_form_is_read_by_kind_and_only_approvers_approve() {
    let approved = event("wecom-approved");
    let contents = "/instance/apply_data/contents";
    let dated = with(&approved, &format!("{contents}/3/control"), json!("Date"));
    let date = json!({"date": {"type": "day", "s_timestamp": "1796083200.0"}});
    let request = one("wecom", &with(&dated, &format!("{contents}/3/value"), date));
    assert!(
        request.to_string().contains("2026-12-01T00:00:00Z"),
        "{request}"
    );
    let strange = with(
        &approved,
        &format!("{contents}/0/control"),
        json!("Formula"),
    );
    refused("wecom", &strange, "Formula");
    let twice = with(
        &approved,
        &format!("{contents}/4/id"),
        json!("Text-1793601000001"),
    );
    refused("wecom", &twice, "two controls");
    let node = "/instance/process_list/node_list/0";
    for (place, value) in [
        ("node_type", json!(3)),
        ("node_type", json!(2)),
        ("sub_node_list/0/sp_yj", json!(4)),
    ] {
        let request = one("wecom", &with(&approved, &format!("{node}/{place}"), value));
        assert_eq!(request["approvers"], json!([]), "{place}");
    }
    let added = with(
        &approved,
        &format!("{node}/sub_node_list/0/sp_yj"),
        json!(13),
    );
    assert_eq!(one("wecom", &added)["approvers"], json!(["wangxiaoming"]));
    let older = with(
        &approved,
        "/instance/process_list",
        json!({"node_list": []}),
    );
    assert_eq!(one("wecom", &older)["approvers"], json!(["wangxiaoming"]));
    let several = with(&approved, "/instance/applyer", Value::Null);
    refused("wecom", &several, "requester");
}

/// The ticket determines the share. The event's actor must be the approver in the ticket.
#[test]
fn a_fetched_zendesk_ticket_is_read_by_field_and_approved_by_its_actor() {
    let approved = event("zendesk-ticket-approved");
    let fields = "/instance/ticket/custom_fields";
    let request = one("zendesk-ticket", &approved);
    assert_eq!(request["approvers"], json!(["235323"]));
    let cancel = with(&approved, &format!("{fields}/5/value"), json!("cancel"));
    let cancel = with(&cancel, "/event/fields/360000000006", json!("cancel"));
    assert_eq!(one("zendesk-ticket", &cancel)["id"], "35436/cancel");
    let number = with(&approved, "/event/by", json!(235_323));
    assert_eq!(one("zendesk-ticket", &number), request);
    for (place, value) in [
        ("/event/by", json!("20978392")),
        ("/instance/ticket/custom_fields/6/value", Value::Null),
        ("/instance/ticket/custom_fields/6/value", json!("")),
        ("/instance/ticket/custom_fields/6/value", json!("20978392")),
    ] {
        ignored("zendesk-ticket", &with(&approved, place, value));
    }
    let unnamed = with(&approved, "/event/by", json!(""));
    refused("zendesk-ticket", &unnamed, "event.by");
    let moved = with(&approved, &format!("{fields}/0/id"), json!(1));
    refused("zendesk-ticket", &moved, "no field 360000000001");
}
