//! Finds and loads the configuration for every command, and builds the application from it.

#[cfg(feature = "sandbox")]
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use serde_json::Value;

use crate::app::{App, Prepared, StartError};
use crate::clock::{self, Clock};
#[cfg(feature = "sandbox")]
use crate::config::SANDBOX_ENTRY;
use crate::config::{AwsSecrets, Config, Vars, aws_secrets, text_of};
use crate::entrypoints::host::Host;

use super::Failure;
use super::args::{CloudChoice, Command};
use super::print::{errln, outln};
use super::stop_signal::StopSignal;

/// The input that all commands have in common.
#[derive(Clone)]
pub(crate) struct Context {
    pub(super) config: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) vars: Vars,
    /// The secrets that the configuration keeps in AWS, once they are fetched.
    pub(super) secrets: AwsSecrets,
    /// Comes only to a server.
    pub(super) stop: StopSignal,
}

impl Context {
    /// Returns the path of the configuration: the file that `--config` or `SHAREHOOK_CONFIG` names,
    /// or else `sharehook.toml` beside the binary, or else `sharehook.toml` in the current folder.
    pub(super) fn config_path(&self) -> PathBuf {
        if let Some(path) = &self.config {
            return path.clone();
        }
        if let Some(path) = self.vars.get("SHAREHOOK_CONFIG").filter(|v| !v.is_empty()) {
            return PathBuf::from(path);
        }
        let beside = std::env::current_exe()
            .ok()
            .and_then(|exe| Some(exe.parent()?.join("sharehook.toml")));
        // If it is unknown whether the file beside the binary exists, choose it, so that loading it
        // fails. The file in the current folder may be a different configuration.
        beside
            .filter(|path| path.try_exists().unwrap_or(true))
            .unwrap_or_else(|| PathBuf::from("sharehook.toml"))
    }

    /// Whether the configuration or a variable names a secret in AWS.
    pub(super) fn keeps_secrets_in_aws(&self) -> bool {
        let text = text_of(&self.config_path()).unwrap_or_default();
        !aws_secrets(&text, &self.vars).is_empty()
    }

    /// Fetches the secrets that the configuration keeps in AWS. If a secret cannot be fetched,
    /// `Config::load` reports it later.
    pub(super) async fn fetch_secrets(&mut self) {
        if let Ok(text) = text_of(&self.config_path()) {
            self.secrets = crate::app::fetch_secrets(&text, &self.vars).await;
        }
    }

    /// Begins to receive the stop signal if the process becomes a server, then fetches secrets. Not
    /// on Lambda: there AWS's extension answers "not ready" until the function has asked for an
    /// event.
    pub(super) async fn begin(&mut self, host: Option<&Host>, command: Option<&Command>) {
        if let (Some(Host::Http(..)), _) | (_, Some(Command::Serve(_))) = (host, command) {
            self.stop = StopSignal::begin();
        }
        if !matches!(host, Some(Host::Lambda)) {
            self.fetch_secrets().await;
        }
    }

    /// Prints JSON: on one line with `--json`, otherwise indented for people.
    pub(super) fn print(&self, value: &Value) {
        match self.json {
            true => outln!("{value}"),
            false => outln!("{value:#}"),
        }
    }

    pub(super) fn load(&self) -> Result<Config, StartError> {
        Ok(Config::load(
            &self.config_path(),
            &self.vars,
            &self.secrets,
        )?)
    }

    /// Loads the configuration for a command of the operator. The secrets of senders are not used.
    pub(super) fn load_to_operate(&self) -> Result<Config, StartError> {
        let path = self.config_path();
        let config = Config::load_to_operate(&path, &self.vars, &self.secrets)?;
        for notify in config.notify.iter().filter(|notify| notify.lacks_secret) {
            let name = &notify.subscription.name;
            errln!(
                "notify {name}: its secret cannot be read here, so this command sends nothing to it; \
                 the next sweep with the secret does"
            );
        }
        Ok(config)
    }

    /// Loads the configuration for a command that only reads. The secrets of senders are not
    /// needed. The keys of the owner accounts are needed only if `calls_cloud` is true.
    pub(super) fn load_to_read(&self, calls_cloud: bool) -> Result<Config, StartError> {
        Ok(Config::load_to_read(
            &self.config_path(),
            &self.vars,
            &self.secrets,
            &stand_in()?,
            calls_cloud,
        )?)
    }

    /// Opens the application for a command that only reads the journal and the cloud.
    pub(super) fn start_to_read(&self) -> Result<App, StartError> {
        let prepared = Prepared::new(self.load_to_read(true)?)?;
        prepared.open_to_read(&self.vars, Clock::System)
    }

    /// Loads and checks configuration, policies and maps. Opens no journal.
    pub(super) fn prepare(&self) -> Result<Prepared, StartError> {
        Ok(Prepared::new(self.load()?)?)
    }

    /// Like [`Context::prepare`], but uses a random text in place of every secret. This is enough
    /// for `test`, for example, which signs its deliveries itself.
    pub(super) fn prepare_without_secrets(&self) -> Result<Prepared, StartError> {
        self.prepare_file_without_secrets(&self.config_path())
    }

    /// Like [`Context::prepare_without_secrets`], but loads the configuration file at `path`.
    pub(super) fn prepare_file_without_secrets(&self, path: &Path) -> Result<Prepared, StartError> {
        let config = Config::load_without_secrets(path, &self.vars, &stand_in()?)?;
        Ok(Prepared::new(config)?)
    }

    /// Returns the context for a command that calls the cloud. With `--sandbox`, the command calls
    /// the stand-in cloud instead.
    ///
    /// # Errors
    /// Fails if no server listens at the address of `--sandbox`.
    #[cfg(feature = "sandbox")]
    pub(super) async fn calling(&self, cloud: &CloudChoice) -> Result<Self, Failure> {
        match cloud.sandbox {
            None => Ok(self.clone()),
            Some(address) if super::sandbox::is_there(address).await => {
                Ok(self.at_sandbox(address))
            }
            Some(address) => Err(Failure::Failed(format!(
                "no stand-in cloud runs at {address}; start `sharehook serve --sandbox` or `sharehook sandbox`"
            ))),
        }
    }

    /// Returns the context for a command that calls the stand-in cloud at this address.
    #[cfg(feature = "sandbox")]
    pub(super) fn at_sandbox(&self, address: SocketAddr) -> Self {
        let url = format!("http://{address}");
        let mut vars = super::sandbox::vars_for(&self.vars, &url);
        vars.insert(SANDBOX_ENTRY.to_owned(), url);
        Self {
            vars,
            ..self.clone()
        }
    }

    /// Returns the context for a command that calls the cloud. Fails if the user gave `--sandbox`,
    /// because this build has no stand-in cloud.
    #[cfg(not(feature = "sandbox"))]
    pub(super) async fn calling(&self, cloud: &CloudChoice) -> Result<Self, Failure> {
        match cloud.sandbox {
            None => Ok(self.clone()),
            Some(_) => Err(Failure::usage(
                "this build has no sandbox; build it with the default features",
            )),
        }
    }

    /// Opens the application for a command of the operator, which receives no delivery.
    pub(super) async fn start_to_operate(&self) -> Result<App, StartError> {
        let prepared = Prepared::new(self.load_to_operate()?)?;
        prepared.open(&self.vars, Clock::System).await
    }

    pub(super) async fn start(&self) -> Result<App, StartError> {
        self.prepare()?.open(&self.vars, Clock::System).await
    }
}

/// Returns a random text to use in place of a secret.
fn stand_in() -> Result<SecretString, StartError> {
    let seed = clock::fresh_bytes::<32>()
        .map_err(|error| StartError::Failed(format!("no random bytes: {error}")))?;
    Ok(STANDARD.encode(seed).into())
}
