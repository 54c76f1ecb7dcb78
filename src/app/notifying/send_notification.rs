//! Makes one attempt to notify one target: renders the messages, sends them in order, and reads the
//! answers. Returns whether the notification was delivered. If it failed, the reason contains no
//! secret.

use std::collections::BTreeSet;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::Value;

use crate::app::context::left;
use crate::app::{App, Deadline};
use crate::cloud::client::{self, Outgoing, Url};
use crate::domain::{SourceName, visible};
use crate::inbound::{ApiCall, Callback, Rejection, SchemeName, SchemeSpec, hide, sign};
use crate::journal::{Owed, StreamState};
use crate::notify::{
    Auth, Extras, Message, PathError, Refused, marker, notification_event, retry_after, webhook_id,
};
use crate::telemetry::current;

use super::failure::Failure;
use super::reported::Reported;
use super::target::Target;
use super::task_token::NoToken;

/// Time limit of one HTTP request to a target.
const MAX_TIME: Duration = Duration::from_secs(10);
const NO_RESPONSE_URL: &str = "the delivery had no response_url, or this process no longer knows it: write `to_response_url` only if callback.response_url is true";
const CLOSED: &str = " (a closed ticket takes no comment)";
/// Maximum length of a failure's reason, in characters.
const MAX_SHOWN: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// The target accepted every message that is not optional.
    Messages,
    /// Nothing had to be sent: the template wrote no message, no task waits for the outcome, a later
    /// outcome has replaced the reported one, or the notification would report that nothing ends.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'a> {
    pub(super) owed: &'a Owed,
    pub(super) callback: Option<&'a Callback>,
    /// Whether this process has just recorded the outcome. If so, no other process can have
    /// delivered the notification.
    pub(super) first: bool,
    pub(super) deadline: Deadline,
}

/// A notification on its way to its target.
struct Notification<'a> {
    target: &'a Target,
    attempt: Attempt<'a>,
    source: Option<&'a SourceName>,
    id: String,
}

impl App {
    pub(super) async fn send(
        &self,
        reported: &Reported,
        attempt: Attempt<'_>,
    ) -> Result<Delivered, Failure> {
        if reported.replaced || reported.ends_nothing() {
            return Ok(Delivered::Nothing);
        }
        let state = &reported.state;
        let notice = &attempt.owed.notice;
        let target = self.prepared.targets.get(&notice.notify);
        let target = target.ok_or_else(|| {
            Failure::passing(
                "no [[notify]] has this name any more; configure it again to send this",
            )
        })?;
        let notification = Notification {
            target,
            attempt,
            source: match state {
                StreamState::Request(state) => Some(&state.identity().source),
                StreamState::Incident(_) => None,
            },
            id: webhook_id(state.stream(), notice),
        };
        let extras = Extras {
            staying: &reported.staying,
            ..notification.extras()
        };
        let event = notification_event(state, attempt.owed, extras);
        let messages = target.template.messages(&event, self.now());
        let messages = messages.map_err(|error| notification.unwritten(&error.to_string()))?;
        if messages.is_empty() {
            return Ok(Delivered::Nothing);
        }
        if target.ends_task() && notification.task_token().is_none() {
            return without_token(self.no_token(state));
        }
        for message in messages {
            match self.send_one(&notification, &message).await {
                Err(failure) if message.optional && failure.refused => {
                    tracing::warn!(notify = %notice.notify, why = failure.why, "an optional message was not delivered");
                }
                end => end?,
            }
        }
        Ok(Delivered::Messages)
    }

    /// Sends one message. If the template says how, first looks up the ticket's id at the target,
    /// and checks whether an earlier attempt has already sent the message.
    async fn send_one(
        &self,
        notification: &Notification<'_>,
        message: &Message,
    ) -> Result<(), Failure> {
        let mut found = None;
        if let Some(find) = &message.find {
            let answer = self
                .exchange(notification, message, "GET", &find.path, None)
                .await?;
            let none = || Failure::refused("the target's answer has no usable id of the ticket");
            found = Some(find.id(&answer).ok_or_else(none)?);
        }
        let path = |path: &str| match &found {
            Some(id) => path.replace("{found}", id),
            None => path.to_owned(),
        };
        let repeated = !notification.attempt.first || notification.attempt.owed.attempt > 1;
        if let Some(look) = message.look.as_ref().filter(|_| repeated) {
            let method = if look.body.is_some() { "POST" } else { "GET" };
            let path = path(&look.path);
            let answer = self.exchange(notification, message, method, &path, look.body.as_ref());
            match answer.await {
                Ok(seen) if holds(&seen, &marker(&notification.id)) => return Ok(()),
                // The credentials may be allowed to write but not to read. Sending the message
                // twice is better than not sending it.
                Err(failure) if !failure.refused => return Err(failure),
                Ok(_) | Err(_) => {}
            }
        }
        let (method, body) = (message.method.as_str(), Some(&message.body));
        self.exchange(notification, message, method, &path(&message.path), body)
            .await
            .map(drop)
    }

    /// Sends one request to the target, and returns the body of the answer. Fails if the status is
    /// not 2xx or if the body contains a refusal.
    async fn exchange(
        &self,
        notification: &Notification<'_>,
        message: &Message,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Failure> {
        let config = &notification.target.config;
        if config.auth.is_app() {
            return self.exchange_as_app(notification, method, path, body).await;
        }
        let (path, body) = match body.map(|body| config.auth.addressed(path, body, self.now())) {
            Some((path, body)) => (path, body.to_string().into_bytes()),
            None => (path.to_owned(), Vec::new()),
        };
        let url = match message.to_response_url {
            true => notification.response_url(),
            false => config.address.as_ref().and_then(|at| at.join(&path).ok()),
        };
        let url = url.ok_or_else(|| match message.to_response_url {
            true => Failure::refused(NO_RESPONSE_URL),
            false => Failure::refused(PathError.to_string()),
        })?;
        let headers = self.headers(notification, message, method, &url, &body)?;
        let outgoing = Outgoing {
            method,
            url,
            headers,
            body,
        };
        let longest = left(notification.attempt.deadline).min(MAX_TIME);
        let answer = client::send(&notification.target.client, outgoing, longest).await;
        let answer = answer.map_err(|failure| notification.failed(&failure.to_string()))?;
        let refusal = config.preset.refusal(&answer.body);
        match (answer.status, refusal) {
            (200..300, None) => Ok(answer.body),
            (200..300, Some(Refused { why, is_final })) => Err(Failure {
                is_final,
                refused: true,
                at_response_url: message.to_response_url,
                ..notification.failed(&format!("refused: {why}"))
            }),
            (status, _) => {
                let wish = answer.retry_after.as_deref();
                // Some systems answer 403, with `Retry-After`, when there are too many requests.
                let of_ticket =
                    matches!(status, 404 | 410 | 422) || (status == 403 && wish.is_none());
                // Hide secrets before the white space is normalised, because a secret may contain
                // white space.
                let text = notification.hidden(&String::from_utf8_lossy(&answer.body));
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                let shown = if text.is_empty() { "" } else { ": " };
                let leads = answer.location.as_deref();
                let leads = leads.filter(|_| (300..400).contains(&status));
                let leads = leads.map_or(String::new(), |to| format!(" to {to}, not followed"));
                let closed = config.preset.is_closed(method, status);
                let closed = if closed { CLOSED } else { "" };
                Err(Failure {
                    is_final: status == 410 || !closed.is_empty(),
                    refused: (400..500).contains(&status) && !matches!(status, 409 | 429),
                    is_of_message: of_ticket,
                    at_response_url: message.to_response_url,
                    retry_after: wish.and_then(|wish| retry_after(wish, self.now())),
                    ..notification.failed(&format!("HTTP {status}{leads}{closed}{shown}{text}"))
                })
            }
        }
    }

    /// Sends one request through the app that the source's `fetch` configures. That app also knows
    /// the host.
    async fn exchange_as_app(
        &self,
        notification: &Notification<'_>,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Vec<u8>, Failure> {
        let source = notification.source;
        let intake = source.and_then(|source| Some((source, self.prepared.intake(source)?)));
        let fetch =
            intake.and_then(|(source, intake)| Some((source, intake.fetcher.as_ref()?.app()?)));
        let (source, fetch) = fetch
            .ok_or_else(|| Failure::passing("the request's source has no `fetch` any more, and this preset sends with its app; add fetch again"))?;
        let call = ApiCall {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: body.cloned(),
        };
        let at = (self.now(), notification.attempt.deadline);
        match self.instances.as_app(source, fetch, &call, at).await {
            Ok(answer) => Ok(answer.to_string().into_bytes()),
            Err(unfetched) => Err(Failure {
                is_final: unfetched.kind == Rejection::Gone,
                is_of_message: unfetched.kind == Rejection::Gone,
                ..notification.failed(&unfetched.to_string())
            }),
        }
    }

    /// Returns the template's headers, followed by the program's own.
    fn headers(
        &self,
        notification: &Notification<'_>,
        message: &Message,
        method: &str,
        url: &Url,
        body: &[u8],
    ) -> Result<Vec<(String, String)>, Failure> {
        const OURS: [&str; 4] = ["authorization", "host", "content-length", "content-type"];
        let config = &notification.target.config;
        let theirs = message.headers.iter();
        let theirs = theirs.map(|(name, value)| (name.to_lowercase(), value.clone()));
        let mut headers: Vec<_> = theirs
            .filter(|(name, _)| !OURS.contains(&&**name))
            .collect();
        if !body.is_empty() {
            let kind = config.preset.row().content_type.to_owned();
            headers.push(("content-type".to_owned(), kind));
        }
        match &config.auth {
            // Slack's response address is itself a secret, so add no other credentials.
            _ if message.to_response_url => {}
            Auth::Bot(_) | Auth::App => {}
            Auth::Signed(secret) => {
                let scheme = SchemeSpec::preset(SchemeName::StandardWebhooks);
                let signed = sign(&scheme, secret, body, &notification.id, self.now());
                let signed = signed.map_err(|error| notification.failed(&error.to_string()))?;
                headers.extend(
                    signed
                        .into_iter()
                        .filter(|(name, _)| name != "content-type"),
                );
            }
            Auth::Aws(key) => key.sign("states", method, url, &mut headers, body, self.now()),
            Auth::Basic(_) | Auth::Bearer(..) | Auth::Header(..) => {
                headers.extend(config.auth.header());
            }
        }
        headers.push(("user-agent".to_owned(), "sharehook".to_owned()));
        let trace = current();
        headers.extend(trace.map(|trace| ("traceparent".to_owned(), trace.traceparent())));
        if matches!(config.auth, Auth::Aws(_)) {
            headers.extend(trace.map(|trace| ("x-amzn-trace-id".to_owned(), trace.xray())));
        }
        // The program's own headers come last and replace template headers of the same name.
        let mut names = BTreeSet::new();
        headers.reverse();
        headers.retain(|(name, _)| names.insert(name.to_ascii_lowercase()));
        headers.reverse();
        Ok(headers)
    }
}

/// Returns the result of an attempt to end a task if this process does not have the task's token.
fn without_token(no_token: Option<NoToken>) -> Result<Delivered, Failure> {
    match no_token {
        Some(NoToken::NoTask) => Ok(Delivered::Nothing),
        Some(NoToken::Gone) => Err(Failure::lasting(
            "the task's token is gone: the process that received it kept it for half an hour; stop or repeat the execution in Step Functions",
        )),
        Some(NoToken::Elsewhere) | None => Err(Failure::passing(
            "this process does not have the task's token; only the process that received it can end the task, in its next sweep",
        )),
    }
}

fn holds(answer: &[u8], marker: &str) -> bool {
    String::from_utf8_lossy(answer).contains(marker)
}

impl Notification<'_> {
    fn extras(&self) -> Extras<'_> {
        let config = &self.target.config;
        let on = self.attempt.owed.notice.on;
        let mut transitions = config.transitions.iter();
        let transition = transitions.find(|(kind, _)| *kind == on);
        Extras {
            contact: config.contact.as_deref(),
            transition: transition.map(|(_, id)| id.as_str()),
            user: config.user.as_deref(),
            response_url: self.response_url().is_some(),
            task_token: self.task_token(),
            staying: &[],
        }
    }

    fn task_token(&self) -> Option<&str> {
        let token = self.attempt.callback?.task_token.as_ref()?;
        Some(token.expose_secret())
    }

    /// Returns the response address of the delivery if it belongs to Slack or has the target's
    /// origin.
    fn response_url(&self) -> Option<Url> {
        if self.target.config.to_inbox {
            return None;
        }
        let text = self.attempt.callback?.response_url.as_ref()?;
        let url = Url::parse(text.expose_secret()).ok()?;
        let slack = url.scheme() == "https"
            && url.host_str() == Some("hooks.slack.com")
            && url.port().is_none();
        let own = self.target.config.address.as_ref();
        (slack || own.is_some_and(|own| own.same_origin(&url))).then_some(url)
    }

    /// Returns the failure of a template. A shipped template would fail again for the same outcome,
    /// unless it uses a secret that another process has. An operator's own template can be
    /// corrected before the next attempt.
    fn unwritten(&self, why: &str) -> Failure {
        let config = &self.target.config;
        Failure {
            is_final: config.map.is_none() && !config.preset.uses_callback(),
            is_of_message: true,
            ..self.failed(why)
        }
    }

    /// Returns a failure whose reason is meant for people: short, and without invisible characters
    /// or secrets.
    fn failed(&self, why: &str) -> Failure {
        let hidden = self.hidden(why);
        let clipped: String = hidden.chars().take(MAX_SHOWN).collect();
        Failure::passing(visible(&clipped, &[]))
    }

    /// Returns `text` without the secrets of the target and of the delivery.
    fn hidden(&self, text: &str) -> String {
        let own = self.target.config.auth.secrets();
        let brought = self.attempt.callback.map(Callback::secrets);
        let brought = brought.into_iter().flatten();
        let secrets = own.iter().map(String::as_str).chain(brought);
        hide(text, &secrets.collect::<Vec<_>>())
    }
}
