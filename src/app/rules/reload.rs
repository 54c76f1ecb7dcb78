//! Replaces the rules in force: all of them after a signal, or only the secrets if their values
//! have changed. If the new rules have problems, the current rules stay in force. A delivery keeps
//! the rules under which it was verified. What the process opens once at its start, such as the
//! journal, is not opened again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout, timeout_at};

use crate::app::App;
use crate::app::sweeps::signer;
use crate::config::{
    AwsSecrets, Config, Renewal, SealConfig, SealKey, SecretError, SecretRef, text_of,
};
use crate::domain::{Problem, Problems};
use crate::telemetry::Metric;

use super::prepared::Prepared;
use super::secrets::{fetch_secret, fetch_secrets, fetch_secrets_by};

/// Time limit for reading the secrets again while a delivery or a sweep waits, including the time
/// that it waits for another reading to end. [`App::reload`] has no such limit. A delivery that
/// only waits until another delivery has read the secrets waits up to twice this time.
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

    /// Like [`App::in_force`], but first reads the secrets again if they are old. Servers and
    /// functions call this before each delivery and sweep. A background task could not do it,
    /// because the host of a function runs no task between deliveries.
    pub async fn now_in_force(self: &Arc<Self>) -> Arc<Self> {
        if self.rules.prepared().config().has_changing_secrets()
            && self.rules.read.lock().is_old(Instant::now())
        {
            Box::pin(self.read_secrets_again()).await;
        }
        self.in_force()
    }

    /// Called after a signature matched no secret. Reads the secrets again, at most once in ten
    /// seconds, or waits for a reading that another delivery has begun. Returns the application
    /// under the rules in force, or `None` if this application already has these rules.
    pub(in crate::app) async fn with_reloaded_secrets(&self) -> Option<Self> {
        if self.rules.prepared().config().has_changing_secrets() {
            if self.rules.read.lock().may_reread(Instant::now()) {
                Box::pin(self.read_secrets_again()).await;
            } else {
                // Another delivery may be reading the secrets now. Wait until it has put the rules
                // with these secrets in force.
                let longest = READ_WITHIN.saturating_mul(2);
                drop(timeout(longest, self.rules.replacing.lock()).await);
            }
        }
        let prepared = self.rules.prepared();
        let same = Arc::ptr_eq(&prepared, &self.prepared);
        (!same).then(|| self.under(prepared))
    }

    /// Reads configuration, maps, policies and secrets again and puts them in force for all
    /// deliveries that begin later. The credentials for the cloud are looked up again for later
    /// calls.
    ///
    /// # Errors
    /// Returns the problems of the new configuration, maps, policies and secrets, or the changed
    /// settings that need a restart. The current rules then stay in force.
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
        self.clouds.look_up_credentials_again();
        self.rules.put(Arc::new(later));
        self.rules.readings.forget();
        self.rules.read.lock().at = Instant::now();
        Ok(())
    }

    /// Reads the key of the seals again if it is in AWS, where it may have been exchanged. Returns
    /// the application with a changed key, which it puts in force, or `None`.
    pub(in crate::app) async fn with_reread_seal_key(&self) -> Option<Self> {
        let by = Instant::now() + READ_WITHIN;
        let _replacing = timeout_at(by, self.rules.replacing.lock()).await.ok()?;
        let present = self.rules.prepared();
        let seal = present.config().seal.clone()?;
        let SealKey::Secret(key) = &seal.key else {
            return None;
        };
        let SecretRef::Aws(secret) = &key.reference else {
            return None;
        };
        let reference = secret.to_string();
        let fetched = fetch_secret(&reference, &self.rules.vars);
        let fetched = timeout_at(by, fetched).await.ok()?;
        let config = present.config();
        let later = config.read_secret_again(&key.reference, &fetched).ok()?;
        if later.is(key) {
            // Another task may have read it since this application was built.
            return (!Arc::ptr_eq(&present, &self.prepared)).then(|| self.under(present));
        }
        let mut config = config.clone();
        config.seal = Some(SealConfig {
            key: SealKey::Secret(later),
            ..seal
        });
        let renewed = Arc::new(present.renewed(config).ok()?);
        // Keep the old key in force if the new one cannot be used: after the error of the old key,
        // the next seal reads it again.
        if signer(renewed.config()).is_ok() {
            self.rules.put(Arc::clone(&renewed));
        }
        Some(self.under(renewed))
    }

    fn under(&self, prepared: Arc<Prepared>) -> Self {
        Self {
            prepared,
            ..self.clone()
        }
    }

    /// Reads the secrets again. A secret that cannot be read or used keeps its last value.
    async fn read_secrets_again(&self) {
        let by = Instant::now() + READ_WITHIN;
        // A reload may hold the lock longer than `READ_WITHIN`.
        let Ok(_replacing) = timeout_at(by, self.rules.replacing.lock()).await else {
            self.metrics.count(Metric::SecretReadFailures, &[]);
            tracing::warn!(
                "the secrets are not read again, because an earlier reading is not finished; their last values stay in use"
            );
            return;
        };
        let mut present = self.rules.prepared();
        let read = self.secrets_now(&present, by).await;
        let mut read: BTreeMap<_, _> = read.into_iter().collect();
        for group in present.config().changing_groups() {
            let group = group.iter().filter_map(|one| read.remove_entry(one));
            let group: Vec<Renewal> = group.collect();
            if let Some(renewed) = self.with_renewed(&present, group).await {
                present = Arc::new(renewed);
            }
        }
        self.clouds.replace_keys(present.config());
        self.rules.put(present);
    }

    /// Returns the rules with the changed secrets of a group, for example the two halves of a key.
    /// Returns `None` if no secret of the group has changed. Also returns `None` if a secret cannot
    /// be read or used, because the halves of a key can only be used together.
    async fn with_renewed(&self, present: &Prepared, group: Vec<Renewal>) -> Option<Prepared> {
        let keeps = |reference: &SecretRef, why: &str| {
            self.metrics.count(Metric::SecretReadFailures, &[]);
            tracing::warn!(%reference, why, "a secret cannot be renewed; its last value stays in use");
        };
        let config = present.config();
        let (mut changed, mut all_read) = (Vec::new(), true);
        for (reference, read) in group {
            let in_use = config.secrets.get(&reference);
            match read {
                Ok(secret) if in_use.is_some_and(|now| now.is(&secret)) => {}
                Ok(secret) => changed.push(secret),
                Err(error) => {
                    all_read = false;
                    keeps(&reference, &error.to_string());
                }
            }
        }
        if changed.is_empty() {
            return None;
        }
        let renewed = match all_read {
            true => config
                .with_secrets(changed.clone(), &self.rules.vars)
                .and_then(|config| present.renewed(config))
                .map_err(|problems| problems.to_string()),
            false => Err("the other half of its key cannot be read".to_owned()),
        };
        for secret in &changed {
            let reference = &secret.reference;
            if let Err(why) = &renewed {
                keeps(reference, why);
                continue;
            }
            let version = self.version_of(secret).await;
            tracing::info!(%reference, version, "a secret has changed; only its new value counts");
        }
        renewed.ok()
    }

    /// Reads all secrets that can change, at the same time. If a secret cannot be read until `by`,
    /// its result is an error and the other secrets are not affected.
    async fn secrets_now(&self, present: &Arc<Prepared>, by: Instant) -> Vec<Renewal> {
        let config = present.config();
        let changing = config.changing_secrets().cloned();
        let (files, others): (Vec<_>, Vec<_>) =
            changing.partition(|one| matches!(one, SecretRef::File(_)));
        let files = files.into_iter().map(|file| async move {
            let late = || Err(SecretError::Late(file.to_string()));
            let Some(reading) = self.rules.readings.begin(&file) else {
                let read = late();
                return (file, read);
            };
            let (prepared, reference) = (Arc::clone(present), file.clone());
            // Use a blocking task, because the file may be on a network file system.
            let read = tokio::task::spawn_blocking(move || {
                let _reading = reading;
                let none = AwsSecrets::new();
                prepared.config().read_secret_again(&reference, &none)
            });
            let read = match timeout_at(by, read).await {
                Ok(Ok(read)) => read,
                Ok(Err(_)) | Err(_) => late(),
            };
            (file, read)
        });
        let fetched = fetch_secrets_by(&config.text, &self.rules.vars, by);
        let (mut read, fetched) = tokio::join!(join_all(files), fetched);
        read.extend(others.into_iter().map(|secret| {
            let read = config.read_secret_again(&secret, &fetched);
            (secret, read)
        }));
        read
    }
}
