//! Runs commands whose output is closed or full. A closed pipe is not a failure, but lost output
//! is. No command panics.
#![cfg(target_os = "linux")] // `/dev/full` refuses every write as a full disk does.

use std::fs::OpenOptions;
use std::process::{Command, Stdio};

use crate::support::process::{Finish as _, program};

fn full() -> Stdio {
    OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap()
        .into()
}

/// Returns the writing end of a pipe whose reading end is closed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// The commands that print without a configuration, and the exit code of each.
const COMMANDS: [(&[&str], i32); 6] = [
    (&["completions", "bash"], 0),
    (&["--help"], 0),
    (&["grants", "--json", "--journal", "file:none"], 0),
    (&["audit", "verify", "--journal", "file:none"], 0),
    (
        &[
            "audit",
            "export",
            "--format",
            "csv",
            "--journal",
            "file:none",
        ],
        0,
    ),
    (&["requests", "nosuch", "--journal", "file:none"], 1),
];

fn command(arguments: &[&str]) -> Command {
    let mut command = program(std::env::temp_dir().as_path());
    command.args(arguments);
    command
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    for (arguments, _) in COMMANDS.iter().filter(|(_, exit)| *exit == 0) {
        let ended = command(arguments).stdout(full()).finish();
        let log = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {log}");
        assert!(
            log.contains("the output is not complete: No space left"),
            "{arguments:?}: {log}"
        );
    }
}

#[test]
fn a_reader_that_stops_reading_is_no_failure() {
    for (arguments, exit) in COMMANDS {
        let ended = command(arguments).stdout(closed()).finish();
        assert_eq!(ended.status.code(), Some(exit), "{arguments:?}");
    }
}

#[test]
fn messages_that_cannot_be_written_change_no_exit_code() {
    let usage: (&[&str], i32) = (&[], 64);
    for (arguments, exit) in COMMANDS.into_iter().chain([usage]) {
        for stderr in [full(), closed()] {
            let ended = command(arguments).stderr(stderr).finish();
            assert_eq!(ended.status.code(), Some(exit), "{arguments:?}");
        }
    }
}
