//! What a source may list in `from`, and whether it lists an origin. In: its scheme and its list. Out: the
//! problem, or the refusal.

use super::refusal::Refusal;
use super::scheme_kind::SchemeKind;
use super::spec::SchemeSpec;
use super::trace::Trace;
use crate::domain::{Problem, shown};

/// What a scheme reads in `from`, and whether it can do without.
enum Listed {
    /// The origins that may speak, instead of secrets.
    Origins,
    /// The receivers of encrypted events.
    Receivers {
        needed: bool,
    },
    Nothing,
}

fn listing(kind: &SchemeKind) -> Listed {
    match kind {
        SchemeKind::Trusted | SchemeKind::Sns => Listed::Origins,
        SchemeKind::Envelope(scheme) => Listed::Receivers {
            needed: scheme.is_addressed(),
        },
        SchemeKind::Hmac(_) | SchemeKind::Token { .. } | SchemeKind::Basic | SchemeKind::Bearer => {
            Listed::Nothing
        }
    }
}

/// What is wrong with `from`. There are no wildcards.
pub(super) fn problem(spec: &SchemeSpec, from: &[String]) -> Option<Problem> {
    let missing = "is missing".to_owned();
    let wild = |from: &&String| from.trim().is_empty() || from.contains('*');
    let (problem, remedy) = match (listing(spec.kind()), from.iter().find(wild)) {
        (Listed::Nothing, _) if !from.is_empty() => (
            format!("does nothing for scheme {}", spec.name()),
            "remove it, or use scheme = \"trusted\"",
        ),
        (Listed::Origins, _) if from.is_empty() => (
            missing,
            "list the exact queues, topics, buses or CloudEvents sources that may speak",
        ),
        (Listed::Receivers { needed: true }, _) if from.is_empty() => (
            missing,
            "list the receiver that events name: WeCom's corp id, DingTalk's AppKey (client id)",
        ),
        (_, Some(wild)) => (
            format!("{} is not an origin", shown(wild)),
            "write each origin in full; there are no wildcards",
        ),
        _ => return None,
    };
    Some(Problem::new("from", problem, remedy))
}

/// Checks that a source lists this exact origin of a trigger, or receiver of an encrypted event: `what`.
pub(super) fn listed(
    from: &[String],
    origin: &str,
    what: &'static str,
    trace: &mut Trace,
) -> Result<(), Refusal> {
    let listed = from.iter().any(|from| from == origin);
    trace.note(what, listed, || shown(origin));
    let origin = origin.to_owned();
    listed
        .then_some(())
        .ok_or(Refusal::ForeignOrigin { origin })
}
