//! Approvals in Feishu, DingTalk and WeCom, against stand-ins for their APIs. Approved instances
//! are shared, and each outcome is written back. Forged events are refused; repeated events act
//! once.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use sharehook::app::{Check, Delivery, Ending, Headers, Via};
use sharehook::domain::Status;
use sharehook_sandbox::Tenant;

use crate::support::approvals::{self, SHARED, SYSTEMS, System};
use crate::support::{BLUEPRINT, STRANGER, World};

/// Delivers an event. Returns the ending and the status of the only answer; `None` for a refusal.
async fn receive(world: &World, delivery: Delivery) -> Option<(Ending, Status)> {
    let answered = approvals::receive(world, delivery).await;
    answered.map(|(ending, answer)| (ending, answer.status))
}

#[tokio::test]
async fn what_is_approved_is_shared_and_noted_on_the_instance() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        let (ending, status) = receive(&world, system.event(world.now())).await.unwrap();
        assert_eq!(
            (ending, status),
            (Ending::Pending, Status::Pending),
            "{name}"
        );
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
        world.notify().await;
        let notes = system.notes(&world);
        assert_eq!(notes.len(), 1, "{name}: {notes:?}");
        assert!(
            notes[0].contains("Shared lhbp-6jc6l8yb"),
            "{name}: {notes:?}"
        );
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_refusal_is_noted_too_and_no_requester_approves_their_own_request() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|instance| system.ask_for(instance, STRANGER));
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        world.notify().await;
        let notes = system.notes(&world);
        assert_eq!(notes.len(), 1, "{name}: {notes:?}");
        assert!(
            notes[0].contains("the policy refused it"),
            "{name}: {notes:?}"
        );
        assert!(
            notes[0].contains("Ask the platform team."),
            "{name}: {notes:?}"
        );
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{name}");
        // No person approved, the requester approved, or a step was sent back after its approval.
        let alone = |text: String| text.replace("wangxiaoming", "wujunjie");
        let automatic: &dyn Fn(&mut Value) = &|instance| {
            for list in ["timeline", "task_list", "operationRecords", "tasks"] {
                instance[list] = json!([]);
            }
            instance["process_list"] = json!({"node_list": []});
            instance["sp_record"] = json!([]);
        };
        let itself: &dyn Fn(&mut Value) =
            &|instance| *instance = serde_json::from_str(&alone(instance.to_string())).unwrap();
        let returned: &dyn Fn(&mut Value) = &|instance| {
            match name {
            "feishu" => instance["timeline"].as_array_mut().unwrap().push(
                json!({"type": "ROLLBACK", "create_time": "1793602439000", "user_id": "x", "open_id": ""}),
            ),
            "dingtalk" => instance["operationRecords"].as_array_mut().unwrap().push(
                json!({"userId": "x", "date": "2026-11-02T06:53Z", "type": "REDIRECT_PROCESS", "result": "NONE"}),
            ),
            _ => instance["process_list"]["node_list"][0]["sub_node_list"].as_array_mut().unwrap().push(
                json!({"userid": "x", "sp_yj": 11, "sptime": 1_793_602_438}),
            ),
        }
        };
        for change in [automatic, itself, returned] {
            let world = system.notifying_world().await;
            system.put_instance(&world, change);
            receive(&world, system.event(world.now())).await.unwrap();
            world.sweep().await;
            world.notify().await;
            assert_eq!(world.has(BLUEPRINT), [""; 0], "{name}");
            let notes = system.notes(&world);
            assert!(
                notes[0].contains("the policy refused it"),
                "{name}: {notes:?}"
            );
        }
    }
}

#[tokio::test]
async fn an_event_that_comes_again_in_any_form_acts_once() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        let first = system.event(world.now());
        receive(&world, first.clone()).await.unwrap();
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
        // Replay the event, and deliver it with a new encryption a minute and an hour later.
        receive(&world, first.clone()).await.unwrap();
        for seconds in [60, 3_600] {
            world.advance(seconds);
            receive(&world, system.event(world.now())).await.unwrap();
        }
        // By now the signature of the first delivery is too old.
        world.advance(9 * 3_600);
        assert_eq!(receive(&world, first).await, None, "{name}");
        world.sweep().await;
        world.sweep().await;
        let effects = world.effects();
        assert!(
            effects.values().all(|times| *times == 1),
            "{name}: {effects:?}"
        );
        world.notify().await;
        assert_eq!(system.notes(&world).len(), 1, "{name}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn an_event_for_others_or_with_other_padding_is_refused() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        let now = world.now();
        // The event belongs to another app or company that has the same key.
        let cross = |event: &mut Value| match name {
            "feishu" => event["event"]["app_id"] = "cli_b".into(),
            "wecom" => event["ToUserName"] = "ww9".into(),
            _ => (),
        };
        let foreign = system.sealed(&cross, "another-receiver", now);
        assert_eq!(receive(&world, foreign).await, None, "{name}");
        // The cipher text lost its last block and was signed again: its padding is invalid.
        let padded = shortened(system, system.event(now));
        assert_eq!(receive(&world, padded).await, None, "{name}");
        // The event belongs to another approval definition.
        let other = |event: &mut Value| {
            let text = event.to_string();
            let text = text
                .replace("7C468A54", "7C468A55")
                .replace("PROC-EF6", "PROC-EF7");
            *event = serde_json::from_str(&text.replace("3TkZj", "3TkZk")).unwrap();
        };
        let ignored = receive(&world, system.sealed(&other, system.receiver, now)).await;
        assert_eq!(ignored, Some((Ending::Done, Status::Ignored)), "{name}");
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{name}");
        let calls = system.tenant(&world, |tenant| tenant.calls);
        assert_eq!(calls.reads, 0, "{name}");
    }
}

/// The delivery with its cipher text shortened by one block, and signed again.
fn shortened(system: &System, delivery: Delivery) -> Delivery {
    let Via::Http(headers) = &delivery.via else {
        panic!("not by HTTP")
    };
    let mut body: Value = serde_json::from_slice(&delivery.body).unwrap();
    let mut cipher = STANDARD.decode(body["encrypt"].as_str().unwrap()).unwrap();
    cipher.truncate(cipher.len() - 16);
    let text = STANDARD.encode(cipher);
    body["encrypt"] = text.clone().into();
    let body = body.to_string();
    let (token, key) = system.secret.split_once(':').unwrap();
    let headers = if system.name == "feishu" {
        let header = |name: &str| headers.one(name).unwrap().unwrap().to_owned();
        let (time, nonce) = (
            header("x-lark-request-timestamp"),
            header("x-lark-request-nonce"),
        );
        let signed = [&time, &nonce, key, &body].concat();
        let signature = hex::encode(Sha256::digest(signed));
        Headers::new([
            ("content-type", "application/json".to_owned()),
            ("x-lark-request-timestamp", time),
            ("x-lark-request-nonce", nonce),
            ("x-lark-signature", signature),
        ])
    } else {
        let field = |name: &str| headers.query(name).next().unwrap().to_owned();
        let (time, nonce) = (field("timestamp"), field("nonce"));
        let mut parts = [token, &time, &nonce, &text];
        parts.sort_unstable();
        let signature = hex::encode(Sha1::digest(parts.concat()));
        let query = [
            ("msg_signature", signature),
            ("timestamp", time),
            ("nonce", nonce),
        ];
        let query = query.map(|(name, value)| (name.to_owned(), value));
        Headers::new([("content-type", "application/json")]).with_query(query.into())
    };
    Delivery {
        via: Via::Http(headers),
        body: body.into(),
        ..delivery
    }
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_replaced_once_for_reading_and_for_notes() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        system.tenant(&world, Tenant::expire_tokens);
        world.notify().await;
        assert_eq!(system.notes(&world).len(), 1, "{name}");
        assert_eq!(
            system.tenant(&world, |tenant| tenant.calls.tokens),
            2,
            "{name}"
        );
    }
}

/// DingTalk's answer with an instance does not name its process. Only the list of a process shows
/// which instances belong to it.
/// What `doctor` finds about fetching, one finding per line.
async fn fetching(world: &World) -> String {
    let findings = world.app.examine().await.into_iter();
    let of_fetch = findings.filter(|one| one.check == Check::Fetch);
    let of_fetch = of_fetch.map(|one| format!("{} {}", one.health, one.text));
    of_fetch.collect::<Vec<_>>().join("\n")
}

/// Without a call for a definition, DingTalk's and WeCom's lists show whether the app may read.
#[tokio::test]
async fn doctor_fails_if_the_app_gets_no_token_or_may_read_nothing() {
    for system in &SYSTEMS {
        let name = system.name;
        let mut world = system.world("").await;
        let good = fetching(&world).await;
        assert!(good.starts_with("ok ") && !good.contains('\n'), "{good}");
        system.tenant(&world, |tenant| tenant.failing = Some("60020".to_owned()));
        let bad = fetching(&world).await;
        assert!(
            bad.starts_with("failed ") && bad.contains("permissions"),
            "{name}: {bad}"
        );
        system.tenant(&world, |tenant| {
            tenant.gives_no_token = true;
            tenant.expire_tokens();
        });
        world.restart();
        let bad = fetching(&world).await;
        let begins = format!("failed {name}: the app gets no token: {name} answers ");
        assert!(
            bad.starts_with(&begins) && bad.contains("app_secret"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn an_instance_of_another_process_than_its_event_names_shares_nothing() {
    let system = &SYSTEMS[1];
    let world = system.notifying_world().await;
    system.put_instance(&world, &|instance| {
        instance["processCode"] = "PROC-OTHER".into()
    });
    receive(&world, system.event(world.now())).await.unwrap();
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), [""; 0]);
    system.put_instance(&world, &|_| ());
    world.advance(900);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// The stand-in's error message repeats the token, as a careless API might.
#[tokio::test]
async fn what_an_api_repeats_of_a_token_is_in_no_record() {
    for system in [&SYSTEMS[0], &SYSTEMS[2]] {
        let name = system.name;
        let world = system.notifying_world().await;
        system.tenant(&world, |tenant| tenant.failing = Some("1".to_owned()));
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        let mut text = String::new();
        for stream in world.journal.streams().await.unwrap() {
            let history = world.journal.read(stream).await.unwrap().unwrap();
            for stored in history.records {
                text += &serde_json::to_string(&stored.record).unwrap();
            }
        }
        assert!(text.contains("(hidden)"), "{name}: {text}");
        assert!(!text.contains("sandboxtoken"), "{name}: {text}");
    }
}

/// The answer to the call that wrote the note was lost. In Feishu and DingTalk the program finds
/// the note before it repeats the call. WeCom itself drops the repetition.
#[tokio::test]
async fn a_note_whose_answer_was_lost_is_there_once() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        system.tenant(&world, |tenant| tenant.loses_answer = true);
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        world.notify().await;
        for _ in 0..3 {
            world.advance(600);
            world.sweep().await;
        }
        assert_eq!(system.notes(&world).len(), 1, "{name}");
        let metrics = world.app.metrics().await;
        let sent = "sharehook_notifications_total{notify=\"back\",result=\"sent\"} 1";
        assert!(metrics.contains(sent), "{name}: {metrics}");
    }
}

/// The API fails for an hour. The approved instance is shared after that.
#[tokio::test]
async fn what_cannot_be_read_for_an_hour_is_shared_later() {
    for system in &SYSTEMS[1..] {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        let busy = if name == "wecom" {
            "45009"
        } else {
            "ServiceUnavailable"
        };
        system.tenant(&world, |tenant| tenant.failing = Some(busy.to_owned()));
        receive(&world, system.event(world.now())).await.unwrap();
        for _ in 0..12 {
            world.sweep().await;
            world.advance(300);
        }
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{name}");
        system.tenant(&world, |tenant| tenant.failing = None);
        world.advance(900);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
        world.verify().await.unwrap();
    }
}

#[tokio::test]
async fn what_is_withdrawn_is_revoked_and_noted() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        world.notify().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
        world.advance(60);
        system.withdraw(&world).await;
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{name}");
        world.notify().await;
        let notes = system.notes(&world);
        assert_eq!(notes.len(), 2, "{name}: {notes:?}");
        assert!(notes[1].contains("was revoked"), "{name}: {notes:?}");
        world.verify().await.unwrap();
    }
}

/// In DingTalk, a second instance revokes an approved one.
#[tokio::test]
async fn what_another_instance_revokes_is_taken_back() {
    let system = &SYSTEMS[1];
    let revoke = async |world: &World, change: Value| {
        let original = system.part("instance")["processInstanceId"].clone();
        system.put_instance(world, &|instance| {
            instance["processInstanceId"] = "REVOKER-1".into();
            instance["bizAction"] = "REVOKE".into();
            instance["mainProcessInstanceId"] = original.clone();
            for (name, value) in change.as_object().unwrap() {
                instance[name] = value.clone();
            }
        });
        let said = |event: &mut Value| event["processInstanceId"] = "REVOKER-1".into();
        let event = system.sealed(&said, system.receiver, world.now());
        receive(world, event).await.unwrap();
        for _ in 0..2 {
            world.sweep().await;
        }
    };
    for change in [
        json!({"result": "refuse"}),
        json!({"status": "RUNNING"}),
        json!({"bizAction": "MODIFY"}),
        json!({"mainProcessInstanceId": "ANOTHER-1"}),
        json!({"mainProcessInstanceId": "../x"}),
        json!({"processCode": "PROC-OTHER"}),
    ] {
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        system.announce(&world).await;
        world.sweep().await;
        revoke(&world, change.clone()).await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{change}");
    }
    // The revoking instance comes before or after the share of the original.
    for shared in [false, true] {
        let world = system.notifying_world().await;
        system.put_instance(&world, &|_| ());
        if shared {
            system.announce(&world).await;
            world.sweep().await;
            world.notify().await;
        }
        revoke(&world, json!({})).await;
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), [""; 0], "{shared}");
        world.notify().await;
        let notes = system.notes(&world);
        let noted = notes.iter().any(|note| note.contains("was revoked"));
        assert_eq!(noted, shared, "{notes:?}");
        world.verify().await.unwrap();
    }
}

/// Sets the times at which the instance began and ended, in seconds since 1970.
pub(crate) fn begun_and_ended(instance: &mut Value, begun: i64, ended: i64) {
    let text = |second: i64| {
        let at = jiff::Timestamp::from_second(second).unwrap();
        at.strftime("%Y-%m-%dT%H:%MZ").to_string()
    };
    instance["start_time"] = (begun * 1_000).to_string().into();
    instance["end_time"] = (ended * 1_000).to_string().into();
    instance["createTime"] = text(begun).into();
    instance["finishTime"] = text(ended).into();
    instance["apply_time"] = begun.into();
    if let Some(step) = instance.pointer_mut("/process_list/node_list/0/sub_node_list/0/sptime") {
        *step = ended.into();
    }
    if let Some(step) = instance.pointer_mut("/sp_record/0/details/0/sptime") {
        *step = ended.into();
    }
}

/// An approval began and ended during weeks without a sweep.
#[tokio::test]
async fn an_approval_of_a_long_outage_is_found_when_sweeps_go_on() {
    for system in &SYSTEMS {
        let name = system.name;
        let mut world = system.notifying_world().await;
        let second = world.now().as_second();
        system.put_instance(&world, &|instance| {
            begun_and_ended(instance, second + 7_200, second + 10_800);
        });
        world.advance(20 * 86_400);
        // The new process has never listed instances itself.
        world.restart();
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
    }
}

/// The list does not say when an instance ended, and the read that would say so fails during the
/// look. The instance is announced, and its age decides once it can be read.
#[tokio::test]
async fn what_ended_long_ago_is_not_shared_after_a_failed_read() {
    for system in &SYSTEMS[1..] {
        for (days, shared) in [(5, &approvals::NOTHING[..]), (1, &SHARED[..])] {
            let name = system.name;
            let world = system.notifying_world().await;
            let second = world.now().as_second() - days * 86_400;
            system.put_instance(&world, &|instance| {
                begun_and_ended(instance, second - 86_400, second);
            });
            system.tenant(&world, |tenant| {
                tenant.failing_reads = Some("45009".to_owned())
            });
            world.advance(3_600);
            world.sweep().await;
            assert_eq!(approvals::count(&world, "received").await, 1, "{name}");
            system.tenant(&world, |tenant| tenant.failing_reads = None);
            for _ in 0..3 {
                world.advance(3_600);
                world.sweep().await;
            }
            assert_eq!(world.has(BLUEPRINT), shared, "{name}, {days} days");
            assert_eq!(approvals::count(&world, "received").await, 1, "{name}");
            world.verify().await.unwrap();
        }
    }
}

/// Each call counts against the month's calls: a withdrawal that its instance does not confirm needs
/// one call for each attempt.
#[tokio::test]
async fn an_unconfirmed_withdrawal_reads_no_list() {
    let system = &SYSTEMS[1];
    let world = system.world("").await;
    system.put_instance(&world, &|_| ());
    system.announce(&world).await;
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
    let terminate = |event: &mut Value| event["type"] = "terminate".into();
    let event = system.sealed(&terminate, system.receiver, world.now());
    receive(&world, event).await.unwrap();
    let before = system.tenant(&world, |tenant| tenant.calls);
    world.advance(60);
    world.sweep().await;
    let after = system.tenant(&world, |tenant| tenant.calls);
    assert_eq!((after.reads - before.reads, after.lists), (1, before.lists));
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// WeCom has status 10 for an approved request that was paid.
#[tokio::test]
async fn a_request_that_was_paid_before_the_look_is_found() {
    let system = &SYSTEMS[2];
    let world = system.notifying_world().await;
    let second = world.now().as_second();
    system.put_instance(&world, &|instance| {
        begun_and_ended(instance, second - 7_200, second - 3_600);
        instance["sp_status"] = 10.into();
    });
    world.advance(3_600);
    world.sweep().await;
    assert_eq!(world.has(BLUEPRINT), SHARED);
}

/// An event may arrive shortly after the approval, so a sweep leaves recent approvals to it.
#[tokio::test]
async fn an_approval_that_has_just_ended_is_left_to_its_event() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        let second = world.now().as_second() + 3_600;
        system.put_instance(&world, &|instance| {
            begun_and_ended(instance, second - 300, second - 60)
        });
        world.advance(3_600);
        world.sweep().await;
        let found = approvals::records(&world).await;
        assert!(found.is_empty(), "{name}: {found:?}");
        world.advance(3_600);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
    }
}

#[tokio::test]
async fn an_approval_whose_event_is_lost_is_found_in_the_list() {
    for system in &SYSTEMS {
        let name = system.name;
        let world = system.notifying_world().await;
        let second = world.now().as_second() - 3_600;
        system.put_instance(&world, &|instance| {
            begun_and_ended(instance, second, second + 60)
        });
        world.advance(3_600);
        world.sweep().await;
        assert_eq!(world.has(BLUEPRINT), SHARED, "{name}");
        receive(&world, system.event(world.now())).await.unwrap();
        world.sweep().await;
        assert!(world.effects().values().all(|times| *times == 1), "{name}");
        world.verify().await.unwrap();
    }
}
