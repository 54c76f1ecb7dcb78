//! The demo's script: five steps, and the checks after each.

use serde_json::{Value, json};

use crate::entrypoints::cli::Failure;

use super::environment::{Answered, Demo};

/// An event with Jira's fields; its changelog moves the status to Approved.
const TICKET: &str = include_str!("../../../../events/body-jira-approved.json");

/// Runs the demo's steps with their checks.
pub(super) async fn play(demo: &mut Demo) -> Result<(), Failure> {
    demo.say("1. A signed Jira ticket, approved by a person other than its requester");
    let first = demo.send_signed(TICKET).await?;
    demo.show(&first);
    accepted(demo, &first).await?;
    commented(demo, "SHARE-101", "Shared lhbp-6jc6l8yb").await;

    demo.say("2. The same ticket with one byte of its body changed, under the old signature");
    let forged = demo.send_forged(TICKET).await?;
    demo.show(&forged);
    demo.check("a forged ticket is refused with 401", forged.status == 401);
    demo.check(
        "and the answer does not give the reason",
        forged.body == json!({"error": "unauthorised: the delivery could not be authenticated"}),
    );

    demo.say("3. A signed ticket for an account that is on no allow-list");
    let denied = demo.send_signed(&denied_ticket()?).await?;
    demo.show(&denied);
    demo.check(
        "the policy denies it with 403",
        denied.status == 403 && denied.at("status") == "denied",
    );
    commented(demo, "SHARE-666", "the policy refused it").await;

    demo.say("4. The first ticket once more, as senders repeat deliveries");
    let calls = demo.calls();
    let again = demo.send_signed(TICKET).await?;
    demo.show(&again);
    demo.check(
        "the service returns the recorded answer",
        again.status == 200 && again.at("duplicate") == true,
    );
    demo.check(
        "with the recorded results",
        again.at("results") == first.at("results"),
    );
    demo.check("and the cloud is not called again", demo.calls() == calls);
    let comments = demo.comments("SHARE-101", 1).await.len();
    demo.check("nor is the ticket told again", comments == 1);

    demo.say("5. The journal");
    let held = demo.holds_notified(2).await;
    demo.check("it holds that both tickets were told", held);
    demo.seal().await?;
    let report = demo.verify().await?;
    demo.check(
        "all records are intact and in order",
        report.clean() && report.records >= 3,
    );
    demo.check(
        "and sealed with a key that is stored outside the journal",
        report.sealed == report.records,
    );
    let changed = demo.flip_one_byte()?;
    let report = demo.verify().await?;
    for finding in &report.findings {
        demo.step("found", &finding.to_string());
    }
    demo.check(
        "one changed byte is found, with its file",
        report
            .findings
            .iter()
            .any(|f| f.to_string().contains(&changed)),
    );
    Ok(())
}

async fn accepted(demo: &mut Demo, answer: &Answered) -> Result<(), Failure> {
    demo.check(
        "the ticket is accepted",
        answer.status == 200 && answer.at("status") == "completed",
    );
    let policies: Vec<&str> = answer
        .at("policy")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    demo.check(
        &format!("a policy allowed it: {}", policies.join(", ")),
        !policies.is_empty(),
    );
    let accounts: Vec<&str> = answer
        .at("results")
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|r| r.get("account")?.as_str())
        .collect();
    demo.check(
        "the sandbox has verified a signed call",
        demo.verified_shares() == 1,
    );
    demo.check(
        &format!(
            "the share is in the sandbox's state: {}",
            accounts.join(", ")
        ),
        !accounts.is_empty() && accounts.iter().all(|a| demo.has_share(a)),
    );
    let record = answer
        .at("record")
        .as_str()
        .and_then(|text| text.split(' ').next())
        .unwrap_or_default();
    let held = demo.journal_has(record);
    demo.check(
        &format!("the journal has the record that the answer names: {record}"),
        held,
    );
    Ok(())
}

/// Shows the comment on the ticket.
async fn commented(demo: &mut Demo, ticket: &str, wanted: &str) {
    let comments = demo.comments(ticket, 1).await;
    let text = comments.concat();
    for line in text.lines() {
        demo.step("comment", line);
    }
    let what = format!("{ticket} gets a comment with the outcome, through Jira's own API");
    demo.check(&what, comments.len() == 1 && text.contains(wanted));
}

/// The same ticket under another key, for another account.
fn denied_ticket() -> Result<String, Failure> {
    let wrong = |error| Failure::Failed(format!("the demo's ticket is not JSON: {error}"));
    let mut ticket: Value = serde_json::from_str(TICKET).map_err(wrong)?;
    let places = [
        ("/issue/key", json!("SHARE-666")),
        ("/issue/fields/customfield_10103", json!("700000999999")),
    ];
    for (place, value) in places {
        let field = ticket
            .pointer_mut(place)
            .ok_or_else(|| Failure::Failed(format!("the demo's ticket has no {place}")))?;
        *field = value;
    }
    Ok(ticket.to_string())
}
