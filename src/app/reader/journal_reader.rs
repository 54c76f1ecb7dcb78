//! Reads requests, grants, rejected deliveries and notifications from the journal, for people and
//! programs. Takes a journal and the current time. Returns entries, and an error for each stream
//! that cannot be read. Changes nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{Identity, NoticeRules, Timestamp};
use crate::inbound::withdrawal_of;
use crate::journal::{
    Grant, History, Incident, Journal, JournalError, MAX_PAUSE_OF_WORK, NewestFirst, State,
    StreamId, StreamState,
};

use super::entries::{
    AnnouncementEntry, GrantEntry, NotificationEntry, RejectionEntry, RequestEntry,
};
use super::explanation::Explanation;
use super::filters::RequestFilter;
use super::no_retry::why_no_retry;

/// The entries that were read, and the streams that could not be read.
#[derive(Debug)]
pub struct Listed<T> {
    /// The entries. Requests are sorted by the time of approval, latest first. Grants are sorted by
    /// the time when they began, oldest first.
    pub entries: Vec<T>,
    /// Which streams could not be read, and why.
    pub flaws: Vec<String>,
    /// How many of the entries that were read were excluded by the filter.
    pub left_out: usize,
    /// Whether reading stopped because the remaining entries are older than the filter's `since`.
    pub older: bool,
}

impl<T> Listed<T> {
    /// Builds a list from which no filter excluded entries.
    pub(in crate::app) fn of(entries: Vec<T>, flaws: Vec<String>) -> Self {
        Self {
            entries,
            flaws,
            left_out: 0,
            older: false,
        }
    }

    /// Keeps the entries for which `takes` returns true, and counts the others as left out.
    pub fn retain(&mut self, takes: impl Fn(&T) -> bool) {
        let before = self.entries.len();
        self.entries.retain(takes);
        self.left_out += before.saturating_sub(self.entries.len());
    }

    /// Replaces the entries and keeps everything else.
    pub fn with<U>(self, entries: Vec<U>) -> Listed<U> {
        Listed {
            entries,
            flaws: self.flaws,
            left_out: self.left_out,
            older: self.older,
        }
    }
}

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
        let listed = self.newest_states(filter, limit).await?;
        let entries = listed.entries.iter().map(RequestEntry::of).collect();
        Ok(listed.with(entries))
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
            let all = self.newest_states(&RequestFilter::default(), None).await?;
            let mut grants: Vec<Grant> = all.entries.iter().filter_map(State::grant).collect();
            grants.sort_by_key(|grant| (grant.since, grant.stream));
            (grants, all.flaws)
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
        let mut all = self.journal.newest_first(self.now).await?;
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
        let mut listed = self.newest_states(&all, limit).await?;
        let incidents = self.incidents(limit, |incident| Some(incident.clone()));
        let incidents = incidents.await?;
        listed.flaws.extend(incidents.flaws);
        listed.flaws.sort();
        listed.flaws.dedup();
        let states = std::mem::take(&mut listed.entries);
        let entries = self.notifications_of(states, incidents.entries);
        Ok(listed.with(entries))
    }

    pub(super) fn notifications_of(
        &self,
        states: Vec<State>,
        incidents: Vec<Incident>,
    ) -> Vec<NotificationEntry> {
        let requests = states.into_iter().map(Box::new).map(StreamState::Request);
        let incidents = incidents.into_iter().map(Box::new);
        let all = requests.chain(incidents.map(StreamState::Incident));
        all.flat_map(|state| NotificationEntry::all_of(&state, self.rules, self.now))
            .collect()
    }

    /// Returns the states of the requests that match the filter, or of the newest `limit` of them.
    /// They are sorted by the time of approval, latest first.
    pub(in super::super) async fn newest_states(
        &self,
        filter: &RequestFilter,
        limit: Option<usize>,
    ) -> Result<Listed<State>, JournalError> {
        let all = self.journal.newest_first(self.now).await?;
        states_in(all, filter, limit).await
    }

    /// Returns the states of the requests among these streams.
    pub(in super::super) async fn states_of(
        &self,
        streams: &BTreeSet<StreamId>,
    ) -> Result<Listed<State>, JournalError> {
        let all = self.journal.read_each(streams);
        states_in(all, &RequestFilter::default(), None).await
    }
}

async fn states_in(
    mut all: NewestFirst,
    filter: &RequestFilter,
    limit: Option<usize>,
) -> Result<Listed<State>, JournalError> {
    let (mut states, mut flaws, mut read) = (Vec::new(), Vec::new(), 0);
    let mut older = false;
    while let Some(batch) = all.next().await? {
        for request in &batch.requests {
            match request.history() {
                Ok(history) => {
                    let state = history.and_then(History::into_state);
                    read += usize::from(state.is_some());
                    states.extend(state.filter(|state| filter.matches(state)));
                }
                Err(finding) => flaws.push(finding.to_string()),
            }
        }
        flaws.extend(batch.flaws.iter().map(ToString::to_string));
        let Some(rest_before) = batch.rest_before else {
            continue;
        };
        if filter.since.is_some_and(|since| rest_before < since) {
            older = true;
            break;
        }
        let Some(limit) = limit else { continue };
        let taken = states.len();
        states.sort_by_key(newest_first);
        states.truncate(limit);
        read -= taken - states.len();
        let last = states.last().map(State::approved_at);
        if states.len() == limit && last.is_none_or(|last| last >= rest_before) {
            break;
        }
    }
    let left_out = read - states.len();
    states.sort_by_key(newest_first);
    states.truncate(limit.unwrap_or(usize::MAX));
    Ok(Listed {
        entries: states,
        flaws,
        left_out,
        older,
    })
}

/// Finds the requests that `name` names: by the `source/id` or stream of one request, otherwise by
/// the requests' ids. The search by id reads the whole journal.
///
/// # Errors
/// Returns an error if the journal's store failed. Also if `name` is the `source/id` or stream of a
/// damaged request.
pub(crate) async fn find_requests(
    journal: &Journal,
    name: &str,
    now: Timestamp,
) -> Result<Listed<State>, JournalError> {
    let identity = name.split_once('/').and_then(|(source, id)| {
        let (source, id) = (source.parse().ok()?, id.to_owned());
        Some(StreamId::of(&Identity { source, id }))
    });
    for stream in name.parse().ok().into_iter().chain(identity) {
        let history = journal.read(stream).await?;
        if let Some(state) = history.and_then(History::into_state) {
            return Ok(Listed::of(vec![state], Vec::new()));
        }
    }
    let rules = NoticeRules::default();
    let reader = JournalReader::new(journal, &rules, now);
    let all = RequestFilter::default();
    let mut listed = reader.newest_states(&all, None).await?;
    listed.entries.retain(|state| state.identity().id == name);
    Ok(listed)
}

fn newest_first(state: &State) -> Reverse<Timestamp> {
    Reverse(state.approved_at())
}
