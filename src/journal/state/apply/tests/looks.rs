//! Whether an earlier read of the cloud still counts after later records of the request.

use super::*;
use crate::journal::record::Reopening;

/// If a request waits before it has made a call, another request may share the items during the
/// wait. An earlier read of the cloud then proves nothing.
#[test]
fn a_look_outlasts_a_wait_only_if_a_call_may_have_been_made() {
    let absent = || {
        let identity = identity("CHG0030192");
        let mut intent = intent(identity.clone(), request(json!({})), Some(60));
        intent.absent = true;
        StreamBuilder::empty(&identity).then(0, 1, Event::Opened(Box::new(intent)))
    };
    let waits = || match deferred(100) {
        Event::Deferred(deferral) => Event::Deferred(Deferral {
            waits: true,
            ..deferral
        }),
        event => event,
    };
    let names = Event::Progress(Progress {
        results: vec![result(lighthouse(), available())],
        ..Progress::default()
    });
    let call = || progress(vec![result(account(0), Shared)]);
    let calls = || match call() {
        Event::Progress(progress) => progress.calls,
        _ => Vec::new(),
    };
    let late = match waits() {
        Event::Deferred(deferral) => Event::Deferred(Deferral {
            calls: calls(),
            ..deferral
        }),
        event => event,
    };
    let refused = match closed(Status::Failed, all(failed())) {
        Event::Closed {
            status, results, ..
        } => Event::Closed {
            status,
            results,
            calls: calls(),
        },
        event => event,
    };
    let denied = match crate::journal::testing::refused(false, all(failed())) {
        Event::Refused {
            verdict, results, ..
        } => Event::Refused {
            verdict,
            results,
            calls: calls(),
        },
        event => event,
    };
    let looks_again = || match reopened(true) {
        Event::Reopened(reopening) => Event::Reopened(Reopening {
            looks_again: true,
            ..reopening
        }),
        event => event,
    };
    let failed = || absent().then(5, 1, closed(Status::Failed, all(failed())));
    let cases = [
        (
            "no call before the end, which was reopened",
            failed().then(9_000, 2, looks_again()),
            false,
        ),
        (
            "the same, as version 0.2.0 recorded it",
            failed().then(9_000, 2, reopened(true)),
            true,
        ),
        (
            "a call before a denial, which was reopened",
            absent()
                .then(5, 1, denied)
                .then(9_000, 2, reopened(true))
                .then(9_010, 2, waits()),
            true,
        ),
        (
            "a call before the end, which was reopened",
            absent()
                .then(5, 1, refused)
                .then(9_000, 2, reopened(true))
                .then(9_010, 2, waits()),
            true,
        ),
        (
            "a call, and a cancel meanwhile",
            absent().then(9, 1, late),
            true,
        ),
        ("no call", absent().then(9, 1, waits()), false),
        (
            "no call, and a cancel meanwhile",
            absent()
                .then(5, 9, called_off(vec![account(1)]))
                .then(9, 1, waits()),
            false,
        ),
        (
            "no call, and a blueprint's name",
            absent().then(5, 1, names).then(9, 1, waits()),
            false,
        ),
        (
            "a call",
            absent().then(5, 1, call()).then(9, 1, waits()),
            true,
        ),
        (
            "a worker that died",
            absent().then(61, 2, taken(99)).then(70, 2, waits()),
            true,
        ),
    ];
    for (name, builder, looked) in cases {
        assert_eq!(fold(&builder).unwrap().looked_before(), looked, "{name}");
    }
}
