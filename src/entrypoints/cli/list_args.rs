//! The arguments of the commands that list what the journal holds.

use std::num::NonZeroUsize;

use clap::Args as ClapArgs;

use crate::domain::Language;

/// Another journal than the configured one.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct JournalPlace {
    /// The journal's location; the command then reads no configuration
    #[arg(long, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// The place of its index, if that is another
    #[arg(long, value_name = "PLACE", requires = "journal")]
    pub(crate) index: Option<String>,
}

/// The filters that all lists have.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct ListFilters {
    /// Only since this instant, or for so long, as in 7d
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<String>,
    /// Only in this state; repeatable
    #[arg(long = "state", value_name = "STATE")]
    pub(crate) states: Vec<String>,
    /// Only from this source
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// Only of this image: lhbp-… or img-…
    #[arg(long, value_name = "ID")]
    pub(crate) image: Option<String>,
    /// Only with this account, or Lighthouse
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Only of this ticket
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
    /// Only the newest, this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RequestsOptions {
    /// A request's id, or source/id
    #[arg(conflicts_with_all = ["since", "states", "source", "image", "account", "ticket", "limit"])]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) filters: ListFilters,
    /// List authenticated deliveries that were not understood instead
    #[arg(long, conflicts_with_all = ["id", "states", "image", "account", "ticket"])]
    pub(crate) rejected: bool,
    /// List what approval systems announced and whose instance waits to be fetched instead
    #[arg(long, conflicts_with_all = ["id", "since", "states", "source", "image", "account", "ticket", "limit", "rejected"])]
    pub(crate) announced: bool,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GrantsOptions {
    #[command(flatten)]
    pub(crate) filters: ListFilters,
    /// Only expired grants that are not revoked yet
    #[arg(long, conflicts_with = "states")]
    pub(crate) expired: bool,
    /// For recertification: with age, owner and policy, the oldest first
    #[arg(long)]
    pub(crate) review: bool,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainOptions {
    /// A request's id, source/id, or the name of its stream
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportOptions {
    /// The page's file; an existing one is replaced
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    pub(crate) html: Option<String>,
    /// The same, also an object: s3://bucket/key, gs://…, az://…
    #[arg(long, value_name = "PLACE", conflicts_with = "html")]
    pub(crate) to: Option<String>,
    /// The page's language, en or zh [default: that of [report]]
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    pub(crate) language: Option<Language>,
    /// The public key [default: that of the configured key]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

fn language(text: &str) -> Result<Language, String> {
    let known = Language::ALL.iter().find(|one| one.as_str() == text);
    known.copied().ok_or_else(|| "write en or zh".to_owned())
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NotifyOptions {
    /// Deliver again what a [[notify]] did not get for a request
    #[arg(long, value_name = "NAME/ID", conflicts_with_all = ["limit", "journal"])]
    pub(crate) retry: Option<String>,
    /// Only those of the newest requests, this many
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}
