//! Approval systems in tests: the sandbox's stand-ins for their APIs, and events as the systems
//! send them. [`feishu`](super::feishu) has shorter functions for tests that need only Feishu.

use secrecy::SecretString;
use serde_json::Value;
use sharehook::app::{Answer, Delivery, Ending, Reply, Via};
use sharehook::domain::Timestamp;
use sharehook::inbound::{SchemeSpec, renewed, seal};
use sharehook_sandbox::{ApprovalSystem, Tenant};

use super::{World, deadline};

/// The accounts that the sample instances ask for.
pub(crate) const SHARED: [&str; 2] = ["700000000011", "700000000012"];
pub(crate) const NOTHING: [&str; 0] = [];

/// An approval system, and the values that differ between systems in the tests.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) system: ApprovalSystem,
    /// The token and the encryption key of the receiving app.
    pub(crate) secret: &'static str,
    pub(crate) receiver: &'static str,
    /// The target's setting `user`: the person in whose name comments are written, or WeCom's app.
    pub(crate) user: &'static str,
    pub(crate) sample: &'static str,
    /// The JSON pointer to the form's accounts in the instance.
    pub(crate) accounts: &'static str,
}

pub(crate) static SYSTEMS: [System; 3] = [
    System {
        name: "feishu",
        system: ApprovalSystem::Feishu,
        secret: "aVerificationToken00000000000001:an-encrypt-key-for-tests-0001",
        receiver: "cli_a0000000000000ff",
        user: "ou_0123456789abcdef",
        sample: include_str!("../../../events/body-feishu-approved.json"),
        accounts: "/form",
    },
    System {
        name: "dingtalk",
        system: ApprovalSystem::Dingtalk,
        secret: "aTokenForTests000001:0123456789abcdefghijklmnopqrstuvwxyzABCDEFH",
        receiver: "dinga0000000000000ff",
        user: "manager4220",
        sample: include_str!("../../../events/body-dingtalk-approved.json"),
        accounts: "/formComponentValues/2/value",
    },
    System {
        name: "wecom",
        system: ApprovalSystem::Wecom,
        secret: "aTokenForTests000001:0123456789abcdefghijklmnopqrstuvwxyzABCDEFH",
        receiver: "ww0123456789abcdef",
        user: "1000002",
        sample: include_str!("../../../events/body-wecom-approved.json"),
        accounts: "/apply_data/contents/2/value/text",
    },
];

impl System {
    pub(crate) fn part(&self, name: &str) -> Value {
        let sample: Value = serde_json::from_str(self.sample).unwrap();
        sample[name].clone()
    }

    /// Returns the delivery of the sample's event after `change`, encrypted for `receiver` and
    /// signed at `now`.
    pub(crate) fn sealed(
        &self,
        change: &dyn Fn(&mut Value),
        receiver: &str,
        now: Timestamp,
    ) -> Delivery {
        let spec: SchemeSpec = self.name.parse().unwrap();
        let secret = SecretString::from(self.secret);
        let mut event = renewed(&spec, &secret, self.part("event"), now);
        change(&mut event);
        let from = [receiver.to_owned()];
        let body = event.to_string().into_bytes();
        let (headers, body) = seal(&spec, &secret, &from, body, "", now).unwrap();
        Delivery {
            source: self.name.parse().unwrap(),
            via: Via::Http(headers),
            body,
        }
    }

    pub(crate) fn event(&self, now: Timestamp) -> Delivery {
        self.sealed(&|_| (), self.receiver, now)
    }

    /// A world that fetches instances from the sandbox. `more` is appended to its configuration.
    pub(crate) async fn world(&self, more: &str) -> World {
        let mut world = World::new().await;
        let variable = match self.name {
            "feishu" => "FEISHU_ENCRYPT_KEY",
            "dingtalk" => "DINGTALK_SECRET",
            _ => "WECOM_SECRET",
        };
        world.set_variable(variable, self.secret);
        let url = world.cloud.url();
        world.set_variable("SHAREHOOK_FETCH_ENDPOINT", &url);
        world.add_source(self.name);
        world.configure(more);
        world.reset().await;
        world
    }

    /// A world like [`System::world`] that also writes each outcome back as a note on the instance.
    pub(crate) async fn notifying_world(&self) -> World {
        self.world(&format!(
            "[[notify]]\nname = \"back\"\npreset = \"{}\"\nuser = \"{}\"\ncontact = \"the platform team\"\n",
            self.name, self.user
        ))
        .await
    }

    /// Puts the sample's instance, after `change`, into the stand-in.
    pub(crate) fn put_instance(&self, world: &World, change: &dyn Fn(&mut Value)) {
        let mut instance = self.part("instance");
        change(&mut instance);
        world
            .cloud
            .approvals(|all| all.put(self.system, instance).unwrap());
    }

    /// Replaces the accounts in the instance's form.
    pub(crate) fn ask_for(&self, instance: &mut Value, accounts: &str) {
        let place = instance.pointer_mut(self.accounts).unwrap();
        *place = match self.name {
            // Feishu has the whole form in one text.
            "feishu" => place
                .as_str()
                .unwrap()
                .replace(&SHARED.join(", "), accounts)
                .into(),
            _ => accounts.into(),
        };
    }

    pub(crate) fn tenant<T>(&self, world: &World, read: impl FnOnce(&mut Tenant) -> T) -> T {
        world.cloud.approvals(|all| read(all.at(self.system)))
    }

    pub(crate) fn notes(&self, world: &World) -> Vec<String> {
        self.tenant(world, |tenant| tenant.notes.clone())
    }

    /// Delivers the sample's event at the world's present time.
    pub(crate) async fn announce(&self, world: &World) {
        let (ending, _) = receive(world, self.event(world.now())).await.unwrap();
        assert_eq!(ending, Ending::Pending, "{}", self.name);
    }

    /// Delivers an event of a withdrawn approval, and changes the instance accordingly.
    pub(crate) async fn withdraw(&self, world: &World) {
        self.put_instance(world, &|instance| match self.name {
            "feishu" => instance["reverted"] = true.into(),
            "dingtalk" => instance["status"] = "TERMINATED".into(),
            _ => instance["sp_status"] = 6.into(),
        });
        let said = |event: &mut Value| match self.name {
            "feishu" => event["event"]["status"] = "REVERTED".into(),
            "dingtalk" => event["type"] = "terminate".into(),
            _ => {
                event["ApprovalInfo"]["SpStatus"] = "6".into();
                event["ApprovalInfo"]["StatuChangeEvent"] = "8".into();
            }
        };
        let event = self.sealed(&said, self.receiver, world.now());
        receive(world, event).await.unwrap();
    }
}

/// Returns the only answer to a delivery, or `None` if the application refuses the delivery.
pub(crate) async fn receive(world: &World, delivery: Delivery) -> Option<(Ending, Answer)> {
    match world.app.receive(delivery, deadline()).await {
        Reply::Answers(mut answers) if answers.len() == 1 => Some(answers.remove(0)),
        Reply::Answers(answers) => panic!("not one answer: {answers:?}"),
        _ => None,
    }
}

/// Returns the event type of every record in the journal.
pub(crate) async fn records(world: &World) -> Vec<String> {
    let mut all = Vec::new();
    for stream in world.journal.streams().await.unwrap() {
        let history = world.journal.read(stream).await.unwrap().unwrap();
        for stored in history.records {
            let record = serde_json::to_value(&stored.record).unwrap();
            let (text, token) = (record.to_string(), super::feishu::VERIFICATION_TOKEN);
            assert!(!text.contains(token), "{text}");
            all.push(record["event"]["type"].as_str().unwrap().to_owned());
        }
    }
    all
}

/// Counts the records of this event type in the journal.
pub(crate) async fn count(world: &World, kind: &str) -> usize {
    let all = records(world).await;
    all.iter().filter(|one| *one == kind).count()
}
