//! Defines how the sandbox behaves where the documentation gives a number, differs by site or
//! leaves a question open. A [`Reading`] contains the real cloud's answers to the open questions.
//! `scripts/real-cloud` writes a reading to a file, which a sandbox can follow.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A site of the cloud. The two sites differ in which actions and regions their documents list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The international site.
    #[default]
    Intl,
    /// The Chinese site.
    Cn,
}

impl FromStr for Site {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "intl" => Ok(Self::Intl),
            "cn" => Ok(Self::Cn),
            _ => Err("unknown site; write intl or cn".to_owned()),
        }
    }
}

/// How one refused account affects the other accounts of the call. The API pages do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// No account is changed.
    AllOrNothing,
    /// The accounts before the refused one are changed, those after it are not.
    UntilFirstBad,
}

/// The state of the service role through which Lighthouse reads CVM images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceRole {
    /// The role exists and works.
    Granted,
    /// The account has never approved the role: `ResourceNotFound.RoleNotFound`.
    Missing,
    /// The role exists but cannot be assumed: `UnsupportedOperation.AssumeRoleFailed`.
    NotAssumable,
}

/// The number of calls allowed per second for each action, region and key. `None` means no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// The limit of every Lighthouse action. The API pages say 20, except that of
    /// `DescribeBlueprints`, which says 10. The limit of `DescribeBlueprints` is the lower of 10
    /// and this number.
    pub lighthouse: Option<u32>,
    /// The limit of CVM's `ModifyImageSharePermission`. The page says 10. The sandbox does not
    /// limit CVM's reads.
    pub cvm_modify: Option<u32>,
}

impl RateLimits {
    /// No limit at all.
    pub const OFF: Self = Self {
        lighthouse: None,
        cvm_modify: None,
    };
}

/// The behaviour where the documentation gives a number or leaves a question open.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// The site to imitate, which decides the regions of Lighthouse.
    pub site: Site,
    /// Whether `DescribeBlueprintsShareAcrossAccountInfos` exists. The international site's
    /// documents and SDK do not list it.
    pub read_shares_api: bool,
    /// How a refused account affects a call of `ShareBlueprintAcrossAccounts`.
    pub lighthouse_batch: Batch,
    /// How a refused account affects a call of CVM's `ModifyImageSharePermission`.
    pub cvm_batch: Batch,
    /// When true, a call fails with `BlueprintAlreadyShared` if one of its accounts already has the
    /// blueprint; when false, only if all of them have it.
    pub any_already_shared_refuses: bool,
    /// When true, a call fails with `BlueprintHasNotShared` if one of its accounts does not have
    /// the blueprint; when false, only if the blueprint has no shares.
    pub any_not_shared_refuses: bool,
    /// Whether `ShareBlueprintAcrossAccounts` accepts a blueprint made from a CVM image. Its page
    /// says "custom images only", but not whether that includes such a blueprint.
    pub shares_published_blueprints: bool,
    /// The maximum number of accounts that one blueprint can be shared with. A quota exists; its
    /// size is not documented.
    pub lighthouse_accounts_per_image: usize,
    /// The maximum number of accounts that one CVM image can be shared with. The page says 500.
    pub cvm_accounts_per_image: usize,
    /// The maximum number of accounts in one CVM call. A limit exists; its size is not documented.
    pub cvm_accounts_per_call: usize,
    /// How long an image that was shared to Lighthouse stays `SYNCING` there.
    pub publish_delay: Duration,
    /// How long a blueprint refuses further changes after its shares were changed.
    pub modifying_delay: Duration,
    /// For how long a new share is missing from the lists of an image's accounts.
    pub list_delay: Duration,
    /// The state of the role through which Lighthouse reads CVM images.
    pub service_role: ServiceRole,
    /// The allowed calls per second.
    pub rate_limits: RateLimits,
}

impl Behaviour {
    /// Returns the documented behaviour of a site. Open questions get the most obvious answer.
    pub fn of(site: Site) -> Self {
        Self {
            site,
            read_shares_api: match site {
                Site::Intl => false,
                Site::Cn => true,
            },
            lighthouse_batch: Batch::AllOrNothing,
            cvm_batch: Batch::AllOrNothing,
            any_already_shared_refuses: false,
            any_not_shared_refuses: false,
            shares_published_blueprints: true,
            lighthouse_accounts_per_image: 500,
            cvm_accounts_per_image: 500,
            cvm_accounts_per_call: 50,
            publish_delay: Duration::ZERO,
            modifying_delay: Duration::ZERO,
            list_delay: Duration::ZERO,
            service_role: ServiceRole::Granted,
            rate_limits: RateLimits {
                lighthouse: Some(20),
                cvm_modify: Some(10),
            },
        }
    }

    /// Whether a share that was made at `since` is listed at `now`.
    pub(super) fn lists(&self, since: Timestamp, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        age >= self.list_delay
    }
}

impl Default for Behaviour {
    /// Returns the behaviour of the international site.
    fn default() -> Self {
        Self::of(Site::default())
    }
}

/// The real cloud's answers to the questions that its pages leave open. A question without an
/// answer keeps the site's default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    /// The site that gave the answers.
    pub site: Site,
    /// See [`Behaviour::read_shares_api`].
    pub read_shares_api: Option<bool>,
    /// See [`Behaviour::lighthouse_batch`].
    pub lighthouse_batch: Option<Batch>,
    /// See [`Behaviour::cvm_batch`].
    pub cvm_batch: Option<Batch>,
    /// See [`Behaviour::any_already_shared_refuses`].
    pub any_already_shared_refuses: Option<bool>,
    /// See [`Behaviour::any_not_shared_refuses`].
    pub any_not_shared_refuses: Option<bool>,
    /// See [`Behaviour::shares_published_blueprints`].
    pub shares_published_blueprints: Option<bool>,
    /// See [`Behaviour::cvm_accounts_per_call`].
    pub cvm_accounts_per_call: Option<usize>,
    /// See [`Behaviour::publish_delay`], in whole seconds.
    pub publish_delay_seconds: Option<u64>,
    /// The calls that gave these answers, for human readers. The sandbox ignores them.
    #[serde(default)]
    pub calls: Value,
}

impl Reading {
    /// Parses the text of a reading file.
    ///
    /// # Errors
    /// Fails if the text is not JSON of this form. The message contains the line.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Returns the site's default behaviour, changed by these answers.
    pub fn behaviour(&self) -> Behaviour {
        let mut all = Behaviour::of(self.site);
        put(&mut all.read_shares_api, self.read_shares_api);
        put(&mut all.lighthouse_batch, self.lighthouse_batch);
        put(&mut all.cvm_batch, self.cvm_batch);
        let refuses = self.any_already_shared_refuses;
        put(&mut all.any_already_shared_refuses, refuses);
        put(&mut all.any_not_shared_refuses, self.any_not_shared_refuses);
        let shares = self.shares_published_blueprints;
        put(&mut all.shares_published_blueprints, shares);
        put(&mut all.cvm_accounts_per_call, self.cvm_accounts_per_call);
        let delay = self.publish_delay_seconds.map(Duration::from_secs);
        put(&mut all.publish_delay, delay);
        all
    }
}

/// Replaces the default in `place` by the answer, if there is one.
fn put<T>(place: &mut T, answer: Option<T>) {
    if let Some(answer) = answer {
        *place = answer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_changes_what_it_answers_and_nothing_else() {
        let text = r#"{"site": "cn", "lighthouse_batch": "until_first_bad",
            "shares_published_blueprints": false, "publish_delay_seconds": 7, "calls": [1]}"#;
        let behaviour = Reading::parse(text).unwrap().behaviour();
        assert_eq!(behaviour.lighthouse_batch, Batch::UntilFirstBad);
        assert_eq!(behaviour.cvm_batch, Batch::AllOrNothing);
        assert!(behaviour.read_shares_api && !behaviour.shares_published_blueprints);
        assert_eq!(behaviour.publish_delay, Duration::from_secs(7));
    }

    #[test]
    fn a_question_that_the_sandbox_does_not_know_is_refused_with_its_line() {
        let error = Reading::parse("{\n\"site\": \"intl\",\n\"moon_phase\": true}").unwrap_err();
        assert!(error.to_string().contains("moon_phase"), "{error}");
        assert_eq!(error.line(), 3);
        assert!(Reading::parse("{}").is_err(), "the site is required");
    }
}
