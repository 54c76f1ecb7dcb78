//! Revokes active shares for an operator: one cancel per image and region, verified, decided and
//! recorded like any other. In: an image, accounts, the operator and the reason. Out: the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::app::deliveries::Early;
use crate::app::requests::Operator;
use crate::app::{Answer, App, Deadline, Delivery, Ending, Reply, Statement, Via};
use crate::domain::SourceName;
use crate::journal::JournalError;

use super::overdue::LIGHTHOUSE;

/// Why shares were not revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeNowError {
    /// The source cannot request anything without a signature.
    #[error("{0} is not a source with scheme = \"trusted\"; name one that is")]
    NotTrusted(SourceName),
    /// The journal has no such grant.
    #[error("the journal has no active grant of {0}; `sharehook drift` lists what else is shared")]
    NothingGranted(String),
    /// The source's own rules refused the delivery.
    #[error("{by} did not take the request for {image}: {reply:?}")]
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

impl App {
    /// Cancels the active grants of `image`, all or those to `accounts`. `gone`: the operator confirms
    /// that it is deleted, so what the cloud does not have counts as not shared.
    ///
    /// # Errors
    /// [`RevokeNowError`]. The cancels that this call had already requested stay in force.
    pub async fn revoke_now(
        &self,
        image: &str,
        accounts: &[String],
        by: &Operator,
        reason: &str,
        gone: bool,
        deadline: Deadline,
    ) -> Result<Vec<(Ending, Answer)>, RevokeNowError> {
        let mut grants = self.grants().await?.entries;
        let named = |to: &String| accounts.is_empty() || accounts.contains(to);
        grants.retain(|grant| grant.is_of(image) && named(&grant.to));
        // The accounts of a chain have its blueprint.
        let mut cancels: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
        for grant in grants {
            let in_lighthouse = grant.to == LIGHTHOUSE;
            let subject = grant
                .blueprint
                .filter(|_| !in_lighthouse)
                .unwrap_or(grant.image);
            let receivers = cancels.entry((subject, grant.region)).or_default();
            receivers.insert(grant.to);
        }
        if cancels.is_empty() {
            return Err(RevokeNowError::NothingGranted(image.to_owned()));
        }
        let statement = if gone {
            Statement::Gone
        } else {
            Statement::None
        };
        let mut answers = Vec::new();
        // Cancels the blueprint for its accounts before the image leaves Lighthouse: sorted by
        // name, `lhbp-` comes after `img-`.
        for ((subject, region), receivers) in cancels.iter().rev() {
            let accounts: Vec<_> = receivers.iter().filter(|to| *to != LIGHTHOUSE).collect();
            let request = json!({
                "id": format!("revoke {subject} {region} {}", self.now()),
                "action": "cancel", "image": subject, "region": region, "accounts": accounts,
                "lighthouse": receivers.contains(LIGHTHOUSE),
                "requester": by.requester, "reason": reason,
            });
            let asked = self.ask(&by.source, subject, &request, statement, deadline);
            answers.extend(asked.await?);
        }
        Ok(answers)
    }

    /// Delivers a native request in the name of a trusted source.
    pub(in crate::app) async fn ask(
        &self,
        source: &SourceName,
        image: &str,
        request: &Value,
        statement: Statement,
        deadline: Deadline,
    ) -> Result<Vec<(Ending, Answer)>, RevokeNowError> {
        let intake = self.prepared.intake(source);
        let Some(origin) = intake.and_then(|intake| intake.from.first()).cloned() else {
            return Err(RevokeNowError::NotTrusted(source.clone()));
        };
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
        let early = Early::new(false);
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
