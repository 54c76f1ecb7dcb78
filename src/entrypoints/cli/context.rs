//! Finds and loads the configuration for every command, and builds the application from it.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::app::{App, Prepared, StartError};
use crate::clock::{self, Clock};
use crate::config::{AwsSecrets, Config, Vars};

/// The common input of all commands.
pub(crate) struct Context {
    pub(super) config: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) vars: Vars,
    /// What the configuration keeps in AWS.
    pub(super) secrets: AwsSecrets,
}

impl Context {
    /// The configuration file: `--config`, `SHAREHOOK_CONFIG`, beside the binary, or in the current
    /// folder.
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
        beside
            .filter(|path| path.is_file())
            .unwrap_or_else(|| PathBuf::from("sharehook.toml"))
    }

    /// Fetches the secrets that the configuration keeps in AWS. `Config` reports the secrets that
    /// could not be fetched.
    pub(super) async fn fetch_secrets(&mut self) {
        if let Ok(text) = std::fs::read_to_string(self.config_path()) {
            self.secrets = crate::app::fetch_secrets(&text, &self.vars).await;
        }
    }

    pub(super) fn load(&self) -> Result<Config, StartError> {
        Ok(Config::load(
            &self.config_path(),
            &self.vars,
            &self.secrets,
        )?)
    }

    /// Loads and checks configuration, policies and maps. Opens no journal.
    pub(super) fn prepare(&self) -> Result<Prepared, StartError> {
        Ok(Prepared::new(self.load()?)?)
    }

    /// As [`Context::prepare`], with a random text for every secret: for commands that sign their own
    /// deliveries.
    pub(super) fn prepare_without_secrets(&self) -> Result<Prepared, StartError> {
        self.prepare_file_without_secrets(&self.config_path())
    }

    /// The same with another configuration file.
    pub(super) fn prepare_file_without_secrets(&self, path: &Path) -> Result<Prepared, StartError> {
        let seed = clock::fresh_seed()
            .map_err(|error| StartError::Failed(format!("no random bytes: {error}")))?;
        let stand_in = STANDARD.encode(seed).into();
        let config = Config::load_without_secrets(path, &self.vars, &stand_in)?;
        Ok(Prepared::new(config)?)
    }

    /// The whole application.
    pub(super) async fn start(&self) -> Result<App, StartError> {
        self.prepare()?.open(&self.vars, Clock::System).await
    }
}
