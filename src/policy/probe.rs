//! Decides sample requests for the search for dangers. The samples use one requester, one image and
//! one account of each combination of groups. A policy that reads more than groups, for example the
//! ticket or the time, may decide other requests differently.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Entities, Entity, EntityUid, RestrictedExpression};
use serde_json::{Value, json};

use super::authorization_request::AuthorizationRequest;
use super::decide::Denial;
use super::policy_set::PolicySet;
use super::question::Question;
use super::schema::uid;
use crate::domain::{
    AccountId, Action, Identity, Item, ServedRegions, ShareRequest, SourceName, Timestamp,
};

/// Maximum number of combinations of groups. The limit applies separately to the people of each
/// source, to images, and to listed accounts.
const MAX_OF_A_KIND: usize = 8;
/// The region of probes for images without a region in `entities.json`. Both the international and
/// the Chinese site have this region.
const ANY_REGION: &str = "ap-singapore";

/// The people of one source, without the source's name.
#[derive(Debug)]
pub(super) struct People {
    /// One person of each combination of groups, for at most [`MAX_OF_A_KIND`] combinations.
    pub(super) requesters: Vec<String>,
    /// From each of these combinations, enough people for one requester and the required approvers.
    /// They are followed by the same number of unlisted people, because a delivery can name anyone.
    pub(super) approvers: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Probes<'a> {
    policies: &'a PolicySet,
    now: Timestamp,
    /// The id and the region of each image.
    pub(super) images: Vec<(String, String)>,
    /// The accounts of every probe. The last one is not listed.
    accounts: Vec<AccountId>,
    /// The policies that could not be evaluated for a probe, each with the error.
    pub(super) failed: RefCell<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Approvers {
    None,
    Requester,
    /// The probe's `others` without the requester, at most 50 of them.
    Others,
}

/// One sample request. It names all accounts of the probes, and Lighthouse if the image is a CVM
/// image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) source: &'a SourceName,
    pub(super) requester: &'a str,
    pub(super) others: &'a [String],
    pub(super) image: &'a (String, String),
    pub(super) action: Action,
    pub(super) approvers: Approvers,
    pub(super) expires: bool,
    /// Whether to treat the source as one that signs, whatever its scheme is.
    pub(super) as_signed: bool,
}

#[derive(Debug)]
pub(super) struct Allowed {
    pub(super) item: Item,
    /// The policies that allow the item itself, without those that allow its approvals.
    pub(super) policies: BTreeSet<String>,
    /// Whether the probe's approvers suffice for the item.
    pub(super) approved: bool,
}

impl<'a> Probes<'a> {
    pub(super) fn new(policies: &'a PolicySet, now: Timestamp) -> Self {
        let known = &policies.known;
        let images = known.images.iter().map(|(id, value)| {
            let region = value.pointer("/attrs/region").and_then(Value::as_str);
            let region = region.filter(|region| !region.is_empty());
            let parents = value.get("parents").map(Value::to_string);
            let kind = id.split('-').next().unwrap_or_default().to_owned();
            let group = format!("{kind} {}", parents.unwrap_or_default());
            (group, (id.clone(), region.unwrap_or(ANY_REGION).to_owned()))
        });
        let mut images = of_each(1, images.collect());
        if images.is_empty() {
            images.push(("lhbp-00000000".to_owned(), ANY_REGION.to_owned()));
            images.push(("img-00000000".to_owned(), ANY_REGION.to_owned()));
        }
        let listed = policies.listed(|entity| *entity == policies.names.account);
        let unlisted = (100_000_000_000_u64..)
            .map(|id| id.to_string())
            .find(|id| !listed.iter().any(|(_, known)| known == id));
        let mut accounts = of_each(1, listed);
        accounts.extend(unlisted);
        let accounts = accounts.iter().filter_map(|id| id.parse().ok());
        Self {
            policies,
            now,
            images,
            accounts: accounts.collect(),
            failed: RefCell::default(),
        }
    }

    /// Returns the account that `entities.json` does not list.
    pub(super) fn unlisted(&self) -> Option<&AccountId> {
        self.accounts.last()
    }

    /// Returns the people of a source. If `entities.json` lists none, the requesters include an
    /// unlisted person.
    pub(super) fn people(&self, source: &SourceName) -> People {
        let names = &self.policies.names;
        let people = self.policies.listed(|entity| *entity == names.requester);
        let prefix = format!("{source}/");
        let own = people.into_iter().filter_map(|(groups, id)| {
            let name = id.strip_prefix(&prefix)?;
            Some((groups, name.to_owned()))
        });
        let own: Vec<(String, String)> = own.collect();
        // One requester, and as many others as must approve.
        let enough = self.policies.approvals + 1;
        let unlisted = (1..=enough).map(|n| format!("unlisted-{n}@example.com"));
        // A person whom only a policy names does not represent the other people of the source.
        let listed = own.iter().any(|(groups, _)| !groups.starts_with('~'));
        let mut requesters = of_each(1, own.clone());
        if !listed {
            requesters.extend(unlisted.clone().take(1));
        }
        let mut approvers = of_each(enough, own);
        approvers.extend(unlisted);
        People {
            requesters,
            approvers,
        }
    }

    pub(super) fn allowed(&self, probe: Probe<'_>) -> Vec<Allowed> {
        let Some(request) = self.request(&probe) else {
            return Vec::new();
        };
        let identity = Identity {
            source: probe.source.clone(),
            id: "probe".to_owned(),
        };
        let question = Question {
            identity: &identity,
            request: &request,
            now: self.now,
            approved_at: self.now,
        };
        let Ok(mut asked) = AuthorizationRequest::new(self.policies, &question) else {
            return Vec::new();
        };
        if probe.as_signed
            && let Some(entities) = self.signing(&asked.entities, probe.source)
        {
            asked.entities = Cow::Owned(entities);
        }
        let answer = |item: Item| {
            let asks = asked.request(&item);
            let allowed = self.policies.authorize(asks, &asked.entities, false);
            let policies = self.noted(allowed)?;
            let approved = match probe.action {
                Action::Share => {
                    let approvals = self.policies.approvals(&asked, &item, false);
                    self.noted(approvals).is_some()
                }
                Action::Cancel => true,
            };
            Some(Allowed {
                item,
                policies,
                approved,
            })
        };
        request
            .target
            .items()
            .into_iter()
            .filter_map(answer)
            .collect()
    }

    /// Returns the value if the authorization was allowed. Otherwise records the policies that
    /// could not be evaluated.
    fn noted<T>(&self, answer: Result<T, Denial>) -> Option<T> {
        let noted = |denial: Denial| self.failed.borrow_mut().extend(denial.failed);
        answer.map_err(noted).ok()
    }

    fn request(&self, probe: &Probe<'_>) -> Option<ShareRequest> {
        const MAX_APPROVERS: usize = 50;
        let (image, region) = probe.image;
        let others = probe.others.iter().filter(|name| *name != probe.requester);
        let approvers: Vec<&str> = match probe.approvers {
            Approvers::None => Vec::new(),
            Approvers::Requester => vec![probe.requester],
            Approvers::Others => others.map(String::as_str).take(MAX_APPROVERS).collect(),
        };
        let expires = probe.expires && probe.action == Action::Share;
        let native = json!({
            "action": probe.action,
            "image": image,
            "region": region,
            "accounts": self.accounts,
            "lighthouse": image.starts_with("img-"),
            "requester": probe.requester,
            "approvers": approvers,
            "expires_in": expires.then_some("1h"),
        });
        let rules = ServedRegions {
            added: [region.clone()].into(),
            ..ServedRegions::default()
        };
        ShareRequest::from_json(&native, &rules).ok()
    }

    /// Returns the entities, changed so that `source` signs its deliveries.
    fn signing(&self, entities: &Entities, source: &SourceName) -> Option<Entities> {
        let id = uid(&self.policies.names.source, source.as_str());
        let (id, mut attrs, parents) = entities.get(&id)?.clone().into_inner();
        attrs.insert("signed".to_owned(), RestrictedExpression::new_bool(true));
        let signed = Entity::new(id, attrs, parents).ok()?;
        let schema = Some(&self.policies.schema);
        entities.clone().upsert_entities([signed], schema).ok()
    }
}

impl PolicySet {
    /// Returns the groups and the id of each entity of one type that `entities.json` lists or a policy
    /// names. If a policy names an entity, its groups include the entity itself, so that it is a
    /// combination of its own. Those that only policies name come last.
    fn listed(
        &self,
        wanted: impl Fn(&cedar_policy::EntityTypeName) -> bool,
    ) -> Vec<(String, String)> {
        let own = |entity: &Entity| {
            let (id, _, parents) = entity.clone().into_inner();
            let mut groups: Vec<String> = parents.iter().map(EntityUid::to_string).collect();
            groups.sort();
            if self.rules.literals().contains(&id) {
                groups.push(id.to_string());
            }
            (groups.join(" "), id.id().unescaped().to_owned())
        };
        let entities = self.known.iter();
        let entities: Vec<&Entity> = entities
            .filter(|entity| wanted(entity.uid().type_name()))
            .collect();
        let known: BTreeSet<EntityUid> = entities.iter().map(|entity| entity.uid()).collect();
        let only_named = self.rules.literals().iter();
        let only_named = only_named.filter(|id| wanted(id.type_name()) && !known.contains(id));
        // `~` is behind the letters of every type.
        let only_named = only_named.map(|id| (format!("~{id}"), id.id().unescaped().to_owned()));
        let mut listed: Vec<_> = entities.into_iter().map(own).chain(only_named).collect();
        listed.sort();
        listed
    }
}

/// Returns the first `number` entries of each of the first `MAX_OF_A_KIND` groups. The result
/// begins with the first entry of every group, followed by the second entry of every group, and so
/// on.
fn of_each<T: Ord>(number: usize, mut listed: Vec<(String, T)>) -> Vec<T> {
    listed.sort();
    let mut groups: BTreeMap<String, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    for (group, one) in listed {
        let rank = groups.entry(group).or_default();
        *rank += 1;
        let rank = *rank;
        if rank <= number && groups.len() <= MAX_OF_A_KIND {
            kept.push((rank, one));
        }
    }
    kept.sort_by_key(|(rank, _)| *rank);
    kept.into_iter().map(|(_, one)| one).collect()
}
