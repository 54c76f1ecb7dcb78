//! Feishu in tests that need one approval system: events with changed fields, and the sandbox's stand-in of
//! its API.

use secrecy::SecretString;
use serde_json::{Value, json};
use sharehook::app::{Answer, Delivery, Ending, Headers, Via};
use sharehook::domain::Timestamp;
use sharehook::inbound::{SchemeSpec, seal};
use sharehook_sandbox::{ApprovalCalls, Tenant};

use super::World;
use super::approvals::{self, SYSTEMS, System};

pub(crate) const DEFINITION: &str = "7C468A54-8745-2245-9675-08B7C63E7A85";
pub(crate) const CODE: &str = "81D31358-93AF-92D6-7425-01A5D67C4E71";
pub(crate) const VERIFICATION_TOKEN: &str = "aVerificationToken00000000000001";

pub(crate) fn system() -> &'static System {
    &SYSTEMS[0]
}

pub(crate) async fn world() -> World {
    system().world("").await
}

/// The company at Feishu.
pub(crate) fn tenant<T>(world: &World, read: impl FnOnce(&mut Tenant) -> T) -> T {
    system().tenant(world, read)
}

pub(crate) fn calls(world: &World) -> ApprovalCalls {
    tenant(world, |tenant| tenant.calls)
}

/// From now on each call with a token is refused with this code of Feishu's, until `None`.
pub(crate) fn fail(world: &World, code: Option<i64>) {
    tenant(world, |tenant| {
        tenant.failing = code.map(|code| code.to_string());
    });
}

/// The sample's instance, with `change` over its fields.
pub(crate) fn put(world: &World, change: Value) {
    put_as(world, CODE, change);
}

/// The same under another code. `change` may give it one that it is not known by.
pub(crate) fn put_as(world: &World, code: &str, change: Value) {
    let instance = instance(code, change);
    tenant(world, |tenant| {
        tenant.instances.insert(code.to_owned(), instance)
    });
}

pub(crate) fn instance(code: &str, change: Value) -> Value {
    let mut instance = system().part("instance");
    instance["instance_code"] = code.into();
    for (name, value) in change.as_object().unwrap() {
        instance[name] = value.clone();
    }
    instance
}

/// An event as Feishu sends it at `now`; `change` is over the fields of its inner part.
pub(crate) fn event(id: &str, change: Value, now: Timestamp) -> Value {
    let mut event = system().part("event");
    event["uuid"] = id.into();
    event["token"] = VERIFICATION_TOKEN.into();
    event["ts"] = format!("{}.962266", now.as_second()).into();
    for (name, value) in change.as_object().unwrap() {
        event["event"][name] = value.clone();
    }
    event
}

/// The request around an event, encrypted and signed.
pub(crate) fn sealed(event: &Value, now: Timestamp) -> (Headers, bytes::Bytes) {
    let spec: SchemeSpec = "feishu".parse().unwrap();
    let secret = SecretString::from(system().secret);
    let body = event.to_string().into_bytes();
    seal(&spec, &secret, &[], body, "", now).unwrap()
}

/// Delivers an event of this id; `change` is over the fields of its inner part.
pub(crate) async fn receive(world: &World, id: &str, change: Value) -> (Ending, Answer) {
    let event = event(id, change, world.now());
    let (headers, body) = sealed(&event, world.now());
    let delivery = Delivery {
        source: "feishu".parse().unwrap(),
        via: Via::Http(headers),
        body,
    };
    approvals::receive(world, delivery).await.unwrap()
}

/// The sample's instance is approved, announced and worked off.
pub(crate) async fn approve(world: &World) {
    put(world, json!({}));
    receive(world, "e1", json!({})).await;
    world.sweep().await;
}

/// Feishu says that the approval was withdrawn, and shows the instance so.
pub(crate) async fn withdraw(world: &World) {
    put(world, json!({"status": "REVERTED", "reverted": true}));
    let said = json!({"status": "REVERTED", "operate_time": 1});
    receive(world, "e2", said).await;
}
