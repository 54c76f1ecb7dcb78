//! Finds probable mistakes in valid policies, such as shares that need no approver. Decides the
//! sample requests of [`Probes`], and returns at most one warning for each danger and policy, or
//! danger and source. docs/check.md says which dangers the sample requests cannot show.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, EntityUid};
use serde_json::Value;

use super::files::{ENTITIES, sample_files};
use super::policy_set::PolicySet;
use super::probe::{Allowed, Approvers, Probe, Probes};
use super::schema::uid;
use super::scope::{Scope, upward};
use super::source_facts::SourceFacts;
use crate::domain::{Action, Danger, Item, Mark, Problem, SourceName, Timestamp, Warning};

/// What the probes of a source may do. Each element is an action (true for a share, false for a
/// cancel), an image and an item.
type Reach = BTreeSet<(bool, String, String)>;

impl PolicySet {
    /// Returns the warnings, sorted by danger. `place` returns where a source is configured.
    pub fn dangers(
        &self,
        sources: &[SourceFacts],
        now: Timestamp,
        place: impl Fn(&SourceName) -> Mark,
    ) -> Vec<Warning> {
        let mut search = Search {
            policies: self,
            probes: Probes::new(self, now),
            found: BTreeMap::new(),
            reached: BTreeSet::new(),
        };
        let mut warnings = Vec::new();
        let mut reach: Vec<(&SourceFacts, Reach)> = Vec::new();
        for facts in sources {
            search.shares(&facts.name);
            let own = search.reach(&facts.name, false);
            let any = !self.rules.is_empty();
            if any && own.is_empty() && !self.mentions(&facts.name) {
                warnings.push(self.unmentioned(&facts.name, place(&facts.name)));
            }
            reach.push((facts, own));
        }
        let all: Reach = reach.iter().flat_map(|(_, own)| own.clone()).collect();
        for (facts, own) in &reach {
            let token = !facts.signed && facts.scheme != "trusted";
            if token && !own.is_empty() && *own == all && search.reach(&facts.name, true) == *own {
                warnings.push(broad_token(facts, place(&facts.name)));
            }
        }
        search.unreached_permits();
        search.failed_policies();
        warnings.extend(search.found.into_values());
        warnings.sort_by_key(|warning| warning.danger);
        warnings
    }

    /// Whether a policy names the source, one of its people, or a group that contains the source or
    /// one of its people.
    fn mentions(&self, source: &SourceName) -> bool {
        let store = &self.known.store;
        let of_source = store
            .iter()
            .map(|entity| entity.uid())
            .filter(|uid| self.names.source_of(uid) == Some(source.as_str()));
        let own: Vec<EntityUid> = of_source
            .chain([uid(&self.names.source, source.as_str())])
            .collect();
        self.rules.literals().iter().any(|literal| {
            // A person who is in no group need not be in entities.json.
            self.names.source_of(literal) == Some(source.as_str())
                || own
                    .iter()
                    .any(|own| own == literal || store.is_ancestor_of(literal, own))
        })
    }

    fn unmentioned(&self, source: &SourceName, mark: Mark) -> Warning {
        let problem =
            format!("no policy mentions source {source}, and all its sample requests are refused");
        let remedy = format!(
            "list its people in entities.json as \"{source}/…\", in a group that a permit names"
        );
        Danger::UnmentionedSource.at(Problem::at(mark, problem, remedy))
    }
}

impl PolicySet {
    /// Warns if `entities.json` lists people, images or accounts of the shipped sample.
    pub fn sample_entities(&self) -> Option<Warning> {
        let text = sample_files().entities.unwrap_or_default();
        let sample: Vec<Value> = serde_json::from_str(&text).unwrap_or_default();
        let uid_of = |entity: &Value| {
            let part = |at| {
                entity
                    .pointer(at)
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            };
            Some((part("/uid/type")?, part("/uid/id")?))
        };
        let sample: BTreeSet<(String, String)> = sample.iter().filter_map(uid_of).collect();
        let names = &self.names;
        let kinds = [&names.account, &names.image, &names.requester];
        let own = self.known.iter().map(|entity| entity.uid());
        let own = own.filter(|uid| kinds.contains(&uid.type_name()));
        let own = own.map(|uid| (uid.type_name().to_string(), uid.id().unescaped().to_owned()));
        // Sorted, so that each run names the same ones.
        let left: BTreeSet<(String, String)> = own.filter(|uid| sample.contains(uid)).collect();
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        for (kind, id) in left {
            first.entry(kind).or_insert(id);
        }
        let shown: Vec<&str> = first.values().map(String::as_str).collect();
        (!shown.is_empty()).then(|| {
            let problem = format!(
                "lists entities of the sample, such as {}: in your systems and at the cloud they may \
                 be somebody's",
                shown.join(", ")
            );
            let remedy = "replace its people, images and accounts by your own, and leave none";
            Danger::SampleEntity.at(Problem::at(Mark::whole(ENTITIES), problem, remedy))
        })
    }
}

fn broad_token(facts: &SourceFacts, mark: Mark) -> Warning {
    let SourceFacts { name, scheme, .. } = facts;
    let problem = format!(
        "source {name} authenticates with a fixed secret ({scheme}), and may do all that any source \
         may: a copy of the secret is enough to request and approve anything"
    );
    let remedy = "restrict the source by a forbid with unless { principal.source.signed }, as policy/unsigned-sources.cedar has";
    Danger::BroadToken.at(Problem::at(mark, problem, remedy))
}

struct Search<'a> {
    policies: &'a PolicySet,
    probes: Probes<'a>,
    found: BTreeMap<(Danger, String), Warning>,
    /// The permits that allowed a probe to share an image with an account.
    reached: BTreeSet<String>,
}

impl Search<'_> {
    fn shares(&mut self, source: &SourceName) {
        let people = self.probes.people(source);
        for requester in &people.requesters {
            for image in self.probes.images.clone() {
                let probe = Probe {
                    source,
                    requester,
                    others: &people.approvers,
                    image: &image,
                    action: Action::Share,
                    approvers: Approvers::Others,
                    expires: true,
                    as_signed: false,
                };
                self.own_approval(probe);
                self.accounts(probe);
                self.endless(probe);
            }
        }
    }

    fn own_approval(&mut self, probe: Probe<'_>) {
        let ways = [
            (Approvers::None, "without any approver"),
            (Approvers::Requester, "and be the only approver"),
        ];
        for (approvers, how) in ways {
            let asks = Probe { approvers, ..probe };
            for allowed in self.probes.allowed(asks).iter().filter(|a| a.approved) {
                let remedy = match self.policies.approvals {
                    0 => {
                        "set [policy] approvals = 1, and add four-eyes.cedar to the policy directory; `sharehook init` writes it with the sample"
                    }
                    _ => {
                        "add a forbid with when { principal == context.requester }, as policy/approvals.cedar has"
                    }
                };
                self.note(Danger::OwnApproval, &asks, allowed, how, remedy);
            }
        }
    }

    fn accounts(&mut self, probe: Probe<'_>) {
        let unlisted = self.probes.unlisted().map(|id| Item::Account(id.clone()));
        for allowed in self.probes.allowed(probe) {
            if let Item::Account(_) = allowed.item {
                self.reached.extend(allowed.policies.iter().cloned());
            }
            if Some(&allowed.item) == unlisted.as_ref() {
                let how = "an account that entities.json does not list";
                let remedy =
                    "add when { context.account in Share::AccountGroup::\"…\" } to the policy";
                self.note(Danger::AnyAccount, &probe, &allowed, how, remedy);
            }
        }
    }

    fn endless(&mut self, probe: Probe<'_>) {
        let asks = Probe {
            expires: false,
            ..probe
        };
        for allowed in self.probes.allowed(asks) {
            if let Item::Account(_) = allowed.item {
                let remedy = "add a forbid with unless { context has expires }, as policy/expiry-cap.cedar has";
                self.note(
                    Danger::EndlessShare,
                    &asks,
                    &allowed,
                    "without an expiry",
                    remedy,
                );
            }
        }
    }

    /// Adds a warning for each policy that allowed the item, unless the policy already has a
    /// warning for this danger.
    fn note(
        &mut self,
        danger: Danger,
        probe: &Probe<'_>,
        allowed: &Allowed,
        how: &str,
        remedy: &str,
    ) {
        for policy in &allowed.policies {
            let key = (danger, policy.clone());
            if self.found.contains_key(&key) {
                continue;
            }
            let Probe {
                source,
                requester,
                image: (image, _),
                ..
            } = probe;
            let does = match &allowed.item {
                Item::Account(account) => format!("share {image} with {account},"),
                Item::Lighthouse(_) => format!("make {image} available in Lighthouse"),
            };
            let problem = format!("policy {policy} lets {source}/{requester} {does} {how}");
            let mark = self.mark(policy);
            let warning = danger.at(Problem::at(mark, problem, remedy));
            self.found.insert(key, warning);
        }
    }

    fn mark(&self, policy: &str) -> Mark {
        let mark = self.policies.marks.get(policy).cloned();
        mark.unwrap_or_else(|| Mark::whole("policy"))
    }

    /// Returns what the probes of a source may do if other people of the source approve. If
    /// `as_signed` is true, decides as if the source signed its deliveries.
    fn reach(&self, source: &SourceName, as_signed: bool) -> Reach {
        let people = self.probes.people(source);
        let mut reach = Reach::new();
        for requester in &people.requesters {
            for image in &self.probes.images {
                for action in [Action::Share, Action::Cancel] {
                    let allowed = self.probes.allowed(Probe {
                        source,
                        requester,
                        others: &people.approvers,
                        image,
                        action,
                        approvers: Approvers::Others,
                        expires: true,
                        as_signed,
                    });
                    let shares = action == Action::Share;
                    let items = allowed.iter().filter(|allowed| allowed.approved);
                    let items = items.map(|allowed| match &allowed.item {
                        Item::Account(account) => account.to_string(),
                        Item::Lighthouse(_) => "lighthouse".to_owned(),
                    });
                    reach.extend(items.map(|item| (shares, image.0.clone(), item)));
                }
            }
        }
        reach
    }

    /// Warns about policies that could not be evaluated for a probe. Whenever a policy cannot be
    /// evaluated, the request is denied.
    fn failed_policies(&mut self) {
        for (id, error) in self.probes.failed.take() {
            let problem = format!("{id} denies sample requests, because it fails: {error}");
            let remedy = "correct the condition, so that it has a value for every request";
            let warning = Danger::OddPolicy.at(Problem::at(self.mark(&id), problem, remedy));
            self.found.insert((Danger::OddPolicy, id), warning);
        }
    }

    /// Warns about each permit to share that did not allow any probe and has no condition that
    /// reads `context.account`. Such a permit may apply to every account, but the probes cannot
    /// show this.
    fn unreached_permits(&mut self) {
        let share = self.policies.names.action("share");
        let share = upward(&share, &self.policies.known.store);
        for policy in self.policies.rules.all().unwrap_or_default() {
            let id = policy.id().to_string();
            if policy.effect() != Effect::Permit
                || !Scope::of(policy).is_about(&share)
                || self.reached.contains(&id)
                || policy.to_json().is_ok_and(|tree| reads_account(&tree))
            {
                continue;
            }
            let problem = format!("{id} permits shares, and has no condition on the account");
            let remedy = "add when { context.account in Share::AccountGroup::\"…\" } to the policy";
            let warning = Danger::AnyAccount.at(Problem::at(self.mark(&id), problem, remedy));
            self.found.insert((Danger::AnyAccount, id), warning);
        }
    }
}

/// Whether a policy's tree, in Cedar's JSON format, contains `context.account`.
fn reads_account(tree: &Value) -> bool {
    let here = tree.pointer("/./left/Var").and_then(Value::as_str) == Some("context")
        && tree.pointer("/./attr").and_then(Value::as_str) == Some("account");
    here || match tree {
        Value::Array(parts) => parts.iter().any(reads_account),
        Value::Object(fields) => fields.values().any(reads_account),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
