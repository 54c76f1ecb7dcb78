//! The owner accounts' clouds. In: the configuration. Out: the one that a request belongs to, with
//! its name.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::cloud::credentials::{InvocationCredentials, RoleArn};
use crate::cloud::{Cloud, CloudSettings, CredentialChain};
use crate::config::{AccountConfig, Config, DEFAULT_ACCOUNT, Vars};
use crate::domain::{
    Action, Item, ItemResult, Problem, Problems, Region, ResultCode, ResultKind, ShareRequest,
};

/// A cloud for each configured account, and one for what the process finds by itself.
#[derive(Debug)]
pub(super) struct CloudAccounts {
    default: Cloud,
    named: BTreeMap<String, Cloud>,
    /// Where the credentials go that invocations bring.
    invocation_credentials: InvocationCredentials,
    believes_invocations: bool,
}

/// The cloud for one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chosen<'a> {
    pub(super) cloud: &'a Cloud,
    /// Its account; none where no accounts are configured, so that there is nothing to tell apart.
    pub(super) account: Option<&'a str>,
}

impl CloudAccounts {
    /// Looks nothing up yet. Each account keeps its own pace, because the cloud counts by account.
    pub(super) fn new(
        config: &Config,
        settings: &CloudSettings,
        vars: &Vars,
    ) -> Result<Self, Problems> {
        let home = vars.get("HOME").map(PathBuf::from);
        let chain = CredentialChain::from_disk(vars, home);
        let invocation_credentials = chain.invocation_credentials();
        let mut named = BTreeMap::new();
        for account in &config.cloud.accounts {
            let chain = chain_of(&config.file, account, chain.clone())?;
            named.insert(account.name.clone(), Cloud::new(settings.clone(), chain)?);
        }
        let default = Cloud::new(settings.clone(), chain)?;
        Ok(Self {
            default,
            named,
            invocation_credentials,
            believes_invocations: false,
        })
    }

    /// On a host that writes the credentials of its role into each request's headers.
    pub(super) fn believe_invocations(&mut self) {
        self.believes_invocations = true;
    }

    /// Where to put what an invocation brought; none where nobody but its sender can have written
    /// it.
    pub(super) fn invocation_credentials(&self) -> Option<&InvocationCredentials> {
        self.believes_invocations
            .then_some(&self.invocation_credentials)
    }

    /// By the beginning of the image's id, then by region, as the configuration says.
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
            None => {
                let several = !self.named.is_empty();
                Chosen {
                    cloud: &self.default,
                    account: several.then_some(DEFAULT_ACCOUNT),
                }
            }
        }
    }
}

/// An image cannot be shared with its owner: the cloud refuses that, and the whole call with it. To
/// be asked after a read, for which there had to be credentials: they tell whose images they are.
pub(super) fn own_account(cloud: &Cloud, request: &ShareRequest) -> Option<ItemResult> {
    let owner = cloud.owner()?;
    let own = request
        .target
        .accounts()
        .iter()
        .find(|account| owner == account.as_str())?;
    let kind = ResultKind::Failed {
        code: ResultCode::OwnAccount.into(),
        message: "this account owns the image, so it has it already".to_owned(),
        retryable: false,
    };
    (request.action == Action::Share)
        .then(|| ItemResult::new(Item::Account(own.clone()), kind, None))
}

/// What is wrong with the accounts' roles and keys.
pub(super) fn problems(config: &Config) -> Vec<Problem> {
    let nothing = CredentialChain::from_disk(&Vars::new(), None);
    let check = |account| chain_of(&config.file, account, nothing.clone()).err();
    config
        .cloud
        .accounts
        .iter()
        .filter_map(check)
        .flat_map(|Problems(found)| found)
        .collect()
}

fn chain_of(
    file: &str,
    account: &AccountConfig,
    chain: CredentialChain,
) -> Result<CredentialChain, Problems> {
    let chain = match &account.key {
        None => chain,
        Some((id, key)) => chain.with_key(&account.name, id, key).map_err(|error| {
            let place = format!("{file}:{}", account.line);
            Problem::new(
                place,
                error.to_string(),
                "copy the key again, without blanks or line ends",
            )
        })?,
    };
    match &account.role_arn {
        None => Ok(chain),
        Some((role, line)) => {
            let role: RoleArn = role.parse().map_err(|p: Problem| Problem {
                field: format!("{file}:{line}"),
                ..p
            })?;
            Ok(chain.assuming(role))
        }
    }
}
