//! Examines whether a deployment can do its job.
//!
//! The checks read the cloud and the approval systems, write probe files to the journal and its
//! index, and send a HEAD request to each ticket system and to each notification target that has an
//! address. The probe files are deleted if this process may delete them, except one beside the
//! records if the index is elsewhere.
//! Nothing is changed in the cloud. Each check returns a finding, with the remedy if something is
//! wrong.

use std::time::Duration;

use serde::Serialize;

use crate::app::App;
use crate::app::application::fresh_worker;
use crate::app::notifying::probe;
use crate::app::sweeps::{clock_differs, signer, try_new_key, with_origin};
use crate::cloud::{Cloud, Deadline, ImagesQuery};
use crate::config::{AccountConfig, DEFAULT_ACCOUNT};
use crate::domain::{CloudError, Danger, ErrorClass, Problem, Region, Site, Warning, spelled};
use crate::journal::MAX_CLOCK_DIFFERENCE;

use super::check::{dangers, lost_journal};

/// Time limit of one check of the cloud, of an approval or ticket system, or of a target.
pub(super) const CHECK_TIME: Duration = Duration::from_secs(10);

spelled! {
    /// What a check examines.
    Check {
        /// A secret of a sender or a notification target that this process cannot read.
        Secret = "secret",
        /// The policies, and settings that are valid but dangerous.
        Policy = "policy",
        /// The journal's store: whether it refuses to create a file that exists, whether it can be
        /// listed and read, and whether index files can be deleted.
        Journal = "journal",
        /// Locks in the journal's folder.
        Locks = "locks",
        /// The key that seals the journal.
        Seal = "seal",
        /// An owner account: credentials, endpoint, permission to read.
        Cloud = "cloud",
        /// The difference between this machine's clock and the cloud's.
        Clock = "clock",
        /// A source's access to its approval or ticket system, and the instances that must still be
        /// fetched.
        Fetch = "fetch",
        /// A notification target.
        Notify = "notify",
    }
}

spelled! {
    /// The grade of a finding.
    Health {
        Good = "ok",
        /// The deployment works, but something restricts or endangers it.
        Limited = "warning",
        /// The deployment cannot do this part of its job.
        Broken = "failed",
    }
}

/// One result of a check.
#[derive(Debug, Serialize)]
pub struct Finding {
    pub check: Check,
    pub health: Health,
    /// What the check found, and what to do if something is wrong.
    pub text: String,
}

impl Finding {
    /// Turns `Ok` into a [`Health::Good`] finding and `Err` into a [`Health::Broken`] one.
    pub(super) fn of(check: Check, end: Result<String, impl ToString>) -> Self {
        match end {
            Ok(text) => Self::good(check, text),
            Err(why) => Self::broken(check, why.to_string()),
        }
    }

    /// A secret that this process cannot read.
    pub fn unreadable(problem: &Problem) -> Self {
        Self::broken(Check::Secret, problem.to_string())
    }

    pub(super) fn good(check: Check, text: impl Into<String>) -> Self {
        Self::new(check, Health::Good, text)
    }

    pub(super) fn limited(check: Check, text: impl Into<String>) -> Self {
        Self::new(check, Health::Limited, text)
    }

    pub(super) fn broken(check: Check, text: impl Into<String>) -> Self {
        Self::new(check, Health::Broken, text)
    }

    fn new(check: Check, health: Health, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            check,
            health,
            text,
        }
    }
}

impl App {
    /// Runs every check.
    pub async fn examine(&self) -> Vec<Finding> {
        let mut findings = self.examine_policy();
        findings.extend(self.examine_journal().await);
        findings.extend(self.examine_seal().await);
        let accounts = &self.config().cloud.accounts;
        for (name, cloud) in self.clouds.all() {
            let account = accounts.iter().find(|account| account.name == name);
            findings.extend(self.examine_cloud(name, cloud, account).await);
        }
        findings.extend(self.examine_fetching().await);
        for target in self.prepared.targets.values() {
            let name = &target.config.subscription.name;
            // A target without an address sends through the app of a source's `fetch`. That app was
            // examined above.
            let Some(address) = &target.config.address else {
                continue;
            };
            let answered = probe(&target.client, address, CHECK_TIME).await;
            let answered = answered.map(|status| format!("{name}: answers HTTP {status}"));
            let remedy = "check [[notify]] url, proxy and ca_file";
            let answered =
                answered.map_err(|why| format!("{name}: does not answer: {why}; {remedy}"));
            findings.push(Finding::of(Check::Notify, answered));
        }
        findings
    }

    /// Logs a warning if the journal is lost with the process or the instance, unless `[check] allow`
    /// accepts that.
    pub fn log_lost_journal(&self) {
        let config = self.config();
        if !config.allowed.contains(&Danger::LostJournal)
            && let Some(problem) = lost_journal(config)
        {
            tracing::warn!("{problem}");
        }
    }

    fn examine_policy(&self) -> Vec<Finding> {
        let digest = self.prepared.policy_digest().get(..12).unwrap_or_default();
        let text = format!(
            "{} (digest {digest}), sources: {}",
            self.config().policy.display(),
            self.config().sources.len()
        );
        let warnings = dangers(self.config(), Some(&self.prepared.policies), self.now());
        let limited = |found: Warning| Finding::limited(Check::Policy, found.problem.to_string());
        let mut findings = vec![Finding::good(Check::Policy, text)];
        findings.extend(warnings.into_iter().map(limited));
        findings
    }

    async fn examine_journal(&self) -> Vec<Finding> {
        let place = &self.config().journal;
        let proven = match self.prove_create_only().await {
            Ok(()) => self.requests(Some(1)).await,
            Err(error) => Err(error),
        };
        let proven = proven.map(|newest| {
            // A wrong place looks like a new journal.
            let none = match newest.entries.is_empty() && newest.flaws.is_empty() {
                true => "; it has no request yet: if it should, correct the place",
                false => "",
            };
            format!("{place}: refuses to create a file twice, lists and reads{none}")
        });
        let mut findings = vec![Finding::of(Check::Journal, proven)];
        let undeletable = self.journal.cannot_delete();
        findings.extend(undeletable.map(|error| {
            let text = format!(
                "index files of finished work stay, and each sweep fails to delete them: {error}"
            );
            Finding::limited(Check::Journal, text)
        }));
        if let Ok(probe) = fresh_worker()
            && let Some(error) = self.journal.lacks_locks(probe).await
        {
            findings.push(Finding::limited(
                Check::Locks,
                format!(
                    "no locks in the journal's folder ({error}): the work of a killed process waits \
                     until its lease ends"
                ),
            ));
        }
        findings
    }

    /// Checks the seal's key and the time of the newest seal. Returns no finding if the journal is
    /// not sealed, because the examination of the configuration already warns about that.
    async fn examine_seal(&self) -> Option<Finding> {
        let seal = self.config().seal.as_ref()?;
        let signer = match signer(self.config()) {
            Ok(Some(signer)) => signer,
            Ok(None) => {
                let made = try_new_key(self.config(), &self.journal).await;
                let made = made.map(|()| "no seal yet: the first one makes the key".to_owned());
                return Some(Finding::of(Check::Seal, made));
            }
            Err(problem) => return Some(Finding::broken(Check::Seal, problem.to_string())),
        };
        let sealed = self.journal.check_sealing(signer.verifier()).await;
        let sealed = sealed.map_err(|error| with_origin(error, seal));
        let sealed = sealed.map(|newest| match newest {
            Some(at) => format!("the newest seal was made at {at}"),
            None => "the key is there; no seal was made yet".to_owned(),
        });
        Some(Finding::of(Check::Seal, sealed))
    }

    /// Looks up the credentials and lists the images that can be shared. Listing succeeds only if
    /// the endpoint answers and the key has the permission.
    async fn examine_cloud(
        &self,
        name: &str,
        cloud: &Cloud,
        account: Option<&AccountConfig>,
    ) -> Vec<Finding> {
        let region = match self.examined_region(account) {
            Ok(region) => region,
            Err(why) => return vec![Finding::broken(Check::Cloud, format!("{name}: {why}"))],
        };
        let deadline = Deadline::after(CHECK_TIME);
        let regional = cloud.at(&region, deadline);
        let refused =
            |error: &CloudError| format!("{name}: DescribeImagesToShare in {region}: {error}");
        let cloud_finding = match regional.images_to_share(ImagesQuery::All).await {
            Ok(images) => {
                let answers = |who: &str| {
                    format!(
                        "{name}: DescribeImagesToShare answers{who} in {region}; images: {}",
                        images.len()
                    )
                };
                match cloud.owner_account(deadline).await {
                    Ok(owner) => Finding::good(Check::Cloud, answers(&format!(" account {owner}"))),
                    Err(error) => {
                        let remedy = match error.class {
                            ErrorClass::Operator => "; allow sts:GetCallerIdentity",
                            _ => "",
                        };
                        Finding::limited(
                            Check::Cloud,
                            format!(
                                "{}; the account of these credentials is unknown: {error}{remedy}",
                                answers("")
                            ),
                        )
                    }
                }
            }
            // A process without default credentials can still serve the named accounts.
            Err(error) if name == DEFAULT_ACCOUNT && !self.config().cloud.accounts.is_empty() => {
                Finding::limited(Check::Cloud, refused(&error))
            }
            Err(error) => Finding::broken(Check::Cloud, refused(&error)),
        };
        let mut findings = vec![cloud_finding];
        if let Some(seconds) = cloud.clock_difference() {
            findings.push(
                if seconds.unsigned_abs() <= MAX_CLOCK_DIFFERENCE.as_secs().unsigned_abs() {
                    let seconds = seconds.unsigned_abs();
                    Finding::good(Check::Clock, format!("{seconds} s off the cloud's clock"))
                } else {
                    let problem = clock_differs(seconds);
                    Finding::limited(
                        Check::Clock,
                        format!("{problem}; synchronise this machine's clock"),
                    )
                },
            );
        }
        findings
    }

    /// Returns the account's first region that has Lighthouse. If none of them has it, returns a
    /// common region of the site, because the account's key can call Lighthouse in any region.
    fn examined_region(&self, account: Option<&AccountConfig>) -> Result<Region, Problem> {
        let served = self.config().rules();
        let regions = account.into_iter().flat_map(|account| &account.regions);
        let mut regions = regions.filter_map(|name| name.parse().ok());
        if let Some(region) = regions.find(|region| served.knows_lighthouse(region)) {
            return Ok(region);
        }
        match self.config().cloud.site {
            Site::Intl => "ap-singapore".parse(),
            Site::Cn => "ap-guangzhou".parse(),
        }
    }
}
