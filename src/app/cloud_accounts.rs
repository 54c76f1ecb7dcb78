//! Chooses a cloud client. Takes the configuration and an image. Returns the client of the account
//! that owns the image, and the name of that account.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use secrecy::SecretString;

use crate::cloud::credentials::{InvocationCredentials, RoleArn};
use crate::cloud::{Cloud, CloudSettings, CredentialChain, Deadline, Endpoint};
use crate::config::{AccountConfig, CloudKey, Config, DEFAULT_ACCOUNT, Vars};
use crate::domain::{
    AccountId, Action, Item, ItemResult, Problem, Problems, Region, ResultCode, ResultKind,
    ShareRequest,
};
use crate::journal::MAX_CLOCK_DIFFERENCE;

const COPY_AGAIN: &str = "copy the key again, without spaces or line breaks";

/// A cloud client for each configured account, and one for the credentials of the process.
#[derive(Debug)]
pub(super) struct CloudAccounts {
    default: Cloud,
    named: BTreeMap<String, Cloud>,
    /// Holds the credentials that some hosts send with each invocation.
    invocation_credentials: InvocationCredentials,
    uses_invocation_credentials: AtomicBool,
}

/// The cloud client of the account that owns an image, with the name of that account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) cloud: &'a Cloud,
    /// The owner account's name; `None` if no accounts are configured.
    pub(super) account: Option<&'a str>,
}

impl CloudAccounts {
    /// Creates the clients without calling the cloud. Each account gets its own rate limit, because
    /// the cloud limits calls per account.
    pub(super) fn new(
        config: &Config,
        settings: &CloudSettings,
        vars: &Vars,
    ) -> Result<Self, Problems> {
        let home = vars.get("HOME").map(PathBuf::from);
        let chain = CredentialChain::from_disk(vars, home);
        let invocation_credentials = chain.invocation_credentials();
        // Each credential chain gets its own copy of the key, so that each client notices when its
        // key is replaced.
        let keyed = |chain: CredentialChain| match &config.cloud.key {
            None => Ok(chain),
            Some(key) => chain.with_process_key(&pair(key)).map_err(|error| {
                Problem::new("TENCENTCLOUD_SECRET_ID", error.to_string(), COPY_AGAIN)
            }),
        };
        let mut named = BTreeMap::new();
        for account in &config.cloud.accounts {
            let chain = chain_of(account, keyed(chain.clone())?)?;
            named.insert(account.name.clone(), Cloud::new(settings.clone(), chain)?);
        }
        let default = Cloud::new(settings.clone(), keyed(chain)?)?;
        Ok(Self {
            default,
            named,
            invocation_credentials,
            uses_invocation_credentials: AtomicBool::new(false),
        })
    }

    /// Logs each account whose calls cannot be signed now. This does not prevent a server from
    /// starting.
    pub(super) async fn log_missing_credentials(&self, deadline: Deadline) {
        // The credentials arrive with each invocation, so there are none to look up yet.
        if self.uses_invocation_credentials.load(Ordering::Relaxed) {
            return;
        }
        for (account, cloud) in self.all() {
            if let Err(error) = cloud.find_credentials(deadline).await {
                tracing::warn!(account, %error, "no usable credentials for this owner account; calls in its name will fail");
            }
        }
    }

    /// Forgets the measured differences between the clouds' clocks and this machine's.
    pub(super) fn forget_clock(&self) {
        self.all().for_each(|(_, cloud)| cloud.forget_clock());
    }

    /// Returns by how many seconds a cloud's clock is ahead of this machine's clock. A negative
    /// number means that the cloud's clock is behind. Of all clients' differences, this is the
    /// largest. Returns `None` if no answer since `forget_clock` showed a difference of more than a
    /// minute.
    pub(super) fn clock_difference(&self) -> Option<i64> {
        let differences = self.all().filter_map(|(_, cloud)| cloud.clock_difference());
        let most = MAX_CLOCK_DIFFERENCE.as_secs().unsigned_abs();
        let wrong = differences.filter(|seconds| seconds.unsigned_abs() > most);
        wrong.max_by_key(|seconds| seconds.unsigned_abs())
    }

    /// Returns each client with the name of its account: first the client with the process's own
    /// credentials, then the clients of the configured accounts.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &Cloud)> {
        let named = self
            .named
            .iter()
            .map(|(name, cloud)| (name.as_str(), cloud));
        std::iter::once((DEFAULT_ACCOUNT, &self.default)).chain(named)
    }

    /// Makes the clients use the credentials in the headers of each request. Call this only on a
    /// host that writes these headers itself.
    pub(super) fn use_invocation_credentials(&self) {
        self.uses_invocation_credentials
            .store(true, Ordering::Relaxed);
    }

    /// Replaces the keys of all clients with the keys in `config`, which were read again. If a
    /// client's new key cannot be used, that client keeps its previous key.
    pub(super) fn replace_keys(&self, config: &Config) {
        let named = config.cloud.accounts.iter().map(|account| {
            // An account without its own key assumes its role with the process's key.
            let key = account.key.as_ref().or(config.cloud.key.as_ref());
            (account.name.as_str(), self.named.get(&account.name), key)
        });
        let default = (
            DEFAULT_ACCOUNT,
            Some(&self.default),
            config.cloud.key.as_ref(),
        );
        for (name, cloud, key) in named.chain([default]) {
            if let (Some(key), Some(cloud)) = (key, cloud)
                && let Err(error) = cloud.replace_key(name, &pair(key))
            {
                tracing::warn!(%error, "a cloud account's new key cannot be used, so its previous key stays in use; correct the key in the secret");
            }
        }
    }

    /// Makes each client look up its credentials again at its next call.
    pub(super) fn look_up_credentials_again(&self) {
        self.all()
            .for_each(|(_, cloud)| cloud.look_up_credentials_again());
    }

    /// Returns the place to store the credentials that arrive with an invocation. Returns `None` on
    /// a host where a sender could write the headers that carry them.
    pub(super) fn invocation_credentials(&self) -> Option<&InvocationCredentials> {
        self.uses_invocation_credentials
            .load(Ordering::Relaxed)
            .then_some(&self.invocation_credentials)
    }

    /// Returns the client of the account that, according to `config`, owns `image` in `region`.
    pub(super) fn of<'a>(
        &'a self,
        config: &'a Config,
        image: Option<&str>,
        region: &Region,
    ) -> Chosen<'a> {
        let found = config.cloud.account_for(image, region.as_str());
        match found.and_then(|account| Some((account, self.named.get(&account.name)?))) {
            Some((account, cloud)) => Chosen {
                cloud,
                account: Some(&account.name),
            },
            None => Chosen {
                cloud: &self.default,
                account: self.are_several().then_some(DEFAULT_ACCOUNT),
            },
        }
    }

    /// Whether accounts are configured in addition to the credentials of the process.
    pub(super) fn are_several(&self) -> bool {
        !self.named.is_empty()
    }
}

/// Returns the result for the owner's own account if a share names it as a receiver. That account
/// must be left out of the call, because the cloud would refuse the whole call. `owner` is the
/// account of the credentials in use, if a read has shown it.
pub(super) fn own_account(owner: Option<AccountId>, request: &ShareRequest) -> Option<ItemResult> {
    let owner = owner?;
    let own = request
        .target
        .accounts()
        .iter()
        .find(|account| owner == **account)?;
    let why = "this account owns the image and needs no share; remove the account from the request";
    let kind = ResultKind::failed(ResultCode::OwnAccount, why, false);
    (request.action == Action::Share)
        .then(|| ItemResult::new(Item::Account(own.clone()), kind, None))
}

/// Checks the cloud's endpoint, and the role and key of each account. Returns the problems.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let cloud = &config.cloud;
    let endpoint = Endpoint::of(cloud.endpoint.as_deref(), cloud.site, "cvm").err();
    let endpoint =
        endpoint.map(|wrong| config.problem("cloud.endpoint", &wrong.problem, &wrong.remedy));
    let nothing = CredentialChain::from_disk(&Vars::new(), None);
    let check = |account| chain_of(account, nothing.clone()).err();
    let accounts = cloud.accounts.iter().filter_map(check);
    let accounts = accounts.flat_map(|Problems(found)| found);
    endpoint.into_iter().chain(accounts).collect()
}

fn pair((id, key): &CloudKey) -> (SecretString, SecretString) {
    (id.text.clone(), key.text.clone())
}

fn chain_of(account: &AccountConfig, chain: CredentialChain) -> Result<CredentialChain, Problems> {
    let chain = match &account.key {
        None => chain,
        Some(key) => chain
            .with_key(&account.name, &pair(key))
            .map_err(|error| Problem::at(account.mark.clone(), error.to_string(), COPY_AGAIN))?,
    };
    match &account.role_arn {
        None => Ok(chain),
        Some((role, mark)) => {
            let role: RoleArn = role
                .parse()
                .map_err(|p: Problem| Problem::at(mark.clone(), p.problem, p.remedy))?;
            Ok(chain.assuming(role))
        }
    }
}
