//! The listed accounts that only a request for them can reach. In: entities. Out: the entity of an
//! account, and which accounts must be decided alike. A request adds its own accounts to the store, so
//! that it does not cost more the more are listed.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityUid};
use serde_json::Value;

/// The class of the accounts that are not listed.
const UNLISTED: usize = 0;

/// Listed accounts.
#[derive(Debug)]
pub(super) struct ListedAccounts {
    accounts: HashMap<EntityUid, (Entity, usize)>,
    /// The number of each class, by what its accounts have but their ids.
    classes: HashMap<String, usize>,
    /// The texts in the attributes and parents of entities, and the ids that policies name. An account
    /// among them can be reached without a request for it.
    mentioned: HashSet<String>,
}

impl ListedAccounts {
    /// None yet. Among `named` are the ids of the entities that policies name.
    pub(super) fn new(named: HashSet<String>) -> Self {
        Self {
            accounts: HashMap::new(),
            classes: HashMap::new(),
            mentioned: named,
        }
    }

    /// Notes which texts an entity, in its JSON format, mentions.
    pub(super) fn note(&mut self, entity: &Value) {
        let fields = entity.as_object().into_iter().flatten();
        for (_, value) in fields.filter(|(name, _)| *name != "uid") {
            collect_texts(value, &mut self.mentioned);
        }
    }

    /// Adds an account, with its JSON format.
    pub(super) fn add(&mut self, uid: EntityUid, entity: Entity, mut json: Value) {
        if let Some(fields) = json.as_object_mut() {
            fields.remove("uid");
        }
        let next = UNLISTED + 1 + self.classes.len();
        let class = *self.classes.entry(json.to_string()).or_insert(next);
        self.accounts.insert(uid, (entity, class));
    }

    /// Takes out the accounts that can be reached otherwise. Call it when all entities are noted.
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

    /// The class of an account: policies cannot tell two accounts of one class apart, because
    /// these have the same groups and attributes, and neither policies nor entities name them. `None`
    /// for an account that one of these names.
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
