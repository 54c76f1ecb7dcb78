//! Passes the arguments and the environment to the command line, and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    let vars = std::env::vars_os()
        .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)));
    ExitCode::from(sharehook::entrypoints::cli::main(
        std::env::args_os(),
        vars.collect(),
    ))
}
