//! Finds approvals whose event never arrived: no approval system delivers every event. Takes the
//! lists of finished instances, for sources whose system offers one, and the journal's mark of the
//! last look. Records an announcement for each recent instance that the journal does not know, or
//! whose announcement led to no request; the same sweep works it off if time is left. A list that
//! cannot be read is left to a later sweep.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::SignedDuration;

use crate::app::rules::Intake;
use crate::app::{App, Deadline, context};
use crate::config::FetchConfig;
use crate::domain::{Identity, SourceName, Timestamp};
use crate::inbound::{Listing, Named, Query, Said, is_code};
use crate::journal::{JournalError, Looks, Recorded, StreamId, StreamState};

use super::fetcher::{Fetcher, announces_since};
use super::instances::Unfetched;
use super::known_listed::Known;
use super::recording::How;

/// A look announces no approval that ended longer than this before the last complete look.
const RECENT: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How far a look goes back at most, even if no sweep ran for longer. In one call, each system
/// lists instances over at least this span.
const MAX_AGE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// The event of an approval that ended less than this long ago may still arrive, so it is left to
/// the next look.
const GRACE: SignedDuration = SignedDuration::from_mins(5);
/// The most pages of one list that a sweep reads.
const MAX_PAGES: usize = 50;
/// The most announcements that one look records for a source.
const MAX_NEW: usize = 100;
/// The most announcements that are read concurrently.
const READERS: usize = 16;
/// The most time for a reconciliation. It also gets at most a third of the sweep's time.
const MAX_TIME: Duration = Duration::from_secs(10);

/// Why a source was not reconciled, or only in part.
#[derive(Debug, thiserror::Error)]
enum ReconcileError {
    #[error("its list cannot be read: {0}")]
    Api(#[from] Unfetched),
    #[error("no time is left")]
    NoTime,
    #[error("at most {MAX_NEW} announcements are recorded at a time")]
    Many,
    #[error(transparent)]
    Journal(#[from] JournalError),
}

struct Round<'a> {
    source: &'a SourceName,
    intake: &'a Intake,
    fetch: &'a FetchConfig,
    listing: &'a Listing,
    now: Timestamp,
    /// When the last complete look began; now if there was none.
    complete: Timestamp,
    deadline: Deadline,
    /// How many announcements this look has recorded.
    new: usize,
}

impl Round<'_> {
    /// Returns the instant `span` before the last complete look, but at most `MAX_AGE` before now.
    fn since(&self, span: SignedDuration) -> Timestamp {
        let oldest = before(self.now, MAX_AGE);
        before(self.complete, span).max(oldest)
    }

    /// Says how long ago an approval ended. Only one that ended `Recently` is announced now.
    fn how_long_ago(&self, ended: Timestamp) -> Ended {
        if ended < self.since(RECENT) {
            Ended::LongAgo
        } else if ended > before(self.now, GRACE) {
            Ended::JustNow
        } else {
            Ended::Recently
        }
    }
}

/// How long ago an approval ended.
#[derive(PartialEq, Eq)]
enum Ended {
    LongAgo,
    Recently,
    JustNow,
}

fn before(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

impl App {
    /// Records an announcement for each recent instance that a list names, if the journal does not
    /// know it or its announcement led to no request. Of several concurrent sweeps in a process
    /// only one does this. Several processes share the work: one of them looks in each interval.
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
            let Some(fetch) = intake.fetcher.as_ref().and_then(Fetcher::app) else {
                continue;
            };
            let Some(listing) = &fetch.preset.system().listing else {
                continue;
            };
            let seen = all.entry(source.name.clone()).or_default();
            let Some(mut looks) = self.look_is_due(&source.name, listing, seen).await else {
                continue;
            };
            let now = self.now();
            let mut round = Round {
                source: &source.name,
                intake,
                fetch,
                listing,
                now,
                complete: looks.complete.unwrap_or(now),
                deadline,
                new: 0,
            };
            let mut end = self.reconcile_source(&mut round, &mut seen.announced).await;
            if end.is_ok() {
                let noted = self.journal.note_look(&source.name, &mut looks, now, true);
                end = noted.await.map_err(ReconcileError::Journal);
            }
            let (source, new) = (&source.name, round.new);
            if new > 0 {
                tracing::warn!(%source, new, "approvals were found that no event announced; this sweep fetches them. If this recurs, check the event subscription of the source");
            }
            if let Err(error) = end {
                tracing::warn!(%source, %error, "the search for approvals that no event announced is not complete; the next one continues");
            }
        }
    }

    /// Returns the earlier looks at a source's list, and notes in the journal that this process
    /// looks now. `None` if a process has looked recently, or if the journal cannot be used now.
    async fn look_is_due(
        &self,
        source: &SourceName,
        listing: &Listing,
        seen: &mut Known,
    ) -> Option<Looks> {
        let now = self.now();
        let after = |at: Timestamp| at.checked_add(listing.every).unwrap_or(at);
        // Ignore an instant further ahead than one interval: the clock was put back since.
        if seen.next.is_some_and(|due| now < due && due <= after(now)) {
            return None;
        }
        let looks = async {
            let mut looks = self.journal.looks(source, now).await?;
            let last = looks.last.filter(|last| now < after(*last));
            seen.next = Some(after(last.unwrap_or(now)));
            if last.is_some() {
                return Ok(None);
            }
            let noted = self.journal.note_look(source, &mut looks, now, false);
            noted.await.map(|()| Some(looks))
        };
        let looks: Result<Option<Looks>, JournalError> = looks.await;
        looks.unwrap_or_else(|error| {
            tracing::warn!(%source, %error, "the search for approvals that no event announced could not begin");
            None
        })
    }

    async fn reconcile_source(
        &self,
        round: &mut Round<'_>,
        known: &mut BTreeSet<String>,
    ) -> Result<(), ReconcileError> {
        let (mut listed, mut end) = (BTreeSet::new(), Ok(()));
        for definition in &round.fetch.definitions {
            for (said, status) in round.listing.says {
                let (found, incomplete) = self.recently((*said, status), definition, round).await;
                end = end.and(incomplete.map_or(Ok(()), |error| Err(ReconcileError::Api(error))));
                let (old, new): (Vec<_>, Vec<_>) = found
                    .into_iter()
                    .partition(|named| known.contains(&named.id()));
                listed.extend(old.iter().map(Named::id));
                for some in new.chunks(READERS) {
                    if context::left(round.deadline).is_zero() {
                        end = Err(ReconcileError::NoTime);
                        break;
                    }
                    let of = |named: &Named| StreamId::of_announcement(round.source, &named.id());
                    let reads = some.iter().map(|named| self.journal.read(of(named)));
                    for (named, read) in some.iter().zip(join_all(reads).await) {
                        // An announcement that cannot be read does not stop the others.
                        let announced = match read {
                            Ok(history) => {
                                let state = history.map(|history| history.stream_state);
                                self.announce_listed(named, state, round).await
                            }
                            Err(error) => Err(error.into()),
                        };
                        match announced {
                            Ok(true) => drop(listed.insert(named.id())),
                            Ok(false) => {}
                            Err(error) => end = Err(error),
                        }
                    }
                }
            }
        }
        match &end {
            // Forget instances that are no longer listed.
            Ok(()) => *known = listed,
            Err(_) => known.append(&mut listed),
        }
        end
    }

    /// Returns the listed instances that were approved or withdrawn (`said`) recently or at an
    /// unknown time, and the error of a page that could not be read, if any.
    async fn recently(
        &self,
        (said, status): (Said, &'static str),
        definition: &str,
        round: &Round<'_>,
    ) -> (Vec<Named>, Option<Unfetched>) {
        let (mut found, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let call = (round.listing.page)(&Query {
                definition,
                status,
                from: round.since(round.listing.begun_within),
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
                let recent = |ended| round.how_long_ago(ended) == Ended::Recently;
                one.ended.is_none_or(recent) && is_code(&one.instance)
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
        tracing::warn!(%source, definition, pages, "stopped at the page limit of a list; this sweep does not see the approvals on later pages");
        (found, None)
    }

    /// Records the announcement of a listed instance, if the journal lacks it and the approval
    /// ended recently. If the announcement of an earlier, different event led to no request, records
    /// this one too. Returns `false` if the next look must examine it again: the approval ended very
    /// recently, or its announcement is not settled.
    async fn announce_listed(
        &self,
        named: &Named,
        state: Option<StreamState>,
        round: &mut Round<'_>,
    ) -> Result<bool, ReconcileError> {
        let identity = Identity::new(round.source, named.id());
        let event = (round.listing.event)(named);
        let verifier = &round.intake.verifier;
        let listed = verifier.listed(round.source.clone(), identity.id.clone(), &event);
        let received = self.received(&listed, &round.intake.map);
        match state {
            Some(StreamState::Incident(known)) if known.begins_anew_with(&received.body_digest) => {
            }
            // An open announcement may be given up later, and then begins anew with this list.
            Some(StreamState::Incident(known)) => return Ok(known.to_fetch().is_none()),
            Some(StreamState::Request(_)) => return Ok(true),
            None => {}
        }
        if round.new >= MAX_NEW {
            return Err(ReconcileError::Many);
        }
        match self.ended(named, round).await {
            Ended::LongAgo => return Ok(true),
            Ended::JustNow => return Ok(false),
            Ended::Recently => {}
        }
        let event = announces_since(event, round.since(RECENT));
        let recorded = self.record_event(&listed, round.intake, &identity, event, How::Listed);
        let new = matches!(recorded.await?, Recorded::New(_));
        round.new += usize::from(new);
        Ok(new)
    }

    /// Returns how long ago a listed approval ended. If the system's list does not say, fetches the
    /// instance. If the fetch fails or shows no end, returns `Recently`: the instance is announced,
    /// and the fetch is repeated as due work, which examines the end again. A withdrawal always
    /// counts as recent.
    async fn ended(&self, named: &Named, round: &Round<'_>) -> Ended {
        if named.said != Said::Approved || round.listing.shows_end {
            return Ended::Recently;
        }
        let of_instance = round.fetch.preset.system().ended;
        let at = (round.now, round.deadline);
        let fetched = self
            .instances
            .fetch(round.source, round.fetch, named, at)
            .await;
        let ended = fetched.ok().and_then(|instance| of_instance(&instance));
        ended.map_or(Ended::Recently, |ended| round.how_long_ago(ended))
    }
}
