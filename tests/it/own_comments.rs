//! Zendesk's trigger fires on sharehook's own comments if its condition is a status and not a
//! change of the status. Its event then names the agent of the `[[notify]]` as the approver, and
//! must make no request.

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{Answer, Delivery, Ending, Reply, Via};
use sharehook::domain::Status;
use sharehook::inbound::{SchemeSpec, seal};

use crate::support::{ACCOUNTS, BLUEPRINT, World, deadline, request, secrets, variables};

/// Returns a world that comments on Zendesk tickets with this login. `more` is added to its
/// `[[notify]]`.
async fn world(login: &str, more: &str) -> World {
    let mut world = World::new().await;
    comments(&mut world, login, more);
    world.reset().await;
    world
}

fn comments(world: &mut World, login: &str, more: &str) {
    secrets::write(&world.folder.path().join("login"), login);
    world.configure(&format!(
        "[[notify]]\nname = \"desk\"\npreset = \"zendesk\"\nurl = \"http://127.0.0.1:9\"\n\
         auth = {{ basic = \"file:login\" }}\n{more}\n"
    ));
}

/// Delivers what the trigger sends if `agent` updates the approved ticket in this minute.
async fn update(world: &World, agent: &str, minute: &str) -> (Ending, Answer) {
    let text = include_str!("../../events/body-zendesk-approved.json");
    let mut event: Value = serde_json::from_str(text).unwrap();
    event["current_user"]["email"] = json!(agent);
    event["ticket"]["updated_at"] = json!(minute);
    let spec: SchemeSpec = "zendesk".parse().unwrap();
    let secret = SecretString::from(variables()["ZENDESK_WEBHOOK_SECRET"].clone());
    let body = event.to_string().into_bytes();
    let (headers, body) = seal(&spec, &secret, &[], body, "an-id", world.now()).unwrap();
    let delivery = Delivery {
        source: "zendesk".parse().unwrap(),
        via: Via::Http(headers),
        body,
    };
    match world.app.receive(delivery, deadline()).await {
        Reply::Answers(mut answers) if answers.len() == 1 => answers.remove(0),
        other => panic!("not one answer: {other:?}"),
    }
}

async fn streams(world: &World) -> usize {
    world.journal.streams().await.unwrap().len()
}

#[tokio::test]
async fn an_expired_share_is_not_shared_again_by_the_comment_about_its_end() {
    let world = world("Agent@Example.com/token:test-only-token-0123456789", "").await;
    let (_, answer) = update(&world, "bob@example.com", "2026-11-21T08:00:00Z").await;
    assert_eq!(answer.status, Status::Completed);
    let recorded = streams(&world).await;
    // The comment about the share causes an event, in the same minute or in the next one.
    for minute in ["2026-11-21T08:00:00Z", "2026-11-21T08:01:00Z"] {
        let (ending, answer) = update(&world, "agent@example.com", minute).await;
        assert_eq!((ending, answer.status), (Ending::Done, Status::Ignored));
        let message = answer.message.unwrap();
        assert!(message.contains("the [[notify]] desk"), "{message}");
    }
    world.advance(30 * 86_400 + 60);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    let (_, answer) = update(&world, "agent@example.com", "2026-12-21T08:01:00Z").await;
    assert_eq!(answer.status, Status::Ignored);
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    assert_eq!(streams(&world).await, recorded);
    // A person's approval of the same ticket is a new request.
    let (_, answer) = update(&world, "bob@example.com", "2026-12-21T08:02:00Z").await;
    assert_eq!(answer.status, Status::Completed);
    assert_eq!(world.has(BLUEPRINT).len(), 2);
}

#[tokio::test]
async fn only_a_zendesk_source_ignores_the_agent_that_comments() {
    const LOGIN: &str = "bob@example.com:test-only-password-0123456789";
    let invoked = |id: &str| request(id, json!({"accounts": ACCOUNTS}));
    // Without `sources`, the agent's approvals are ignored only from a Zendesk source: sharehook
    // comments on no other system's tickets.
    let every = world(LOGIN, "").await;
    let (_, answer) = update(&every, "bob@example.com", "2026-11-21T08:00:00Z").await;
    assert_eq!(answer.status, Status::Ignored);
    let (_, answer) = every.deliver(&invoked("a")).await;
    assert_eq!(answer.status, Status::Completed);
    // With `sources`, the agent's approvals are ignored only from these sources.
    let other = world(LOGIN, "sources = [\"invoke\"]").await;
    let (_, answer) = update(&other, "bob@example.com", "2026-11-21T08:00:00Z").await;
    assert_eq!(answer.status, Status::Completed);
    let (_, answer) = other.deliver(&invoked("b")).await;
    assert_eq!(answer.status, Status::Ignored);
}

#[tokio::test]
async fn a_recorded_approval_of_the_agent_keeps_its_answer() {
    let mut world = World::new().await;
    world.reset().await;
    let minute = "2026-11-21T08:00:00Z";
    let (_, first) = update(&world, "bob@example.com", minute).await;
    assert_eq!(first.status, Status::Completed);
    let login = "bob@example.com/token:test-only-token-0123456789";
    comments(&mut world, login, "");
    let (_, again) = update(&world, "bob@example.com", minute).await;
    assert_eq!((again.status, again.duplicate), (Status::Completed, true));
}
