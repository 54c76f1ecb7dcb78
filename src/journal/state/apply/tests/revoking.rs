//! Tests of revocations: at the share's end, and after a call-off, a withdrawal or a refusal.

use super::*;
use crate::journal::Standing;

#[test]
fn an_expiry_ends_a_pause_but_not_one_that_began_after_it() {
    let before = fold(&StreamBuilder::opened().then(1, 1, deferred(EXPIRY * 2))).unwrap();
    assert_eq!(before.due_at(), Some(at(EXPIRY)));
    let after = fold(&StreamBuilder::opened().then(EXPIRY, 1, deferred(EXPIRY * 2))).unwrap();
    assert_eq!(after.due_at(), Some(at(EXPIRY * 2)));
}

#[test]
fn only_what_the_request_gave_is_taken_back() {
    let state = closed_after(vec![
        result(lighthouse(), there()),
        result(account(0), Shared),
        result(account(1), AlreadyShared),
        result(account(2), failed()),
    ]);
    let wanted = revoke(&[0], false);
    assert_eq!(state.needs_work(at(EXPIRY)), Some(wanted));
    let builder = |accounts: &[usize], lighthouse| {
        StreamBuilder::opened()
            .then(1, 1, closed(Status::Partial, state.results()))
            .then(EXPIRY, 2, revoking(EXPIRY + 60, accounts, lighthouse))
    };
    assert!(fold(&builder(&[0], false)).is_ok());
    for (accounts, lighthouse) in [(&[1][..], false), (&[2], false), (&[], true)] {
        let error = fold(&builder(accounts, lighthouse)).unwrap_err();
        assert!(error.to_string().contains("from this request"), "{error}");
    }
}

#[test]
fn who_had_it_before_is_never_due() {
    let mut results = all(AlreadyShared);
    results[0] = result(lighthouse(), there());
    let state = closed_after(results);
    assert_eq!(
        (state.needs_work(at(EXPIRY * 9)), state.grant()),
        (None, None)
    );
}

#[test]
fn a_worker_that_finds_its_predecessors_share_does_not_hide_it() {
    let builder = StreamBuilder::opened()
        .then(1, 1, progress(vec![result(account(0), Shared)]))
        .then(60, 2, taken(120))
        .then(61, 2, closed(Status::Completed, all(AlreadyShared)));
    let grant = fold(&builder).unwrap().grant().unwrap();
    assert_eq!(grant.accounts, [account_id(0)]);
    assert_eq!(grant.since, at(1));
}

#[test]
fn a_grant_says_who_has_what_by_which_right() {
    let builder = StreamBuilder::full();
    let grant = |length: usize| {
        State::from_records(&builder.records[..length])
            .unwrap()
            .grant()
    };
    assert!(grant(2).is_none(), "nothing is shared yet");
    let running = grant(8).unwrap();
    assert_eq!(running.identity, identity("CHG0030192"));
    assert_eq!(running.ticket.as_deref(), Some("CHG0030192"));
    assert_eq!(
        (running.image.as_str(), running.region.as_str()),
        ("img-xkd784jw", "ap-singapore")
    );
    assert_eq!(running.blueprint.clone().unwrap().as_str(), "lhbp-su83x02a");
    assert_eq!(
        (running.accounts.clone(), running.lighthouse),
        (vec![account_id(0)], true)
    );
    assert_eq!(
        (
            running.since,
            running.until,
            running.standing(&account(0), at(200))
        ),
        (at(2), Some(at(EXPIRY)), Standing::Active)
    );
    assert_eq!(running.policies, ["golden-images-to-staging"]);
    let half = grant(10).unwrap();
    assert_eq!(
        (half.items(), half.standing(&lighthouse(), at(EXPIRY))),
        (vec![lighthouse()], Standing::Overdue)
    );
    assert!(grant(12).is_none(), "all of it is taken back");
}

#[test]
fn what_is_gone_with_its_image_leaves_the_register() {
    let builder = StreamBuilder::opened()
        .then(1, 1, closed(Status::Completed, all(Shared)))
        .then(EXPIRY, 2, revoking(EXPIRY + 60, &[0], false))
        .then(EXPIRY + 1, 2, revoked(vec![result(account(0), failed())]));
    let state = fold(&builder).unwrap();
    assert_eq!(
        (state.grant(), state.overdue(at(EXPIRY + 2))),
        (None, vec![])
    );
    assert_eq!(state.needs_work(at(EXPIRY * 9)), None);
}

#[test]
fn a_revocation_that_is_deferred_goes_on_with_what_is_left() {
    let builder = StreamBuilder::opened()
        .then(1, 1, closed(Status::Completed, all(Shared)))
        .then(EXPIRY, 2, revoking(EXPIRY + 60, &[0, 1, 2], true))
        .then(
            EXPIRY + 1,
            2,
            progress(vec![
                result(account(1), NotShared),
                result(account(2), Pending),
            ]),
        )
        .then(EXPIRY + 2, 2, deferred(EXPIRY + 300));
    let state = fold(&builder).unwrap();
    assert!(matches!(state.phase(), Phase::RevokeDeferred { .. }));
    assert_eq!(state.needs_work(at(EXPIRY + 299)), None);
    let left = revoke(&[0, 2], true);
    assert_eq!(state.needs_work(at(EXPIRY + 300)), Some(left));
}

#[test]
fn what_is_called_off_before_anything_was_called_is_closed_at_once() {
    let waiting = {
        let identity = identity("CHG0030192");
        let share = request(json!({"not_before": at(500)}));
        let intent = intent(identity.clone(), share, None);
        StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(intent)))
    };
    // A call-off of one account leaves the rest of the request waiting.
    let part = waiting.clone().then(5, 7, called_off(vec![account(1)]));
    let state = fold(&part).unwrap();
    assert_eq!(state.due_at(), Some(at(500)));
    let left = state.remaining().unwrap();
    assert_eq!(left.target.accounts(), [account_id(0), account_id(2)]);
    let rest = vec![lighthouse(), account(0), account(2)];
    let state = fold(&part.then(6, 8, called_off(rest))).unwrap();
    assert_eq!((state.phase(), state.due_at()), (&Phase::Closed, None));
    assert_eq!(state.status(), Status::Failed);
    for result in state.results() {
        assert_eq!(result.kind, Cancelled);
        assert_eq!(result.called_off_by.as_deref(), Some("CHG0030200"));
    }
    assert!(fold(&waiting.then(5, 7, called_off(vec![]))).is_err());
}

#[test]
fn what_was_given_is_taken_back_when_it_is_called_off_and_the_rest_at_its_end() {
    let builder = StreamBuilder::opened()
        .then(1, 1, progress(vec![]))
        .then(2, 7, called_off(vec![account(0), account(1)]))
        .then(3, 1, progress(vec![result(account(0), Shared)]));
    // The call-off does not end the turn of worker 1. No item can be called off twice.
    assert!(fold(&builder.clone().then(4, 7, called_off(vec![account(0)]))).is_err());
    let rest = vec![
        result(lighthouse(), available()),
        result(account(0), Shared),
        result(account(2), Shared),
    ];
    let builder = builder.then(4, 1, closed(Status::Partial, rest));
    let state = fold(&builder).unwrap();
    let called_off = revoke(&[0], false);
    assert_eq!(state.needs_work(at(4)), Some(called_off));
    let wrong = builder.clone().then(5, 3, revoking(60, &[2], false));
    assert!(fold(&wrong).is_err(), "it was not called off");
    let builder = builder
        .then(5, 3, revoking(60, &[0], false))
        .then(6, 3, not_revoked(20));
    let early = builder.clone().then(19, 4, revoked(vec![]));
    assert!(fold(&early).is_err());
    let revoked = || revoked(vec![result(account(0), NotShared)]);
    // A later attempt to revoke begins with a lease, too. Up to version 0.2.0 it did not.
    let taken = builder.clone().then(20, 4, taken(80));
    let begun = fold(&taken).unwrap();
    assert_eq!(
        (begun.due_at(), begun.failed_revocations()),
        (Some(at(80)), 1)
    );
    assert!(fold(&taken.clone().then(21, 5, revoked())).is_err());
    assert_eq!(
        fold(&taken.then(21, 4, revoked())).unwrap().phase(),
        &Phase::Closed
    );
    let builder = builder.then(20, 4, revoked());
    let state = fold(&builder).unwrap();
    assert_eq!(state.failed_revocations(), 1);
    assert_eq!(state.phase(), &Phase::Closed);
    assert_eq!(
        state.results()[1].called_off_by.as_deref(),
        Some("CHG0030200")
    );
    let left = revoke(&[2], true);
    assert_eq!(state.needs_work(at(EXPIRY)), Some(left));
    assert_eq!(state.needs_work(at(EXPIRY - 1)), None);
}

#[test]
fn a_refusal_closes_as_denied_with_both_verdicts_and_keeps_what_was_given() {
    let results = vec![
        result(lighthouse(), available()),
        result(account(0), failed()),
        result(account(1), failed()),
        result(account(2), failed()),
    ];
    let refused = |allowed| refused(allowed, results.clone());
    assert!(fold(&StreamBuilder::opened().then(1, 1, refused(true))).is_err());
    let builder = StreamBuilder::opened().then(1, 1, refused(false));
    let state = fold(&builder).unwrap();
    assert_eq!(state.status(), Status::Denied);
    assert!(state.verdict().allowed && !state.refusal().unwrap().allowed);
    assert_eq!(state.due_at(), Some(at(EXPIRY)));
}

#[test]
fn what_failed_can_be_reopened_after_the_revocation_of_what_was_called_off() {
    let refusal = vec![
        result(lighthouse(), there()),
        result(account(0), Shared),
        result(account(1), failed()),
        result(account(2), failed()),
    ];
    let builder = StreamBuilder::opened()
        .then(1, 1, progress(vec![result(account(0), Shared)]))
        .then(2, 7, called_off(vec![account(0)]))
        .then(3, 1, refused(false, refusal))
        .then(4, 2, revoking(60, &[0], false));
    let revoked_with = |kind| {
        builder
            .clone()
            .then(5, 2, revoked(vec![result(account(0), kind)]))
    };
    let state = fold(&revoked_with(Cancelled)).unwrap();
    assert_eq!((state.phase(), state.due_at()), (&Phase::Closed, None));
    assert_eq!((state.given(), state.stays_closed(at(6))), (vec![], None));
    let left = state.remaining().unwrap();
    assert_eq!(left.target.accounts(), [account_id(1), account_id(2)]);
    assert!(state.stays_closed(at(EXPIRY)).is_some());
    // The revocation ends with a failed result, for example because the image is gone.
    let gone = fold(&revoked_with(failed())).unwrap();
    assert_eq!(gone.phase(), &Phase::Revoked);
    let rest = withdrawn(vec![lighthouse(), account(1), account(2)]);
    let state = fold(&revoked_with(Cancelled).then(6, 7, rest)).unwrap();
    assert!(state.stays_closed(at(7)).is_some());
    assert_eq!(state.due_at(), None);
}

/// The image was in Lighthouse before the request.
fn there() -> ResultKind {
    ResultKind::Available {
        blueprint: None,
        already: true,
    }
}

#[test]
fn a_cancel_gives_nothing_and_never_expires() {
    let identity = identity("CHG0030192");
    let cancel = request(json!({"action": "cancel", "expires_at": null}));
    let builder = StreamBuilder::empty(&identity)
        .then(
            0,
            1,
            Event::Opened(Box::new(intent(identity.clone(), cancel, Some(60)))),
        )
        .then(
            1,
            1,
            closed(
                Status::Completed,
                (0..3)
                    .map(|n| result(account(n), Cancelled))
                    .chain([result(lighthouse(), NotShared)])
                    .collect(),
            ),
        );
    let state = fold(&builder).unwrap();
    assert_eq!((state.due_at(), state.grant()), (None, None));
}

#[test]
fn a_withdrawal_ends_a_share_in_every_phase_and_a_cancel_only_an_open_one() {
    let items = || vec![lighthouse(), account(0), account(1), account(2)];
    let shared = StreamBuilder::opened().then(1, 1, closed(Status::Completed, all(Shared)));
    assert!(fold(&shared.clone().then(2, 7, called_off(items()))).is_err());
    let state = fold(&shared.clone().then(2, 7, withdrawn(items()))).unwrap();
    assert_eq!((state.due_at(), state.remaining()), (Some(at(2)), None));
    assert!(matches!(
        state.needs_work(at(2)),
        Some(Work::Revoke {
            lighthouse: true,
            ..
        })
    ));
    assert!(
        fold(
            &shared
                .then(2, 7, withdrawn(items()))
                .then(3, 7, withdrawn(items()))
        )
        .is_err()
    );
    // Items that the request only found shared need no revocation, and the request no longer holds
    // them.
    let mut found = all(AlreadyShared);
    found.remove(0);
    found.insert(0, result(lighthouse(), failed()));
    let found = StreamBuilder::opened().then(1, 1, closed(Status::Partial, found));
    let state = fold(&found.then(2, 7, withdrawn(items()))).unwrap();
    assert_eq!((state.due_at(), state.holds(&account(0))), (None, false));
}

#[test]
fn a_withdrawal_during_a_revocation_of_a_part_is_the_next_revocation() {
    let part = StreamBuilder::opened()
        .then(1, 1, progress(all(Shared)))
        .then(2, 7, called_off(vec![account(0)]))
        .then(3, 1, closed(Status::Partial, all(Shared)))
        .then(4, 2, revoking(60, &[0], false));
    let rest = || withdrawn(vec![lighthouse(), account(1), account(2)]);
    let revoked = || revoked(vec![result(account(0), ResultKind::Cancelled)]);
    let left = Some(revoke(&[1, 2], true));
    let state = fold(&part.clone().then(5, 7, rest()).then(6, 2, revoked())).unwrap();
    assert_eq!(
        (state.phase(), state.needs_work(at(6))),
        (&Phase::Closed, left.clone())
    );
    // Account 0 waits after a failed attempt. The withdrawal ends the wait for all items.
    let waits = part.then(5, 2, not_revoked(500)).then(6, 7, rest());
    let state = fold(&waits).unwrap();
    assert_eq!(state.due_at(), Some(at(6)));
    assert_eq!(state.needs_work(at(6)), Some(revoke(&[0, 1, 2], true)));
    let state = fold(&waits.then(7, 3, revoking(60, &[0, 1, 2], true))).unwrap();
    assert!(matches!(state.phase(), Phase::Revoking { .. }));
}
