//! Tests of the Lighthouse machine: the results of steps, and how the work ends.

use super::*;

fn image() -> CvmImageId {
    "img-xkd784jw".parse().unwrap()
}

fn blueprint() -> BlueprintId {
    "lhbp-su83x02a".parse().unwrap()
}

fn error(class: ErrorClass) -> CloudError {
    CloudError {
        code: "C".into(),
        message: "m".into(),
        class,
        remedy: "r".into(),
        request_id: Some("e-1".into()),
    }
}

fn run(action: Action, seen: Vec<LighthouseSeen>) -> (Vec<LighthouseStep>, ItemResult) {
    let mut work = LighthouseWork::new(image(), action, false, 3);
    let mut steps = Vec::new();
    for s in seen {
        steps.push(work.next());
        work.see(s);
    }
    assert_eq!(work.next(), LighthouseStep::Finished);
    (steps, work.result().unwrap().clone())
}

use LighthouseSeen::{Called, Found, Prechecked, Waited};

fn available(blueprint: Option<BlueprintId>, already: bool) -> ResultKind {
    ResultKind::Available { blueprint, already }
}

#[test]
fn shares_end_as_the_cloud_says() {
    let ok = || Prechecked(Ok(None));
    let cases: Vec<(&str, Vec<LighthouseSeen>, ResultKind)> = vec![
        (
            "plain",
            vec![ok(), Called(Ok((Some(blueprint()), Some("r".into()))))],
            available(Some(blueprint()), false),
        ),
        (
            "null blueprint",
            vec![
                ok(),
                Called(Ok((None, Some("r".into())))),
                Found(Ok(Some(blueprint()))),
            ],
            available(Some(blueprint()), false),
        ),
        (
            "null blueprint, unreadable",
            vec![
                ok(),
                Called(Ok((None, Some("r".into())))),
                Found(Err(error(ErrorClass::Operator))),
            ],
            available(None, false),
        ),
        (
            "already",
            vec![
                ok(),
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(Some(blueprint()))),
            ],
            available(Some(blueprint()), true),
        ),
        (
            "already, found nowhere",
            vec![
                ok(),
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(None)),
            ],
            available(None, true),
        ),
        (
            "lost answer, then already, found nowhere",
            vec![
                ok(),
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Ok(None)),
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(None)),
            ],
            available(None, false),
        ),
        (
            "lost answer, then already, unreadable",
            vec![
                ok(),
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Ok(None)),
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Err(error(ErrorClass::Operator))),
            ],
            available(None, false),
        ),
        (
            "lost answer, done",
            vec![
                ok(),
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Ok(Some(blueprint()))),
            ],
            available(Some(blueprint()), false),
        ),
        (
            "lost answer, not done",
            vec![
                ok(),
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Ok(None)),
                Called(Ok((Some(blueprint()), Some("r".into())))),
            ],
            available(Some(blueprint()), false),
        ),
        (
            "busy, then already: this request did not put it there",
            vec![
                ok(),
                Called(Err(error(ErrorClass::Busy))),
                Waited,
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(Some(blueprint()))),
            ],
            available(Some(blueprint()), true),
        ),
        (
            "unshareable because it is there",
            vec![
                Prechecked(Ok(Some("镜像已共享。".into()))),
                Found(Ok(Some(blueprint()))),
            ],
            available(Some(blueprint()), true),
        ),
    ];
    for (name, seen, kind) in cases {
        assert_eq!(run(Action::Share, seen).1.kind, kind, "{name}");
    }
}

/// The answer to a call is lost, and a read does not show the image in Lighthouse. The cloud may
/// still carry out the call after this read.
#[test]
fn a_read_right_after_a_lost_answer_leaves_the_image_in_doubt() {
    let seen = vec![
        Prechecked(Ok(None)),
        Called(Err(error(ErrorClass::Ambiguous))),
        Waited,
        Found(Ok(None)),
        Called(Err(error(ErrorClass::Permanent))),
    ];
    assert!(run(Action::Share, seen).1.maybe_done);
}

#[test]
fn an_unshareable_image_is_never_called() {
    let (steps, result) = run(
        Action::Share,
        vec![Prechecked(Ok(Some("imported".into()))), Found(Ok(None))],
    );
    assert!(!steps.contains(&LighthouseStep::Call));
    let ResultKind::Failed { code, message, .. } = result.kind else {
        panic!()
    };
    assert_eq!(code, "NotShareable");
    assert!(message.contains("imported"));
    let seen = vec![Prechecked(Ok(Some(String::new()))), Found(Ok(None))];
    let ResultKind::Failed { message, .. } = run(Action::Share, seen).1.kind else {
        panic!()
    };
    assert!(message.ends_with("gives no reason"), "{message}");
}

/// The precheck refuses the image, and the list shows no blueprint. The reason may be that an
/// earlier call has put the image into Lighthouse and the list does not show it yet. So the machine
/// must call again.
#[test]
fn an_image_that_an_earlier_call_may_have_published_is_called_again() {
    let run = |answer| {
        let mut work = LighthouseWork::new(image(), Action::Share, true, 3);
        work.see(Prechecked(Ok(Some(String::new()))));
        work.see(Found(Ok(None)));
        assert_eq!(work.next(), LighthouseStep::Call);
        work.see(Called(Err(error(answer))));
        if work.next() == LighthouseStep::Find {
            work.see(Found(Ok(None)));
        }
        work.result().unwrap().clone()
    };
    assert_eq!(run(ErrorClass::AsWanted).kind, available(None, false));
    for refused in [ErrorClass::Permanent, ErrorClass::Operator] {
        let result = run(refused);
        assert!(matches!(result.kind, ResultKind::Failed { .. }) && result.maybe_done);
    }
}

#[test]
fn not_shared_is_not_believed_while_a_blueprint_names_the_image() {
    for maybe_done in [false, true] {
        let mut work = LighthouseWork::new(image(), Action::Cancel, maybe_done, 3);
        let mut calls = 0;
        for _ in 0..100 {
            work.see(match work.next() {
                LighthouseStep::Call => {
                    calls += 1;
                    Called(Err(error(ErrorClass::AsWanted)))
                }
                LighthouseStep::Find => Found(Ok(Some(blueprint()))),
                LighthouseStep::Wait { .. } => Waited,
                LighthouseStep::Precheck | LighthouseStep::Finished => break,
            });
        }
        let kind = &work.result().unwrap().kind;
        let later = matches!(
            kind,
            ResultKind::Failed {
                retryable: true,
                ..
            }
        );
        assert!(later && calls == 3, "{calls} calls, {kind:?}");
    }
}

#[test]
fn cancels_end_as_the_cloud_says() {
    let cases = [
        (
            vec![Called(Ok((None, Some("r".into()))))],
            ResultKind::Cancelled,
        ),
        (
            vec![Called(Err(error(ErrorClass::AsWanted))), Found(Ok(None))],
            ResultKind::NotShared,
        ),
        (
            vec![
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Err(error(ErrorClass::Operator))),
            ],
            ResultKind::NotShared,
        ),
        (
            // The list may lag behind a cancel by hand.
            vec![
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(Some(blueprint()))),
                Waited,
                Called(Err(error(ErrorClass::AsWanted))),
                Found(Ok(None)),
            ],
            ResultKind::NotShared,
        ),
        (
            vec![
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Ok(None)),
            ],
            ResultKind::Cancelled,
        ),
        (
            // A failed read is repeated, but the call is not.
            vec![
                Called(Err(error(ErrorClass::Ambiguous))),
                Waited,
                Found(Err(error(ErrorClass::NotSent))),
                Waited,
                Found(Ok(None)),
            ],
            ResultKind::Cancelled,
        ),
    ];
    for (seen, kind) in cases {
        assert_eq!(run(Action::Cancel, seen).1.kind, kind);
    }
}

#[test]
fn a_busy_cloud_is_tried_a_bounded_number_of_times() {
    let busy = || Called(Err(error(ErrorClass::Throttled)));
    let seen = vec![Prechecked(Ok(None)), busy(), Waited, busy(), Waited, busy()];
    let (steps, result) = run(Action::Share, seen);
    assert_eq!(
        steps.iter().filter(|s| **s == LighthouseStep::Call).count(),
        3
    );
    assert!(matches!(
        result.kind,
        ResultKind::Failed {
            retryable: true,
            ..
        }
    ));
}

#[test]
fn an_image_in_a_passing_state_waits_unless_it_is_there() {
    let creating = || LighthouseSeen::NotReady(Readiness::Later("CREATING".into()));
    let unreadable = || Found(Err(error(ErrorClass::Operator)));
    for (found, doubtful) in [(Found(Ok(None)), false), (unreadable(), true)] {
        let mut work = LighthouseWork::new(image(), Action::Share, doubtful, 3);
        work.see(creating());
        work.see(found);
        let result = work.result().unwrap();
        let ResultKind::Failed {
            code, retryable, ..
        } = &result.kind
        else {
            panic!("{result:?}")
        };
        assert_eq!((code.as_str(), *retryable), ("NotReady", true));
        assert_eq!(
            result.maybe_done, doubtful,
            "an earlier call stays in doubt"
        );
    }
    let there = vec![creating(), Found(Ok(Some(blueprint())))];
    let kind = run(Action::Share, there).1.kind;
    assert_eq!(kind, available(Some(blueprint()), true));
}
