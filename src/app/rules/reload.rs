//! Replaces the rules in force: configuration, maps, policies and secrets. In: a signal, or secrets
//! whose values have changed. Out: new rules, or why the current ones stay in force. A delivery
//! keeps the rules under which it was verified. What a process opens once is not opened again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::config::{Config, Renewal, text_of};
use crate::domain::{Problem, Problems};
use crate::telemetry::Metric;

use super::prepared::Prepared;
use super::secrets::fetch_secrets;

/// Time limit of reading the secrets again while a delivery or a sweep waits. It includes the wait
/// for another reading. [`App::reload`] has no limit.
const READ_WITHIN: Duration = Duration::from_secs(2);

impl App {
    /// Returns the application under the rules in force.
    pub fn in_force(self: &Arc<Self>) -> Arc<Self> {
        let prepared = self.rules.prepared();
        if Arc::ptr_eq(&prepared, &self.prepared) {
            return Arc::clone(self);
        }
        Arc::new(self.under(prepared))
    }

    /// As [`App::in_force`], but reads old secrets again first. Servers and functions call it
    /// before each delivery and sweep, because a function's host runs no task between them.
    pub async fn now_in_force(self: &Arc<Self>) -> Arc<Self> {
        if self.rules.prepared().config().has_changing_secrets()
            && self.rules.read.lock().is_old(Instant::now())
        {
            Box::pin(self.read_secrets_again()).await;
        }
        self.in_force()
    }

    /// Reads the secrets again after a signature matched none, at most once in ten seconds, or waits
    /// for a reading that another delivery has begun. Returns the application under the rules in
    /// force; `None` if this application has them already.
    pub(in crate::app) async fn with_reloaded_secrets(&self) -> Option<Self> {
        if self.rules.prepared().config().has_changing_secrets() {
            if self.rules.read.lock().may_reread(Instant::now()) {
                Box::pin(self.read_secrets_again()).await;
            } else {
                // Another delivery may be reading the secrets just now: wait until it has done so.
                drop(timeout(READ_WITHIN, self.rules.replacing.lock()).await);
            }
        }
        let prepared = self.rules.prepared();
        let same = Arc::ptr_eq(&prepared, &self.prepared);
        (!same).then(|| self.under(prepared))
    }

    /// Reads configuration, maps, policies and secrets again and puts them in force, for all
    /// deliveries that begin later.
    ///
    /// # Errors
    /// The problems of the new configuration, maps, policies and secrets, or the changed settings
    /// that need a restart. The current rules stay in force.
    pub async fn reload(&self) -> Result<(), Problems> {
        let _replacing = self.rules.replacing.lock().await;
        let present = self.rules.prepared();
        let file = present.config().file.clone();
        let text = text_of(Path::new(&file)).unwrap_or_default();
        let fetched = fetch_secrets(&text, &self.rules.vars).await;
        let config = Config::load(Path::new(&file), &self.rules.vars, &fetched)?;
        let fixed = present.config().needs_restart(&config);
        if !fixed.is_empty() {
            let problem = format!("{} cannot change while the process runs", fixed.join(", "));
            return Err(Problem::new(file, problem, "restart the process").into());
        }
        let later = Prepared::new(config)?.with_mode_of(&present);
        self.clouds.replace_keys(later.config());
        self.rules.put(Arc::new(later));
        self.rules.read.lock().at = Instant::now();
        Ok(())
    }

    fn under(&self, prepared: Arc<Prepared>) -> Self {
        Self {
            prepared,
            ..self.clone()
        }
    }

    /// Reads the secrets again. A secret that cannot be read or used keeps its last value.
    async fn read_secrets_again(&self) {
        // Limit the wait for the lock too: a reload may hold it for longer than `READ_WITHIN`.
        let reading = async {
            let replacing = self.rules.replacing.lock().await;
            let present = self.rules.prepared();
            let read = self.secrets_now(&present).await?;
            Some((replacing, present, read))
        };
        let reading = timeout(READ_WITHIN, reading).await.ok().flatten();
        let Some((_replacing, mut present, read)) = reading else {
            self.metrics.count(Metric::SecretReadFailures, &[]);
            tracing::warn!(
                "the secrets could not be read, or not in time; their last values stay in use"
            );
            return;
        };
        for (reference, read) in read {
            let in_use = present.config().secrets.get(&reference);
            let renewed = match read {
                Ok(secret) if in_use.is_some_and(|now| now.is(&secret)) => continue,
                Ok(secret) => present
                    .config()
                    .with_secret(secret, &self.rules.vars)
                    .and_then(|config| present.renewed(config))
                    .map_err(|problems| problems.to_string()),
                Err(error) => Err(error.to_string()),
            };
            match renewed {
                Ok(renewed) => {
                    present = Arc::new(renewed);
                    let secret = present.config().secrets.get(&reference);
                    let version = match secret {
                        Some(secret) => self.version_of(secret).await,
                        None => None,
                    };
                    tracing::info!(%reference, version, "a secret has changed; only its new value counts");
                }
                Err(why) => {
                    self.metrics.count(Metric::SecretReadFailures, &[]);
                    tracing::warn!(%reference, why, "a secret cannot be renewed; its last value stays in use");
                }
            }
        }
        self.clouds.replace_keys(present.config());
        self.rules.put(present);
    }

    /// The values of the secrets that can change; `None` if the task that reads them fails.
    async fn secrets_now(&self, present: &Arc<Prepared>) -> Option<Vec<Renewal>> {
        let prepared = Arc::clone(present);
        let vars = self.rules.vars.clone();
        let fetched = fetch_secrets(&prepared.config().text, &vars).await;
        // In a blocking task, because a secret's file may lie on a network.
        let read = move || prepared.config().read_secrets_again(&vars, &fetched);
        tokio::task::spawn_blocking(read).await.ok()
    }
}
