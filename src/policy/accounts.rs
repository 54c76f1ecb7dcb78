//! Keeps listed accounts outside Cedar's entity store, unless policies or entities mention them. A
//! request adds only its own accounts, so its cost does not grow with the list. Takes entities;
//! returns the entity of an account, and the class of accounts that policies cannot tell apart.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid};
use serde_json::Value;

/// The class of all accounts that `entities.json` does not list.
const UNLISTED: usize = 0;

/// The accounts of `entities.json` that are not in the entity store.
#[derive(Debug)]
pub(super) struct ListedAccounts {
    accounts: HashMap<EntityUid, (Entity, usize)>,
    /// The number of each class. The key is the JSON of its accounts, without their ids.
    classes: HashMap<String, usize>,
    /// Every text in the attributes and parents of entities, and every id that policies name. An
    /// account among them stays in the entity store, because a decision may read it although the
    /// request does not name it.
    mentioned: HashSet<String>,
}

impl ListedAccounts {
    /// Starts an empty list. `named` must contain the ids of all entities that policies name.
    pub(super) fn new(named: HashSet<String>) -> Self {
        Self {
            accounts: HashMap::new(),
            classes: HashMap::new(),
            mentioned: named,
        }
    }

    /// Notes every text in an entity except its uid. `entity` is the entity's JSON.
    pub(super) fn note(&mut self, entity: &Value) {
        let fields = entity.as_object().into_iter().flatten();
        for (_, value) in fields.filter(|(name, _)| *name != "uid") {
            collect_texts(value, &mut self.mentioned);
        }
    }

    /// Adds an account to the class of accounts with the same content. `json` is its JSON.
    pub(super) fn add(&mut self, uid: EntityUid, entity: Entity, mut json: Value) {
        if let Some(fields) = json.as_object_mut() {
            fields.remove("uid");
        }
        let next = UNLISTED + 1 + self.classes.len();
        let class = *self.classes.entry(json.to_string()).or_insert(next);
        self.accounts.insert(uid, (entity, class));
    }

    /// Removes the accounts that policies or entities mention, and returns them for the entity
    /// store. Call this after every entity was noted.
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

    /// Whether entities or policies name an entity with this id.
    pub(super) fn is_mentioned(&self, id: &EntityUid) -> bool {
        self.mentioned.contains(id.id().unescaped())
    }

    /// Returns the class of an account. Policies cannot tell two accounts of one class apart: both
    /// have the same groups and attributes, and neither policies nor entities name them. Returns
    /// `None` for an account that a policy or an entity names.
    pub(super) fn class(&self, account: &EntityUid) -> Option<usize> {
        if self.is_mentioned(account) {
            return None;
        }
        let listed = self.accounts.get(account);
        Some(listed.map_or(UNLISTED, |(_, class)| *class))
    }
}

/// Adds every text within a JSON value.
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
