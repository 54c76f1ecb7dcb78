//! The images and receivers that a request affects, computed from the request's state. The index
//! lists the request under their names, so that a worker finds the other requests for the same
//! image and receiver without reading all requests.

use crate::domain::{AccountId, ImageRef, Region, Target};

use super::{Phase, State};

/// Maximum number of accounts of a request that the index lists one by one. More accounts are
/// listed as `many`, because the length of file names is limited.
const MAX_LISTED: usize = 7;

/// A receiver of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// An account.
    Account(AccountId),
    /// More accounts than the index lists one by one.
    Many,
    /// Lighthouse.
    Lighthouse,
}

impl Receiver {
    /// Returns the receiver's name in the index. Account ids are digits, so none is equal to `many`
    /// or `lighthouse`.
    pub fn name(&self) -> &str {
        match self {
            Self::Account(account) => account.as_str(),
            Self::Many => "many",
            Self::Lighthouse => "lighthouse",
        }
    }
}

/// An image in a region, and one receiver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Affected {
    /// The region.
    pub region: Region,
    /// The image as the receiver sees it.
    pub image: ImageRef,
    /// The receiver.
    pub receiver: Receiver,
}

impl Affected {
    /// Whether `self` and `other` may be about the same receiver of the same image.
    /// [`Receiver::Many`] may include any receiver.
    pub fn meets(&self, other: &Self) -> bool {
        let alike = self.receiver == other.receiver
            || [&self.receiver, &other.receiver].contains(&&Receiver::Many);
        self.region == other.region && self.image == other.image && alike
    }
}

impl State {
    /// Returns each pair of image and receiver that the request affects. Returns no pair if the
    /// request was denied when it was opened and no operator has reopened it.
    ///
    /// The accounts of a chain are included once its blueprint is known. If the request makes an
    /// image available in Lighthouse and names no accounts, it also affects the pair of the
    /// blueprint and Lighthouse once the blueprint is known, so that a cancel of the blueprint
    /// finds the request.
    pub fn affected(&self) -> Vec<Affected> {
        if self.phase == Phase::Denied {
            return Vec::new();
        }
        let (request, target) = (&self.intent.request, &self.intent.request.target);
        let affected = |image, receiver| Affected {
            region: request.region.clone(),
            image,
            receiver,
        };
        let subject = self.subject();
        let unmade = matches!(target, Target::Chain { .. }) && self.blueprint.is_none();
        let receivers = match target.accounts() {
            _ if unmade => Vec::new(),
            accounts if accounts.len() > MAX_LISTED => vec![Receiver::Many],
            accounts => accounts.iter().cloned().map(Receiver::Account).collect(),
        };
        let mut all: Vec<Affected> = receivers
            .into_iter()
            .map(|to| affected(subject.clone(), to))
            .collect();
        if target.lighthouse() {
            all.push(affected(target.image(), Receiver::Lighthouse));
            if let Some(blueprint) = &self.blueprint
                && target.accounts().is_empty()
            {
                let blueprint = ImageRef::Blueprint(blueprint.clone());
                all.push(affected(blueprint, Receiver::Lighthouse));
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::testing::{
        StreamBuilder, account_id, identity, intent, request, verdict,
    };
    use super::*;
    use crate::journal::Event;

    fn names(builder: &StreamBuilder) -> Vec<String> {
        let state = State::from_records(&builder.records).unwrap();
        let name = |c: Affected| format!("{}/{}/{}", c.region, c.image, c.receiver.name());
        state.affected().into_iter().map(name).collect()
    }

    fn opened(change: serde_json::Value, allowed: bool) -> StreamBuilder {
        let who = identity("CHG1");
        let mut intent = intent(who.clone(), request(change), allowed.then_some(60));
        intent.verdict = verdict(allowed);
        StreamBuilder::empty(&who).then(0, 1, Event::Opened(Box::new(intent)))
    }

    #[test]
    fn a_chain_concerns_its_accounts_once_it_has_its_blueprint() {
        let published = "ap-singapore/img-xkd784jw/lighthouse".to_owned();
        assert_eq!(names(&StreamBuilder::opened()).join(" "), published);
        let shared = |n| format!("ap-singapore/lhbp-su83x02a/{}", account_id(n));
        assert_eq!(
            names(&StreamBuilder::full()),
            [shared(0), shared(1), shared(2), published]
        );
    }

    #[test]
    fn many_accounts_are_listed_once_and_a_denial_concerns_nobody() {
        let accounts = |count: usize| {
            (0..count)
                .map(|n| format!("{}", 700_000_000_000 + n))
                .collect::<Vec<_>>()
        };
        let some = json!({"lighthouse": false, "accounts": accounts(7)});
        assert_eq!(names(&opened(some.clone(), true)).len(), 7);
        let many = json!({"lighthouse": false, "accounts": accounts(8)});
        assert_eq!(
            names(&opened(many, true)),
            ["ap-singapore/img-xkd784jw/many"]
        );
        assert_eq!(names(&opened(some, false)), [""; 0]);
    }
}
