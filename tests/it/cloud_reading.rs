//! Runs `scripts/real-cloud` against sandboxes that answer the open questions differently. The
//! reading that the script stores must name each answer, and a sandbox that is configured from the
//! reading must behave the same way. The script must take back all its shares.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use sharehook_sandbox::{
    Batch, Behaviour, RateLimits, Reading, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox,
    SandboxOptions, Site,
};

use crate::support::cloud::{BLUEPRINT, IMAGE, REGION};
use crate::support::process::Finish as _;

fn script(arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/real-cloud");
    let mut command = Command::new("python3");
    command
        .arg(path)
        .args([
            "--region",
            REGION,
            "--blueprint",
            BLUEPRINT,
            "--image",
            IMAGE,
        ])
        .args(["--account", "700000000001", "--account", "700000000002"])
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TENCENTCLOUD_SECRET_ID", SANDBOX_SECRET_ID)
        .env("TENCENTCLOUD_SECRET_KEY", SANDBOX_SECRET_KEY);
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.finish())
        .await
        .unwrap()
}

fn readings() -> [(&'static str, Behaviour); 3] {
    let without_rates = |site| Behaviour {
        rate_limits: RateLimits::OFF,
        ..Behaviour::of(site)
    };
    [
        ("intl", without_rates(Site::Intl)),
        ("cn", without_rates(Site::Cn)),
        (
            "intl",
            Behaviour {
                lighthouse_batch: Batch::UntilFirstBad,
                cvm_batch: Batch::UntilFirstBad,
                any_already_shared_refuses: true,
                any_not_shared_refuses: true,
                shares_published_blueprints: false,
                cvm_accounts_per_call: 20,
                publish_delay: Duration::from_millis(1_500),
                ..without_rates(Site::Intl)
            },
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_finds_out_how_a_cloud_behaves() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = tokio::task::JoinSet::new();
    for (n, (site, behaviour)) in readings().into_iter().enumerate() {
        let out = folder.path().join(format!("{n}.json"));
        running.spawn(async move {
            let options = SandboxOptions {
                behaviour: behaviour.clone(),
                ..SandboxOptions::seeded(sharehook::clock::system_now)
            };
            let before = options.world.clone();
            let cloud = Sandbox::start(options).await.unwrap();
            let output = run(script(&[
                "--site",
                site,
                "--endpoint",
                &cloud.url(),
                "--out",
                out.to_str().unwrap(),
                "--yes",
            ]))
            .await;
            let printed = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{printed}");
            let after = cloud.state();
            let shares = |world: &sharehook_sandbox::World| {
                let has = |image| world.blueprint_accounts(REGION, image);
                let blueprint = has(BLUEPRINT);
                let image = world.image_accounts(REGION, IMAGE);
                (blueprint, image, world.published(REGION, IMAGE))
            };
            assert_eq!(
                shares(&after),
                shares(&before),
                "all is taken back: {printed}"
            );

            let text = std::fs::read_to_string(&out).unwrap();
            let mut answers: Value = serde_json::from_str(&text).unwrap();
            let calls = answers.as_object_mut().unwrap().remove("calls").unwrap();
            assert!(calls.as_array().unwrap().len() > 20, "{printed}");
            let delay = answers["publish_delay_seconds"].as_u64().unwrap();
            assert!(delay <= 10, "{printed}");
            let batch = |batch| json!(batch);
            let expected = json!({
                "site": site,
                "read_shares_api": behaviour.read_shares_api,
                "any_already_shared_refuses": behaviour.any_already_shared_refuses,
                "any_not_shared_refuses": behaviour.any_not_shared_refuses,
                "lighthouse_batch": batch(behaviour.lighthouse_batch),
                "cvm_batch": batch(behaviour.cvm_batch),
                "cvm_accounts_per_call": behaviour.cvm_accounts_per_call,
                "publish_delay_seconds": delay,
                "shares_published_blueprints": behaviour.shares_published_blueprints,
            });
            assert_eq!(answers, expected, "{printed}");
            let again = Reading::parse(&text).unwrap().behaviour();
            assert_eq!(again.lighthouse_batch, behaviour.lighthouse_batch);
            assert_eq!(
                again.shares_published_blueprints,
                behaviour.shares_published_blueprints
            );
        });
    }
    while let Some(end) = running.join_next().await {
        end.unwrap();
    }
}

#[tokio::test]
async fn the_script_shares_nothing_without_consent_and_keeps_an_older_reading() {
    let cloud = Sandbox::start(SandboxOptions::seeded(sharehook::clock::system_now))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("reading.json");
    let (url, out_text) = (cloud.url(), out.to_str().unwrap().to_owned());
    let common = ["--site", "intl", "--endpoint", &url, "--out", &out_text];
    let output = run(script(&common)).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--yes"));
    std::fs::write(&out, "older").unwrap();
    let output = run(script(&[&common[..], &["--yes"]].concat())).await;
    assert!(!output.status.success());
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "older");
    assert!(cloud.calls().is_empty(), "no call was made");
}
