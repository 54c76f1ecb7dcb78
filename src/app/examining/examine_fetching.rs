//! Examines the sources that fetch instances. Checks whether each app gets a token, may read its
//! definitions and may list instances, and whether each ticket system answers. Also reports
//! instances whose fetch has failed so far. Calls these systems but changes nothing there.

use jiff::SignedDuration;

use crate::app::App;
use crate::app::approvals::{Fetcher, TicketFetcher};
use crate::app::notifying::probe;
use crate::cloud::Deadline;
use crate::config::FetchConfig;
use crate::domain::{SourceName, Timestamp};
use crate::inbound::{ApiCall, Query};

use super::doctor::{CHECK_TIME, Check, Finding};

/// How long ago an announcement may be for `doctor` to report that it was given up. Longer than the
/// default `retry_for`.
const RECENT: SignedDuration = SignedDuration::from_hours(3 * 24);

impl App {
    pub(super) async fn examine_fetching(&self) -> Vec<Finding> {
        let sources = self.config().sources.iter();
        let fetching: Vec<_> = sources
            .filter_map(|source| {
                let fetcher = self.prepared.intake(&source.name)?.fetcher.as_ref()?;
                Some((&source.name, fetcher))
            })
            .collect();
        if fetching.is_empty() {
            return Vec::new();
        }
        let mut findings = Vec::new();
        for (source, fetcher) in fetching {
            match fetcher {
                Fetcher::App(fetch) => findings.extend(self.examine_app(source, fetch).await),
                Fetcher::Ticket(ticket) => findings.push(examine_ticket(source, ticket).await),
            }
        }
        findings.extend(self.examine_waiting().await);
        findings.extend(self.examine_given_up().await);
        findings
    }

    async fn examine_app(&self, source: &SourceName, fetch: &FetchConfig) -> Vec<Finding> {
        let system = fetch.preset.system();
        let now = self.now();
        let answers = async |call: ApiCall| {
            let at = (now, Deadline::after(CHECK_TIME));
            let answer = self.instances.as_app(source, fetch, &call, at).await;
            answer.map(drop).map_err(|unfetched| unfetched.to_string())
        };
        let at = (now, Deadline::after(CHECK_TIME));
        if let Err(why) = self.instances.sign_in(source, fetch, at).await {
            let text = format!(
                "{source}: the app gets no token: {why}; check app_id, app_secret and url of `fetch`"
            );
            return vec![Finding::broken(Check::Fetch, text)];
        }
        let mut findings = Vec::new();
        for code in &fetch.definitions {
            let Some(definition) = system.definition else {
                continue;
            };
            let answered = answers(definition(code)).await;
            let answered =
                answered.map(|()| format!("{source}: the app reads the definition {code}"));
            let answered = answered.map_err(|why| {
                format!(
                    "{source}: the app cannot read the definition {code}: {why}; check \
                     definitions of `fetch`, and the permissions of the app"
                )
            });
            findings.push(Finding::of(Check::Fetch, answered));
        }
        if let (Some(listing), Some(definition)) = (&system.listing, fetch.definitions.first())
            && let Some((_, status)) = listing.says.first()
        {
            let query = Query {
                definition,
                status,
                from: now.checked_sub(listing.every).unwrap_or(Timestamp::MIN),
                to: now,
                cursor: None,
            };
            let answered = answers((listing.page)(&query)).await;
            findings.extend(listed(source, system.definition.is_some(), answered));
        }
        findings
    }

    async fn examine_waiting(&self) -> Option<Finding> {
        let waiting = match self.reader().announcements().await {
            Ok(waiting) => waiting.entries,
            Err(error) => return Some(Finding::broken(Check::Fetch, error.to_string())),
        };
        let oldest = waiting
            .iter()
            .filter(|one| one.attempts > 0)
            .min_by_key(|one| one.at)?;
        Some(Finding::limited(
            Check::Fetch,
            format!(
                "instances that wait to be fetched: {}; {} has waited since {:.0}: {}; \
                 `sharehook requests --announced` lists them all",
                waiting.len(),
                oldest.announcement,
                oldest.at,
                oldest.why.as_deref().unwrap_or_default(),
            ),
        ))
    }

    /// Names the approvals that were announced recently and given up.
    async fn examine_given_up(&self) -> Option<Finding> {
        let since = self.now().checked_sub(RECENT).ok();
        let mut settled = match self.reader().settled_announcements(since).await {
            Ok(settled) => settled.entries,
            Err(error) => return Some(Finding::broken(Check::Fetch, error.to_string())),
        };
        settled.retain(|one| one.given_up);
        let newest = settled.first()?;
        Some(Finding::limited(
            Check::Fetch,
            format!(
                "instances of the last days that were given up: {}; {}: {}; correct the cause, and \
                 `sharehook retry {}` fetches the instance again; \
                 `sharehook requests --announced --settled` lists them all",
                settled.len(),
                newest.announcement,
                newest.why.as_deref().unwrap_or_default(),
                newest.announcement,
            ),
        ))
    }
}

/// Returns the finding about a system's list. If the app reads definitions, it can do its work
/// without the list, except find lost events. Otherwise the list is the only call that shows whether
/// the app may call the API.
fn listed(
    source: &SourceName,
    reads_definitions: bool,
    answered: Result<(), String>,
) -> Option<Finding> {
    let unlisted = |why: &String| {
        format!(
            "{source}: the app cannot list instances: {why}; approvals whose event is lost are not found"
        )
    };
    match (reads_definitions, answered) {
        (true, Ok(())) => None,
        (true, Err(why)) => Some(Finding::limited(Check::Fetch, unlisted(&why))),
        (false, Ok(())) => Some(Finding::good(
            Check::Fetch,
            format!("{source}: the app lists instances"),
        )),
        (false, Err(why)) => {
            let remedy = "probably it cannot read instances either: check the permissions of the app, its trusted addresses, and definitions of `fetch`";
            let text = format!("{}, and {remedy}", unlisted(&why));
            Some(Finding::broken(Check::Fetch, text))
        }
    }
}

/// Sends a request to the address of the ticket system. Fetches no ticket, because there is no
/// ticket id that every system has.
async fn examine_ticket(source: &SourceName, ticket: &TicketFetcher) -> Finding {
    let answered = probe(&ticket.client, &ticket.config.address, CHECK_TIME).await;
    let answered = answered.map(|status| {
        format!(
            "{source}: the ticket system answers HTTP {status}; the login is only tested by the first event; withdrawals, and approvals whose event was lost, are not found"
        )
    });
    let remedy = "check url, proxy and ca_file of `fetch`";
    let silent = |why| format!("{source}: the ticket system does not answer: {why}; {remedy}");
    Finding::of(Check::Fetch, answered.map_err(silent))
}
