//! The stand-in cloud as a state machine. It takes a request and the time, returns an answer, and
//! may change the world. Pure: it uses no socket and no clock, and no randomness except the seed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::actions::{Action, ActionContext, Answer, Service};
use super::approvals::Approvals;
use super::behaviour::Behaviour;
use super::error::{ApiError, clip, refuse};
use super::fault::{Fault, FaultKind};
use super::inbox::Inbox;
use super::limiter::Limiter;
use super::log::{Call, Log};
use super::options::{SandboxKey, SandboxOptions};
use super::params::Params;
use super::query;
use super::reply::{Manner, Reply, RequestIds};
use super::request::Request;
use super::seed::SANDBOX_OWNER;
use super::signature::Authorization;
use super::world::World;

const MAX_FAULTS: usize = 1_000;

#[derive(Debug)]
pub(super) struct State {
    pub(super) world: World,
    pub(super) faults: Vec<Fault>,
    pub(super) log: Log,
    pub(super) inbox: Inbox,
    pub(super) approvals: Approvals,
    keys: Vec<SandboxKey>,
    /// The worlds of root accounts other than [`SANDBOX_OWNER`], which owns `world`. The world of
    /// an account is created empty at the account's first call.
    pub(super) other_worlds: BTreeMap<String, World>,
    behaviour: Behaviour,
    limiter: Limiter,
    ids: RequestIds,
}

/// A call that has passed authentication, rate limit and parameter checks.
struct Admitted {
    action: Action,
    region: String,
    owner: String,
    params: Params,
}

impl State {
    /// Creates the state of a sandbox with these options. States with different seeds make
    /// different request ids.
    pub(super) fn new(options: SandboxOptions, seed: [u8; 16]) -> Self {
        Self {
            world: options.world,
            faults: options.faults,
            log: Log::default(),
            inbox: Inbox::default(),
            approvals: Approvals::default(),
            keys: options.keys,
            other_worlds: BTreeMap::new(),
            behaviour: options.behaviour,
            limiter: Limiter::default(),
            ids: RequestIds::new(seed),
        }
    }

    pub(super) fn answer(&mut self, request: &Request, now: Timestamp) -> Reply {
        let mut call = first_entry(request, now, self.ids.next());
        let (answer, manner) = match self.admit(request, now, &mut call) {
            Err(refusal) => (Err(refusal), Manner::Plain),
            Ok(admitted) => self.perform(&admitted, now, &mut call),
        };
        call.code = match (&answer, &manner) {
            (Err(refusal), Manner::Plain | Manner::Slow(_) | Manner::Cut) => {
                Some(refusal.code.to_string())
            }
            _ => None,
        };
        let body = envelope(answer, &call.request_id);
        self.log.push(call);
        Reply { body, manner }
    }

    /// Adds a fault after the pending ones; returns `false` when too many are pending.
    pub(super) fn inject(&mut self, fault: Fault) -> bool {
        let room = self.faults.len() < MAX_FAULTS;
        if room {
            self.faults.push(fault);
        }
        room
    }

    /// Checks authentication, action, region, rate and parameters, in the real gateway's order.
    fn admit(
        &mut self,
        request: &Request,
        now: Timestamp,
        call: &mut Call,
    ) -> Result<Admitted, ApiError> {
        let common = request.common()?;
        let header = request.header("authorization").unwrap_or_default();
        let authorization = Authorization::parse(header)?;
        call.key_id = clip(&authorization.secret_id);
        call.service = clip(&authorization.service);
        let key = self
            .keys
            .iter()
            .find(|key| key.id == authorization.secret_id)
            .ok_or_else(|| {
                let message = format!(
                    "The SecretId `{}` is not found.",
                    clip(&authorization.secret_id)
                );
                ApiError::new("AuthFailure.SecretIdNotFound", message)
            })?;
        authorization.verify(request, &common, &key.secret, now)?;
        key.check_token(request.header("x-tc-token"))?;
        let owner = key.owner.clone();
        let action = self.find_action(&authorization.service, &common.version, &common.action)?;
        let region = request
            .header("x-tc-region")
            .ok_or_else(|| ApiError::missing("Region"))?;
        let served = action.service().serves(self.behaviour.site, region)
            || self.world.regions.contains_key(region);
        if !served {
            let message = format!("The region `{}` is not supported.", clip(region));
            return refuse("UnsupportedRegion", message);
        }
        if let Some(limit) = action.per_second(self.behaviour.rate_limits)
            && !self
                .limiter
                .admit(action, region, &authorization.secret_id, limit, now)
        {
            let message = format!("The rate of {limit} calls per second is exceeded.");
            return refuse("RequestLimitExceeded", message);
        }
        let params = read_params(request, action)?;
        call.image = clip(if params.text("ImageId").is_empty() {
            params.text("BlueprintId")
        } else {
            params.text("ImageId")
        });
        call.accounts = params
            .list("AccountIds")
            .iter()
            .map(|account| clip(account))
            .collect();
        call.permission = clip(params.text("Permission"));
        Ok(Admitted {
            action,
            region: region.to_owned(),
            owner,
            params,
        })
    }

    fn find_action(&self, service: &str, version: &str, name: &str) -> Result<Action, ApiError> {
        let service = Service::find(service).ok_or_else(|| {
            ApiError::new(
                "NoSuchProduct",
                format!("There is no product `{}`.", clip(service)),
            )
        })?;
        if version != service.version() {
            return refuse(
                "NoSuchVersion",
                format!("There is no version `{}`.", clip(version)),
            );
        }
        let offered =
            |action: &Action| self.behaviour.read_shares_api || *action != Action::BlueprintShares;
        Action::find(service, name).filter(offered).ok_or_else(|| {
            ApiError::new(
                "InvalidAction",
                format!("There is no action `{}`.", clip(name)),
            )
        })
    }

    /// Carries the action out, unless a fault prevents it. Other faults change only the answer.
    fn perform(
        &mut self,
        admitted: &Admitted,
        now: Timestamp,
        call: &mut Call,
    ) -> (Answer, Manner) {
        let fault = self.take_fault(admitted.action);
        call.fault = fault.as_ref().map(Fault::to_string);
        let mut answer = Ok(Map::new());
        if fault.as_ref().is_none_or(|fault| fault.kind.is_after()) {
            let world = if admitted.owner == SANDBOX_OWNER {
                &mut self.world
            } else {
                self.other_worlds.entry(admitted.owner.clone()).or_default()
            };
            let stock = world.regions.entry(admitted.region.clone()).or_default();
            let context = ActionContext {
                stock,
                accounts: &world.accounts,
                owner: &admitted.owner,
                params: &admitted.params,
                behaviour: &self.behaviour,
                now,
            };
            answer = match call.accounts.iter().any(|id| world.broken.contains(id)) {
                true => refuse("InternalError", "An internal error has occurred."),
                false => admitted.action.run(context),
            };
            call.carried_out = answer.is_ok();
        }
        match fault.map(|fault| fault.kind) {
            None => (answer, Manner::Plain),
            Some(FaultKind::ErrorBefore(code) | FaultKind::ErrorAfter(code)) => (
                Err(ApiError::new(code, "A fault of the sandbox.")),
                Manner::Plain,
            ),
            Some(FaultKind::ResetBefore | FaultKind::ResetAfter) => (answer, Manner::Reset),
            Some(FaultKind::Status(status)) => (answer, Manner::Html(status)),
            Some(FaultKind::HtmlOk) => (answer, Manner::Html(200)),
            Some(FaultKind::CutBody) => (answer, Manner::Cut),
            Some(FaultKind::Slow(wait)) => (answer, Manner::Slow(wait)),
        }
    }

    /// Finds the first fault that applies to the action, and counts this call against it. Returns
    /// the fault.
    fn take_fault(&mut self, action: Action) -> Option<Fault> {
        let fault = self.faults.iter_mut().find(|fault| fault.meets(action))?;
        fault.times -= 1;
        let met = Fault {
            times: 1,
            ..fault.clone()
        };
        self.faults.retain(|fault| fault.times > 0);
        Some(met)
    }
}

fn first_entry(request: &Request, now: Timestamp, request_id: String) -> Call {
    let claimed = |name: &str| clip(request.header(name).unwrap_or_default());
    let params: &[u8] = if request.method == "GET" {
        request.query.as_bytes()
    } else {
        &request.body
    };
    Call {
        at: now,
        action: claimed("x-tc-action"),
        region: claimed("x-tc-region"),
        params_digest: hex::encode(Sha256::digest(params)),
        request_id,
        ..Call::default()
    }
}

fn read_params(request: &Request, action: Action) -> Result<Params, ApiError> {
    if request.method == "GET" {
        return Params::read(query::decode(&request.query)?, action.fields(), true);
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(Value::Object(given)) => Params::read(given, action.fields(), false),
        _ => refuse("InvalidParameter", "The request body is not a JSON object."),
    }
}

fn envelope(answer: Answer, request_id: &str) -> String {
    let mut response = match answer {
        Ok(fields) => fields,
        Err(ApiError { code, message }) => Map::from_iter([(
            "Error".to_owned(),
            json!({"Code": code, "Message": message}),
        )]),
    };
    response.insert("RequestId".to_owned(), Value::from(request_id));
    json!({"Response": response}).to_string()
}

#[cfg(test)]
mod owner_tests;
#[cfg(test)]
mod tests;
