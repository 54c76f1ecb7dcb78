//! Tests the shipped maps with ticket fields that are absent, renamed, or changed with or after the
//! approval.

use serde_json::{Value, json};
use sharehook::domain::ServedRegions;
use sharehook::inbound::Map;

use super::maps::{delivered, event, ignored, now, one, refused, with};

/// The event without the field at `pointer`.
fn without(mut event: Value, pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = event.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    assert!(parent.remove(name).is_some(), "{pointer}");
    event
}

fn approved(map: &str) -> Value {
    event(&format!("{map}-approved"))
}

/// Feishu's sample, with its form as sharehook hands it to the map.
fn feishu() -> Value {
    let mut event = approved("feishu");
    let form = event["instance"]["form"].as_str().unwrap();
    event["instance"]["form"] = serde_json::from_str(form).unwrap();
    event
}

/// Applies a shipped map, in which `from` is replaced by `to`, to the event. Returns the first
/// request.
fn changed(map: &str, from: &str, to: &str, event: &Value) -> Value {
    let text = Map::builtin_text(map).unwrap();
    assert!(text.contains(from), "{map}: {from}");
    let map = Map::load(&text.replace(from, to), map).unwrap();
    let delivery = delivered(event.to_string().into_bytes(), "application/json");
    let requests = map.apply(&delivery, now(), &ServedRegions::default());
    json!(requests.unwrap()[0])
}

/// An empty action means a share, and an empty expiry means that the share does not expire. A
/// missing field must not be read as an empty one.
#[test]
fn a_field_that_is_not_there_is_not_an_empty_one() {
    for (map, pointer, says) in [
        (
            "jira",
            "/issue/fields/customfield_10106",
            "no field customfield_10106",
        ),
        (
            "jira",
            "/issue/fields/customfield_10105",
            "no field customfield_10105",
        ),
        (
            "servicenow",
            "/record/variables/action",
            "record.variables lacks action",
        ),
        (
            "servicenow",
            "/record/variables/expires",
            "record.variables lacks expires",
        ),
        ("zendesk", "/ticket/action", "ticket lacks action"),
        ("zendesk", "/ticket/expires", "ticket lacks expires"),
        (
            "freshservice",
            "/freshdesk_webhook/ticket_cf_action",
            "the event lacks ticket_cf_action",
        ),
        (
            "freshservice",
            "/freshdesk_webhook/ticket_cf_expires",
            "the event lacks ticket_cf_expires",
        ),
        (
            "dingtalk",
            "/instance/formComponentValues/6/bizAlias",
            "no component with the id action",
        ),
        (
            "dingtalk",
            "/instance/formComponentValues/3/bizAlias",
            "no component with the id expires",
        ),
        (
            "wecom",
            "/instance/apply_data/contents/6/id",
            "no control with the id Selector-1793601000006",
        ),
        (
            "wecom",
            "/instance/apply_data/contents/3/id",
            "no control with the id Text-1793601000005",
        ),
    ] {
        one(map, &approved(map));
        refused(map, &without(approved(map), pointer), says);
    }
}

#[test]
fn a_map_says_which_field_a_form_does_not_have() {
    for (map, id, pointer) in [
        (
            "jira",
            "field(\"customfield_10106\")",
            "/issue/fields/customfield_10106",
        ),
        (
            "dingtalk",
            "\"action\"",
            "/instance/formComponentValues/6/bizAlias",
        ),
        (
            "wecom",
            "\"Selector-1793601000006\"",
            "/instance/apply_data/contents/6/id",
        ),
    ] {
        let event = without(approved(map), pointer);
        let request = changed(map, id, "null", &event);
        assert_eq!(request["action"], "share", "{map}");
    }
}

/// Feishu may leave out hidden widgets, so the map accepts an instance without one of its widgets.
/// Instead it refuses an instance in which another widget looks like one that the map reads.
#[test]
fn a_feishu_widget_without_its_custom_id_is_noticed_by_its_value() {
    let widget = |id: &str, value: Value| {
        let mut event = feishu();
        let form = event["instance"]["form"].as_array_mut().unwrap();
        form.push(json!({"id": "w9", "custom_id": id, "name": "n", "value": value}));
        event
    };
    for (id, value) in [
        ("", json!("cancel")),
        ("Action", json!("Cancel")),
        ("Action", json!(["share"])),
    ] {
        let event = widget(id, value);
        refused("feishu", &event, "the widget n (w9) looks like action");
        assert_eq!(
            changed("feishu", "\"action\"", "null", &event)["action"],
            "share"
        );
    }
    let ends = "/instance/form/3/custom_id";
    let renamed = with(&feishu(), ends, json!("Expires"));
    refused("feishu", &renamed, "looks like expires");
    // Other widgets may contain any text for people, as long as the map finds the widgets that it
    // reads.
    one("feishu", &widget("", json!("cancel my lunch")));
    one("feishu", &widget("", json!("30d")));
    let mut cancel = widget("action", json!("cancel"));
    let form = cancel["instance"]["form"].as_array_mut().unwrap();
    form.push(json!({"id": "w10", "custom_id": "", "name": "n", "value": "share"}));
    form.remove(3);
    assert_eq!(one("feishu", &cancel)["action"], "cancel");
}

#[test]
fn a_tag_of_opsgenie_counts_however_it_is_spelled() {
    let tags = |tags: &[&str]| {
        let mut event = approved("opsgenie");
        let all = event["alert"]["tags"].as_array_mut().unwrap();
        all.retain(|tag| tag != "expires:7d");
        all.extend(tags.iter().map(|tag| json!(tag)));
        event
    };
    for tag in [
        "Action:cancel",
        " action : Cancel ",
        "action：cancel",
        "ACTION=cancel",
    ] {
        assert_eq!(one("opsgenie", &tags(&[tag]))["action"], "cancel", "{tag}");
    }
    let ends = one("opsgenie", &tags(&["Expires: 7d"]));
    let same = one("opsgenie", &approved("opsgenie"));
    assert_eq!(ends["expires"], same["expires"]);
    refused("opsgenie", &tags(&["expires:"]), "tag expires has no value");
    refused(
        "opsgenie",
        &tags(&["action:share", "Action:cancel"]),
        "two tags action",
    );
}

#[test]
fn a_text_of_dingtalk_may_begin_with_a_bracket() {
    let reason = "/instance/formComponentValues/4/value";
    for (value, read) in [
        ("[紧急] 预发环境", "[紧急] 预发环境"),
        ("[1]", "[1]"),
        ("[\"a\", {}]", "[\"a\", {}]"),
        ("[\"a\", \" b \"]", "a b"),
    ] {
        let event = with(&approved("dingtalk"), reason, json!(value));
        assert_eq!(one("dingtalk", &event)["reason"], read);
    }
}

#[test]
fn a_custom_field_named_status_approves_nothing() {
    let item = json!([{"field": "status", "fieldtype": "custom", "fieldId": "customfield_10999",
        "from": "", "to": "1", "toString": "Approved"}]);
    ignored("jira", &with(&approved("jira"), "/changelog/items", item));
}

#[test]
fn what_changes_together_with_the_approval_is_refused() {
    let linear = approved("linear");
    for field in ["description", "title"] {
        for before in [json!("before"), Value::Null] {
            let edited = with(&linear, &format!("/updatedFrom/{field}"), before);
            refused("linear", &edited, "edited together with the state");
        }
    }
    let pagerduty = approved("pagerduty");
    let fields = &pagerduty["event"]["data"]["custom_fields"];
    for other in [2, 3] {
        let changed = json!([fields[5], fields[other]]);
        let changed = with(&pagerduty, "/event/data/changed_custom_fields", changed);
        refused(
            "pagerduty",
            &changed,
            "changed together with share_approval",
        );
    }
}

#[test]
fn what_a_transition_of_jira_changes_is_not_approved() {
    let jira = approved("jira");
    let status = jira["changelog"]["items"][0].clone();
    let with_item =
        |event: &Value, item: Value| with(event, "/changelog/items", json!([item, status.clone()]));
    let action = "/issue/fields/customfield_10106";
    let cancel = with(&jira, action, json!("cancel"));
    for (item, says) in [
        (
            json!({"field": "accounts", "fieldtype": "custom", "fieldId": "customfield_10103"}),
            "field customfield_10103 changed together with the status",
        ),
        (
            json!({"field": "action", "fieldtype": "custom", "fieldId": "customfield_10106"}),
            "field customfield_10106 changed together with the status",
        ),
        (
            json!({"field": "Accounts", "fieldtype": "custom"}),
            "a custom field changed together with the status",
        ),
        (
            json!({"field": "reporter", "fieldtype": "jira"}),
            "the reporter changed together with the status",
        ),
        (
            json!({"field": "reporter", "fieldtype": "jira", "fieldId": "reporter"}),
            "the reporter changed together with the status",
        ),
    ] {
        refused("jira", &with_item(&jira, item.clone()), says);
        assert_eq!(one("jira", &with_item(&cancel, item))["action"], "cancel");
    }
    for item in [
        json!({"field": "resolution", "fieldtype": "jira", "fieldId": "resolution"}),
        json!({"field": "Rank", "fieldtype": "custom", "fieldId": "customfield_10019"}),
    ] {
        assert_eq!(one("jira", &with_item(&jira, item)), one("jira", &jira));
    }
}

/// A person who opens a ticket for somebody else, or edits what it asks for, could otherwise name
/// another requester and approve it alone.
#[test]
fn a_person_who_opened_or_edited_the_ticket_is_no_second_person() {
    let jira = approved("jira");
    let mut opened = jira.clone();
    opened["issue"]["fields"]["creator"] = jira["user"].clone();
    let mut zendesk = approved("zendesk-ticket");
    zendesk["instance"]["ticket"]["submitter_id"] = zendesk["event"]["by"].clone();
    let mut gitlab = approved("gitlab");
    gitlab["object_attributes"]["last_edited_by_id"] = gitlab["user"]["id"].clone();
    for (map, own) in [
        ("jira", opened),
        ("zendesk-ticket", zendesk),
        ("gitlab", gitlab),
    ] {
        let request = one(map, &own);
        assert_eq!(request["approvers"], json!([]), "{map}");
        let other = one(map, &approved(map));
        assert_eq!(other["approvers"].as_array().unwrap().len(), 1, "{map}");
        assert_ne!(other["approvers"], json!([other["requester"]]), "{map}");
    }
    // In Data Center, people may write any address into their own profiles.
    let mut own_address = jira;
    own_address["user"] =
        json!({"name": "carol", "key": "JIRAUSER3", "emailAddress": "bob@example.com"});
    assert_eq!(one("jira", &own_address)["approvers"], json!(["carol"]));
}

/// The ticket is fetched after the approval. The API and the placeholders of a trigger write the
/// same value in different forms.
#[test]
fn a_fetched_zendesk_ticket_has_the_values_that_were_approved() {
    let approved = approved("zendesk-ticket");
    let fields = "/instance/ticket/custom_fields";
    for (place, value) in [
        (0, json!("lhbp-aaaaaaaa")),
        (1, json!("ap-tokyo")),
        (2, json!("700000000011, 1038493875")),
        (3, json!(true)),
        (4, json!("")),
        (4, json!("90d")),
        (5, json!("cancel")),
    ] {
        let edited = with(&approved, &format!("{fields}/{place}/value"), value);
        refused("zendesk-ticket", &edited, "changed after the approval");
    }
    for id in 1..=6 {
        let id = format!("36000000000{id}");
        let event = without(approved.clone(), &format!("/event/fields/{id}"));
        refused(
            "zendesk-ticket",
            &event,
            &format!("event.fields lacks {id}"),
        );
    }
    let old = without(approved.clone(), "/event/fields");
    refused("zendesk-ticket", &old, "event.fields lacks");
    for (id, value, sent) in [
        (
            3,
            json!("700000000011\r\n700000000012"),
            "700000000011\n700000000012",
        ),
        (4, json!(null), "0"),
        (4, json!(false), ""),
        (5, json!("30d "), " 30d"),
        (5, json!(null), "-"),
        (5, json!(""), "-"),
        (6, json!(null), "-"),
    ] {
        let event = with(&approved, &format!("{fields}/{}/value", id - 1), value);
        let event = with(
            &event,
            &format!("/event/fields/36000000000{id}"),
            json!(sent),
        );
        one("zendesk-ticket", &event);
    }
    // An event of a person who is not the ticket's approver is ignored, even if fields are missing.
    let other = with(&old, "/event/by", json!("20978392"));
    ignored("zendesk-ticket", &other);
}
