//! Plays the five steps of the demo, and checks the result of each step.

use serde_json::{Value, json};

use crate::entrypoints::cli::Failure;

use super::environment::Demo;
use super::output::Answered;

/// An event with Jira's fields. Its changelog changes the status to Approved.
const TICKET: &str = include_str!("../../../../events/body-jira-approved.json");

pub(super) async fn play(demo: &mut Demo) -> Result<(), Failure> {
    let first = approved(demo).await?;
    forged(demo).await?;
    denied(demo).await?;
    repeated(demo, &first).await?;
    altered(demo).await
}

async fn approved(demo: &mut Demo) -> Result<Answered, Failure> {
    demo.out.step(
        "A ticket is approved",
        "In Jira, alice@example.com asks to share the golden image lhbp-6jc6l8yb with two accounts, and \
         bob@example.com approves. Jira tells sharehook by a signed webhook.",
    );
    let answer = demo.send_signed(TICKET).await?;
    demo.out.answer(&answer);
    comment(demo, "SHARE-101", "Shared lhbp-6jc6l8yb").await;
    let out = &mut demo.out;
    out.check(
        "the ticket is accepted",
        answer.status == 200 && answer.at("status") == "completed",
    );
    let policies: Vec<&str> = answer.all("policy").filter_map(Value::as_str).collect();
    let by = format!("a policy allows it: {}", policies.join(", "));
    out.check(&by, !policies.is_empty());
    let calls = demo.verified_shares();
    let accounts: Vec<String> = answer
        .all("results")
        .filter_map(|result| Some(result.get("account")?.as_str()?.to_owned()))
        .collect();
    let shared = !accounts.is_empty() && accounts.iter().all(|account| demo.has_share(account));
    let record = answer.at("record").as_str().unwrap_or_default();
    let record = record.split(' ').next().unwrap_or_default();
    let held = demo.journal_has(record);
    let out = &mut demo.out;
    out.check(
        "the cloud received one sharing call and verified its signature",
        calls == 1,
    );
    let what = format!("the cloud shares the image with {}", accounts.join(" and "));
    out.check(&what, shared);
    out.check(&format!("the journal has the record {record}"), held);
    Ok(answer)
}

async fn forged(demo: &mut Demo) -> Result<(), Failure> {
    demo.out.step(
        "Somebody forges a ticket",
        "The same webhook arrives with one byte of its body changed, under the old signature.",
    );
    let answer = demo.send_forged(TICKET).await?;
    demo.out.answer(&answer);
    demo.out
        .check("it is refused with 401", answer.status == 401);
    let text = json!({"error": "unauthorised: the delivery could not be authenticated"});
    demo.out.check(
        "and the answer does not give the reason",
        answer.body == text,
    );
    Ok(())
}

async fn denied(demo: &mut Demo) -> Result<(), Failure> {
    demo.out.step(
        "A ticket asks for too much",
        "A signed and approved ticket names an account that is on no allow-list.",
    );
    let answer = demo.send_signed(&denied_ticket()?).await?;
    demo.out.answer(&answer);
    comment(demo, "SHARE-666", "the policy refused it").await;
    demo.out.check(
        "the policy denies it with 403",
        answer.status == 403 && answer.at("status") == "denied",
    );
    Ok(())
}

async fn repeated(demo: &mut Demo, first: &Answered) -> Result<(), Failure> {
    demo.out.step(
        "Jira sends the first ticket once more",
        "Senders repeat a delivery when its answer was lost. It must not act twice.",
    );
    let calls = demo.calls();
    let again = demo.send_signed(TICKET).await?;
    demo.out.answer(&again);
    let quiet = demo.calls() == calls;
    let comments = demo.comments("SHARE-101", 1).await.len();
    let out = &mut demo.out;
    out.check(
        "the service returns the recorded answer",
        again.status == 200 && again.at("duplicate") == true,
    );
    out.check(
        "with the recorded results",
        again.at("results") == first.at("results"),
    );
    out.check("and the cloud is not called again", quiet);
    out.check("and the ticket gets no second comment", comments == 1);
    Ok(())
}

async fn altered(demo: &mut Demo) -> Result<(), Failure> {
    demo.out.step(
        "Somebody alters the journal",
        "Each step above is on record, and the records are sealed by a key that lies elsewhere. Now one byte \
         of one record is changed, as an intruder would.",
    );
    let held = demo.holds_notified(2).await;
    demo.seal().await?;
    let mut report = demo.verify().await?;
    if report.sealed < report.records {
        // A record was written after the first seal, so seal again.
        demo.seal().await?;
        report = demo.verify().await?;
    }
    let out = &mut demo.out;
    out.check(
        "before the change, the journal has a record of the comment on each ticket",
        held,
    );
    out.check(
        &format!("all {} records are intact and in order", report.records),
        report.clean() && report.records >= 3,
    );
    out.check(
        "and all of them are sealed",
        report.sealed == report.records,
    );
    let (byte, changed) = demo.flip_one_byte()?;
    demo.out
        .fact("changed", &format!("byte {byte} of {changed}"));
    let report = demo.verify().await?;
    for finding in &report.findings {
        demo.out.fact("found", &finding.to_string());
    }
    let named = |finding: &crate::journal::Finding| finding.to_string().contains(&changed);
    let found = report.findings.iter().any(named);
    demo.out.check("the change is found, with its file", found);
    Ok(())
}

/// Shows and checks the comment that a ticket got.
async fn comment(demo: &mut Demo, ticket: &str, wanted: &str) {
    let comments = demo.comments(ticket, 1).await;
    let text = comments.concat();
    demo.out.comment(ticket, &text);
    let what = format!("{ticket} has the outcome as a comment, through Jira's own API");
    demo.out
        .check(&what, comments.len() == 1 && text.contains(wanted));
}

/// The demo's ticket with another key, and with an account that is on no allow-list.
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
