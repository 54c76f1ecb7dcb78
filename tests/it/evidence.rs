//! Evidence through the real binary: sealing, verifying with the public key alone, proofs, and what
//! is refused.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A folder with a configuration, and a journal of three requests that the policy denied: no cloud
/// is needed.
struct Site(tempfile::TempDir);

impl Site {
    fn new() -> Self {
        let site = Self(tempfile::tempdir().unwrap());
        site.configure("[seal]\nkey = \"file:seal.key\"\nname = \"acme/journal\"\n");
        for id in ["one", "two", "three"] {
            site.ask(id);
        }
        site
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn configure(&self, seal: &str) {
        let text = format!(
            "journal = \"file:journal\"\npolicy = \"{ROOT}/policy\"\n[cloud]\nsite = \"intl\"\n\
             endpoint = \"http://127.0.0.1:9\"\n{seal}\
             [[source]]\nname = \"invoke\"\nscheme = \"trusted\"\nfrom = [\"invoke\"]\nmap = \"native\"\n"
        );
        fs::write(self.path().join("sharehook.toml"), text).unwrap();
    }

    /// A request for an account on no list.
    fn ask(&self, id: &str) {
        let event = format!(
            r#"{{"id":"{id}","action":"share","image":"img-xkd784jw","region":"ap-singapore","accounts":["100000000001"],
            "requester":"=alice@example.com","approvers":["bob@example.com"],"ticket":"{id}"}}"#
        );
        let file = self.path().join("event.json");
        fs::write(&file, event).unwrap();
        assert_eq!(
            self.run(&["invoke", file.to_str().unwrap()]).status.code(),
            Some(2)
        );
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
        command
            .env_clear()
            .current_dir(self.path())
            .args(args)
            .output()
            .unwrap()
    }

    /// Standard output of a command that must succeed.
    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Standard error of a command that must end with `code`.
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
        shown.contains("1 seals cover 3 of them; 1 are newer"),
        "{shown}"
    );
    // Elsewhere: a copy of the journal, the key, the checkpoint, and nothing else.
    let auditor = tempfile::tempdir().unwrap();
    let place = format!("file:{}", site.path().join("journal").display());
    let verify = |key: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
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
        command
            .env_clear()
            .current_dir(auditor.path())
            .args(args)
            .arg(&kept)
            .output()
            .unwrap()
    };
    assert_eq!(verify(&key).status.code(), Some(0));
    assert_eq!(verify("acme/journal+00000000+AAAA").status.code(), Some(64));
    // A whole request is removed.
    let stream = fs::read_to_string(site.path().join("journal/seals/000001.seal")).unwrap();
    let stream = stream
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
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
    let told = site.out(&["report", "--html", "report.html"]);
    assert!(told.starts_with("report.html: 0 active grants"), "{told}");
    let page = fs::read_to_string(site.path().join("report.html")).unwrap();
    assert!(
        page.contains("<td>invoke/two</td>") && page.contains("every one is whole"),
        "{page}"
    );
    let folder = fs::read_dir(site.path().join("journal/requests"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(folder.join("000000.json"), "altered").unwrap();
    let told = site.refused(1, &["report", "--html", "report.html", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (told["denied"].as_u64(), told["findings"].as_u64()),
        (Some(2), Some(1)),
        "{told}"
    );
    let page = fs::read_to_string(site.path().join("report.html")).unwrap();
    assert!(
        page.contains("<section class=\"bad\"><h2>Journal</h2>"),
        "{page}"
    );
    assert!(
        site.refused(1, &["report", "--html", "no/such/folder.html"])
            .contains("cannot be written")
    );
}

#[test]
fn a_sweep_seals_when_it_is_time() {
    let site = Site::new();
    site.out(&["sweep"]);
    assert!(
        site.out(&["audit", "verify"])
            .contains("1 seals cover 3 of them")
    );
    site.ask("four");
    site.out(&["sweep"]);
    assert!(
        site.out(&["audit", "verify"])
            .contains("1 seals cover 3 of them; 1 are newer"),
        "not due yet"
    );
    assert!(
        site.out(&["audit", "seal"])
            .starts_with("acme/journal\n4\n")
    );
}

#[test]
fn a_proof_is_checked_without_journal_and_configuration() {
    let site = Site::new();
    assert!(
        site.refused(1, &["audit", "prove", "one"])
            .contains("nothing is sealed yet")
    );
    site.out(&["audit", "seal"]);
    let key = site.out(&["audit", "key"]).trim().to_owned();
    let proof = site.path().join("proof.json");
    fs::write(&proof, site.out(&["audit", "prove", "invoke/two"])).unwrap();
    fs::remove_dir_all(site.path().join("journal")).unwrap();
    fs::remove_file(site.path().join("sharehook.toml")).unwrap();
    let shown = site.out(&["audit", "check-proof", "proof.json", "--key", &key]);
    assert!(
        shown.contains("is one of 3 records that acme/journal sealed"),
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
            site.refused(1, &["audit", "seal"])
                .contains("inside the journal"),
            "by a link too"
        );
    }
    site.configure("");
    assert!(
        site.refused(1, &["audit", "seal"])
            .contains("is not configured")
    );
    site.configure("[seal]\nkey = \"file:seal.key\"\n");
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
    let told = site.refused(1, &["audit", "seal"]);
    assert!(
        told.contains("seal.key") && !told.contains("but-a-secret"),
        "{told}"
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
        shown.contains("not all of this request is exported") && shown.lines().count() == 3,
        "{shown}"
    );
}

/// A program that is ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn a_host_prints_each_record_as_the_line_that_it_stored() {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    let site = Site::new();
    let configuration = site.path().join("sharehook.toml");
    let token = "0123456789abcdef0123456789abcdef";
    let text = fs::read_to_string(&configuration).unwrap()
        + "[[source]]\nname = \"desk\"\nscheme = \"token\"\nsecrets = [\"env:DESK\"]\nmap = \"native\"\n";
    fs::write(&configuration, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehook"));
    command
        .env_clear()
        .env("DESK", token)
        .current_dir(site.path())
        .args(["serve", "--listen", "127.0.0.1:0"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut serving = Running(command.spawn().unwrap());
    let mut lines = BufReader::new(serving.0.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let address = first
        .strip_prefix("listening on http://")
        .unwrap()
        .to_owned();
    let body = fs::read_to_string(site.path().join("event.json")).unwrap();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST /hooks/desk HTTP/1.1\r\nhost: x\r\nx-sharehook-token: {token}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    let told = lines.next().unwrap().unwrap();
    let record: serde_json::Value = serde_json::from_str(&told).unwrap();
    let file = format!(
        "journal/requests/{}/000000.json",
        record["stream"].as_str().unwrap()
    );
    let stored = fs::read_to_string(site.path().join(file)).unwrap();
    assert_eq!(stored.lines().next(), Some(told.as_str()));
}
