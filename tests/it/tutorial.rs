//! The tutorial of the documentation, command by command, in an empty folder.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

const PAGE: &str = include_str!("../../docs/tutorial.md");
const SERVE: &str = "sharehook serve --sandbox\n";

/// The commands of the page as one script. What the page runs in a terminal of its own runs beside it.
fn script(port: u16) -> String {
    let served = format!(
        "sharehook serve --sandbox=127.0.0.1:0 --listen 127.0.0.1:{port} >serve.log 2>&1 &\n\
         trap \"kill $!\" EXIT\n\
         for _ in $(seq 200); do curl -sf http://127.0.0.1:{port}/readyz >ready && break; sleep 0.1; done\n"
    );
    let blocks = PAGE.split("```sh\n").skip(1);
    let commands = blocks.map(|rest| rest.split("```").next().unwrap());
    let commands: String = commands
        .map(|block| match block {
            SERVE => served.clone(),
            other => other.replace("127.0.0.1:8080", &format!("127.0.0.1:{port}")),
        })
        .collect();
    format!("set -eu\n{commands}")
}

#[allow(clippy::disallowed_methods)] // The shell's commands lie there.
fn search_path() -> String {
    std::env::var("PATH").unwrap()
}

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_sharehook"));
    let path = format!("{}:{}", program.parent().unwrap().display(), search_path());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let output = Command::new("bash")
        .args(["-c", &script(port)])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let problems = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{problems}");
    for said in [
        "no policy allows it",
        "allow by desk-shares-the-base-image",
        "4 passed, 0 failed",
        r#""status":"completed""#,
        r#""approver":"desk/frank@example.com""#,
        "DESK-41",
        "every record is whole and in its place",
    ] {
        assert!(text.contains(said), "{said:?} is missing in\n{text}");
    }
}
