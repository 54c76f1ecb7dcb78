//! One attempt to notify one target: renders the messages, sends them in order, and reads the answers.
//! In: a state and the notification. Out: delivered, or why not. Nothing of a secret is in a reason.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use crate::cloud::client::{self, Outgoing};
use crate::config::NotifyConfig;
use crate::domain::visible;
use crate::inbound::{SchemeName, SchemeSpec, sign};
use crate::journal::{Owed, State};
use crate::notify::{Auth, Message, outcome_event, retry_after, webhook_id};

use super::context::left;
use super::target::Target;
use super::{App, Deadline};

/// Time limit of one message.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Characters of an answer that a reason shows.
const MAX_SHOWN: usize = 120;

/// What a successful attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// Every message was accepted.
    Everything,
    /// The template wrote no message.
    Nothing,
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For people.
    pub(super) why: String,
    /// Whether no further attempt is made.
    pub(super) is_final: bool,
    /// The receiver's wish, in seconds.
    pub(super) retry_after: Option<i64>,
}

impl Failure {
    fn passing(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            is_final: false,
            retry_after: None,
        }
    }
}

impl App {
    /// Makes one attempt.
    pub(super) async fn send(
        &self,
        state: &State,
        owed: &Owed,
        deadline: Deadline,
    ) -> Result<Told, Failure> {
        let notice = &owed.notice;
        let target = self.prepared.target(&notice.notify);
        let target = target.ok_or_else(|| Failure::passing("it is not configured any more"))?;
        let contact = target.config.contact.as_deref();
        let event = outcome_event(state, owed, contact);
        let messages = target.template.messages(&event, self.now());
        let messages = messages.map_err(|error| Failure::passing(error.to_string()))?;
        if messages.is_empty() {
            return Ok(Told::Nothing);
        }
        let id = webhook_id(state.stream(), notice);
        for message in messages {
            match self.send_one(target, &message, &id, deadline).await {
                Err(failure) if message.optional => {
                    tracing::warn!(notify = %notice.notify, why = failure.why, "an optional message was refused");
                }
                end => end?,
            }
        }
        Ok(Told::Everything)
    }

    async fn send_one(
        &self,
        target: &Target,
        message: &Message,
        id: &str,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        let config = &target.config;
        let url = config.address.join(&message.path);
        let url = url.map_err(|error| Failure::passing(error.to_string()))?;
        let body = message.body.to_string().into_bytes();
        let mut headers = vec![("user-agent".to_owned(), "sharehook".to_owned())];
        if let Auth::Signed(secret) = &config.auth {
            let scheme = SchemeSpec::preset(SchemeName::StandardWebhooks);
            let signed = sign(&scheme, secret, &body, id, self.now());
            headers.extend(signed.map_err(|error| Failure::passing(error.to_string()))?);
            headers.retain(|(name, _)| name != "content-type");
        }
        headers.extend(config.auth.header());
        headers.push((
            "content-type".to_owned(),
            config.preset.content_type().to_owned(),
        ));
        let outgoing = Outgoing {
            method: message.method.as_str(),
            url,
            headers,
            body,
        };
        let longest = left(deadline).min(MAX_TIME);
        let answer = client::send(&target.client, outgoing, longest).await;
        let answer = answer.map_err(|failure| Failure::passing(failure.to_string()))?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let wish = answer.retry_after.as_deref();
        Err(Failure {
            why: format!("HTTP {}{}", answer.status, self.shown(config, &answer.body)),
            is_final: answer.status == 410,
            retry_after: wish.and_then(|wish| retry_after(wish, self.now())),
        })
    }

    /// The beginning of an answer, unless it repeats a secret.
    fn shown(&self, config: &NotifyConfig, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        let own = match &config.auth {
            Auth::Signed(secret)
            | Auth::Basic(secret)
            | Auth::Bearer(_, secret)
            | Auth::Header(_, secret) => secret.expose_secret(),
        };
        let header = config.auth.header().map(|(_, value)| value);
        let repeats = [Some(own.to_owned()), header]
            .into_iter()
            .flatten()
            .any(|secret| text.contains(&secret));
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if repeats || words.is_empty() {
            return String::new();
        }
        let clipped: String = words.chars().take(MAX_SHOWN).collect();
        format!(": {}", visible(&clipped, &[]))
    }
}
