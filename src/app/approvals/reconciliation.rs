//! Reconciliation: finds approvals whose event never arrived, because no approval system delivers every one.
//! In: the lists of finished instances of the sources whose system has one. Out: an announcement for each
//! recent instance that the journal does not know; the same sweep works it off like any other. A list that
//! cannot be read is left to a later sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::rules::Intake;
use crate::app::{App, Deadline, context};
use crate::config::FetchConfig;
use crate::domain::{Identity, SourceName, Timestamp};
use crate::inbound::{Listing, Named, Query, Said, is_code};
use crate::journal::{JournalError, Recorded, StreamId};

use super::instances::Unfetched;

/// An approval that ended longer ago than this is too old to be carried out without its event.
const RECENT: SignedDuration = SignedDuration::from_hours(3 * 24);
/// Pages of one list in one sweep, and announcements of one source.
const MAX_PAGES: usize = 10;
const MAX_NEW: usize = 100;
/// A reconciliation gets a third of a sweep's time, and at most this.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a source could not be reconciled.
#[derive(Debug, thiserror::Error)]
enum Unlisted {
    #[error("its list cannot be read: {0}")]
    Api(#[from] Unfetched),
    #[error("no time is left")]
    NoTime,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// One reconciliation of one source.
struct Round<'a> {
    source: &'a SourceName,
    intake: &'a Intake,
    fetch: &'a FetchConfig,
    listing: &'a Listing,
    now: Timestamp,
    deadline: Deadline,
    /// How many announcements it has recorded.
    new: usize,
}

impl App {
    /// Records an announcement for each recent instance that a list names and the journal does not know.
    /// Only one sweep of a process does that at a time.
    pub(in crate::app) async fn reconcile(&self, deadline: Deadline) {
        let Ok(mut all) = self.known_listed.0.try_lock() else {
            return;
        };
        let time = (context::left(deadline) / 3).min(MAX_TIME);
        let deadline = Deadline::after(time);
        for source in &self.config().sources {
            let Some(intake) = self.prepared.intake(&source.name) else {
                continue;
            };
            let Some(fetch) = &intake.fetch else { continue };
            let Some(listing) = &fetch.preset.system().listing else {
                continue;
            };
            let now = self.now();
            let seen = all.entry(source.name.clone()).or_default();
            let next = now.checked_add(listing.every).unwrap_or(now);
            // One that lies further ahead was made before the clock was put back.
            if seen.next.is_some_and(|due| now < due && due <= next) {
                continue;
            }
            seen.next = Some(next);
            let mut round = Round {
                source: &source.name,
                intake,
                fetch,
                listing,
                now,
                deadline,
                new: 0,
            };
            let end = self.reconcile_source(&mut round, &mut seen.announced).await;
            let (source, new) = (&source.name, round.new);
            if new > 0 {
                tracing::warn!(%source, new, "approvals were found that no event announced");
            }
            if let Err(error) = end {
                tracing::warn!(%source, %error, "approvals that no event announced cannot be looked for");
            }
        }
    }

    async fn reconcile_source(
        &self,
        round: &mut Round<'_>,
        known: &mut BTreeSet<String>,
    ) -> Result<(), Unlisted> {
        let (mut listed, mut end) = (BTreeSet::new(), Ok(()));
        for definition in &round.fetch.definitions {
            for said in round.listing.says {
                let (found, incomplete) = self.recently(*said, definition, round).await;
                end = end.and(incomplete.map_or(Ok(()), |error| Err(Unlisted::Api(error))));
                for named in found {
                    if context::left(round.deadline).is_zero() {
                        end = Err(Unlisted::NoTime);
                        break;
                    }
                    let id = named.id();
                    if known.contains(&id) || self.is_announced(named, round).await? {
                        listed.insert(id);
                    }
                }
            }
        }
        match &end {
            // What is no longer listed need not be kept.
            Ok(()) => *known = listed,
            Err(_) => known.append(&mut listed),
        }
        end
    }

    /// The instances of which this became recently, and why the list was not read to its end.
    async fn recently(
        &self,
        said: Said,
        definition: &str,
        round: &Round<'_>,
    ) -> (Vec<Named>, Option<Unfetched>) {
        let before = |age| round.now.checked_sub(age).unwrap_or(Timestamp::MIN);
        let recent = before(RECENT);
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let call = (round.listing.page)(&Query {
                definition,
                said,
                from: before(round.listing.begun_within),
                to: round.now,
                cursor: cursor.as_deref(),
            });
            let at = (round.now, round.deadline);
            let answer = self.instances.as_app(round.source, round.fetch, &call, at);
            let answer = match answer.await {
                Ok(answer) => answer,
                Err(error) => return (found, Some(error)),
            };
            let page = (round.listing.read)(&answer);
            let listed = page.instances.into_iter().filter(|one| {
                let old = one.ended.is_some_and(|ended| ended < recent);
                !old && is_code(&one.instance)
            });
            found.extend(listed.map(|one| Named {
                definition: definition.to_owned(),
                instance: one.instance,
                said,
            }));
            cursor = page.next;
            if cursor.is_none() {
                return (found, None);
            }
        }
        let (source, pages) = (round.source, MAX_PAGES);
        tracing::warn!(%source, definition, pages, "a list has more pages than are read");
        (found, None)
    }

    /// Whether the journal has the announcement of this instance, after it was recorded if there is room.
    async fn is_announced(
        &self,
        named: Named,
        round: &mut Round<'_>,
    ) -> Result<bool, JournalError> {
        let identity = Identity {
            source: round.source.clone(),
            id: named.id(),
        };
        let stream = StreamId::of_announcement(&identity.source, &identity.id);
        if self.journal.look_up(stream).await?.is_some() {
            return Ok(true);
        }
        if round.new >= MAX_NEW {
            return Ok(false);
        }
        let event = (round.listing.event)(&named);
        let verifier = &round.intake.verifier;
        let listed = verifier.listed(round.source.clone(), identity.id.clone(), &event);
        let recorded = self.record_event(&listed, round.intake, &identity, event, true);
        if let Recorded::New(_) = recorded.await? {
            round.new += 1;
        }
        Ok(true)
    }
}
