//! Keeps the accounts of `entities.json` outside Cedar's entity store, so that the cost of a
//! decision does not grow with the number of listed accounts: a request adds only its own accounts
//! to the store. Accounts that a policy or another entity mentions stay in the store. Also assigns
//! each account to a class, so that a decision about one account can be reused for accounts that
//! policies cannot tell apart.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid};
use serde_json::Value;

/// The class of all accounts that `entities.json` does not list.
const UNLISTED: usize = 0;

/// The accounts of `entities.json` that are not in the entity store.
#[derive(Debug)]
pub(super) struct ListedAccounts {
    accounts: HashMap<EntityUid, (Entity, usize)>,
    /// The number of each class, by the JSON that the accounts of the class have in common:
    /// everything except the `uid`.
    classes: HashMap<String, usize>,
    /// Every string in the JSON of an entity, except in its `uid`, and the id of every account that
    /// a policy names. An account whose id is in this set stays in the entity store, because a
    /// decision may read the account even if the request does not name it.
    mentioned: HashSet<String>,
}

impl ListedAccounts {
    /// Creates an empty list. `named` must contain the ids of all accounts that policies name.
    pub(super) fn new(named: HashSet<String>) -> Self {
        Self {
            accounts: HashMap::new(),
            classes: HashMap::new(),
            mentioned: named,
        }
    }

    /// Adds every string in the JSON of an entity, except in its `uid`, to the mentioned ids.
    pub(super) fn note(&mut self, entity: &Value) {
        let fields = entity.as_object().into_iter().flatten();
        for (_, value) in fields.filter(|(name, _)| *name != "uid") {
            collect_texts(value, &mut self.mentioned);
        }
    }

    /// Adds an account, with its JSON. Accounts whose JSON differs only in the `uid` are in the
    /// same class.
    pub(super) fn add(&mut self, uid: EntityUid, entity: Entity, mut json: Value) {
        if let Some(fields) = json.as_object_mut() {
            fields.remove("uid");
        }
        let next = UNLISTED + 1 + self.classes.len();
        let class = *self.classes.entry(json.to_string()).or_insert(next);
        self.accounts.insert(uid, (entity, class));
    }

    /// Removes the accounts that policies or entities mention, and returns them for the entity
    /// store. Must be called after [`note`](Self::note) was called for every entity.
    pub(super) fn take_mentioned(&mut self) -> Vec<Entity> {
        let mentioned = &self.mentioned;
        let of_others = |uid: &EntityUid| mentioned.contains(uid.id().unescaped());
        let taken = self.accounts.extract_if(|uid, _| of_others(uid));
        taken.map(|(_, (entity, _))| entity).collect()
    }

    pub(super) fn get(&self, account: &EntityUid) -> Option<&Entity> {
        self.accounts.get(account).map(|(entity, _)| entity)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entity> {
        self.accounts.values().map(|(entity, _)| entity)
    }

    pub(super) fn is_mentioned(&self, id: &EntityUid) -> bool {
        self.mentioned.contains(id.id().unescaped())
    }

    /// Returns the class of an account, or `None` if a policy or an entity mentions the account.
    /// Policies cannot tell two accounts of one class apart, because both have the same groups and
    /// attributes and no policy names either of them.
    pub(super) fn class(&self, account: &EntityUid) -> Option<usize> {
        if self.is_mentioned(account) {
            return None;
        }
        let listed = self.accounts.get(account);
        Some(listed.map_or(UNLISTED, |(_, class)| *class))
    }
}

fn collect_texts(value: &Value, texts: &mut HashSet<String>) {
    match value {
        Value::String(text) if !texts.contains(text) => {
            texts.insert(text.clone());
        }
        Value::Array(parts) => parts.iter().for_each(|part| collect_texts(part, texts)),
        Value::Object(fields) => fields.values().for_each(|part| collect_texts(part, texts)),
        _ => {}
    }
}
