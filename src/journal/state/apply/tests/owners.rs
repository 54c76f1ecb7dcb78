//! Which account owns the image according to the records of one request.

use super::*;

const A: Option<&str> = Some("100000000001");
const B: Option<&str> = Some("200000000002");

fn of(n: usize, kind: ResultKind) -> ItemResult {
    result(account(n), kind)
}

fn doubtful(n: usize) -> ItemResult {
    of(n, failed()).in_doubt(true)
}

/// Record 0 by a worker whose credentials belong to `owner`.
fn begun(owner: Option<&str>) -> StreamBuilder {
    let identity = identity("CHG0030192");
    StreamBuilder::empty(&identity).then_of(owner, 0, 1, opened(identity))
}

#[test]
fn the_account_that_gave_something_first_owns_the_image() {
    let gave = |owner| begun(owner).then_of(owner, 1, 1, progress(vec![of(0, Shared)]));
    let later = |builder: StreamBuilder, owner, results| {
        let taken = builder.then(2, 1, deferred(10)).then(20, 2, taken(80));
        taken.then_of(owner, 21, 2, progress(results))
    };
    let cases = [
        ("the opening looked at it", begun(A), A),
        ("no key names its account", gave(None), None),
        ("it gave something", gave(A), A),
        (
            "a later record repeats that",
            later(gave(A), B, vec![of(0, Shared), of(1, failed())]),
            A,
        ),
        (
            "the same without a name",
            later(gave(A), None, vec![of(0, Shared), of(1, failed())]),
            A,
        ),
        (
            "an unnamed key gave more",
            later(gave(A), None, vec![of(1, Shared)]),
            A,
        ),
        (
            "another looked, this one gave",
            begun(B).then_of(A, 1, 1, progress(vec![of(0, Shared)])),
            A,
        ),
        (
            "another looked, an unnamed one gave",
            begun(B).then_of(None, 1, 1, progress(vec![of(0, Shared)])),
            None,
        ),
        (
            "another looked before the first call",
            later(begun(A), B, vec![of(0, AlreadyShared)]),
            B,
        ),
        (
            "another looked, this one may have given something",
            later(begun(A), B, vec![doubtful(0)]),
            B,
        ),
        (
            "another may have given something later",
            later(gave(A), B, vec![doubtful(1)]),
            A,
        ),
    ];
    for (name, builder, owner) in cases {
        let state = fold(&builder).unwrap();
        assert_eq!(state.owner().map(|owner| owner.as_str()), owner, "{name}");
    }
}

/// The account of the first read stays the owner: a read under another account may not show what
/// the first worker's call changed, even if no record mentions that call.
#[test]
fn a_request_belongs_to_the_account_of_its_first_look() {
    let look = |builder: StreamBuilder, owner| builder.then_of(owner, 1, 1, progress(vec![]));
    let later = |builder: StreamBuilder| {
        let taken = builder.then(2, 1, deferred(10)).then(20, 2, taken(80));
        taken.then_of(B, 21, 2, progress(vec![]))
    };
    for action in [Action::Share, Action::Cancel] {
        let request = || {
            let identity = identity("CHG0030192");
            let mut opening = opened(identity.clone());
            if let Event::Opened(intent) = &mut opening {
                intent.request.action = action;
                intent.absent = false;
            }
            StreamBuilder::empty(&identity).then(0, 1, opening)
        };
        let cases = [
            (request(), None),
            (look(request(), A), A),
            (look(request(), None), None),
            (later(look(request(), A)), A),
            (later(look(request(), None)), None),
        ];
        for (n, (builder, owner)) in cases.into_iter().enumerate() {
            let state = fold(&builder).unwrap();
            let found = state.owner().map(|owner| owner.as_str());
            assert_eq!(found, owner, "{action:?} {n}");
        }
    }
}

/// After a renewal the request holds an item, so a later first look does not change its owner.
#[test]
fn the_owner_of_what_a_request_holds_stays() {
    let mut renewed = of(0, AlreadyShared);
    renewed.renewed = true;
    let waits = |event| match event {
        Event::Deferred(deferral) => Event::Deferred(Deferral {
            waits: true,
            ..deferral
        }),
        other => other,
    };
    let builder = begun(A)
        .then_of(A, 1, 1, progress(vec![renewed]))
        .then(2, 1, waits(deferred(10)))
        .then(20, 2, taken(80))
        .then_of(B, 21, 2, progress(vec![]));
    let state = fold(&builder).unwrap();
    assert_eq!(state.owner().map(|owner| owner.as_str()), A);
}

#[test]
fn a_record_without_an_owner_is_written_as_before() {
    let records = [begun(None), begun(A)].map(|builder| builder.files().remove(0));
    let [before, named] = records.map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(!before.contains("owner"), "{before}");
    assert!(
        named.contains(r#""owner":"100000000001","event""#),
        "{named}"
    );
}
