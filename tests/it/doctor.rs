//! `doctor` reports what works and what does not, and changes nothing in the cloud. It exits with 1
//! if the deployment cannot carry out requests.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::copy_policy;
use crate::support::process::{Finish as _, Process, program};
use crate::support::{sandbox_keys, variables};

/// Writes a configuration for the sandbox at `cloud`, with a notification target at `notify`.
fn configured(folder: &Path, cloud: &str, notify: &str) {
    copy_policy(folder);
    let text = format!(
        "journal = \"file:journal\"\npolicy = \"policy\"\n[cloud]\nsite = \"cn\"\nendpoint = \"{cloud}\"\n\
         [[source]]\nname = \"jira\"\nscheme = \"jira\"\nsecrets = [\"env:JIRA_WEBHOOK_SECRET\"]\nmap = \"jira\"\n\
         [[notify]]\nname = \"desk\"\npreset = \"webhook\"\nurl = \"{notify}\"\nsecret = \"env:NATIVE_WEBHOOK_SECRET\"\n"
    );
    std::fs::write(folder.join("sharehook.toml"), text).unwrap();
}

/// Runs `doctor`. Returns its exit code, and the check, health and text of each finding.
fn examined(command: &mut Command) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = command.args(["doctor", "--json"]).finish();
    let text = String::from_utf8(output.stdout).unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    let findings: Value = serde_json::from_str(&text).expect(&error);
    let field = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = findings.as_array().unwrap().iter();
    let findings = findings.map(|finding| {
        (
            field(finding, "check"),
            field(finding, "health"),
            field(finding, "text"),
        )
    });
    (output.status.code(), findings.collect())
}

fn health<'a>(findings: &'a [(String, String, String)], check: &str) -> (&'a str, &'a str) {
    let found = findings.iter().find(|(name, ..)| name == check);
    let (_, health, text) = found.unwrap_or_else(|| panic!("no finding of {check}"));
    (health, text)
}

/// The images and blueprints of the cloud, with their shares.
async fn regions(cloud: &Process) -> Value {
    let state = cloud.ask("/sandbox/state").await;
    assert!(state["regions"].is_object(), "{state}");
    state["regions"].clone()
}

#[tokio::test]
async fn a_deployment_that_works_has_no_failure_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Process::sandbox();
    configured(folder.path(), &cloud.url, &cloud.url);
    let before = regions(&cloud).await;
    let (code, findings) = examined(program(folder.path()).envs(variables()));
    assert_eq!(code, Some(0), "{findings:?}");
    for check in ["policy", "journal", "seal", "cloud", "clock", "notify"] {
        let (health, text) = health(&findings, check);
        assert_eq!(health, "ok", "{check}: {text}");
    }
    // A wrong place of the journal looks like a new one.
    let (_, text) = health(&findings, "journal");
    assert!(text.contains("it has no request yet"), "{text}");
    assert_eq!(regions(&cloud).await, before);
    let left = std::fs::read_dir(folder.path().join("journal/requests"));
    assert!(
        left.is_err() || left.unwrap().next().is_none(),
        "a record was written"
    );
}

#[tokio::test]
async fn a_journal_on_a_disk_that_the_host_discards_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Process::sandbox();
    configured(folder.path(), &cloud.url, &cloud.url);
    let mut command = program(folder.path());
    command.envs(variables()).env("K_SERVICE", "sharehook");
    let (code, findings) = examined(&mut command);
    let lost = "Cloud Run or Knative discards the disk of each instance";
    let found =
        |(_, health, text): &(String, String, String)| health == "warning" && text.contains(lost);
    assert!(
        code == Some(0) && findings.iter().any(found),
        "{findings:?}"
    );
}

#[tokio::test]
async fn each_part_that_is_missing_is_named_with_its_remedy() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing listens on the discard port.
    configured(folder.path(), "http://127.0.0.1:9", "http://127.0.0.1:9");
    let mut without_keys = variables();
    for name in sandbox_keys().keys() {
        without_keys.remove(name);
    }
    let home = folder.path().to_str().unwrap();
    let (code, findings) = examined(
        program(folder.path())
            .envs(without_keys)
            .env("HOME", home)
            .env("SHAREHOOK_METADATA_ENDPOINT", "off"),
    );
    assert_eq!(code, Some(1));
    let (cloud, text) = health(&findings, "cloud");
    assert!(
        cloud == "failed" && text.contains("TENCENTCLOUD_SECRET_ID"),
        "{text}"
    );
    let (notify, text) = health(&findings, "notify");
    assert!(
        notify == "failed" && text.starts_with("desk: does not answer"),
        "{text}"
    );

    let (code, findings) = examined(program(folder.path()).envs(variables()));
    assert_eq!(code, Some(1));
    let (cloud, text) = health(&findings, "cloud");
    assert!(
        cloud == "failed" && text.contains("ConnectFailed"),
        "{text}"
    );
}

#[tokio::test]
async fn a_call_that_the_cloud_refused_is_named_with_its_region() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path());
    let fault = "DescribeImagesToShare:error-before:UnauthorizedOperation@90";
    command.args([
        "sandbox",
        "--site",
        "cn",
        "--listen",
        "127.0.0.1:0",
        "--fault",
        fault,
    ]);
    let (cloud, _lines) = Process::listening(&mut command, "stand-in cloud on ");
    let url = cloud.url.split(' ').next().unwrap();
    configured(folder.path(), url, url);
    let (code, findings) = examined(program(folder.path()).envs(variables()));
    assert_eq!(code, Some(1));
    let (cloud, text) = health(&findings, "cloud");
    let named = "default: DescribeImagesToShare in ap-guangzhou: UnauthorizedOperation";
    assert!(cloud == "failed" && text.starts_with(named), "{text}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_journal_that_cannot_be_written_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Process::sandbox();
    configured(folder.path(), &cloud.url, &cloud.url);
    // A file has the name of the index folder, so even root cannot create a probe there.
    std::fs::create_dir(folder.path().join("journal")).unwrap();
    std::fs::write(folder.path().join("journal/index"), "").unwrap();
    let (code, findings) = examined(program(folder.path()).envs(variables()));
    assert_eq!(code, Some(1));
    let (journal, text) = health(&findings, "journal");
    assert!(journal == "failed" && text.contains("index"), "{text}");
}

#[tokio::test]
async fn a_seal_key_that_cannot_be_made_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Process::sandbox();
    configured(folder.path(), &cloud.url, &cloud.url);
    let file = folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text + "[seal]\nkey = \"file:nowhere/seal.key\"\n").unwrap();
    let (code, findings) = examined(program(folder.path()).envs(variables()));
    let (seal, text) = health(&findings, "seal");
    assert_eq!((code, seal), (Some(1), "failed"), "{text}");
    assert!(text.contains("nowhere/seal.key cannot be made"), "{text}");
}

/// The Lighthouse of the international site does not run in this account's region.
#[tokio::test]
async fn an_account_with_regions_of_cvm_alone_is_examined_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Process::sandbox();
    configured(folder.path(), &cloud.url, &cloud.url);
    let file = folder.path().join("sharehook.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("\"cn\"", "\"intl\"");
    let account = "[cloud.accounts.cvm]\nregions = [\"na-toronto\"]\n\
                   secret_id = \"env:TENCENTCLOUD_SECRET_ID\"\nsecret_key = \"env:TENCENTCLOUD_SECRET_KEY\"\n";
    std::fs::write(&file, text + account).unwrap();
    let (code, findings) = examined(program(folder.path()).envs(variables()));
    let named = |(_, _, text): &&(String, String, String)| text.starts_with("cvm: ");
    let (check, health, text) = findings.iter().find(named).unwrap();
    assert_eq!(
        (code, check.as_str(), health.as_str()),
        (Some(0), "cloud", "ok"),
        "{text}"
    );
    assert!(text.contains(" in ap-singapore; "), "{text}");
}
