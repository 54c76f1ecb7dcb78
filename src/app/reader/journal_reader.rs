//! Reads requests, grants, rejected deliveries and notifications from the journal, for people and
//! programs. Takes a journal and the current time. Returns entries, and an error for each stream
//! that cannot be read. Changes nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{NoticeRules, Timestamp};
use crate::inbound::withdrawal_of;
use crate::journal::{
    History, Incident, Journal, JournalError, MAX_PAUSE_OF_WORK, NewestFirst, State, StreamId,
    StreamState,
};

use super::entries::{
    AnnouncementEntry, GrantEntry, NotificationEntry, RejectionEntry, RequestEntry,
};
use super::explanation::Explanation;
use super::filters::RequestFilter;
use super::listed::Listed;
use super::newest::{find_requests, newest};
use super::no_retry::why_no_retry;

/// Reads a journal as of one instant.
#[derive(Debug, Clone, Copy)]
pub struct JournalReader<'a> {
    pub(in crate::app) journal: &'a Journal,
    pub(super) rules: &'a NoticeRules,
    pub(in crate::app) now: Timestamp,
    /// `[limits] retry_age`, if a configuration was read.
    pub(super) retry_age: Option<Duration>,
}

impl<'a> JournalReader<'a> {
    /// Creates a reader of `journal` as of `now`. `rules` decide which notifications are owed.
    pub fn new(journal: &'a Journal, rules: &'a NoticeRules, now: Timestamp) -> Self {
        Self {
            journal,
            rules,
            now,
            retry_age: None,
        }
    }

    /// Sets the maximum age of a request that `retry` may reopen.
    #[must_use]
    pub fn with_retry_age(self, retry_age: Duration) -> Self {
        let retry_age = Some(retry_age);
        Self { retry_age, ..self }
    }

    /// Returns the requests that match the filter, or the newest `limit` of them.
    pub async fn requests(
        &self,
        filter: &RequestFilter,
        limit: Option<usize>,
    ) -> Result<Listed<RequestEntry>, JournalError> {
        let read = |state: State| Some(RequestEntry::of(&state));
        newest(self.newest_first().await?, filter, limit, read).await
    }

    /// Returns the requests that `name` names. `name` is a request's id, which several sources may
    /// have used, or the `source/id` or stream of one request.
    ///
    /// # Errors
    /// Returns an error if the journal's store failed. Also if `name` is the `source/id` or stream
    /// of a damaged request.
    pub async fn requests_named(&self, name: &str) -> Result<Listed<RequestEntry>, JournalError> {
        let listed = find_requests(self.journal, name, self.now).await?;
        let entries = listed.entries.iter().map(RequestEntry::of).collect();
        Ok(listed.with(entries))
    }

    /// Explains the request in a stream. Returns `None` if there is no such request.
    ///
    /// # Errors
    /// Returns an error if the journal's store failed or the request is damaged.
    pub async fn explain(&self, stream: StreamId) -> Result<Option<Explanation>, JournalError> {
        let Some(history) = self.journal.read(stream).await? else {
            return Ok(None);
        };
        let records = history.records.len() as u64;
        let sealed = self.journal.sealed_count(stream, records).await?;
        let no_retry = match history.state() {
            Some(state) => self.why_no_retry(state).await?,
            None => None,
        };
        let (rules, now) = (self.rules, self.now);
        let mut explained = Explanation::of(&history, rules, now, sealed, no_retry);
        if let (Some(explained), Some(state)) = (&mut explained, history.state())
            && let Some(waits) = self.unconfirmed_withdrawal(state).await?
        {
            explained.next = format!("{waits}; {}", explained.next);
        }
        Ok(explained)
    }

    /// Describes an announced withdrawal of the approval that the instance has not confirmed yet.
    async fn unconfirmed_withdrawal(&self, state: &State) -> Result<Option<String>, JournalError> {
        let Some(id) = state.delivery_id().and_then(withdrawal_of) else {
            return Ok(None);
        };
        let stream = StreamId::of_announcement(&state.identity().source, &id);
        let read = self.journal.read(stream).await?;
        let Some(StreamState::Incident(incident)) = read.map(|history| history.stream_state) else {
            return Ok(None);
        };
        let waits = incident.to_fetch().is_some() && !incident.confirmed();
        let why = incident.why().unwrap_or("it is not fetched yet");
        Ok(waits.then(|| format!("a withdrawal waits until its instance confirms it ({why})")))
    }

    /// Returns why `retry` refuses to reopen the request. Returns `None` if `retry` would reopen
    /// it, so that the policies decide it again.
    pub(super) async fn why_no_retry(&self, state: &State) -> Result<Option<String>, JournalError> {
        why_no_retry(self.journal, state, self.retry_age, self.now).await
    }

    /// Returns every grant that was neither revoked nor cancelled, even if it has expired.
    pub async fn grants(&self) -> Result<Listed<GrantEntry>, JournalError> {
        // The index may lack grants if it was never compared with every request. In that case, read
        // the requests instead.
        let (grants, flaws) = if self.journal.pass(self.now).await?.ever_done() {
            let (grants, flaws) = self.journal.active_grants().await?;
            (grants, flaws.iter().map(ToString::to_string).collect())
        } else {
            let all = RequestFilter::default();
            let read = |state: State| state.grant();
            let mut all = newest(self.newest_first().await?, &all, None, read).await?;
            all.entries.sort_by_key(|grant| (grant.since, grant.stream));
            (all.entries, all.flaws)
        };
        let lines = grants
            .iter()
            .flat_map(|grant| GrantEntry::all_of(grant, self.now));
        Ok(Listed::of(lines.collect(), flaws))
    }

    /// Returns the verified deliveries that are not valid requests or that reused the id of another
    /// request. With a `limit`, returns the newest of them.
    pub async fn rejections(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<RejectionEntry>, JournalError> {
        let mut listed = self.incidents(limit, RejectionEntry::of).await?;
        listed.entries.sort_by_key(|entry| Reverse(entry.at));
        listed.entries.truncate(limit.unwrap_or(usize::MAX));
        Ok(listed)
    }

    /// Returns the announcements whose instance must still be fetched, oldest first.
    pub async fn announcements(&self) -> Result<Listed<AnnouncementEntry>, JournalError> {
        // No announcement waits longer than this for its next attempt, so each has a wake-up that
        // is due by then.
        let until = self.now.checked_add(MAX_PAUSE_OF_WORK);
        let due = self.journal.due(until.unwrap_or(Timestamp::MAX)).await?;
        let streams: BTreeSet<StreamId> = due.iter().map(|wake_up| wake_up.stream).collect();
        let (mut entries, mut flaws) = (Vec::new(), Vec::new());
        for stream in streams {
            match self.journal.read(stream).await {
                Ok(Some(History {
                    stream_state: StreamState::Incident(incident),
                    ..
                })) => entries.extend(AnnouncementEntry::of(&incident)),
                Ok(_) => {}
                Err(error) if error.concerns_one_request() => flaws.push(error.to_string()),
                Err(error) => return Err(error),
            }
        }
        entries.sort_by_key(|entry| entry.at);
        Ok(Listed::of(entries, flaws))
    }

    /// Returns the announcements that led to no request or were given up, newest first. With `since`,
    /// stops reading at records that are older.
    pub async fn settled_announcements(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Listed<AnnouncementEntry>, JournalError> {
        let read = self.incidents_since(since, None, AnnouncementEntry::settled);
        let mut listed = read.await?;
        let recent = |entry: &AnnouncementEntry| since.is_none_or(|since| since <= entry.at);
        listed.entries.retain(recent);
        listed.entries.sort_by_key(|entry| Reverse(entry.at));
        Ok(listed)
    }

    /// Applies `read` to the incidents until it has returned at least `limit` entries.
    pub(in super::super) async fn incidents<T>(
        &self,
        limit: Option<usize>,
        read: impl Fn(&Incident) -> Option<T>,
    ) -> Result<Listed<T>, JournalError> {
        self.incidents_since(None, limit, read).await
    }

    /// Like [`Self::incidents`], but also stops at records that are older than `since`.
    async fn incidents_since<T>(
        &self,
        since: Option<Timestamp>,
        limit: Option<usize>,
        read: impl Fn(&Incident) -> Option<T>,
    ) -> Result<Listed<T>, JournalError> {
        let (mut entries, mut flaws) = (Vec::new(), Vec::new());
        let mut all = self.newest_first().await?;
        while let Some(batch) = all.next().await? {
            for stream in &batch.requests {
                match stream.history().map(|found| found.map(|h| h.stream_state)) {
                    Ok(Some(StreamState::Incident(incident))) => entries.extend(read(&incident)),
                    Ok(Some(StreamState::Request(_)) | None) => {}
                    Err(finding) => flaws.push(finding.to_string()),
                }
            }
            flaws.extend(batch.flaws.iter().map(ToString::to_string));
            let enough = limit.is_some_and(|limit| entries.len() >= limit);
            let older = |before| since.is_some_and(|since| before < since);
            // Only segments come newest first; other batches must be read to the last.
            if batch
                .rest_before
                .is_some_and(|before| enough || older(before))
            {
                break;
            }
        }
        Ok(Listed::of(entries, flaws))
    }

    /// Returns the notifications of all requests and incidents. With a `limit`, returns those of
    /// the newest `limit` requests and of at least `limit` incidents, if there are that many.
    pub async fn notifications(
        &self,
        limit: Option<usize>,
    ) -> Result<Listed<NotificationEntry>, JournalError> {
        let all = RequestFilter::default();
        let read = |state| Some(self.notifications_of(StreamState::Request(Box::new(state))));
        let mut listed = newest(self.newest_first().await?, &all, limit, read).await?;
        let read = |incident: &Incident| {
            let incident = StreamState::Incident(Box::new(incident.clone()));
            Some(self.notifications_of(incident))
        };
        let incidents = self.incidents(limit, read).await?;
        listed.flaws.extend(incidents.flaws);
        listed.flaws.sort();
        listed.flaws.dedup();
        let entries = std::mem::take(&mut listed.entries).into_iter();
        let entries = entries.chain(incidents.entries).flatten().collect();
        Ok(listed.with(entries))
    }

    pub(super) fn notifications_of(&self, state: StreamState) -> Vec<NotificationEntry> {
        NotificationEntry::all_of(&state, self.rules, self.now)
    }

    /// Returns the states of the requests that match the filter, or of the newest `limit` of them.
    /// They are sorted by the time of approval, latest first.
    pub(in super::super) async fn newest_states(
        &self,
        filter: &RequestFilter,
        limit: Option<usize>,
    ) -> Result<Listed<State>, JournalError> {
        newest(self.newest_first().await?, filter, limit, Some).await
    }

    pub(in super::super) async fn newest_first(&self) -> Result<NewestFirst, JournalError> {
        self.journal.newest_first(self.now).await
    }

    /// Returns the states of the requests among these streams.
    pub(in super::super) async fn states_of(
        &self,
        streams: &BTreeSet<StreamId>,
    ) -> Result<Listed<State>, JournalError> {
        let all = self.journal.read_each(streams);
        newest(all, &RequestFilter::default(), None, Some).await
    }
}
