//! `sandbox`: runs only the stand-in cloud; also the variables that make a process use it.

use super::Failure;
use crate::clock;
use crate::config::{Site, Vars};
use crate::entrypoints::outcome::Exit;
use sharehook_sandbox::cli::Arguments;
use sharehook_sandbox::{Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions};

/// Variables that would make a client use another key than the sandbox's.
const CREDENTIAL_PREFIX: &str = "TENCENTCLOUD_";

/// The variables of a process that uses the sandbox at `url`.
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

/// Starts the sandbox for the configured site.
pub(super) async fn start(site: Site) -> std::io::Result<Running> {
    let site = match site {
        Site::Intl => sharehook_sandbox::Site::Intl,
        Site::Cn => sharehook_sandbox::Site::Cn,
    };
    Sandbox::start(SandboxOptions::seeded(clock::system_now).on(site)).await
}

pub(super) async fn run(arguments: Arguments) -> Result<Exit, Failure> {
    let listen = arguments.listen;
    sharehook_sandbox::cli::run(arguments, clock::system_now)
        .await
        .map_err(|error| {
            Failure::Failed(format!("cannot start the sandbox on {listen}: {error}"))
        })?;
    Ok(Exit::Done)
}
