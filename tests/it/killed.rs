//! Kills the real binary with SIGKILL at random moments while it shares. The journal is a
//! directory, and the sandbox a separate process. Also sends fifty identical deliveries
//! concurrently to two processes on one directory.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sharehook::domain::{Identity, Timestamp};
use sharehook::journal::{StreamId, WakeUp};
use sharehook_sandbox::Site;

use crate::support::http::send;
use crate::support::process::{Process, post, program, run};
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, REGION, request, variables,
    write_configuration,
};

async fn faults(sandbox: &Process, faults: Value) {
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let answer = send(
        &sandbox.url,
        "POST",
        "/sandbox/faults",
        &json,
        faults.to_string(),
    )
    .await;
    assert_eq!(answer.unwrap().status, 200);
}

/// How often each change was carried out, according to the sandbox.
async fn effects(sandbox: &Process) -> BTreeMap<String, usize> {
    let answer = sandbox.ask("/sandbox/calls").await;
    let calls = answer
        .as_array()
        .or_else(|| answer["calls"].as_array())
        .unwrap()
        .clone();
    let mut counts = BTreeMap::new();
    for call in &calls {
        let action = call["action"].as_str().unwrap();
        if call["carried_out"] == true
            && call["service"] != "sts"
            && !action.starts_with("Describe")
        {
            let mut accounts: Vec<Value> = call["accounts"].as_array().unwrap().clone();
            if accounts.is_empty() {
                accounts.push(json!("-"));
            }
            for account in accounts {
                let permission = &call["permission"];
                *counts
                    .entry(format!("{action} {permission} {} {account}", call["image"]))
                    .or_default() += 1;
            }
        }
    }
    counts
}

fn folder(sandbox: &Process) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_configuration(folder.path(), Site::Cn, &sandbox.url, "file:journal");
    folder
}

/// Limits an attempt to 2 s, because a share waits until the lease of a cancel whose process was
/// killed expires.
fn folder_of_short_turns(sandbox: &Process) -> tempfile::TempDir {
    let folder = folder(sandbox);
    let file = folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("\n[cloud]", "\n[limits]\nseconds = 2\n\n[cloud]", 1),
    )
    .unwrap();
    folder
}

fn verify(folder: &tempfile::TempDir) {
    let verified = run(folder.path(), &["audit", "verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
}

/// Starts a service, delivers all requests concurrently and kills it at a random moment. Does so
/// eight times.
async fn kill_at_random(sandbox: &Process, folder: &tempfile::TempDir, requests: &[Value]) {
    let mut killed = 0;
    for round in 0..8_u64 {
        let mut service = Process::serve(folder.path());
        faults(sandbox, json!(["*:slow:60ms@4"])).await;
        let deliveries: Vec<_> = requests
            .iter()
            .map(|request| {
                let (url, request) = (service.url.clone(), request.clone());
                tokio::spawn(async move { post(&url, &request).await })
            })
            .collect();
        let moment = u64::from(sharehook::clock::chance() % 60) + 25 * round;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        service.kill();
        for delivery in deliveries {
            killed += usize::from(delivery.await.unwrap().is_none());
        }
    }
    println!("{killed} deliveries lost their service");
    assert!(killed > 0, "no kill met a delivery at work");
}

/// Delivers every request until its answer is final. Returns the answers.
async fn finish(folder: &tempfile::TempDir, requests: &[Value]) -> Vec<Value> {
    let service = Process::serve(folder.path());
    let mut answers = Vec::new();
    for request in requests {
        let mut last = None;
        // The lease of a killed 2 s attempt must expire before the next attempt. Ten seconds are
        // enough on an idle machine.
        for _ in 0..120 {
            last = post(&service.url, request).await;
            if last.as_ref().is_some_and(|(status, _)| *status == 200) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let (status, body) = last.unwrap();
        assert_eq!(status, 200, "{body}");
        answers.push(body);
    }
    answers
}

/// Reads from the journal when the request of an answer was approved.
fn approved_at(folder: &tempfile::TempDir, answer: &Value) -> Timestamp {
    let record = answer["record"].as_str().unwrap();
    let (stream, _) = record.rsplit_once('/').unwrap();
    let file = folder.path().join(format!("journal/{stream}/000000.json"));
    let text = std::fs::read_to_string(file).unwrap();
    let record: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    record["event"]["approved_at"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_keeps_the_order_of_shares_and_cancels() {
    let sandbox = Process::sandbox();
    let folder = folder_of_short_turns(&sandbox);
    let images = [BLUEPRINT, CVM_IMAGE];
    let of = |action: &str, image: &str| {
        request(
            &format!("{action}-{image}"),
            json!({"action": action, "image": image}),
        )
    };
    let requests: Vec<Value> = images
        .iter()
        .flat_map(|image| [of("share", image), of("cancel", image)])
        .collect();
    kill_at_random(&sandbox, &folder, &requests).await;
    let answers = finish(&folder, &requests).await;
    let state = sandbox.ask("/sandbox/state").await;
    for image in images {
        let approved = |action: &str| {
            let id = format!("{action}-{image}");
            let answer = answers.iter().find(|answer| answer["id"] == id);
            approved_at(&folder, answer.unwrap())
        };
        let shared = approved("share") > approved("cancel");
        println!("{image}: the share is later: {shared}");
        let region = &state["regions"][REGION];
        let kind = if image == BLUEPRINT {
            "blueprints"
        } else {
            "images"
        };
        let shares = &region[kind][image]["shares"];
        let count = shares
            .as_object()
            .unwrap_or_else(|| panic!("{state}"))
            .len();
        let wanted = if shared { ACCOUNTS.len() } else { 0 };
        assert_eq!(count, wanted, "{image}: {answers:#?}");
    }
    let effects = effects(&sandbox).await;
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    verify(&folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_service_finishes_after_the_next_delivery() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    let requests = [
        request("CHG1", json!({})),
        request("CHG2", json!({"image": CVM_IMAGE})),
        request("CHG3", json!({"image": CHAIN_IMAGE, "lighthouse": true})),
    ];
    kill_at_random(&sandbox, &folder, &requests).await;
    for body in finish(&folder, &requests).await {
        assert_eq!(body["status"], json!("completed"), "{body}");
        let shared = body["results"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|r| r["result"] == "shared")
            .count();
        assert_eq!(shared, ACCOUNTS.len(), "{body}");
    }
    let effects = effects(&sandbox).await;
    assert_eq!(effects.len(), 3 * ACCOUNTS.len() + 1, "{effects:?}");
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    assert!(
        effects.keys().any(|effect| effect.contains(CHAINED)),
        "{effects:?}"
    );
    verify(&folder);
}

/// Reads a request's records from the journal's directory.
fn records(folder: &tempfile::TempDir, id: &str) -> Vec<Value> {
    let source = "native".parse().unwrap();
    let stream = StreamId::of(&Identity {
        source,
        id: id.to_owned(),
    });
    let file = |n| {
        folder
            .path()
            .join(format!("journal/requests/{stream}/{n:06}.json"))
    };
    let texts = (0..).map_while(|n| std::fs::read_to_string(file(n)).ok());
    let record = |text: String| serde_json::from_str(text.lines().next().unwrap()).unwrap();
    texts.map(record).collect()
}

fn is_closed(records: &[Value]) -> bool {
    records
        .last()
        .is_some_and(|record| record["event"]["type"] == "closed")
}

/// Delivers a share whose call takes as long as `slow`. Returns during that call.
async fn share_slowly(
    sandbox: &Process,
    service: &Process,
    folder: &tempfile::TempDir,
    (id, slow): (&str, &str),
) -> Value {
    faults(
        sandbox,
        json!([format!("ShareBlueprintAcrossAccounts:slow:{slow}@1")]),
    )
    .await;
    let share = request(
        id,
        json!({"image": BLUEPRINT, "accounts": [ACCOUNTS[id.len() % 3]]}),
    );
    let (url, body) = (service.url.clone(), share.clone());
    tokio::spawn(async move { post(&url, &body).await });
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if !records(folder, id).is_empty() {
            tokio::time::sleep(Duration::from_millis(300)).await;
            return share;
        }
    }
    panic!("{id} is not recorded");
}

/// The killed worker's lease would expire only after half a minute. A lock file shows earlier that
/// the worker is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_held_is_finished_within_ten_seconds() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    // This process is not killed. It sweeps every ten seconds.
    let other = Process::serve(folder.path());
    for (id, next) in [("A", "delivery"), ("AB", "sweep"), ("ABC", "start")] {
        let mut service = Process::serve(folder.path());
        let share = share_slowly(&sandbox, &service, &folder, (id, "1s")).await;
        service.kill();
        assert!(!is_closed(&records(&folder, id)));
        let began = Instant::now();
        match next {
            "delivery" => drop(post(&other.url, &share).await),
            "sweep" => drop(run(folder.path(), &["sweep"])),
            _ => service = Process::serve(folder.path()),
        }
        while !is_closed(&records(&folder, id)) {
            assert!(began.elapsed() < Duration::from_secs(10), "after a {next}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        println!("after a {next}: {:?}", began.elapsed());
        let taken = &records(&folder, id)[1]["event"];
        assert_eq!(
            (&taken["type"], &taken["holder_gone"]),
            (&json!("taken"), &json!(true))
        );
    }
    let effects = effects(&sandbox).await;
    assert_eq!(effects.len(), ACCOUNTS.len(), "{effects:?}");
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    drop(other);
    verify(&folder);
}

/// A killed process would leave its request to another one, elsewhere than in a directory after the
/// end of its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_is_stopped_ends_its_turn_first() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    let mut service = Process::serve(folder.path());
    share_slowly(&sandbox, &service, &folder, ("A", "1s")).await;
    service.kill();
    let before = records(&folder, "A").len();
    let mut command = program(folder.path());
    command.arg("sweep").envs(variables());
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut sweep = Process::start(piped);
    let began = Instant::now();
    // The turn then waits two seconds for the dead worker's call.
    while records(&folder, "A").len() == before {
        assert!(began.elapsed() < Duration::from_secs(20), "no turn begins");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sweep.terminate();
    sweep.ended().await;
    assert!(is_closed(&records(&folder, "A")));
    verify(&folder);
}

/// The index contains a wake-up of a request whose record 0 was never written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_does_not_report_a_request_that_was_never_recorded() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    let source = "native".parse().unwrap();
    let id = "A".to_owned();
    let due = sharehook::clock::system_now().checked_sub(Duration::from_secs(60));
    let wake_up = WakeUp::new(due.unwrap(), StreamId::of(&Identity { source, id }), 0);
    let index = folder.path().join("journal/index/due");
    std::fs::create_dir_all(&index).unwrap();
    std::fs::write(index.join(wake_up.name()), "").unwrap();
    let log = folder.path().join("log");
    let mut command = program(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let service = Process::logging_to(command.envs(variables()), File::create(&log).unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    drop(service);
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("rules in force"), "it did not start: {log}");
    assert!(!log.contains("are gone"), "{log}");
    assert!(index.join(wake_up.name()).exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_process_keeps_its_request_while_others_look() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    let services = [Process::serve(folder.path()), Process::serve(folder.path())];
    let share = share_slowly(&sandbox, &services[0], &folder, ("A", "6s")).await;
    for _ in 0..4 {
        let (status, answer) = post(&services[1].url, &share).await.unwrap();
        assert_eq!((status, &answer["status"]), (202, &json!("pending")));
        assert!(run(folder.path(), &["sweep"]).status.success());
    }
    // A server sweeps when it starts.
    let third = Process::serve(folder.path());
    for _ in 0..200 {
        if is_closed(&records(&folder, "A")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let records = records(&folder, "A");
    assert!(is_closed(&records), "{records:#?}");
    let others = records
        .iter()
        .filter(|record| record["worker"] != records[0]["worker"]);
    assert_eq!(others.count(), 0, "{records:#?}");
    assert!(effects(&sandbox).await.values().all(|count| *count == 1));
    drop((services, third));
    verify(&folder);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_identical_deliveries_to_two_processes_act_once() {
    let sandbox = Process::sandbox();
    let folder = folder(&sandbox);
    let services = [Process::serve(folder.path()), Process::serve(folder.path())];
    let request = request("CHG50", json!({}));
    let mut deliveries = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (url, request) = (services[n % 2].url.clone(), request.clone());
        deliveries.spawn(async move { post(&url, &request).await.unwrap() });
    }
    let (mut first, mut settled) = (0, 0);
    while let Some(answer) = deliveries.join_next().await {
        let (status, body) = answer.unwrap();
        assert!(matches!(status, 200 | 202), "{status} {body}");
        assert_eq!(body["id"], "CHG50");
        first += usize::from(body.get("duplicate").is_none());
        settled += usize::from(status == 200);
    }
    assert!(first >= 1 && settled >= 1, "{first} {settled}");
    let (status, body) = post(&services[1].url, &request).await.unwrap();
    assert_eq!(
        (status, &body["duplicate"], &body["status"]),
        (200, &json!(true), &json!("completed"))
    );
    let effects = effects(&sandbox).await;
    assert_eq!(effects.len(), ACCOUNTS.len(), "{effects:?}");
    assert!(effects.values().all(|count| *count == 1), "{effects:?}");
    assert!(
        effects.keys().all(|effect| effect.contains(BLUEPRINT)),
        "{effects:?}"
    );
    drop(services);
    verify(&folder);
}
