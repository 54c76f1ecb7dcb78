//! A test harness that calls actions directly, without a server, signatures or rate limits.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Action, ActionContext};
use crate::behaviour::Behaviour;
use crate::params::Params;
use crate::world::World;

pub(super) const SG: &str = "ap-singapore";

#[derive(Clone)]
pub(super) struct Bench {
    pub(super) world: World,
    pub(super) behaviour: Behaviour,
    pub(super) now: Timestamp,
}

impl Bench {
    pub(super) fn new() -> Self {
        let now = Timestamp::constant(1_767_225_600, 0);
        Self {
            world: World::seeded(),
            behaviour: Behaviour::default(),
            now,
        }
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Returns the fields of the answer, or the code of the refusal.
    pub(super) fn call(&mut self, action: Action, params: Value) -> Result<Value, String> {
        let Value::Object(given) = params else {
            panic!("not an object: {params}")
        };
        let code = |refusal: crate::error::ApiError| refusal.code.into_owned();
        let params = Params::read(given, action.fields(), false).map_err(code)?;
        let stock = self.world.regions.get_mut(SG).unwrap();
        let context = ActionContext {
            stock,
            accounts: &self.world.accounts,
            owner: crate::SANDBOX_OWNER,
            params: &params,
            behaviour: &self.behaviour,
            now: self.now,
        };
        action.run(context).map(Value::Object).map_err(code)
    }
}
