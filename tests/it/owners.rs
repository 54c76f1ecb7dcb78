//! The key of another root account cannot see the images. That does not prove that they are
//! deleted: expired shares must stay overdue until a sweep with the right key revokes them.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sharehook::app::{Adoption, Answer, App, Ending, Operator, Prepared, Standing, SweepReport};
use sharehook::clock::Clock;
use sharehook::config::{AwsSecrets, Config};
use sharehook::domain::{ResultKind, Status};
use sharehook::journal::{Journal, StreamId};
use sharehook_sandbox::{
    Call, SANDBOX_OWNER, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxKey,
    SandboxOptions, Site, World as Images,
};

use crate::incidents::share_by_hand;
use crate::support::stops::stopped_in_call;
use crate::support::store::{Break, Brittle, Fuse};
use crate::support::{
    ACCOUNTS, BLUEPRINT, CHAIN_IMAGE, CHAINED, CVM_IMAGE, Place, REGION, START, World, deadline,
    deliver, request, sandbox_keys, write_open_configuration,
};
use crate::unclear_ends::{invoke, state};

/// A root account without images, and its key.
const OTHER: &str = "200000000002";
const OTHER_ID: &str = "AKIDofanotheraccount";
const OTHER_KEY: &str = "the-key-of-another-root-account-0001";
const HOUR: i64 = 3_600;
const NO_IDENTITY: &str = "GetCallerIdentity:error-before:UnauthorizedOperation@900";

async fn world(site: Site) -> World {
    World::with(Place::Brittle, |options| {
        *options = options.clone().on(site);
        let key = SandboxKey::new(OTHER_ID, OTHER_KEY).of_account(OTHER);
        options.keys.push(key);
    })
    .await
}

fn sign_with(world: &mut World, id: &str, key: &str) {
    world.set_variable("TENCENTCLOUD_SECRET_ID", id);
    world.set_variable("TENCENTCLOUD_SECRET_KEY", key);
    world.restart();
}

/// Restarts the application with the key of another account.
fn with_wrong_key(world: &mut World) {
    sign_with(world, OTHER_ID, OTHER_KEY);
}

fn with_right_key(world: &mut World) {
    sign_with(world, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY);
}

/// A share of each kind of image, which expires after an hour.
fn shares() -> [(&'static str, Value); 4] {
    let two = &ACCOUNTS[..2];
    [
        ("a blueprint", json!({"accounts": two, "expires_in": "1h"})),
        (
            "a CVM image",
            json!({"image": CVM_IMAGE, "accounts": two, "expires_in": "1h"}),
        ),
        (
            "an image in Lighthouse",
            json!({"image": CHAIN_IMAGE, "accounts": null, "lighthouse": true, "expires_in": "1h"}),
        ),
        (
            "a chain",
            json!({"image": CHAIN_IMAGE, "accounts": two, "lighthouse": true, "expires_in": "1h"}),
        ),
    ]
}

async fn share(world: &World, change: Value) {
    let (_, answer) = world.deliver(&request("CHG1", change)).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
}

async fn at_once(world: &World) -> SweepReport {
    world.app.sweep_at_once(deadline()).await.unwrap()
}

/// How many calls that share or cancel the cloud has received.
fn changing_calls(world: &World) -> usize {
    let calls = world.cloud.calls();
    let changes = |call: &&Call| !call.action.starts_with("Describe");
    calls.iter().filter(changes).count()
}

async fn grants(world: &World) -> Vec<Standing> {
    let grants = world.app.grants().await.unwrap().entries;
    grants.into_iter().map(|grant| grant.state).collect()
}

/// Cancels all shares of an image as an operator. Returns the answers.
async fn revoke(world: &World, image: &str, gone: bool) -> Vec<(Ending, Answer)> {
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "alice@example.com".to_owned(),
    };
    let work = (world.app).revoke_now(image, &[], &by, "no longer there", gone, deadline());
    work.await.unwrap().answers
}

fn delete(world: &World) {
    world.cloud.edit(|images| {
        let seeded = Images::seeded();
        *images = Images {
            regions: seeded
                .regions
                .into_keys()
                .map(|r| (r, Default::default()))
                .collect(),
            ..seeded
        };
    });
}

#[tokio::test]
async fn a_sweep_under_another_account_ends_no_grant() {
    for site in [Site::Cn, Site::Intl] {
        for (name, change) in shares() {
            let mut world = world(site).await;
            share(&world, change).await;
            world.advance(HOUR);
            let before = world.shares();
            with_wrong_key(&mut world);
            let calls = changing_calls(&world);
            for report in [world.sweep().await, at_once(&world).await] {
                // The account may have an image of the same name, with shares of its own.
                assert_eq!(changing_calls(&world), calls, "{name}: a call was sent");
                assert!(
                    report.failed() && report.revoked.is_empty(),
                    "{name}: {report}"
                );
                let why = &report.overdue[0].left.why;
                for part in [
                    "OwnerUnproven",
                    &format!("belongs to account {OTHER}"),
                    &format!("account {SANDBOX_OWNER} shared"),
                    "the key in use",
                ] {
                    assert!(why.contains(part), "{name}: {part} in {why}");
                }
            }
            assert!(
                grants(&world)
                    .await
                    .iter()
                    .all(|state| *state == Standing::Overdue)
            );
            assert!(!grants(&world).await.is_empty(), "{name}");
            let metrics = world.another().metrics().await;
            assert!(!metrics.contains("sharehook_grants_overdue 0"), "{name}");
            assert_eq!(world.shares(), before, "{name}");
            with_right_key(&mut world);
            let report = at_once(&world).await;
            assert_eq!(report.revoked, ["invoke/CHG1"], "{name}: {report}");
            assert!(
                world.shares().is_empty() && grants(&world).await.is_empty(),
                "{name}"
            );
            world.verify().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_image_that_its_owner_deleted_has_no_shares() {
    for site in [Site::Cn, Site::Intl] {
        for (name, change) in shares() {
            let world = world(site).await;
            share(&world, change).await;
            delete(&world);
            world.advance(HOUR);
            let report = world.sweep().await;
            assert_eq!(report.revoked, ["invoke/CHG1"], "{name}: {report}");
            assert!(
                !report.failed() && grants(&world).await.is_empty(),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn without_an_owner_on_record_an_operator_confirms_that_the_image_is_deleted() {
    for site in [Site::Cn, Site::Intl] {
        for (name, change) in shares() {
            let world = world(site).await;
            world.cloud.inject(NO_IDENTITY.parse().unwrap());
            let image = change["image"].as_str().unwrap_or(BLUEPRINT).to_owned();
            share(&world, change).await;
            world.clear_faults().await;
            delete(&world);
            world.advance(HOUR);
            let report = world.sweep().await;
            assert!(
                report.failed() && report.revoked.is_empty(),
                "{name}: {report}"
            );
            let why = &report.overdue[0].left.why;
            for part in ["no record says which account", "sharehook revoke --gone"] {
                assert!(why.contains(part), "{name}: {part} in {why}");
            }
            // Without the operator's confirmation, no share ends.
            revoke(&world, &image, false).await;
            assert!(!grants(&world).await.is_empty(), "{name}");
            world.advance(1);
            let answers = revoke(&world, &image, true).await;
            for (ending, answer) in &answers {
                assert_eq!((*ending, answer.status), (Ending::Done, Status::Completed));
                assert!(
                    answer
                        .results
                        .iter()
                        .all(|r| r.kind == ResultKind::NotShared)
                );
            }
            assert!(grants(&world).await.is_empty(), "{name}");
            let report = at_once(&world).await;
            assert!(!report.failed(), "{name}: {report}");
            world.verify().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_key_that_may_not_ask_who_it_is_shares_and_revokes_as_before() {
    for site in [Site::Cn, Site::Intl] {
        for (name, change) in shares() {
            let world = world(site).await;
            world.cloud.inject(NO_IDENTITY.parse().unwrap());
            share(&world, change).await;
            world.advance(HOUR);
            let report = world.sweep().await;
            assert_eq!(report.revoked, ["invoke/CHG1"], "{name}: {report}");
            assert!(world.shares().is_empty(), "{name}");
            assert_eq!(world.cloud.identity_calls().len(), 1, "{name}: asked once");
        }
    }
}

/// The key of another account sees no blueprint, and looking up the recorded blueprint fails. So
/// nothing proves that this account owns the blueprint, and the empty list of receivers that it
/// sees must end no grant.
#[tokio::test]
async fn a_failed_look_up_of_the_recorded_blueprint_ends_no_grant() {
    let [.., (_, chain)] = shares();
    let mut world = world(Site::Cn).await;
    world.cloud.inject(NO_IDENTITY.parse().unwrap());
    share(&world, chain).await;
    world.clear_faults().await;
    world.advance(HOUR);
    let before = grants(&world).await.len();
    with_wrong_key(&mut world);
    for fault in ["slow:1ms@1", "error-before:InternalError@3"] {
        let fault = format!("DescribeBlueprints:{fault}");
        assert!(world.cloud.inject(fault.parse().unwrap()));
    }
    let report = world.sweep().await;
    assert!(report.failed() && report.revoked.is_empty(), "{report}");
    assert_eq!(grants(&world).await, vec![Standing::Overdue; before]);
    with_right_key(&mut world);
    let report = at_once(&world).await;
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(world.shares().is_empty(), "{:?}", world.shares());
    world.verify().await.unwrap();
}

/// The cloud refused every call, so nothing can have been shared and nothing must be revoked.
#[tokio::test]
async fn a_share_that_was_always_refused_is_no_grant_without_an_owner_on_record() {
    let world = world(Site::Cn).await;
    for fault in [
        NO_IDENTITY,
        "ShareBlueprintAcrossAccounts:error-before:UnauthorizedOperation@900",
    ] {
        world.cloud.inject(fault.parse().unwrap());
    }
    let (_, refused) = shares().into_iter().next().unwrap();
    let ticket = request("CHG1", refused);
    world.deliver(&ticket).await;
    // The cancel calls off one account, with which nothing was shared either.
    let cancel = json!({"action": "cancel", "accounts": [ACCOUNTS[0]]});
    world.deliver(&request("CHG2", cancel)).await;
    for seconds in [HOUR / 6, HOUR] {
        world.advance(seconds);
        world.sweep().await;
    }
    let (_, answer) = world.deliver(&ticket).await;
    assert_eq!(answer.status, Status::Failed, "{answer:?}");
    assert!(!answer.results.iter().any(|result| result.maybe_done));
    assert!(grants(&world).await.is_empty());
    let calls = world.cloud.calls();
    let cancels = |call: &Call| call.action.starts_with("Cancel");
    assert!(!calls.iter().any(cancels));
}

#[tokio::test]
async fn a_token_service_that_does_not_answer_is_asked_once_and_hinders_no_share() {
    let world = world(Site::Cn).await;
    let silent = "GetCallerIdentity:slow:5s@900";
    world.cloud.inject(silent.parse().unwrap());
    for (n, account) in ACCOUNTS.iter().enumerate() {
        let one = json!({"accounts": [account]});
        let begin = std::time::Instant::now();
        let (_, answer) = world.deliver(&request(&format!("CHG{n}"), one)).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        assert!(begin.elapsed().as_secs() < 3);
    }
    assert_eq!(world.cloud.identity_calls().len(), 1);
}

/// The token service is slow. The first share does not wait for its answer, but the next share can
/// use it.
#[tokio::test]
async fn a_slow_token_service_leaves_only_the_first_share_without_an_owner() {
    let world = world(Site::Cn).await;
    let slow = "GetCallerIdentity:slow:1s@900";
    world.cloud.inject(slow.parse().unwrap());
    let owner = async |id: &str, account: &str| {
        let one = json!({"accounts": [account]});
        let (_, answer) = world.deliver(&request(id, one)).await;
        assert_eq!(answer.status, Status::Completed, "{answer:?}");
        let stream = StreamId::of(&invoke(id));
        let history = world.journal.read(stream).await.unwrap().unwrap();
        let state = history.into_state().unwrap();
        state.owner().map(ToString::to_string)
    };
    assert_eq!(owner("CHG1", ACCOUNTS[0]).await, None);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    let known = owner("CHG2", ACCOUNTS[1]).await;
    assert_eq!(known.as_deref(), Some(SANDBOX_OWNER));
    assert_eq!(world.cloud.identity_calls().len(), 1);
}

#[tokio::test]
async fn a_cancel_under_another_account_ends_no_grant_and_waits_for_the_right_key() {
    for (name, change) in shares() {
        let mut world = world(Site::Cn).await;
        share(&world, change.clone()).await;
        with_wrong_key(&mut world);
        let mut cancel = change;
        cancel["action"] = json!("cancel");
        cancel["expires_in"] = Value::Null;
        let (_, answer) = world.deliver(&request("CHG2", cancel)).await;
        assert_eq!(answer.status, Status::Pending, "{name}: {answer:?}");
        let message = answer.message.unwrap();
        for part in ["waits for the operator", OTHER, SANDBOX_OWNER] {
            assert!(message.contains(part), "{name}: {part} in {message}");
        }
        assert!(
            !grants(&world).await.is_empty() && !world.shares().is_empty(),
            "{name}"
        );
        with_right_key(&mut world);
        let report = at_once(&world).await;
        assert_eq!(report.finished, ["invoke/CHG2"], "{name}: {report}");
        assert!(
            world.shares().is_empty() && grants(&world).await.is_empty(),
            "{name}"
        );
        world.verify().await.unwrap();
    }
}

/// The other account has an image of the same name that is shared with the same accounts, so the
/// calls of the cancel succeed there. The share on record stays, and its end is not forgotten.
#[tokio::test]
async fn a_cancel_that_another_account_carries_out_ends_no_grant() {
    for ((name, change), ends) in shares()
        .into_iter()
        .flat_map(|s| [(s.clone(), false), (s, true)])
    {
        let mut world = world(Site::Cn).await;
        share(&world, change.clone()).await;
        let (images, before) = (world.cloud.state(), grants(&world).await.len());
        world.cloud.edit_of(OTHER, |others| *others = images);
        with_wrong_key(&mut world);
        let (shared, calls) = (world.shares(), changing_calls(&world));
        let mut cancel = change;
        cancel["action"] = json!("cancel");
        cancel["expires_in"] = Value::Null;
        let cancel = request("CHG2", cancel);
        let (_, answer) = world.deliver(&cancel).await;
        assert_eq!(answer.status, Status::Pending, "{name}: {answer:?}");
        assert!(changing_calls(&world) > calls, "{name}: no call was sent");
        let message = answer.message.unwrap();
        for part in ["waits for the operator", OTHER, SANDBOX_OWNER] {
            assert!(message.contains(part), "{name}: {part} in {message}");
        }
        assert_eq!(
            grants(&world).await,
            vec![Standing::Active; before],
            "{name}"
        );
        if ends {
            world.advance(25 * HOUR);
            let report = world.sweep().await;
            assert!(!report.overdue.is_empty(), "{name}: {report}");
            assert_eq!(
                grants(&world).await,
                vec![Standing::Overdue; before],
                "{name}"
            );
            let (_, answer) = world.deliver(&cancel).await;
            assert_eq!(answer.status, Status::Failed, "{name}: {answer:?}");
        }
        assert_eq!(world.shares(), shared, "{name}");
        with_right_key(&mut world);
        let report = at_once(&world).await;
        let done = match ends {
            true => &report.revoked,
            false => &report.finished,
        };
        let id = if ends { "CHG1" } else { "CHG2" };
        assert_eq!(*done, [format!("invoke/{id}")], "{name}: {report}");
        assert!(world.shares().is_empty(), "{name}: {:?}", world.shares());
        assert!(grants(&world).await.is_empty(), "{name}");
        world.verify().await.unwrap();
    }
}

/// CHG2 first ran with the key of another account, so its record does not name the owner. Then CHG3
/// ended the grant that names the owner. CHG2 must not count as done when it runs with the wrong
/// key again.
#[tokio::test]
async fn a_cancel_that_another_account_looked_for_is_not_done_when_the_grant_ends() {
    let mut world = world(Site::Cn).await;
    let one = [ACCOUNTS[0]];
    share(&world, json!({"accounts": one})).await;
    with_wrong_key(&mut world);
    let cancel = |id: &str| request(id, json!({"action": "cancel", "accounts": one}));
    let (_, answer) = world.deliver(&cancel("CHG2")).await;
    assert_eq!(answer.status, Status::Pending, "{answer:?}");
    with_right_key(&mut world);
    let (_, answer) = world.deliver(&cancel("CHG3")).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    with_wrong_key(&mut world);
    world.advance(HOUR);
    world.sweep().await;
    let (_, answer) = world.deliver(&cancel("CHG2")).await;
    assert_ne!(answer.status, Status::Completed, "{answer:?}");
}

/// Stops a cancel before its call. The share was made by hand, so no grant names an owner.
async fn interrupted_cancel(fault: Option<&str>) -> World {
    let mut world = world(Site::Cn).await;
    if let Some(fault) = fault {
        world.cloud.inject(fault.parse().unwrap());
    }
    share_by_hand(&world, ACCOUNTS[0]);
    world.fuse.arm_at("000001.json", Break::CrashAfter);
    let cancel = json!({"action": "cancel", "accounts": [ACCOUNTS[0]]});
    let cancel = request("CHG1", cancel);
    tokio::select! {
        _ = world.deliver(&cancel) => {}
        () = world.fuse.crashed() => {}
    }
    assert!(world.fuse.reached());
    world.restart();
    world.advance(HOUR / 6);
    world
}

#[tokio::test]
async fn a_cancel_that_a_crash_interrupted_ends_under_the_account_that_it_asked() {
    for wrong_first in [false, true] {
        let mut world = interrupted_cancel(None).await;
        if wrong_first {
            with_wrong_key(&mut world);
            let report = world.sweep().await;
            assert!(report.finished.is_empty(), "{report}");
            assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[0]]);
            with_right_key(&mut world);
        }
        let report = at_once(&world).await;
        assert_eq!(report.finished, ["invoke/CHG1"], "{report}");
        assert!(world.has(BLUEPRINT).is_empty());
        let carried_out: Vec<usize> = world.effects().into_values().collect();
        assert_eq!(carried_out, [1]);
    }
}

/// No record names the account whose key was used first, so the cancel must not rely on what
/// another account sees.
#[tokio::test]
async fn a_cancel_that_a_crash_interrupted_needs_a_call_without_an_owner_on_record() {
    let mut world = interrupted_cancel(Some(NO_IDENTITY)).await;
    with_wrong_key(&mut world);
    world.sweep().await;
    let state = state(&world).await;
    assert_eq!(state.status(), Status::Failed, "{:?}", state.results());
    assert_eq!(world.has(BLUEPRINT), [ACCOUNTS[0]]);
}

/// The key of another account sees neither the called-off shares nor the chain's blueprint.
#[tokio::test]
async fn another_account_takes_no_refused_chain_back() {
    let mut world = world(Site::Cn).await;
    let two = &ACCOUNTS[..2];
    let chain =
        json!({"image": CHAIN_IMAGE, "accounts": two, "lighthouse": true, "expires_in": "1h"});
    stopped_in_call(
        &mut world,
        &request("CHG1", chain),
        "ShareBlueprintAcrossAccounts",
    )
    .await;
    let cancel = json!({"action": "cancel", "image": CHAINED, "accounts": [two[0]]});
    world.deliver(&request("CHG2", cancel)).await;
    with_wrong_key(&mut world);
    let fails = "lighthouse.ModifyImageSharePermission:error-before:InternalError";
    world.cloud.inject(fails.parse().unwrap());
    world.advance(HOUR / 6);
    world.sweep().await;
    let published = format!("{CHAIN_IMAGE} in Lighthouse");
    assert!(world.shares().contains_key(&published));
    assert!(!grants(&world).await.is_empty());
    world.clear_faults().await;
    with_right_key(&mut world);
    for _ in 0..2 {
        world.advance(HOUR);
        at_once(&world).await;
    }
    assert!(world.shares().is_empty(), "{:?}", world.shares());
}

/// An interrupted share is finished, or expires, while the program has the key of another account.
/// Later, with the right key, it must revoke everything that the share gave.
#[tokio::test]
async fn what_an_interrupted_share_gave_is_not_forgotten_under_another_account() {
    let cases = [
        ("ends", HOUR, false),
        ("is finished", HOUR / 6, false),
        ("is finished without an owner on record", HOUR / 6, true),
    ];
    for (case, passes, no_identity) in cases {
        for (name, change) in shares() {
            for nth in 0..12 {
                let mut world = world(Site::Cn).await;
                if no_identity {
                    world.cloud.inject(NO_IDENTITY.parse().unwrap());
                }
                world.sweep().await;
                world.fuse.arm(nth, Break::CrashAfter);
                let share = request("CHG1", change.clone());
                tokio::select! {
                    _ = world.deliver(&share) => {}
                    () = world.fuse.crashed() => {}
                }
                if !world.fuse.reached() {
                    assert!(nth > 1, "{name}: it was never interrupted");
                    break;
                }
                with_wrong_key(&mut world);
                for seconds in [passes, HOUR] {
                    world.advance(seconds);
                    world.sweep().await;
                }
                let stream = StreamId::of(&invoke("CHG1"));
                let history = format!("{:?}", world.journal.read(stream).await.unwrap());
                assert!(
                    !history.contains("NoReadApi"),
                    "this site lists them: {history}"
                );
                with_right_key(&mut world);
                world.advance(HOUR);
                at_once(&world).await;
                at_once(&world).await;
                let left = world.shares();
                assert!(left.is_empty(), "{name}, {case}, {nth}: {left:?}");
            }
        }
    }
}

#[tokio::test]
async fn drift_under_another_account_says_so_and_misses_nothing() {
    for (name, change) in shares() {
        let mut world = world(Site::Cn).await;
        share(&world, change).await;
        with_wrong_key(&mut world);
        let report = world.app.drift(&[], deadline()).await.unwrap();
        assert!(
            report.differences.is_empty() && report.compared == 0,
            "{name}"
        );
        assert!(!report.unread.is_empty(), "{name}");
        for unread in &report.unread {
            let why = &unread.why;
            assert!(
                why.contains(OTHER) && why.contains(SANDBOX_OWNER),
                "{name}: {why}"
            );
        }
        with_right_key(&mut world);
        assert!(
            world.app.drift(&[], deadline()).await.unwrap().agrees(),
            "{name}"
        );
    }
}

/// The keys of `[cloud.accounts]` are read again while the application runs.
#[tokio::test]
async fn a_key_that_is_replaced_by_one_of_another_account_is_noticed() {
    let mut options = SandboxOptions::seeded(sharehook::clock::system_now).on(Site::Cn);
    let other = SandboxKey::new(OTHER_ID, OTHER_KEY).of_account(OTHER);
    options.keys.push(other);
    let cloud = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let key = |id: &str, key: &str| {
        std::fs::write(folder.path().join("id"), id).unwrap();
        std::fs::write(folder.path().join("key"), key).unwrap();
    };
    key(SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY);
    let account = format!(
        "endpoint = \"{}\"\n[cloud.accounts.images]\nimages = [\"lhbp-\"]\n\
         secret_id = \"file:id\"\nsecret_key = \"file:key\"",
        cloud.url()
    );
    let app = crate::rotation::open(folder.path(), &account).await;
    let soon = json!({"accounts": [ACCOUNTS[0]], "expires_in": "1s"});
    let answers = app.receive(
        crate::support::invocation(&request("CHG1", soon)),
        deadline(),
    );
    let answered = format!("{:?}", answers.await);
    assert!(answered.contains("Completed"), "{answered}");
    key(OTHER_ID, OTHER_KEY);
    app.reload().await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_200)).await;
    let report = app.in_force().sweep(deadline()).await.unwrap();
    assert!(!report.overdue.is_empty(), "{report}");
    let why = &report.overdue[0].left.why;
    for part in [OTHER, SANDBOX_OWNER, "[cloud.accounts.images]"] {
        assert!(why.contains(part), "{part} in {why}");
    }
    key(SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY);
    app.reload().await.unwrap();
    let report = app.in_force().sweep_at_once(deadline()).await.unwrap();
    assert_eq!(report.revoked, ["invoke/CHG1"], "{report}");
    assert!(
        cloud
            .state()
            .blueprint_accounts(REGION, BLUEPRINT)
            .is_empty()
    );
    assert!(cloud.state().blueprint_accounts(REGION, CHAINED).is_empty());
}

/// An application with a policy that allows everything. `cloud` is text for the section `[cloud]`.
async fn open(folder: &Path, cloud: &str, clock: &Clock) -> App {
    let file = write_open_configuration(folder, "file:journal", cloud);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"intl\"", "\"cn\"")).unwrap();
    let vars = sandbox_keys();
    let config = Config::load(&file, &vars, &AwsSecrets::new()).unwrap();
    let prepared = Prepared::new(config).unwrap();
    prepared.open(&vars, clock.clone()).await.unwrap()
}

/// Writes the keys of two owner accounts. Returns a configuration in which images with the prefix
/// `images` belong to one account, and those with the prefix `others` to the other.
fn two_accounts(folder: &Path, cloud: &str, images: &str, others: &str) -> String {
    for (name, text) in [
        ("id", SANDBOX_SECRET_ID),
        ("key", SANDBOX_SECRET_KEY),
        ("other-id", OTHER_ID),
        ("other-key", OTHER_KEY),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    format!(
        "endpoint = \"{cloud}\"\n[cloud.accounts.golden]\nimages = [\"{images}\"]\n\
         secret_id = \"file:id\"\nsecret_key = \"file:key\"\n\
         [cloud.accounts.rest]\nimages = [\"{others}\"]\n\
         secret_id = \"file:other-id\"\nsecret_key = \"file:other-key\""
    )
}

/// The program searches the journal for the CVM image from which the blueprint was made. If the
/// search before record 0 is slow, it is repeated after that record is written.
#[tokio::test]
async fn a_slow_search_for_the_image_of_a_blueprint_does_not_delay_record_0() {
    let options = SandboxOptions::seeded(sharehook::clock::system_now);
    let cloud = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let accounts = two_accounts(folder.path(), &cloud.url(), "lhbp-", "img-");
    let file = write_open_configuration(folder.path(), "memory:", &accounts);
    let vars = sandbox_keys();
    let config = Config::load(&file, &vars, &AwsSecrets::new()).unwrap();
    let prepared = Arc::new(Prepared::new(config).unwrap());
    let fuse = Arc::new(Fuse::default());
    let journal = Journal::over(Arc::new(Brittle::new(Arc::clone(&fuse))));
    let clock = Clock::at(START.parse().unwrap());
    let open = || {
        let (prepared, journal) = (Arc::clone(&prepared), journal.clone());
        Prepared::open_over(prepared, journal, &vars, clock.clone()).unwrap()
    };
    let share = |id, account| request(id, json!({"accounts": [account]}));
    deliver(&open(), &share("CHG1", ACCOUNTS[0])).await;
    let first = StreamId::of(&invoke("CHG1"));
    fuse.stall_read(format!("requests/{first}/000000.json"));
    let (_, answer) = deliver(&open(), &share("CHG2", ACCOUNTS[1])).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
}

/// An image's prefix selects one of two owner accounts. A chain's blueprint has an id that the
/// cloud chose, and its prefix would select the wrong account.
#[tokio::test]
async fn a_chains_blueprint_belongs_to_the_account_of_its_image() {
    let mut options = SandboxOptions::seeded(sharehook::clock::system_now).on(Site::Cn);
    let other = SandboxKey::new(OTHER_ID, OTHER_KEY).of_account(OTHER);
    options.keys.push(other);
    let cloud = Sandbox::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let accounts =
        |images: &str, others: &str| two_accounts(folder.path(), &cloud.url(), images, others);
    let clock = Clock::at(START.parse().unwrap());
    let golden = accounts("img-", "lhbp-");
    let app = open(folder.path(), &golden, &clock).await;
    let two = &ACCOUNTS[..2];
    let chain = json!({"image": CHAIN_IMAGE, "accounts": two, "lighthouse": true});
    let (_, answer) = deliver(&app, &request("CHG1", chain)).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    let report = app.drift(&[], deadline()).await.unwrap();
    assert!(report.agrees() && report.compared == 2, "{report:?}");
    let by = Operator {
        source: "invoke".parse().unwrap(),
        requester: "alice@example.com".to_owned(),
    };
    let first = [ACCOUNTS[0].to_owned()];
    let revoke = async |app: &App, gone| {
        let work = app.revoke_now(CHAIN_IMAGE, &first, &by, "leaked", gone, deadline());
        work.await.unwrap().answers.remove(0).1
    };
    // The key of another account cannot confirm that the owner deleted the image.
    let wrong = open(folder.path(), &accounts("lhbp-", "img-"), &clock).await;
    let refused = revoke(&wrong, true).await;
    assert_eq!(refused.status, Status::Failed, "{refused:?}");
    let why = format!("{refused:?}");
    for part in [
        "OwnerUnproven",
        OTHER,
        SANDBOX_OWNER,
        "[cloud.accounts.rest]",
    ] {
        assert!(why.contains(part), "{part} in {why}");
    }
    assert_eq!(cloud.state().blueprint_accounts(REGION, CHAINED).len(), 2);
    assert_eq!(app.grants().await.unwrap().entries.len(), 3);
    // Another second, so that this cancel gets another id.
    clock.set(clock.now() + jiff::SignedDuration::from_secs(1));
    let done = revoke(&app, false).await;
    assert_eq!(done.status, Status::Completed, "{done:?}");
    assert_eq!(cloud.state().blueprint_accounts(REGION, CHAINED), [two[1]]);
    assert_eq!(app.grants().await.unwrap().entries.len(), 2);
    assert!(app.drift(&[], deadline()).await.unwrap().agrees());
    // A share of the blueprint that was made by hand is adopted, and later expires.
    cloud.edit(|cloud| {
        let region = cloud.regions.get_mut(REGION).unwrap();
        let shares = &mut region.blueprints.get_mut(CHAINED).unwrap().shares;
        shares.insert(ACCOUNTS[2].to_owned(), clock.now());
    });
    let mut report = app.drift(&[], deadline()).await.unwrap();
    let adoption = Adoption {
        ticket: "CHG9".to_owned(),
        expires_in: "1h".parse().unwrap(),
        approvers: vec!["bob@example.com".to_owned()],
        by,
    };
    let adopted = app.adopt(&mut report, &adoption, deadline());
    adopted.await.unwrap();
    let statuses = report.adoptions.iter().map(|answer| answer.status);
    assert_eq!(
        statuses.collect::<Vec<_>>(),
        [Status::Completed],
        "{report:?}"
    );
    clock.set(clock.now() + jiff::SignedDuration::from_secs(HOUR));
    // Each process looks the image up in the journal.
    let another = open(folder.path(), &golden, &clock).await;
    let report = another.sweep(deadline()).await.unwrap();
    assert_eq!(report.revoked.len(), 1, "{report}");
    let third = open(folder.path(), &golden, &clock).await;
    let ticket = json!({"image": CHAINED, "accounts": [ACCOUNTS[2]]});
    let (_, answer) = deliver(&third, &request("CHG2", ticket)).await;
    assert_eq!(answer.status, Status::Completed, "{answer:?}");
    let mut shared = vec![two[1], ACCOUNTS[2]];
    shared.sort_unstable();
    assert_eq!(cloud.state().blueprint_accounts(REGION, CHAINED), shared);
}
