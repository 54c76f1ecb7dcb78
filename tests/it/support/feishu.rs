//! Helpers for tests whose only approval system is Feishu: events with changed fields, and access
//! to the sandbox's stand-in for Feishu's API.

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

/// Gives `read` the company's state in the stand-in for Feishu.
pub(crate) fn tenant<T>(world: &World, read: impl FnOnce(&mut Tenant) -> T) -> T {
    system().tenant(world, read)
}

pub(crate) fn calls(world: &World) -> ApprovalCalls {
    tenant(world, |tenant| tenant.calls)
}

/// From now on, the stand-in answers each call that has a token with this Feishu error code. `None`
/// ends these refusals.
pub(crate) fn fail(world: &World, code: Option<i64>) {
    tenant(world, |tenant| {
        tenant.failing = code.map(|code| code.to_string());
    });
}

/// Puts the sample's instance into the stand-in. The fields of `change` replace the sample's.
pub(crate) fn put_instance(world: &World, change: Value) {
    put_instance_as(world, CODE, change);
}

/// Puts the sample's instance into the stand-in under `code`. The fields of `change` replace the
/// sample's fields, including the code inside the instance.
pub(crate) fn put_instance_as(world: &World, code: &str, change: Value) {
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

/// An event as Feishu sends it at `now`. The fields of `change` replace those of its inner event.
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

/// The headers and body of the HTTP request with `event`, encrypted and signed.
pub(crate) fn sealed(event: &Value, now: Timestamp) -> (Headers, bytes::Bytes) {
    let spec: SchemeSpec = "feishu".parse().unwrap();
    let secret = SecretString::from(system().secret);
    let body = event.to_string().into_bytes();
    seal(&spec, &secret, &[], body, "", now).unwrap()
}

/// Delivers an event with this id. The fields of `change` replace those of its inner event.
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

/// Approves the sample's instance, delivers its event, and sweeps.
pub(crate) async fn approve(world: &World) {
    put_instance(world, json!({}));
    receive(world, "e1", json!({})).await;
    world.sweep().await;
}

/// Withdraws the approval in the instance, and delivers Feishu's event about it.
pub(crate) async fn withdraw(world: &World) {
    put_instance(world, json!({"status": "REVERTED", "reverted": true}));
    let said = json!({"status": "REVERTED", "operate_time": 1});
    receive(world, "e2", said).await;
}
