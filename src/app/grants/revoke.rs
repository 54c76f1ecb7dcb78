//! Revokes what a share gave, after its expiry or a call-off, except for items that another grant
//! covers.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::app::requests::{ClaimWriter, OnRecord, Stop};
use crate::app::{App, Deadline, context};
use crate::domain::{AccountId, BlueprintId, Item, ItemResult, ResultKind, Target, Timestamp};
use crate::journal::{JournalError, State, StreamId, StreamState, Work};
use crate::policy::{Approved, Ended};

use super::cover::{Cover, covers_of_accounts, heir_in_lighthouse, serving};
use super::ownership::Ownership;

const CONCURRENT_READS: usize = 16;

impl App {
    /// Reads the requests among these streams. Skips damaged requests, so that they cannot block a
    /// cancel or a revocation. No work is done for a damaged request until it is restored.
    pub(in crate::app) async fn read_streams(
        &self,
        streams: BTreeSet<StreamId>,
    ) -> Result<Vec<State>, JournalError> {
        let request = |state| match state {
            StreamState::Request(state) => Some(*state),
            StreamState::Incident(_) => None,
        };
        let states = self.read_all(streams).await?.into_iter();
        Ok(states.filter_map(request).collect())
    }

    /// Reads these streams, both requests and incidents. Skips damaged streams.
    pub(in crate::app) async fn read_all(
        &self,
        streams: BTreeSet<StreamId>,
    ) -> Result<Vec<StreamState>, JournalError> {
        let streams: Vec<StreamId> = streams.into_iter().collect();
        let mut states = Vec::new();
        for some in streams.chunks(CONCURRENT_READS) {
            for read in join_all(some.iter().map(|stream| self.journal.read(*stream))).await {
                match read {
                    Ok(history) => states.extend(history.map(|history| history.stream_state)),
                    Err(error @ JournalError::Damaged { .. }) => {
                        tracing::error!(%error, "left out a request or rejected delivery whose records are damaged; `sharehook audit verify` lists what to restore");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(states)
    }

    /// Reads the other requests for the same image and receivers that are unfinished or hold a
    /// shared item.
    pub(in crate::app) async fn others(&self, state: &State) -> Result<Vec<State>, JournalError> {
        self.read_streams(self.journal.neighbours(state, false).await?)
            .await
    }

    /// Revokes the items that have expired or were called off, and returns the state afterwards.
    /// With `at_once`, does not wait until a pause or a cover ends.
    pub(in crate::app) async fn revoke(
        &self,
        state: State,
        now: Timestamp,
        at_once: bool,
        deadline: Deadline,
    ) -> Result<State, JournalError> {
        self.prove_create_only().await?;
        let deadline = context::turn_deadline(deadline);
        let stream = state.stream();
        self.find_source(state.request()).await?;
        let lease = self.worker_lease(now, deadline)?;
        let taken = self.take_turn(state, lease, None, at_once);
        let Some((
            claim,
            Work::Revoke {
                accounts,
                lighthouse,
            },
        )) = taken.await?
        else {
            return self.reread(stream).await;
        };
        let mut writer = self.writer(claim);
        // Read the other requests after the claim. A share that is opened after this read sees the
        // claim and waits.
        let others = self.others(writer.state()).await?;
        let mut covers = covers_of_accounts(writer.state(), &accounts, &others, now);
        let free: Vec<AccountId> = accounts
            .into_iter()
            .filter(|account| !covers.iter().any(|cover| is_account(&cover.item, account)))
            .collect();
        if lighthouse {
            let needed = publication_needed(writer.state(), &covers, &others, now);
            covers.extend(needed);
        }
        let stays = covers.iter().any(|c| matches!(c.item, Item::Lighthouse(_)));
        let lighthouse = lighthouse && !stays;
        let blueprint = self.blueprint_given(writer.state(), lighthouse, deadline);
        let (blueprint, unknown) = match blueprint.await {
            Ok(blueprint) => (blueprint, None),
            Err(kind) => (None, Some(kind)),
        };
        let approved = revocation_of(writer.state(), now, free.clone(), lighthouse, blueprint);
        let end = async {
            let mut results = match &approved {
                Some(approved) => {
                    let items = approved.request().target.items();
                    let on_record = OnRecord::of_revocation(writer.state(), items, now);
                    self.plan_and_execute(&mut writer, approved, &on_record, None, deadline)
                        .await?
                }
                None => writer.results(),
            };
            results.extend(unknown.into_iter().flat_map(|kind| {
                let each =
                    move |id: AccountId| ItemResult::new(Item::Account(id), kind.clone(), None);
                free.clone().into_iter().map(each)
            }));
            let results = self.judge(&writer, results, deadline);
            writer.end_revocation(results, covers).await
        };
        match end.await {
            Ok(()) => Ok(writer.state().clone()),
            Err(Stop::Lost | Stop::CalledOff | Stop::BlueprintNamed) => self.reread(stream).await,
            Err(Stop::Journal(error)) => Err(error),
        }
    }

    /// Judges the results of a revocation: if the image is missing, it counts as gone only if its
    /// owner's key was used.
    fn judge(
        &self,
        writer: &ClaimWriter<'_>,
        results: Vec<ItemResult>,
        deadline: Deadline,
    ) -> Vec<ItemResult> {
        let state = writer.state();
        let context = self.context(state.request(), deadline);
        let now = context.cloud.known_owner();
        let asked = writer.owner().filter(|asked| now.as_ref() == Some(asked));
        let image = state.request().target.image();
        let ownership = Ownership::of(state.owner(), asked);
        ownership.judge(results, state.revoked(), &image, context.account)
    }

    /// Returns the blueprint that the records name. If they name none, and the accounts of a chain
    /// lose the image while it stays in Lighthouse, reads the blueprint from the cloud. The error
    /// is the result for each of these accounts.
    async fn blueprint_given(
        &self,
        state: &State,
        lighthouse: bool,
        deadline: Deadline,
    ) -> Result<Option<BlueprintId>, ResultKind> {
        let request = state.request();
        let image = match (&request.target, state.blueprint(), lighthouse) {
            (Target::Chain { image, .. }, None, false) => image,
            (_, known, _) => return Ok(known.cloned()),
        };
        let context = self.context(request, deadline);
        let found = context.cloud.blueprint_of_image(image);
        match found.await {
            Ok(Some(found)) => Ok(Some(found.blueprint_id)),
            // Only the owner of an image sees it as private. So if the image is private for the key
            // that was used, that key belongs to the owner. As the owner has no blueprint of the
            // image, nothing is shared with the accounts.
            Ok(None) => {
                let found = context.cloud.cvm_image(image);
                let kind = found
                    .await
                    .ok()
                    .flatten()
                    .and_then(|found| found.image_type);
                if kind.as_deref() == Some("PRIVATE_IMAGE") {
                    return Err(ResultKind::NotShared);
                }
                let asked = context.cloud.owner_account().await.ok();
                let ownership = Ownership::of(state.owner(), asked.as_ref());
                let open = ownership.open_result(&request.target.image(), context.account);
                Err(open.unwrap_or(ResultKind::NotShared))
            }
            Err(error) => {
                let why = format!("the blueprint of {image} is not known: {error}");
                Err(ResultKind::failed(error.code, why, true))
            }
        }
    }
}

fn is_account(item: &Item, account: &AccountId) -> bool {
    matches!(item, Item::Account(id) if id == account)
}

/// Returns the cover because of which the image must stay in Lighthouse: another grant needs the
/// image there, or covers an account that has the image's blueprint.
fn publication_needed(
    state: &State,
    accounts: &[Cover],
    others: &[State],
    now: Timestamp,
) -> Option<Cover> {
    let item = state.lighthouse_given()?;
    let heir = heir_in_lighthouse(state, &item, others, now);
    if heir.is_some() {
        return heir;
    }
    let needed = serving(state, others, now);
    let needed = needed.map(|cover| (cover.by, cover.until));
    let (by, until) = needed.or_else(|| {
        let cover = accounts.first()?;
        Some((cover.by.clone(), cover.until))
    })?;
    Some(Cover {
        item,
        by,
        until,
        inherits: false,
    })
}

/// Returns the permission to revoke. If the image of a chain stays in Lighthouse, the permission
/// names the blueprint, so that only the accounts lose it. Returns `None` if nothing is left to
/// revoke, or if that blueprint is not known.
fn revocation_of(
    state: &State,
    now: Timestamp,
    accounts: Vec<AccountId>,
    lighthouse: bool,
    blueprint: Option<BlueprintId>,
) -> Option<Approved> {
    let mut granted = state.request().clone();
    if let (Target::Chain { accounts, .. }, false, Some(blueprint)) =
        (&granted.target, lighthouse, blueprint)
    {
        granted.target = Target::Blueprint {
            image: blueprint,
            accounts: accounts.clone(),
        };
    }
    let expired = state.expires_at().filter(|end| *end <= now);
    let ended = expired.map_or(Ended::CalledOff, Ended::Expired);
    Approved::revocation(&granted, state.identity(), ended, now, accounts, lighthouse)
}
