//! Checks the list `from` of a source when the configuration is read, and later checks that the
//! list contains the origin of a delivery.

use super::refusal::Refusal;
use super::scheme_kind::SchemeKind;
use super::spec::SchemeSpec;
use super::trace::Trace;
use crate::domain::{Problem, TriggerOrigin, shown};

/// The origin of the commands that request in the name of a source, such as `revoke`. No trigger
/// has it, also not one that names this text.
pub const COMMANDS: &str = "commands";

/// What the list `from` means for a scheme.
enum Listed {
    /// The origins that may send. Such a source has no secrets. If `topics`, only SNS topics can.
    Origins {
        topics: bool,
    },
    /// The accepted receivers of encrypted events. If `needed`, the list must not be empty.
    Receivers {
        needed: bool,
    },
    Nothing,
}

fn listing(kind: &SchemeKind) -> Listed {
    match kind {
        SchemeKind::Trusted => Listed::Origins { topics: false },
        SchemeKind::Sns => Listed::Origins { topics: true },
        SchemeKind::Envelope(scheme) => Listed::Receivers {
            needed: scheme.is_addressed(),
        },
        SchemeKind::Hmac(_) | SchemeKind::Token { .. } | SchemeKind::Basic | SchemeKind::Bearer => {
            Listed::Nothing
        }
    }
}

/// Whether a host or an operator's command sends messages with this origin. A command that needs no
/// secrets leaves a variable that is not set as `env:NAME`.
fn is_sent(origin: &str, topics: bool) -> bool {
    match TriggerOrigin::parse(origin) {
        Some(TriggerOrigin::Arn(arn)) => !topics || arn.split(':').nth(2) == Some("sns"),
        Some(_) => !topics,
        None => origin.starts_with("env:") || !topics && origin == COMMANDS,
    }
}

/// Returns a problem if `from` does not fit the scheme, or if an entry is blank, has a wildcard or
/// cannot be an origin.
pub(super) fn problem(spec: &SchemeSpec, from: &[String]) -> Option<Problem> {
    let missing = "is missing".to_owned();
    let wild = |from: &&String| from.trim().is_empty() || from.contains('*');
    let listing = listing(spec.kind());
    let unsent = match listing {
        Listed::Origins { topics } => from.iter().find(|from| !is_sent(from, topics)),
        Listed::Receivers { .. } | Listed::Nothing => None,
    };
    let topic = "write the ARN of a topic: arn:aws:sns:REGION:ACCOUNT:NAME";
    let any = format!(
        "write {}, or {COMMANDS} for operators only",
        TriggerOrigin::FORMS
    );
    let (problem, remedy) = match (&listing, from.iter().find(wild)) {
        (Listed::Nothing, _) if !from.is_empty() => (
            format!("is not used with scheme {}", spec.name()),
            "remove it, or use scheme = \"trusted\"",
        ),
        (Listed::Origins { .. }, _) if from.is_empty() => (
            missing,
            "list the exact queues, topics and buses that may send, or \"commands\" for operators only; for sns, the ARNs of topics",
        ),
        (Listed::Receivers { needed: true }, _) if from.is_empty() => (
            missing,
            "list the receiver that events name: WeCom's corp id, DingTalk's AppKey (client id)",
        ),
        (_, Some(wild)) => (
            format!("{} is not an exact name", shown(wild)),
            "write each entry in full; there are no wildcards",
        ),
        (Listed::Origins { topics }, None) => (
            format!("no host sends {}", shown(unsent?)),
            if *topics { topic } else { &any },
        ),
        _ => return None,
    };
    Some(Problem::new("from", problem, remedy))
}

/// Checks that `from` contains exactly this origin. The trace shows the origin as `what`: `origin`
/// for a trigger, `receiver` for an encrypted event.
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
