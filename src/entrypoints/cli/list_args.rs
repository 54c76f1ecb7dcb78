//! Defines the arguments of the commands that read the journal. clap prints the comments of the
//! fields as help.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::Args as ClapArgs;

use crate::app::{ReceiverFilter, RequestState, Standing, SubjectFilter};
use crate::domain::{ImageRef, Language, Problem, SourceName, Timestamp};
use crate::journal::log::VerifierKey;

use super::filters::{Since, read, receiver};

/// Another journal than the configured one.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct JournalPlace {
    /// The journal's location; the command then reads no configuration
    #[arg(long, value_name = "PLACE")]
    pub(crate) journal: Option<String>,
    /// The place of the journal's index, if it is elsewhere
    #[arg(long, value_name = "PLACE", requires = "journal")]
    pub(crate) index: Option<String>,
    /// The journal of the stand-in cloud
    #[cfg(feature = "sandbox")]
    #[arg(long, conflicts_with = "journal")]
    pub(crate) sandbox: bool,
}

/// The filters of `requests` and `grants`. `S`: the states of the listed things.
#[derive(Debug, Clone, ClapArgs)]
pub(crate) struct ListFilters<S>
where
    S: FromStr<Err = Problem> + Clone + Send + Sync + 'static,
{
    /// Only since this instant, or within this span before now, as in 7d
    #[arg(long, value_name = "T", value_parser = read::<Since>)]
    pub(crate) since: Option<Since>,
    /// Only in this state; repeatable
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = read::<S>)]
    pub(crate) states: Vec<S>,
    /// Only from this source
    #[arg(long, value_name = "NAME", value_parser = read::<SourceName>)]
    pub(crate) source: Option<SourceName>,
    /// Only of this image: lhbp-… or img-…
    #[arg(long, value_name = "ID", value_parser = read::<ImageRef>)]
    pub(crate) image: Option<ImageRef>,
    /// Only with this account, or Lighthouse
    #[arg(long, value_name = "ID", value_parser = receiver)]
    pub(crate) account: Option<ReceiverFilter>,
    /// Only of this ticket
    #[arg(long, value_name = "ID")]
    pub(crate) ticket: Option<String>,
    /// Only this many of the newest
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
}

impl<S: FromStr<Err = Problem> + Clone + Send + Sync> ListFilters<S> {
    pub(super) fn subject(&self) -> SubjectFilter {
        SubjectFilter {
            source: self.source.clone(),
            image: self.image.clone(),
            receiver: self.account.clone(),
            ticket: self.ticket.clone(),
        }
    }

    pub(super) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        self.since.as_ref().map(|since| since.instant(now))
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RequestsOptions {
    /// A request's id, or source/id
    #[arg(conflicts_with_all = ["since", "states", "source", "image", "account", "ticket", "limit"])]
    pub(crate) id: Option<String>,
    #[command(flatten)]
    pub(crate) filters: ListFilters<RequestState>,
    /// List authenticated deliveries that were not understood or whose id was used
    /// before, instead of requests
    #[arg(long, conflicts_with_all = ["id", "states", "image", "account", "ticket"])]
    pub(crate) rejected: bool,
    /// List announcements whose instance is not fetched yet, instead of requests
    #[arg(long, conflicts_with_all = ["id", "since", "states", "source", "image", "account", "ticket", "limit", "rejected"])]
    pub(crate) announced: bool,
    /// With --announced: list announcements that led to no request instead, newest first
    #[arg(long, requires = "announced")]
    pub(crate) settled: bool,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct GrantsOptions {
    #[command(flatten)]
    pub(crate) filters: ListFilters<Standing>,
    /// Only expired grants that are not revoked yet
    #[arg(long, conflicts_with = "states")]
    pub(crate) expired: bool,
    /// Print blocks for recertification, the oldest first, with age, owner and policy
    #[arg(long)]
    pub(crate) review: bool,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainOptions {
    /// A request's id, source/id, the name of its stream, or its ticket
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportOptions {
    /// The page's file; an existing one is replaced
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    pub(crate) html: Option<String>,
    /// Where to write the page: a file or an object (s3://bucket/key, gs://…, az://…)
    #[arg(long, value_name = "PLACE", conflicts_with = "html")]
    pub(crate) to: Option<String>,
    /// The page's language, en or zh [default: that of [report]]
    #[arg(long, value_name = "LANGUAGE", value_parser = read::<Language>)]
    pub(crate) language: Option<Language>,
    /// The public key [default: that of the configured key]
    #[arg(long, value_name = "KEY", value_parser = read::<VerifierKey>, allow_hyphen_values = true)]
    pub(crate) key: Option<VerifierKey>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct NotifyOptions {
    /// Deliver to a [[notify]] what it did not get, for a request or for all
    #[arg(long, value_name = "NAME[/ID]", conflicts_with_all = ["limit", "journal"])]
    pub(crate) retry: Option<String>,
    /// Only notifications of this many of the newest requests
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) place: JournalPlace,
}
