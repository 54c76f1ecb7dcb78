//! Runs the fuzz targets on the stable toolchain: on every seed, then for a bounded time on
//! mutations. `SHAREHOOK_FUZZ_SECONDS` sets that time and `SHAREHOOK_FUZZ_SEED` selects the
//! mutations. With `SHAREHOOK_FUZZ_SEEDS` it only writes the seeds to that folder, for cargo-fuzz.

mod mutate;
mod targets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use sharehook_sandbox::SandboxOptions;

use crate::support::process::Finish as _;
use crate::support::service::{self, Site};
use mutate::{Dice, mutated};
use targets::TARGETS;

/// How long each target runs on mutations unless `SHAREHOOK_FUZZ_SECONDS` is set.
const SUITE: Duration = Duration::from_millis(400);

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<Vec<u8>> {
    read(&root().join(folder))
}

/// Reads the files of a folder, sorted by name. Returns an empty list if the folder does not exist.
fn read(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.retain(|path| path.is_file());
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// The vectors of senders as HTTP requests: header lines, an empty line, the body.
fn vectors() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("tests/vectors/webhooks.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let request = |vector: &Value| {
        let mut request = String::new();
        for (name, value) in vector["headers"].as_object().into_iter().flatten() {
            request += &format!("{name}: {}\n", value.as_str().unwrap_or_default());
        }
        request + "\n" + vector["body"].as_str().unwrap_or("{}")
    };
    let vectors = file["vectors"].as_array().unwrap();
    vectors.iter().map(|v| request(v).into_bytes()).collect()
}

/// The texts of the credential-file fixtures, and a profile that has a role.
fn files_of_credentials() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(root().join("tests/vectors/credential-files.json")).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    let cases = file["cases"].as_array().unwrap();
    let texts = cases.iter().map(|case| case["text"].as_str().unwrap());
    let profile = r#"{"secretId": "AKIDexample", "secretKey": "keyexample", "token": "t",
        "role-arn": "qcs::cam::uin/100000000001:roleName/share", "role-session-name": "s"}"#;
    texts
        .chain([profile])
        .map(|text| text.as_bytes().to_vec())
        .collect()
}

/// The files of a small sealed journal. First the records: the files of each stream joined by zero
/// bytes, and the segments. Then the checkpoints and a proof. Then the tiles and entry bundles.
fn journal() -> [Vec<Vec<u8>>; 3] {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let options = SandboxOptions::seeded(service::now);
    let site = runtime.block_on(Site::new(options, |_| {}));
    let _ = site.invoke(&service::event("http-jira-approved.json"));
    let _ = site.invoke(&service::event("http-jira-denied.json"));
    let mut prove = site.command();
    prove.env("JIRA_SECRET", "local-jira-secret-for-a-laptop-only");
    let proof = prove.args(["audit", "prove", "SHARE-101/31001"]);
    let proof = proof.finish().stdout;
    let journal = site.folder.path().join("journal");
    let streams = fs::read_dir(journal.join("requests")).unwrap();
    let stream = |folder: PathBuf| read(&folder).join(&0);
    let mut records: Vec<Vec<u8>> = streams.map(|entry| stream(entry.unwrap().path())).collect();
    records.extend(read(&journal.join("log/segments")));
    let mut notes = read(&journal.join("log/checkpoints"));
    notes.push(proof);
    let folders = ["log/tile/0/000.p", "log/tile/entries/000.p"];
    let tiles: Vec<Vec<u8>> = folders
        .iter()
        .flat_map(|f| read(&journal.join(f)))
        .collect();
    assert!(records.len() > 3 && notes.len() > 2 && tiles.len() > 2);
    [records, notes, tiles]
}

/// The seeds of a target: suitable files of the repository, and `fuzz/corpus/TARGET`.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "native" | "maps" | "host_events" => files("events"),
        "map_text" => files("maps"),
        "schemes" | "cloud_events" => vectors(),
        "http_requests" => vectors()
            .into_iter()
            .map(|request| [b"POST /hooks/slack\n", request.as_slice()].concat())
            .collect(),
        "policies" => files("policy"),
        "records" => journal()[0].clone(),
        "notes" => journal()[1].clone(),
        "tiles" => journal()[2].clone(),
        "credential_files" => files_of_credentials(),
        _ => Vec::new(),
    };
    seeds.extend(files(&format!("fuzz/corpus/{target}")));
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = seeds(name);
    let variable = |name: &str| std::env::var_os(name)?.into_string().ok();
    if let Some(corpora) = variable("SHAREHOOK_FUZZ_SEEDS") {
        let folder = Path::new(&corpora).join(name);
        fs::create_dir_all(&folder).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(folder.join(number.to_string()), seed).unwrap();
        }
        return;
    }
    for seed in &seeds {
        target(seed);
    }
    let number = |name: &str| variable(name)?.parse::<u64>().ok();
    let time = number("SHAREHOOK_FUZZ_SECONDS").map_or(SUITE, Duration::from_secs);
    let mut dice = Dice::new(number("SHAREHOOK_FUZZ_SEED").unwrap_or(20_261_126));
    let (begun, mut executions) = (Instant::now(), 0_u64);
    while begun.elapsed() < time {
        let input = mutated(&seeds, &mut dice);
        let failed = std::panic::catch_unwind(|| target(&input)).is_err();
        if failed {
            let file = std::env::temp_dir().join(format!("sharehook-fuzz-{name}"));
            fs::write(&file, &input).unwrap();
            panic!(
                "{name} fails on {}: fix the fault, and add the input to fuzz/corpus/{name}",
                file.display()
            );
        }
        executions += 1;
    }
    println!("{name}: {} seeds, {executions} mutations", seeds.len());
}

macro_rules! targets {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                run(stringify!($name));
            }
        )*

        #[test]
        fn each_target_is_run_here_and_by_cargo_fuzz() {
            let here = [$(stringify!($name)),*];
            assert_eq!(here, TARGETS.map(|(name, _)| name));
            for name in here {
                let file = root().join(format!("fuzz/fuzz_targets/{name}.rs"));
                let text = fs::read_to_string(file).unwrap();
                assert!(text.contains(&format!("targets::{name}(data)")), "{name}");
            }
        }
    };
}

targets!(native maps map_text schemes cloud_events host_events http_requests cloud_answers records notes tiles credential_files configuration policies);
