//! `demo`: the whole product in one minute, on loopback. Each line that it prints was observed, and
//! it exits 0 only if all of them were: over HTTP, through the real path, against the sandbox, in
//! the journal's files.

mod stage;

use serde_json::{Value, json};

use crate::config::Site;
use crate::entrypoints::reply::Exit;

use super::Context;
use stage::{Answered, Stage};

/// A real-shaped Jira event: its changelog moves the status to Approved.
const TICKET: &str = include_str!("../../../../events/body-jira-approved.json");

/// Runs the demo on a site; `keep` leaves its folder for a closer look.
pub(super) async fn run(context: &Context, site: Site, keep: bool) -> Exit {
    let mut stage = match Stage::build(&context.vars, site).await {
        Ok(stage) => stage,
        Err(error) => {
            eprintln!("sharehook demo: {error}");
            return Exit::Failed;
        }
    };
    let played = play(&mut stage).await;
    let whole = stage.strike(keep).await;
    match played {
        Err(error) => {
            eprintln!("sharehook demo: {error}");
            Exit::Failed
        }
        Ok(()) if whole => Exit::Done,
        Ok(()) => Exit::Failed,
    }
}

async fn play(stage: &mut Stage) -> Result<(), String> {
    stage.say("1. A signed Jira ticket, approved by somebody else than its requester");
    let first = stage.send_signed(TICKET).await?;
    stage.show(&first);
    accepted(stage, &first).await?;

    stage.say("2. The same ticket with one byte of its body changed, under the old signature");
    let forged = stage.send_forged(TICKET).await?;
    stage.show(&forged);
    stage.check("a forged ticket is refused with 401", forged.status == 401);
    stage.check(
        "and nobody learns why",
        forged.body == json!({"error": "unauthorised: the delivery could not be authenticated"}),
    );

    stage.say("3. A signed ticket for an account that is on no allow-list");
    let denied = stage.send_signed(&denied_ticket()?).await?;
    stage.show(&denied);
    stage.check(
        "the policy denies it with 403",
        denied.status == 403 && denied.at("status") == "denied",
    );

    stage.say("4. The first ticket once more, as senders do");
    let calls = stage.calls();
    let again = stage.send_signed(TICKET).await?;
    stage.show(&again);
    stage.check(
        "it gets the recorded answer",
        again.status == 200 && again.at("duplicate") == true,
    );
    stage.check(
        "with the recorded results",
        again.at("results") == first.at("results"),
    );
    stage.check("and the cloud is not called again", stage.calls() == calls);

    stage.say("5. The journal");
    stage.seal().await?;
    let report = stage.verify().await?;
    stage.check(
        "every record is whole and in its place",
        report.clean() && report.records >= 4,
    );
    stage.check(
        "and sealed with a key that lies outside the journal",
        report.sealed == report.records,
    );
    let changed = stage.flip_one_byte()?;
    let report = stage.verify().await?;
    for finding in &report.findings {
        stage.tell("found", &finding.to_string());
    }
    stage.check(
        "one changed byte is found where it was changed",
        report
            .findings
            .iter()
            .any(|f| f.to_string().contains(&changed)),
    );
    Ok(())
}

async fn accepted(stage: &mut Stage, answer: &Answered) -> Result<(), String> {
    stage.check(
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
    stage.check(
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
    stage.check(
        "the sandbox has verified a signed call",
        stage.verified_shares() == 1,
    );
    stage.check(
        &format!(
            "the share is in the sandbox's state: {}",
            accounts.join(", ")
        ),
        !accounts.is_empty() && accounts.iter().all(|a| stage.has_share(a)),
    );
    let record = answer
        .at("record")
        .as_str()
        .and_then(|text| text.split(' ').next())
        .unwrap_or_default();
    let held = stage.journal_has(record);
    stage.check(
        &format!("the journal holds the record that the answer names: {record}"),
        held,
    );
    Ok(())
}

/// The same ticket under another key, for another account.
fn denied_ticket() -> Result<String, String> {
    let wrong = |error: serde_json::Error| format!("the demo's ticket is not JSON: {error}");
    let mut ticket: Value = serde_json::from_str(TICKET).map_err(wrong)?;
    let places = [
        ("/issue/key", json!("SHARE-666")),
        ("/issue/fields/customfield_10103", json!("700000999999")),
    ];
    for (place, value) in places {
        let field = ticket
            .pointer_mut(place)
            .ok_or_else(|| format!("the demo's ticket has no {place}"))?;
        *field = value;
    }
    Ok(ticket.to_string())
}
