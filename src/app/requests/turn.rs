//! A turn: the work of one worker with its claim, from the look at the other requests to the close.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use crate::app::calls::{execute, observe};
use crate::app::cloud_accounts::own_account;
use crate::app::context::{self, LATE_CALL, pause};
use crate::app::grants::{Ownership, image_missing, unpublished};
use crate::app::{App, Deadline};
use crate::domain::{AccountId, Action, Item, ItemResult, ResultKind, Timestamp};
use crate::journal::{Claim, JournalError, MAX_PAUSE_OF_WORK, Phase, State};
use crate::plan::{Observation, Plan};
use crate::policy::Approved;
use crate::telemetry::{Step, step};

use super::call_off::{Beginning, Order};
use super::claim_writer::ClaimWriter;
use super::first_look::FirstLook;
use super::interrupted::interrupted_result;
use super::on_record::OnRecord;
use super::permission::{Permission, Withheld};
use super::stop::Stop;
use super::withdrawn_cancel::read_later;

/// The shortest pause between two looks at an instance that cannot be read or is not approved.
const MIN_PAUSE_OF_LOOKS: SignedDuration = SignedDuration::from_secs(5);

impl App {
    /// Carries out what `permission` allows, closes or defers the request, and revokes what was
    /// called off during the turn. Returns the state that is then in the journal, even if another
    /// worker took over.
    pub(in crate::app) async fn work_off_claim(
        &self,
        claim: Claim,
        mut permission: Permission,
        mut first_look: FirstLook,
        mut deadline: Deadline,
    ) -> Result<State, JournalError> {
        let stream = claim.state().stream();
        let mut writer = self.writer(claim);
        let end = loop {
            let first_look = std::mem::take(&mut first_look);
            match self
                .attempt(&mut writer, &permission, first_look, deadline)
                .await
            {
                Err(Stop::CalledOff) => {
                    // The cloud may still be carrying out the last call of this attempt, so wait
                    // until it has ended. If there is no time to wait, end the turn; a later turn
                    // reads the cloud.
                    let in_doubt = writer.doubt_open_items();
                    if in_doubt && !pause(deadline, LATE_CALL).await {
                        deadline = Deadline::after(Duration::ZERO);
                    }
                    permission = self.permission(writer.state());
                }
                Err(Stop::BlueprintNamed) => permission = self.permission(writer.state()),
                end => break end,
            }
        };
        let after = match end {
            Ok(()) => writer.state().clone(),
            // The loop handles `CalledOff` and `BlueprintNamed`, so this is `Lost`.
            Err(Stop::Lost | Stop::CalledOff | Stop::BlueprintNamed) => {
                return self.reread(stream).await;
            }
            Err(Stop::Journal(error)) => return Err(error),
        };
        let now = self.now();
        // A closed share needs work if items were called off or if it has expired. The sweep
        // handles expired shares.
        let expired = after.expires_at().is_some_and(|end| end <= now);
        let called_off = !expired && after.needs_work(now).is_some();
        if matches!(after.phase(), Phase::Closed) && called_off {
            return Box::pin(self.revoke(after, now, false, deadline)).await;
        }
        Ok(after)
    }

    /// Makes one attempt to work off a claim.
    ///
    /// # Errors
    /// Returns a [`Stop`]. After [`Stop::CalledOff`] (an item was called off) and
    /// [`Stop::BlueprintNamed`] (the chain's blueprint has just been recorded), the caller must
    /// decide again and start another attempt.
    async fn attempt(
        &self,
        writer: &mut ClaimWriter<'_>,
        permission: &Permission,
        first_look: FirstLook,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let approved = match permission {
            Permission::Granted(approved) => approved,
            Permission::Withheld(reason) => {
                return self.close_withheld(writer, reason, deadline).await;
            }
        };
        let unread = self.settle_called_off(writer, deadline).await?;
        let FirstLook {
            seen: seen_at_opening,
            neighbours,
        } = first_look;
        let order = self.order_among_others(writer.state(), neighbours, deadline);
        let Beginning {
            at_rest,
            on_record,
            renewed,
        } = match order.await.map_err(Stop::Journal)? {
            Order::Begin(beginning) => beginning,
            Order::CalledOff(call_off) => return writer.call_off(call_off).await,
            Order::Wait { until, why } => {
                let out_of_time = writer.state().out_of_time();
                return writer.wait(why, until, out_of_time).await;
            }
            Order::Unread(why) => return self.end_unread(writer, why, deadline).await,
        };
        writer.renewed = renewed;
        let results = self
            .plan_and_execute(writer, approved, &on_record, seen_at_opening, deadline)
            .await?;
        let mut results = self
            .undo_refused_chain(writer, approved, results, deadline)
            .await?;
        if approved.request().action == Action::Cancel {
            results = self.judge_missing_image(writer, results, &on_record.owners, deadline);
            writer.doubts.extend(unread.iter().map(|r| r.item.clone()));
            results = replace(results, unread);
            let ended = self.record_in_earlier_shares(writer.state(), &results, &at_rest, deadline);
            ended.await.map_err(Stop::Journal)?;
        }
        self.find_late_givers(writer, &results, deadline).await?;
        writer.close(writer.with_doubts(results)).await
    }

    /// Reads the cloud, makes the plan and executes it, for a request or a revocation. `on_record`
    /// is what the journal records about the items that a cancel or a revocation takes away.
    /// `seen_at_opening` is what was read before record 0; it is given only if no earlier attempt
    /// can have made a call.
    pub(in crate::app) async fn plan_and_execute(
        &self,
        writer: &mut ClaimWriter<'_>,
        approved: &Approved,
        on_record: &OnRecord,
        seen_at_opening: Option<Observation>,
        deadline: Deadline,
    ) -> Result<Vec<ItemResult>, Stop> {
        // A share makes no call after its own expiry.
        let deadline = match approved.request().action {
            Action::Share => context::before_end(deadline, self.now(), writer.state().expires_at()),
            Action::Cancel => deadline,
        };
        // The recorded request, not `approved`, selects the owner account: `approved` may name the
        // blueprint that a chain created from the recorded image.
        let context = self.context(writer.state().request(), deadline);
        // If `seen_at_opening` is given, record 0 mentions exactly that look, so no earlier attempt
        // looked.
        let attempted_before = writer.looked_before() && seen_at_opening.is_none();
        let mut seen = match seen_at_opening {
            Some(seen) => seen,
            None => observe::observe(&context, approved.request()).await,
        };
        seen.given = on_record.given.clone();
        writer.note_late_lists(&mut seen);
        observe::look_up_recorded(&context, approved.request(), &mut seen).await;
        let seen_before_doubts = seen.clone();
        writer.set_owner(seen.owner.clone());
        // Also compare with the owner that an earlier attempt recorded. If that attempt recorded
        // none, it may have made its calls under any account, so the ownership is not proven.
        let attempt = attempted_before || writer.state().owner().is_some();
        let attempt_owner = attempt.then(|| writer.state().owner());
        let owners = (on_record.owners.iter().map(Option::as_ref)).chain(attempt_owner);
        let ownership = Ownership::of_all(owners, seen.owner.as_ref());
        if !ownership.proven() {
            seen.doubt_absence(&approved.request().target, ownership.differs());
        }
        // Mark the results before the doubts are settled, because the state that was read may come
        // from a call in doubt.
        let earlier = writer.with_doubts(writer.results());
        writer.settle_doubts(&seen);
        let mut done = [&earlier[..], &on_record.kept].concat();
        done.extend(own_account(context.cloud.known_owner(), approved.request()));
        let adoption = self.not_adopted(writer.state(), approved.request(), &seen, &done);
        done.extend(adoption.await.map_err(Stop::Journal)?);
        let foreign = on_record.of_another_owner(approved.request(), &seen, &done, context.account);
        if writer.revoking() && !foreign.is_empty() {
            // The account that looked now proves nothing to a later turn.
            writer.set_owner(writer.state().owner().cloned());
            done.extend(foreign);
        }
        // The key of another account does not show what the earlier attempt did.
        let comparable = attempted_before && !ownership.differs();
        writer.proves_nothing = ownership.differs() && approved.request().action == Action::Cancel;
        let plan = step(Step::Plan).in_scope(|| Plan::of(approved, &seen, &done, comparable));
        writer.name_blueprint(plan.settled()).await?;
        writer.planned(&plan, seen.doubted).await?;
        let results = execute::execute(&context, &plan, writer).await?;
        let results = confirm_unseen(results, plan.unseen(), &on_record.given.lately);
        if !attempted_before {
            return Ok(results);
        }
        let interrupted = interrupted_call_offs(writer.state(), &earlier, &seen_before_doubts);
        // These results come from an interrupted worker. Set the owner back to the one on record,
        // because the account whose key was used now is not proven to be the owner.
        if !interrupted.is_empty() && !ownership.proven() {
            writer.set_owner(writer.state().owner().cloned());
        }
        Ok(replace(results, interrupted))
    }

    /// Judges those results of a cancel that may prove nothing, such as the result of a missing
    /// image, and returns all results.
    ///
    /// If an operator confirmed that the image is deleted, items whose image is missing become
    /// `NotShared`. Otherwise, [`Ownership::judge`] decides if the owner is on record or if a
    /// result shows that the image is out of Lighthouse. In all other cases, the results do not
    /// change.
    fn judge_missing_image(
        &self,
        writer: &ClaimWriter<'_>,
        mut results: Vec<ItemResult>,
        owners: &[Option<AccountId>],
        deadline: Deadline,
    ) -> Vec<ItemResult> {
        let state = writer.state();
        if state.intent().gone {
            let missing = results.iter_mut().filter(|result| image_missing(result));
            missing.for_each(|result| result.kind = ResultKind::NotShared);
            return results;
        }
        let owners = owners.iter().map(Option::as_ref);
        let ownership = Ownership::of_all(owners.chain(state.owner().map(Some)), writer.owner());
        if ownership == Ownership::NotRecorded && !unpublished(&results) {
            return results;
        }
        let account = self.context(state.request(), deadline).account;
        let image = state.request().target.image();
        ownership.judge(results, &state.results(), &image, account)
    }

    /// Ends a turn that could not read the instance of the request's approval, or found it not
    /// approved. The share waits until the time for retries is over, and is closed then. Do not close
    /// it earlier: closing also settles what an interrupted worker may have shared, and where the
    /// cloud cannot be read, this would end the share at its first failed look.
    async fn end_unread(
        &self,
        writer: &mut ClaimWriter<'_>,
        why: String,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let (now, until) = (self.now(), writer.retried_until());
        let lacked_time = context::left(deadline).is_zero();
        let out_of_time = lacked_time.then(|| writer.turns_out_of_time());
        // A look that only lacked time must not be the last one, unless all the others did, too.
        if now < until || out_of_time.is_some_and(|turns| !writer.are_enough(turns)) {
            // The pauses grow with the time since the attempts began.
            let pause = now.duration_since(writer.state().begins_at());
            let next = now.checked_add(pause.clamp(MIN_PAUSE_OF_LOOKS, MAX_PAUSE_OF_WORK));
            let next = next.unwrap_or(Timestamp::MAX);
            let next = if now < until { next.min(until) } else { next };
            let identity = writer.state().identity();
            tracing::warn!(%identity, why, "the share waits: the instance of its approval cannot be read, or is not approved");
            return writer.wait(why, next, out_of_time).await;
        }
        self.close_withheld(writer, &Withheld::Unread(why), deadline)
            .await
    }

    /// Closes a request for this reason. If an earlier turn looked at the cloud, its worker may
    /// have shared something without recording it, so the cloud is read first. What a share's
    /// worker shared is recorded and revoked later. What a cancel's worker took away is recorded,
    /// too.
    async fn close_withheld(
        &self,
        writer: &mut ClaimWriter<'_>,
        reason: &Withheld,
        deadline: Deadline,
    ) -> Result<(), Stop> {
        let request = writer.state().request().clone();
        // Keep the owner on record: the read below does not prove another owner.
        writer.set_owner(writer.state().owner().cloned());
        let mut seen = if writer.looked_before() {
            Some(observe::observe(&self.context(&request, deadline), &request).await)
        } else {
            None
        };
        let cancels = request.action == Action::Cancel;
        match &mut seen {
            Some(seen) if cancels => self.record_taken_away(writer, seen, deadline).await?,
            Some(seen) => writer.note_late_lists(seen),
            None => {}
        }
        let close = |result: ItemResult| {
            let open = seen.as_ref().and_then(|seen| match cancels {
                true => read_later(writer, &result, seen),
                false => interrupted_result(writer.state(), &result, seen),
            });
            open.unwrap_or_else(|| reason.result(&request, result))
        };
        let results = writer.with_doubts(writer.results());
        let results = results.into_iter().map(close).collect();
        let denial = match reason {
            Withheld::Denied(verdict) => Some(verdict),
            Withheld::Expired | Withheld::CalledOff | Withheld::Unread(_) => None,
        };
        writer.close_withheld(results, denial).await
    }
}

/// Replaces results of calls by results from `unseen`, which come from the cloud's lists. A result
/// is replaced if the call's answer says that the image is missing, or if the cloud finally refuses
/// to take the image out of Lighthouse. After such a refusal, an item in `lately` keeps the result
/// of its call, because the image may still be in Lighthouse although the list does not show it
/// yet.
fn confirm_unseen(
    mut results: Vec<ItemResult>,
    unseen: &[ItemResult],
    lately: &BTreeSet<Item>,
) -> Vec<ItemResult> {
    let refused = |result: &ItemResult| {
        let last = matches!(result.kind, ResultKind::Failed { retryable, .. } if !retryable);
        let lighthouse = matches!(result.item, Item::Lighthouse(_));
        last && lighthouse && !result.maybe_done && !lately.contains(&result.item)
    };
    let confirmed = |result: &ItemResult| image_missing(result) || refused(result);
    for result in results.iter_mut().filter(|result| confirmed(result)) {
        if let Some(by_list) = unseen.iter().find(|by_list| by_list.item == result.item) {
            *result = by_list.clone();
        }
    }
    results
}

/// Returns results for the called-off items that an interrupted worker may have shared.
fn interrupted_call_offs(
    state: &State,
    earlier: &[ItemResult],
    seen: &Observation,
) -> Vec<ItemResult> {
    (earlier.iter())
        .filter(|result| result.called_off_by.is_some())
        .filter_map(|result| interrupted_result(state, result, seen))
        .collect()
}

/// Returns `results`, with each result replaced for which `newer` has one for the same item.
fn replace(mut results: Vec<ItemResult>, newer: Vec<ItemResult>) -> Vec<ItemResult> {
    results.retain(|result| !newer.iter().any(|newer| newer.item == result.item));
    results.extend(newer);
    results
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the cloud finally refuses to remove an image from Lighthouse, the cloud's list decides.
    /// Otherwise, the revocation of an image that was never published would not end.
    #[test]
    fn the_list_counts_if_the_cloud_refuses_for_good_to_unpublish_an_image() {
        let item = Item::Lighthouse("img-6pb6lrmy".parse().unwrap());
        let result = |kind| ItemResult::new(item.clone(), kind, None);
        let failed = |retryable| {
            let code = "InvalidParameterValue.ImageUnableToShare";
            result(ResultKind::Failed {
                code: code.to_owned(),
                message: "refused".to_owned(),
                retryable,
            })
        };
        let unseen = [result(ResultKind::NotShared)];
        let (lately, never) = (BTreeSet::from([item.clone()]), BTreeSet::new());
        let doubtful = ItemResult {
            maybe_done: true,
            ..failed(false)
        };
        for (called, lately, kept) in [
            (failed(false), &never, false),
            (failed(false), &lately, true),
            (failed(true), &never, true),
            (doubtful, &never, true),
        ] {
            let expected = if kept { &called } else { &unseen[0] };
            let confirmed = confirm_unseen(vec![called.clone()], &unseen, lately);
            assert_eq!(confirmed, std::slice::from_ref(expected));
        }
    }
}
