//! `sandbox`: the stand-in cloud alone, and the variables that point a process at one.

use std::net::SocketAddr;

use crate::clock;
use crate::config::Vars;
use crate::entrypoints::cli::print::outln;
use crate::entrypoints::reply::Exit;
use crate::sandbox::{
    Fault, Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions,
};

/// Variables that would lead a client past the sandbox's own key.
const CREDENTIAL_PREFIX: &str = "TENCENTCLOUD_";

/// The variables of a process whose cloud is the sandbox at `url`.
pub(super) fn vars_for(vars: &Vars, url: &str) -> Vars {
    let mut vars: Vars = vars
        .iter()
        .filter(|(k, _)| !k.starts_with(CREDENTIAL_PREFIX))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    vars.insert(
        "TENCENTCLOUD_SECRET_ID".to_owned(),
        SANDBOX_SECRET_ID.to_owned(),
    );
    vars.insert(
        "TENCENTCLOUD_SECRET_KEY".to_owned(),
        SANDBOX_SECRET_KEY.to_owned(),
    );
    vars.insert("SHAREHOOK_CLOUD_ENDPOINT".to_owned(), url.to_owned());
    vars
}

pub(super) async fn start(listen: SocketAddr, faults: Vec<Fault>) -> std::io::Result<Running> {
    Sandbox::start(SandboxOptions {
        listen,
        faults,
        ..SandboxOptions::seeded(clock::system_now)
    })
    .await
}

pub(super) async fn run(listen: SocketAddr, faults: &[String]) -> Exit {
    if !listen.ip().is_loopback() {
        return super::usage(
            "the sandbox's key is public, so it listens on loopback only; use --listen 127.0.0.1:PORT",
        );
    }
    let parsed: Result<Vec<Fault>, _> = faults
        .iter()
        .map(|text| text.parse::<Fault>().map_err(|e| e.to_string()))
        .collect();
    let faults = match parsed {
        Ok(faults) => faults,
        Err(problem) => return super::usage(&problem),
    };
    let running = match start(listen, faults).await {
        Ok(running) => running,
        Err(error) => {
            eprintln!("sharehook: the sandbox cannot listen on {listen}: {error}");
            return Exit::Failed;
        }
    };
    outln!("stand-in cloud on {}", running.url());
    outln!("  TENCENTCLOUD_SECRET_ID={SANDBOX_SECRET_ID}");
    outln!("  TENCENTCLOUD_SECRET_KEY={SANDBOX_SECRET_KEY}");
    outln!(
        "  state: GET {0}/sandbox/state   calls: GET {0}/sandbox/calls",
        running.url()
    );
    drop(tokio::signal::ctrl_c().await);
    running.stop().await;
    Exit::Done
}
