//! What every command needs: where the configuration is, and the application made of it.

use std::path::PathBuf;

use crate::app::{App, Prepared, StartError};
use crate::clock::Clock;
use crate::config::{Config, Vars};

/// What every command needs.
pub(crate) struct Context {
    pub(super) config: Option<PathBuf>,
    pub(super) json: bool,
    pub(super) vars: Vars,
}

impl Context {
    /// The configuration file: `--config`, `SHAREHOOK_CONFIG`, beside the binary, or in the current
    /// folder.
    fn config_path(&self) -> PathBuf {
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

    /// Fetches what the configuration keeps in AWS. What cannot be had is told where the
    /// configuration is read.
    pub(super) async fn fetch_secrets(&mut self) {
        if let Ok(text) = std::fs::read_to_string(self.config_path()) {
            crate::app::fetch_secrets(&text, &mut self.vars).await;
        }
    }

    pub(super) fn load(&self) -> Result<Config, StartError> {
        Ok(Config::load(&self.config_path(), &self.vars)?)
    }

    /// Configuration, policies and maps, checked; nothing is opened yet.
    pub(super) fn prepare(&self) -> Result<Prepared, StartError> {
        Ok(Prepared::new(self.load()?)?)
    }

    /// The whole application.
    pub(super) async fn start(&self) -> Result<App, StartError> {
        self.prepare()?.open(&self.vars, Clock::System).await
    }
}
