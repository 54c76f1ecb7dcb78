//! Imitates the APIs of approval systems, as far as a program that reads approvals needs them:
//! requesting a token for an app, reading and listing instances, and writing back to them. Answers
//! requests below `/feishu` (or `/lark`), `/dingtalk` and `/wecom` in the system's own form.
//! `/http` serves the tickets of any other system. Source: the systems' documents (open.feishu.cn,
//! open.dingtalk.com, developer.work.weixin.qq.com).

mod app;
mod dingtalk;
mod feishu;
mod system;
mod tenant;
mod tickets;
mod wecom;

use std::time::Duration;

use serde_json::{Value, json};

use super::request::Request;
use tenant::Call;

pub use system::ApprovalSystem;
pub use tenant::{ApprovalCalls, Tenant};

/// The imitated approval systems, with one company at each.
#[derive(Debug, Default)]
pub struct Approvals {
    feishu: Tenant,
    dingtalk: Tenant,
    wecom: Tenant,
    tickets: Tenant,
}

impl Approvals {
    /// Returns the company at a system.
    pub fn at(&mut self, system: ApprovalSystem) -> &mut Tenant {
        match system {
            ApprovalSystem::Feishu => &mut self.feishu,
            ApprovalSystem::Dingtalk => &mut self.dingtalk,
            ApprovalSystem::Wecom => &mut self.wecom,
            ApprovalSystem::Http => &mut self.tickets,
        }
    }

    /// Adds an instance, or replaces the instance that has the same id, and returns the id. If the
    /// instance has no id, adds nothing and returns `None`.
    pub fn put(&mut self, system: ApprovalSystem, instance: Value) -> Option<String> {
        let id = system.id_of(&instance)?;
        self.at(system).instances.insert(id.clone(), instance);
        Some(id)
    }

    pub(super) fn pause(&mut self, system: ApprovalSystem) -> Duration {
        self.at(system).pause
    }

    /// Answers a call to `path` below the system's name with a status and a JSON value.
    pub(super) fn answer(
        &mut self,
        system: ApprovalSystem,
        path: &str,
        request: &Request,
    ) -> (u16, Value) {
        let call = Call::read(path, request);
        let tenant = self.at(system);
        match system {
            ApprovalSystem::Feishu => feishu::answer(tenant, &call),
            ApprovalSystem::Dingtalk => dingtalk::answer(tenant, &call),
            ApprovalSystem::Wecom => wecom::answer(tenant, &call),
            ApprovalSystem::Http => tickets::answer(tenant, &call),
        }
    }

    /// Returns what `GET /sandbox/approvals` shows.
    pub(super) fn shown(&mut self) -> Value {
        let shown = ApprovalSystem::ALL.map(|system| {
            let tenant = self.at(system);
            let ids: Vec<&String> = tenant.instances.keys().collect();
            let shown = json!({ "instances": ids, "notes": tenant.notes });
            (system.as_str().to_owned(), shown)
        });
        Value::Object(shown.into_iter().collect())
    }
}

/// Returns the system that a path belongs to, and the path below the system's name.
pub(super) fn addressed(path: &str) -> Option<(ApprovalSystem, &str)> {
    let (name, below) = path.strip_prefix('/')?.split_once('/')?;
    Some((ApprovalSystem::find(name)?, below))
}

#[cfg(test)]
mod tests;
