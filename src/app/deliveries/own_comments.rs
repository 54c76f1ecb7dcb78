//! Recognises approvals that sharehook's own comments caused. Compares a request with the
//! configured notifications, and returns the notification whose comment caused the approval.
//!
//! A Zendesk trigger can fire on every update of a ticket. It then names the author of the update
//! as the approver, even if the update is only a comment from sharehook. Without this check, the
//! comment about the end of a share would cause another share.

use crate::app::answer::{Answer, Ending};
use crate::app::application::App;
use crate::config::{NotifyConfig, SourceConfig};
use crate::domain::{Identity, NotifyName, PersonName, ShareRequest, SourceName, Status};
use crate::inbound::SchemeName;
use crate::notify::Preset;

impl App {
    /// Returns the `[[notify]]` whose Zendesk agent is the only approver of the request. The agent
    /// is only known if the `auth` of the `[[notify]]` is `basic`.
    pub(in crate::app) fn approved_by_own_agent(
        &self,
        source: &SourceName,
        request: &ShareRequest,
    ) -> Option<&NotifyName> {
        let config = self.config();
        let source = config.sources.iter().find(|one| one.name == *source)?;
        // A fetched ticket names its approver in a field, which a comment does not change.
        if source.fetch.is_some() {
            return None;
        }
        let comments = config.notify.iter().filter(|one| comments_on(one, source));
        let by_agent = |one: &&NotifyConfig| agent_of(one).is_some_and(|a| only(&a, request));
        let mut found = comments.filter(by_agent);
        found.next().map(|one| &one.subscription.name)
    }
}

/// Whether `notify` writes comments on the Zendesk tickets of `source`.
fn comments_on(notify: &NotifyConfig, source: &SourceConfig) -> bool {
    let sources = &notify.subscription.sources;
    let of_source = match sources.is_empty() {
        // Without `sources`, a `[[notify]]` is for every source, including those of other systems.
        true => source.scheme.name() == SchemeName::Zendesk.as_str(),
        false => sources.contains(&source.name),
    };
    notify.preset == Preset::Zendesk && of_source
}

/// Returns the email address from a Zendesk login, which is `address/token:api-token` or
/// `address:password`.
fn agent_of(notify: &NotifyConfig) -> Option<PersonName> {
    let user = notify.auth.user()?;
    user.strip_suffix("/token").unwrap_or(user).parse().ok()
}

fn only(agent: &PersonName, request: &ShareRequest) -> bool {
    let is_agent = |name: &String| name.parse().as_ref() == Ok(agent);
    !request.approvers.is_empty() && request.approvers.iter().all(is_agent)
}

/// Logs a request that sharehook's own comment caused, and returns the answer to it.
pub(in crate::app) fn own_comment(identity: &Identity, notify: &NotifyName) -> (Ending, Answer) {
    let message = format!(
        "the only approver is the agent that writes the comments of the [[notify]] {notify}, and each comment can fire the trigger, so this approval does not count; let an agent who approves nothing write the comments"
    );
    tracing::warn!(%identity, reason = message, "an approval was ignored");
    let answer = Answer {
        message: Some(message),
        ..Answer::new(&identity.id, Status::Ignored)
    };
    (Ending::Done, answer)
}
