//! `sandbox`: runs only the stand-in cloud. Also has what other commands need to start or to use a
//! stand-in cloud.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::Failure;
use crate::clock;
use crate::config::{Site, Vars};
use crate::entrypoints::outcome::Exit;
use sharehook_sandbox::cli::{Arguments, Stocked};
use sharehook_sandbox::{Running, SANDBOX_SECRET_ID, SANDBOX_SECRET_KEY, Sandbox, SandboxOptions};

/// The prefix of the variables with the keys for the real cloud. A process that uses the sandbox
/// must not see them.
const CREDENTIAL_PREFIX: &str = "TENCENTCLOUD_";
/// How long [`is_there`] waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);

/// Returns the variables for a process that uses the sandbox at `url`.
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
    for name in ["SHAREHOOK_CLOUD_ENDPOINT", "SHAREHOOK_FETCH_ENDPOINT"] {
        vars.insert(name.to_owned(), url.to_owned());
    }
    vars
}

/// The address of the stand-in cloud of `serve --sandbox`, if none is given.
pub(super) fn default_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 18300))
}

pub(super) fn options(site: Site) -> SandboxOptions {
    let site = match site {
        Site::Intl => sharehook_sandbox::Site::Intl,
        Site::Cn => sharehook_sandbox::Site::Cn,
    };
    SandboxOptions::seeded(clock::system_now).on(site)
}

/// Starts the sandbox for `serve --sandbox`.
pub(super) async fn start(
    site: Site,
    listen: SocketAddr,
    stocked: Stocked,
) -> Result<Running, Failure> {
    let options = SandboxOptions {
        listen,
        ..stocked.applied_to(options(site))
    };
    let started = Sandbox::start(options).await;
    started.map_err(|error| not_started(&error))
}

pub(super) async fn run(json: bool, arguments: Arguments) -> Result<Exit, Failure> {
    let ended = sharehook_sandbox::cli::run(arguments, json, clock::system_now).await;
    ended.map_err(|error| not_started(&error))?;
    Ok(Exit::Done)
}

fn not_started(error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::AddrInUse => {
            "; stop what listens there, or choose another address (serve --sandbox=ADDR, sandbox --listen ADDR)"
        }
        _ => "",
    };
    Failure::Failed(format!("cannot start the sandbox: {error}{remedy}"))
}

/// Whether a server accepts connections at `address`. Does not check that the server is a sandbox.
pub(super) async fn is_there(address: SocketAddr) -> bool {
    let connecting = TcpStream::connect(address);
    matches!(tokio::time::timeout(PATIENCE, connecting).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_that_of_the_sandbox() {
        let address = default_address().to_string();
        assert_eq!(address, sharehook_sandbox::cli::DEFAULT_ADDRESS);
    }

    #[tokio::test]
    async fn an_error_at_the_start_names_the_file_or_the_address_at_fault() {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let error = async |listen: SocketAddr, state: Option<&str>| {
            let state = state.map(Into::into);
            let stocked = Stocked {
                state,
                ..Stocked::default()
            };
            match start(Site::Intl, listen, stocked).await {
                Ok(running) => Err(running),
                Err(failure) => Ok(failure.to_string()),
            }
        };
        let said = error(listen, Some("/no-such-folder/state.json")).await;
        let said = said.unwrap();
        assert!(said.contains("/no-such-folder/state.json cannot be written"));
        assert!(!said.contains("127.0.0.1"), "{said}");
        let running = error(listen, None).await.unwrap_err();
        let said = error(running.addr, None).await.unwrap();
        assert!(
            said.contains(&format!("cannot listen on {}", running.addr)),
            "{said}"
        );
        assert!(said.contains("stop what listens there"), "{said}");
    }
}
