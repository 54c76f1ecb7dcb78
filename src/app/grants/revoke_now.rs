//! Revokes active shares for an operator, and calls off unfinished ones. Requests one cancel per
//! image and region. Each cancel is verified, decided and recorded like any other request.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::deliveries::EarlyAnswer;
use crate::app::reader::GrantEntry;
use crate::app::requests::Operator;
use crate::app::{Answer, App, Deadline, Delivery, Ending, Reply, Statement, Via};
use crate::domain::{BlueprintId, ImageRef, MAX_ACCOUNTS, Region, SourceName};
use crate::journal::{Grant, JournalError, Receiver, State};

/// What to add for a source of operators. The groups are those of the policies that `init` writes.
const OPERATORS: &str = r#"add one to the configuration:

[[source]]
name   = "operators"
scheme = "trusted"
from   = ["commands"]

and to entities.json the source and a person, in groups that your policies let cancel, such as:

{"uid": {"type": "Share::Source", "id": "operators"}, "attrs": {"scheme": "trusted", "signed": false},
 "parents": [{"type": "Share::SourceGroup", "id": "operators"}]},
{"uid": {"type": "Share::Requester", "id": "operators/NAME"}, "attrs": {"source": {"type": "Share::Source", "id": "operators"}},
 "parents": [{"type": "Share::Team", "id": "platform"}]}

Then repeat the command with --as operators/NAME"#;

/// Why shares were not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeNowError {
    /// The source's scheme is not `trusted`, so an operator cannot request anything in its name.
    /// Other sources have it.
    #[error("{by} is not a source with scheme = \"trusted\"; name one that is: {}", .trusted.join(", "))]
    NotTrusted {
        /// The source.
        by: SourceName,
        /// The names of the trusted sources.
        trusted: Vec<String>,
    },
    /// No source has the scheme `trusted`.
    #[error(
        "no source has scheme = \"trusted\", so no command can request anything; {}",
        OPERATORS
    )]
    NoneTrusted,
    /// The journal has no grant and no unfinished share of this image, or none to this account.
    #[error(
        "the journal has no active grant and no unfinished share of {0}; `sharehook drift` lists what else is shared"
    )]
    NothingGranted(String),
    /// A stream cannot be read. If it contains a grant of the image, that grant was not revoked.
    #[error("records that cannot be read may have a grant, which was not revoked: {0}")]
    Unread(String),
    /// No record names the blueprint that was shared with the accounts, and the cloud cannot be
    /// read.
    #[error(
        "no record names the blueprint that {image} has in Lighthouse, and the cloud could not be read: \
         {why}; if the key lacks the permission, allow it to call DescribeBlueprints"
    )]
    BlueprintUnread {
        /// The image.
        image: String,
        /// The cloud's error.
        why: String,
    },
    /// The blueprint that was shared is unknown: no record names it, and the account of the key in
    /// use has no blueprint of the image.
    #[error(
        "no record names the Lighthouse blueprint of {0}, and the account of the key in use has no blueprint made from it: use a key of the image's owner account; if the image is deleted, confirm with --gone"
    )]
    NoBlueprint(String),
    /// An unfinished chain has no blueprint yet, so a cancel cannot remove single accounts from it.
    #[error(
        "{request} is unfinished and has not made the Lighthouse blueprint of {image} yet; without --account, `revoke` calls it off"
    )]
    NotMade {
        /// The request.
        request: String,
        /// The image.
        image: String,
    },
    /// The delivery was not accepted.
    #[error("source {by} refused the request for {image}: {}", refusal(.reply))]
    NotTaken {
        /// The source.
        by: SourceName,
        /// The image.
        image: String,
        /// The answer to the delivery.
        reply: Box<Reply>,
    },
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The result of revoking the grants of an image.
#[derive(Debug)]
pub struct RevokedNow {
    /// The answers to the cancels.
    pub answers: Vec<(Ending, Answer)>,
    /// The reasons why some grants were not cancelled, or may not have been found.
    pub left: Vec<RevokeNowError>,
}

fn refusal(reply: &Reply) -> String {
    match reply {
        Reply::Invalid(problems) => problems.to_string(),
        Reply::Unreadable(problem) => problem.to_string(),
        Reply::NotNow => "it cannot be handled now; repeat the command".to_owned(),
        Reply::Unauthorised | Reply::UnknownSource | Reply::UnsupportedType => {
            "it was not authenticated".to_owned()
        }
        Reply::Handshake(_) | Reply::Answers(_) => "it led to no request; report this".to_owned(),
    }
}

impl RevokeNowError {
    /// Whether the account whose key was used has no blueprint of the image.
    pub(super) fn shows_none(&self) -> bool {
        matches!(self, Self::NoBlueprint(_))
    }
}

impl App {
    /// Cancels the grants and the unfinished shares of `image`: those to `accounts`, or all if
    /// `accounts` is empty. With `gone`, the operator confirms that the image is deleted, so a
    /// missing image counts as not shared.
    ///
    /// # Errors
    /// Returns a [`RevokeNowError`] only if no cancel got an answer. Errors that prevented some of
    /// the cancels, or that may have hidden a grant, are in [`RevokedNow::left`].
    pub async fn revoke_now(
        &self,
        image: &str,
        accounts: &[String],
        by: &Operator,
        reason: &str,
        gone: bool,
        deadline: Deadline,
    ) -> Result<RevokedNow, RevokeNowError> {
        // Read the unfinished shares first. If a share finishes between the two reads, the second
        // read then shows its grant.
        let awaited = self.awaited_grants(image).await?;
        let unfinished: BTreeSet<String> = awaited.iter().map(|g| g.request.clone()).collect();
        let listed = self.grants().await?;
        let mut grants = listed.entries;
        grants.extend(awaited);
        let mut left: Vec<_> = listed
            .flaws
            .into_iter()
            .map(RevokeNowError::Unread)
            .collect();
        let named = |to: &String| accounts.is_empty() || accounts.contains(to);
        grants.retain(|grant| grant.is_of(image) && named(&grant.to));
        let has = |account: &String| grants.iter().any(|grant| grant.to == *account);
        let without = accounts.iter().filter(|account| !has(account));
        let mut missing: Vec<_> = without
            .map(|account| format!("{image} to {account}"))
            .collect();
        if grants.is_empty() && accounts.is_empty() {
            missing.push(image.to_owned());
        }
        let nothing = RevokeNowError::NothingGranted;
        if grants.is_empty() && left.is_empty() {
            return Err(nothing(missing.join(", ")));
        }
        left.extend(missing.into_iter().map(nothing));
        let (cancels, not_found) = self.cancels_of(grants, &unfinished, gone, deadline).await?;
        left.extend(not_found);
        let statement = if gone {
            Statement::Gone
        } else {
            Statement::None
        };
        let mut answers = Vec::new();
        // The reverse order puts `lhbp-` before `img-`, so that a blueprint is cancelled for its
        // accounts before its image leaves Lighthouse.
        for ((subject, region, lighthouse), accounts) in cancels.iter().rev() {
            let place = if *lighthouse { " in Lighthouse" } else { "" };
            let request = json!({
                "id": format!("revoke {subject}{place} {region} {}", self.now()),
                "action": "cancel", "image": subject, "region": region, "accounts": accounts,
                "lighthouse": lighthouse, "requester": by.requester, "reason": reason,
            });
            let asked = self.ask(
                &by.source,
                subject,
                &request,
                statement,
                deadline,
                &mut answers,
            );
            match asked.await {
                Ok(()) => {}
                Err(error) if answers.is_empty() => return Err(error),
                // Keep the answers to the earlier cancels.
                Err(error) => left.push(error),
            }
        }
        Ok(RevokedNow { answers, left })
    }

    /// Returns the grants of `image` that unfinished shares may still give.
    async fn awaited_grants(&self, image: &str) -> Result<Vec<GrantEntry>, JournalError> {
        let affecting = self.journal.affecting_anywhere(image).await?;
        let shares = self.read_streams(affecting).await?;
        let mut awaited: Vec<_> = shares.iter().filter_map(State::awaited_grant).collect();
        if let Ok(ImageRef::Blueprint(blueprint)) = image.parse() {
            awaited.extend(self.awaited_of_chains(&blueprint, &shares).await?);
        }
        let now = self.now();
        let lines = |grant| GrantEntry::all_of(grant, now);
        Ok(awaited.iter().flat_map(lines).collect())
    }

    /// Returns the grants of unfinished chains that may still share `blueprint`, although none of
    /// their records names it yet. The index lists such a chain only under its CVM image. That
    /// image is taken from the shares in `shares` that name `blueprint`.
    async fn awaited_of_chains(
        &self,
        blueprint: &BlueprintId,
        shares: &[State],
    ) -> Result<Vec<Grant>, JournalError> {
        let makers = shares
            .iter()
            .filter(|share| share.blueprint() == Some(blueprint));
        let sources: BTreeSet<(Region, ImageRef)> = makers
            .map(State::request)
            .map(|request| (request.region.clone(), request.target.image()))
            .collect();
        let mut awaited = Vec::new();
        for (region, source) in sources {
            let lighthouse = [Receiver::Lighthouse.name()];
            let chains = self.journal.affecting(&region, &source, Some(&lighthouse));
            let mut chains = self.read_streams(chains.await?).await?;
            chains.retain(|chain| chain.blueprint().is_none());
            for mut grant in chains.iter().filter_map(State::awaited_grant) {
                // The image is in Lighthouse already, so only the accounts of the chain are
                // called off here.
                grant.lighthouse = false;
                grant.blueprint = Some(blueprint.clone());
                awaited.push(grant);
            }
        }
        Ok(awaited)
    }

    /// Returns the first origin of a trusted source. An operator's requests are delivered in the
    /// name of this source.
    ///
    /// # Errors
    /// Returns [`RevokeNowError::NotTrusted`] or [`RevokeNowError::NoneTrusted`] if the source is
    /// not trusted.
    pub fn trusted_origin(&self, source: &SourceName) -> Result<&String, RevokeNowError> {
        let intake = self.prepared.intake(source);
        let origin = intake.and_then(|intake| intake.from.first());
        origin.ok_or_else(|| match self.prepared.trusted_sources() {
            trusted if trusted.is_empty() => RevokeNowError::NoneTrusted,
            trusted => RevokeNowError::NotTrusted {
                by: source.clone(),
                trusted,
            },
        })
    }

    /// Delivers a native request in the name of a trusted source, and adds its answers to
    /// `answers`. Splits a request with more than [`MAX_ACCOUNTS`] accounts.
    ///
    /// # Errors
    /// Returns a [`RevokeNowError`] if a delivery is not accepted. `answers` then has the answers
    /// to the deliveries before it.
    pub(in crate::app) async fn ask(
        &self,
        source: &SourceName,
        image: &str,
        request: &Value,
        statement: Statement,
        deadline: Deadline,
        answers: &mut Vec<(Ending, Answer)>,
    ) -> Result<(), RevokeNowError> {
        for part in parts_of(request) {
            // The process received a stop signal.
            if self.stopping.borrow().is_some() {
                return Err(RevokeNowError::NotTaken {
                    by: source.clone(),
                    image: image.to_owned(),
                    reply: Box::new(Reply::NotNow),
                });
            }
            let answered = self.ask_once(source, image, &part, statement, deadline);
            answers.extend(answered.await?);
        }
        Ok(())
    }

    async fn ask_once(
        &self,
        source: &SourceName,
        image: &str,
        request: &Value,
        statement: Statement,
        deadline: Deadline,
    ) -> Result<Vec<(Ending, Answer)>, RevokeNowError> {
        let origin = self.trusted_origin(source)?.clone();
        let id = request.get("id").and_then(Value::as_str);
        let via = Via::Host {
            origin,
            id: id.map(str::to_owned),
        };
        let delivery = Delivery {
            source: source.clone(),
            via,
            body: request.to_string().into(),
        };
        let early = EarlyAnswer::new(false);
        match Box::pin(self.process(delivery, statement, deadline, &early)).await {
            Reply::Answers(answers) => Ok(answers),
            reply => Err(RevokeNowError::NotTaken {
                by: source.clone(),
                image: image.to_owned(),
                reply: Box::new(reply),
            }),
        }
    }
}

/// Splits a native request with more than [`MAX_ACCOUNTS`] accounts. Each part has its own id.
fn parts_of(request: &Value) -> Vec<Value> {
    let accounts = request.get("accounts").and_then(Value::as_array);
    let Some(accounts) = accounts.filter(|accounts| accounts.len() > MAX_ACCOUNTS) else {
        return vec![request.clone()];
    };
    let id = request.get("id").and_then(Value::as_str);
    let id = id.unwrap_or_default();
    let part = |(number, some): (usize, &[Value])| {
        let mut part = request.clone();
        if let Some(fields) = part.as_object_mut() {
            fields.insert("accounts".to_owned(), json!(some));
            fields.insert("id".to_owned(), json!(format!("{id} part {}", number + 1)));
        }
        part
    };
    let parts = accounts.chunks(MAX_ACCOUNTS).enumerate();
    parts.map(part).collect()
}
