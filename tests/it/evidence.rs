//! Tests the evidence commands of the real binary: sealing, verifying with only the public key,
//! proofs, and refusals.

use std::fs;
use std::path::Path;
use std::process::Output;

use sha2::{Digest as _, Sha256};

use crate::support::process::{Finish as _, Printed, Process, program};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A request with the id ID, for an account that the policy does not list.
const EVENT: &str = r#"{"id":"ID","action":"share","image":"img-xkd784jw","region":"ap-singapore","accounts":["100000000001"],
    "requester":"=alice@example.com","approvers":["bob@example.com"],"ticket":"ID"}"#;

/// A folder with a configuration and a journal. The policy denies all its requests, so no cloud is
/// needed.
struct Site(tempfile::TempDir);

impl Site {
    /// A journal with three unsealed requests. The first seal is due at once, and the next an hour
    /// later.
    fn new() -> Self {
        let site = Self::empty("[seal]\nname = \"acme/journal\"\nevery = \"1h\"\n");
        for id in ["one", "two", "three"] {
            site.ask(id);
        }
        site.unseal();
        site
    }

    fn empty(seal: &str) -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.configure(seal);
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Removes all seals, and lists all records as unsealed.
    fn unseal(&self) {
        fs::remove_dir_all(self.path().join("journal/log")).unwrap();
        for stream in fs::read_dir(self.path().join("journal/requests")).unwrap() {
            let stream = stream.unwrap().file_name().into_string().unwrap();
            let entry = format!("journal/index/unsealed/{stream}-000000");
            fs::write(self.path().join(entry), "").unwrap();
        }
    }

    fn configure(&self, seal: &str) {
        let text = format!(
            "journal = \"file:journal\"\npolicy = \"{ROOT}/policy\"\n[cloud]\nsite = \"intl\"\n\
             endpoint = \"http://127.0.0.1:9\"\n{seal}\
             [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\nmap = \"native\"\n"
        );
        fs::write(self.path().join("sharehook.toml"), text).unwrap();
    }

    /// Sends a request for an account that the policy does not list.
    fn ask(&self, id: &str) {
        let event = EVENT.replace("ID", id);
        let file = self.path().join("event.json");
        fs::write(&file, event).unwrap();
        assert_eq!(
            self.run(&["invoke", file.to_str().unwrap()]).status.code(),
            Some(2)
        );
    }

    fn run(&self, args: &[&str]) -> Output {
        program(self.path()).args(args).finish()
    }

    /// Runs a command that must succeed, and returns its standard output.
    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must exit with `code`. Returns its standard output and standard error.
    fn refused(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}");
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }
}

#[test]
fn a_journal_is_sealed_and_checked_by_somebody_who_has_only_the_public_key() {
    let site = Site::new();
    let checkpoint = site.out(&["audit", "seal"]);
    assert!(checkpoint.starts_with("acme/journal\n3\n"), "{checkpoint}");
    let kept = site.path().join("kept.txt");
    fs::write(&kept, &checkpoint).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(site.path().join("seal.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let key = site.out(&["audit", "key"]).trim().to_owned();
    site.ask("four");
    let shown = site.out(&["audit", "verify"]);
    assert!(
        shown.contains("seals: 1; records that they cover: 3; newer records: 1"),
        "{shown}"
    );
    // An auditor has only a copy of the journal, the key and the checkpoint.
    let auditor = tempfile::tempdir().unwrap();
    let place = format!("file:{}", site.path().join("journal").display());
    let verify = |key: &str| {
        let args = [
            "audit",
            "verify",
            "--json",
            "--journal",
            &place,
            "--key",
            key,
            "--checkpoint",
        ];
        let mut command = program(auditor.path());
        command.args(args).arg(&kept).finish()
    };
    assert_eq!(verify(&key).status.code(), Some(0));
    assert_eq!(verify("acme/journal+00000000+AAAA").status.code(), Some(64));
    // Remove a whole request.
    let bundle = site.path().join("journal/log/tile/entries/000.p/3");
    let bundle = fs::read(bundle).unwrap();
    // Two bytes before each entry contain its length.
    let stream = String::from_utf8_lossy(&bundle[2..34]).into_owned();
    fs::remove_dir_all(site.path().join("journal/requests").join(&stream)).unwrap();
    let found = verify(&key);
    assert_eq!(found.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        found["findings"][0]["path"],
        format!("requests/{stream}/000000.json")
    );
    assert_eq!(found["findings"][0]["flaw"], "dropped");
    assert_eq!(found["findings"].as_array().unwrap().len(), 1);
}

#[test]
fn a_report_shows_requests_and_whether_the_journal_is_whole() {
    let site = Site::new();
    let output = site.out(&["report", "--html", "report.html"]);
    assert!(
        output.starts_with("report.html: active grants: 0"),
        "{output}"
    );
    let page = fs::read_to_string(site.path().join("report.html")).unwrap();
    assert!(
        page.contains("<span>invoke/two</span>") && page.contains("Every record is whole"),
        "{page}"
    );
    let folder = fs::read_dir(site.path().join("journal/requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(folder.join("000000.json"), "altered").unwrap();
    let output = site.refused(1, &["report", "--html", "report.html", "--json"]);
    let output: serde_json::Value = serde_json::from_str(&output).unwrap();
    assert_eq!(
        (output["denied"].as_u64(), output["findings"].as_u64()),
        (Some(2), Some(1)),
        "{output}"
    );
    let page = fs::read_to_string(site.path().join("report.html")).unwrap();
    assert!(page.contains("<li class=\"bad\">Findings: 1;"), "{page}");
    assert!(
        site.refused(1, &["report", "--html", "no/such/folder.html"])
            .contains("cannot be written")
    );
}

#[test]
fn a_sweep_keeps_the_configured_interval_between_seals() {
    let site = Site::new();
    site.out(&["sweep"]);
    assert!(
        site.out(&["audit", "verify"])
            .contains("seals: 1; records that they cover: 3; newer records: 0")
    );
    site.ask("four");
    site.out(&["sweep"]);
    assert!(
        site.out(&["audit", "verify"])
            .contains("seals: 1; records that they cover: 3; newer records: 1"),
        "not due yet"
    );
    assert!(
        site.out(&["audit", "seal"])
            .starts_with("acme/journal\n4\n")
    );
}

/// Replaces the requester in the newest record of the only request, with a matching checksum.
fn rewrite_the_newest_record(journal: &Path) {
    let stream = fs::read_dir(journal.join("requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let newest = fs::read_dir(stream)
        .unwrap()
        .map(|file| file.unwrap().path())
        .max()
        .unwrap();
    let text = fs::read_to_string(&newest).unwrap();
    let line = text.lines().next().unwrap();
    let forged = line.replace("alice@example.com", "mallory@example.com");
    assert_ne!(forged, line);
    let checksum = hex::encode(Sha256::digest(forged.as_bytes()));
    fs::write(&newest, format!("{forged}\n\"sha256:{checksum}\"\n")).unwrap();
}

#[test]
fn by_default_a_changed_newest_record_with_a_new_checksum_is_found() {
    let site = Site::empty("");
    site.ask("one");
    assert!(
        site.out(&["audit", "verify"])
            .contains("seals: 1; records that they cover: 1; newer records: 0")
    );
    rewrite_the_newest_record(&site.path().join("journal"));
    let output = site.refused(1, &["audit", "verify"]);
    assert!(
        output.contains("the log has another hash for this record"),
        "{output}"
    );
}

#[test]
fn a_removed_log_is_found_without_a_kept_checkpoint() {
    let site = Site::empty("");
    site.ask("one");
    fs::remove_dir_all(site.path().join("journal/log")).unwrap();
    let found = site.refused(1, &["audit", "verify"]);
    assert!(found.contains("its log was removed"), "{found}");
}

#[test]
fn a_program_learns_that_later_seals_were_not_compared() {
    let site = Site::new();
    site.out(&["audit", "seal"]);
    site.ask("four");
    site.out(&["audit", "seal"]);
    let verify = || -> serde_json::Value {
        let output = site.run(&["audit", "verify", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(verify()["all_seals_compared"], true);
    let segment = site.path().join("journal/log/segments/000001");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text + "x").unwrap();
    let verified = verify();
    let said = (&verified["whole"], &verified["all_seals_compared"]);
    assert_eq!(said, (&false.into(), &false.into()), "{verified}");
}

#[test]
fn a_report_with_the_key_of_another_journal_says_so_on_its_page() {
    let [site, other] = [Site::new(), Site::new()];
    site.out(&["audit", "seal"]);
    other.out(&["audit", "seal"]);
    let key = other.out(&["audit", "key"]);
    let args = ["report", "--html", "report.html", "--key", key.trim()];
    let output = site.refused(1, &args);
    assert!(output.contains("they are of another key"), "{output}");
    let page = fs::read_to_string(site.path().join("report.html")).unwrap();
    assert!(
        page.contains("<span>invoke/two</span>") && page.contains("not with the given key"),
        "{page}"
    );
}

#[test]
fn a_wrong_folder_is_no_whole_journal() {
    let site = Site::new();
    site.out(&["audit", "seal"]);
    let key = site.out(&["audit", "key"]).trim().to_owned();
    for (place, code) in [
        ("file:.", 64),
        ("file:journal/log", 64),
        ("file:journal/requests", 64),
        ("file:jornal", 1),
        ("file:journal", 0),
    ] {
        let args = ["audit", "verify", "--journal", place, "--key", &key];
        let shown = site.refused(code, &args);
        assert_eq!(shown.contains("is whole"), code == 0, "{place}: {shown}");
    }
    fs::remove_dir_all(site.path().join("journal/log")).unwrap();
    let shown = site.refused(1, &["audit", "verify", "--sealed", "--key", &key]);
    assert!(shown.contains("no seal exists"), "{shown}");
}

/// A checkpoint is kept for years in whatever form it was saved.
#[test]
fn a_kept_checkpoint_may_have_other_line_ends() {
    let site = Site::new();
    let kept = site.out(&["audit", "seal"]);
    let file = site.path().join("kept.txt");
    let file = file.to_str().unwrap();
    for text in [
        format!("{kept}\n"),
        kept.trim_end().to_owned(),
        kept.replace('\n', "\r\n"),
        serde_json::to_string(&kept).unwrap(),
    ] {
        fs::write(file, &text).unwrap();
        site.out(&["audit", "verify", "--checkpoint", file]);
        let proof = site.out(&["audit", "prove", "--since", file]);
        fs::write(site.path().join("proof.json"), proof).unwrap();
        let key = site.out(&["audit", "key"]);
        site.out(&["audit", "check-proof", "proof.json", "--key", key.trim()]);
    }
}

#[test]
fn the_key_is_made_once_by_processes_that_start_at_once() {
    let site = Site::empty("");
    site.ask("first");
    site.unseal();
    fs::remove_file(site.path().join("seal.key")).unwrap();
    let file = site.path().join("event.json");
    let invocations: Vec<_> = (0..6)
        .map(|_| {
            let mut command = program(site.path());
            command
                .arg("invoke")
                .arg(&file)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for invocation in invocations {
        let output = invocation.wait_with_output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(!log.contains("was not sealed"), "{log}");
    }
    let keys: Vec<_> = fs::read_dir(site.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("seal.key"))
        .collect();
    assert_eq!(keys, ["seal.key"], "no half-made key is left");
    assert!(site.out(&["audit", "verify"]).contains("newer records: 0"));
}

#[test]
fn a_lost_or_exchanged_key_is_an_error_and_never_replaced() {
    let site = Site::empty("");
    site.ask("one");
    let key = site.path().join("seal.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    site.ask("two");
    assert!(!key.exists(), "invoke makes no new key");
    let output = site.refused(1, &["sweep"]);
    assert!(
        output.contains("the journal has seals of that key")
            && output.contains("restore the key file"),
        "{output}"
    );
    assert!(!key.exists(), "nor does a sweep");
    let checked = site.out(&["check"]);
    assert!(
        checked.contains("warning[unsealed-journal]: ")
            && checked.contains("seal.key does not exist"),
        "{checked}"
    );
    fs::write(&key, "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=").unwrap();
    let output = site.refused(1, &["sweep"]);
    assert!(
        output.contains("is not the key that signs the log now"),
        "{output}"
    );
    fs::write(&key, kept).unwrap();
    site.out(&["sweep"]);
    assert!(site.out(&["audit", "verify"]).contains("newer records: 0"));
}

#[test]
fn check_warns_of_a_place_that_nothing_seals() {
    let site = Site::empty("");
    let checked = |journal: &str, key: &str| {
        let output = program(site.path())
            .env("SHAREHOOK_JOURNAL", journal)
            .env("SHAREHOOK_SEAL_KEY", key)
            .arg("check")
            .finish();
        assert!(output.status.success(), "{journal}");
        String::from_utf8(output.stdout).unwrap()
    };
    for place in [
        "s3://acme-journal/x",
        "gs://acme-journal",
        "az://acme-journal",
    ] {
        let output = checked(place, "");
        assert!(
            output.contains("warning[unsealed-journal]") && output.contains("SHAREHOOK_SEAL_KEY"),
            "{output}"
        );
        let seed = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let output = checked(place, seed);
        assert!(
            !output.contains("unsealed-journal") && !output.contains("seal.key"),
            "{output}"
        );
        let output = checked(place, "not-a-key-but-a-secret");
        assert!(
            output.contains("unsealed-journal") && !output.contains("but-a-secret"),
            "{output}"
        );
    }
    for place in ["memory:", "file:journal"] {
        let output = checked(place, "");
        assert!(!output.contains("unsealed-journal"), "{place}: {output}");
    }
    assert!(!site.path().join("seal.key").exists(), "check makes no key");
}

#[test]
fn the_template_seals_and_protects_the_log_as_it_does_records() {
    let template = fs::read_to_string(Path::new(ROOT).join("template.yaml")).unwrap();
    let names = template.split_once("Fn::ForEach::Secrets:\n").unwrap().1;
    let names = names.split_once("- ${Name}:").unwrap().0;
    assert!(names.contains("- SHAREHOOK_SEAL_KEY\n"));
    let statement = |sid: &str| {
        let (_, rest) = template.split_once(&format!("Sid: {sid}\n")).unwrap();
        rest.split("- Sid:").next().unwrap().to_owned()
    };
    let created = statement("CreatedOnce");
    assert!(created.contains("Action: s3:PutObject") && created.contains("s3:if-none-match"));
    for (folder, sid) in [
        ("requests", "RecordsAreNeverDeleted"),
        ("log/segments", "LogIsNeverDeleted"),
        ("log/checkpoints", "LogIsNeverDeleted"),
        ("log/keys", "LogIsNeverDeleted"),
        ("log/tile", "LogIsNeverDeleted"),
    ] {
        let kept = statement(sid);
        let resource = format!("${{JournalBucket.Arn}}/${{JournalPrefix}}/{folder}/*");
        assert!(
            created.contains(&resource) && kept.contains(&resource),
            "{folder}"
        );
        assert!(
            kept.contains("Effect: Deny")
                && kept.contains("[s3:DeleteObject, s3:DeleteObjectVersion]")
        );
    }
}

/// A default would replace the site of the configuration without a word.
#[test]
fn the_files_for_aws_leave_the_site_to_the_configuration() {
    let read = |file: &str| fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let template = read("template.yaml");
    assert!(template.contains("  CloudSite:\n    Type: String\n    Default: \"\"\n"));
    let set = "SHAREHOOK_CLOUD_SITE: !If [HasCloudSite, !Ref CloudSite, !Ref AWS::NoValue]";
    assert!(template.contains(set));
    let variables = read("deploy/terraform/aws/variables.tf");
    let site = variables.split_once("\"cloud_site\"").unwrap().1;
    assert!(site.split_once('}').unwrap().0.contains("= \"\"\n"));
    let set = "var.cloud_site == \"\" ? {} : { SHAREHOOK_CLOUD_SITE = var.cloud_site }";
    assert!(read("deploy/terraform/aws/main.tf").contains(set));
}

#[test]
fn a_proof_is_checked_without_journal_and_configuration() {
    let site = Site::new();
    assert!(
        site.refused(1, &["audit", "prove", "one"])
            .contains("no seal covers that request")
    );
    let none = "0".repeat(32);
    assert!(
        site.refused(1, &["audit", "prove", &none])
            .contains("the journal has no stream")
    );
    site.out(&["audit", "seal"]);
    let key = site.out(&["audit", "key"]).trim().to_owned();
    let proof = site.path().join("proof.json");
    fs::write(&proof, site.out(&["audit", "prove", "invoke/two"])).unwrap();
    fs::remove_dir_all(site.path().join("journal")).unwrap();
    fs::remove_file(site.path().join("sharehook.toml")).unwrap();
    let shown = site.out(&["audit", "check-proof", "proof.json", "--key", &key]);
    assert!(
        shown.contains("acme/journal sealed them; its log has 3 entries")
            && shown.contains("asked by =alice@example.com, approved by bob@example.com, denied"),
        "{shown}"
    );
    let forged = fs::read_to_string(&proof)
        .unwrap()
        .replace("bob@example.com", "eve@example.com");
    fs::write(&proof, forged).unwrap();
    assert!(
        site.refused(2, &["audit", "check-proof", "proof.json", "--key", &key])
            .contains("not proven")
    );
    assert!(
        site.refused(1, &["audit", "check-proof", "gone.json", "--key", &key])
            .contains("cannot be read")
    );
}

#[test]
fn a_private_key_in_place_of_the_public_one_is_not_shown() {
    let site = Site::new();
    let file = fs::read_to_string(site.path().join("seal.key")).unwrap();
    let base64 = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";
    let seed = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    for private in [file.as_str(), base64, seed] {
        let secret = private.lines().find(|line| !line.starts_with('-')).unwrap();
        for command in [
            &["audit", "verify"][..],
            &["audit", "prove", "one"],
            &["audit", "check-proof", "proof.json"],
            &["report", "--html", "page.html"],
        ] {
            let joined = format!("--key={private}");
            for key in [&["--key", private][..], &[&joined]] {
                let refused = site.refused(64, &[command, key].concat());
                assert!(refused.contains("'--key <KEY>'"), "{command:?}: {refused}");
                assert!(!refused.contains(secret), "{command:?}: {refused}");
            }
        }
    }
}

#[test]
fn a_key_that_could_be_forged_or_is_gone_is_refused() {
    let site = Site::new();
    site.configure("[seal]\nkey = \"file:journal/seal.key\"\n");
    assert!(
        site.refused(3, &["audit", "seal"])
            .contains("inside the journal")
    );
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("journal", site.path().join("elsewhere")).unwrap();
        site.configure("[seal]\nkey = \"file:elsewhere/seal.key\"\n");
        assert!(
            site.refused(3, &["audit", "seal"])
                .contains("inside the journal"),
            "by a link too"
        );
    }
    let text = fs::read_to_string(site.path().join("sharehook.toml")).unwrap();
    let in_memory = text
        .replace("file:journal", "memory:")
        .replace("[seal]\nkey = \"file:elsewhere/seal.key\"\n", "");
    fs::write(site.path().join("sharehook.toml"), in_memory).unwrap();
    assert!(
        site.refused(1, &["audit", "seal"])
            .contains("is not configured")
    );
    site.configure("[seal]\nkey = \"file:seal.key\"\nevery = \"1h\"\n");
    site.out(&["audit", "seal"]);
    fs::remove_file(site.path().join("seal.key")).unwrap();
    site.ask("four");
    assert!(
        site.refused(1, &["audit", "seal"])
            .contains("the journal has seals")
    );
    assert!(
        site.refused(1, &["audit", "verify"])
            .contains("give it with --key")
    );
    fs::write(site.path().join("seal.key"), "not-a-key-but-a-secret").unwrap();
    let output = site.refused(1, &["audit", "seal"]);
    assert!(
        output.contains("seal.key") && !output.contains("but-a-secret"),
        "{output}"
    );
}

#[test]
fn an_export_holds_every_record_in_each_form_and_says_what_it_could_not_read() {
    let site = Site::new();
    let lines = site.out(&["audit", "export", "--format", "jsonl"]);
    let stored = |site: &Site| {
        let mut stored = Vec::new();
        for stream in fs::read_dir(site.path().join("journal/requests")).unwrap() {
            let file = fs::read_to_string(stream.unwrap().path().join("000000.json")).unwrap();
            stored.push(file.lines().next().unwrap().to_owned());
        }
        stored.sort();
        stored
    };
    let mut exported: Vec<_> = lines.lines().map(str::to_owned).collect();
    exported.sort();
    assert_eq!(exported, stored(&site), "the records' own first lines");
    let events = site.out(&["audit", "export", "--format", "ocsf"]);
    assert_eq!(events.lines().count(), 3);
    for line in events.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["status_code"], "PolicyDenied");
        assert_eq!(event["actor"]["user"]["uid"], "=alice@example.com");
    }
    let table = site.out(&["audit", "export", "--format", "csv"]);
    assert_eq!(
        (
            table.matches("\r\n").count(),
            table.matches(",'=alice@example.com,").count()
        ),
        (4, 3)
    );
    assert_eq!(
        site.out(&[
            "audit",
            "export",
            "--format",
            "jsonl",
            "--until",
            "2020-01-01T00:00:00Z"
        ]),
        ""
    );
    assert_eq!(
        site.out(&[
            "audit",
            "export",
            "--format",
            "jsonl",
            "--since",
            "2020-01-01T00:00:00Z"
        ]),
        lines
    );
    assert!(
        site.refused(
            64,
            &["audit", "export", "--format", "jsonl", "--since", "monday"]
        )
        .contains("RFC 3339")
    );
    let (since, until) = ("2030-01-01T00:00:00Z", "2020-01-01T00:00:00Z");
    let mut args = vec!["audit", "export", "--format", "jsonl"];
    args.extend(["--since", since, "--until", until]);
    assert!(site.refused(64, &args).contains("--until must be later"));
    assert!(
        site.refused(64, &["audit", "export", "--format", "xml"])
            .contains("ocsf")
    );
    let stream = fs::read_dir(site.path().join("journal/requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(stream.join("000000.json"), "x").unwrap();
    let shown = site.refused(1, &["audit", "export", "--format", "jsonl"]);
    assert!(
        shown.contains("the export lacks records of a request") && shown.lines().count() == 3,
        "{shown}"
    );
}

/// A server with a source that accepts native requests with a static token.
struct Server {
    process: Process,
    lines: Printed,
}

impl Server {
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn start(site: &Site) -> Self {
        let configuration = site.path().join("sharehook.toml");
        let text = fs::read_to_string(&configuration).unwrap()
            + "[[source]]\nname = \"desk\"\nscheme = \"token\"\nsecrets = [\"env:DESK\"]\nmap = \"native\"\n";
        fs::write(&configuration, text).unwrap();
        let mut command = program(site.path());
        command.env("DESK", Self::TOKEN);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        let (process, lines) = Process::listening(&mut command, "listening on http://");
        Self { process, lines }
    }

    /// Sends a request. Returns the first line of the answer.
    fn post(&self, body: &str) -> String {
        use std::io::{Read as _, Write as _};
        let mut stream = std::net::TcpStream::connect(&self.process.url).unwrap();
        write!(
            stream,
            "POST /hooks/desk HTTP/1.1\r\nhost: x\r\nx-sharehook-token: {}\r\ncontent-type: application/json\r\n\
             connection: close\r\ncontent-length: {}\r\n\r\n{body}",
            Self::TOKEN,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

#[test]
fn a_host_prints_each_record_as_the_line_that_it_stored() {
    let site = Site::new();
    let mut server = Server::start(&site);
    let body = fs::read_to_string(site.path().join("event.json")).unwrap();
    let answer = server.post(&body);
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let output = server.lines.next().unwrap().unwrap();
    let line: serde_json::Value = serde_json::from_str(&output).unwrap();
    let file = format!(
        "journal/requests/{}/000000.json",
        line["record"]["stream"].as_str().unwrap()
    );
    let stored = fs::read_to_string(site.path().join(file)).unwrap();
    // Log collectors read the time, and may drop lines by their level.
    let now = sharehook::clock::system_now();
    let at: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    assert!(now.duration_since(at).as_secs().abs() < 60, "{output}");
    assert_eq!(line["level"], "INFO");
    let record = stored.lines().next().unwrap();
    assert!(
        output.ends_with(&format!(r#""record":{record}}}"#)),
        "{output}"
    );
}

#[test]
fn a_server_seals_by_default_soon_after_it_wrote() {
    let site = Site::empty("");
    let server = Server::start(&site);
    let body = EVENT.replace("ID", "one");
    assert!(server.post(&body).starts_with("HTTP/1.1 403 "));
    let seal = site.path().join("journal/log/checkpoint");
    let begun = std::time::Instant::now();
    while !seal.exists() && begun.elapsed().as_secs() < 30 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    drop(server.process);
    rewrite_the_newest_record(&site.path().join("journal"));
    // Reading the journal does not need the server's secret.
    site.configure("");
    let output = site.refused(1, &["audit", "verify"]);
    assert!(
        output.contains("the log has another hash for this record"),
        "{output}"
    );
}

fn record_0(site: &Site, stream: &str) -> serde_json::Value {
    let file = format!("journal/requests/{stream}/000000.json");
    let text = fs::read_to_string(site.path().join(file)).unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

#[test]
fn record_0_ties_to_the_bytes_that_came_and_to_what_read_them() {
    let site = Site::empty("");
    let mut server = Server::start(&site);
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let config = sha256(&fs::read(site.path().join("sharehook.toml")).unwrap());
    let map = sha256(&fs::read(Path::new(ROOT).join("maps/native.jq")).unwrap());
    let first = EVENT.replace("ID", "one");
    // The same request in other bytes is a duplicate. Other content with its id is a conflict.
    let spaced = first.replace(":", ": ");
    let other = first.replace("img-xkd784jw", "img-6pb6lrmy");
    for (body, status) in [(&first, "403"), (&spaced, "403"), (&other, "422")] {
        let answer = server.post(body);
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    for (body, kind) in [(&first, "opened"), (&other, "conflict")] {
        let printed: serde_json::Value =
            serde_json::from_str(&server.lines.next().unwrap().unwrap()).unwrap();
        let record = record_0(&site, printed["record"]["stream"].as_str().unwrap());
        let event = &record["event"];
        assert_eq!(event["type"], kind);
        assert_eq!(event["body_digest"], sha256(body.as_bytes()), "{kind}");
        assert_eq!(event["map_digest"], map);
        assert_eq!(event["config_digest"], config);
        assert_eq!(event["version"], env!("CARGO_PKG_VERSION"));
    }
    drop(server.process);
    site.configure("");
    let digest = sha256(first.as_bytes());
    for format in ["ocsf", "csv", "jsonl"] {
        let exported = site.out(&["audit", "export", "--format", format]);
        assert_eq!(exported.matches(&digest).count(), 1, "{format}");
        assert_eq!(exported.matches(&config).count(), 2, "{format}");
    }
}

#[test]
fn a_record_of_the_old_format_is_refused_by_name() {
    let site = Site::empty("");
    site.ask("one");
    site.unseal();
    let stream = fs::read_dir(site.path().join("journal/requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let file = stream.path().join("000000.json");
    let text = fs::read_to_string(&file).unwrap();
    let old = text.lines().next().unwrap().replace("{\"v\":4", "{\"v\":3");
    let checksum = hex::encode(Sha256::digest(old.as_bytes()));
    fs::write(&file, format!("{old}\n\"sha256:{checksum}\"\n")).unwrap();
    let output = site.refused(1, &["audit", "verify"]);
    assert!(
        output.contains("written by an older sharehook: its version is 3")
            && output.contains("use a new journal"),
        "{output}"
    );
    let output = site.refused(1, &["invoke", "event.json"]);
    assert!(output.contains("written by an older sharehook"), "{output}");
}

#[test]
fn a_retired_request_still_answers_and_is_verified_in_its_segment() {
    let site = Site::new();
    site.out(&["audit", "seal"]);
    let retire = ["audit", "retire", "--older-than", "365d"];
    assert!(site.out(&retire).contains("requests retired: 0"));
    assert!(
        site.refused(64, &["audit", "retire", "--older-than", "1h"])
            .contains("less than one day")
    );
    // Remove the seals, and date the records back to 2020: old enough to retire, but unsealed.
    site.unseal();
    for stream in fs::read_dir(site.path().join("journal/requests")).unwrap() {
        let stream = stream.unwrap();
        let file = stream.path().join("000000.json");
        let text = fs::read_to_string(&file).unwrap();
        let line = text.lines().next().unwrap();
        let year = &line[line.find("\"at\":\"").unwrap() + 6..][..4];
        let old = line.replace(&format!("\"{year}-"), "\"2020-");
        let checksum = hex::encode(Sha256::digest(old.as_bytes()));
        fs::write(&file, format!("{old}\n\"sha256:{checksum}\"\n")).unwrap();
    }
    let dry_run = [&retire[..], &["--dry-run"]].concat();
    let unsealed = "not retired because of unsealed records: 3";
    let output = site.out(&dry_run);
    assert!(
        output.contains("would be retired: 0;") && output.contains(unsealed),
        "{output}"
    );
    let output = site.out(&retire);
    assert!(output.contains(unsealed), "{output}");
    site.out(&["audit", "seal"]);
    // A dry run removes nothing, so the second one has the same result.
    for _ in 0..2 {
        let output = site.out(&dry_run);
        assert!(
            output.contains("would be retired: 3; nothing was removed")
                && !output.contains("not retired"),
            "{output}"
        );
    }
    let output = site.out(&retire);
    assert!(
        output.contains("requests retired: 3, records removed: 0"),
        "{output}"
    );
    let output = site.out(&["audit", "verify"]);
    assert!(output.contains("every record is whole"), "{output}");
    let output = site.refused(2, &["invoke", "event.json"]);
    assert!(output.contains("denied"), "{output}");
    let output = site.out(&["audit", "verify", "--sealed"]);
    assert!(
        output.contains("sealed records: 3, requests: 3; each record matches what was signed"),
        "{output}"
    );
}

/// Commands that only read need no secret of a sender, and create no folder.
#[test]
fn the_key_and_retiring_need_no_secret_of_a_sender() {
    let site = Site::new();
    site.out(&["audit", "seal"]);
    let key = site.out(&["audit", "key"]);
    let file = site.path().join("sharehook.toml");
    let text = fs::read_to_string(&file).unwrap();
    let source =
        "[[source]]\nname = \"jira\"\nscheme = \"jira\"\nsecrets = [\"env:UNSET_SECRET\"]\n";
    fs::write(&file, text.clone() + source).unwrap();
    assert_eq!(site.out(&["audit", "key"]), key);
    let dry_run = ["audit", "retire", "--older-than", "365d", "--dry-run"];
    site.out(&dry_run);
    site.out(&dry_run[..4]);
    fs::remove_dir_all(site.path().join("journal")).unwrap();
    site.out(&dry_run);
    assert!(!site.path().join("journal").exists());
    let unset = text.replace("[seal]\n", "[seal]\nkey = \"env:UNSET_KEY\"\n");
    fs::write(&file, unset).unwrap();
    let told = site.refused(3, &["audit", "key"]);
    assert!(told.contains("UNSET_KEY"), "{told}");
}

#[test]
fn a_new_key_is_introduced_by_the_old_one() {
    let site = Site::new();
    site.out(&["audit", "seal"]);
    let first = site.out(&["audit", "key"]).trim().to_owned();
    let output = site.refused(1, &["audit", "rotate-key", "--to", "file:journal/next.key"]);
    assert!(output.contains("inside the journal"), "{output}");
    let second = site.out(&["audit", "rotate-key", "--to", "file:next.key"]);
    assert!(second.starts_with("acme/journal+") && second.trim() != first);
    let output = site.refused(1, &["audit", "seal"]);
    assert!(
        output.contains("signs the log now") && output.contains(second.trim()),
        "{output}"
    );
    // Another key was introduced first, so the command leaves no file for this one.
    let late = site.refused(1, &["audit", "rotate-key", "--to", "file:late.key"]);
    assert!(late.contains("signs the log now"), "{late}");
    assert!(!site.path().join("late.key").exists());
    assert!(site.path().join("next.key").exists());
    let again = ["audit", "rotate-key", "--to", "file:next.key"];
    assert_eq!(site.out(&again), second, "it may be repeated");
    site.configure("[seal]\nkey = \"file:next.key\"\nname = \"acme/journal\"\nevery = \"1h\"\n");
    assert!(site.refused(1, &again).contains("is the configured key"));
    site.ask("four");
    site.out(&["audit", "seal"]);
    for key in [first.as_str(), second.trim()] {
        let output = site.out(&["audit", "verify", "--key", key]);
        assert!(
            output.contains("seals: 3; records that they cover: 4; newer records: 0"),
            "{output}"
        );
    }
}
